"""Waiting for a port, by proof of the service and not of a proxy."""

from __future__ import annotations

import socket
import struct
import threading
import unittest
from typing import Any

from tcunit import wait
from tcunit.errors import ContainerDied, DeclarationError, PortError
from tcunit.ports import Port
from tcunit.wait import wait_until_ready
from tcunit.wait.base import ProbeAddress
from tcunit.wait.port import why_not_listening

from .in_memory import ENDED, RUNS, Target, free_port, listening


class PortTest(unittest.TestCase):
    """Real sockets on loopback."""

    def setUp(self) -> None:
        self.server = self.enterContext(listening())
        self.host, self.port = self.server.getsockname()

    def accept(self, *greetings: bytes | None) -> threading.Thread:
        """Accept a connection for each greeting and close it then; ``None`` resets it."""

        def work() -> None:
            for greeting in greetings:
                connection, _ = self.server.accept()
                with connection:
                    if greeting is None:
                        now = struct.pack("ii", 1, 0)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                    else:
                        connection.sendall(greeting)

        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)
        return thread

    def test_it_listens(self) -> None:
        """A connection to the container itself is proof."""
        self.assertIsNone(why_not_listening(ProbeAddress(self.host, self.port, direct=True)))

    def test_it_listens_behind_a_proxy(self) -> None:
        """Through a proxy a connection that stays open is proof."""
        self.assertIsNone(why_not_listening(ProbeAddress(self.host, self.port, direct=False)))

    def test_it_speaks_first(self) -> None:
        """Data is proof, even if the connection is closed after it."""
        self.accept(b"220 ready\r\n")
        self.assertIsNone(why_not_listening(ProbeAddress(self.host, self.port, direct=False)))

    def test_only_the_proxy_listens(self) -> None:
        """What accepts and closes at once is the engine's proxy and no service."""
        self.accept(b"")
        expected = f"{self.host}:{self.port} is published, but nothing in the container listens yet"
        address = ProbeAddress(self.host, self.port, direct=False)
        self.assertEqual(expected, why_not_listening(address))

    def test_a_proxy_that_resets(self) -> None:
        """A reset is no service either, whether it comes during the connect or after it."""
        self.accept(None)
        reason = why_not_listening(ProbeAddress(self.host, self.port, direct=False)) or ""
        self.assertRegex(reason, rf"^{self.host}:{self.port}(: .*reset| is published, but nothing)")

    def test_a_service_that_closes_at_once(self) -> None:
        """At the container's own address there is no proxy, so an accepted connection is proof."""
        self.accept(b"")
        self.assertIsNone(why_not_listening(ProbeAddress(self.host, self.port, direct=True)))

    def test_nothing_listens(self) -> None:
        """A refusal is the reason, with the address."""
        port = free_port()
        for direct in (True, False):
            reason = why_not_listening(ProbeAddress("127.0.0.1", port, direct)) or ""
            self.assertEqual(f"127.0.0.1:{port}: Connection refused", reason)

    def test_no_answer_in_time(self) -> None:
        """A server whose queue is full does not answer, and the reason has the limit."""
        self.server.listen(0)
        first = self.enterContext(socket.create_connection((self.host, self.port)))
        self.assertIsNotNone(first)
        address = ProbeAddress(self.host, self.port, direct=True)
        reasons = [why_not_listening(address, timeout=0.02) for _ in range(3)]
        self.assertEqual(f"{self.host}:{self.port} did not answer within 0.02 s", reasons[-1])

    def test_the_wait_goes_on_until_the_service_listens(self) -> None:
        """The proxy's connections are passed over; the service's is taken."""
        self.accept(b"", None, b"hello")
        target = Target(address=ProbeAddress(self.host, self.port, direct=False))
        wait_until_ready(target, wait.for_port("5432/tcp"), 60)
        self.assertEqual([Port(5432)] * 3, target.asked_for)

    def test_the_address_is_asked_for_each_time(self) -> None:
        """A mapping that changes meanwhile is followed."""
        target = Target(address=ProbeAddress("127.0.0.1", free_port(), direct=True))
        ask = wait.for_port(80).begin(target)
        self.assertIsNotNone(ask())
        target.address = ProbeAddress(self.host, self.port, direct=True)
        self.assertIsNone(ask())

    def test_died(self) -> None:
        """A container that ended before it listened is no matter of patience."""
        address = ProbeAddress("127.0.0.1", free_port(), direct=True)
        target = Target(address=address, states=[RUNS, ENDED])
        with self.assertRaisesRegex(ContainerDied, "while waiting for port 80/tcp"):
            wait_until_ready(target, wait.for_port(80), 60)


class WrongPortTest(unittest.TestCase):
    """Ports that cannot be waited for."""

    def test_other_protocols(self) -> None:
        """Nobody can see a UDP port listen; the error says what to wait for instead."""
        for port in ("53/udp", "9/sctp", Port(53, "udp")):
            with self.assertRaisesRegex(DeclarationError, "only a TCP port.*log line"):
                wait.for_port(port)

    def test_no_ports(self) -> None:
        """What is no port is refused at once."""
        wrong: list[Any] = [0, "http", None]
        for port in wrong:
            with self.subTest(port=port), self.assertRaises(PortError):
                wait.for_port(port)
