"""The relay, on loopback: whom it serves, how connections end, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import socket
import threading
import unittest
from collections.abc import Callable
from contextlib import closing

from tcunit.relay import Relay
from tests.unit.in_memory import free_port


def relay_threads() -> list[str]:
    """What runs of relays."""
    return [each.name for each in threading.enumerate() if "relay" in each.name]


class Server:
    """Serves one connection after the other on loopback, until it is closed."""

    def __init__(self, serve: Callable[[socket.socket], object], address: str = "127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, args=(serve,))
        self._thread.start()

    def _run(self, serve: Callable[[socket.socket], object]) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    def close(self) -> None:
        """Serve no further ones."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def echo_at_the_end(connection: socket.socket) -> None:
    """Send everything back, when the caller has said that this was all."""
    connection.sendall(received(connection))


def received(connection: socket.socket) -> bytes:
    """All that comes until the end."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def reset(connection: socket.socket) -> None:
    """End a connection as a program does that dies with unread data."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


class RelayTest(unittest.TestCase):
    """Connections through a relay."""

    def relay(self, port: int, admits: Callable[[str], bool] = lambda address: True) -> int:
        """Start one, and return its own port."""
        listener = socket.create_server(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        relay = Relay(listener, port, admits)
        self.addCleanup(lambda: self.assertEqual([], relay_threads()))
        self.addCleanup(relay.close)
        return number

    def server(self, serve: Callable[[socket.socket], object], address: str = "127.0.0.1") -> int:
        server = Server(serve, address)
        self.addCleanup(server.close)
        return server.port

    def call(self, port: int) -> socket.socket:
        return self.enterContext(closing(socket.create_connection(("127.0.0.1", port), 20)))

    def test_both_ways(self) -> None:
        """All bytes come, and the end of one direction leaves the other open."""
        connection = self.call(self.relay(self.server(echo_at_the_end)))
        sent = os.urandom(1 << 20)
        sender = threading.Thread(
            target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR))
        )
        sender.start()
        self.assertEqual(sent, received(connection))
        sender.join()

    def test_ipv6(self) -> None:
        """A server that has the other loopback only is served, too."""
        connection = self.call(self.relay(self.server(echo_at_the_end, "::1")))
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(b"hello", received(connection))

    def test_side_by_side(self) -> None:
        """A connection that is silent holds nobody up."""
        kept: list[socket.socket] = []

        def answer_third(connection: socket.socket) -> None:
            kept.append(self.enterContext(connection.dup()))
            if len(kept) == 3:
                connection.sendall(b"all")

        port = self.relay(self.server(answer_third))
        *_, third = (self.call(port) for _ in range(3))
        self.assertEqual(b"all", third.recv(3))

    def test_who_is_not_admitted(self) -> None:
        """It is reset, and the server hears nothing of it; the log says who it was."""
        asked: list[str] = []
        heard: list[socket.socket] = []
        port = self.relay(self.server(heard.append), lambda address: bool(asked.append(address)))
        with self.assertLogs("tcunit", "WARNING") as logged:
            with self.assertRaises(ConnectionResetError):
                self.call(port).recv(1)
        self.assertEqual(["127.0.0.1"], asked)
        self.assertEqual([], heard)
        self.assertIn("Refused 127.0.0.1", logged.output[0])

    def test_nobody_there(self) -> None:
        """Where nothing listens behind it, a caller is reset and not left waiting."""
        port = self.relay(free_port())
        with self.assertRaises(ConnectionResetError):
            self.call(port).recv(1)

    def test_a_reset_is_passed_on(self) -> None:
        """A server that breaks off is not taken for one that has ended in order."""
        connection = self.call(self.relay(self.server(reset)))
        connection.sendall(b"x")
        with self.assertRaises(ConnectionResetError):
            connection.recv(1)

    def test_close(self) -> None:
        """It ends open connections, its thread, and its port is free again."""
        listener = socket.create_server(("127.0.0.1", 0))
        number = listener.getsockname()[1]
        relay = Relay(listener, self.server(received), lambda address: True)
        connection = self.call(number)
        connection.sendall(b"x")
        relay.close()
        with self.assertRaises(ConnectionResetError):
            connection.recv(1)
        self.assertEqual([], relay_threads())
        socket.create_server(("127.0.0.1", number)).close()

    def test_fork(self) -> None:
        """A child that lets go of it does not hold the port."""
        listener = socket.create_server(("127.0.0.1", 0))
        number = listener.getsockname()[1]
        relay = Relay(listener, free_port(), lambda address: True)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            relay.abandon()
            os.write(writer, b"x")
            os.close(writer)
            signal.pause()
        try:
            os.read(reader, 1)
            relay.close()
            socket.create_server(("127.0.0.1", number)).close()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reader)
            os.close(writer)
