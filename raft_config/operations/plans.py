"""What an operation does to the quorum, in words, and why it is refused: pure functions.

`View` is what is known when an operator decides; `PLANS` maps the name of an operation to the rule
that plans it. What may *not* live here: how anything is found out or done (`deciding`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..core.configuration import Configuration, Member


@dataclass(frozen=True, slots=True)
class Operation:
    """What an operator asks for; `name` is a key of `PLANS`."""

    name: str
    node_id: str = ""
    """Whom it concerns; "" lets `transfer` choose."""
    address: str = ""
    promote: bool = True
    """Of `add`: whether the newcomer becomes a voter as soon as it has caught up."""
    user: str = ""
    """Who wants it, for the journal of the node that does it."""


@dataclass(frozen=True, slots=True)
class View:
    """The members, and how they are, as the node sees it that decides."""

    configuration: Configuration
    leader_id: str | None
    last_log_index: int = 0
    up: frozenset[str] = frozenset()
    """Members that were heard lately, the node itself included."""
    match_index: Mapping[str, int] = field(default_factory=dict)
    """How much of the log they are known to store."""
    unwilling: frozenset[str] = frozenset()
    """Those that would not lead: drained, or not reached by their peers."""
    max_lag: int = 0
    """A member that lacks more entries than this has not caught up."""
    problem: str = ""
    """What was found at the address in question, if it is not as it must be."""

    def lag(self, node_id: str) -> int:
        """How many entries the member lacks."""
        return self.last_log_index - self.match_index.get(node_id, 0)

    def after(self, configuration: Configuration) -> View:
        """The same with other members."""
        return replace(self, configuration=configuration)

    @property
    def up_voters(self) -> frozenset[str]:
        """The voters that are up."""
        return self.configuration.voters & self.up

    @property
    def spare(self) -> int:
        """How many voters may be lost before no change can be made; below 0 none can."""
        return len(self.up_voters) - self.configuration.majority


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, or why not. A refusal that `may_force` costs no safety."""

    text: str
    refusal: str = ""
    may_force: bool = False
    is_done: bool = False
    """It is so already: there is nothing to do."""


Rule = Callable[[View, Operation], Plan]


def make_plan(view: View, operation: Operation) -> Plan:
    """What this operation will do."""
    rule = PLANS[operation.name]
    if operation.name == "remove" and operation.node_id in view.configuration.removed:
        # The answer of the leader that did it may have been lost, above all of one that removed
        # itself: whoever asks again must not be told that it failed.
        done = _("Node %(node)s is removed already.") % {"node": operation.node_id}
        return Plan(done, is_done=True)
    if operation.name in CONCERN_A_MEMBER and operation.node_id not in view.configuration.by_id:
        known = ", ".join(view.configuration.by_id) or "-"
        refusal = _("There is no member %(node)s; the members are %(known)s.")
        return Plan("", refusal % {"node": operation.node_id, "known": known})
    return rule(view, operation)


# -- the quorum, in words


def quorum_text(view: View, after: View | None = None) -> str:
    """Voters and how many are needed, now and after a change."""
    now = _counted(view)
    if after is None or after.configuration.voters == view.configuration.voters:
        up = len(view.up_voters)
        text = ngettext(
            "The quorum stays: %(now)s; %(up)d is up.",
            "The quorum stays: %(now)s; %(up)d are up.",
            up,
        )
        return text % {"now": now, "up": up}
    up = len(after.up_voters)
    text = ngettext(
        "%(now)s; after: %(after)s; %(up)d of those is up.",
        "%(now)s; after: %(after)s; %(up)d of those are up.",
        up,
    )
    return text % {"now": now, "after": _counted(after), "up": up} + _warning(after)


def _counted(view: View) -> str:
    voters = len(view.configuration.voters)
    text = ngettext(
        "%(voters)d voter, %(needed)d needed", "%(voters)d voters, %(needed)d needed", voters
    )
    return text % {"voters": voters, "needed": view.configuration.majority}


def _warning(after: View) -> str:
    voters = len(after.configuration.voters)
    if after.spare == 0 and voters > 1:
        return " " + _("One more loss then stops changes.")
    if after.spare > 0 and voters % 2 == 0:
        return " " + _("An even number bears no more losses than one voter less.")
    return ""


def _refuse_loss(text: str, after: View) -> Plan:
    """The plan, unless too few voters would be up to commit it, and anything after it."""
    if after.spare >= 0:
        return Plan(text)
    refusal = _(
        "%(text)s That is too few: no change could be made any more. Bring nodes back first."
    )
    return Plan(text, refusal % {"text": text})


# -- each operation


def _add(view: View, operation: Operation) -> Plan:
    known = view.configuration.by_id.get(operation.node_id)
    names = {"node": operation.node_id, "url": operation.address}
    if known is not None and known.address == operation.address:
        return Plan(_("Node %(node)s is a member already.") % names, is_done=True)
    if known is not None:
        refusal = _("Node %(node)s is a member at another URL. Use set-url if it moved.")
        return Plan("", refusal % names)
    refusal = _owner_of(view, operation) or view.problem
    member = Member(operation.node_id, operation.address, voter=operation.promote)
    after = view.after(view.configuration.with_member(member))
    if operation.promote:
        after = replace(after, up=view.up | {operation.node_id})
        text = _("Node %(node)s at %(url)s receives everything, and votes once it has caught up.")
    else:
        text = _("Node %(node)s at %(url)s receives everything, and has no vote.")
    return Plan(f"{text % names} {quorum_text(view, after)}", refusal)


def _promote(view: View, operation: Operation) -> Plan:
    node_id = operation.node_id
    member = view.configuration.by_id[node_id]
    if member.voter:
        return Plan(_("Node %(node)s is a voter already.") % {"node": node_id}, is_done=True)
    after = view.after(view.configuration.with_member(replace(member, voter=True)))
    text = _("Node %(node)s gets a vote.") % {"node": node_id}
    text = f"{text} {quorum_text(view, after)}"
    if node_id in view.up and view.lag(node_id) <= view.max_lag:
        return _refuse_loss(text, after)
    # Until it has caught up it cannot help to commit anything: the others must be enough.
    without = replace(after, up=after.up - {node_id})
    facts = {"node": node_id, "lag": view.lag(node_id)}
    if node_id not in view.up:
        refusal = _("Node %(node)s does not answer; start it first.") % facts
    else:
        refusal = _("Node %(node)s lacks %(lag)d entries; let it catch up first.") % facts
    return Plan(text, refusal, may_force=without.spare >= 0)


def _remove(view: View, operation: Operation) -> Plan:
    node_id = operation.node_id
    if view.configuration.voters == {node_id}:
        refusal = _("Node %(node)s is the last voter: without it there is no cluster.")
        return Plan("", refusal % {"node": node_id})
    after = view.after(view.configuration.without_member(node_id))
    text = _("Node %(node)s is removed, and can come back only as a newcomer.") % {"node": node_id}
    if node_id == view.leader_id:
        text += " " + _("It leads, and steps down once that is committed.")
    return _refuse_loss(f"{text} {quorum_text(view, after)}", after)


def _set_url(view: View, operation: Operation) -> Plan:
    member = view.configuration.by_id[operation.node_id]
    names = {"node": member.node_id, "url": operation.address, "old": member.address}
    if member.address == operation.address:
        return Plan(_("Node %(node)s is at %(url)s already.") % names, is_done=True)
    text = _("Node %(node)s is reached at %(url)s instead of %(old)s.") % names
    text = f"{text} {quorum_text(view)}"
    if taken := _owner_of(view, operation):
        return Plan(text, taken)
    # Where it does not answer it is lost to the others.
    without = replace(view, up=view.up - {member.node_id})
    return Plan(text, view.problem, may_force=bool(view.problem) and without.spare >= 0)


def _owner_of(view: View, operation: Operation) -> str:
    """Why an address cannot be given: one node under two ids would be two of the majority."""
    for member in view.configuration.members:
        is_other = member.node_id != operation.node_id
        if is_other and member.address.lower() == operation.address.lower():
            refusal = _("%(url)s is the URL of node %(node)s; each node needs its own.")
            return refusal % {"url": operation.address, "node": member.node_id}
    return ""


def heir(view: View, leader_id: str | None) -> str:
    """The voter to hand over to: up, willing, and the most complete; "" if there is none."""
    found = [
        (view.match_index.get(node_id, 0), node_id)
        for node_id in view.up_voters - view.unwilling
        if node_id != leader_id and view.lag(node_id) <= view.max_lag
    ]
    return max(found, default=(0, ""))[1]


def _transfer(view: View, operation: Operation) -> Plan:
    target = operation.node_id or heir(view, view.leader_id)
    facts = {"node": target, "leader": view.leader_id}
    if not target:
        refusal = _("No other voter is up, level and willing to lead; node %(leader)s leads on.")
        return Plan("", refusal % facts)
    text = _("Node %(node)s takes over from node %(leader)s; changes wait for a moment.") % facts
    text = f"{text} {quorum_text(view)}"
    if target == view.leader_id:
        return Plan(_("Node %(node)s leads already.") % facts, is_done=True)
    return Plan(text, _why_not_lead(view, target))


def _why_not_lead(view: View, node_id: str) -> str:
    facts = {"node": node_id, "lag": view.lag(node_id)}
    member = view.configuration.by_id.get(node_id)
    if member is None or not member.voter:
        return _("Only a voter can lead, and node %(node)s is none. Promote it first.") % facts
    if node_id not in view.up:
        return _("Node %(node)s does not answer; start it first.") % facts
    if node_id in view.unwilling:
        return _("Node %(node)s is drained, or its peers do not reach it.") % facts
    if view.lag(node_id) > view.max_lag:
        return _("Node %(node)s lacks %(lag)d entries; let it catch up first.") % facts
    return ""


def _drain(view: View, operation: Operation) -> Plan:
    node_id = operation.node_id
    others = view.up_voters - view.unwilling - {node_id}
    facts = {"node": node_id, "others": ", ".join(sorted(others))}
    text = _("Node %(node)s hands over if it leads, and does not campaign any more.") % facts
    if node_id in view.unwilling:
        text = _("Node %(node)s will not campaign, whatever else keeps it from that.") % facts
    if others:
        left = _("Nodes that can lead then: %(others)s.") % facts
        return Plan(f"{text} {left} {quorum_text(view)}")
    refusal = _("Node %(node)s is the only one that can lead: nobody else is up and willing.")
    is_follower = view.leader_id not in (None, node_id)
    return Plan(text, refusal % facts, may_force=is_follower)


def _undrain(view: View, operation: Operation) -> Plan:
    text = _("Node %(node)s may lead again.") % {"node": operation.node_id}
    return Plan(f"{text} {quorum_text(view)}")


def _snapshot(view: View, operation: Operation) -> Plan:
    text = _("Node %(node)s puts its values into a snapshot, and shortens its log.")
    return Plan(f"{text % {'node': operation.node_id}} {quorum_text(view)}")


PLANS: Mapping[str, Rule] = {
    "add": _add,
    "promote": _promote,
    "remove": _remove,
    "set_url": _set_url,
    "transfer": _transfer,
    "drain": _drain,
    "undrain": _undrain,
    "snapshot": _snapshot,
}
CONCERN_A_MEMBER = frozenset({"promote", "remove", "set_url", "drain", "undrain", "snapshot"})
DONE_BY_THE_NODE = frozenset({"drain", "undrain", "snapshot"})
"""The others are done by the leader."""
