"""unittest's program with two more options; each process of a run reads the same arguments."""

from __future__ import annotations

import argparse
import unittest
from typing import Any

from ..settings import count, count_or_none

__unittest = True


class Arguments(unittest.TestProgram):
    """What ``python -m unittest`` understands, and how to look ahead and in how many processes.

    Attributes:
        lookahead: for how many classes to start containers ahead of their turn.
        jobs: in how many processes to run classes.
    """

    lookahead = 1
    jobs = 1
    test: Any

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


def _number(read: Any) -> Any:
    def number(text: str) -> int:
        try:
            return int(read(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None

    return number
