"""Ports as Docker writes them: ``80``, ``"443/tcp"``, ``"53/udp"``.

A :class:`Port` that exists is a right one: the check is made where the text is read.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import PortError

PROTOCOLS = ("tcp", "udp", "sctp")
_RANGE = r"\d+-\d+(/\w+)?"


class Port(NamedTuple):
    """A port of a container: a number from 1 to 65535 and a protocol."""

    number: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"

    @classmethod
    def parse(cls, text: PortLike) -> Port:
        """Read ``80``, ``"80"`` or ``"53/udp"``.

        Raises:
            PortError: not a port, or a range of ports.
        """
        if isinstance(text, Port):
            return text
        if isinstance(text, bool) or not isinstance(text, int | str):
            raise _wrong(text)
        if re.fullmatch(_RANGE, str(text)):
            raise PortError(
                f"{text!r} is a range of ports: a random host port is chosen for each port alone, "
                f"so name each port, as in with_exposed_ports(8000, 8001)"
            )
        number, _, protocol = str(text).partition("/")
        protocol = protocol.lower() if "/" in str(text) else "tcp"
        if not (number.isascii() and number.isdecimal()) or protocol not in PROTOCOLS:
            raise _wrong(text)
        return cls(_in_range(int(number), text), protocol)


PortLike = int | str | Port


def host_port(number: int | str) -> int:
    """Check the number of a fixed port of the host (1 to 65535)."""
    if isinstance(number, bool) or not str(number).isdecimal():
        raise PortError(f"{number!r} is no port of the host: give a number from 1 to 65535")
    return _in_range(int(number), number)


def _in_range(number: int, text: object) -> int:
    if not 1 <= number <= 65535:
        raise PortError(f"{text!r} is no port: the number must be from 1 to 65535")
    return number


def _wrong(text: object) -> PortError:
    return PortError(
        f"{text!r} is no port: write a number from 1 to 65535, with a protocol "
        f'({", ".join(PROTOCOLS)}) if it is not tcp, as in 80, "443/tcp" or "53/udp"'
    )
