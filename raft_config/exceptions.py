"""Every error of raft_config, in one tree.

RaftConfigError
|-- InvariantViolatedError      our fault: a safety rule would have been broken; the step was undone
|   `-- RolledBackError         the database is an older copy of itself: this node has to join anew
|-- ConfigurationError          the project's fault: a setting is wrong; the message names it
|-- StateMachineError           a committed entry cannot be applied by this release
|   `-- UnknownCommandError     it was written by a newer release: upgrade this node
|-- CommandError                the caller's fault: refused before it reached the log
|   |-- InvalidCommandError     it is malformed, or too large
|   |-- InvalidBackupError      a file is no backup, or was changed since
|   |-- InvalidImportError      a file to import is malformed, or a value in it cannot be taken
|   `-- UnsupportedCommandError a member runs a release that does not know it yet
|-- ProposalError               the cluster's answer to a command
|   |-- NotLeaderError          certain: not stored; another node leads
|   |-- UnavailableError        certain: not stored; try again later
|   |-- ConflictError           certain: not applied; what it expected is no longer so
|   |-- EntryLostError          certain: not applied; another leader replaced the entry
|   `-- OutcomeUnknownError     unknown: retry with the same request id
|-- StaleReadError              this node has not applied yet what a read has to see
|-- HistoryUnavailableError     the caller's fault: it is forgotten, or has not happened yet
|-- MembershipError             a change of members was refused
|-- PeerError                   a peer could not be used
|   |-- PeerUnavailableError    try later; whether it got the message is not known
|   |   |-- PeerUnreachableError   certain: there was no connection, so it got nothing
|   |   `-- PeerSilentError        it took the message, and gave no answer in time: it may be busy
|   `-- PeerRejectedError       fix the secret, the cluster id or the member list
`-- MessageRefusedError         the sender's fault: nothing of its message was used
    |-- AuthenticationError     401: nothing proves who sent it, or that it is as it was sent
    |   |-- ClockSkewError      it was signed too long ago, or in the future
    |   `-- ReplayedError       the same one came before
    |-- WrongClusterError       412: it is of another cluster that has the same secret
    |-- MisdirectedError        421: it reached, or came from, another node than was meant
    |-- UnknownNodeError        404: the sender is no member
    |-- RemovedNodeError        410: the sender was removed from the cluster
    |-- InvalidMessageError     400: a body that no node would write
    `-- MessageTooLargeError    413: it is larger than any message of this release
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar


def noop(text: str) -> str:
    """Mark a sentence for the translators; it is translated where it is shown (`language.told`)."""
    return text


class RaftConfigError(Exception):
    """The root: catching it catches everything this package raises on purpose.

    In itself it speaks English, for logs and for other nodes. The sentence and the facts of which
    it was made are kept, so that whoever shows it to a person can say it in their language.
    """

    def __init__(self, sentence: str = "", **facts: object) -> None:
        said = {
            name: fact.value if isinstance(fact, Enum) else fact for name, fact in facts.items()
        }
        super().__init__(sentence % said if facts else sentence)
        self.sentence = sentence
        self.facts = facts


class InvariantViolatedError(RaftConfigError):
    """A safety rule would have been broken. Nothing of the step was kept; please report it."""


class RolledBackError(InvariantViolatedError):
    """The node's database is an older copy of itself: it may have forgotten votes and entries."""

    def __init__(self, node_id: str, found: int, known: int) -> None:
        super().__init__(
            noop(
                "The database of node %(node)s is an older copy of itself: it has seen %(found)d "
                "durable saves, and the node has made %(known)d. It may have forgotten votes and "
                "entries, and takes part in nothing. On another node: raft_members remove "
                "%(node)s; then on this one: raft_recover --join URL. If no other one is left: "
                "raft_recover."
            ),
            node=node_id,
            found=found,
            known=known,
        )


class ConfigurationError(RaftConfigError):
    """A setting has a value that cannot work."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__("%(setting)s %(problem)s", setting=setting, problem=problem)
        self.setting = setting


class StateMachineError(RaftConfigError):
    """A committed entry cannot be applied here; it is never skipped."""


class UnknownCommandError(StateMachineError):
    """The entry holds a kind of command that this release does not know."""

    def __init__(self, kind: object) -> None:
        super().__init__(
            noop(
                "Command kind %(kind)r is unknown to this release. Upgrade this node; it applies "
                "nothing more until then."
            ),
            kind=kind,
        )
        self.kind = kind


class CommandError(RaftConfigError):
    """The command was refused before it reached the log."""


class InvalidCommandError(CommandError):
    """The command is malformed or larger than the limit."""


class InvalidImportError(CommandError):
    """A file to import is malformed, or a value in it cannot be taken; nothing of it was used."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        """`problems` maps a setting's name to what is wrong, and "" to what is wrong with all."""
        told = "; ".join(
            f"{name}: {problem}" if name else problem for name, problem in problems.items()
        )
        super().__init__(noop("Nothing was imported: %(problems)s."), problems=told.rstrip("."))
        self.problems = dict(problems)


class InvalidBackupError(CommandError):
    """A file is no backup, or not the one that was written; nothing of it was used."""


class UnsupportedCommandError(CommandError):
    """Some member speaks an older protocol version than the command needs."""

    def __init__(self, needed: int, agreed: int) -> None:
        super().__init__(
            noop(
                "This command needs protocol version %(needed)d, but the members agree on "
                "%(agreed)d. Upgrade every member first."
            ),
            needed=needed,
            agreed=agreed,
        )
        self.needed = needed
        self.agreed = agreed


class ProposalError(RaftConfigError):
    """The cluster's answer to a command that did not (certainly) take effect."""


class NotLeaderError(ProposalError):
    """This node does not lead; nothing was stored."""

    def __init__(self, leader_id: str | None, term: int) -> None:
        known = noop("Node %(leader)s leads term %(term)d; send the change there.")
        unknown = noop(
            "No leader is known in term %(term)d; try again in a moment. If that lasts, "
            "raft_doctor tells why."
        )
        super().__init__(known if leader_id else unknown, leader=leader_id, term=term)
        self.leader_id = leader_id
        self.term = term


class UnavailableError(ProposalError):
    """No change can be taken at present; nothing was stored."""


class ConflictError(ProposalError):
    """The command expected something that is no longer so; nothing was changed."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            noop(
                "Somebody else has changed %(names)s meanwhile; nothing was changed. "
                "Look at the present value, and decide again."
            ),
            names=", ".join(names),
        )
        self.names = tuple(names)


class NotPendingError(ProposalError):
    """A scheduled change was made, or cancelled, before it could be cancelled."""

    def __init__(self, schedule_id: int) -> None:
        super().__init__(
            noop(
                "The scheduled change %(id)d is not pending: it was made or cancelled before, "
                "or never was. Look at the history."
            ),
            id=schedule_id,
        )
        self.schedule_id = schedule_id


class EntryLostError(ProposalError):
    """Another leader replaced the entry: the command will never be applied."""

    def __init__(self, index: int, term: int) -> None:
        super().__init__(
            noop(
                "The entry at index %(index)d of term %(term)d was replaced by another leader's. "
                "The change was not made; send it again."
            ),
            index=index,
            term=term,
        )
        self.index = index
        self.term = term


class OutcomeUnknownError(ProposalError):
    """No answer in time: the command may still be applied."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            noop(
                "No answer in time for request %(id)s: it may or may not take effect. "
                "Retry with the same request id; it has one effect."
            ),
            id=request_id,
        )
        self.request_id = request_id


class StaleReadError(RaftConfigError):
    """This node has not applied yet what a read has to see."""

    def __init__(self, index: int, applied: int, seconds: float) -> None:
        super().__init__(
            noop(
                "This node has applied index %(applied)d and not %(index)d after %(seconds).1f s. "
                "Read again later, or on another node."
            ),
            index=index,
            applied=applied,
            seconds=seconds,
        )
        self.index = index
        self.applied = applied


class HistoryUnavailableError(RaftConfigError):
    """What was asked of the history is not in it."""

    def __init__(self, index: int, oldest_index: int, newest_index: int) -> None:
        super().__init__(
            noop(
                "The history does not tell what was set after index %(index)d. "
                "Ask for an index from %(oldest)d to %(newest)d."
            ),
            index=index,
            oldest=oldest_index,
            newest=newest_index,
        )
        self.index = index
        self.oldest_index = oldest_index
        self.newest_index = newest_index


class MembershipError(RaftConfigError):
    """A change of the cluster's members was refused; nothing was stored."""


class PeerError(RaftConfigError):
    """A peer could not be used."""


class PeerUnavailableError(PeerError):
    """The peer did not answer; the same call may work later."""


class PeerRejectedError(PeerError):
    """The peer answered and refused; trying again changes nothing."""


class PeerUnreachableError(PeerUnavailableError):
    """There was no connection to the peer: for certain it received nothing."""


class PeerSilentError(PeerUnavailableError):
    """The peer was reached, and did not answer in time: it hangs, or is busy."""


class MessageRefusedError(RaftConfigError):
    """A message was refused; nothing of its body was used.

    The text may go to the sender: until a signature is right it repeats only what the sender said.
    `caller` (a `transport.auth.Caller`) is who signed, when that is certain: then the refusal can
    be signed as well.
    """

    http_status: ClassVar[int] = 400

    def __init__(self, message: str, caller: Any = None) -> None:
        super().__init__(message)
        self.caller = caller


class AuthenticationError(MessageRefusedError):
    """Nothing proves who sent the message, or that it is as it was sent."""

    http_status = 401


class ClockSkewError(AuthenticationError):
    """It was signed too long ago, or in the future."""


class ReplayedError(AuthenticationError):
    """The same request was received before."""


class WrongClusterError(MessageRefusedError):
    """It was signed by a node of another cluster that has the same secret."""

    http_status = 412


class MisdirectedError(MessageRefusedError):
    """It reached, or came from, another node than was meant."""

    http_status = 421


class UnknownNodeError(MessageRefusedError):
    """Its sender is no member of the cluster."""

    http_status = 404


class RemovedNodeError(MessageRefusedError):
    """Its sender was removed from the cluster."""

    http_status = 410


class InvalidMessageError(MessageRefusedError):
    """What was received is not a message of this protocol; nothing of it was used."""


class MessageTooLargeError(MessageRefusedError):
    """It is larger than any message of this release."""

    http_status = 413
