"""The ledger's last clean-up, where an engine does not matter."""

from __future__ import annotations

import contextlib
import io
import os
import unittest
from unittest import mock

from tcunit.lifecycle.ledger import CONTAINER, NETWORK, Entry, Ledger


class Leaving(Entry):
    """One that only says what becomes of it."""

    def remove(self) -> None:
        """Do what is to be done before, and nothing else."""
        self.take_leave()


def fail() -> None:
    """An error that nobody has foreseen."""
    raise ValueError("no tea")


class ClearTest(unittest.TestCase):
    """What is left when the process ends."""

    def test_errors(self) -> None:
        """One that cannot be removed is told, whatever the reason; the rest is removed."""
        kept = [Leaving(mock.sentinel.engine, CONTAINER, "one") for _ in range(2)]
        for each in kept:
            each.before_removal = fail
        gone = Leaving(mock.sentinel.engine, NETWORK, "two")
        ledger = Ledger(dict.fromkeys([gone, *kept]), _pid=os.getpid())
        with contextlib.redirect_stderr(io.StringIO()) as said:
            ledger.clear()
        self.assertEqual(kept[::-1], ledger.remaining())
        expected = "tcunit: container one is left behind: no tea\n" * 2
        self.assertEqual(expected, said.getvalue())


if __name__ == "__main__":
    unittest.main()
