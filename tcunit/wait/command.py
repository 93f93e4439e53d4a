"""Waiting for a command in the container, for its end, or just for it to run."""

from __future__ import annotations

from collections.abc import Sequence

from .base import Probe, WaitStrategy, WaitTarget, died

LONGEST_COMMAND = 30.0


class ExecWaitStrategy(WaitStrategy):
    """Ready when a command in the container ends with a certain exit code.

    An exec costs the engine about 60 ms: prefer a port or a page where there is one.
    """

    def __init__(self, command: str | Sequence[str], code: int = 0):
        self.command, self.code = command, code

    def begin(self, target: WaitTarget) -> Probe:
        """Run the command once each time; one that hangs counts as failed after 30 s."""

        def probe() -> str | None:
            try:
                result = target.exec(self.command, timeout=LONGEST_COMMAND)
            except TimeoutError:
                return f"it did not end within {LONGEST_COMMAND:g} s"
            said = result.output.decode(errors="replace").strip().rpartition("\n")[2]
            return None if result.exit_code == self.code else f"code {result.exit_code}: {said}"

        return probe

    def __str__(self) -> str:
        # Only the program's name: its arguments may hold a password.
        words = self.command.split() if isinstance(self.command, str) else self.command
        return f"the command {next(iter(words), '')!r} to end with code {self.code}"


class ExitWaitStrategy(WaitStrategy):
    """Ready when the container has ended; for jobs such as a database migration.

    Args:
        code: the exit code that is a success; ``None`` takes any.
    """

    outlives_container = True

    def __init__(self, code: int | None = 0):
        self.code = code

    def begin(self, target: WaitTarget) -> Probe:
        """Go by the engine's event, or by its state; a wrong exit code ends the wait at once."""

        def probe() -> str | None:
            told = target.exit_told()
            if told is not None and self.code in (None, told):
                return None
            state = target.ended()
            if state is None or state.status not in ("exited", "dead"):
                return "still running" if state is None else f"still {state.status}"
            if self.code is not None and state.exit_code != self.code:
                raise died(target, state, f"with another exit code than {self.code}")
            return None

        return probe

    def __str__(self) -> str:
        return "its end" if self.code is None else f"its end with exit code {self.code}"


class RunningWaitStrategy(WaitStrategy):
    """Ready when the engine says that the container runs."""

    def begin(self, target: WaitTarget) -> Probe:
        """Ask for the state."""

        def probe() -> str | None:
            state = target.state()
            return None if state.running else f"it is {state.status}"

        return probe

    def __str__(self) -> str:
        return "the container to run"
