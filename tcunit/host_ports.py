"""Ports of the test process, for containers: ``host.testcontainers.internal``.

A server in a test listens on loopback, which no container reaches. So a relay listens where the
containers' own network meets this machine (the gateway of their bridge, or our own address where we
are in a container ourselves), at the same port and nowhere else, and serves our containers only.
Docker Desktop does as much by itself. Where their network does not meet this machine, a sidecar
listens in our place, a container on their network from which a tunnel leads here.
"""

from __future__ import annotations

import atexit
import errno
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from ._docker import Engine
from .connection import Endpoint
from .errors import DeclarationError, EngineError, HostPortError
from .lifecycle.ledger import CONTAINER, ledger

if TYPE_CHECKING:
    from .sidecar import Sidecar

HOST_NAME = "host.testcontainers.internal"
IP_FREEBIND = 15  # Linux: to bind to an address that is yet to come; Python has no name for it
ANOTHER_LOOPBACK = "127.84.67.85"  # where nothing listens that does not listen everywhere


def expose_host_port(port: int) -> ExposedPort:
    """Let containers that have ``with_host_port_access()`` reach a server in this process.

    They reach ``127.0.0.1:port`` as ``host.testcontainers.internal:port``, from now on until
    ``close()`` or the end of the ``with`` block; in a test, ``self.enterContext(…)`` does that.
    Containers may start before or after.

    Raises:
        HostPortError: another program listens at that port of the network's gateway, or the way to
            a remote engine was lost.
    """
    return ExposedPort(port)


class ExposedPort:
    """A port of this process that containers reach, until it is closed."""

    def __init__(self, port: int) -> None:
        self.endpoint = Endpoint(HOST_NAME, checked(port))
        self._is_open = False
        host_ports.open(port)
        self._is_open = True

    def close(self) -> None:
        """Let no container reach it any more, unless another one exposed it, too."""
        if self._is_open:
            self._is_open = False
            host_ports.close(self.endpoint.port)

    def __enter__(self) -> Endpoint:
        return self.endpoint

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def checked(port: object) -> int:
    """A port of this machine; refuses what is none."""
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise DeclarationError(f"{port!r} is no port of a server here: give a number, 1 to 65535")
    return port


# -- where containers meet us ---------------------------------------------------------------------


class Opening(Protocol):
    """A port that containers reach."""

    def close(self) -> None:
        """Let them reach it no more."""

    def abandon(self) -> None:
        """In a forked child: let go of the copies of the parent's sockets."""


@dataclass(frozen=True)
class Door:
    """Where containers on a network meet this process.

    Attributes:
        name_means: the address that ``host.testcontainers.internal`` has for them.
        listen: the address of ours to listen on; empty where that is not needed.
        sidecar: the container whose address it is, where it is none of this machine's.
        awaits_bridge: we are to have that address when the first container has started.
    """

    engine: Engine = field(compare=False, repr=False)
    network: str
    name_means: str
    listen: str
    sidecar: Sidecar | None = field(default=None, compare=False, repr=False)
    awaits_bridge: bool = field(default=False, compare=False)

    def open(self, port: int) -> Opening | None:
        """Let containers reach a port here; ``None`` where they do so by themselves."""
        if self.sidecar is not None:
            return self.sidecar.forward(self.listen, port, self.admits)
        return _relay(self, port)

    def admits(self, address: str) -> bool:
        """Whether an address is that of a container that this process has started."""
        if host_ports.is_guest(self.network, address):
            return True
        ours = {
            each.id
            for each in ledger.remaining()
            if each.kind == CONTAINER and each.engine.url == self.engine.url
        }
        try:
            members = self.engine.inspect_network(self.network).get("Containers") or {}
        except EngineError:
            return False
        return any(
            (member.get("IPv4Address") or "").partition("/")[0] == address
            for container, member in members.items()
            if container in ours
        )


# -- what is open ---------------------------------------------------------------------------------


@dataclass
class HostPorts:
    """The ports that are exposed and the doors that containers use; a relay for each pair."""

    _ports: Counter[int] = field(default_factory=Counter)
    _doors: Counter[Door] = field(default_factory=Counter)
    _relays: dict[tuple[Door, int], Opening | None] = field(default_factory=dict)
    _guests: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def open(self, port: int) -> None:
        """Expose a port at each door."""
        self._change(lambda: self._ports.update([port]), lambda: self._ports.subtract([port]))

    def close(self, port: int) -> None:
        """Undo one :meth:`open`."""
        with self._lock:
            self._ports.subtract([port])
            self._settle()

    def enter(self, door: Door) -> None:
        """Let a container use a door."""
        self._change(lambda: self._doors.update([door]), lambda: self._doors.subtract([door]))

    def leave(self, door: Door) -> None:
        """Undo one :meth:`enter`."""
        with self._lock:
            self._doors.subtract([door])
            self._settle()

    def invite(self, network: str, address: str) -> None:
        """Admit an address on a network that is no container's."""
        with self._lock:
            self._guests[network, address] += 1

    def uninvite(self, network: str, address: str) -> None:
        """Undo one :meth:`invite`."""
        with self._lock:
            self._guests[network, address] -= 1

    def is_guest(self, network: str, address: str) -> bool:
        """Whether such an address is admitted."""
        return self._guests[network, address] > 0

    def _change(self, do: Callable[[], object], undo: Callable[[], object]) -> None:
        with self._lock:
            do()
            try:
                self._settle()
            except BaseException:
                undo()
                self._settle()
                raise

    def _settle(self) -> None:
        """Have a relay for each pair that is wanted, and for no other."""
        self._ports, self._doors = +self._ports, +self._doors
        wanted = {(door, port) for door in self._doors if door.listen for port in self._ports}
        for pair in set(self._relays) - wanted:
            relay = self._relays.pop(pair)
            if relay is not None:
                relay.close()
        for door, port in wanted - set(self._relays):
            self._relays[door, port] = door.open(port)

    def end(self) -> None:
        """Close everything, because the process ends."""
        with self._lock:
            self._ports.clear()
            self._settle()

    def abandon(self) -> None:
        """In a forked child: all of it is the parent's."""
        relays, self._relays = self._relays, {}
        self._ports, self._doors, self._guests = Counter(), Counter(), Counter()
        self._lock = threading.RLock()
        for relay in relays.values():
            if relay is not None:
                relay.abandon()


def _relay(door: Door, port: int) -> Opening | None:
    """A relay to a port; none where the server listens on all addresses and needs none."""
    from .relay import Relay

    try:
        listener = _listener(door, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _listens_everywhere(port):
            return None
        raise HostPortError(
            f"port {port} cannot be exposed to containers at {door.listen}: {error.strerror}. "
            f"Give the server another port."
        ) from error
    return Relay(listener, port, door.admits)


def _listener(door: Door, port: int) -> socket.socket:
    """A socket that listens at a door, also before its address is one of this machine's."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if door.awaits_bridge:
            listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        listener.bind((door.listen, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _listens_everywhere(port: int) -> bool:
    """Whether somebody has a port on all addresses: then no single one is free."""
    try:
        socket.create_server((ANOTHER_LOOPBACK, port)).close()
    except OSError:
        return True
    return False


host_ports = HostPorts()
atexit.register(host_ports.end)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=host_ports.abandon)
