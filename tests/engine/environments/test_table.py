"""The table of the environments as a whole; rows are checked where they are seen."""

from __future__ import annotations

import itertools
import unittest

from tcunit import ConnectionMode
from tests.engine.environments.report import DOCUMENT, ENVIRONMENTS, HEAD


class TableTest(unittest.TestCase):
    """What no single environment's test can see."""

    def test_environments(self) -> None:
        """The table has every environment, in order, with every mode; nothing else."""
        lines = DOCUMENT.read_text().splitlines()
        start = lines.index(HEAD[0])
        self.assertEqual(list(HEAD), lines[start : start + 2])
        table = itertools.takewhile(lambda line: line.startswith("| "), lines[start + 2 :])
        rows = [line.strip("| ").split(" | ") for line in table]
        actual = [(row[0], row[1].partition(" (")[0].strip("`")) for row in rows]
        expected = [(name, mode.value) for name in ENVIRONMENTS for mode in ConnectionMode]
        self.assertEqual(expected, actual)

    def test_defaults(self) -> None:
        """Every environment has one default."""
        text = DOCUMENT.read_text()
        for name in ENVIRONMENTS:
            with self.subTest(name=name):
                rows = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
                self.assertEqual(1, sum("(default)" in row for row in rows))
