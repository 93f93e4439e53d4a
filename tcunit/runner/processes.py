"""A worker process, as the process that started it sees it.

Each is a fresh interpreter, so that no connection and no thread crosses a fork, and stands apart
from the terminal's Ctrl-C: the first process hears that alone, and passes it on once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .losses import Progress
from .plan import Unit
from .replay import Event
from .worker import STREAMS, work

PAUSE = 0.2  # how long, in seconds, it may take to see what sends no message


class WorkerProcess:
    """One worker.

    Args:
        argv: the arguments by which it finds the tests.
        folder: where it writes down what is printed in it.
    """

    def __init__(self, name: str, argv: Sequence[str], folder: Path) -> None:
        self.unit: Unit | None = None
        self.progress = Progress()
        self.has_asked = False
        self._folder = folder
        self._told = dict.fromkeys(STREAMS, 0)
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            name=name, target=work, args=(theirs, list(argv), str(folder))
        )
        with _without_interrupt():
            self._process.start()
        theirs.close()

    def events(self) -> Iterator[Event | None]:
        """What it has told since the last time; ``None`` at its end."""
        is_alive = self._process.is_alive()
        try:
            while self.connection.poll():
                event: Event = self.connection.recv()
                if event[0] == "write":
                    self._told[event[1]] += len(event[2])
                self.has_asked = self.has_asked or event[0] == "ready"
                self.progress.note(event)
                yield event
        except (EOFError, OSError):
            is_alive = False
        if not is_alive:  # also where a child of its own still has its end of the pipe
            yield None

    def give(self, unit: Unit | None, coming: Sequence[Unit]) -> None:
        """Have it run a unit, and expect others after that; without one, it ends."""
        self.unit, self.progress = unit, Progress()
        if unit is None:
            self._say("end")
        else:
            self._say("run", [(each.keys, bool(each.parts)) for each in (unit, *coming)])

    def stop(self) -> None:
        """Have it begin no further test of its unit."""
        self._say("stop")

    def interrupt(self) -> None:
        """Press Ctrl-C for it."""
        if not hasattr(os, "setpgid"):  # there it has had the terminal's
            return
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def join(self) -> None:
        """Wait for its end."""
        self._process.join()
        self.connection.close()

    @property
    def end(self) -> str:
        """How it ended."""
        code = self._process.exitcode or 0
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def last_words(self) -> dict[str, bytes]:
        """What was printed in it and not told any more."""
        found = {}
        for stream, told in self._told.items():
            path = self._folder / stream
            found[stream] = path.read_bytes()[told:] if path.exists() else b""
            self._told[stream] += len(found[stream])
        return found

    def _say(self, *message: Any) -> None:
        with contextlib.suppress(OSError):  # it has died, which is seen elsewhere
            self.connection.send(message)


def wait_for(workers: Sequence[WorkerProcess]) -> Sequence[WorkerProcess]:
    """Wait until there may be something to hear; those to listen to."""
    multiprocessing.connection.wait([each.connection for each in workers], timeout=PAUSE)
    return list(workers)


@contextlib.contextmanager
def _without_interrupt() -> Iterator[None]:
    """Start a process that no Ctrl-C reaches until it is ready for that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
