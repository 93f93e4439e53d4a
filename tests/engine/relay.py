"""A relay to the engine's socket, which can be closed: the engine is out of reach by then."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path


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
            for source, sink, is_late in ((near, far, False), (far, near, self._is_late)):
                threading.Thread(target=_pump, args=(source, sink, is_late), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, is_late: bool) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            if is_late and chunk.startswith(b"HTTP/1.1 101 ") and chunk.endswith(b"\r\n\r\n"):
                chunk += source.recv(65536)
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


def socket_path(folder: str) -> Path:
    """A path for a relay's socket; such paths must be short."""
    return Path(folder) / f"{os.getpid()}.sock"
