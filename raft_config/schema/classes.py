"""Settings declared by an app itself, as the attributes of a class, in its `raft_settings.py`.

    class Shop(Settings):
        MAX_ITEMS = Setting(20)

is the setting SHOP_MAX_ITEMS in the group "Shop", and `Shop.MAX_ITEMS` is its value in force: an
`int`, to Python and to type checkers. Who reads it is handed in with `bind`: `config`, once the
app is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, NoReturn

from django.utils.module_loading import autodiscover_modules

from .setting import Setting

Read = Callable[[str], Any]


class Attribute:
    """One setting of a class: reads as its value."""

    __slots__ = ("name", "setting")

    def __init__(self, name: str, setting: Setting) -> None:
        self.name = name
        self.setting = setting

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return _source.read(self.name)


class _Source:
    read: Read


_source = _Source()


def bind(read: Read) -> None:
    """Let every attribute be read with `read(name)`."""
    _source.read = read


class SettingsType(type):
    """Keeps its classes from being changed or instantiated: neither would reach the cluster."""

    def __setattr__(cls, name: str, value: object) -> None:
        cls._refuse_if_setting(name)
        if isinstance(value, Setting):
            problem = f"Declare {name} in the body of class {cls.__name__}."
            raise AttributeError(problem)  # noqa: TRY004 -- its type is right, not its place
        super().__setattr__(name, value)

    def __delattr__(cls, name: str) -> None:
        cls._refuse_if_setting(name)
        super().__delattr__(name)

    def __call__(cls) -> NoReturn:
        raise TypeError(f"{cls.__name__} has no instances: read {cls.__name__}.NAME.")

    def _refuse_if_setting(cls, name: str) -> None:
        found = next((vars(each)[name] for each in cls.__mro__ if name in vars(each)), None)
        setting_name = found.name if isinstance(found, Attribute) else ""
        if setting_name:
            raise AttributeError(
                f"{cls.__name__}.{name} is only read here. "
                f'Change it on every node with: config.set("{setting_name}", value).'
            )


class Settings(metaclass=SettingsType):
    """The settings of an app. `prefix` begins their names, `group` is where people find them."""

    def __init_subclass__(
        cls, *, prefix: str | None = None, group: str | None = None, **options: Any
    ) -> None:
        super().__init_subclass__(**options)
        start = f"{_upper_snake(cls.__name__)}_" if prefix is None else prefix
        for name, value in list(vars(cls).items()):
            if isinstance(value, Setting):
                if name == "clean":
                    raise TypeError(f"{cls.__name__}.clean checks the settings; name it otherwise.")
                grouped = value.in_group(cls.__name__ if group is None else group)
                type.__setattr__(cls, name, Attribute(f"{start}{name}", grouped))
        check = vars(cls).get("clean")
        if isinstance(check, FunctionType):  # written without @classmethod
            type.__setattr__(cls, "clean", classmethod(check))
        registry.add(cls)

    @classmethod
    def clean(cls, values: Mapping[str, Any]) -> None:
        """Raise ValidationError if the values do not fit together. They come by their full names.

        Asked whenever a setting of this class is to be changed, with all values that would be in
        force then.
        """


def attributes(owner: type[Settings]) -> dict[str, Attribute]:
    """The settings that the class itself declares, by the names they have there."""
    return {name: each for name, each in vars(owner).items() if isinstance(each, Attribute)}


class Registry:
    """The classes of all apps, in the order they were declared."""

    def __init__(self) -> None:
        self.classes: tuple[type[Settings], ...] = ()
        """Another tuple after each change, and only then."""

    def add(self, owner: type[Settings]) -> None:
        # A module that is loaded again declares its classes again.
        kept = (each for each in self.classes if place_of(each) != place_of(owner))
        self.classes = (*kept, owner)

    def remove(self, owner: type[Settings]) -> None:
        self.classes = tuple(each for each in self.classes if each is not owner)


registry = Registry()


def place_of(owner: type[Settings]) -> str:
    """Where it is declared, for people."""
    return f"{owner.__module__}.{owner.__qualname__}"


def autodiscover() -> None:
    """Load the `raft_settings` of every installed app; whatever one of them raises is raised."""
    autodiscover_modules("raft_settings")


def _upper_snake(name: str) -> str:
    """HTTPClient -> HTTP_CLIENT."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()
