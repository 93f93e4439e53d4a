"""A tunnel: what comes to ports of a machine far away goes on to ports of loopback here, by SSH.

The far side's server is known by its host key, and we to it by a key that lives as long as this
process. A connection that is lost is made anew, with all that was forwarded; where that cannot be,
who asks for more is told.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import paramiko
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .connection import Endpoint
from .errors import HostPortError
from .log import debug, warn
from .relay import CHUNK, LOOPBACK

USER = "root"  # who alone may listen on ports below 1024
ATTEMPT_TIMEOUT = 20.0
PAUSE = 0.05
SILENCE = 15  # seconds after which the other side is asked whether it is still there
TRIES = 3  # how often it is asked
BANNER = b"SSH-"

# What the library says of a connection's end is told here in other words.
LIBRARY_LOG = "tcunit.paramiko"
logging.getLogger(LIBRARY_LOG).propagate = False
logging.getLogger(LIBRARY_LOG).addHandler(logging.NullHandler())


class Keys:
    """The two key pairs of a tunnel: ours and the server's, made for it alone."""

    def __init__(self) -> None:
        self.own: Any = paramiko.ECDSAKey.generate()
        self.host: Any = paramiko.ECDSAKey.generate()

    def authorized(self, options: str) -> bytes:
        """The line of ``authorized_keys`` that admits us."""
        return f"{options} {self.own.get_name()} {self.own.get_base64()}\n".encode()

    def of_host(self) -> bytes:
        """The server's private key, as it reads it."""
        written: bytes = self.host.signing_key.private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
        )
        return written


class Tunnel:
    """A connection to an SSH server, and the ports there that lead here.

    Args:
        where: says where the server is now; raises HostPortError where there is none any more.
        what: how messages call it.
        limit: how many seconds it may take to connect.
    """

    def __init__(self, keys: Keys, where: Callable[[], Endpoint], what: str, limit: float) -> None:
        self._keys, self._where, self._what, self._limit = keys, where, what, limit
        self._forwards: dict[tuple[str, int], Forward] = {}
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._transport: Any = None
        self._endpoint: Endpoint | None = None
        self.is_lost = False

    def open(self) -> None:
        """Connect, and stay connected from now on.

        Raises:
            HostPortError: the server does not answer, or is not ours.
        """
        with self._lock:
            self._connect()
        threading.Thread(target=self._watch, name="tcunit-tunnel", daemon=True).start()

    def forward(self, address: str, port: int, admits: Callable[[str], bool]) -> Forward:
        """Have a port of an address of the far side lead to the same port of loopback here.

        Args:
            admits: says whether a caller's address is one to serve; may take its time.

        Raises:
            HostPortError: the server cannot listen there, or the connection is lost for good.
        """
        with self._lock:
            if self.is_lost or self._transport is None:
                raise HostPortError(f"port {port} cannot be exposed: {self._what} was lost")
            forward = self._forwards[address, port] = Forward(self, address, port, admits)
            try:
                self._listen(forward)
            except paramiko.SSHException as error:
                del self._forwards[address, port]
                raise HostPortError(
                    f"port {port} cannot be exposed to containers at {address} by {self._what}: "
                    f"{error}. Give the server another port."
                ) from error
            return forward

    def unlist(self, forward: Forward) -> None:
        """Listen there no more."""
        with self._lock, contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            self._forwards.pop(forward.place, None)
            if self._transport is not None and self._transport.is_active():
                # The library's own way to do this would end the others' handler, too.
                self._transport.global_request("cancel-tcpip-forward", forward.place, wait=True)

    def follow(self) -> None:
        """Connect again if the server is elsewhere now."""
        with self._lock:
            if self._where() != self._endpoint:
                self._connect()

    def close(self) -> None:
        """End the connection and all that goes by it."""
        self._ending.set()
        with self._lock:
            for forward in list(self._forwards.values()):
                forward.end()
            self._forwards.clear()
            if self._transport is not None:
                self._transport.close()
                self._transport.join(ATTEMPT_TIMEOUT)

    def abandon(self) -> None:
        """In a forked child: close its copies of sockets, and say nothing on them."""
        for forward in self._forwards.values():
            forward.abandon()
        if self._transport is not None:
            with contextlib.suppress(OSError):
                os.close(self._transport.sock.detach())

    # -- the connection -----------------------------------------------------------------------

    def _connect(self) -> None:
        """Connect until it works, and have the server listen again wherever it did."""
        deadline = time.monotonic() + self._limit
        while not self._ending.is_set():
            if self._transport is not None:
                self._transport.close()
            endpoint = self._where()
            try:
                self._transport = self._connected(endpoint)
                for forward in self._forwards.values():
                    self._listen(forward)
            except (OSError, EOFError, paramiko.SSHException) as error:
                if time.monotonic() > deadline:
                    raise HostPortError(
                        f"{self._what} could not be reached at {endpoint} within "
                        f"{self._limit:g} s: {error}"
                    ) from error
                self._ending.wait(PAUSE)
            else:
                self._endpoint = endpoint
                return

    def _connected(self, endpoint: Endpoint) -> Any:
        """A connection on which each side has proven who it is."""
        connection = _reached(endpoint)
        transport: Any = paramiko.Transport(connection)
        transport.set_log_channel(LIBRARY_LOG)
        try:
            transport.start_client(timeout=ATTEMPT_TIMEOUT)
            if transport.get_remote_server_key().asbytes() != self._keys.host.asbytes():
                raise HostPortError(
                    f"what answers at {endpoint} is not {self._what}: its host key is another. "
                    f"Does the address lead to the engine's machine?"
                )
            transport.auth_publickey(USER, self._keys.own)
        except BaseException:
            transport.close()
            raise
        transport.set_keepalive(SILENCE)
        return transport

    def _listen(self, forward: Forward) -> None:
        self._transport.request_port_forward(*forward.place, self._take)

    def _take(self, channel: Any, caller: tuple[str, int], place: tuple[str, int]) -> None:
        """Serve a connection in a thread of its own: the library's own must not wait."""
        forward = self._forwards.get(place)
        if forward is None:
            channel.close()
        else:
            forward.serve(channel, caller[0])

    def _watch(self) -> None:
        """Connect again whenever the connection is lost."""
        while True:
            self._transport.join()
            with self._lock:
                if self._ending.is_set():
                    return
                if self._transport.is_active():
                    continue  # it was replaced
                debug("%s was lost, and is connected again.", self._what)
                try:
                    self._connect()
                except Exception as error:  # the interpreter may be ending
                    self.is_lost = True
                    if not self._ending.is_set():
                        warn("%s was lost: %s. Containers reach no port of this process by it.",
                             self._what, str(error).rstrip("."))  # fmt: skip
                    return


def _reached(endpoint: Endpoint) -> socket.socket:
    """A connection to a server that speaks SSH; the engine's proxy accepts before it does."""
    connection = socket.create_connection(endpoint, ATTEMPT_TIMEOUT)
    try:
        if connection.recv(len(BANNER), socket.MSG_PEEK) != BANNER:
            raise ConnectionError("no SSH server answered")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in (
            ("TCP_KEEPIDLE", SILENCE), ("TCP_KEEPINTVL", SILENCE), ("TCP_KEEPCNT", TRIES),
            ("TCP_USER_TIMEOUT", SILENCE * TRIES * 1000),
        ):  # fmt: skip
            if hasattr(socket, name):  # not every system has each
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except BaseException:
        connection.close()
        raise
    return connection


class Forward:
    """A port of the far side that leads to the same port here, and its connections."""

    def __init__(
        self, tunnel: Tunnel, address: str, port: int, admits: Callable[[str], bool]
    ) -> None:
        self.place = address, port
        self._tunnel, self._admits = tunnel, admits
        self._calls: set[Call] = set()
        self._lock = threading.Lock()
        self._has_ended = False

    def close(self) -> None:
        """Listen no more, and end all connections."""
        self._tunnel.unlist(self)
        self.end()

    def end(self) -> None:
        """End all connections."""
        with self._lock:
            self._has_ended, calls = True, list(self._calls)
        for call in calls:
            call.break_off()
        for call in calls:
            call.join()

    def abandon(self) -> None:
        """In a forked child: let go of the copies of sockets."""
        for call in self._calls:
            call.abandon()

    def serve(self, channel: Any, caller: str) -> None:
        """Serve a connection, in a thread."""
        call = Call(self, channel, caller)
        with self._lock:
            if self._has_ended:
                channel.close()
                return
            call.start()
            self._calls.add(call)

    def admits(self, caller: str) -> bool:
        """Whether a caller is one to serve; says so if it is not."""
        admitted = self._admits(caller)
        if not admitted:
            warn("Refused %s, which is no container of ours, a port.", caller)
        return admitted

    def ended(self, call: Call) -> None:
        """A connection is over."""
        with self._lock:
            self._calls.discard(call)


class Call(threading.Thread):
    """One connection that came by a tunnel."""

    def __init__(self, forward: Forward, channel: Any, caller: str) -> None:
        super().__init__(name="tcunit-tunnel-call", daemon=True)
        self._forward, self._channel, self._caller = forward, channel, caller
        self._server: socket.socket | None = None
        self._is_broken_off = False

    def run(self) -> None:
        """Pass on in both directions until both have ended, or one breaks."""
        try:
            if self._forward.admits(self._caller):
                self._server = _server(self._forward.place[1])
            if self._server is not None:
                with self._server:
                    if not self._is_broken_off:
                        self._pass_on(self._server)
        finally:
            self._channel.close()
            self._forward.ended(self)

    def break_off(self) -> None:
        """End it at once."""
        self._is_broken_off = True
        self._channel.close()
        if self._server is not None:
            with contextlib.suppress(OSError):  # it is over
                self._server.shutdown(socket.SHUT_RDWR)

    def abandon(self) -> None:
        """In a forked child: let go of the copy of its socket."""
        if self._server is not None:
            with contextlib.suppress(OSError):
                os.close(self._server.detach())

    def _pass_on(self, server: socket.socket) -> None:
        back = threading.Thread(target=self._pump, args=(server, self._channel), daemon=True)
        back.start()
        self._pump(self._channel, server)
        back.join()

    def _pump(self, source: Any, sink: Any) -> None:
        try:
            while chunk := source.recv(CHUNK):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.break_off()


def _server(port: int) -> socket.socket | None:
    """A connection to a port of this machine, by either loopback."""
    for _, host in LOOPBACK:
        with contextlib.suppress(OSError):
            return socket.create_connection((host, port))
    return None
