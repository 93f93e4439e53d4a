"""The program that runs the tests: looking ahead, and in several processes if that is asked for."""

from __future__ import annotations

import unittest
from typing import Any

from .arguments import Arguments
from .lookahead import Lookahead
from .plan import turns_of, units_of
from .result import Result

__unittest = True


class Program(Arguments):
    """``python -m unittest``, looking ahead."""

    def runTests(self) -> None:
        """Run the tests in the way that the options ask for."""
        self.testRunner = Runner
        units = units_of(self.test) if self.jobs > 1 else []
        if len(units) > 1:
            from .parallel import ParallelSuite

            self.test = ParallelSuite(units, self._argv, self.jobs, self.lookahead)
        elif self.lookahead:
            self.test = LookingAheadSuite(self.test, self.lookahead)
        super().runTests()


class Runner(unittest.TextTestRunner):
    """unittest's runner, with a result that tells whose turn it is."""

    resultclass: Any = Result


class LookingAheadSuite(unittest.TestSuite):
    """A suite that runs as it would, while the next classes' containers start."""

    def __init__(self, suite: Any, width: int) -> None:
        super().__init__([suite])
        self._width = width

    def run(self, result: unittest.TestResult, debug: bool = False) -> unittest.TestResult:
        """Run it, and remove what was started for classes that did not come."""
        lookahead = Lookahead(self._width, turns_of(self))
        if isinstance(result, Result):
            result.on_start = lookahead.reached
        try:
            return super().run(result, debug)
        finally:
            lookahead.close()
