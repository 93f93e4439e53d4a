"""PostgreSQL."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode

from ..connection import ConnectionMode, Endpoint
from ..container import DockerContainer
from ..docker_image import DockerImage
from ..errors import DeclarationError, EngineError
from ..ports import Port, PortLike
from ..storage import Content
from ..wait import WaitStrategy, WaitTarget
from ..wait.base import Probe
from ._server import (
    OptionValue,
    add_certificate,
    checked_options,
    file_name,
    option_text,
    refuse_command,
)

PROTOCOL_3 = 196608
SNAPSHOT = "tcunit_snapshot"
QUIETLY = "-c client_min_messages=warning"
OUTSIDE_OF_VOLUMES = "/var/lib/tcunit/postgresql"
STARTING_UP = (b"57P03", b"57P01", b"57P02")  # cannot_connect_now, and the two of a shutdown
AS_DECLARED = "as declared"

SCRIPTS = "/docker-entrypoint-initdb.d"
CONFIG = "/etc/postgresql/tcunit.conf"
CERTIFICATE = "/etc/postgresql/tls"
NOT_DURABLE = {"fsync": "off"}
# The server takes a key only from itself, and nobody else may read it. Before this script, there is
# no folder for it; what ALTER SYSTEM sets holds from the next start on, which is the real one.
TLS_SCRIPT = """\
#!/bin/sh
set -e
for name in crt key; do
    cp {folder}/server.$name "$PGDATA/server.$name"
    chmod 0600 "$PGDATA/server.$name"
done
psql -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "ALTER SYSTEM SET ssl = on"
"""


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


# What the server keeps about a database outside of it, and leaves out of a copy: who owns it and
# may use it, what is set for it and for its roles in it, and its comment. The rows are copied as
# they are, because no statement writes each of them back as it was.
OF_THE_SERVER = """\
UPDATE pg_database AS target
    SET (datdba, datacl, datconnlimit) = (source.datdba, source.datacl, source.datconnlimit)
    FROM pg_database AS source
    WHERE target.datname = {target} AND source.datname = {source};
DELETE FROM pg_shdepend USING pg_database AS target
    WHERE classid = 'pg_database'::regclass AND objid = target.oid AND datname = {target};
INSERT INTO pg_shdepend
    SELECT dbid, classid, target.oid, objsubid, refclassid, refobjid, deptype
    FROM pg_shdepend, pg_database AS source, pg_database AS target
    WHERE classid = 'pg_database'::regclass AND objid = source.oid
        AND target.datname = {target} AND source.datname = {source};
INSERT INTO pg_db_role_setting
    SELECT target.oid, setrole, setconfig
    FROM pg_db_role_setting, pg_database AS source, pg_database AS target
    WHERE setdatabase = source.oid AND target.datname = {target} AND source.datname = {source};
INSERT INTO pg_shdescription
    SELECT target.oid, classoid, description
    FROM pg_shdescription, pg_database AS source, pg_database AS target
    WHERE classoid = 'pg_database'::regclass AND objoid = source.oid
        AND target.datname = {target} AND source.datname = {source};
"""


def _as_copy(target: str, source: str) -> list[str]:
    """Statements that make one database a copy of another, whoever is connected to either."""
    quoted = [_quoted(name) for name in (target, source)]
    literals = {"target": _literal(target), "source": _literal(source)}
    end_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {source}"
    return [
        f"DROP DATABASE IF EXISTS {quoted[0]} WITH (FORCE)",
        end_others.format(**literals),
        f"CREATE DATABASE {quoted[0]} TEMPLATE {quoted[1]}",
        OF_THE_SERVER.format(**literals),
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


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
    """A PostgreSQL server with one user and one database.

    It does not wait for the disk (``fsync=off``), because its data need not survive a power cut;
    ``with_server_options(fsync="on")`` has it wait.

    Args:
        username, password, dbname: the superuser, and the database that is made for it.
        driver: the SQLAlchemy driver that :meth:`get_connection_url` names; by default none.
    """

    def __init__(
        self,
        image: str | DockerImage = "postgres:16-alpine",
        port: PortLike = 5432,
        username: str = "test",
        password: str = "test",
        dbname: str = "test",
        driver: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(image, **kwargs)
        self.port, self.driver = port, driver
        self.username, self.password, self.dbname = username, password, dbname
        self._options: Mapping[str, Any] = NOT_DURABLE
        self._config: Mapping[str, Any] = {}
        self._with_service_ports(port)
        if self._request.wait is None:
            self.waiting_for(PostgresWaitStrategy(username, dbname, port))
        self.with_envs(POSTGRES_USER=username, POSTGRES_PASSWORD=password, POSTGRES_DB=dbname)

    # -- options ----------------------------------------------------------------------------------

    def with_init_scripts(self, *scripts: Content) -> Self:
        """Run scripts once when the database is new, one after the other, before it is ready.

        Args:
            scripts: paths of ours to ``.sql``, ``.sql.gz`` or ``.sh`` files that everybody may
                read, or bytes with SQL (or a callable that gives some). What a folder holds keeps
                its names, by which the image orders all scripts; the others begin with ``100``.
        """
        for script in scripts:
            number = 100 + len(self._scripts())
            name = file_name(script, "script.sql")
            is_script = name.endswith((".sql", ".sql.gz", ".sql.xz", ".sql.zst", ".sh"))
            place = f"{SCRIPTS}/{number}-{name}" if is_script else f"{SCRIPTS}/"
            self.with_copy_into_container(script, place)
        return self

    def with_extensions(self, *names: str) -> Self:
        """Create extensions in the database, with those that they need, before other scripts.

        The image must have them; those of PostgreSQL's own *contrib* are in the official ones.
        """
        for name in names:
            if not isinstance(name, str) or not name.strip() or "\0" in name:
                raise DeclarationError(f"with_extensions: {name!r} is no name of an extension")
        creations = [f"CREATE EXTENSION IF NOT EXISTS {_quoted(name)} CASCADE;" for name in names]
        place = f"{SCRIPTS}/000-extensions-{len(self._scripts()):03}.sql"
        return self.with_copy_into_container("\n".join(creations).encode(), place)

    def with_server_options(self, **options: OptionValue) -> Self:
        """Start the server with options, as in ``max_connections=20``.

        They win over a configuration file. ``None`` leaves one away that was set before.
        """
        self._refuse_change("with_server_options")
        self._options = checked_options(options, self._options)
        return self

    def with_config_file(self, config: Content) -> Self:
        """Use another ``postgresql.conf``; the server still listens on all addresses.

        Args:
            config: a path of ours, or bytes.
        """
        self.with_copy_into_container(config, CONFIG, 0o644)
        self._config = {"config_file": CONFIG, "listen_addresses": "*"}
        return self

    def with_tls(self, certificate: Content, key: Content) -> Self:
        """Let clients connect over TLS; those that do not ask for it still connect without.

        Args:
            certificate: in PEM, with those that it is signed by; a path of ours, or bytes.
            key: its private key, in PEM, without a passphrase.
        """
        add_certificate(self, certificate, key, CERTIFICATE)
        script = TLS_SCRIPT.format(folder=CERTIFICATE).encode()
        return self.with_copy_into_container(script, f"{SCRIPTS}/000-tls.sh", 0o755)

    def _scripts(self) -> list[str]:
        places = [copy.destination for copy in self._request.copies]
        return [place for place in places if place.startswith(SCRIPTS)]

    def _configure(self) -> None:
        self._configure_command()
        self._configure_folder()

    def _configure_command(self) -> None:
        options = {**self._config, **self._options}
        if self._request.command is None and options:
            words = [f"{name}={option_text(each, 'on', 'off')}" for name, each in options.items()]
            self.with_command(["postgres", *(part for word in words for part in ("-c", word))])
        elif self._request.command is not None and options != NOT_DURABLE:
            refuse_command(self, "with_server_options() and with_config_file()")

    def _configure_folder(self) -> None:
        # The image declares its folder as a volume, which would be copied at each warm start.
        asked = self._request
        if asked.warm and "PGDATA" not in asked.env and "user" not in asked.options:
            self.with_env("PGDATA", OUTSIDE_OF_VOLUMES)

    # -- between tests ----------------------------------------------------------------------------

    _knows_reset = True

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

    # -- addresses --------------------------------------------------------------------------------

    def get_connection_url(
        self,
        driver: str | None = AS_DECLARED,
        *,
        host: str | None = None,
        mode: ConnectionMode | str | None = None,
        **parameters: str | int,
    ) -> str:
        """``postgresql://…`` from here; ``postgresql+DRIVER://…`` for SQLAlchemy.

        Args:
            driver: by default the constructor's; ``None`` for none.
            host: a name to use in place of the address, as one that a certificate holds.
            mode: another connection mode than the test's.
            parameters: what follows the ``?``, as in ``sslmode="require"``.
        """
        endpoint = self.endpoint(self.port, mode)
        if host is not None:
            endpoint = Endpoint(host, endpoint.port)
        return self._url(endpoint, driver, parameters)

    def get_internal_url(self, driver: str | None = AS_DECLARED, **parameters: str | int) -> str:
        """The same for other containers on its network."""
        return self._url(self.internal_endpoint(self.port), driver, parameters)

    def _url(self, endpoint: Endpoint, driver: str | None, parameters: Mapping[str, Any]) -> str:
        chosen = self.driver if driver is AS_DECLARED else driver
        scheme = f"postgresql+{chosen}" if chosen else "postgresql"
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        query = f"?{urlencode(parameters, quote_via=quote)}" if parameters else ""
        return f"{scheme}://{login}@{endpoint}/{quote(self.dbname, safe='')}{query}"
