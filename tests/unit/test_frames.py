"""Output of a command, in the engine's frames."""

from __future__ import annotations

import io
import unittest

from hypothesis import given
from hypothesis import strategies as st

from tcunit._docker.frames import HEADER, pieces


class FramesTest(unittest.TestCase):
    """What was framed is read back, whatever it is."""

    @given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1))))
    def test_round_trip(self, sent: list[tuple[int, bytes]]) -> None:
        """Each piece comes back with its stream, in order."""
        framed = b"".join(HEADER.pack(stream, len(text)) + text for stream, text in sent)
        self.assertEqual(sent, list(pieces(io.BytesIO(framed))))

    def test_cut_off(self) -> None:
        """What is cut off in a header ends there; a piece that is cut off is given."""
        self.assertEqual([], list(pieces(io.BytesIO(b"\x01\x00\x00"))))
        self.assertEqual([(1, b"ab")], list(pieces(io.BytesIO(HEADER.pack(1, 5) + b"ab"))))
