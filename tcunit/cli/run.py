"""``run``: what ``python -m unittest`` does, with the next class's containers started meanwhile.

The arguments are unittest's, which reads them itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

NAME = "run"


def add(commands: Any) -> None:
    """Have the command listed among the others."""
    what = "run tests, with the arguments of python -m unittest"
    commands.add_parser(NAME, help=what, add_help=False)


def main(arguments: Sequence[str]) -> int:
    """Run tests; ends the interpreter as unittest does, with its exit code."""
    from ..runner.program import Program

    executable = os.path.basename(sys.executable)
    Program(module=None, argv=[f"{executable} -m tcunit run", *arguments])
    return 0
