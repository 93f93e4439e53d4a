"""PostgreSQL."""

from __future__ import annotations

import socket
import struct
from typing import Any
from urllib.parse import quote

from ..connection import Endpoint
from ..container import DockerContainer
from ..docker_image import DockerImage
from ..errors import EngineError
from ..ports import Port, PortLike
from ..wait import WaitStrategy, WaitTarget
from ..wait.base import Probe

PROTOCOL_3 = 196608
SNAPSHOT = "tcunit_snapshot"
QUIETLY = "-c client_min_messages=warning"
OUTSIDE_OF_VOLUMES = "/var/lib/tcunit/postgresql"
STARTING_UP = (b"57P03", b"57P01", b"57P02")  # cannot_connect_now, and the two of a shutdown


class PostgresWaitStrategy(WaitStrategy):
    """Ready when PostgreSQL begins to log a client in over TCP.

    The image starts a first server for its set-up, on a unix socket only, so that one is never
    taken for the real one. A server that still starts says so (SQLSTATE 57P03). No password is
    sent.
    """

    def __init__(self, user: str, database: str, port: PortLike = 5432) -> None:
        self.user, self.database, self.port = user, database, Port.parse(port)

    def begin(self, target: WaitTarget) -> Probe:
        """Ask over a new connection each time."""
        message = _startup_message(self.user, self.database)
        return lambda: _why_not(*target.probe_address(self.port)[:2], message)

    def __str__(self) -> str:
        return f"PostgreSQL to accept logins on port {self.port.number}"


def _as_copy(target: str, source: str) -> list[str]:
    """Statements that make one database a copy of another, whoever is connected to either."""
    quoted = ['"' + name.replace('"', '""') + '"' for name in (target, source)]
    literal = "'" + source.replace("'", "''") + "'"
    end_others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {literal}"
    return [
        f"DROP DATABASE IF EXISTS {quoted[0]} WITH (FORCE)",
        end_others,
        f"CREATE DATABASE {quoted[0]} TEMPLATE {quoted[1]}",
    ]


def _startup_message(user: str, database: str) -> bytes:
    fields = ["user", user, "database", database]
    body = b"".join(field.encode() + b"\0" for field in fields) + b"\0"
    return struct.pack("!ii", len(body) + 8, PROTOCOL_3) + body


def _why_not(host: str, port: int, message: bytes) -> str | None:
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.sendall(message)
            answer = connection.recv(1024)
    except OSError as error:
        return f"{host}:{port}: {error}"
    if not answer:
        return f"{host}:{port} closed the connection"
    if answer[:1] == b"E" and any(code in answer for code in STARTING_UP):
        return f"{host}:{port}: the server starts or stops"
    return None


class PostgresContainer(DockerContainer):
    """A PostgreSQL server with one user and one database."""

    def __init__(
        self,
        image: str | DockerImage = "postgres:16-alpine",
        port: PortLike = 5432,
        username: str = "test",
        password: str = "test",
        dbname: str = "test",
        **kwargs: Any,
    ) -> None:
        super().__init__(image, **kwargs)
        self.port, self.username, self.password, self.dbname = port, username, password, dbname
        self._with_service_ports(port)
        self.waiting_for(PostgresWaitStrategy(username, dbname, port))
        self.with_envs(POSTGRES_USER=username, POSTGRES_PASSWORD=password, POSTGRES_DB=dbname)

    _knows_reset = True

    def _configure(self) -> None:
        # The image declares its folder as a volume, which would be copied at each warm start.
        asked = self._request
        if asked.warm and "PGDATA" not in asked.env and "user" not in asked.options:
            self.with_env("PGDATA", OUTSIDE_OF_VOLUMES)

    def _take_snapshot(self) -> None:
        self._administer(*_as_copy(SNAPSHOT, self.dbname))

    def _go_back(self) -> None:
        self._administer(*_as_copy(self.dbname, SNAPSHOT))

    def _administer(self, *statements: str) -> None:
        """Run statements by the server's own client; connections to the database are ended."""
        words = [word for each in statements for word in ("-c", each)]
        from_there = "template1" if self.dbname == "postgres" else "postgres"
        command = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-U", self.username, "-d", from_there]
        number = str(Port.parse(self.port).number)
        environment = {"PGOPTIONS": QUIETLY, "PGPASSWORD": self.password}
        result = self.exec([*command, "-p", number, *words], environment=environment)
        if result.exit_code != 0:
            raise EngineError(f"{self.label} could not be reset: {result.output.decode()}")

    def get_connection_url(self, driver: str | None = None) -> str:
        """``postgresql://…`` from here; ``postgresql+DRIVER://…`` for SQLAlchemy."""
        return self._url(self.endpoint(self.port), driver)

    def get_internal_url(self, driver: str | None = None) -> str:
        """The same for other containers on its network."""
        return self._url(self.internal_endpoint(self.port), driver)

    def _url(self, endpoint: Endpoint, driver: str | None) -> str:
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        return f"{scheme}://{login}@{endpoint}/{quote(self.dbname, safe='')}"
