#!/usr/bin/python3 -IS
"""A stand-in for testcontainers/ryuk 0.14: its protocol, timers, settings and exit codes.

Owns nothing but its memory. The rule it keeps: what the real one does, quirks included. So a line
is acknowledged that could not be parsed; a line that parses to no filter matches everything; a bare
connection counts as a client. It has the standard library only, and no shell around it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote_plus

PROTECTED = "org.testcontainers.ryuk"
LONGEST_LINE = 64 * 1024
KINDS = ("containers", "networks", "volumes", "images")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

Filters = dict[str, list[str]]


class WrongSetting(Exception):
    """A RYUK_ variable that cannot be read."""


class EngineRefused(Exception):
    """The engine answered with an error; ``status`` is its number, or 0 if it did not answer."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def duration(text: str) -> float:
    """Seconds in Go's syntax: ``10s``, ``1m30s``, ``-1s``, ``0``."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    part = r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)"
    if not re.fullmatch(f"({part})+", rest):
        raise WrongSetting(f"time: invalid duration {text!r}")
    return sign * sum(float(number) * UNITS[unit] for number, unit in re.findall(part, rest))


@dataclass(frozen=True)
class Config:
    """The settings, each with the real one's default."""

    connection_timeout: float
    reconnection_timeout: float
    request_timeout: float
    retry_offset: float
    changes_retry_interval: float
    shutdown_timeout: float
    remove_retries: int
    port: int
    verbose: bool
    docker_host: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Config:
        def seconds(name: str, default: str) -> float:
            return duration(environ.get(f"RYUK_{name}") or default)

        return cls(
            seconds("CONNECTION_TIMEOUT", "60s"),
            seconds("RECONNECTION_TIMEOUT", "10s"),
            seconds("REQUEST_TIMEOUT", "10s"),
            seconds("RETRY_OFFSET", "-1s"),
            seconds("CHANGES_RETRY_INTERVAL", "1s"),
            seconds("SHUTDOWN_TIMEOUT", "10m"),
            _number(environ.get("RYUK_REMOVE_RETRIES") or "10", sys.maxsize),
            _number(environ.get("RYUK_PORT") or "8080", 65535),
            (environ.get("RYUK_VERBOSE") or "false") in ("1", "t", "T", "true", "True", "TRUE"),
            environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock",
        )


def _number(text: str, most: int) -> int:
    if not text.isdecimal() or int(text) > most:
        raise WrongSetting(f"{text!r} is no number up to {most}")
    return int(text)


def log(level: str, message: str, **more: object) -> None:
    """One line as Go's slog writes it."""
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    pairs = {"time": now, "level": level, "msg": message, **more}
    texts = [f"{name}={_quoted(str(value))}" for name, value in pairs.items()]
    print(" ".join(texts), flush=True)


def _quoted(text: str) -> str:
    return json.dumps(text) if re.search(r'[\s"=]', text) else text


def parse_query(line: str) -> Filters:
    """A line as Go's url.ParseQuery reads it.

    Raises:
        ValueError: it has a semicolon, or a percent sign that begins no number.
    """
    found: Filters = {}
    for pair in line.split("&"):
        if not pair:
            continue
        if ";" in pair:
            raise ValueError("invalid semicolon separator in query")
        if re.search(r"%(?![0-9a-fA-F]{2})", pair):
            raise ValueError(f"invalid URL escape in {pair!r}")
        key, _, value = pair.partition("=")
        found.setdefault(unquote_plus(key), []).append(unquote_plus(value))
    return found


class Engine:
    """The engine's API over its socket, one connection a call."""

    def __init__(self, config: Config) -> None:
        if not config.docker_host.startswith("unix://"):
            raise WrongSetting(f"only unix:// is known here, not {config.docker_host}")
        self._path = config.docker_host.removeprefix("unix://")
        self._timeout = config.request_timeout

    def call(self, method: str, path: str) -> Any:
        """Call it; its answer, if that is JSON."""
        connection = http.client.HTTPConnection("docker", timeout=self._timeout)
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(self._timeout)
            connection.sock.connect(self._path)
            connection.request(method, path)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineRefused(str(error)) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineRefused(text.decode(errors="replace").strip(), response.status)
        with contextlib.suppress(ValueError):
            return json.loads(text)
        return None

    def listed(self, kind: str, filters: Filters) -> list[dict[str, Any]]:
        """All resources of a kind that filters match."""
        wanted = {name: dict.fromkeys(values, True) for name, values in filters.items()}
        query = f"filters={quote(json.dumps(wanted))}"
        path = {"containers": "/containers/json", "images": "/images/json"}.get(kind, f"/{kind}")
        found = self.call("GET", f"{path}?{query}" + ("&all=1" if kind == "containers" else ""))
        if kind == "volumes":
            found = (found or {}).get("Volumes")
        return list(found or [])

    def remove(self, kind: str, name: str) -> None:
        """Remove one resource as the real Ryuk does."""
        query = {"containers": "?force=1&v=1", "volumes": "?force=1"}.get(kind, "")
        self.call("DELETE", f"/{kind}/{quote(name, safe=':')}{query}")


def identity(kind: str, item: Mapping[str, Any]) -> str:
    """What a resource is removed by."""
    return str(item["Name"] if kind == "volumes" else item["Id"])


def created(kind: str, item: Mapping[str, Any]) -> float | None:
    """When a resource was made; None if that cannot be read."""
    if kind in ("containers", "images"):
        return float(item["Created"])
    text = str(item.get("CreatedAt" if kind == "volumes" else "Created"))
    with contextlib.suppress(ValueError):
        digits = re.sub(r"(\.\d{1,6})\d*", r"\1", text).replace("Z", "+00:00")
        return datetime.fromisoformat(digits).timestamp()
    return None


@dataclass
class Found:
    """What one prune check has listed."""

    names: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    changed: bool = False
    failed: bool = False


@dataclass
class Reaper:
    """One run: clients come and go, then everything that their filters match is removed."""

    config: Config
    engine: Engine
    filters: dict[str, Filters] = field(default_factory=dict)
    events: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    clients: int = 0
    due: float | None = None
    deadline: float | None = None
    listener: socket.socket | None = None

    def run(self) -> int:
        """Serve until the prune check has found everything; the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.events.put("signal"))
        self._listen()
        self.due = time.time() + _positive(self.config.connection_timeout)
        while True:
            self._handle_events()
            found = self._check(time.time())
            if not found.changed:
                break
            if self.deadline is not None and time.time() >= self.deadline:
                log("WARN", "changes forced")
                found.failed = True
                break
            self.due = time.time() + self.config.changes_retry_interval
        self._stop_listening()
        left = self._remove(found)
        log("INFO", "done")
        return 1 if found.failed or left else 0

    # -- clients ----------------------------------------------------------------------------------

    def _listen(self) -> None:
        six = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if six else socket.AF_INET
        self.listener = socket.create_server(
            ("", self.config.port), family=family, dualstack_ipv6=six
        )
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        log("INFO", "Started", address=f"[::]:{self.listener.getsockname()[1]}")

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: object) -> None:
        if self.listener is None:
            connection.close()
            return
        self.events.put("connect")
        log("INFO", "client connected", address=address)
        with connection, contextlib.suppress(OSError):
            for line in _lines(connection):
                if not line:
                    log("WARN", "empty filter received")
                    continue
                self._add(line)
                connection.sendall(b"ACK\n")
        log("INFO", "client disconnected", address=address)
        self.events.put("disconnect")

    def _add(self, line: str) -> None:
        try:
            filters = parse_query(line)
        except ValueError as error:
            log("ERROR", "add filter", error=error)
            return
        self.filters[json.dumps(filters, sort_keys=True)] = filters
        log("INFO", "adding filter", filter=json.dumps(filters))

    def _handle_events(self) -> None:
        """Return when the prune check is due."""
        while True:
            left = None if self.due is None else self.due - time.time()
            if left is not None and left <= 0:
                return
            try:
                event = self.events.get(timeout=left)
            except queue.Empty:
                return
            self._handle(event)

    def _handle(self, event: str) -> None:
        if event == "connect":
            self.clients += 1
            if self.clients == 1:
                self.due = None
        elif event == "disconnect":
            self.clients -= 1
            if self.clients == 0:
                self.due = time.time() + _positive(self.config.reconnection_timeout)
        elif self.deadline is None:
            log("INFO", "signal received", connections=self.clients)
            self._stop_listening()
            self.deadline = time.time() + self.config.shutdown_timeout
            self.due = self.deadline if self.clients else time.time()

    def _stop_listening(self) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    # -- removal ----------------------------------------------------------------------------------

    def _check(self, now: float) -> Found:
        """List what the filters match, apart from what is younger than the check."""
        if self.clients:
            log("WARN", "prune check with clients connected", clients=self.clients)
        found = Found()
        since = now + self.config.retry_offset
        for filters in list(self.filters.values()):
            for kind in KINDS:
                self._list(kind, filters, since, found)
        return found

    def _list(self, kind: str, filters: Filters, since: float, found: Found) -> None:
        try:
            items = self.engine.listed(kind, filters)
        except EngineRefused as error:
            log("ERROR", f"{kind} list", error=error)
            found.failed = True
            return
        for item in items:
            if kind == "containers" and (item.get("Labels") or {}).get(PROTECTED) == "true":
                continue
            made = created(kind, item)
            if made is None:
                log("ERROR", "parse created", name=identity(kind, item))
            elif made > since:
                log("DEBUG", "changes detected", kind=kind)
                found.changed = True
            elif (name := identity(kind, item)) not in found.names[kind]:
                found.names[kind].append(name)

    def _remove(self, found: Found) -> bool:
        """Remove what was found, kind by kind; whether something is left."""
        removed = {kind: self._remove_kind(kind, found.names[kind]) for kind in KINDS}
        log("INFO", "removed", **{kind: count for kind, (count, _) in removed.items()})
        return any(left for _, left in removed.values())

    def _remove_kind(self, kind: str, names: list[str]) -> tuple[int, int]:
        todo, count = list(names), 0
        for attempt in range(self.config.remove_retries):
            if not todo:
                break
            if attempt:
                time.sleep(1)
            still = []
            for name in todo:
                gone, counted = self._try_to_remove(kind, name)
                count += counted
                still += [] if gone else [name]
            todo = still
        if todo:
            log("ERROR", f"left {len(todo)} items", kind=kind)
        return count, len(todo)

    def _try_to_remove(self, kind: str, name: str) -> tuple[bool, bool]:
        """Whether it is gone, and whether that counts as removed."""
        try:
            self.engine.remove(kind, name)
        except EngineRefused as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                log("ERROR", "remove", error=error)
                return False, False
            return True, False
        return True, True


def _positive(seconds: float) -> float:
    if seconds <= 0:
        print("panic: non-positive interval for NewTicker", file=sys.stderr, flush=True)
        os._exit(2)
    return seconds


def _lines(connection: socket.socket) -> Iterator[str]:
    """Lines as bufio.Scanner finds them; the last one may lack its end."""
    kept = b""
    while chunk := connection.recv(4096):
        *lines, kept = (kept + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode(errors="replace")
        if len(kept) > LONGEST_LINE:
            log("ERROR", "scan", error="token too long")
            return
    if kept:
        yield kept.removesuffix(b"\r").decode(errors="replace")


def main() -> int:
    """Run; 1 if it cannot start, or if something was left."""
    try:
        config = Config.read(os.environ)
        engine = Engine(config)
        engine.call("GET", "/_ping")
        return Reaper(config, engine).run()
    except (WrongSetting, EngineRefused, OSError) as error:
        log("ERROR", "run", error=error)
        return 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads that wait for clients would be waited for
