"""The benchmarks run: each in its smallest size, so that none of them rots; no time is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.__main__ import NAMES
from benchmarks.common import FLOOR, TCUNIT, Row, markdown, row

from .helpers import ROOT

LIMIT = 300  # seconds; far more than any of them takes


def small(name: str) -> list[dict[str, Any]]:
    """What a benchmark measures in its smallest size."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--small", "--json"],
        cwd=ROOT, env={**os.environ, "TCUNIT_REAPERS": "guard"}, timeout=LIMIT,
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


class BenchmarksTest(unittest.TestCase):
    """Each measures something of tcunit, and of the floor where there is one."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        pool = cls.enterClassContext(ThreadPoolExecutor(3))  # no time is judged
        cls.found = {name: pool.submit(small, name) for name in NAMES}

    def assert_measures(self, name: str, *others: str) -> None:
        for each in self.found[name].result():
            for contender in (TCUNIT, *others):
                self.assertGreaterEqual(each["values"][contender], 0, each)

    def test_cold_class(self) -> None:
        self.assert_measures("cold_class", FLOOR)

    def test_application(self) -> None:
        self.assert_measures("application", FLOOR)

    def test_suite(self) -> None:
        self.assert_measures("suite")

    def test_tear_down(self) -> None:
        self.assert_measures("tear_down", FLOOR)

    def test_waits(self) -> None:
        self.assert_measures("waits")

    def test_imports(self) -> None:
        found = self.found["imports"].result()
        self.assertEqual(2, len(found))
        for each in found:  # differences, which may be below 0 where the machine is busy
            self.assertEqual({TCUNIT, "import docker"}, set(each["values"]))

    def test_round_trips(self) -> None:
        self.assert_measures("round_trips", FLOOR)

    def test_many(self) -> None:
        self.assert_measures("many", FLOOR)

    def test_width(self) -> None:
        self.assert_measures("width")

    def test_all_are_tried(self) -> None:
        """Every benchmark of the table has a test here."""
        self.assertEqual([], [name for name in NAMES if not hasattr(self, f"test_{name}")])


class TableTest(unittest.TestCase):
    """The table says what was measured, what was aimed for, and whether that was met."""

    def test_ratio_is_of_pairs(self) -> None:
        """The ratio is the median of the rounds' own, which a slow round does not move."""
        found = {TCUNIT: [2.0, 30.0, 2.2], FLOOR: [2.0, 30.0, 2.0]}
        runs = {name: [{"ready": each} for each in values] for name, values in found.items()}
        made = row("a class", runs, "ready", {FLOOR: 1.05})
        self.assertEqual({FLOOR: 1.0}, made.ratios)
        self.assertEqual({TCUNIT: 2.2, FLOOR: 2.0}, made.values)

    def test_verdicts(self) -> None:
        """An aim that is missed is marked."""
        met = Row("a", {TCUNIT: 1.0, FLOOR: 1.0}, {FLOOR: 1.0}, {FLOOR: 1.05})
        missed = Row("b", {TCUNIT: 0.02, FLOOR: 0.01}, {FLOOR: 2.0}, {FLOOR: 1.05}, most=0.01)
        lines = markdown([met, missed]).splitlines()
        self.assertEqual("| a | 1.00 s | 1.00 s | 1.00 (✓ ≤ 1.05) |", lines[2])
        self.assertEqual("| b | 20 ms (✗ ≤ 10 ms) | 10 ms | 2.00 (✗ ≤ 1.05) |", lines[3])


if __name__ == "__main__":
    unittest.main()
