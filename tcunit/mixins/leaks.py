"""Leaks: what a test started itself has to be stopped by the test.

Nothing stays on the engine either way, because the process removes it at its end; but until then it
takes up memory, and a network one of few address ranges.
"""

from __future__ import annotations

import unittest
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from ..lifecycle.ledger import IMAGE, Entry, ledger

__unittest = True


class LeakCheckMixin(unittest.TestCase):
    """Fails a class whose tests left containers or networks running; ``leak_check = True``."""

    leak_check: ClassVar[bool] = False
    _tcunit_started: ClassVar[list[tuple[str, Entry]]] = []

    @classmethod
    def setUpClass(cls) -> None:
        """Have the check made when the class has torn down what it set up."""
        super().setUpClass()
        cls._tcunit_started = []
        if cls.leak_check:
            cls.addClassCleanup(cls._tcunit_refuse_leaks)

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run one test, and note what it has not stopped."""
        before = set(_of_tests())
        try:
            return super().run(result)
        finally:
            started = (each for each in _of_tests() if each not in before)
            self._tcunit_started.extend((self.id(), each) for each in started)

    @contextmanager
    def assertNoLeaks(self, msg: Any = None) -> Iterator[None]:
        """Fail if a ``with`` block starts containers or networks and does not stop them."""
        before = set(_of_tests())
        yield
        left = [each for each in _of_tests() if each not in before]
        if left:
            self.fail(self._formatMessage(msg, f"left behind: {described(left)}"))

    @classmethod
    def _tcunit_refuse_leaks(cls) -> None:
        there = set(_of_tests())
        left = [(test, entry) for test, entry in cls._tcunit_started if entry in there]
        if left:
            lines = "\n".join(f"  {test}: {described([entry])}" for test, entry in left)
            raise AssertionError(
                f"{len(left)} left behind by tests of {cls.__qualname__}:\n{lines}\n"
                f"Start them in a with statement, or stop them with self.addCleanup()."
            )


def _of_tests() -> list[Entry]:
    """What tests may have left: not what a runner has started for a class whose turn comes, nor
    images and helpers, which are meant to stay until the process ends.
    """
    found = ledger.remaining()
    return [each for each in found if not (each.is_ahead or each.is_of_run or each.kind == IMAGE)]


def described(entries: Iterable[Entry]) -> str:
    """Resources by kind and name."""
    return ", ".join(f"{each.kind} {each.name}" for each in entries)
