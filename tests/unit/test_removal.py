"""Removals in the background: when they begin, and what becomes of their errors."""

from __future__ import annotations

import contextlib
import io
import threading
import unittest
from unittest import mock

from tcunit.errors import CleanupError
from tcunit.lifecycle import removal
from tcunit.lifecycle.removal import Removals

PATIENCE = 20.0


def fail() -> None:
    """A removal that does not succeed."""
    raise CleanupError("it stays")


class RemovalsTest(unittest.TestCase):
    """What is handed over is done later, and all of it."""

    def setUp(self) -> None:
        self.removals = Removals()
        self.done: list[str] = []

    def test_in_order(self) -> None:
        """All is removed in the order it came, also what came while another one was removed."""
        begun, go_on = threading.Event(), threading.Event()
        self.removals.take("A", lambda: (begun.set(), go_on.wait(PATIENCE), self.done.append("A")))
        self.assertTrue(begun.wait(PATIENCE))
        self.removals.take("B", lambda: self.done.append("B"))
        go_on.set()
        self.removals.finish()
        self.assertEqual(["A", "B"], self.done)

    def test_nothing(self) -> None:
        """To finish what was never begun returns at once."""
        self.removals.finish()
        self.removals.complain()

    def test_gives_way(self) -> None:
        """While something starts nothing is removed; when it has started, it is."""
        removed = threading.Event()
        with self.removals.giving_way():
            self.removals.take("A", removed.set)
            self.assertFalse(removed.wait(5 * removal.LULL))
        self.assertTrue(removed.wait(PATIENCE))

    def test_a_start_that_hangs(self) -> None:
        """It is given way for a limited time."""
        removed = threading.Event()
        with mock.patch.object(removal, "LONGEST_START", 0.01), self.removals.giving_way():
            self.removals.take("A", removed.set)
            self.assertTrue(removed.wait(PATIENCE))

    def test_urgent(self) -> None:
        """Who needs the place does not wait for starts, of which its own may be one."""
        with self.removals.giving_way():
            self.removals.take("A", lambda: self.done.append("A"))
            self.removals.finish()
        self.assertEqual(["A"], self.done)

    def test_errors(self) -> None:
        """What went wrong is told once, with the class it belongs to, and the rest is removed."""
        self.removals.take("A", fail)
        self.removals.take("B", lambda: self.done.append("B"))
        self.removals.finish(complain=False)
        with self.assertRaisesRegex(CleanupError, "what A had started: it stays"):
            self.removals.complain()
        self.removals.complain()
        self.assertEqual(["B"], self.done)

    def test_errors_that_nobody_heard(self) -> None:
        """At exit they are written where a person reads them."""
        self.removals.take("A", fail)
        self.removals.finish(complain=False)
        with contextlib.redirect_stderr(io.StringIO()) as told:
            self.removals.tell()
        self.assertEqual("tcunit: what A had started: it stays\n", told.getvalue())

    def test_a_thread_that_is_waited_for(self) -> None:
        """The interpreter does not end before it."""
        go_on = threading.Event()
        self.removals.take("A", lambda: go_on.wait(PATIENCE))
        thread = self.removals._thread
        assert thread is not None
        self.assertFalse(thread.daemon)
        go_on.set()
        self.removals.finish()
        thread.join(PATIENCE)
        self.assertFalse(thread.is_alive())
