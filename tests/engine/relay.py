"""A relay to the engine's socket, which can be closed: the engine is out of reach by then."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .helpers import PATIENCE

Change = Callable[[bytes, socket.socket, socket.socket], bytes]
"""Makes of a chunk, on its way from one socket to another, what is passed on."""


class Relay:
    """Passes on what comes to a socket of its own, until it is closed; it can be opened again.

    Args:
        is_late: of a connection that is upgraded, the header is passed on together with what
            follows it, as it happens on a busy machine.
    """

    def __init__(
        self, path: Path, engine: str = "/var/run/docker.sock", *, is_late: bool = False
    ) -> None:
        self._path, self._engine, self._is_late = path, engine, is_late
        self._open: list[socket.socket] = []
        self.open()

    @property
    def url(self) -> str:
        """What DOCKER_HOST has to be."""
        return f"unix://{self._path}"

    def open(self) -> None:
        """Accept connections."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        listener.listen(64)
        self._open = [listener]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Close all connections, and accept no further ones."""
        self._path.unlink(missing_ok=True)
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open = []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._engine)
            self._open += [near, far]
            for way in ((near, far, self._asked), (far, near, self._answered)):
                threading.Thread(target=_pump, args=way, daemon=True).start()

    def _asked(self, chunk: bytes, near: socket.socket, far: socket.socket) -> bytes:
        """What is passed on of what was asked."""
        return chunk

    def _answered(self, chunk: bytes, far: socket.socket, near: socket.socket) -> bytes:
        """What is passed on of the answer."""
        if self._is_late and chunk.startswith(b"HTTP/1.1 101 ") and chunk.endswith(b"\r\n\r\n"):
            chunk += far.recv(65536)
        return chunk


class LosingRelay(Relay):
    """Loses a request's answer, and lets the request itself come to the engine later.

    Args:
        words: what the request's first line has.
        delay: how much later it comes, in seconds.

    Attributes:
        answered: set when the engine has answered it.
    """

    def __init__(self, path: Path, words: str, delay: float) -> None:
        self._words, self._delay = words.encode(), delay
        self._lost: socket.socket | None = None
        self.answered = threading.Event()
        super().__init__(path)

    def _asked(self, chunk: bytes, near: socket.socket, far: socket.socket) -> bytes:
        if self._words not in chunk.partition(b"\r\n")[0]:
            return chunk
        head, _, body = chunk.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while length and len(body) < int(length[1]):
            body += near.recv(65536)
        self._lost = far
        near.shutdown(socket.SHUT_RDWR)
        time.sleep(self._delay)
        far.sendall(head + b"\r\n\r\n" + body)
        self.answered.wait(PATIENCE)  # who hangs up before would take the request back
        return b""

    def _answered(self, chunk: bytes, far: socket.socket, near: socket.socket) -> bytes:
        if far is self._lost:
            self.answered.set()
        return chunk


def _pump(source: socket.socket, sink: socket.socket, change: Change) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(change(chunk, source, sink))
        sink.shutdown(socket.SHUT_WR)


def socket_path(folder: str) -> Path:
    """A path for a relay's socket; such paths must be short."""
    return Path(folder) / f"{os.getpid()}.sock"
