"""Waiting for a TCP port, by proof of the service and not of the engine's proxy."""

from __future__ import annotations

import socket

from ..errors import DeclarationError
from ..ports import Port, PortLike
from .base import Probe, ProbeAddress, WaitStrategy, WaitTarget

CONNECT_TIMEOUT = 1.0
PROXY_LINGER = 0.1


class PortWaitStrategy(WaitStrategy):
    """Ready when the service listens on a TCP port.

    A port published on loopback accepts before anything listens behind it, and closes again: the
    engine's proxy does that. So the container's own address is asked where it can be reached; where
    it cannot, a connection must stay open for 0.1 s or bring data.
    """

    def __init__(self, port: PortLike):
        self.port = Port.parse(port)
        if self.port.protocol != "tcp":
            raise DeclarationError(
                f"{self.port}: only a TCP port can be seen to listen; wait for a log line, "
                f"for a command or for the health check instead"
            )

    def begin(self, target: WaitTarget) -> Probe:
        """Ask at the best address from here."""
        return lambda: why_not_listening(target.probe_address(self.port))

    def __str__(self) -> str:
        return f"port {self.port}"


def why_not_listening(address: ProbeAddress, timeout: float = CONNECT_TIMEOUT) -> str | None:
    """Why no service answers at an address; ``None`` if one does."""
    host, port, direct = address
    try:
        with socket.create_connection((host, port), timeout) as connection:
            return None if direct or _stays_open(connection) else _proxy_only(host, port)
    except TimeoutError:
        return f"{host}:{port} did not answer within {timeout:.3g} s"
    except OSError as error:
        return f"{host}:{port}: {error.strerror or error}"


def why_not_answering(host: str, port: int, payload: bytes, timeout: float) -> str | None:
    """Why no UDP service answers a datagram; ``None`` if one does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(timeout)
        try:
            asking.connect((host, port))
            asking.send(payload)
            asking.recv(65535)
        except TimeoutError:
            return f"{host}:{port}/udp sent nothing back within {timeout:.3g} s"
        except OSError as error:
            return f"{host}:{port}/udp: {error.strerror or error}"
    return None


def _stays_open(connection: socket.socket) -> bool:
    connection.settimeout(PROXY_LINGER)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def _proxy_only(host: str, port: int) -> str:
    return f"{host}:{port} is published, but nothing in the container listens yet"
