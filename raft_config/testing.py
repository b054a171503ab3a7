"""Settings with other values for the length of a test: no database, no cluster, nothing written.

    with override_config(MAX_ITEMS=3): ...

    @override_config(MAX_ITEMS=3)
    def test_short_page(): ...

Every thread of the process reads the values, so a live server's pages show them; other processes
do not, so tests may run in parallel. Nothing is imported that needs Django to be set up until a
test begins: a conftest.py may import this module at its top.
"""

from __future__ import annotations

import functools
import inspect
import unittest
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractContextManager, ExitStack, aclosing
from types import TracebackType
from typing import Any, Final, TypeVar, cast

from django.core.exceptions import ValidationError

from .exceptions import InvalidCommandError

T = TypeVar("T", bound=Callable[..., Any])


class override_config:  # noqa: N801 - a word of the language of tests, like override_settings
    """A context manager, also for `async with`, and a decorator of functions and classes.

    Functions may be asynchronous or generators; a class is one of unittest's, or a plain one of
    pytest, and has the values for as long as its tests run, setUpClass or setup_class included.
    Overrides nest; the inner one wins. Values are cleaned like any other: a wrong one raises
    ValidationError, an unknown name InvalidCommandError. No signal is sent.
    """

    def __init__(self, **values: Any) -> None:
        self.values = values
        self._entered: list[AbstractContextManager[None]] = []

    def __enter__(self) -> None:
        from .loading import overlay  # noqa: PLC0415 - needs the apps to be loaded

        entered = overlay(_cleaned(self.values))
        entered.__enter__()
        self._entered.append(entered)

    def __exit__(
        self,
        exception_type: type[BaseException] | None = None,
        exception: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._entered.pop().__exit__(None, None, None)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __call__(self, decorated: T) -> T:
        """The same function or class, with the values in force while it runs."""
        if isinstance(decorated, type):
            _decorate_class(decorated, self)
            return decorated
        return cast("T", functools.wraps(decorated)(_wrapper(decorated, self)))


def _cleaned(values: dict[str, Any]) -> dict[str, Any]:
    """As they would be read. Raises ValidationError for all that is wrong, InvalidCommandError."""
    from .conf import did_you_mean  # noqa: PLC0415 - needs Django's settings
    from .schema import declared  # noqa: PLC0415 - likewise

    settings = declared()
    found: dict[str, Any] = {}
    errors: dict[str, ValidationError] = {}
    for name, value in values.items():
        if name not in settings:
            hint = did_you_mean(name, tuple(settings))
            raise InvalidCommandError(f"There is no setting {name} to override. {hint}")
        try:
            found[name] = settings[name].clean(value)
        except ValidationError as error:
            errors[name] = error
    if errors:
        raise ValidationError(errors)
    return found


# -- decorators: a fixture that yields keeps the values until it is finished


def _wrapper(function: Callable[..., Any], override: override_config) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, override)
    if inspect.isgeneratorfunction(function):
        return _generator(function, override)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, override)

    def run(*args: Any, **options: Any) -> Any:
        with override:
            return function(*args, **options)

    return run


def _coroutine(function: Callable[..., Any], override: override_config) -> Callable[..., Any]:
    async def run(*args: Any, **options: Any) -> Any:
        with override:
            return await function(*args, **options)

    return run


def _generator(function: Callable[..., Any], override: override_config) -> Callable[..., Any]:
    def run(*args: Any, **options: Any) -> Generator[Any, Any, Any]:
        with override:
            return (yield from function(*args, **options))

    return run


def _async_generator(function: Callable[..., Any], override: override_config) -> Callable[..., Any]:
    async def run(*args: Any, **options: Any) -> AsyncIterator[Any]:
        with override:
            async with aclosing(function(*args, **options)) as found:
                async for each in found:
                    yield each

    return run


# -- class decorators: of a class and its bases, all overrides are entered by the outermost one


_OVERRIDES: Final = "_raft_config_overrides"


def _decorate_class(decorated: type, override: override_config) -> None:
    before = vars(decorated).get(_OVERRIDES)
    # Of two decorators on one class the upper one comes second, and is the outer one.
    setattr(decorated, _OVERRIDES, (override, *(before or ())))
    if before is None:
        is_unittest = issubclass(decorated, unittest.TestCase)
        (_wrap_unittest_class if is_unittest else _wrap_pytest_class)(decorated)


def _enter_all(decorated: type, cls: type) -> ExitStack:
    """Enter what stands on `cls` and its bases; nothing unless `decorated` is the first of them."""
    marked = [each for each in cls.__mro__ if _OVERRIDES in vars(each)]
    with ExitStack() as stack:
        for each in reversed(marked if decorated is marked[0] else []):
            for override in vars(each)[_OVERRIDES]:
                stack.enter_context(override)
        return stack.pop_all()


def _wrap_unittest_class(decorated: Any) -> None:
    set_up = _class_hook(decorated, "setUpClass")

    def set_up_class(cls: type[unittest.TestCase]) -> None:
        # Unlike tearDownClass, called after a setUpClass that fails as well.
        cls.addClassCleanup(_enter_all(decorated, cls).close)
        set_up(cls)

    decorated.setUpClass = classmethod(set_up_class)


def _wrap_pytest_class(decorated: Any) -> None:
    set_up = _class_hook(decorated, "setup_class")
    tear_down = _class_hook(decorated, "teardown_class")
    entered: list[ExitStack] = []

    def setup_class(cls: type) -> None:
        with _enter_all(decorated, cls) as stack:
            set_up(cls)
            # Not after an error: pytest would call no teardown_class.
            entered.append(stack.pop_all())

    def teardown_class(cls: type) -> None:
        with entered.pop() if entered else ExitStack():
            tear_down(cls)

    decorated.setup_class = classmethod(setup_class)
    decorated.teardown_class = classmethod(teardown_class)


def _class_hook(decorated: type, name: str) -> Callable[[type], None]:
    """The class's own hook, a classmethod or a static one; else one that does nothing."""
    hook = getattr(decorated, name, None)
    if hook is None:
        return lambda _cls: None
    if inspect.ismethod(hook):
        function: Callable[[type], None] = hook.__func__
        return function
    return lambda _cls: hook()
