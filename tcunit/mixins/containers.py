"""The class fixture: declarations start before the class's first test and are gone after its last.

The clean-up is registered before the first start, because unittest calls ``tearDownClass`` only
where ``setUpClass`` succeeded. It runs after ``tearDownClass``, which still finds its containers.
"""

from __future__ import annotations

import sys
import unittest
from collections.abc import Iterator
from typing import Any

from .. import timings
from ..adapters import adopt_foreign
from ..container import DockerContainer
from ..errors import DeclarationError, EngineNotFound, NotStarted
from ..lifecycle.ahead import ahead
from ..lifecycle.declared import FIXTURE, IN_TEST, Declared
from ..lifecycle.fixture import ClassFixture, check_fixed_ports
from ..lifecycle.references import declarations_of, declared_graph, settle_clusters
from ..lifecycle.scopes import check_scopes
from ..settings import WITHOUT_ENGINE, Settings
from ..sharing import check_shared

__unittest = True

SET_UP = "_tcunit_set_up"
PASSES_ON = "_tcunit_passes_on"  # marks a setUpClass that only calls the next one


class ContainersMixin(unittest.TestCase):
    """Starts the containers and networks that a class declares, once for the class."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        adopt_foreign(cls)
        settle_clusters(cls)
        declared = declarations_of(cls)
        _refuse_shadowing(cls)
        for declaration in declared.values():
            if isinstance(declaration, DockerContainer):
                declaration.check()
        check_fixed_ports(declared.values())
        graph = declared_graph(cls, declared)
        check_scopes(graph)
        check_shared(graph)

    @classmethod
    def setUpClass(cls) -> None:
        """Start what the class declares, then whatever else is set up."""
        settings = Settings()
        fixture = ahead.take(cls, settings) or ClassFixture(cls, settings)
        cls.addClassCleanup(fixture.stop)
        try:
            fixture.start()
        except EngineNotFound as error:
            if settings.get(WITHOUT_ENGINE) == "skip":
                raise unittest.SkipTest(str(error)) from error
            error.with_traceback(None)  # the message says it all
            raise
        setattr(cls, SET_UP, True)
        cls.addClassCleanup(delattr, cls, SET_UP)
        super().setUpClass()

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run one test; a declaration that is read in it before its start says why."""
        if SET_UP not in type(self).__dict__:
            vars(self)[IN_TEST] = self._tcunit_complain
        fixture: ClassFixture | None = type(self).__dict__.get(FIXTURE)
        try:
            if fixture is None or not fixture.has_test_work or self._tcunit_is_skipped():
                return super().run(result)
            return self._tcunit_run(fixture, result or self.defaultTestResult())
        finally:
            vars(self).pop(IN_TEST, None)

    def _tcunit_run(
        self, fixture: ClassFixture, result: unittest.TestResult
    ) -> unittest.TestResult | None:
        """Run one test between what is to be done before it and after it."""
        case, test = timings.name_of(type(self)), self._testMethodName
        try:
            with timings.spent("start-up", case, what=test):
                self._tcunit_begin(fixture)
        except Exception:
            result.startTest(self)
            result.addError(self, sys.exc_info())
            result.stopTest(self)
            return result
        try:
            with timings.spent("tests", case, what=test):
                return super().run(result)
        finally:
            try:
                with timings.spent("tear-down", case, what=test):
                    fixture.end_test()
            except Exception:
                result.addError(self, sys.exc_info())

    def _tcunit_begin(self, fixture: ClassFixture) -> None:
        """Do what is to be done before a test."""
        fixture.begin_test()

    def _tcunit_is_skipped(self) -> bool:
        """Whether a decorator skips this test, so that nothing is to be started for it."""
        method = getattr(self, self._testMethodName)
        return any(getattr(each, "__unittest_skip__", False) for each in (type(self), method))

    def _tcunit_complain(self, attribute: str) -> None:
        cls = type(self)
        for base in cls.__mro__[: cls.__mro__.index(ContainersMixin)]:
            set_up = getattr(base.__dict__.get("setUpClass"), "__func__", None)
            if set_up is not None and not getattr(set_up, PASSES_ON, False):
                raise NotStarted(
                    f"{cls.__qualname__}.{attribute} is not started, because "
                    f"{base.__qualname__}.setUpClass does not call super().setUpClass(): add that "
                    f"call as its first line"
                )
        raise NotStarted(
            f"{cls.__qualname__}.{attribute} is not started, because the test was run without its "
            f"class's set-up: run it through a TestSuite or a test runner, not by TestCase.run()"
        )


def _refuse_shadowing(cls: type) -> None:
    house = __name__.partition(".")[0]
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == house]
    for name in _declared_names(cls):
        for base in (unittest.TestCase, *ours):
            if hasattr(base, name):
                raise DeclarationError(
                    f"{cls.__qualname__}.{name} would hide what {base.__qualname__} calls "
                    f"{name!r}: give the declaration another name"
                )


def _declared_names(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        for name, value in base.__dict__.items():
            if isinstance(value, Declared):
                yield name
    yield from (name.partition("-")[0] for name in declarations_of(cls))
