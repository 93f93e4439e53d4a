"""Whether one container reaches another, asked from inside its own network namespace.

The image's own tools are used where it has any (Python, bash or nc, by one exec); where it has not
even a shell, a helper container that shares its network namespace asks.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

from . import _session
from .errors import EngineError
from .images import with_prefix
from .lifecycle.ledger import CONTAINER, ledger
from .running import RunningContainer
from .settings import IMAGE_PREFIX, NET_TOOLS_IMAGE
from .wait import ExecResult

NO_TOOL = 99
LONGER = 5.0

_CONNECT = """
if command -v python3 >/dev/null 2>&1; then
  exec python3 -c 'import socket, sys
try: socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
except OSError as error: sys.exit(f"{type(error).__name__}: {error}")' "$1" "$2" "$3"
elif command -v bash >/dev/null 2>&1; then
  exec timeout "$3" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"
elif command -v nc >/dev/null 2>&1; then
  exec nc -z -w "${3%.*}" "$1" "$2"
fi
exit 99
"""

_RESOLVE = """
if command -v getent >/dev/null 2>&1; then exec getent hosts "$1"
elif command -v python3 >/dev/null 2>&1; then
  exec python3 -c 'import socket, sys; print(socket.gethostbyname(sys.argv[1]))' "$1"
elif command -v nslookup >/dev/null 2>&1; then exec nslookup "$1"
fi
exit 99
"""

_REASONS = (
    (r"not known|bad address|resolution|gaierror|can't resolve|No address", "does not resolve"),
    (r"refused", "refused the connection: it is there, but nothing listens on that port"),
    (r"unreachable|No route", "cannot be routed to from there"),
    (r"time[d ]*out|TimeoutError", "did not answer in time"),
)


class Answer(NamedTuple):
    """What was found: whether it worked, what was said, and by which means it was asked."""

    worked: bool
    said: str
    means: str


def connects(source: RunningContainer, host: str, port: int, timeout: float) -> Answer:
    """Whether a TCP connection can be made from inside a container."""
    result, means = _ask(source, _CONNECT, (host, str(port), f"{max(timeout, 1):g}"), timeout)
    if result.exit_code == 0:
        return Answer(True, f"{host}:{port} accepted the connection", means)
    return Answer(False, f"{host}:{port} {_why(result)}", means)


def resolves(source: RunningContainer, name: str, timeout: float) -> Answer:
    """Whether a name resolves inside a container; says to which addresses."""
    result, means = _ask(source, _RESOLVE, (name,), timeout)
    found = [word for word in result.stdout.decode(errors="replace").split() if _is_ip(word)]
    if result.exit_code == 0 and found:
        return Answer(True, " ".join(dict.fromkeys(found)), means)
    return Answer(False, f"{name} does not resolve", means)


def _ask(
    source: RunningContainer, script: str, words: Sequence[str], timeout: float
) -> tuple[ExecResult, str]:
    command = ["sh", "-c", script, "sh", *words]
    try:
        result = source.exec(command, timeout=timeout + LONGER)
    except TimeoutError as error:
        return ExecResult(-1, str(error).encode()), "an exec"
    if result.exit_code not in (NO_TOOL, 126, 127):
        return result, "its own tools"
    return _ask_beside(source, command), "a helper container in its network namespace"


def _ask_beside(source: RunningContainer, command: Sequence[str]) -> ExecResult:
    """Run a command in a helper container that shares the network namespace of another."""
    with beside(source) as helper:
        return helper.exec(command)


def beside(source: RunningContainer, *capabilities: str) -> Helper:
    """A helper container in the network namespace of another, removed at the end of a ``with``."""
    return Helper(source, capabilities)


class Helper:
    """A container with network tools that shares another's network namespace."""

    def __init__(self, source: RunningContainer, capabilities: Sequence[str]) -> None:
        self._source, self._capabilities = source, list(capabilities)
        self._running: RunningContainer | None = None

    def __enter__(self) -> RunningContainer:
        source, engine = self._source, self._source.engine
        settings = source.surroundings.settings
        image = with_prefix(settings.get(NET_TOOLS_IMAGE), settings.get(IMAGE_PREFIX))
        found = engine.image(image)
        name = _session.resource_name("helper", source.name)
        options = {
            "labels": _session.labels(name),
            "network_mode": f"container:{source.id}",
            "entrypoint": ["sleep"],
            "command": ["infinity"],
            "cap_add": self._capabilities,
        }
        with ledger.creating(engine, CONTAINER, name) as self._entry:
            self._entry.id = engine.create_container(image, name, options, None)
        try:
            engine.start(self._entry.id)
        except BaseException:
            self.__exit__()
            raise
        return RunningContainer(
            engine, source.surroundings, self._entry.id, name, f"the helper of {source.name}", found
        )

    def __exit__(self, *_: object) -> None:
        self._entry.remove()
        ledger.forget(self._entry)


def _why(result: ExecResult) -> str:
    said = result.output.decode(errors="replace").strip()
    for pattern, reason in _REASONS:
        if re.search(pattern, said):
            return reason
    if result.exit_code in (124, 143):
        return "did not answer in time"
    return f"could not be reached (code {result.exit_code}: {said or 'nothing was said'})"


def _is_ip(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def shared_networks(one: RunningContainer, other: RunningContainer) -> dict[str, str]:
    """The networks that two containers are both on, each with the other's address there."""
    try:
        ours, theirs = (_networks(each) for each in (one, other))
    except EngineError:
        return {}
    return {name: theirs[name] for name in ours if name in theirs}


def _networks(container: RunningContainer) -> dict[str, str]:
    info = (container.host_of or container).refresh()
    networks = (info.get("NetworkSettings") or {}).get("Networks") or {}
    return {name: each.get("IPAddress") or "" for name, each in networks.items()}
