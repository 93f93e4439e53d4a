"""The result in a worker: it prints nothing, and tells what happens as :mod:`.replay` says."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

from .replay import reference_to

__unittest = True


class Recorder(unittest.TestResult):
    """Tells what happens to a function; errors as the text that unittest would print.

    Args:
        numbers: of the tests of the unit, by their ``id()`` of Python.
        on_start: told the class of each test that begins.
        is_told_to_stop: whether no further test is to begin.
    """

    def __init__(
        self, stream: Any, descriptions: bool, verbosity: int,
        numbers: dict[int, int], tell: Callable[..., None], on_start: Callable[[type], None],
        is_told_to_stop: Callable[[], bool],
    ) -> None:  # fmt: skip
        super().__init__(stream, descriptions, verbosity)
        self._numbers, self._on_start = numbers, on_start
        self._happened, self._is_told_to_stop = tell, is_told_to_stop

    def _tell(self, method: str, test: Any, *more: Any) -> None:
        self._happened(method, reference_to(test, self._numbers), *more)

    def startTest(self, test: Any) -> None:
        """The class of a test has been set up, and it begins."""
        self._on_start(type(test))
        self._tell("startTest", test)
        super().startTest(test)

    def stopTest(self, test: Any) -> None:
        """A test has ended; asks whether there is to be another one."""
        super().stopTest(test)
        self._tell("stopTest", test)
        if self._is_told_to_stop():
            self.stop()

    def addSuccess(self, test: Any) -> None:
        """Tell that a test succeeded."""
        super().addSuccess(test)
        self._tell("addSuccess", test)

    def addError(self, test: Any, err: Any) -> None:
        """Tell an error."""
        super().addError(test, err)
        self._tell("addError", test, self.errors[-1][1])

    def addFailure(self, test: Any, err: Any) -> None:
        """Tell a failure."""
        super().addFailure(test, err)
        self._tell("addFailure", test, self.failures[-1][1])

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        """Tell of a subtest that did not succeed; nobody reports one that did."""
        super().addSubTest(test, subtest, err)
        if err is not None:
            is_failed = issubclass(err[0], test.failureException)
            text = (self.failures if is_failed else self.errors)[-1][1]
            self._tell("addSubTest", test, reference_to(subtest, self._numbers), is_failed, text)

    def addSkip(self, test: Any, reason: str) -> None:
        """Tell that a test was skipped."""
        super().addSkip(test, reason)
        self._tell("addSkip", test, str(reason))

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        """Tell a failure that was expected."""
        super().addExpectedFailure(test, err)
        self._tell("addExpectedFailure", test, self.expectedFailures[-1][1])

    def addUnexpectedSuccess(self, test: Any) -> None:
        """Tell a success that was not expected."""
        super().addUnexpectedSuccess(test)
        self._tell("addUnexpectedSuccess", test)

    def addDuration(self, test: Any, elapsed: float) -> None:
        """Tell how long a test took (Python 3.12)."""
        self._tell("addDuration", test, elapsed)
