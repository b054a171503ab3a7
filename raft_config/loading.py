"""What this process has loaded of its node's applied values, and what of that is pinned here.

    pinned here? -> that version
    nothing new? -> the values loaded last     (one word of memory and the clock are compared)
    else         -> load them again, in one query

When nothing can be loaded (before `migrate`, while the database is away, in a test that may not use
it), there is an answer all the same: the values loaded before, else the declared defaults.

What may *not* live here: the object that users read with (`reader`), writes, and whatever needs a
peer (`live`, `proposals`).
"""

from __future__ import annotations

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
from .conf import RaftConfig, get_config
from .schema import SchemaError, Setting, declared, environment_values, resolve
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


class State:
    """What this process has loaded; replaced as a whole, so that no lock is needed to read it."""

    __slots__ = ("config", "failed", "layers", "loaded", "overlay", "retry_at")

    def __init__(self) -> None:
        self.layers: list[Mapping[str, Any]] = []
        self.overlay: Mapping[str, Any] = {}
        """All layers that tests have put over the values, as one; later ones win."""
        self.forget()

    def put(self, layer: Mapping[str, Any]) -> None:
        with _overlaying:
            self.layers.append(layer)
            self._overlay()

    def take_off(self, layer: Mapping[str, Any]) -> None:
        # By identity: of two that overlap in threads or tasks, either may end first.
        with _overlaying:
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


state: Final = State()
pin: Final[ContextVar[Pin | None]] = ContextVar("raft_config_pinned", default=None)
_pinning: Final = threading.Lock()
_overlaying: Final = threading.Lock()
_heard_of_loads: Final[list[Callable[[], None]]] = []

written: Final[ContextVar[int]] = ContextVar("raft_config_written", default=0)
"""The index of the last change made in this request, task or thread; 0 for none."""


def on_load(call: Callable[[], None]) -> None:
    """Have this called whenever this process has loaded values."""
    _heard_of_loads.append(call)


def current() -> Loaded:
    """The pinned version if there is one here, else the latest."""
    pinned_here = pin.get()
    if pinned_here is not None:
        return pinned_here.get()
    loaded = state.loaded
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
    loaded = state.loaded
    settings = declared()
    if (
        loaded is not None
        and loaded.token == token
        and loaded.words is file.words
        and loaded.declared is settings
    ):
        return loaded
    if state.failed == (token, settings) and time.monotonic() < state.retry_at:
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
        state.failed, state.retry_at = (token, settings), time.monotonic() + RETRY_SECONDS
        same = state.loaded is not None and state.loaded.declared is settings
        return state.loaded if same and state.loaded else _defaults(file, settings)
    texts = resolve({name: value.text for name, value in stored.items()})
    values = _values(settings, texts)
    loaded = Loaded(file, file.words, token, version, settings, stored, values)
    state.failed = None
    state.loaded = loaded
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
        state.forget()


@contextmanager
def overlay(values: Mapping[str, Any]) -> Iterator[None]:
    """Let every thread of this process read these instead, for as long as the block lasts."""
    layer = dict(values)
    state.put(layer)
    try:
        yield
    finally:
        state.take_off(layer)


@contextmanager
def pinned() -> Iterator[Loaded]:
    """Let every read in here see one version: in this thread, or in this asynchronous task."""
    loaded = latest()
    token = pin.set(Pin(loaded))
    try:
        yield loaded
    finally:
        pin.reset(token)


@contextmanager
def pinned_when_read() -> Iterator[None]:
    """The same for a request that may read nothing: the first read in here chooses the version."""
    token = pin.set(Pin())
    try:
        yield
    finally:
        pin.reset(token)


def move_pin() -> None:
    """After a write within `pinned`: whoever wrote reads it from now on."""
    if pin.get() is not None:
        pin.set(Pin())
