"""A failing test brings its evidence: what its class's containers are and have logged meanwhile.

It is added as a note to the exception, which every runner prints. Nothing is asked for before a
test has failed, and nothing that goes wrong in asking hides the test's own failure. Only public API
of unittest is used: ``run()`` passes on a thin proxy of the result, which adds the note to what is
reported as an error, a failure or a failed subtest.
"""

from __future__ import annotations

import functools
import sys
import time
import unittest
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from ..container import DockerContainer
from ..errors import StartError
from ..lifecycle.declared import FIXTURE
from ..lifecycle.fixture import ClassFixture
from ..lifecycle.kept import way_out, ways_in
from ..lifecycle.ledger import Entry
from ..settings import ARTIFACTS, FAILURE_LINES, Settings
from .containers import PASSES_ON

__unittest = True

BEGAN = "_tcunit_began"
WATCHED = "_tcunit_watched"
TITLE = "tcunit: containers of "
PROBLEM = "tcunit: the evidence could not be gathered: "


class FailureLogsMixin(unittest.TestCase):
    """Adds to each failure what the containers of the class are and have logged since it began.

    Place it before ``ContainersMixin``. ``TCUNIT_FAILURE_LINES`` says how many lines of each log to
    show (0: no notes), ``TCUNIT_ARTIFACTS`` in which folder to write whole logs and what the engine
    knows of the containers. With ``TCUNIT_KEEP=on-failure``, the containers of the class stay up.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("setUpClass", "tearDownClass"):
            _watch(cls, name)

    def __call__(self, *args: Any, **kwargs: Any) -> unittest.TestResult | None:
        """Run one test; here too, because Django's test cases report some errors from here."""
        result = args[0] if args else kwargs.get("result")
        if result is None:
            return super().__call__(*args, **kwargs)
        super().__call__(_noting(result, type(self)))
        return cast(unittest.TestResult, result)

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run one test; what it reports as failed gets its note before the result hears of it."""
        if result is None:
            result = self.defaultTestResult()
        super().run(_noting(result, type(self)))
        return result


# -- tests ----------------------------------------------------------------------------------------


class NotingResult:
    """Passes everything on to a result; an exception that is reported gets its note first."""

    def __init__(self, result: Any, report: Callable[[str, BaseException], None]) -> None:
        vars(self).update(_result=result, _report=report)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._result, name)
        return self._first_noting(value) if name in _REPORTS else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._result, name, value)

    def _first_noting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def report(*args: Any, **kwargs: Any) -> Any:
            given = (*args, *kwargs.values())
            try:
                error = _error_in(given)
                if error is not None:
                    self._report(_test_in(given), error)
            finally:
                reported = method(*args, **kwargs)  # also when Ctrl-C cuts the search short
            return reported

        return report


_REPORTS = ("addError", "addFailure", "addSubTest")


def _noting(result: Any, cls: type) -> Any:
    """A proxy of a result for one test of a class; of a proxy, itself."""
    if isinstance(result, NotingResult):
        return result
    began, folders = time.time(), dict[str, Path]()
    return NotingResult(result, lambda test, error: _report(cls, test, error, began, folders))


def _error_in(given: Sequence[Any]) -> BaseException | None:
    for each in given:
        if isinstance(each, tuple) and len(each) == 3 and isinstance(each[1], BaseException):
            return each[1]
    return None


def _test_in(given: Sequence[Any]) -> str:
    """The id of what failed: a subtest is given after its test."""
    tests = [each for each in given if isinstance(each, unittest.TestCase)]
    return tests[-1].id() if tests else "test"


# -- classes --------------------------------------------------------------------------------------


def _watch(cls: type, name: str) -> None:
    """Let what a class method raises get its note, also one that comes from a plain mixin."""
    owner = next(base for base in cls.__mro__ if name in vars(base))
    found = vars(owner)[name]
    function = getattr(found, "__func__", found)
    if getattr(function, WATCHED, False):
        return
    if owner is not cls:
        watched = _watched(function, lambda running: getattr(super(cls, running), name))
        setattr(watched, PASSES_ON, True)
        setattr(cls, name, classmethod(watched))
    elif isinstance(found, classmethod):
        watched = _watched(function, lambda running: functools.partial(function, running))
        setattr(cls, name, classmethod(watched))


def _watched(
    function: Callable[..., Any], found_for: Callable[[type], Callable[[], Any]]
) -> Callable[..., Any]:
    """A class method in place of another, which it finds for the class that runs."""

    @functools.wraps(function)
    def watched(cls: type) -> Any:
        if BEGAN in vars(cls):  # called by the one below, which watches already
            return found_for(cls)()
        setattr(cls, BEGAN, time.time())
        try:
            return found_for(cls)()
        except BaseException as error:
            name = f"{cls.__module__}.{cls.__qualname__}.{function.__name__}"
            _report(cls, name, error, vars(cls)[BEGAN], {})
            raise
        finally:
            delattr(cls, BEGAN)

    setattr(watched, WATCHED, True)
    return watched


# -- the note -------------------------------------------------------------------------------------


def _report(
    cls: type, test: str, error: BaseException, began: float, folders: dict[str, Path]
) -> None:
    """Add the note to the exception, unless it is no failure; keep the containers if asked to.

    Args:
        folders: those made for this run of the test, by the id of what failed.
    """
    fixture: ClassFixture | None = vars(cls).get(FIXTURE)
    if fixture is None or _is_no_failure(error):
        return
    try:
        text = _note(fixture, cls, test, error, began, folders)
    except Exception as problem:
        text = f"{PROBLEM}{type(problem).__name__}: {problem}"
    if text:
        _attach(error, text)


def _is_no_failure(error: BaseException) -> bool:
    """Whether it ends a test in another way: a skip, an expected failure, an interrupt."""
    pytest = sys.modules.get("pytest")
    quiet = [
        outcome.Exception
        for name in ("skip", "xfail", "exit")
        if (outcome := getattr(pytest, name, None)) is not None
    ]
    return isinstance(error, (unittest.SkipTest, KeyboardInterrupt, GeneratorExit, *quiet))


def _note(
    fixture: ClassFixture,
    cls: type,
    test: str,
    error: BaseException,
    began: float,
    folders: dict[str, Path],
) -> str:
    kept = fixture.keep_on_failure()
    parts: list[str] = []
    lines = Settings().get(FAILURE_LINES)
    # A start that failed has said everything itself, and what it started is gone.
    if not (BEGAN in vars(cls) and isinstance(error, StartError)):
        parts += _evidence(fixture, test, began, folders)
    if kept and lines:
        parts += [f"kept up; {_hint(kept)}"]
    return "\n".join([f"{TITLE}{cls.__qualname__}", *parts]) if parts else ""


def _evidence(
    fixture: ClassFixture, test: str, began: float, folders: dict[str, Path]
) -> list[str]:
    from ..evidence import Look, evidence, new_folder  # which a run without failures does without

    settings = Settings()
    lines, artifacts = settings.get(FAILURE_LINES), settings.get(ARTIFACTS)
    started = [each for each in fixture.things() if each.is_started]
    by_id = {  # a part of a stack may be an attribute, too
        each.running.id: (each.label, each.running)
        for each in reversed(started)
        if isinstance(each, DockerContainer)
    }
    containers = list(by_id.values())[::-1]
    if not containers or not (lines or artifacts):
        return []
    if artifacts and test not in folders:
        folders[test] = new_folder(Path(artifacts), test)
    found = evidence(containers, Look(began, lines, folders.get(test)))
    if not lines:
        return []
    return [
        found,
        *([f"whole logs, and the engine's answers: {folders[test]}"] if artifacts else []),
    ]


def _hint(kept: Sequence[Entry]) -> str:
    return "\n  ".join(["to look in:", *ways_in(kept), "to clean up:", way_out(kept)])


def _attach(error: BaseException, text: str) -> None:
    """Add a note to an exception; one that was raised before loses what it was given then."""
    notes = getattr(error, "__notes__", None)
    try:
        if isinstance(notes, list):
            notes[:] = [each for each in notes if not str(each).startswith((TITLE, PROBLEM))]
        error.add_note(text)
    except Exception:  # an exception of the user's that takes no note
        print(text, file=sys.stderr)
