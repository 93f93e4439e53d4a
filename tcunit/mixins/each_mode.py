"""``@each_connection_mode``: a test method, or a whole class, once in every connection mode.

Methods are marked, and their class expands them with ``parameterized`` when it exists; so the mark
survives ``parameterized.expand`` above it. Classes are made beside the marked one, and again for
each class that ``parameterized_class`` makes of it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import unittest
from collections.abc import Callable
from typing import Any, TypeVar, cast

from ..connection import ConnectionMode, using_connection_mode
from ..errors import DeclarationError

Target = TypeVar("Target", bound=Callable[..., Any])

MARK = "_tcunit_each_mode"
MODE = "_tcunit_mode"
TESTS = "_tcunit_each_mode_tests"


def each_connection_mode(target: Target) -> Target:
    """Run a test method, or each test of a class, once in every connection mode.

    A mode that cannot work here is skipped with the resolver's reason, or fails where
    ``TCUNIT_REQUIRE_MODES=bridge_ip,…`` says that it must work. The names end in the mode:
    ``test_shop_bridge_ip``, ``ShopTest_bridge_ip``. Below ``@parameterized.expand`` it multiplies
    with its parameters; with ``@parameterized_class`` it goes above or below.
    """
    if isinstance(target, type):
        _expand_class(target)
        return cast(Target, target)
    if not callable(target):
        raise DeclarationError("put @each_connection_mode below @parameterized.expand, not above")

    def check(case: unittest.TestCase) -> None:
        if getattr(case, MODE, None) is None and mode_of(case) is None:
            raise DeclarationError(
                f"{type(case).__qualname__} uses @each_connection_mode but does not inherit "
                f"ConnectionMixin (or ContainerTestCase), which makes its tests: add it"
            )

    @functools.wraps(target)
    def unexpanded(self: unittest.TestCase, *args: Any, **kwargs: Any) -> Any:
        check(self)
        return target(self, *args, **kwargs)

    is_async = inspect.iscoroutinefunction(target)
    marked = _awaiting(target, check) if is_async else unexpanded
    setattr(marked, MARK, True)
    return cast(Target, marked)


def _awaiting(
    target: Callable[..., Any], check: Callable[[unittest.TestCase], None]
) -> Callable[..., Any]:
    """A coroutine function in place of another, which runners know by its being one."""

    @functools.wraps(target)
    async def unexpanded(self: unittest.TestCase, *args: Any, **kwargs: Any) -> Any:
        check(self)
        return await target(self, *args, **kwargs)

    return unexpanded


def mode_of(case: unittest.TestCase) -> ConnectionMode | None:
    """The mode that a test was made for; ``None`` if it was made for none."""
    method = getattr(case, case._testMethodName, None)
    mode: ConnectionMode | None = getattr(method, MODE, None) or getattr(type(case), MODE, None)
    return mode


def expand_methods(cls: type) -> None:
    """Replace the marked methods of a class by one for each mode."""
    if TESTS in cls.__dict__:  # parameterized_class has copied a marked class
        tests = cls.__dict__[TESTS]
        delattr(cls, TESTS)
        _withdraw_classes(cls.__mro__[1])
        _make_classes(cls, tests)
    for name, method in list(cls.__dict__.items()):
        if getattr(method, MARK, False):
            delattr(cls, name)
            for made, function in _per_mode(name, method).items():
                setattr(cls, made, function)


def _per_mode(name: str, method: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    from parameterized import parameterized

    made: dict[str, Callable[..., Any]] = {}
    parameterized.expand(
        [(mode,) for mode in ConnectionMode],
        name_func=lambda function, number, parameter: f"{name}_{parameter.args[0].value}",
        doc_func=lambda function, number, parameter: method.__doc__,
        namespace=made,
    )(_without_argument(method))
    for made_name, function in made.items():
        setattr(function, MARK, False)
        setattr(function, MODE, ConnectionMode(made_name.removeprefix(f"{name}_")))
    return made


def _without_argument(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method as ``parameterized`` calls it; the mode is known by the time that it runs."""

    @functools.wraps(method)
    def run(self: unittest.TestCase, mode: ConnectionMode) -> Any:
        return method(self)

    @functools.wraps(method)
    async def run_async(self: unittest.TestCase, mode: ConnectionMode) -> Any:
        with using_connection_mode(mode):  # its task has an older context than run() has
            return await method(self)

    return run_async if inspect.iscoroutinefunction(method) else run


def _expand_class(cls: type) -> None:
    subclasses: list[type] = cls.__subclasses__()
    made = [each for each in subclasses if _is_made_of(cls, each)]
    for target in made or [cls]:
        tests = {
            name: value
            for name in unittest.TestLoader().getTestCaseNames(target)
            if (value := getattr(target, name)) is not None
        }
        _make_classes(target, tests)
        for name in tests:
            setattr(target, name, None)  # the base stays, without tests of its own
        setattr(target, TESTS, tests)


def _is_made_of(cls: type, other: type) -> bool:
    """Whether ``parameterized_class`` has made a class of another."""
    module = vars(sys.modules[cls.__module__])
    return other.__name__.startswith(f"{cls.__name__}_") and module.get(other.__name__) is other


def _withdraw_classes(cls: type) -> None:
    """Take back the classes of a marked class that turned out to be a template of others."""
    module = vars(sys.modules[cls.__module__])
    for mode in ConnectionMode:
        made = module.get(f"{cls.__name__}_{mode.value}")
        if isinstance(made, type) and made.__mro__[1] is cls:
            del module[made.__name__]


def _make_classes(cls: type, tests: dict[str, Any]) -> None:
    module = sys.modules[cls.__module__]
    for mode in ConnectionMode:
        name = f"{cls.__name__}_{mode.value}"
        body = {**tests, "connection_mode": mode, MODE: mode, "__module__": cls.__module__}
        made = type(cls)(name, (cls,), {**body, "__doc__": cls.__doc__})
        setattr(module, name, made)
