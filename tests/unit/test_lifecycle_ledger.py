"""The ledger's last clean-up, where an engine does not matter."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
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


ENDING = """
import atexit, os, signal, time
from unittest import mock
from tcunit.lifecycle.ledger import CONTAINER, NETWORK, Entry, ledger

sent = []

class Leaving(Entry):
    def remove(self):
        if self.kind == CONTAINER:
            sent.append(self.name)
            # Two that come at once are one.
            while sent[0] != self.name and signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGTERM)
        print(self.name, flush=True)

entries = [Leaving(mock.sentinel.engine, NETWORK, "net")]
entries += [Leaving(mock.sentinel.engine, CONTAINER, name) for name in ("one", "two")[:{count}]]
ledger._entries, ledger._pid = dict.fromkeys(entries), os.getpid()
ledger.expect_signals()
atexit.register(ledger.clear)
"""

FORKING = """
import os, signal, time
os.register_at_fork(before=lambda: os.kill(os.getpid(), signal.SIGTERM))  # the first comes last
from tcunit.lifecycle.ledger import Terminated, ledger
ledger.expect_signals()
try:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(20)
    print("lost")
except Terminated:
    print("terminated")
"""

HELD = """
import os, signal
here = lambda: print(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []), flush=True)
os.register_at_fork(before=here)  # the first comes last
from tcunit.lifecycle.ledger import ledger
for handler in (signal.SIG_DFL, lambda number, frame: None):
    signal.signal(signal.SIGTERM, handler)
    ledger.expect_signals()
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    here()
"""


class SigtermTest(unittest.TestCase):
    """When SIGTERM comes at a bad time."""

    def ended(self, script: str) -> tuple[int, str, str]:
        """How a process ended, and what it said."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def test_while_the_process_ends(self) -> None:
        """All is removed: it ends already."""
        self.assertEqual((0, "one\nnet\n", ""), self.ended(ENDING.format(count=1)))

    def test_twice_while_the_process_ends(self) -> None:
        """The second one ends it at once."""
        code, said, _ = self.ended(ENDING.format(count=2))
        self.assertEqual(-signal.SIGTERM, code)
        self.assertNotIn("net", said)

    @unittest.skipUnless(hasattr(os, "fork"), "there are no forks here")
    def test_while_it_forks(self) -> None:
        """It comes when the fork is done."""
        self.assertEqual((0, "terminated\n", ""), self.ended(FORKING))

    @unittest.skipUnless(hasattr(os, "fork"), "there are no forks here")
    def test_handler_of_others(self) -> None:
        """Theirs is called at once, where what it raises is not lost; only ours waits."""
        self.assertEqual((0, "True\nFalse\nFalse\nFalse\n", ""), self.ended(HELD))


if __name__ == "__main__":
    unittest.main()
