"""Redis."""

from __future__ import annotations

import socket
from typing import Any

from ..container import DockerContainer
from ..docker_image import DockerImage
from ..errors import EngineError
from ..ports import Port, PortLike
from ..wait import WaitStrategy, WaitTarget
from ..wait.base import Probe


class PingWaitStrategy(WaitStrategy):
    """Ready when Redis answers PING over its own protocol, with ``PONG`` or by asking for a login.

    An answer of ``-LOADING`` means that it still reads its data.
    """

    def __init__(self, port: PortLike = 6379) -> None:
        self.port = Port.parse(port)

    def begin(self, target: WaitTarget) -> Probe:
        """Ask over a new connection each time."""
        return lambda: _why_not(*target.probe_address(self.port)[:2])

    def __str__(self) -> str:
        return f"Redis to answer PING on port {self.port.number}"


def _why_not(host: str, port: int) -> str | None:
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(64)
    except OSError as error:
        return f"{host}:{port}: {error}"
    if answer.startswith((b"+PONG", b"-NOAUTH")):
        return None
    return f"{host}:{port} answered {answer[:40].decode(errors='replace').strip()!r}"


def _command(host: str, port: int, *commands: list[str]) -> None:
    """Send commands that are answered with OK; raises ``OSError`` where one is not."""
    with socket.create_connection((host, port), timeout=10) as connection:
        with connection.makefile("rb") as answers:
            for words in commands:
                encoded = [word.encode() for word in words]
                parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded]
                connection.sendall(b"*%d\r\n%s" % (len(parts), b"".join(parts)))
                answer = answers.readline().strip()
                if answer != b"+OK":
                    raise OSError(f"it answered {words[0]} with {answer.decode()!r}")


class RedisContainer(DockerContainer):
    """A Redis server; with a password if one is given."""

    def __init__(
        self,
        image: str | DockerImage = "redis:alpine",
        port: PortLike = 6379,
        password: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(image, **kwargs)
        self.port, self.password = port, password
        self._with_service_ports(port)
        self.waiting_for(PingWaitStrategy(port))
        if password is not None:
            self.with_command(["redis-server", "--requirepass", password])

    _knows_reset = True

    def _go_back(self) -> None:
        running = self.running
        commands = [["AUTH", self.password]] if self.password else []
        try:
            _command(*running.probe_address(self.port)[:2], *commands, ["FLUSHALL"])
        except OSError as error:
            raise EngineError(f"{running.description} could not be flushed: {error}") from error

    def get_connection_url(self) -> str:
        """``redis://…`` from here."""
        from urllib.parse import quote

        login = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{login}{self.endpoint(self.port)}/0"
