"""Ryuk, the reaper of all Testcontainers: a container that removes what a lost client leaves.

Its protocol: one line a filter (``label=…``), an ``ACK`` for each line, and a connection
that is kept open; when the last client is gone for a while, Ryuk removes what the filters match. We
give it one for each resource, by the label with session and name, before the create. It obeys
anyone who connects, so it listens where only this machine can reach it. An accepted connection
proves nothing, because the engine's proxy accepts first: only the ACK does. A line without a label
would make it remove everything, so there is one place that makes lines, and it takes no other.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

from .. import timings
from .._docker import Engine
from .._session import LABEL_ROOT, OWN_LABEL, own, session_id
from ..connection import Endpoint
from ..errors import EngineError
from ..facts import Surroundings
from ..fetching import fetched
from ..log import warn
from ..settings import (
    REAPERS,
    RYUK_IMAGE,
    RYUK_ON_ALL_INTERFACES,
    RYUK_PRIVILEGED,
    RYUK_RECONNECTION_TIMEOUT,
    SOCKET_OVERRIDE,
    Settings,
)
from .sweep import RYUK_OF_LABEL, left_by, ryuk_name

NAME = "ryuk"
RYUK_LABEL = f"{LABEL_ROOT}.ryuk"
PORT = 8080
START_TIMEOUT = 60.0
END_TIMEOUT = 2.0
# What the tests wait for starts first, where the guard is there meanwhile: a further container
# beside theirs makes the start of a small class half as long again (benchmarks/armed.py).
HEAD_START = 2.0
ACK_TIMEOUT = 2.0
PAUSE = 0.05
DEFAULT_SOCKET = "/var/run/docker.sock"


class Unavailable(Exception):
    """Ryuk cannot run here; the text says why."""


class Witness(Protocol):
    """Who is told of the container that Ryuk itself is."""

    def announce(self, engine: Engine, kind: str, name: str) -> None:
        """It is about to be created."""

    def mark(self, name: str) -> None:
        """Its create was answered."""

    def forget(self, name: str) -> None:
        """It is removed, or was never made."""


class RyukClient:
    """One Ryuk container, and the connection to it, watched by a thread."""

    def __init__(self, engine: Engine, settings: Settings, witness: Witness) -> None:
        self._engine, self._settings, self._witness = engine, settings, witness
        self._container = ""
        self._connection: socket.socket | None = None
        self._is_registered = False
        self._names: dict[str, None] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._go = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="tcunit-ryuk", daemon=True)
        self.ready = threading.Event()
        self.status = "not armed: starting"

    def begin(self) -> None:
        """Start the container and the watch over its connection."""
        self._thread.start()

    def proceed(self) -> None:
        """Wait no longer with the start."""
        self._go.set()

    def add(self, name: str) -> None:
        """Have Ryuk remove a resource of this name, now or when it is connected."""
        with self._lock:
            self._names[name] = None
            if self._is_registered and self._connection is not None:
                try:
                    self._connection.sendall(filter_line(session_id(), name))
                except OSError:
                    self._close()  # the watch connects again and tells all names

    def drop(self, name: str) -> None:
        """Leave a name out the next time."""
        with self._lock:
            self._names.pop(name, None)

    def end(self) -> None:
        """Close the connection, and remove the container if the session has left nothing."""
        self._ending.set()
        self._go.set()
        self._close()
        self._thread.join(END_TIMEOUT)  # one that pulls an image is left: nobody connects to it
        if not self._container:
            return
        with contextlib.suppress(EngineError):
            if not left_by(self._engine, session_id()):
                self._remove()

    def abandon(self) -> None:
        """Close this process's copy of the connection only."""
        if self._connection is not None:
            os.close(self._connection.detach())
            self._connection = None

    def _keep(self) -> None:
        """Start, register, and do so again whenever the connection or the container is lost."""
        self._go.wait(HEAD_START)
        try:
            while not self._ending.is_set():
                with timings.spent("arm", "", NAME):
                    endpoint = self._start()
                    self._register(endpoint)
                self.status = f"armed, at {endpoint}"
                self.ready.set()
                self._watch(endpoint)
                self.status = "not armed: starting again"
        except (Unavailable, EngineError) as error:
            self._give_up(str(error))
        except Exception as error:  # the interpreter may be ending under this thread
            self._give_up(f"{type(error).__name__}: {error}")
        finally:
            self.ready.set()

    def _give_up(self, reason: str) -> None:
        self.status = f"not armed: {reason.rstrip('.')}"
        with contextlib.suppress(EngineError):
            self._remove()
        if not self._ending.is_set():
            guarded = "guard" in self._settings.get(REAPERS)
            warn(
                "Ryuk is %s. %s; TESTCONTAINERS_RYUK_DISABLED=true ends this message.",
                self.status,
                "The other nets remain: the end of the process, and the guard" if guarded else
                "One net remains, the end of the process: what a kill leaves is removed by nobody",
            )  # fmt: skip

    def _remove(self) -> None:
        """Remove its container, if there is one."""
        if self._container:
            self._engine.remove_container(self._container)
            self._container = ""
            self._witness.forget(ryuk_name(session_id()))

    def _start(self) -> Endpoint:
        if self._engine.kind == "ssh":
            raise Unavailable("the engine is reached by ssh, which carries no further connection")
        surroundings = Surroundings(self._engine, self._settings)
        name = self._settings.get(RYUK_IMAGE)
        is_ending = self._ending.is_set
        image = fetched(self._engine, self._settings, name, is_cancelled=is_ending).name
        if self._ending.is_set():
            raise Unavailable("the process ends")
        bridge = surroundings.network(self._engine.default_network)
        direct = (bridge.bridge_here and surroundings.facts.has_host_network) or bridge.is_shared
        options = self._options("" if direct else self._listen(surroundings))
        self._remove()
        self._create(image, options)
        try:
            self._engine.start(self._container)
        except EngineError as error:
            asked = " privileged, as TESTCONTAINERS_RYUK_PRIVILEGED asks" * options["privileged"]
            raise Unavailable(f"its container cannot run{asked}: {error}") from error
        return self._endpoint(surroundings, direct)

    def _create(self, image: str, options: dict[str, Any]) -> None:
        name = ryuk_name(session_id())
        self._witness.announce(self._engine, "container", name)
        self._container = self._engine.create_container(image, name, options, None)
        self._witness.mark(name)

    def _listen(self, surroundings: Surroundings) -> str:
        """The host address to publish its port on."""
        facts = surroundings.facts
        if self._settings.get(RYUK_ON_ALL_INTERFACES):
            return "0.0.0.0"
        if not facts.is_local:
            raise Unavailable(
                "it would listen on all interfaces of a remote engine, where it obeys anyone; set "
                "TCUNIT_RYUK_ON_ALL_INTERFACES=true if that network is your own"
            )
        if facts.own_container:
            return surroundings.network(self._engine.default_network).gateway
        return "127.0.0.1"

    def _endpoint(self, surroundings: Surroundings, direct: bool) -> Endpoint:
        info: Any = self._engine.inspect(self._container)["NetworkSettings"]
        if direct:
            network = info["Networks"][self._engine.default_network]
            return Endpoint(network["IPAddress"], PORT)
        binding = info["Ports"][f"{PORT}/tcp"][0]
        facts = surroundings.facts
        host = binding["HostIp"] if facts.is_local else facts.hostname
        return Endpoint(
            "127.0.0.1" if host in ("0.0.0.0", "::") else host, int(binding["HostPort"])
        )

    def _options(self, listen: str) -> dict[str, Any]:
        path = self._settings.get(SOCKET_OVERRIDE)
        if not path:
            local = self._engine.kind == "unix" and not self._engine.is_desktop
            path = self._engine.url.removeprefix("unix://") if local else DEFAULT_SOCKET
        environment = {}
        if timeout := self._settings.get(RYUK_RECONNECTION_TIMEOUT):
            environment["RYUK_RECONNECTION_TIMEOUT"] = timeout
        options: dict[str, Any] = {
            "labels": {LABEL_ROOT: "true", RYUK_LABEL: "true", RYUK_OF_LABEL: session_id()},
            "binds": [f"{path}:{DEFAULT_SOCKET}"],
            "environment": environment,
            "auto_remove": True,
            "privileged": self._settings.get(RYUK_PRIVILEGED),
            "ports": [(PORT, "tcp")],
        }
        if listen:
            options["port_bindings"] = {f"{PORT}/tcp": [(listen, None)]}
        return options

    def _register(self, endpoint: Endpoint) -> None:
        """Send our filter until it is acknowledged."""
        deadline = time.monotonic() + START_TIMEOUT
        reason = "it did not answer"
        while time.monotonic() < deadline and not self._ending.is_set():
            try:
                self._connect(endpoint)
                return
            except OSError as error:
                reason = str(error)
                self._close()
            if not self._is_running():
                raise Unavailable(f"its container ended: {self._last_words()}")
            self._ending.wait(PAUSE)
        raise Unavailable(f"no ACK from {endpoint} within {START_TIMEOUT:g} s: {reason}")

    def _connect(self, endpoint: Endpoint) -> None:
        """Connect, have a first filter acknowledged, and send those of all names.

        The first one matches nothing. The socket is known from its making, so that a forked child
        can close its copy.
        """
        found = socket.getaddrinfo(*endpoint, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        connection = self._connection = socket.socket(family, kind, protocol)
        connection.settimeout(ACK_TIMEOUT)
        connection.connect(address)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.sendall(filter_line(session_id(), ryuk_name(session_id())))
        answer = b"".join(_until_newline(connection))
        if answer != b"ACK\n":
            raise OSError(f"it answered {answer!r} instead of ACK")
        with self._lock:
            for name in self._names:
                connection.sendall(filter_line(session_id(), name))
            self._is_registered = True
        connection.settimeout(None)

    def _is_running(self) -> bool:
        try:
            return bool(self._engine.inspect(self._container)["State"]["Running"])
        except EngineError:
            return False

    def _last_words(self) -> str:
        with contextlib.suppress(EngineError):
            lines = self._engine.logs(self._container, tail=3).decode(errors="replace").split("\n")
            return "; ".join(filter(None, lines))
        return (
            "it is gone, log and all; TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE says where the socket "
            "of the engine is"
        )

    def _watch(self, endpoint: Endpoint) -> None:
        """Return when the connection is lost and cannot be had again."""
        while not self._ending.is_set():
            connection = self._connection
            with contextlib.suppress(OSError):
                if connection is not None and connection.recv(64):
                    continue
            self._close()
            if self._ending.is_set() or not self._is_running():
                return
            try:
                self._register(endpoint)
            except Unavailable:
                return  # it ended just now

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._is_registered = False
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def filter_line(session: str, name: str) -> bytes:
    """The line that makes Ryuk remove a session's resource, and nothing else."""
    if not session or not name:
        raise ValueError("a filter without a session and a name would match what is not ours")
    from urllib.parse import quote

    return f"label={quote(f'{OWN_LABEL}={own(session, name)}', safe='')}\n".encode()


def _until_newline(connection: socket.socket) -> Iterator[bytes]:
    while chunk := connection.recv(64):
        yield chunk
        if chunk.endswith(b"\n"):
            return
