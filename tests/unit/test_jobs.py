"""Several jobs at once."""

from __future__ import annotations

import threading
import unittest

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

    def test_what_ends_the_process(self) -> None:
        """An error that no job is expected to have is not kept."""

        def job() -> None:
            raise KeyboardInterrupt

        self.assertRaises(KeyboardInterrupt, side_by_side, [job])


if __name__ == "__main__":
    unittest.main()
