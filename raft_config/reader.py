"""Reads of what this node has applied. A read never writes, and never waits for a peer.

    pinned here? -> that version
    nothing new? -> the values loaded last     (one word of memory and the clock are compared)
    else         -> load them again, in one query

When nothing can be loaded (before `migrate`, while the database is away, in a test that may not use
it), a read still answers: with the values loaded before, else with the declared defaults.

What may *not* live here: writes, and whatever needs a peer (`live`, `proposals`).
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import AppRegistryNotReady
from django.core.signals import setting_changed
from django.db import DatabaseError
from django.dispatch import receiver

from . import storage  # its functions import the models, when they are called
from .conf import RaftConfig, did_you_mean, get_config
from .schema import (
    MASK,
    SchemaError,
    Setting,
    declared,
    environment_values,
    resolve,
    stored_name_of,
)
from .version_file import TOKEN, VersionFile, query_apart, version_file_of

if TYPE_CHECKING:
    from .state_machine import Value

logger = logging.getLogger("raft_config")

RETRY_SECONDS = 1.0
"""After values could not be loaded, a read tries again so much later, or when there are newer."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """The values in force at one version."""

    file: VersionFile
    words: Any
    """Where the token stood when this was loaded."""
    token: int
    version: int
    """last_applied, as the values have it."""
    declared: Mapping[str, Setting]
    stored: Mapping[str, Value]
    """What the cluster has set, also under names that are not declared."""
    values: Mapping[str, Any]
    """Of every declared setting."""
    is_complete: bool = True
    """False: the database could not be asked, so these are the declared defaults."""


class Pin:
    """One version for all reads in a context: the one that the first of them finds."""

    __slots__ = ("loaded", "values")

    def __init__(self, loaded: Loaded | None = None) -> None:
        self.loaded = loaded
        self.values: Mapping[str, Any] = loaded.values if loaded is not None else {}

    def get(self) -> Loaded:
        if self.loaded is None:
            with _pinning:  # threads of one request may come here at once
                if self.loaded is None:
                    self.loaded = latest()
                    self.values = self.loaded.values
        return self.loaded


class _State:
    """What this process has loaded; replaced as a whole, so that no lock is needed to read it."""

    __slots__ = ("config", "failed", "layers", "loaded", "overlay", "retry_at")

    def __init__(self) -> None:
        self.layers: list[Mapping[str, Any]] = []
        self.overlay: Mapping[str, Any] = {}
        """All layers that tests have put over the values, as one; later ones win."""
        self.forget()

    def put(self, layer: Mapping[str, Any]) -> None:
        with _loading:
            self.layers.append(layer)
            self._overlay()

    def take_off(self, layer: Mapping[str, Any]) -> None:
        # By identity: of two that overlap in threads or tasks, either may end first.
        with _loading:
            self.layers = [each for each in self.layers if each is not layer]
            self._overlay()

    def _overlay(self) -> None:
        self.overlay = {name: value for layer in self.layers for name, value in layer.items()}

    def forget(self) -> None:
        self.config: RaftConfig | None = None
        self.loaded: Loaded | None = None
        self.failed: tuple[int, Mapping[str, Setting]] | None = None
        """For which token and declarations loading failed."""
        self.retry_at = 0.0


_state: Final = _State()
_pinned: Final[ContextVar[Pin | None]] = ContextVar("raft_config_pinned", default=None)
_pinning: Final = threading.Lock()
_loading: Final = threading.Lock()
_heard_of_loads: Final[list[Callable[[], None]]] = []

written: Final[ContextVar[int]] = ContextVar("raft_config_written", default=0)
"""The index of the last change made in this request, task or thread; 0 for none."""


def on_load(call: Callable[[], None]) -> None:
    """Have this called whenever this process has loaded values."""
    _heard_of_loads.append(call)


def current() -> Loaded:
    """The pinned version if there is one here, else the latest."""
    pin = _pinned.get()
    if pin is not None:
        return pin.get()
    loaded = _state.loaded
    if (
        loaded is not None
        and loaded.words[TOKEN] == loaded.token
        and time.monotonic() < loaded.file.check_at
    ):
        return loaded
    return latest()


def latest() -> Loaded:
    """The values that this node has applied, loaded anew if there are newer ones."""
    config = get_config()
    file = version_file_of(config)
    token = file.token()
    loaded = _state.loaded
    settings = declared()
    if (
        loaded is not None
        and loaded.token == token
        and loaded.words is file.words
        and loaded.declared is settings
    ):
        return loaded
    if _state.failed == (token, settings) and time.monotonic() < _state.retry_at:
        return loaded if loaded is not None else _defaults(file, settings)
    return _load(config, file, token, settings)


def _load(
    config: RaftConfig, file: VersionFile, token: int, settings: Mapping[str, Setting]
) -> Loaded:
    try:
        version, stored = query_apart(
            config.database, lambda: storage.stored_settings(config.database)
        )
    except Exception as error:
        is_usual = isinstance(error, DatabaseError | AppRegistryNotReady)
        logger.log(
            logging.DEBUG if is_usual else logging.WARNING,
            "The settings cannot be loaded now: %s",
            error,
            exc_info=True,
        )
        _state.failed, _state.retry_at = (token, settings), time.monotonic() + RETRY_SECONDS
        same = _state.loaded is not None and _state.loaded.declared is settings
        return _state.loaded if same and _state.loaded else _defaults(file, settings)
    texts = resolve({name: value.text for name, value in stored.items()})
    values = _values(settings, texts)
    loaded = Loaded(file, file.words, token, version, settings, stored, values)
    _state.failed = None
    _state.loaded = loaded
    for call in _heard_of_loads:
        call()
    return loaded


def _defaults(file: VersionFile, settings: Mapping[str, Setting]) -> Loaded:
    """What is read while nothing can be loaded; never kept."""
    values = _values(settings, {})
    return Loaded(file, file.words, 0, 0, settings, {}, values, is_complete=False)


def _values(settings: Mapping[str, Setting], texts: Mapping[str, str]) -> dict[str, Any]:
    """What is in force: the environment's value, the cluster's, or the default."""
    found = {name: setting.default for name, setting in settings.items()}
    for name, text in texts.items():
        try:
            found[name] = settings[name].decode(text)
        except SchemaError as error:  # noqa: PERF203 - each wrong value is told
            logger.warning("Setting %s: %s; its default is used", name, error)
    return found | environment_values()


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting in {"RAFT_CONFIG", "DATABASES"}:
        _state.forget()
        Reader.withdraw()


@contextmanager
def overlay(values: Mapping[str, Any]) -> Iterator[None]:
    """Let every thread of this process read these instead, for as long as the block lasts."""
    layer = dict(values)
    _state.put(layer)
    try:
        yield
    finally:
        _state.take_off(layer)


@contextmanager
def pinned() -> Iterator[Loaded]:
    """Let every read in here see one version: in this thread, or in this asynchronous task."""
    loaded = latest()
    token = _pinned.set(Pin(loaded))
    try:
        yield loaded
    finally:
        _pinned.reset(token)


@contextmanager
def pinned_when_read() -> Iterator[None]:
    """The same for a request that may read nothing: the first read in here chooses the version."""
    token = _pinned.set(Pin())
    try:
        yield
    finally:
        _pinned.reset(token)


def move_pin() -> None:
    """After a write within `pinned`: whoever wrote reads it from now on."""
    if _pinned.get() is not None:
        _pinned.set(Pin())


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
        with _loading:
            cls._withdraw_all()
            for name, setting in settings.items():
                setattr(cls, name, property(_getter(name, copies=_is_mutable(setting))))
            cls._offered = settings

    @classmethod
    def withdraw(cls) -> None:
        """The declarations may be others now."""
        for each in (cls, *cls.__subclasses__()):
            with _loading:
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
        overlaid = _state.overlay
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
        return name in _state.overlay

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


def _getter(name: str, *, copies: bool) -> Callable[[Reader], Any]:
    """What `config.NAME` calls: it is on the path of every request, hence written out."""

    def read(
        self: Reader,
        state: _State = _state,
        pin: Callable[[], Pin | None] = _pinned.get,
        clock: Callable[[], float] = time.monotonic,
    ) -> Any:
        if state.overlay:
            return self[name]
        loaded: Pin | Loaded | None = pin()
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
