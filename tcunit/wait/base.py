"""What every wait shares: the view it has of a container, the one loop, and its errors.

A strategy says in :meth:`WaitStrategy.begin` how to ask *once*; when to ask again, when to give up
and what to say then is decided here and nowhere else. A wait ends by the first of: ready, the
container ended, the deadline, a cancelled start.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from ..errors import ContainerDied, DeclarationError, NoAddress, NotReady, StartCancelled
from ..ports import Port, PortLike

if TYPE_CHECKING:
    from datetime import timedelta

FIRST_PAUSE = 0.001
LONGEST_PAUSE = 0.01

Probe = Callable[[], str | None]
"""Asks once: ``None`` when ready, else the reason why not, in one line."""


class ContainerState(NamedTuple):
    """What the engine says of a container at one moment."""

    status: str
    running: bool
    exit_code: int
    oom_killed: bool = False
    error: str = ""
    health: str = ""
    restarts: int = 0
    finished_at: float = 0.0

    def __str__(self) -> str:
        parts = [self.status]
        if not self.running and self.status != "removed":
            parts.append(f"exit code {self.exit_code}")
        parts += [f"health {self.health}"] * bool(self.health)
        parts += [f"restarted {self.restarts} times"] * bool(self.restarts)
        parts += ["killed for want of memory (OOM)"] * self.oom_killed
        parts += [self.error] * bool(self.error)
        return ", ".join(parts)


class _CodeAndOutput(NamedTuple):
    exit_code: int
    output: bytes


class ExecResult(_CodeAndOutput):
    """How a command in a container ended: ``code, output = container.exec(…)``.

    ``output`` is all of it in the order it came; ``stdout`` and ``stderr`` are its parts.
    """

    stdout: bytes
    stderr: bytes

    def __new__(
        cls, exit_code: int, output: bytes, stdout: bytes = b"", stderr: bytes = b""
    ) -> Self:
        """A pair, so that it can be unpacked into two."""
        self = super().__new__(cls, exit_code, output)
        self.stdout, self.stderr = stdout, stderr
        return self

    def __getnewargs__(self) -> tuple[int, bytes, bytes, bytes]:
        return (self.exit_code, self.output, self.stdout, self.stderr)


class ProbeAddress(NamedTuple):
    """Where to ask for a port, and whether nothing stands between (no proxy that accepts first)."""

    host: str
    port: int
    direct: bool


class WaitTarget(Protocol):
    """What a wait may know of a container, and nothing else."""

    @property
    def description(self) -> str:
        """How messages call it."""
        ...

    @property
    def changed(self) -> Event:
        """Set when something happened that is worth asking again for."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        ...

    @property
    def healthcheck(self) -> Sequence[str]:
        """The test of the image's or container's HEALTHCHECK; empty if it has none."""
        ...

    @property
    def image_ports(self) -> Sequence[Port]:
        """The ports that its image declares."""
        ...

    @property
    def exposed_ports(self) -> Sequence[Port]:
        """The ports that were asked for."""
        ...

    def state(self) -> ContainerState:
        """The engine's word about it, asked now."""
        ...

    def ended(self) -> ContainerState | None:
        """The state of a container that ended or was restarted by its policy, else ``None``."""
        ...

    def exit_told(self) -> int | None:
        """The exit code that the engine told when it ended for good; ``None`` if it did not."""
        ...

    def probe_address(self, port: PortLike) -> ProbeAddress:
        """Where to ask for one of its ports."""
        ...

    def exec(self, command: str | Sequence[str], *, timeout: float | None = None) -> ExecResult:
        """Run a command in it; raises ``TimeoutError`` after a limit in seconds."""
        ...

    def has_file(self, path: str) -> bool:
        """Whether there is a file or a folder in it."""
        ...

    def log_so_far(self, stdout: bool, stderr: bool) -> str:
        """What it logged since this start; the first call begins to follow the log."""
        ...

    def log_tail(self) -> str:
        """Its last log lines, as a paragraph for an error."""
        ...


class WaitStrategy(ABC):
    """A way to tell that a container is ready.

    A strategy holds no state of a wait, so that one object serves many containers.
    """

    timeout: float | None = None
    outlives_container = False

    @abstractmethod
    def begin(self, target: WaitTarget) -> Probe:
        """Prepare one wait for a container and return what asks once."""

    @abstractmethod
    def __str__(self) -> str:
        """The condition, as it reads after "waiting for"; shows no secret."""

    def with_startup_timeout(self, timeout: float | timedelta) -> Self:
        """The same wait with a time limit of its own, in seconds."""
        limit = timeout.total_seconds() if hasattr(timeout, "total_seconds") else float(timeout)
        if not 0 < limit < float("inf"):
            raise DeclarationError(f"a timeout of {timeout!r} is none: give seconds above 0")
        changed = copy.copy(self)
        changed.timeout = limit
        return changed

    def limit(self, default: float) -> float:
        """Its time limit in seconds, where ``default`` holds for what sets none."""
        return self.timeout or default


def wait_until_ready(
    target: WaitTarget, strategy: WaitStrategy, timeout: float, advice: str = ""
) -> None:
    """Block until a container is ready.

    Args:
        timeout: the limit in seconds, where the strategy has none of its own.
        advice: what the error says to do when the time is over.

    Raises:
        NotReady: the time is over; the message has the missing strategy and its last reason.
        ContainerDied: the container ended first.
        StartCancelled: somebody set ``cancelled``.
    """
    began = time.monotonic()
    limit = strategy.limit(timeout)
    probe = strategy.begin(target)
    pause, tries, reason = FIRST_PAUSE, 0, ""
    while not target.cancelled:
        target.changed.clear()
        asked = time.monotonic()
        tries += 1
        try:
            answer = probe()
        except NoAddress as error:
            last = target.state()
            if last.running:
                raise
            if not strategy.outlives_container:  # what ended has no address any more
                raise died(target, last, f"while waiting for {strategy}") from None
            answer = str(error)
        if answer is None:
            return
        reason = answer
        if not strategy.outlives_container and (state := target.ended()):
            raise died(target, state, f"while waiting for {strategy}")
        now = time.monotonic()
        if now - began >= limit:
            raise _not_ready(target, strategy, limit, tries, reason, advice)
        # A costly question (an exec, a slow page) is asked for half of the time at most.
        target.changed.wait(min(max(pause, now - asked), began + limit - now))
        pause = min(pause * 1.5, LONGEST_PAUSE)
    raise StartCancelled(f"{target.description}: the wait for {strategy} was given up")


def died(target: WaitTarget, state: ContainerState, when: str) -> ContainerDied:
    """The error for a container that ended, with its exit code and what it logged last."""
    what = "was restarted by its policy" if state.restarts and state.running else "ended"
    return ContainerDied(f"{target.description} {what} {when}: {state}{target.log_tail()}")


def _not_ready(
    target: WaitTarget, strategy: WaitStrategy, limit: float, tries: int, reason: str, advice: str
) -> NotReady:
    asked = "once" if tries == 1 else f"{tries} times"
    return NotReady(
        f"{target.description} was not ready within {limit:g} s: waiting for {strategy}, "
        f"asked {asked}, the last time: {reason}\n"
        f"State: {target.state()}. {advice}{target.log_tail()}"
    )
