"""Why an assertion about a container fails: the reasons, in words that say what was tried."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Collection

from ..awaiting import is_in_loop
from ..connection import ConnectionMode
from ..container import DockerContainer
from ..errors import (
    DeclarationError,
    EngineError,
    NoAddress,
    NotReady,
)
from ..ports import Port, PortLike
from ..reach import Inside, networks_of, shared_networks
from ..running import RunningContainer
from ..wait import (
    HttpAnswer,
    WaitStrategy,
)
from ..wait.base import ProbeAddress
from ..wait.http import HttpRequest
from ..wait.log import streams_of
from ..wait.port import why_not_answering, why_not_listening

__unittest = True

PAUSE = 0.02
STOOD_STILL = (
    "\nThe event loop stood still for this long, and nothing in it could answer: in a coroutine, "
    "'await self.in_thread(self.assert…, …)'"
)


class Final(str):
    """A reason that no waiting changes."""


def until_none(ask: Callable[[float], str | None], timeout: float, telling: str = "") -> str | None:
    """Ask until there is nothing to complain of, or the time is over: the last complaint.

    Args:
        telling: a word for which a complaint is kept; kernels refuse datagrams a few times only,
            and then are silent.
    """
    deadline = time.monotonic() + timeout
    said = ""
    while True:
        reason = ask(max(deadline - time.monotonic(), 0.05))
        if reason is None or isinstance(reason, Final):
            return reason
        said = said if telling and telling in said else reason
        if time.monotonic() + PAUSE > deadline:
            return f"{said}{STOOD_STILL}" if is_in_loop() else said
        time.sleep(PAUSE)


def why_not_up(container: DockerContainer, who: str = "it") -> str | None:
    """Why a container answers nobody, whatever its network; ``None`` if that is not so."""
    state = container.running.state()
    if not state.running:
        return Final(f"{who} does not run: {state}")
    if state.status == "paused":
        return f"{who} is paused: the kernel accepts connections, but no process answers them"
    return None


def why_unreachable(
    container: DockerContainer,
    port: PortLike,
    mode: ConnectionMode | str | None,
    timeout: float,
    payload: bytes,
) -> str | None:
    """Why no service answers on a port, by the address of a mode; ``None`` if one does."""
    wanted = container.running.exposed(port)
    if (why := why_not_up(container)) is not None:
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
class Page:
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
            return why_not_up(container) or f"no answer: {error or type(error).__name__}"
        self.answers.append(answer)
        text = answer.body.decode(errors="replace")
        if answer.status not in self.status:
            wanted = ", ".join(map(str, self.status))
            return f"status {answer.status} and not {wanted}; body: {text[:200]!r}"
        if self.body is not None and not self.body.search(text):
            return f"the body has no match for /{self.body.pattern}/: {text[:200]!r}"
        return None


def why_cannot_reach(
    inside: Inside,
    source: DockerContainer,
    target: DockerContainer | str,
    port: int,
    timeout: float,
) -> str | None:
    """Why no connection can be made from inside a container; ``None`` if one can."""
    if (why := why_not_up(source, source.running.description)) is not None:
        return why
    if isinstance(target, str):
        host = target
    elif (why := why_not_up(target, target.running.description)) is not None:
        return why
    elif not (host := address_for(source.running, target.running)):
        return Final(f"they share no network: {on(source)}, {on(target)}")
    answer = inside.connects(host, port, timeout)
    return None if answer.worked else f"{answer.said} (asked by {answer.means})"


def why_unresolved(
    inside: Inside, source: DockerContainer, name: str, address: str | None, timeout: float
) -> str | None:
    """Why a name does not resolve inside a container to what it should; ``None`` if it does."""
    if (why := why_not_up(source, source.running.description)) is not None:
        return why
    answer = inside.resolves(name, timeout)
    if not answer.worked:
        known = ", ".join(networks_of(source.running)) or "no network"
        return f"{answer.said} in {source.running.description}, which is on {known}"
    if address is not None and address not in answer.said.split():
        return Final(f"{name} resolves to {answer.said}, not to {address}")
    return None


def why_not_ready(container: DockerContainer, strategy: WaitStrategy, timeout: float) -> str | None:
    """Why a wait is not satisfied in time; ``None`` if it is."""
    try:
        container.await_ready(strategy.with_startup_timeout(strategy.limit(timeout)))
    except NotReady as error:
        return str(error)
    return None


def why_unproven(target: DockerContainer | str) -> str | None:
    """Why nothing follows from a target without an address; ``None`` where it has ended."""
    if isinstance(target, str) or not target.running.state().running:
        return None
    return f"{on(target)} and has no address of its own: give one that it could be reached by"


# -- words and facts ------------------------------------------------------------------------------


def tcp(port: PortLike) -> int:
    """The number of a TCP port; others are refused."""
    wanted = Port.parse(port)
    if wanted.protocol != "tcp":
        raise DeclarationError(
            f"{wanted}: only TCP connections are tried from inside a container: use assertExec() "
            f"with a command that knows what the service answers"
        )
    return wanted.number


def address_for(source: RunningContainer, target: RunningContainer) -> str:
    """How a container reaches another: by a network of both; by any from the engine's host."""
    known = networks_of(target) if "host" in networks_of(source) else None
    shared = shared_networks(source, target) if known is None else known
    return next(filter(None, shared.values()), "")


def addresses(target: DockerContainer) -> list[str]:
    """The addresses of a container on all its networks; none if it was removed."""
    try:
        return list(filter(None, networks_of(target.running).values()))
    except EngineError:
        return []  # it was removed


def on(container: DockerContainer) -> str:
    """Which networks a container is on, in words."""
    networks = ", ".join(networks_of(container.running)) or "no network"
    return f"{container.running.description} is on {networks}"


def logged(container: DockerContainer, stream: str, since: float = 0.0) -> str:
    """What a container has logged to some streams."""
    stdout, stderr = streams_of(stream)
    running = container.running
    logged = running.engine.logs(running.id, stdout=stdout, stderr=stderr, since=since or None)
    return logged.decode(errors="replace")


def called(target: DockerContainer | str) -> str:
    """How a message calls a target."""
    return repr(target) if isinstance(target, str) else target.running.description


def named(container: DockerContainer, port: PortLike) -> str:
    """How a message calls a port of a container."""
    return f"port {Port.parse(port)} of {container.running.description}"


def last_words(*containers: DockerContainer | str) -> str:
    """What those containers logged last that do not run any more."""
    ended = [
        each.running
        for each in containers
        if isinstance(each, DockerContainer) and not each.running.state().running
    ]
    return "".join(f"\n{each.description}:{each.log_tail()}" for each in ended)


def evidence(running: RunningContainer, port: PortLike, mode: ConnectionMode | str | None) -> str:
    """The state of a container and how its address was found, for a failure."""
    state = running.state()
    tail = "" if state.running else running.log_tail()
    return f"\nState: {state}{tail}\n{running.explain(port, mode)}"
