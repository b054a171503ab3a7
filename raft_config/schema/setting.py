"""`Setting`: what is declared. What is made of its values is told by `codec`."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, overload

from django.core.exceptions import ValidationError
from django.utils.functional import Promise

from .codec import Codec, FieldFactory, T, Text
from .masking import MASK

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .classes import Settings

U = TypeVar("U")

Listener = Callable[..., object] | str
"""Hears of changes; or the dotted path to it."""
TextKind = Literal["str", "text", "email", "url", "URL", "colour", "choice"]
"""The names of kinds whose values are text, for type checkers."""


class Options(TypedDict, total=False):
    """What every `Setting` may have besides, for type checkers."""

    group: str
    validators: Sequence[Callable[[Any], None]]
    choices: Any
    secret: bool
    env: str
    public: bool
    renamed_from: str | Sequence[str]
    on_change: Listener | Sequence[Listener]


@dataclass(frozen=True)
class Setting(Codec[T]):
    """A declared setting. What is wrong with it is told by `declared()`, which knows its name.

    `type` is a Python type, the name of a kind ("text", "email", "URL", "colour", "JSON", "choice",
    "choices", ...), or what makes a form field; without it, the default's type counts. `choices`
    are as in a Django form, their keys of that type. With a default of None, None is a value too,
    and so is an empty form field.

    `secret` values are never shown; `public` ones may be told to anybody. Where the environment
    has the variable `env`, its value is in force there, and is not replicated. `renamed_from` are
    names that are still read while this one is not set. `on_change` are callables, or dotted paths
    to them, that hear of each change.
    """

    default: T
    help_text: Text = ""
    type: builtins.type[Any] | FieldFactory | str | None = None
    group: str = ""
    validators: tuple[Callable[[Any], None], ...] = ()
    choices: Any = ()
    secret: bool = False
    env: str = ""
    public: bool = False
    renamed_from: tuple[str, ...] = ()
    on_change: tuple[Listener, ...] = ()

    if TYPE_CHECKING:  # the type of the values, as the default and `type` tell it

        @overload
        def __init__(
            self: Setting[Any],
            default: None,
            help_text: Text = "",
            *,
            type: FieldFactory,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Setting[U | None],
            default: None,
            help_text: Text = "",
            *,
            type: builtins.type[U],
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Setting[str | None],
            default: None,
            help_text: Text = "",
            *,
            type: TextKind,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Setting[str],
            default: Promise,
            help_text: Text = "",
            type: str | None = None,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Setting[list[U]],
            default: tuple[U, ...],
            help_text: Text = "",
            type: builtins.type[list[Any]] | str | None = None,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self,
            default: T,
            help_text: Text = "",
            *,
            type: FieldFactory,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self,
            default: object,
            help_text: Text = "",
            *,
            type: builtins.type[T],
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self,
            default: T,
            help_text: Text = "",
            type: str | None = None,
            **more: Unpack[Options],
        ) -> None: ...
        def __init__(self, *_: Any, **__: Any) -> None: ...

        @overload
        def __get__(self, instance: None, owner: builtins.type[Settings]) -> T: ...
        @overload
        def __get__(self, instance: object, owner: builtins.type[Any] | None) -> Setting[T]: ...
        def __get__(self, instance: object, owner: object) -> Any: ...

    def __post_init__(self) -> None:
        # One name would be taken for a sequence of its letters.
        for name in ("renamed_from", "on_change"):
            given = getattr(self, name)
            several = (given,) if isinstance(given, str) or callable(given) else tuple(given)
            object.__setattr__(self, name, several)

    def __repr__(self) -> str:
        default = repr(MASK) if self.secret else repr(self.default)
        return f"Setting({default}, type={self.type!r}, group={self.group!r})"

    def in_group(self, group: str) -> Setting[T]:
        """The same in this group, if it names none of its own."""
        return replace(self, group=group) if group and not self.group else self

    @property
    def is_secret(self) -> bool:
        """Whether no one may see its value."""
        return self.secret

    @property
    def is_set_in_environment(self) -> bool:
        """Whether this process has the variable, readable or not."""
        return bool(self.env) and self.env in os.environ

    @property
    def is_from_environment(self) -> bool:
        """Whether the value of the variable is in force in this process."""
        if not self.is_set_in_environment:
            return False
        try:
            self.environment_value()
        except ValidationError:
            return False
        return True

    def environment_value(self) -> T:
        """What the environment says. Raises ValidationError, KeyError without the variable."""
        return self.parse(os.environ[self.env])
