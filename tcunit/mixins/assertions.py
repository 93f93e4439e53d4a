"""Assertions about containers. A failure says why, and its traceback ends in the user's line."""

from __future__ import annotations

import dataclasses
import re
import time
import unittest
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

from ..connection import ConnectionMode
from ..container import DockerContainer
from ..errors import (
    ContainerDied,
    DeclarationError,
    EngineError,
    NoAddress,
    NotReady,
    StartError,
)
from ..ports import Port, PortLike
from ..reach import Inside, networks_of, shared_networks
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
from ..wait.log import compiled, streams_of
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
            lambda left: _why_unreachable(container, port, mode, left, payload),
            timeout,
            telling="refused" if Port.parse(port).protocol == "udp" else "",
        )
        if reason is not None:
            why = f"{_named(container, port)} is not reachable: {reason}"
            self._tcunit_fail(msg, why + _evidence(container.running, port, mode))

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
        wanted = _Page(
            request or HttpRequest(path),
            {status} if isinstance(status, int) else status,
            None if body is None else compiled(body),
        )
        mode = mode_here(self)
        reason = _until_none(lambda left: wanted.why_not(container, port, mode, left), timeout)
        if reason is not None:
            what = f"{wanted.request.method} {wanted.request.path}"
            why = f"{what} of {container.running.description}: {reason}"
            self._tcunit_fail(msg, why + _evidence(container.running, port, mode))
        return wanted.answers[-1]

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
        number = _tcp(port)
        with Inside(source.running) as inside:
            reason = _until_none(
                lambda left: _why_cannot_reach(inside, source, target, number, left), timeout
            )
        if reason is not None:
            what = f"{source.running.description} cannot reach {_called(target)} on port {number}"
            self._tcunit_fail(msg, f"{what}: {reason}{_last_words(source, target)}")

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

        The source must run, or nothing is proven. All addresses of a target on its networks are
        tried, also where it shares none with the source. A name that does not resolve counts as
        not reachable: give the container itself where that is not what you mean.

        Args:
            timeout: how long silence must last to count as not reachable.
        """
        number = _tcp(port)
        self.assertRunning(source, msg)
        what = f"{source.running.description} can reach {_called(target)} on port {number}"
        hosts = [target] if isinstance(target, str) else _addresses(target)
        if not hosts and (why := _why_unproven(target)):
            self._tcunit_fail(msg, f"it cannot be told whether {what}: {why}")
        with Inside(source.running) as inside:
            for host in hosts:
                answer = inside.connects(host, number, timeout)
                if answer.worked:
                    self._tcunit_fail(msg, f"{what}: {answer.said} (asked by {answer.means})")
                if not answer.is_certain:
                    self._tcunit_fail(msg, f"it cannot be told whether {what}: {answer.said}")

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
        with Inside(source.running) as inside:
            reason = _until_none(
                lambda left: _why_unresolved(inside, source, name, address, left), timeout
            )
        if reason is not None:
            self._tcunit_fail(msg, reason + _last_words(source))

    def assertSameNetwork(
        self, one: DockerContainer, other: DockerContainer, msg: Any = None
    ) -> None:
        """Fail unless two containers have a network in common."""
        self._tcunit_look(msg, one, other)
        if not shared_networks(one.running, other.running):
            self._tcunit_fail(msg, f"they share no network: {_on(one)}, {_on(other)}")

    def assertIsolated(self, one: DockerContainer, other: DockerContainer, msg: Any = None) -> None:
        """Fail if two containers have a network in common."""
        self._tcunit_look(msg, one, other)
        if shared := shared_networks(one.running, other.running):
            both = f"{one.running.description} and {other.running.description}"
            self._tcunit_fail(msg, f"{both} share {', '.join(shared)}")

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
        try:
            reason = _why_not_ready(container, strategy, timeout)
        except StartError as error:
            reason = str(error)
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
        """Fail unless a pattern is logged in time, as often as asked, since its last start.

        Of a container that has ended, or ends meanwhile, the log is read to its end.
        """
        strategy = LogMessageWaitStrategy(pattern, times, stream)
        try:
            reason = _why_not_ready(container, strategy, timeout)
        except ContainerDied as error:
            found = strategy.count(_logged(container, stream, container.running.logs_since))
            reason = None if found >= times else f"{error}\nIts whole log has that {found} times."
        if reason is not None:
            self._tcunit_fail(msg, reason)

    def assertNotContainerLogged(
        self,
        container: DockerContainer,
        pattern: str | re.Pattern[str],
        msg: Any = None,
        *,
        stream: str = "both",
    ) -> None:
        """Fail if a pattern has been logged up to now, also before a restart."""
        strategy = LogMessageWaitStrategy(pattern, 1, stream)
        text = _logged(container, stream)
        if found := strategy.pattern.search(text):
            line = text[text.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]
            what = f"{container.running.description} logged {strategy}"
            self._tcunit_fail(msg, f"{what}: {line!r}")

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
        wanted = [
            (name, compiled(pattern))
            for name, pattern in (("stdout", stdout), ("stderr", stderr))
            if pattern is not None
        ]
        who = container.running.description
        try:
            result = container.exec(command)
        except EngineError as error:
            why = _why_not_up(container, who) or f"{who}: the command could not be run: {error}"
            self._tcunit_fail(msg, why + _last_words(container))
        said = result.output.decode(errors="replace").rstrip()
        if result.exit_code != code:
            why = f"the command ended with code {result.exit_code} and not {code}"
            self._tcunit_fail(msg, f"{who}: {why}. It said:\n{said}")
        for name, pattern in wanted:
            text = getattr(result, name).decode(errors="replace")
            if not pattern.search(text):
                why = f"{name} has no match for /{pattern.pattern}/"
                self._tcunit_fail(msg, f"{who}: {why}:\n{text.rstrip()}")
        return result

    def assertPublished(self, container: DockerContainer, port: PortLike, msg: Any = None) -> None:
        """Fail unless a port is published on the engine's host."""
        self._tcunit_look(msg, container)
        wanted, facts = Port.parse(port), container.running.facts()
        if not facts.of(wanted):
            known = ", ".join(dict.fromkeys(str(each) for each, _ in facts.bindings)) or "none"
            self._tcunit_fail(
                msg, f"{_named(container, port)} is not published; published: {known}"
            )

    def assertNotPublished(
        self, container: DockerContainer, port: PortLike, msg: Any = None
    ) -> None:
        """Fail if a port is published on the engine's host."""
        self._tcunit_look(msg, container)
        found = container.running.facts().of(Port.parse(port))
        if found:
            where = ", ".join(f"{each.host_ip}:{each.host_port}" for each in found)
            self._tcunit_fail(msg, f"{_named(container, port)} is published on {where}")

    def _tcunit_look(self, msg: Any, *containers: DockerContainer) -> None:
        """Read the present facts of containers, and fail for one that is not there any more."""
        for each in containers:
            if each.running.state().status == "removed":
                self._tcunit_fail(msg, f"{each.running.description} was removed from the engine")

    def _tcunit_fail(self, msg: Any, why: str) -> NoReturn:
        raise self.failureException(self._formatMessage(msg, why))


# -- reasons --------------------------------------------------------------------------------------


class _Final(str):
    """A reason that no waiting changes."""


def _until_none(
    ask: Callable[[float], str | None], timeout: float, telling: str = ""
) -> str | None:
    """Ask until there is nothing to complain of, or the time is over: the last complaint.

    Args:
        telling: a word for which a complaint is kept; kernels refuse datagrams a few times only,
            and then are silent.
    """
    deadline = time.monotonic() + timeout
    said = ""
    while True:
        reason = ask(max(deadline - time.monotonic(), 0.05))
        if reason is None or isinstance(reason, _Final):
            return reason
        said = said if telling and telling in said else reason
        if time.monotonic() + PAUSE > deadline:
            return said
        time.sleep(PAUSE)


def _why_not_up(container: DockerContainer, who: str = "it") -> str | None:
    """Why a container answers nobody, whatever its network; ``None`` if that is not so."""
    state = container.running.state()
    if not state.running:
        return _Final(f"{who} does not run: {state}")
    if state.status == "paused":
        return f"{who} is paused: the kernel accepts connections, but no process answers them"
    return None


def _why_unreachable(
    container: DockerContainer,
    port: PortLike,
    mode: ConnectionMode | str | None,
    timeout: float,
    payload: bytes,
) -> str | None:
    wanted = container.running.exposed(port)
    if (why := _why_not_up(container)) is not None:
        return why
    try:
        host, number = container.endpoint(port, mode)
    except NoAddress as error:
        return str(error)
    if wanted.protocol == "udp":
        return why_not_answering(host, number, payload, timeout)
    own = container.running.facts()
    return why_not_listening(
        ProbeAddress(host, number, direct=host in (own.ip, own.gateway)), timeout
    )


@dataclasses.dataclass
class _Page:
    """A page that is asked for, how it must be, and the answers that came."""

    request: HttpRequest
    status: Collection[int]
    body: re.Pattern[str] | None
    answers: list[HttpAnswer] = dataclasses.field(default_factory=list)

    def why_not(
        self,
        container: DockerContainer,
        port: PortLike,
        mode: ConnectionMode | str | None,
        left: float,
    ) -> str | None:
        """Ask once: why the answer is not the one that is wanted."""
        request = dataclasses.replace(self.request, timeout=min(left, self.request.timeout))
        try:
            answer = request.send(*container.endpoint(port, mode))
        except (OSError, NoAddress) as error:
            return _why_not_up(container) or f"no answer: {error or type(error).__name__}"
        self.answers.append(answer)
        text = answer.body.decode(errors="replace")
        if answer.status not in self.status:
            wanted = ", ".join(map(str, self.status))
            return f"status {answer.status} and not {wanted}; body: {text[:200]!r}"
        if self.body is not None and not self.body.search(text):
            return f"the body has no match for /{self.body.pattern}/: {text[:200]!r}"
        return None


def _why_cannot_reach(
    inside: Inside,
    source: DockerContainer,
    target: DockerContainer | str,
    port: int,
    timeout: float,
) -> str | None:
    if (why := _why_not_up(source, source.running.description)) is not None:
        return why
    if isinstance(target, str):
        host = target
    elif (why := _why_not_up(target, target.running.description)) is not None:
        return why
    elif not (host := _address_for(source.running, target.running)):
        return _Final(f"they share no network: {_on(source)}, {_on(target)}")
    answer = inside.connects(host, port, timeout)
    return None if answer.worked else f"{answer.said} (asked by {answer.means})"


def _why_unresolved(
    inside: Inside, source: DockerContainer, name: str, address: str | None, timeout: float
) -> str | None:
    if (why := _why_not_up(source, source.running.description)) is not None:
        return why
    answer = inside.resolves(name, timeout)
    if not answer.worked:
        known = ", ".join(networks_of(source.running)) or "no network"
        return f"{answer.said} in {source.running.description}, which is on {known}"
    if address is not None and address not in answer.said.split():
        return _Final(f"{name} resolves to {answer.said}, not to {address}")
    return None


def _why_not_ready(
    container: DockerContainer, strategy: WaitStrategy, timeout: float
) -> str | None:
    try:
        container.await_ready(strategy.with_startup_timeout(strategy.limit(timeout)))
    except NotReady as error:
        return str(error)
    return None


def _why_unproven(target: DockerContainer | str) -> str | None:
    """Why nothing follows from a target without an address; ``None`` where it has ended."""
    if isinstance(target, str) or not target.running.state().running:
        return None
    return f"{_on(target)} and has no address of its own: give one that it could be reached by"


# -- words and facts ------------------------------------------------------------------------------


def _tcp(port: PortLike) -> int:
    wanted = Port.parse(port)
    if wanted.protocol != "tcp":
        raise DeclarationError(
            f"{wanted}: only TCP connections are tried from inside a container: use assertExec() "
            f"with a command that knows what the service answers"
        )
    return wanted.number


def _address_for(source: RunningContainer, target: RunningContainer) -> str:
    """How a container reaches another: by a network of both; by any from the engine's host."""
    known = networks_of(target) if "host" in networks_of(source) else None
    shared = shared_networks(source, target) if known is None else known
    return next(filter(None, shared.values()), "")


def _addresses(target: DockerContainer) -> list[str]:
    try:
        return list(filter(None, networks_of(target.running).values()))
    except EngineError:
        return []  # it was removed


def _on(container: DockerContainer) -> str:
    networks = ", ".join(networks_of(container.running)) or "no network"
    return f"{container.running.description} is on {networks}"


def _logged(container: DockerContainer, stream: str, since: float = 0.0) -> str:
    stdout, stderr = streams_of(stream)
    running = container.running
    logged = running.engine.logs(running.id, stdout=stdout, stderr=stderr, since=since or None)
    return logged.decode(errors="replace")


def _called(target: DockerContainer | str) -> str:
    return repr(target) if isinstance(target, str) else target.running.description


def _named(container: DockerContainer, port: PortLike) -> str:
    return f"port {Port.parse(port)} of {container.running.description}"


def _last_words(*containers: DockerContainer | str) -> str:
    """What those containers logged last that do not run any more."""
    ended = [
        each.running
        for each in containers
        if isinstance(each, DockerContainer) and not each.running.state().running
    ]
    return "".join(f"\n{each.description}:{each.log_tail()}" for each in ended)


def _evidence(running: RunningContainer, port: PortLike, mode: ConnectionMode | str | None) -> str:
    state = running.state()
    tail = "" if state.running else running.log_tail()
    return f"\nState: {state}{tail}\n{running.explain(port, mode)}"
