"""The object that users read with: the declared settings as attributes and items.

What may *not* live here: how values are loaded and pinned (`loading`), and writes (`live`).
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from django.core.signals import setting_changed
from django.dispatch import receiver

from .conf import did_you_mean
from .loading import Loaded, Pin, State, current, latest, pin, pinned, state
from .schema import MASK, Setting, declared, stored_name_of
from .version_file import TOKEN

_offering: Final = threading.Lock()


class Reader:
    """The declared settings as attributes and items.

    The class gets a property for each declared name at the first read; it costs a fraction of
    what `__getattr__` would.
    """

    _offered: Mapping[str, Setting] = {}

    @classmethod
    def offer(cls, settings: Mapping[str, Setting]) -> None:
        """Make a property of each declared setting."""
        if cls._offered is settings:
            return
        with _offering:
            cls._withdraw_all()
            for name, setting in settings.items():
                setattr(cls, name, property(_getter(name, copies=_is_mutable(setting))))
            cls._offered = settings

    @classmethod
    def withdraw(cls) -> None:
        """The declarations may be others now."""
        for each in (cls, *cls.__subclasses__()):
            with _offering:
                each._withdraw_all()  # noqa: SLF001 - of this very class

    @classmethod
    def _withdraw_all(cls) -> None:
        for name in cls._offered:
            delattr(cls, name)
        cls._offered = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        settings = declared()
        if name not in settings:
            raise AttributeError(_unknown(name))
        self.offer(settings)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        overlaid = state.overlay
        if name in overlaid:
            return copy.deepcopy(overlaid[name])
        values = current().values
        if name in values:
            return _own(values[name])
        if name in declared():  # declared after this version was pinned
            return _own(declared()[name].default)
        raise KeyError(_unknown(name))

    def latest(self, name: str) -> Any:
        """The value that this node has applied last, also where another version is pinned."""
        return self[name] if self.is_overlaid(name) else _own(latest().values[name])

    def is_overlaid(self, name: str) -> bool:
        """Whether a test has put a value in its place."""
        return name in state.overlay

    def __contains__(self, name: object) -> bool:
        return name in declared()

    def __iter__(self) -> Iterator[str]:
        return iter(declared())

    def __len__(self) -> int:
        return len(declared())

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *declared()})

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` for a name that is not declared."""
        return self[name] if name in declared() else default

    def get_many(self, *names: str) -> dict[str, Any]:
        """Several values, all of one version. Raises KeyError."""
        with pinned():
            return {name: self[name] for name in names}

    def all(self) -> dict[str, Any]:
        """Every declared setting, all of one version."""
        return self.get_many(*self)

    def as_dict(self, group: str | None = None) -> dict[str, Any]:
        """The same as JSON can hold it, of one group if one is named; secrets are masked."""
        settings = {name: each for name, each in declared().items() if group in (None, each.group)}
        return {
            name: MASK if settings[name].is_secret else settings[name].to_json(value)
            for name, value in self.get_many(*settings).items()
        }

    def source(self, name: str) -> str:
        """Where its value comes from: "environment", "cluster" or "default". Raises KeyError."""
        if name not in self:
            raise KeyError(_unknown(name))
        if declared()[name].is_from_environment:
            return "environment"
        return "default" if stored_name_of(name, current().stored) is None else "cluster"

    def pinned(self) -> Any:
        """A context manager, and a decorator: every read within sees one version."""
        return pinned()


@receiver(setting_changed)
def _withdraw(*, setting: str, **_: object) -> None:
    if setting in {"RAFT_CONFIG", "DATABASES"}:
        Reader.withdraw()


def _getter(name: str, *, copies: bool) -> Callable[[Reader], Any]:
    """What `config.NAME` calls: it is on the path of every request, hence written out."""

    def read(
        self: Reader,
        state: State = state,
        pin_here: Callable[[], Pin | None] = pin.get,
        clock: Callable[[], float] = time.monotonic,
    ) -> Any:
        if state.overlay:
            return self[name]
        loaded: Pin | Loaded | None = pin_here()
        if loaded is None:
            loaded = state.loaded
            if (
                loaded is None
                or loaded.words[TOKEN] != loaded.token
                or clock() >= loaded.file.check_at
            ):
                return self[name]
        try:
            return loaded.values[name]
        except KeyError:
            return self[name]

    def read_own(self: Reader) -> Any:
        return _own(read(self))

    return read_own if copies else read


def _is_mutable(setting: Setting) -> bool:
    return setting.kind.stored == "json"


def _own(value: Any) -> Any:
    """A list or a dict as a copy: whoever changes it changes nobody else's."""
    return copy.deepcopy(value) if isinstance(value, list | dict) else value


def _unknown(name: str) -> str:
    return f'There is no setting {name}; declare it in RAFT_CONFIG["SETTINGS"]. ' + did_you_mean(
        name, tuple(declared())
    )
