"""Whether one container reaches another, asked from inside its own network namespace.

The image's own tools are used where it has any (Python, bash or nc, by one exec); where it has not
even a shell, a helper container that shares its network namespace asks.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Sequence
from typing import NamedTuple, Self

from . import _session
from .connection import is_ip
from .fetching import fetched
from .lifecycle.ledger import CONTAINER, ledger
from .running import RunningContainer
from .settings import NET_TOOLS_IMAGE
from .wait import ExecResult

NO_TOOL = (99, 126, 127)
ONCE_MORE = 0.3  # seconds to find out whether it was the name that had no answer
GRACE = 1.0  # seconds that an exec has beyond the limit of the tool that it runs

_CONNECT = """
export RES_OPTIONS="timeout:$3 attempts:1"
if command -v python3 >/dev/null 2>&1; then
  exec python3 -c 'import socket, sys
try: socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()
except OSError as error: sys.exit(f"{type(error).__name__}: {error}")' "$1" "$2" "$3"
elif command -v bash >/dev/null 2>&1; then
  exec timeout "$3" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"
elif command -v nc >/dev/null 2>&1; then
  exec nc -z -w "$3" "$1" "$2"
fi
exit 99
"""

_RESOLVE = """
export RES_OPTIONS="timeout:$2 attempts:1"
if command -v getent >/dev/null 2>&1; then exec getent hosts "$1"
elif command -v python3 >/dev/null 2>&1; then
  exec python3 -c 'import socket, sys; print(socket.gethostbyname(sys.argv[1]))' "$1"
elif command -v nslookup >/dev/null 2>&1; then grep -wF "$1" /etc/hosts || exec nslookup "$1"
fi
exit 99
"""

UNRESOLVED = "does not resolve"
SILENT = "did not answer in time"
_REASONS = (
    (r"not known|bad address|resolution|gaierror|can't resolve|No address", UNRESOLVED),
    (r"refused", "refused the connection: it is there, but nothing listens on that port"),
    (r"unreachable|No route", "cannot be routed to from there"),
    (r"time[d ]*out|TimeoutError|did not end in", SILENT),
)


class Answer(NamedTuple):
    """What was found: whether it worked, what was said, by which means, and if that is certain."""

    worked: bool
    said: str
    means: str
    is_certain: bool = True


class Inside:
    """Asks from inside a container's network namespace; used in a ``with``.

    A helper container is started where the image has no tool, and serves until the end.
    """

    def __init__(self, source: RunningContainer) -> None:
        self._source = source
        self._helper: RunningContainer | None = None
        self._ending = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def connects(self, host: str, port: int, timeout: float) -> Answer:
        """Whether a TCP connection can be made."""
        result, means = self._ask(_CONNECT, (host, str(port)), timeout)
        if result.exit_code == 0:
            return Answer(True, f"{host}:{port} accepted the connection", means)
        why = _why(result)
        if why == SILENT and not is_ip(host) and not self.resolves(host, ONCE_MORE).worked:
            why = UNRESOLVED
        if why == UNRESOLVED:
            return Answer(False, f"{host} {why}", means)
        if why is not None:
            return Answer(False, f"{host}:{port} {why}", means)
        said = result.output.decode(errors="replace").strip() or "nothing was said"
        return Answer(False, f"{host}:{port}: code {result.exit_code}: {said}", means, False)

    def resolves(self, name: str, timeout: float) -> Answer:
        """Whether a name resolves; says to which addresses."""
        result, means = self._ask(_RESOLVE, (name,), timeout)
        text = result.stdout.decode(errors="replace")
        if "Server:" in text:  # nslookup begins with the server that it asked
            text = text.partition("Name:")[2]
        found = [word for word in text.split() if is_ip(word)]
        if result.exit_code == 0 and found:
            return Answer(True, " ".join(dict.fromkeys(found)), means)
        return Answer(False, f"{name} {UNRESOLVED}", means)

    def _ask(self, script: str, words: Sequence[str], timeout: float) -> tuple[ExecResult, str]:
        seconds = str(max(1, math.ceil(timeout)))  # not every tool takes a part of a second
        command = ["sh", "-c", script, "sh", *words, seconds]
        if self._helper is None:
            result = _run(self._source, command, timeout)
            if result.exit_code not in NO_TOOL:
                return result, "its own tools"
            self._helper = self._ending.enter_context(beside(self._source))
        return _run(self._helper, command, timeout), "a helper container in its network namespace"


def _run(where: RunningContainer, command: Sequence[str], timeout: float) -> ExecResult:
    try:
        return where.exec(command, timeout=timeout + GRACE)
    except TimeoutError as error:
        return ExecResult(-1, str(error).encode())


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
        found = fetched(engine, settings, settings.get(NET_TOOLS_IMAGE))
        name = _session.resource_name("helper", source.name)
        options = {
            "labels": _session.labels(name),
            "network_mode": f"container:{source.id}",
            "entrypoint": ["sleep"],
            "command": ["infinity"],
            "cap_add": self._capabilities,
        }
        with ledger.creating(engine, CONTAINER, name) as self._entry:
            self._entry.id = engine.create_container(found.name, name, options, None)
        try:
            engine.start(self._entry.id)
        except BaseException:
            self.__exit__()
            raise
        return RunningContainer(
            engine, source.surroundings, self._entry.id, name, f"the helper of {source.name}", found
        )

    def __exit__(self, *_: object) -> None:
        ledger.remove(self._entry)


def _why(result: ExecResult) -> str | None:
    """What a tool's words mean; ``None`` if that is not known."""
    said = result.output.decode(errors="replace")
    for pattern, reason in _REASONS:
        if re.search(pattern, said):
            return reason
    return SILENT if result.exit_code in (124, 143) else None


def shared_networks(one: RunningContainer, other: RunningContainer) -> dict[str, str]:
    """The networks that two containers are both on, each with the other's address there."""
    ours, theirs = (networks_of(each) for each in (one, other))
    return {name: theirs[name] for name in ours if name in theirs}


def networks_of(container: RunningContainer) -> dict[str, str]:
    """The networks that a container is on now, each with its address there."""
    info = (container.host_of or container).refresh()
    networks = (info.get("NetworkSettings") or {}).get("Networks") or {}
    return {
        name: each.get("IPAddress") or each.get("GlobalIPv6Address") or ""
        for name, each in networks.items()
    }
