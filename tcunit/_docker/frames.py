"""What a command in a container prints, as the engine frames it.

The engine puts eight bytes before each piece: the stream (1 is stdout, 2 is stderr), three zeros,
and the length (Engine API, "Attach to a container", stream format). The SDK reads the pieces from
the bare socket and so loses what came together with the answer's header; that is the whole output
of a short command on a busy machine. Here they are read from where the header was read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

HEADER = struct.Struct(">BxxxL")


def pieces(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each piece with its stream, until the end of the source."""
    while len(header := source.read(HEADER.size)) == HEADER.size:
        stream, length = HEADER.unpack(header)
        yield stream, source.read(length)


def source_of(stream: Any) -> BinaryIO:
    """The buffered file behind what the SDK gives for ``socket=True``."""
    source: BinaryIO = stream._response.raw._fp.fp
    return source
