"""The command line: ``python -m tcunit COMMAND``. Each command is a module with ``add`` here.

A command prints what it found or did, and its exit code says whether all of that went well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..errors import TcunitError
from . import clean, doctor, ps, run, timings

COMMANDS = (run, ps, clean, doctor, timings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code, 2 where it could not be run."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == [run.NAME]:  # unittest reads the rest itself
        return run.main(words[1:])
    parser = argparse.ArgumentParser("python -m tcunit", description="Containers for unittest.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(words)
    try:
        return int(options.run(options))
    except TcunitError as error:
        print(error, file=sys.stderr)
        return 2
