"""unittest's program with two more options, and the result that it reports to."""

from __future__ import annotations

import argparse
import unittest
from typing import Any

from ..settings import count, count_or_none
from .lookahead import Lookahead
from .plan import turns_of, units_of
from .result import Result

__unittest = True


class Program(unittest.TestProgram):
    """``python -m unittest``, looking ahead.

    Attributes:
        lookahead: for how many classes to start containers ahead of their turn.
        jobs: in how many processes to run classes.
    """

    lookahead = 1
    jobs = 1

    def _getParentArgParser(self) -> argparse.ArgumentParser:
        # There is no public way to an option that -h shows and that "discover" takes, too.
        parser: argparse.ArgumentParser = super()._getParentArgParser()  # type: ignore[misc]
        parser.add_argument(
            "--lookahead", metavar="N", type=_number(count_or_none),
            help="Start the containers of N classes ahead of their turn (1)",
        )  # fmt: skip
        parser.add_argument(
            "-j", "--jobs", metavar="N", type=_number(count),
            help="Run classes in N processes (1)",
        )  # fmt: skip
        return parser

    def parseArgs(self, argv: list[str]) -> None:
        """Read the arguments, and keep them for the processes that read them again."""
        self._argv = argv
        super().parseArgs(argv)

    test: Any

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


def _number(read: Any) -> Any:
    def number(text: str) -> int:
        try:
            return int(read(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None

    return number
