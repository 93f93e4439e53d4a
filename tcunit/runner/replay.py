"""What a worker tells of its tests, and how that is played to the result that is printed.

An event is a tuple of a method of :class:`unittest.TestResult`, the test and what else it takes. A
test is told as its number in its unit; a subtest as that and its description; what is neither (a
``setUpClass`` that failed) as its description. ``("write", stream, bytes)`` is what was printed.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any
from unittest.case import _SubTest  # type: ignore[attr-defined]  # it is printed by its type

from .plan import Unit
from .result import Result, Told

__unittest = True

Event = tuple[Any, ...]
Reference = int | str | tuple[int, str]

FAILURES = ("addError", "addFailure", "addSubTest", "addUnexpectedSuccess")
WITH_ERROR = ("addError", "addFailure", "addExpectedFailure")


class Holder:
    """In the place of a test, where something else has failed or was skipped."""

    failureException = None

    def __init__(self, description: str) -> None:
        self._description = description

    def id(self) -> str:
        """What it is."""
        return self._description

    __str__ = id

    def shortDescription(self) -> None:
        """It has no docstring."""


class ToldSubTest(_SubTest):  # type: ignore[misc]
    """A subtest that ran in another process."""

    def __init__(self, test: Any, description: str) -> None:
        super().__init__(test, None, {})
        self._description = description

    def _subDescription(self) -> str:
        return self._description


def reference_to(test: Any, numbers: dict[int, int]) -> Reference:
    """How a test is told, where tests are known by their ``id()`` of Python."""
    if isinstance(test, _SubTest):
        whole = numbers.get(id(test.test_case))
        if whole is not None:
            return whole, str(test).removeprefix(f"{test.test_case} ")
    return numbers.get(id(test), str(test))


def meant(unit: Unit, reference: Reference) -> Any:
    """The test that is told of, as this process knows it."""
    if isinstance(reference, int):
        return unit.tests[reference]
    if isinstance(reference, str):
        return Holder(reference)
    return ToldSubTest(unit.tests[reference[0]], reference[1])


def is_failure(event: Event) -> bool:
    """Whether ``--failfast`` ends a run for it."""
    return event[0] in FAILURES


def play(result: Result, unit: Unit, event: Event) -> None:
    """Let a result hear of an event as if it had happened here."""
    method, *given = event
    if method == "write":
        write(*given)
        return
    test = meant(unit, given[0])
    if method == "addSubTest":
        _, subtest, is_failed, text = given
        kind = test.failureException if is_failed else BaseException
        result.addSubTest(test, meant(unit, subtest), _told(kind, text))
    elif method in WITH_ERROR:
        getattr(result, method)(test, _told(BaseException, given[1]))
    else:
        getattr(result, method)(test, *given[1:])


def _told(kind: type[BaseException], text: str) -> Any:
    told = Told((kind, None, None))
    told.text = text
    return told


def write(stream: str, text: bytes) -> None:
    """Print what was printed elsewhere."""
    target = getattr(sys, stream)
    if target is None:
        return
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
        target.flush()
        if hasattr(target, "buffer"):
            target.buffer.write(text)
            target.flush()
        else:
            target.write(text.decode(errors="replace"))
