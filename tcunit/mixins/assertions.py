"""Assertions about containers. A failure says why, and its traceback ends in the user's line."""

from __future__ import annotations

import re
import unittest
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from ..container import DockerContainer
from ..errors import (
    ContainerDied,
    EngineError,
    StartError,
)
from ..ports import Port, PortLike
from ..reach import Inside, shared_networks
from ..wait import (
    ExecResult,
    ExitWaitStrategy,
    HealthcheckWaitStrategy,
    HttpAnswer,
    LogMessageWaitStrategy,
    WaitStrategy,
)
from ..wait.http import HttpRequest
from ..wait.log import compiled
from .connection import mode_here
from .reasons import (
    Page,
    addresses,
    called,
    evidence,
    last_words,
    logged,
    named,
    on,
    tcp,
    until_none,
    why_cannot_reach,
    why_not_ready,
    why_not_up,
    why_unproven,
    why_unreachable,
    why_unresolved,
)

__unittest = True


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
        reason = until_none(
            lambda left: why_unreachable(container, port, mode, left, payload),
            timeout,
            telling="refused" if Port.parse(port).protocol == "udp" else "",
        )
        if reason is not None:
            why = f"{named(container, port)} is not reachable: {reason}"
            self._tcunit_fail(msg, why + evidence(container.running, port, mode))

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
        if why_unreachable(container, port, mode, timeout, payload) is None:
            where = container.endpoint(port, mode)
            self._tcunit_fail(msg, f"{named(container, port)} is reachable, at {where}")

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
        wanted = Page(
            request or HttpRequest(path),
            {status} if isinstance(status, int) else status,
            None if body is None else compiled(body),
        )
        mode = mode_here(self)
        reason = until_none(lambda left: wanted.why_not(container, port, mode, left), timeout)
        if reason is not None:
            what = f"{wanted.request.method} {wanted.request.path}"
            why = f"{what} of {container.running.description}: {reason}"
            self._tcunit_fail(msg, why + evidence(container.running, port, mode))
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
        number = tcp(port)
        with Inside(source.running) as inside:
            reason = until_none(
                lambda left: why_cannot_reach(inside, source, target, number, left), timeout
            )
        if reason is not None:
            what = f"{source.running.description} cannot reach {called(target)} on port {number}"
            self._tcunit_fail(msg, f"{what}: {reason}{last_words(source, target)}")

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
        not reachable: give the container itself where that is not what you mean. What answers is
        asked once more, because all networks are open to each other for a moment while an engine
        makes another one, as it puts its rules in order
        (https://github.com/moby/libnetwork/blob/master/iptables/iptables.go, ``EnsureJumpRule``).

        Args:
            timeout: how long silence must last to count as not reachable.
        """
        number = tcp(port)
        self.assertRunning(source, msg)
        what = f"{source.running.description} can reach {called(target)} on port {number}"
        hosts = [target] if isinstance(target, str) else addresses(target)
        if not hosts and (why := why_unproven(target)):
            self._tcunit_fail(msg, f"it cannot be told whether {what}: {why}")
        with Inside(source.running) as inside:
            for host in hosts:
                answer = inside.connects(host, number, timeout)
                if answer.worked:
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
            reason = until_none(
                lambda left: why_unresolved(inside, source, name, address, left), timeout
            )
        if reason is not None:
            self._tcunit_fail(msg, reason + last_words(source))

    def assertSameNetwork(
        self, one: DockerContainer, other: DockerContainer, msg: Any = None
    ) -> None:
        """Fail unless two containers have a network in common."""
        self._tcunit_look(msg, one, other)
        if not shared_networks(one.running, other.running):
            self._tcunit_fail(msg, f"they share no network: {on(one)}, {on(other)}")

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
            reason = why_not_ready(container, strategy, timeout)
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
            reason = why_not_ready(container, strategy, timeout)
        except ContainerDied as error:
            found = strategy.count(logged(container, stream, container.running.logs_since))
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
        text = logged(container, stream)
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
            why = why_not_up(container, who) or f"{who}: the command could not be run: {error}"
            self._tcunit_fail(msg, why + last_words(container))
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
            self._tcunit_fail(msg, f"{named(container, port)} is not published; published: {known}")

    def assertNotPublished(
        self, container: DockerContainer, port: PortLike, msg: Any = None
    ) -> None:
        """Fail if a port is published on the engine's host."""
        self._tcunit_look(msg, container)
        found = container.running.facts().of(Port.parse(port))
        if found:
            where = ", ".join(f"{each.host_ip}:{each.host_port}" for each in found)
            self._tcunit_fail(msg, f"{named(container, port)} is published on {where}")

    def _tcunit_look(self, msg: Any, *containers: DockerContainer) -> None:
        """Read the present facts of containers, and fail for one that is not there any more."""
        for each in containers:
            if each.running.state().status == "removed":
                self._tcunit_fail(msg, f"{each.running.description} was removed from the engine")

    def _tcunit_fail(self, msg: Any, why: str) -> NoReturn:
        raise self.failureException(self._formatMessage(msg, why))
