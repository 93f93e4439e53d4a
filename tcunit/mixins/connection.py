"""From a test to an address: the connection mode of a test case, and endpoints in it."""

from __future__ import annotations

import sys
import unittest
from typing import Any

from ..connection import ConnectionMode, Endpoint, mode_in_use, using_connection_mode
from ..container import DockerContainer
from ..errors import SettingError
from ..lifecycle.declared import FIXTURE
from ..lifecycle.fixture import ClassFixture
from ..ports import PortLike
from ..settings import REQUIRE_MODES, Settings
from .each_mode import expand_methods, mode_of

__unittest = True


class ConnectionMixin(unittest.TestCase):
    """Looks up addresses that are right from where the tests run.

    Attributes:
        connection_mode: how to reach containers; ``None`` leaves it to the environment, the
            properties and the facts, in this order.
    """

    connection_mode: ConnectionMode | str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.connection_mode is not None:
            ConnectionMode.parse(cls.connection_mode, f"{cls.__qualname__}.connection_mode")
        expand_methods(cls)

    def endpoint(
        self,
        container: DockerContainer,
        port: PortLike,
        mode: ConnectionMode | str | None = None,
    ) -> Endpoint:
        """Host and port by which a container's port is reached from this test.

        Args:
            mode: a connection mode for this look-up alone.

        Raises:
            PortNotExposed: the port was not exposed.
            NoAddress: it has no address in this mode.
        """
        return container.endpoint(port, mode or mode_here(self))

    def explain_connection(self, container: DockerContainer, port: PortLike | None = None) -> str:
        """How a container is reached from this test, by which rule, and from which facts."""
        return container.explain(port, mode_here(self))

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run one test, in the mode that ``each_connection_mode`` made it for."""
        mode = mode_of(self)
        if mode is None:
            return super().run(result)
        result = self.defaultTestResult() if result is None else result
        reason = _why_not(type(self), mode)
        with using_connection_mode(mode):
            if reason is None:
                return super().run(result)
            _report(self, result, mode, reason)
            return result


def mode_here(case: object) -> ConnectionMode | str | None:
    """The mode that a test case asks for; ``None`` where ``using_connection_mode`` wins over it."""
    if mode_in_use():
        return None
    made_for = mode_of(case) if isinstance(case, unittest.TestCase) else None
    return made_for or getattr(case, "connection_mode", None)


def _why_not(cls: type, mode: ConnectionMode) -> str | None:
    """Why a mode cannot work for a container of the class; ``None`` where it can for all."""
    fixture: ClassFixture | None = cls.__dict__.get(FIXTURE)
    for thing in fixture.things() if fixture is not None else ():
        if isinstance(thing, DockerContainer) and thing.running.exposed_ports:
            reason = thing.running.why_not(mode)
            if reason is not None:
                return f"{thing.label}: {reason}"
    return None


def _report(
    case: unittest.TestCase, result: unittest.TestResult, mode: ConnectionMode, reason: str
) -> None:
    """Skip a test whose mode cannot work here, or fail it where the mode is required to."""
    text = f"connection mode {mode.value} cannot work here: {reason}"
    result.startTest(case)
    try:
        if mode.value in Settings().get(REQUIRE_MODES):
            result.addFailure(case, _failure(case, f"{text}\nTCUNIT_REQUIRE_MODES says it must."))
        else:
            result.addSkip(case, text)
    except SettingError:
        result.addError(case, sys.exc_info())
    finally:
        result.stopTest(case)


def _failure(case: unittest.TestCase, text: str) -> Any:
    try:
        raise case.failureException(text)
    except case.failureException:
        return sys.exc_info()
