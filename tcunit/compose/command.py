"""One run of a command that creates things: it ends when we do, however that is.

Between us and the command is a process (``leash``) that holds the other end of a pipe. So Ctrl-C in
the terminal does not reach the command either: who waits for it decides.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("leash.py")
LOOK = 0.1  # how often to look whether it is wanted still, in seconds
END_LIMIT = 5.0

_running: set[Command] = set()


class Command:
    """A command with the text for its standard input; what it says is collected."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], given: str) -> None:
        self._order = json.dumps({"command": list(words), "input": given})
        self._environ = dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.was_cut = False
        self.code = -1
        self.said = ""
        self.hear: Callable[[str], object] = str  # each line as it comes

    def run(self, is_cancelled: Callable[[], bool] = bool) -> None:
        """Run it to its end, or until it is not wanted any more."""
        with self._lock:
            if self.was_cut:
                return
            self._process = process = self._start()
        _running.add(self)
        reader = threading.Thread(
            target=self._collect, args=(process,), name="tcunit-compose", daemon=True
        )
        reader.start()
        try:
            while not self._ended.wait(LOOK):
                if is_cancelled():
                    self.cut()
                    break
        except BaseException:
            self.cut()
            raise
        finally:
            self._ended.wait(END_LIMIT)
            _running.discard(self)

    def cut(self) -> None:
        """End it at once, with all its children; what it was doing may be half done."""
        with self._lock:
            if self._ended.is_set():
                return
            self.was_cut = True
            if self._process is not None:
                _close(self._process)
        if self._process is not None:
            self._ended.wait(END_LIMIT)

    def abandon(self) -> None:
        """Close a forked child's copies of the pipes."""
        process, self._process = self._process, None
        if process is not None:
            _close(process)
            if process.stdout is not None:
                process.stdout.close()
            process.returncode = 0  # Popen warns of one that runs on, and that is our parent's

    def _start(self) -> subprocess.Popen[bytes]:
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(PROGRAM)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environ,
            **apart,
        )
        self._tell(process)
        return process

    def _tell(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        left = memoryview(self._order.encode() + b"\n")
        with contextlib.suppress(BrokenPipeError):  # its code will tell
            while left:
                left = left[process.stdin.write(left) :]

    def _collect(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as raw, open(raw.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                text = line.decode(errors="replace")
                self.said += text
                with contextlib.suppress(Exception):  # what cannot be shown does not end it
                    self.hear(text.rstrip())
        self.code = process.wait()
        with self._lock:
            self._ended.set()
            _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def _in_child() -> None:
    for each in list(_running):
        each.abandon()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
