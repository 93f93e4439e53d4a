"""The guard, as the test process sees it: started once and told by a pipe what exists.

Nothing waits for it: the pipe takes what is written before the guard reads. It gets the engine's
settings by the pipe and not by its arguments, where others could read them.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._docker import Engine
from .._session import session_id
from ..log import warn
from .lock import lock_path
from .shares import Share

if TYPE_CHECKING:
    import subprocess

PROGRAM = Path(__file__).with_name("guard_process.py")
END_TIMEOUT = 2.0


class Guard:
    """A local process that cleans up when this one is dead."""

    name = "guard"

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._engines: dict[str, dict[str, Any]] = {}
        self._names: dict[str, tuple[str, bool]] = {}
        self._kept: list[str] = []
        self._shares: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._problem = ""

    def arm(self, engine: Engine) -> None:
        """Start it, or tell it of a further engine."""
        with self._lock:
            key = engine.url
            if key not in self._engines:
                self._engines[key] = engine.described()
                self._say("engine", key=key, engine=self._engines[key])

    def announce(self, engine: Engine, kind: str, name: str) -> None:
        """A resource is about to be created."""
        with self._lock:
            self._names[name] = (engine.url, False)
            self._say("announce", key=engine.url, name=name)

    def mark(self, name: str) -> None:
        """The create of a resource was answered."""
        with self._lock:
            if name in self._names:
                self._names[name] = (self._names[name][0], True)
                self._say("mark", name=name)

    def forget(self, name: str) -> None:
        """A resource is gone."""
        with self._lock:
            known = (self._names.pop(name, None), self._shares.pop(name, None))
            if any(each is not None for each in known):
                self._say("forget", name=name)

    def keep(self, name: str) -> None:
        """A resource is to stay."""
        with self._lock:
            self._names.pop(name, None)
            self._kept.append(name)
            self._say("keep", name=name)

    def share(self, engine: Engine, share: Share) -> None:
        """What this process shares is removed after its death, unless others use it."""
        with self._lock:
            self._shares[share.name] = told = {"key": engine.url, "share": asdict(share)}
            self._say("share", name=share.name, **told)

    def proceed(self) -> None:
        """Nothing was put off."""

    def disarm(self) -> None:
        """Close the pipe: it goes at once if nothing is left, else it removes that."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._write("end")
            process, self._process = self._process, None
            self._problem = "the process is ending"  # and no other one is started
        if process is None:
            return
        from subprocess import TimeoutExpired

        _close(process)
        with contextlib.suppress(TimeoutExpired):
            left = self._names or self._kept or self._shares
            process.wait(0.0 if left else END_TIMEOUT)
        _let_go(process)

    def abandon(self) -> None:
        """Close a forked child's end of the pipe."""
        process, self._process = self._process, None
        if process is not None:
            _close(process)
            _let_go(process)

    def status(self) -> str:
        """Whether its process runs."""
        if self._problem:
            return f"not armed: {self._problem}"
        if self._process is None or self._process.poll() is not None:
            return "not armed: its process has ended"
        if os.getpid() == 1:
            return "armed, but it ends with this container, whose process 1 we are"
        return "armed"

    def _say(self, what: str, **more: Any) -> None:
        """Tell it something; one that has ended is started again and told everything."""
        if self._problem:
            return
        try:
            if self._process is None:
                self._begin()
            else:
                self._write(what, **more)
        except BrokenPipeError:
            self._begin_again()

    def _begin_again(self) -> None:
        if self._process is not None:
            self._process.poll()
            _close(self._process)
            _let_go(self._process)
        with contextlib.suppress(BrokenPipeError):  # killed at once; the next word tries again
            self._begin()

    def _begin(self) -> None:
        """Start it, and tell it everything."""
        try:
            self._process = _start()
        except (OSError, ValueError) as error:
            self._problem = f"it cannot be started: {error}"
            warn("The guard is not armed: %s. The other nets remain.", self._problem)
            return
        lock = str(lock_path(session_id()))
        self._write("begin", session=session_id(), path=_absolute(sys.path), lock=lock)
        for key, engine in self._engines.items():
            self._write("engine", key=key, engine=engine)
        for name in self._kept:
            self._write("keep", name=name)
        for name, told in self._shares.items():
            self._write("share", name=name, **told)
        for name, (key, marked) in self._names.items():
            self._write("announce", key=key, name=name)
            if marked:
                self._write("mark", name=name)

    def _write(self, what: str, **more: Any) -> None:
        if self._process is None or self._process.stdin is None:
            return
        import json

        left = memoryview(json.dumps({"say": what, **more}).encode() + b"\n")
        while left:
            left = left[self._process.stdin.write(left) :]


def _start() -> subprocess.Popen[bytes]:
    """Start the guard apart from the terminal, the working directory and the environment's Python.

    Neither does Ctrl-C reach it, nor does it hold a pipe that somebody waits for. Nothing is
    buffered on our side, because a forked child would have a copy of that.
    """
    import subprocess

    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        apart = {"creationflags": flags}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(PROGRAM)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(sys.executable).anchor,
        **apart,
    )


def _absolute(path: list[str]) -> list[str]:
    return [str(Path(each).absolute()) for each in path]


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _let_go(process: subprocess.Popen[bytes]) -> None:
    """Keep Popen from warning that it outlives us, which is its purpose."""
    process.returncode = process.returncode or 0
