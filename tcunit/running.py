"""What you get: a container and a network that exist on the engine.

A :class:`RunningContainer` is what waits look at and what addresses are computed from. It removes
nothing: who created it does.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._docker import Engine, ImageInfo, NotThere, Stream
from .addressed import Addressed
from .connection import NetworkFacts
from .errors import EngineError, NotStarted
from .facts import Surroundings
from .inspected import Json, started_at, state_of
from .masking import Secrets
from .ports import Port
from .wait.base import ContainerState, ExecResult

LOG_TAIL_LINES = 20
STATE_CHECK_INTERVAL = 2.0
NO_END = ("start", "exec_")  # events after which nothing can have ended that had not before


@dataclass(frozen=True)
class RunningNetwork:
    """A network on the engine."""

    id: str
    name: str
    facts: NetworkFacts


class LogFollower:
    """Collects what a container logs from a moment on, and says when there is more."""

    def __init__(self, stream: Stream, changed: threading.Event):
        self._stream, self._changed = stream, changed
        self._chunks: list[bytes] = []
        self._text, self._decoded = "", 0
        self._thread = threading.Thread(target=self._collect, name="tcunit-log", daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        with contextlib.suppress(Exception):  # the stream was closed, or the engine is gone
            for chunk in self._stream:
                self._chunks.append(chunk)
                self._changed.set()

    @property
    def text(self) -> str:
        """What was logged so far."""
        if len(self._chunks) > self._decoded:
            self._decoded = len(self._chunks)
            self._text = b"".join(self._chunks[: self._decoded]).decode(errors="replace")
        return self._text

    def close(self) -> None:
        """End the stream and its thread."""
        self._stream.close()
        self._thread.join(timeout=5)


@dataclass(eq=False)
class RunningContainer(Addressed):
    """A container on the engine, as a wait and a resolver see it."""

    engine: Engine
    surroundings: Surroundings
    id: str
    name: str
    description: str
    image: ImageInfo
    exposed_ports: Sequence[Port] = ()
    networks: Sequence[str] = ()
    mode_of_case: Any = None
    changed: threading.Event = field(default_factory=threading.Event)
    is_cancelled: Any = None
    host_of: RunningContainer | None = None
    logs_since: float = 0.0
    restarts_before: int = 0
    was_ready: bool = False
    how_to_expose: str = "Add with_exposed_ports({})"
    info: Json = field(default_factory=dict)
    _logs: dict[tuple[bool, bool], LogFollower] = field(default_factory=dict)
    _look_again: bool = True
    _exit_told: int | None = None
    _looked: float = 0.0

    # -- state ----------------------------------------------------------------------------------

    @property
    def cancelled(self) -> bool:
        """Whether its start was given up."""
        return bool(self.is_cancelled and self.is_cancelled())

    def notice(self, action: str, told: Mapping[str, str]) -> None:
        """Take note of an event of the engine about this container."""
        if action == "die" and told.get("exitCode", "").isdecimal():
            self._exit_told = int(told["exitCode"])
        elif action == "start":
            self._exit_told = None
        if not action.startswith(NO_END):
            self._look_again = True
        self.changed.set()

    def exit_told(self) -> int | None:
        """The exit code that the engine told when it ended, if it ended for good.

        It is known some tenths of a second before the engine answers questions about it again.
        """
        policy = (self.info.get("HostConfig") or {}).get("RestartPolicy") or {}
        return self._exit_told if policy.get("Name") in (None, "", "no") else None

    def refresh(self) -> Json:
        """Ask the engine anew, as after a restart: addresses and mapped ports may have changed."""
        self._looked, self._look_again = time.monotonic(), False
        self.info = self.engine.inspect(self.id)
        if (self.info.get("State") or {}).get("Running"):
            self._exit_told = None  # it was started again
        else:
            self._look_again = True
        return self.info

    def state(self) -> ContainerState:
        """The engine's present word about it; ``removed`` if it is gone."""
        try:
            return state_of(self.refresh())
        except NotThere:
            return ContainerState("removed", running=False, exit_code=-1)

    def has_lost_network(self) -> bool:
        """Whether the one whose network it uses was started again since, as both were seen last."""
        host = self.host_of
        return host is not None and started_at(host.info) > started_at(self.info)

    def ended(self) -> ContainerState | None:
        """Its state if it ended or was restarted by its policy since its start.

        The engine is asked only after an event, and every other second in case one was lost.
        """
        if not self._look_again and time.monotonic() - self._looked < STATE_CHECK_INTERVAL:
            return None
        self._look_again = False
        state = self.state()
        return state if not state.running or state.restarts > self.restarts_before else None

    @property
    def healthcheck(self) -> Sequence[str]:
        """The test of its HEALTHCHECK; empty if it has none."""
        test = ((self.info.get("Config") or {}).get("Healthcheck") or {}).get("Test") or []
        return [] if test[:1] == ["NONE"] else list(test)

    @property
    def image_ports(self) -> Sequence[Port]:
        """The ports that its image declares with EXPOSE."""
        return [Port.parse(each) for each in self.image.ports]

    # -- commands and logs ----------------------------------------------------------------------

    def exec(
        self, command: str | Sequence[str], *, timeout: float | None = None, **options: Any
    ) -> ExecResult:
        """Run a command in it; raises ``TimeoutError`` after a limit in seconds."""
        if timeout is None:
            return self._exec(command, options)
        results: list[ExecResult | EngineError] = []

        def run() -> None:
            try:
                results.append(self._exec(command, options))
            except EngineError as error:
                results.append(error)

        worker = threading.Thread(target=run, name="tcunit-exec", daemon=True)
        worker.start()
        worker.join(timeout)
        if not results:
            raise TimeoutError(f"a command in {self.description} did not end in {timeout:g} s")
        if isinstance(results[0], EngineError):
            # The container may have ended in between: the loop finds that out, with its log.
            return ExecResult(-1, str(results[0]).encode())
        return results[0]

    def _exec(self, command: str | Sequence[str], options: Json) -> ExecResult:
        words = command if isinstance(command, str) else list(command)
        code, chunks = self.engine.exec(self.id, words, **options)
        out, err = (b"".join(text for stream, text in chunks if stream == n) for n in (1, 2))
        return ExecResult(code, b"".join(text for _, text in chunks), out, err)

    def logs(self) -> tuple[bytes, bytes]:
        """What it logged to stdout and to stderr."""
        return (
            self.engine.logs(self.id, stdout=True, stderr=False),
            self.engine.logs(self.id, stdout=False, stderr=True),
        )

    def has_file(self, path: str) -> bool:
        """Whether there is a file or a folder in it."""
        return self.engine.has_path(self.id, path)

    def log_so_far(self, stdout: bool, stderr: bool) -> str:
        """What it logged since this start; begins to follow the log at the first call."""
        if self.engine.is_podman:  # it answers who follows a log only when there is a line in it
            told = self.engine.logs(
                self.id, stdout=stdout, stderr=stderr, since=self.logs_since or None
            )
            return told.decode(errors="replace")
        key = (stdout, stderr)
        if key not in self._logs:
            stream = self.engine.follow_logs(
                self.id, stdout=stdout, stderr=stderr, since=self.logs_since
            )
            self._logs[key] = LogFollower(stream, self.changed)
        return self._logs[key].text

    def stop_following(self) -> None:
        """Close the streams that waits opened."""
        while self._logs:
            self._logs.popitem()[1].close()

    def log_tail(self) -> str:
        """The last lines it logged, as a paragraph for an error, without its secrets."""
        try:
            text = self.engine.logs(self.id, tail=LOG_TAIL_LINES).decode(errors="replace").rstrip()
        except EngineError as error:
            return f"\nIts log cannot be read: {error}"
        if not text:
            return "\nIt logged nothing."
        text = Secrets.of(self.info).mask(text)
        lines = "\n".join(f"  | {line}" for line in text.splitlines())
        return f"\nIts last log lines:\n{lines}"


def not_started(what: str, scope: str = "class") -> NotStarted:
    """The error for a use before the start."""
    if scope == "test":
        return NotStarted(
            f"{what} is not started. It lives for one test, from setUp() on; in an "
            f"AsyncContainerTestCase, from 'await super().asyncSetUp()' on."
        )
    return NotStarted(
        f"{what} is not started. In a test class, read it through the class or instance, as in "
        f"self.db; alone, use it inside 'with …:' or after start()."
    )
