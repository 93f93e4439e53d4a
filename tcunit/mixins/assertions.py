"""Assertions about containers. A failure says why, and its traceback ends in the user's line."""

from __future__ import annotations

import http.client
import re
import time
import unittest
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..connection import ConnectionMode
from ..container import DockerContainer
from ..errors import EngineError, NoAddress, NotReady, StartError
from ..ports import Port, PortLike
from ..reach import connects, resolves, shared_networks
from ..running import RunningContainer
from ..wait import (
    ExecResult,
    ExitWaitStrategy,
    HealthcheckWaitStrategy,
    HttpAnswer,
    LogMessageWaitStrategy,
    WaitStrategy,
)
from ..wait.base import ProbeAddress
from ..wait.http import HttpRequest
from ..wait.log import STREAMS
from ..wait.port import why_not_answering, why_not_listening
from .connection import mode_here

__unittest = True

PAUSE = 0.02


class ContainerAssertionsMixin(unittest.TestCase):
    """Assertions about containers, for any test case.

    Each takes ``msg``. Those for which waiting makes sense take ``timeout``, in seconds, and pass
    as soon as what they say is true.
    """

    # -- from this test ---------------------------------------------------------------------------

    def assertReachable(
        self,
        container: DockerContainer,
        port: PortLike,
        msg: Any = None,
        *,
        timeout: float = 5.0,
        payload: bytes = b"\n",
    ) -> None:
        """Fail unless a service answers on a port, by the address of the connection mode.

        It is the service that is proven, not the engine's proxy, which accepts connections to a
        published TCP port before anything listens behind it. A UDP service must answer something
        to ``payload``.
        """
        mode = mode_here(self)
        reason = _until_none(
            lambda left: _why_unreachable(container, port, mode, left, payload), timeout
        )
        if reason is not None:
            why = f"{_named(container, port)} is not reachable: {reason}"
            self.fail(self._formatMessage(msg, f"{why}{_evidence(container.running, port, mode)}"))

    def assertNotReachable(
        self,
        container: DockerContainer,
        port: PortLike,
        msg: Any = None,
        *,
        timeout: float = 1.0,
        payload: bytes = b"\n",
    ) -> None:
        """Fail if a service answers on a port, by the address of the connection mode.

        Args:
            timeout: how long silence must last to count as no answer.
            payload: what a UDP service is sent.
        """
        mode = mode_here(self)
        if _why_unreachable(container, port, mode, timeout, payload) is None:
            where = container.endpoint(port, mode)
            self._tcunit_fail(msg, f"{_named(container, port)} is reachable, at {where}")

    def assertHTTP(
        self,
        container: DockerContainer,
        path: str = "/",
        msg: Any = None,
        *,
        port: PortLike = 80,
        status: int | Collection[int] = 200,
        body: str | re.Pattern[str] | None = None,
        timeout: float = 5.0,
        request: HttpRequest | None = None,
    ) -> HttpAnswer:
        """Fail unless a page is answered with a status and a body; returns the answer.

        Args:
            body: a regular expression to be found in the body.
            request: method, headers, TLS and so on, where a plain GET does not do.
        """
        asked = request or HttpRequest(path)
        wanted = {status} if isinstance(status, int) else status
        answers: list[HttpAnswer] = []
        mode = mode_here(self)
        reason = _until_none(
            lambda left: _why_not_http(container, port, mode, asked, wanted, body, answers), timeout
        )
        if reason is not None:
            why = f"{asked.method} {asked.path} of {container.running.description}: {reason}"
            self._tcunit_fail(msg, why + _evidence(container.running, port, mode))
        return answers[-1]

    # -- from inside a container ------------------------------------------------------------------

    def assertCanReach(
        self,
        source: DockerContainer,
        target: DockerContainer | str,
        port: PortLike,
        msg: Any = None,
        *,
        timeout: float = 5.0,
    ) -> None:
        """Fail unless a TCP connection can be made from inside one container to another.

        Args:
            target: a container, or an alias or address as the source would write it.
        """
        number = Port.parse(port).number
        host, why = _host_for(source.running, target)
        if host:
            means = ""

            def ask(left: float) -> str | None:
                nonlocal means
                answer = connects(source.running, host, number, left)
                means = answer.means
                return None if answer.worked else answer.said

            reason = _until_none(ask, timeout)
            why = f"{reason} (asked by {means})" if reason is not None else ""
        if why:
            what = f"{source.running.description} cannot reach {_called(target)} on port {number}"
            self._tcunit_fail(msg, f"{what}: {why}{_state(source, target)}")

    def assertCannotReach(
        self,
        source: DockerContainer,
        target: DockerContainer | str,
        port: PortLike,
        msg: Any = None,
        *,
        timeout: float = 1.0,
    ) -> None:
        """Fail if a TCP connection can be made from inside one container to another.

        The source must run, or nothing is proven. A name that does not resolve counts as not
        reachable: give the container itself where that is not what you mean.
        """
        self.assertRunning(source)
        number = Port.parse(port).number
        host, _ = _host_for(source.running, target)
        if not host:
            return
        answer = connects(source.running, host, number, timeout)
        if answer.worked:
            what = f"{source.running.description} can reach {_called(target)} on port {number}"
            self._tcunit_fail(msg, f"{what}: {answer.said} (asked by {answer.means})")

    def assertResolves(
        self,
        source: DockerContainer,
        name: str,
        address: str | None = None,
        msg: Any = None,
        *,
        timeout: float = 5.0,
    ) -> None:
        """Fail unless a name resolves inside a container, to an address if one is given."""
        answer = resolves(source.running, name, timeout)
        if not answer.worked:
            known = ", ".join(_networks_of(source.running)) or "no network"
            why = f"{answer.said} in {source.running.description}, which is on {known}"
            self._tcunit_fail(msg, why)
        if address is not None and address not in answer.said.split():
            self._tcunit_fail(msg, f"{name} resolves to {answer.said}, not to {address}")

    def assertSameNetwork(
        self, one: DockerContainer, other: DockerContainer, msg: Any = None
    ) -> None:
        """Fail unless two containers have a network in common."""
        if not shared_networks(one.running, other.running):
            self._tcunit_fail(msg, f"{_both(one, other)} share no network")

    def assertIsolated(self, one: DockerContainer, other: DockerContainer, msg: Any = None) -> None:
        """Fail if two containers have a network in common."""
        if shared := shared_networks(one.running, other.running):
            self._tcunit_fail(msg, f"{_both(one, other)} share {', '.join(shared)}")

    # -- about its state --------------------------------------------------------------------------

    def assertReady(
        self,
        container: DockerContainer,
        strategy: WaitStrategy,
        msg: Any = None,
        *,
        timeout: float = 5.0,
    ) -> None:
        """Fail unless a wait strategy is satisfied in time."""
        reason = _why_not_ready(container, strategy, timeout)
        if reason is not None:
            self._tcunit_fail(msg, reason)

    def assertRunning(self, container: DockerContainer, msg: Any = None) -> None:
        """Fail unless a container runs and is not paused."""
        state = container.running.state()
        if state.status != "running":
            why = f"{container.running.description} does not run: {state}"
            self._tcunit_fail(msg, why + container.running.log_tail())

    def assertHealthy(
        self, container: DockerContainer, msg: Any = None, *, timeout: float = 5.0
    ) -> None:
        """Fail unless a container's health check succeeds; it is run at once."""
        self.assertReady(container, HealthcheckWaitStrategy(), msg, timeout=timeout)

    def assertExited(
        self,
        container: DockerContainer,
        code: int | None = 0,
        msg: Any = None,
        *,
        timeout: float = 10.0,
    ) -> None:
        """Fail unless a container ends in time with an exit code; ``None`` takes any."""
        self.assertReady(container, ExitWaitStrategy(code), msg, timeout=timeout)

    def assertContainerLogged(
        self,
        container: DockerContainer,
        pattern: str | re.Pattern[str],
        msg: Any = None,
        *,
        times: int = 1,
        stream: str = "both",
        timeout: float = 5.0,
    ) -> None:
        """Fail unless a pattern is logged in time, as often as asked, since its last start."""
        self.assertReady(container, _Logged(pattern, times, stream), msg, timeout=timeout)

    def assertNotContainerLogged(
        self,
        container: DockerContainer,
        pattern: str | re.Pattern[str],
        msg: Any = None,
        *,
        stream: str = "both",
    ) -> None:
        """Fail if a pattern has been logged up to now."""
        strategy = LogMessageWaitStrategy(pattern, 1, stream)
        stdout, stderr = STREAMS[stream]
        running = container.running
        logged = running.engine.logs(running.id, stdout=stdout, stderr=stderr)
        text = logged.decode(errors="replace")
        if found := strategy.pattern.search(text):
            line = text[text.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]
            self._tcunit_fail(msg, f"{running.description} logged {strategy}: {line!r}")

    def assertExec(
        self,
        container: DockerContainer,
        command: str | Sequence[str],
        msg: Any = None,
        *,
        code: int = 0,
        stdout: str | re.Pattern[str] | None = None,
        stderr: str | re.Pattern[str] | None = None,
    ) -> ExecResult:
        """Fail unless a command in a container ends with a code; returns its result.

        Args:
            stdout, stderr: regular expressions to be found in its output.
        """
        try:
            result = container.exec(command)
        except EngineError as error:
            self._tcunit_fail(msg, f"the command could not be run: {error}{_state(container)}")
        said = result.output.decode(errors="replace").rstrip()
        if result.exit_code != code:
            why = f"the command ended with code {result.exit_code} and not {code}"
            self._tcunit_fail(msg, f"{container.running.description}: {why}. It said:\n{said}")
        for name, pattern, text in (
            ("stdout", stdout, result.stdout),
            ("stderr", stderr, result.stderr),
        ):
            if pattern is not None and not re.search(pattern, text.decode(errors="replace")):
                shown = text.decode(errors="replace").rstrip()
                self._tcunit_fail(msg, f"{name} has no match for {_shown(pattern)}:\n{shown}")
        return result

    def assertPublished(self, container: DockerContainer, port: PortLike, msg: Any = None) -> None:
        """Fail unless a port is published on the engine's host."""
        wanted, facts = Port.parse(port), _facts(container)
        if not facts.of(wanted):
            known = ", ".join(dict.fromkeys(str(each) for each, _ in facts.bindings)) or "none"
            self._tcunit_fail(
                msg, f"{_named(container, port)} is not published; published: {known}"
            )

    def assertNotPublished(
        self, container: DockerContainer, port: PortLike, msg: Any = None
    ) -> None:
        """Fail if a port is published on the engine's host."""
        found = _facts(container).of(Port.parse(port))
        if found:
            where = ", ".join(f"{each.host_ip}:{each.host_port}" for each in found)
            self._tcunit_fail(msg, f"{_named(container, port)} is published on {where}")

    def _tcunit_fail(self, msg: Any, why: str) -> Any:
        raise self.failureException(self._formatMessage(msg, why))


class _Logged(LogMessageWaitStrategy):
    """A log wait for containers that may have ended: what they logged is there all the same."""

    outlives_container = True


# -- reasons --------------------------------------------------------------------------------------


def _until_none(ask: Callable[[float], str | None], timeout: float) -> str | None:
    """Ask until there is nothing to complain of, or the time is over: the last complaint."""
    deadline = time.monotonic() + timeout
    while True:
        reason = ask(max(deadline - time.monotonic(), 0.05))
        if reason is None or time.monotonic() + PAUSE > deadline:
            return reason
        time.sleep(PAUSE)


def _why_unreachable(
    container: DockerContainer,
    port: PortLike,
    mode: ConnectionMode | str | None,
    timeout: float,
    payload: bytes,
) -> str | None:
    try:
        host, number = container.endpoint(port, mode)
    except NoAddress as error:
        return str(error)
    if container.status == "paused":
        return "it is paused: the kernel accepts connections, but no process answers them"
    if Port.parse(port).protocol == "udp":
        return why_not_answering(host, number, payload, timeout)
    own = container.running.facts()
    return why_not_listening(
        ProbeAddress(host, number, direct=host in (own.ip, own.gateway)), timeout
    )


def _why_not_http(
    container: DockerContainer,
    port: PortLike,
    mode: ConnectionMode | str | None,
    request: HttpRequest,
    wanted: Collection[int],
    body: str | re.Pattern[str] | None,
    answers: list[HttpAnswer],
) -> str | None:
    try:
        answer = request.send(*container.endpoint(port, mode))
    except (OSError, http.client.HTTPException, NoAddress) as error:
        return f"no answer: {error or type(error).__name__}"
    answers.append(answer)
    text = answer.body.decode(errors="replace")
    if answer.status not in wanted:
        return f"status {answer.status} and not {', '.join(map(str, wanted))}; body: {text[:200]!r}"
    if body is not None and not re.search(body, text):
        return f"the body has no match for {_shown(body)}: {text[:200]!r}"
    return None


def _why_not_ready(
    container: DockerContainer, strategy: WaitStrategy, timeout: float
) -> str | None:
    try:
        container.await_ready(strategy.with_startup_timeout(strategy.limit(timeout)))
    except (NotReady, StartError) as error:
        return str(error)
    return None


def _host_for(source: RunningContainer, target: DockerContainer | str) -> tuple[str, str]:
    """How a container names another: its address on a network of both; else why there is none."""
    if isinstance(target, str):
        return target, ""
    shared = shared_networks(source, target.running)
    address = next(filter(None, shared.values()), "")
    if address:
        return address, ""
    if shared:
        return "", f"{target.running.description} has no address on {', '.join(shared)}"
    return "", (
        f"they share no network: {source.description} is on {', '.join(_networks_of(source))}, "
        f"{target.running.description} is on {', '.join(_networks_of(target.running))}"
    )


def _networks_of(container: RunningContainer) -> list[str]:
    settings = (container.host_of or container).info.get("NetworkSettings") or {}
    return list(settings.get("Networks") or {})


def _facts(container: DockerContainer) -> Any:
    container.running.refresh()
    return container.running.facts()


def _called(target: DockerContainer | str) -> str:
    return repr(target) if isinstance(target, str) else target.running.description


def _both(one: DockerContainer, other: DockerContainer) -> str:
    return f"{one.running.description} and {other.running.description}"


def _shown(pattern: str | re.Pattern[str]) -> str:
    return f"/{pattern if isinstance(pattern, str) else pattern.pattern}/"


def _named(container: DockerContainer, port: PortLike) -> str:
    return f"port {Port.parse(port)} of {container.running.description}"


def _state(*containers: DockerContainer | str) -> str:
    """The state of those containers that do not run, with their last words."""
    found = ""
    for each in containers:
        if isinstance(each, DockerContainer):
            state = each.running.state()
            if state.status != "running":
                found += f"\n{each.running.description}: {state}{each.running.log_tail()}"
    return found


def _evidence(running: RunningContainer, port: PortLike, mode: ConnectionMode | str | None) -> str:
    state = running.state()
    tail = "" if state.running else running.log_tail()
    return f"\nState: {state}{tail}\n{running.explain(port, mode)}"
