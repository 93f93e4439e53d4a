"""Several jobs at once."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import unittest
from unittest import mock

from tcunit.jobs import side_by_side


class SideBySideTest(unittest.TestCase):
    """All jobs are done, and all errors are had."""

    def test_at_once(self) -> None:
        """All of them run at the same time, whatever becomes of the others."""
        both = threading.Barrier(2, timeout=20)

        def job() -> None:
            both.wait()
            raise ValueError("so")

        self.assertEqual(["so", "so"], [str(each) for each in side_by_side([job, job])])
        self.assertEqual([], side_by_side([]))

    def test_width(self) -> None:
        """No more than so many at a time; all are done in the end."""
        pair, done = threading.Barrier(2, timeout=20), list[int]()
        lock, running = threading.Lock(), list[int]()

        def job() -> None:
            with lock:
                running.append(1)
                done.append(len(running))
            pair.wait()  # each needs another one
            with lock:
                running.pop()

        self.assertEqual([], side_by_side([job] * 6, 2))
        self.assertEqual(6, len(done))
        self.assertEqual(2, max(done))

    def test_no_threads(self) -> None:
        """Where no thread can be had, as at the end of a Python 3.12, all jobs are done here."""
        done = list[int]()
        jobs = [functools.partial(done.append, number) for number in range(3)]
        with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("no thread")):
            self.assertEqual([], side_by_side(jobs))
        self.assertEqual([0, 1, 2], done)

    def test_at_exit(self) -> None:
        """All are done when the interpreter ends, with any Python."""
        script = (
            "import atexit; from tcunit.jobs import side_by_side\n"
            "done = []; jobs = [lambda: done.append(1)] * 3\n"
            "atexit.register(lambda: print(side_by_side(jobs), len(done)))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        self.assertEqual(("[] 3\n", ""), (done.stdout, done.stderr))

    def test_what_ends_the_process(self) -> None:
        """An error that no job is expected to have is not kept."""

        def job() -> None:
            raise KeyboardInterrupt

        self.assertRaises(KeyboardInterrupt, side_by_side, [job])


if __name__ == "__main__":
    unittest.main()
