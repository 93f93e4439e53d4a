"""Where the time of a run goes: what each thread is busy with, for which class and which thing.

``TCUNIT_TIMINGS=file`` switches it on; ``python -m tcunit timings file`` draws what was written.
The phases of one thread never overlap: one that is entered within another interrupts it, so that
sums are true. Only names are written down: of classes, tests, attributes and images.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from ._version import __version__
from .errors import SettingError
from .log import warn
from .settings import TIMINGS, Settings

Phase = Literal[
    "start-up", "connect", "arm", "prepare", "pull", "create", "start", "wait", "reset", "tests",
    "tear-down",
]  # fmt: skip

SHORTEST = 0.0001  # what takes less, in seconds, is not written down


@dataclass
class Frame:
    """What a thread is busy with, since when, and what that interrupted."""

    phase: str
    case: str
    thing: str
    what: str
    since: float
    outer: Frame | None


class Recorder:
    """What one process has measured and not yet written to its file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_abandoned = False
        self._began = time.time()
        # One clock for all processes, which jumps in none of them.
        self._epoch = self._began - time.perf_counter()
        self._threads = threading.local()
        self._spans: list[tuple[str, str, str, float, float, str]] = []
        self._things: list[dict[str, Any]] = []
        self._writing = threading.Lock()

    @property
    def frame(self) -> Frame | None:
        """What this thread is busy with."""
        return getattr(self._threads, "frame", None)

    @contextlib.contextmanager
    def spent(self, phase: str, case: str | None, thing: str | None, what: str) -> Iterator[None]:
        """Measure what happens inside."""
        outer, now = self.frame, time.perf_counter()
        if case is None:
            case = outer.case if outer else ""
        if thing is None:
            thing = outer.thing if outer else ""
        if outer is not None:
            self._take_down(outer, now)
        frame = self._threads.frame = Frame(phase, case, thing, what, now, outer)
        try:
            yield
        finally:
            now = time.perf_counter()
            self._take_down(frame, now)
            self._threads.frame = outer
            if outer is not None:
                outer.since = now

    def _take_down(self, frame: Frame, now: float) -> None:
        seconds = now - frame.since
        if frame.phase and seconds >= SHORTEST:
            began = round(self._epoch + frame.since, 5)
            self._spans.append(
                (frame.phase, frame.case, frame.thing, began, round(seconds, 5), frame.what)
            )

    def note(self, facts: dict[str, Any]) -> None:
        """Take down what a thing is."""
        self._things.append(facts)

    def flush(self) -> None:
        """Append what is new to the file, as one line."""
        with self._writing:
            spans, self._spans = self._spans, []
            things, self._things = self._things, []
            if self.is_abandoned or not (spans or things):
                return
            import json

            line = {
                "tcunit": __version__, "pid": os.getpid(), "group": _group(), "worker": _worker(),
                "began": round(self._began, 5), "things": things, "spans": spans,
            }  # fmt: skip
            try:
                append(self.path, json.dumps(line, separators=(",", ":")))
            except OSError as error:
                warn("the timings cannot be written to %s: %s", self.path, error)


_nothing: AbstractContextManager[None] = contextlib.nullcontext()
_recorder: Recorder | None = None
_own_group: int | None = None


def begin(settings: Settings) -> None:
    """Measure from now on, if the settings ask for it; called whenever something is to start.

    Raises:
        SettingError: the file cannot be written.
    """
    global _recorder
    named = settings.find(TIMINGS)
    path = Path(named.value).expanduser().absolute() if named.value else None
    if path == (_recorder.path if _recorder else None):
        return
    flush()
    _recorder = None
    if path is None:
        return
    try:
        append(path, "")
    except OSError as error:
        raise SettingError(
            f"environment variable {named.source} has the value {named.value!r}, which cannot be "
            f"written ({error.strerror}): name a file in a folder that exists"
        ) from error
    _recorder = Recorder(path)
    atexit.unregister(flush)
    atexit.register(flush)  # before the ledger's, so that it runs after the clean-up


def spent(
    phase: Phase, case: str | None = None, thing: str | None = None, what: str = ""
) -> AbstractContextManager[None]:
    """Measure what happens inside as one phase.

    Args:
        case: the class it is for; by default that of the phase around it in this thread.
        thing: the container or network, in the same way; empty for the class itself.
        what: the name of a test.
    """
    if _recorder is None:
        return _nothing
    return _recorder.spent(phase, case, thing, what)


def acting_for(case: str, thing: str) -> AbstractContextManager[None]:
    """Measure what happens inside for a class and a thing, in a thread that another one awaits."""
    return _recorder.spent("", case, thing, "") if _recorder is not None else _nothing


def current() -> tuple[str, str]:
    """The class and the thing that this thread is busy for; empty where that is not known."""
    frame = _recorder.frame if _recorder is not None else None
    return (frame.case, frame.thing) if frame is not None else ("", "")


def note(
    case: str, thing: str, *, kind: str, image: str, scope: str,
    needs: Iterable[str], insists: Iterable[str],
) -> None:  # fmt: skip
    """Take down what a thing is, and the names of those that must be ready before it."""
    if _recorder is not None:
        _recorder.note(
            {
                "case": case, "thing": thing, "kind": kind, "image": image, "scope": scope,
                "needs": list(needs), "insists": list(insists),
            }
        )  # fmt: skip


def is_on() -> bool:
    """Whether anything is measured."""
    return _recorder is not None


def flush() -> None:
    """Write down what was measured so far: at the end of each class, and of the process."""
    if _recorder is not None:
        _recorder.flush()


def name_of(cls: type) -> str:
    """How a class is called here: by its module, too, because others may have its name."""
    return f"{cls.__module__}.{cls.__qualname__.rpartition('<locals>.')[2]}"


def append(path: Path, line: str) -> None:
    """Append a line to a file that other processes append to as well; nothing for no line."""
    with path.open("ab", buffering=0) as file:
        if line:
            _lock(file)  # until it is closed
            file.write(line.encode() + b"\n")


def _lock(file: IO[bytes]) -> None:
    if sys.platform != "win32":  # where an append is one anyway
        import fcntl

        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)


def stay_in_group() -> None:
    """Count as one command with who started this process, which then gets a group of its own."""
    global _own_group
    _own_group = _group()


def _group() -> int:
    """What the processes of one command have in common."""
    if _own_group is not None:
        return _own_group
    return os.getpgrp() if hasattr(os, "getpgrp") else os.getppid()


def _worker() -> str:
    """The name by which a runner knows this process, if it is one of several."""
    process = sys.modules.get("multiprocessing.process")
    name = process.current_process().name if process is not None else "MainProcess"
    return os.environ.get("PYTEST_XDIST_WORKER") or ("" if name == "MainProcess" else name)


def _after_fork() -> None:
    """A child measures anew: what its parent is busy with is its parent's."""
    global _recorder
    if _recorder is not None:
        _recorder.is_abandoned = True
        _recorder = Recorder(_recorder.path)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
