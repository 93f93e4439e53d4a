"""Ports as they are written."""

from __future__ import annotations

import unittest
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tcunit.errors import PortError
from tcunit.ports import PROTOCOLS, Port, host_port

PORTS = st.builds(Port, st.integers(1, 65535), st.sampled_from(PROTOCOLS))


class PortTest(unittest.TestCase):
    """Reading a port of a container."""

    def test_spellings(self) -> None:
        """A number, its text, and a protocol in any case."""
        for text, expected in [
            (80, Port(80)),
            ("80", Port(80, "tcp")),
            ("443/tcp", Port(443)),
            ("53/UDP", Port(53, "udp")),
            ("5000/Sctp", Port(5000, "sctp")),
            ("0080", Port(80)),
            (1, Port(1)),
            (65535, Port(65535)),
            (Port(53, "udp"), Port(53, "udp")),
        ]:
            with self.subTest(text=text):
                self.assertEqual(expected, Port.parse(text))

    @given(PORTS)
    def test_round_trip(self, port: Port) -> None:
        """What a port is printed as is read as the same port, in capitals, too."""
        self.assertEqual([port, port], [Port.parse(str(port)), Port.parse(str(port).upper())])

    @given(st.integers(1, 65535))
    def test_a_number_means_tcp(self, number: int) -> None:
        """A number alone, as int or text, is a TCP port."""
        expected = Port(number, "tcp")
        self.assertEqual([expected, expected], [Port.parse(number), Port.parse(str(number))])

    def test_what_is_no_port(self) -> None:
        """Everything else is refused, with an example of what is right."""
        wrong: list[Any] = [
            "80/xyz", "http", "", "/", "/tcp", "80/", "80/tcp/udp", "80:80", " 80", "80 ", "-1", -1,
            "+80", "8_0", "80.0", 80.0, "0x50", "٨٠", "²", True, False, None, b"80", [80], (80,),
        ]  # fmt: skip
        for text in wrong:
            with self.subTest(text=text):
                with self.assertRaisesRegex(PortError, 'as in 80, "443/tcp" or "53/udp"') as caught:
                    Port.parse(text)
                self.assertIn(repr(text), str(caught.exception))

    def test_numbers_out_of_range(self) -> None:
        """0 and what is beyond 65535 are refused, with the range."""
        for text in (0, "0", "0/udp", 65536, 70000, "70000/tcp", 10**9):
            with self.subTest(text=text):
                with self.assertRaisesRegex(PortError, "from 1 to 65535") as caught:
                    Port.parse(text)
                self.assertIn(repr(text), str(caught.exception))

    def test_ranges(self) -> None:
        """A range is refused with the way to write it."""
        for text in ("8000-8001", "8000-8001/tcp", "1-2/udp"):
            with self.subTest(text=text), self.assertRaisesRegex(PortError, "range.*name each"):
                Port.parse(text)

    @given(st.text())
    def test_any_text_is_a_port_or_an_error(self, text: str) -> None:
        """No text gets through that is not a right port, and no other error comes out."""
        try:
            port = Port.parse(text)
        except PortError:
            return
        self.assertIn(port.number, range(1, 65536))
        self.assertIn(port.protocol, PROTOCOLS)


class HostPortTest(unittest.TestCase):
    """Reading a fixed port of the host."""

    def test_right_ones(self) -> None:
        """A number or its text."""
        for text, expected in [(8080, 8080), ("8080", 8080), (1, 1), ("65535", 65535)]:
            with self.subTest(text=text):
                self.assertEqual(expected, host_port(text))

    def test_wrong_ones(self) -> None:
        """Everything else is refused by name; a protocol belongs to the container's port."""
        wrong: list[Any] = [0, "0", 65536, "70000", -1, "", "http", "80/tcp", True, None, 80.5]
        for text in wrong:
            with self.subTest(text=text):
                with self.assertRaisesRegex(PortError, "from 1 to 65535") as caught:
                    host_port(text)
                self.assertIn(repr(text), str(caught.exception))
