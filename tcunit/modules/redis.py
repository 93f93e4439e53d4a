"""Redis."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote

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
    connected,
    option_text,
    refuse_command,
    why_not,
)

FOLDER = "/usr/local/etc/redis"
CONFIG = f"{FOLDER}/tcunit.conf"
ACCOUNTS = f"{FOLDER}/tcunit.acl"


class PingWaitStrategy(WaitStrategy):
    """Ready when Redis answers PING over its own protocol, with ``PONG`` or by asking for a login.

    An answer of ``-LOADING`` means that it still reads its data.
    """

    def __init__(self, port: PortLike = 6379, tls: bool = False) -> None:
        self.port, self.tls = Port.parse(port), tls

    def begin(self, target: WaitTarget) -> Probe:
        """Ask over a new connection each time."""
        return lambda: why_not(*target.probe_address(self.port)[:2], self.tls, _ping)

    def __str__(self) -> str:
        return f"Redis to answer PING on port {self.port.number}"


def _ping(connection: socket.socket) -> str | None:
    connection.sendall(b"PING\r\n")
    answer = connection.recv(64)
    if answer.startswith((b"+PONG", b"-NOAUTH")):
        return None
    return f"it answered {answer[:40].decode(errors='replace').strip()!r}"


def _command(host: str, port: int, tls: bool, *commands: list[str]) -> None:
    """Send commands that are answered with OK; raises ``OSError`` where one is not."""
    with connected(host, port, tls, timeout=10) as connection:
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
        self._options: Mapping[str, Any] = {}
        self._has_config = self._tls = False
        self._accounts: Mapping[str, tuple[str, tuple[str, ...]]] = {}
        self._with_service_ports(port)
        if self._request.wait is None:
            self.waiting_for(PingWaitStrategy(port))

    # -- options ----------------------------------------------------------------------------------

    def with_server_options(self, **options: OptionValue) -> Self:
        """Start the server with options, as in ``maxmemory="64mb", appendonly=True``.

        An underscore stands for a dash. They win over a configuration file. ``None`` leaves one
        away that was set before.
        """
        self._refuse_change("with_server_options")
        dashed = {name.replace("_", "-"): value for name, value in options.items()}
        self._options = checked_options(dashed, self._options)
        return self

    def with_config_file(self, config: Content) -> Self:
        """Start the server with a ``redis.conf``, which must not bind it to loopback.

        Args:
            config: a path of ours, or bytes.
        """
        self.with_copy_into_container(config, CONFIG, 0o644)
        self._has_config = True
        return self

    def with_acl_user(self, name: str, password: str, *rules: str) -> Self:
        """Add a user with rights of its own, as in ``"~cart:*", "+@read"``.

        The user ``default`` stays, with all rights and the constructor's password.
        """
        self._refuse_change("with_acl_user")
        words = [name, *rules]
        if not all(isinstance(each, str) and each and each.split() == [each] for each in words):
            raise DeclarationError(
                "with_acl_user: give the name and each rule as a word of its own, as in "
                "with_acl_user('reader', 'secret', '~cart:*', '+@read')"
            )
        if name == "default":
            raise DeclarationError("with_acl_user: give default's password to the constructor")
        self._accounts = {**self._accounts, name: (password, rules)}
        return self

    def with_tls(self, certificate: Content, key: Content) -> Self:
        """Speak TLS on its port, and nothing else; clients need no certificate.

        Args:
            certificate: in PEM, with those that it is signed by; a path of ours, or bytes.
            key: its private key, in PEM, without a passphrase.
        """
        add_certificate(self, certificate, key, FOLDER)
        self._tls = True
        if isinstance(self._request.wait, PingWaitStrategy):
            self.waiting_for(PingWaitStrategy(self.port, tls=True))
        return self

    def _configure(self) -> None:
        words = [*self._words_of_login(), *self._words_of_tls()]
        for name, value in self._options.items():
            words += [f"--{name}", *(option_text(value, "yes", "no").split() or [""])]
        config = [CONFIG] if self._has_config else []
        if not (config or words):
            return
        if self._request.command is not None:
            refuse_command(self, "its password, its options or its certificate")
        self.with_command(["redis-server", *config, *words])

    def _words_of_login(self) -> list[str]:
        if not self._accounts:
            return ["--requirepass", self.password] if self.password else []
        lines = [_account("default", self.password or "", ("~*", "&*", "+@all"))]
        lines += [_account(name, *each) for name, each in self._accounts.items()]
        self.with_copy_into_container("".join(lines).encode(), ACCOUNTS, 0o644)
        return ["--aclfile", ACCOUNTS]

    def _words_of_tls(self) -> list[str]:
        if not self._tls:
            return []
        number = str(Port.parse(self.port).number)
        files = [
            "--tls-cert-file",
            f"{FOLDER}/server.crt",
            "--tls-key-file",
            f"{FOLDER}/server.key",
        ]
        return ["--port", "0", "--tls-port", number, *files, "--tls-auth-clients", "no"]

    # -- between tests ----------------------------------------------------------------------------

    _knows_reset = True

    def _go_back(self) -> None:
        running = self.running
        commands = [["AUTH", self.password]] if self.password else []
        try:
            address = running.probe_address(self.port)[:2]
            _command(*address, self._tls, *commands, ["FLUSHALL"])
        except OSError as error:
            raise EngineError(f"{running.description} could not be flushed: {error}") from error

    # -- addresses --------------------------------------------------------------------------------

    def get_connection_url(
        self,
        db: int = 0,
        *,
        username: str | None = None,
        mode: ConnectionMode | str | None = None,
    ) -> str:
        """``redis://…`` from here; ``rediss://…`` with TLS.

        Args:
            db: the number of the database.
            username: one of :meth:`with_acl_user`; by default ``default``.
            mode: another connection mode than the test's.
        """
        return self._url(self.endpoint(self.port, mode), db, username)

    def get_internal_url(self, db: int = 0, *, username: str | None = None) -> str:
        """The same for other containers on its network."""
        return self._url(self.internal_endpoint(self.port), db, username)

    def _url(self, endpoint: Endpoint, db: int, username: str | None) -> str:
        password = self.password
        if username is not None:
            if username not in self._accounts:
                known = ", ".join(self._accounts) or "none"
                raise DeclarationError(
                    f"{self.label} has no user {username!r}: add with_acl_user(); it has {known}"
                )
            password = self._accounts[username][0]
        words = [quote(each or "", safe="") for each in (username, password)]
        login = f"{words[0]}:{words[1]}@" if any(words) else ""  # a user may have no password
        return f"{'rediss' if self._tls else 'redis'}://{login}{endpoint}/{db}"


def _account(name: str, password: str, rules: tuple[str, ...]) -> str:
    """A line of an ACL file; it holds the hash of the password."""
    import hashlib

    secret = f"#{hashlib.sha256(password.encode()).hexdigest()}" if password else "nopass"
    return " ".join(["user", name, "on", secret, *rules]) + "\n"
