"""A container for waits that is only a few values."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tcunit.ports import Port, PortLike
from tcunit.wait import ExecResult, WaitStrategy, WaitTarget
from tcunit.wait.base import ContainerState, Probe, ProbeAddress

RUNS = ContainerState("running", running=True, exit_code=0)
ENDED = ContainerState("exited", running=False, exit_code=3)

NOWHERE = ProbeAddress("127.0.0.1", 1, direct=True)


@dataclass
class Target:
    """What a wait sees: ``states`` are told one after the other, the last one for ever."""

    description: str = "web"
    states: list[ContainerState] = field(default_factory=lambda: [RUNS])
    healthcheck: Sequence[str] = ()
    image_ports: Sequence[Port] = ()
    exposed_ports: Sequence[Port] = ()
    stdout: str = ""
    stderr: str = ""
    results: list[ExecResult | Exception] = field(default_factory=list)
    address: ProbeAddress = NOWHERE
    cancelled: bool = False
    told: int | None = None
    changed: threading.Event = field(default_factory=threading.Event)
    commands: list[tuple[str | Sequence[str], float | None]] = field(default_factory=list)
    asked_for: list[Port] = field(default_factory=list)

    def state(self) -> ContainerState:
        """The next state."""
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def ended(self) -> ContainerState | None:
        """The next state, if it is the end or a restart."""
        state = self.state()
        return state if not state.running or state.restarts else None

    def exit_told(self) -> int | None:
        """What an event told."""
        return self.told

    def probe_address(self, port: PortLike) -> ProbeAddress:
        """The one address that there is."""
        self.asked_for.append(Port.parse(port))
        return self.address

    def exec(self, command: str | Sequence[str], *, timeout: float | None = None) -> ExecResult:
        """Note the command and give the next result, the last one for ever."""
        self.commands.append((command, timeout))
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result

    def log_so_far(self, stdout: bool, stderr: bool) -> str:
        """The streams that are asked for."""
        return self.stdout * stdout + self.stderr * stderr

    def log_tail(self) -> str:
        """A mark by which tests see that the log is in a message."""
        return "\n(the log)"


class Scripted(WaitStrategy):
    """Gives answers one after the other, the last one for ever; an error is raised."""

    def __init__(self, *answers: str | Exception | None, name: str = "the script") -> None:
        self.answers, self.name = answers, name
        self.asked = 0
        self.on_ask: Callable[[], object] = lambda: None

    def begin(self, target: WaitTarget) -> Probe:
        """Begin at the first answer."""

        def probe() -> str | None:
            answer = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
            self.on_ask()
            if isinstance(answer, Exception):
                raise answer
            return answer

        return probe

    def __str__(self) -> str:
        return self.name


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket that listens on loopback at a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def free_port() -> int:
    """A port of loopback where nothing listens."""
    with listening() as server:
        return int(server.getsockname()[1])


def is_a_wait_target(target: Target) -> WaitTarget:
    """For the type checker: the double has all that a wait may ask for."""
    return target
