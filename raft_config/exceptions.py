"""Every error of raft_config, in one tree.

RaftConfigError
|-- InvariantViolatedError      our fault: a safety rule would have been broken; the step was undone
|-- ConfigurationError          the project's fault: a setting is wrong; the message names it
|-- StateMachineError           a committed entry cannot be applied by this release
|   `-- UnknownCommandError     it was written by a newer release: upgrade this node
|-- CommandError                the caller's fault: refused before it reached the log
|   |-- InvalidCommandError     it is malformed, or too large
|   `-- UnsupportedCommandError a member runs a release that does not know it yet
|-- ProposalError               the cluster's answer to a command
|   |-- NotLeaderError          certain: not stored; another node leads
|   |-- UnavailableError        certain: not stored; try again later
|   |-- ConflictError           certain: not applied; what it expected is no longer so
|   |-- EntryLostError          certain: not applied; another leader replaced the entry
|   `-- OutcomeUnknownError     unknown: retry with the same request id
|-- MembershipError             a change of members was refused
`-- PeerError                   a peer could not be used
    |-- PeerUnavailableError    try later
    `-- PeerRejectedError       fix the secret, the cluster id or the member list
"""

from __future__ import annotations


class RaftConfigError(Exception):
    """The root: catching it catches everything this package raises on purpose."""


class InvariantViolatedError(RaftConfigError):
    """A safety rule would have been broken. Nothing of the step was kept; please report it."""


class ConfigurationError(RaftConfigError):
    """A setting has a value that cannot work."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting} {problem}")
        self.setting = setting


class StateMachineError(RaftConfigError):
    """A committed entry cannot be applied here; it is never skipped."""


class UnknownCommandError(StateMachineError):
    """The entry holds a kind of command that this release does not know."""

    def __init__(self, kind: object) -> None:
        super().__init__(
            f"Command kind {kind!r} is unknown to this release. "
            "Upgrade this node; it applies nothing more until then."
        )
        self.kind = kind


class CommandError(RaftConfigError):
    """The command was refused before it reached the log."""


class InvalidCommandError(CommandError):
    """The command is malformed or larger than the limit."""


class UnsupportedCommandError(CommandError):
    """Some member speaks an older protocol version than the command needs."""

    def __init__(self, needed: int, agreed: int) -> None:
        super().__init__(
            f"This command needs protocol version {needed}, but the members agree on {agreed}. "
            "Upgrade every member first."
        )
        self.needed = needed
        self.agreed = agreed


class ProposalError(RaftConfigError):
    """The cluster's answer to a command that did not (certainly) take effect."""


class NotLeaderError(ProposalError):
    """This node does not lead; nothing was stored."""

    def __init__(self, leader_id: str | None, term: int) -> None:
        super().__init__(
            f"Node {leader_id} leads term {term}; send the change there."
            if leader_id
            else f"No leader is known in term {term}; try again in a moment."
        )
        self.leader_id = leader_id
        self.term = term


class UnavailableError(ProposalError):
    """The leader cannot take more at present; nothing was stored."""


class ConflictError(ProposalError):
    """The command expected something that is no longer so; nothing was changed."""


class EntryLostError(ProposalError):
    """Another leader replaced the entry: the command will never be applied."""

    def __init__(self, index: int, term: int) -> None:
        super().__init__(
            f"The entry at index {index} of term {term} was replaced by another leader's. "
            "The change was not made; send it again."
        )
        self.index = index
        self.term = term


class OutcomeUnknownError(ProposalError):
    """No answer in time: the command may still be applied."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"No answer in time for request {request_id}: it may or may not take effect. "
            "Retry with the same request id; it has one effect."
        )
        self.request_id = request_id


class MembershipError(RaftConfigError):
    """A change of the cluster's members was refused; nothing was stored."""


class PeerError(RaftConfigError):
    """A peer could not be used."""


class PeerUnavailableError(PeerError):
    """The peer did not answer; the same call may work later."""


class PeerRejectedError(PeerError):
    """The peer answered and refused; trying again changes nothing."""
