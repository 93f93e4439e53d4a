"""The command line: ``python -m tcunit COMMAND``. Each command is a module with ``add`` here.

A command prints what it found or did, and its exit code says whether all of that went well.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ..errors import TcunitError
from . import clean, doctor, ps, run, timings

COMMANDS = (run, ps, clean, doctor, timings)
NOBODY_READS = 141  # what a shell makes of SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code, 2 where it could not be run.

    It ends without a word where nobody reads on, as in ``doctor | grep -q ^problem``.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == [run.NAME]:  # unittest reads the rest itself
        return run.main(words[1:])
    parser = argparse.ArgumentParser("python -m tcunit", description="Containers for unittest.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(words)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except TcunitError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # What is still to be written at the interpreter's end must find a place.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
