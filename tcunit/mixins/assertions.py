"""Assertions about containers. A failure says why, and its traceback ends in the user's line."""

from __future__ import annotations

import time
import unittest
from typing import Any

from ..connection import ConnectionMode, Endpoint
from ..container import DockerContainer
from ..errors import NoAddress
from ..ports import Port, PortLike
from ..running import RunningContainer
from ..wait.base import ProbeAddress
from ..wait.port import why_not_listening
from .connection import mode_here

__unittest = True

PAUSE = 0.02


class ContainerAssertionsMixin(unittest.TestCase):
    """Assertions about containers, for any test case."""

    def assertReachable(
        self,
        container: DockerContainer,
        port: PortLike,
        msg: Any = None,
        *,
        timeout: float = 5.0,
    ) -> None:
        """Fail unless a service answers on a TCP port, by the address of the connection mode.

        It is the service that is proven, not the engine's proxy, which accepts connections to a
        published port before anything listens behind it.

        Args:
            timeout: how long to try, in seconds.
        """
        reason = self._tcunit_unreachable(container, port, timeout)
        if reason is not None:
            self.fail(self._formatMessage(msg, f"{_named(container, port)} is not reachable: "
                                               f"{reason}"))  # fmt: skip

    def assertNotReachable(
        self,
        container: DockerContainer,
        port: PortLike,
        msg: Any = None,
        *,
        timeout: float = 1.0,
    ) -> None:
        """Fail if a service answers on a TCP port, by the address of the connection mode.

        Args:
            timeout: how long to wait for an answer, in seconds.
        """
        mode = mode_here(self)
        if _why_unreachable(container, port, mode, timeout) is None:
            self.fail(self._formatMessage(msg, f"{_named(container, port)} is reachable at "
                                               f"{container.endpoint(port, mode)}"))  # fmt: skip

    def _tcunit_unreachable(
        self, container: DockerContainer, port: PortLike, timeout: float
    ) -> str | None:
        """Why a port does not answer within a time, with the facts that explain it."""
        mode = mode_here(self)
        deadline = time.monotonic() + timeout
        while True:
            left = max(deadline - time.monotonic(), 0.001)
            reason = _why_unreachable(container, port, mode, left)
            if reason is None or time.monotonic() + PAUSE > deadline:
                break
            time.sleep(PAUSE)
        return None if reason is None else f"{reason}{_evidence(container.running, port, mode)}"


def _why_unreachable(
    container: DockerContainer, port: PortLike, mode: ConnectionMode | str | None, timeout: float
) -> str | None:
    try:
        endpoint = container.endpoint(port, mode)
    except NoAddress as error:
        return str(error)
    return why_not_listening(_as_probe(container, endpoint), timeout)


def _as_probe(container: DockerContainer, endpoint: Endpoint) -> ProbeAddress:
    own = container.running.facts().ip
    return ProbeAddress(endpoint.host, endpoint.port, direct=endpoint.host == own)


def _named(container: DockerContainer, port: PortLike) -> str:
    return f"port {Port.parse(port)} of {container.running.description}"


def _evidence(running: RunningContainer, port: PortLike, mode: ConnectionMode | str | None) -> str:
    state = running.state()
    tail = "" if state.running else running.log_tail()
    return f"\nState: {state}{tail}\n{running.explain(port, mode)}"
