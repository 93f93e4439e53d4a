"""What the ready-made servers share: their options, their certificate, a connection over TLS."""

from __future__ import annotations

import contextlib
import posixpath
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from os import PathLike, fspath
from typing import Any

from ..container import DockerContainer
from ..errors import DeclarationError
from ..storage import Content

OptionValue = str | int | float | bool | None
"""What an option of a server can be set to; ``None`` leaves the option away."""

_OPTION = re.compile(r"[A-Za-z_][\w.-]*")


def checked_options(options: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The known options with further ones; those that are ``None`` are left away.

    Raises:
        DeclarationError: one has a name or a value that cannot be given to a server.
    """
    for name, value in options.items():
        if not _OPTION.fullmatch(name):
            raise DeclarationError(f"with_server_options: {name!r} is no name of an option")
        if not isinstance(value, str | int | float | None):
            raise DeclarationError(
                f"with_server_options: the value of {name} is a {type(value).__name__}: give a "
                f"string, a number, True or False, or None to leave it away"
            )
    return {name: value for name, value in {**known, **options}.items() if value is not None}


def option_text(value: str | int | float, true: str, false: str) -> str:
    """An option's value, in the words that a server has for true and false."""
    if isinstance(value, bool):
        return true if value else false
    return str(value)


def refuse_command(container: DockerContainer, instead_of: str) -> None:
    """Raise, because a command of the user's would silently undo some options."""
    raise DeclarationError(
        f"{container.label}: with_command() would leave out {instead_of}: leave it away, and use "
        f"with_server_options() for further options of the server"
    )


def file_name(content: Content, otherwise: str) -> str:
    """The name of a file that is copied; bytes, and what is made later, have none."""
    return posixpath.basename(fspath(content)) if isinstance(content, PathLike) else otherwise


def add_certificate(
    container: DockerContainer, certificate: Content, key: Content, folder: str
) -> tuple[str, str]:
    """Copy a certificate and its key in, and return the paths that they have there.

    Every user in the container may read them, because the server's own is another one in each
    image. They are those of a test.
    """
    paths = f"{folder}/server.crt", f"{folder}/server.key"
    for content, path in zip((certificate, key), paths, strict=True):
        container.with_copy_into_container(content, path, 0o644)
    return paths


def why_not(
    host: str, port: int, tls: bool, question: Callable[[socket.socket], str | None]
) -> str | None:
    """Why a server is not ready, asked over a new connection; ``None`` if it is."""
    try:
        with connected(host, port, tls, timeout=1) as connection:
            reason = question(connection)
    except OSError as error:
        reason = str(error)
    return f"{host}:{port}: {reason}" if reason else None


@contextlib.contextmanager
def connected(host: str, port: int, tls: bool, timeout: float) -> Iterator[socket.socket]:
    """A connection, with TLS if asked for; whose certificate it is, plays no role for readiness."""
    with socket.create_connection((host, port), timeout) as connection:
        if not tls:
            yield connection
            return
        import ssl  # not at the top: few need it

        context = ssl._create_unverified_context()
        with context.wrap_socket(connection, server_hostname=host) as secured:
            yield secured
