"""`config`: the settings in force, to be read and to be changed.

Reads are `reader`'s. Writes go through `proposals`, which is imported with the first one: pages
that only read load nothing that speaks to peers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Any, Final

from asgiref.sync import sync_to_async

from .core.state import Follower
from .exceptions import ConflictError, StaleReadError
from .reader import Reader
from .schema import bind

CONSISTENCIES: Final = ("local", "linearizable")


@dataclass(frozen=True, slots=True)
class Meta:
    """How current this node's values are. Indexes count entries of the log, from 1."""

    node_id: str
    index: int
    """Values are those after this entry."""
    leader_id: str | None
    """None: no leader is known, so nobody can change anything at present."""
    age_seconds: float | None
    """Since this node last heard of the leader; 0 on the leader, None without one."""


class Config(Reader):
    """Writes return the index of their entry, once it is applied here.

    They raise ValidationError, InvalidCommandError, ConflictError, NotLeaderError, UnavailableError
    or EntryLostError when for certain nothing was changed; OutcomeUnknownError when a retry under
    its request id has to tell. Within `transaction.atomic()` they are refused: the cluster cannot
    take part in a rollback.

    user, comment   who and why, for the history; a user object gives its name
    request_id      the same one for each retry of the same change: it has one effect
    apply_at        an aware datetime: the change is stored now, and takes effect then
    expires_at      an aware datetime: then what was there before comes back
    """

    def set(
        self, name: str, value: Any, *, expected_index: int | None = None, **options: Any
    ) -> int:
        """Change one setting, if it was last set at `expected_index` (0: not set at all)."""
        expected = {} if expected_index is None else {name: expected_index}
        return self.update({name: value}, expected=expected, **options)

    def update(
        self,
        values: Mapping[str, Any],
        *,
        reset: tuple[str, ...] | list[str] = (),
        expected: Mapping[str, int] | None = None,
        request_id: str | None = None,
        user: object = "",
        comment: str = "",
        apply_at: datetime | None = None,
        expires_at: datetime | None = None,
        timeout_seconds: float | None = None,
    ) -> int:
        """Change several settings, and reset others: one entry, all or nothing."""
        answer = _proposals().propose(
            values,
            reset=reset,
            expected=expected,
            request_id=request_id,
            user=user,
            comment=comment,
            apply_at=apply_at,
            expires_at=expires_at,
            timeout_seconds=timeout_seconds,
        )
        return int(answer.index)

    def reset(self, *names: str, **options: Any) -> int:
        """Go back to the declared defaults, whatever they are or will be."""
        return self.update({}, reset=names, **options)

    def compare_and_set(self, name: str, old_value: Any, new_value: Any, **options: Any) -> bool:
        """Change it if its value is `old_value`, as of now in the whole cluster; whether it was."""
        found, index = _proposals().read_latest(name)
        if found != old_value:
            return False
        try:
            self.set(name, new_value, expected_index=index, **options)
        except ConflictError:
            return False
        return True

    def read(
        self,
        name: str,
        *,
        consistency: str = "local",
        at_least: int | None = None,
        timeout_seconds: float | None = None,
    ) -> Any:
        """A value that is not older than asked for.

        consistency="linearizable": no write that was acknowledged before is missing, on whatever
        node; it asks the leader, and raises NotLeaderError or UnavailableError without one.
        at_least: what is applied here reaches that index. Raises StaleReadError if that takes long.
        """
        if consistency not in CONSISTENCIES:
            raise ValueError(f"consistency is one of {CONSISTENCIES}, not {consistency!r}")
        if self.is_overlaid(name):
            return self[name]
        if consistency == "linearizable":
            at_least = max(at_least or 0, _proposals().read_index(timeout_seconds))
        if at_least is None:
            return self[name]
        wait_until_applied(at_least, timeout_seconds)
        return self.latest(name)

    @property
    def meta(self) -> Meta:
        """How current what is read here is; one query."""
        from .node import get_node  # noqa: PLC0415 - pages that only read need no peers

        node = get_node()
        state = node.storage.load()
        if state is None:  # before the first write or tick
            return Meta(node.node_id, 0, None, None)
        age = 0.0 if state.is_leader else None
        if isinstance(state.role, Follower) and state.role.heard_at is not None:
            age = max(0.0, node.clock() - state.role.heard_at)
        return Meta(node.node_id, state.last_applied, state.leader_id, age)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self:
            raise AttributeError(
                f'There is no setting {name}; declare it in RAFT_CONFIG["SETTINGS"].'
            )
        self.set(name, value)

    # -- the same from asynchronous code

    async def aset(self, name: str, value: Any, **options: Any) -> int:
        """See `set`."""
        return await sync_to_async(self.set)(name, value, **options)

    async def aupdate(self, values: Mapping[str, Any], **options: Any) -> int:
        """See `update`."""
        return await sync_to_async(self.update)(values, **options)

    async def areset(self, *names: str, **options: Any) -> int:
        """See `reset`."""
        return await sync_to_async(self.reset)(*names, **options)

    async def acompare_and_set(
        self, name: str, old_value: Any, new_value: Any, **options: Any
    ) -> bool:
        """See `compare_and_set`."""
        return await sync_to_async(self.compare_and_set)(name, old_value, new_value, **options)

    async def aread(self, name: str, **options: Any) -> Any:
        """See `read`."""
        return await sync_to_async(self.read)(name, **options)


def wait_until_applied(index: int, timeout_seconds: float | None = None) -> None:
    """Wait until this node has applied `index`. Raises StaleReadError."""
    from .node import get_node  # noqa: PLC0415 - pages that only read need no peers

    node = get_node()
    seconds = node.config.write_timeout_seconds if timeout_seconds is None else timeout_seconds
    begun_at = time.monotonic()
    if not node.wait_until_applied(index, seconds):
        raise StaleReadError(index, node.storage.version(), time.monotonic() - begun_at)


def _proposals() -> ModuleType:
    from . import proposals  # noqa: PLC0415 - pages that only read need no peers

    return proposals


config = Config()
"""See `Config`."""
bind(config.__getitem__)
