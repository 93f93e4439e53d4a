"""A relay to the engine's socket, which can be closed: the engine is out of reach by then."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path


class Relay:
    """Passes on what comes to a socket of its own, until it is closed; it can be opened again."""

    def __init__(self, path: Path, engine: str = "/var/run/docker.sock") -> None:
        self._path, self._engine = path, engine
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
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


def socket_path(folder: str) -> Path:
    """A path for a relay's socket; such paths must be short."""
    return Path(folder) / f"{os.getpid()}.sock"
