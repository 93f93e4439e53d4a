"""Real registries for tests, images in them, and a proxy before one that fails for a while."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import logging
import os
import socket
import struct
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from tcunit import DockerContainer, wait

from .helpers import engine

USER = "tester"
# Passwords, each with the bcrypt hash that htpasswd makes of it.
HASHES = {
    "correct-horse": "$2b$04$.7UDHEajt6MO9rRkOGOpBe/iRyAzvZLlQlSoC/EA2Hvmued1e704C",
    "battery-staple": "$2b$04$by40VvRECMl8N23yb4zuTuu8LDobul8e8llMfGOaFva7tQtODrace",
}


def registry(password: str = "") -> DockerContainer:
    """A registry; with a password, nobody pulls from it without."""
    container = DockerContainer("registry:2").with_exposed_ports(5000)
    container.waiting_for(wait.for_log("listening on"))
    if not password:
        return container
    container.with_env("REGISTRY_AUTH", "htpasswd").with_env("REGISTRY_AUTH_HTPASSWD_REALM", "x")
    container.with_env("REGISTRY_AUTH_HTPASSWD_PATH", "/htpasswd")
    script = (
        f"echo '{USER}:{HASHES[password]}' > /htpasswd; "
        "exec /entrypoint.sh /etc/docker/registry/config.yml"
    )
    return container.with_command(["sh", "-c", script])


def address(container: DockerContainer) -> str:
    """The registry's name in an image's, as the engine reaches it."""
    return f"127.0.0.1:{container.mapped_port(5000)}"


def encoded(password: str) -> str:
    """User and password, as a Docker configuration has them."""
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


def push(name: str, password: str = "", size: int = 0) -> str:
    """Put a new image into a registry, and take it off the engine; returns its id.

    It runs, being made of Alpine's stand-in, unless it has a size: then it is only as large.
    """
    api: Any = engine().client.api
    if size:
        api.import_image_from_data(_archive(size), repository=name)
    else:
        text = f"FROM tcunit.local/alpine\nENV TEA={uuid.uuid4().hex}\n"
        for _ in api.build(fileobj=io.BytesIO(text.encode()), tag=name, rm=True):
            pass
    image: str = api.inspect_image(name)["Id"]
    auth = {"username": USER, "password": password} if password else None
    told = list(api.push(name, auth_config=auth, stream=True, decode=True))
    failed = [line["error"] for line in told if "error" in line]
    forget(name)
    if failed:
        raise AssertionError(failed)
    return image


def forget(name: str) -> None:
    """Take an image off the engine, if it is there, and out of what this process knows."""
    engine().images.remove(name, force=True)
    engine().images.forget(name)
    engine().images._pulled.discard((name, ""))


def _archive(size: int) -> bytes:
    """A layer with a file that does not compress."""
    return _tar({"file": os.urandom(size)})


def saved(name: str, architecture: str) -> bytes:
    """An image for some processor, as ``docker save`` writes one."""
    layer = _tar({"file": b""})
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": architecture, "os": "linux", "config": {"Cmd": ["x"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }  # fmt: skip
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {"config.json": config, "manifest.json": manifest}
    return _tar({"layer.tar": layer} | {name: json.dumps(x).encode() for name, x in files.items()})


def _tar(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


class Proxy:
    """Fails connections until it is healed; then it passes them on to a port of this machine.

    Args:
        fail: what is done with a connection meanwhile.
    """

    def __init__(self, port: int, fail: Callable[[socket.socket], object]) -> None:
        self._to, self._fail, self._is_well = port, fail, False
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def healed_by_warning(self) -> Iterator[None]:
        """Let it be well from the first warning on that something is tried again."""
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: setattr(self, "_is_well", True)  # type: ignore[method-assign]
        log = logging.getLogger("tcunit")
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)

    def _refuse(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._fail(connection)

    def close(self) -> None:
        """Accept no further ones, and end those that are open."""
        for each in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if not self._is_well:
                threading.Thread(target=self._refuse, args=(near,), daemon=True).start()
                continue
            far = socket.create_connection(("127.0.0.1", self._to))
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def unavailable(connection: socket.socket) -> None:
    """Answer that the service is unavailable."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
