"""The guard, as the test process sees it: started once and told by a pipe what exists.

Nothing waits for it: the pipe takes what is written before the guard reads. It gets the engine's
settings by the pipe and not by its arguments, where others could read them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from .._docker import Engine
from .._session import session_id
from ..settings import Settings

PROGRAM = Path(__file__).with_name("guard_process.py")
END_TIMEOUT = 2.0


class Guard:
    """A local process that cleans up when this one is dead."""

    name = "guard"

    def __init__(self, settings: Settings) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._engines: dict[str, dict[str, Any]] = {}
        self._names: dict[str, tuple[str, bool]] = {}
        self._lock = threading.Lock()

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
            self._names.pop(name, None)
            self._say("forget", name=name)

    def disarm(self) -> None:
        """Close the pipe: it goes at once if nothing is left, else it removes that."""
        process, self._process = self._process, None
        if process is None:
            return
        _close(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_TIMEOUT if not self._names else 0.0)
        _let_go(process)

    def abandon(self) -> None:
        """Close a forked child's end of the pipe."""
        process, self._process = self._process, None
        if process is not None:
            _close(process)
            _let_go(process)

    def status(self) -> str:
        """Whether its process runs."""
        if os.getpid() == 1:
            return "armed, but it ends with this container, whose process 1 we are"
        alive = self._process is not None and self._process.poll() is None
        return "armed" if alive else "not armed: its process has ended"

    def _say(self, what: str, **more: Any) -> None:
        if self._process is None:
            self._process = _start()
            self._write("begin", session=session_id(), path=_absolute(sys.path))
        try:
            self._write(what, **more)
        except OSError:
            self._begin_again()

    def _begin_again(self) -> None:
        """Start another guard in the place of one that was killed, and tell it everything."""
        if self._process is not None:
            _let_go(self._process)
        self._process = _start()
        self._write("begin", session=session_id(), path=_absolute(sys.path))
        for key, engine in self._engines.items():
            self._write("engine", key=key, engine=engine)
        for name, (key, marked) in self._names.items():
            self._write("announce", key=key, name=name)
            if marked:
                self._write("mark", name=name)

    def _write(self, what: str, **more: Any) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.write(json.dumps({"say": what, **more}).encode() + b"\n")
        self._process.stdin.flush()


def _start() -> subprocess.Popen[bytes]:
    """Start the guard apart from the terminal, the working directory and the environment's Python.

    Neither does Ctrl-C reach it, nor does it hold a pipe that somebody waits for.
    """
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        apart = {"creationflags": flags}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(PROGRAM)],
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
