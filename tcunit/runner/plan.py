"""What a suite will run, in which order, and what of it must stay together. Pure.

A suite that only groups tests is looked into. One that runs its tests in a way of its own is left
whole: it runs in one process, as it is.
"""

from __future__ import annotations

import sys
import unittest
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

Key = tuple[str, int]
"""A test's id, and how many tests with the same id come before it."""


def leaves(suite: Any) -> Iterator[Any]:
    """The tests of a suite and of the suites in it, in order."""
    for each in suite:
        if _is_suite(each):
            yield from leaves(each)
        else:
            yield each


def turns_of(suite: Any) -> list[type]:
    """The classes in the order of their turns; one whose tests are apart has several."""
    return [cls for cls, _ in groupby(leaves(suite), type)]


def _is_suite(test: Any) -> bool:
    try:
        iter(test)
    except TypeError:
        return False
    return True


@dataclass(eq=False)
class Unit:
    """Tests that run in one process, one after the other.

    Args:
        parts: the same tests, but some of them in suites that run in a way of their own.
    """

    tests: Sequence[Any]
    keys: tuple[Key, ...]
    parts: Sequence[Any] = ()

    def suite(self) -> unittest.TestSuite:
        """What runs them."""
        return unittest.TestSuite(self.parts or self.tests)

    def rest_after(self, cls: type) -> tuple[Unit | None, int]:
        """What of it can go on without a class, as a unit, and how many tests come before that.

        Of a suite with a way of its own nothing can.
        """
        own = [number for number, test in enumerate(self.tests) if type(test) is cls]
        after = own[-1] + 1 if own and not self.parts else len(self.tests)
        rest = Unit(self.tests[after:], self.keys[after:])
        return (rest if rest.tests else None), after


def units_of(suite: Any) -> list[Unit]:
    """The parts of a suite that can run in different processes, in order.

    A class stays in one of them. So do the classes of a module that has ``setUpModule`` or
    ``tearDownModule``, so that these run as often as without processes.
    """
    seen: Counter[str] = Counter()
    units: list[Unit] = []
    for _, group in groupby(_parts(suite), _kin):
        parts = list(group)
        has_suite = any(map(_is_suite, parts))
        tests = list(leaves(parts))
        if tests:
            keys = tuple(keys_of(tests, seen))
            units.append(Unit(tests, keys, parts if has_suite else ()))
    return units


def keys_of(tests: Iterable[Any], seen: Counter[str]) -> Iterator[Key]:
    """The keys of tests, where some were seen before."""
    for test in tests:
        name = id_of(test)
        yield name, seen[name]
        seen[name] += 1


def id_of(test: Any) -> str:
    """A test's id; of something else that can be called as one, what it says of itself."""
    return str(test.id()) if hasattr(test, "id") else str(test)


def _parts(suite: Any) -> Iterator[Any]:
    """Tests, and suites that are left whole."""
    if _has_its_own_way(suite):
        yield suite
        return
    for each in suite:
        if _is_suite(each):
            yield from _parts(each)
        else:
            yield each


def _has_its_own_way(suite: Any) -> bool:
    return any(
        getattr(type(suite), name, None) is not getattr(unittest.TestSuite, name)
        for name in ("run", "__call__")
    )


def _kin(part: Any) -> object:
    """What those that stay together share."""
    if not _is_suite(part):
        module = type(part).__module__
        return module if has_module_fixture(module) else type(part)
    modules = {type(test).__module__ for test in leaves(part)}
    return (
        modules.pop() if len(modules) == 1 and all(map(has_module_fixture, modules)) else id(part)
    )


def has_module_fixture(module: str) -> bool:
    """Whether something is to be done before or after the tests of a module."""
    found = sys.modules.get(module)
    return any(hasattr(found, name) for name in ("setUpModule", "tearDownModule"))
