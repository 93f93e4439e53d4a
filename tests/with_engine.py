"""Run a command with an engine and the tests' images: `python tests/with_engine.py COMMAND…`

Owns the command's surroundings: finds or starts an engine, makes the images available, sets the
prefix under which they are found. The rule it keeps: it becomes the command as far as possible,
passing signals on and ending with its exit code, and undoes what it did.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

# A script's own folder is searched for modules, not the one above, where `tests` and `tcunit` are.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

PREFIX_VARIABLE = "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX"
USAGE = "usage: python tests/with_engine.py COMMAND [ARGUMENT…]"
CANNOT = 2


def main(command: list[str]) -> int:
    """Run the command; its exit code, or 2 and one message when it could not be brought to run."""
    if not command:
        print(USAGE, file=sys.stderr)
        return CANNOT
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        return _with_engine(command)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except ImportError as error:
        return _complain(f"{error}; install this package first, with: pip install -e .")


def _with_engine(command: list[str]) -> int:
    from docker.errors import DockerException

    from tests.stand_ins.engine import engine_in_use
    from tests.stand_ins.images import make_available
    from tests.stand_ins.recipes import PREFIX
    from tests.stand_ins.system import Failure

    try:
        with engine_in_use() as (client, in_use):
            make_available(client)
            client.close()
            return _run(command, os.environ | {PREFIX_VARIABLE: PREFIX}, in_use)
    except (Failure, DockerException, OSError) as error:
        return _complain(str(error))


def _run(command: list[str], environment: dict[str, str], in_use: int) -> int:
    """Run the command, which keeps the engine in use even when we are killed."""
    child = subprocess.Popen(command, env=environment, pass_fds=(in_use,))

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT or not _at_terminal():
            child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, pass_on)
    code = child.wait()
    return 128 - code if code < 0 else code


def _at_terminal() -> bool:
    """Whether Ctrl-C comes from a terminal of ours, which then sends it to the command as well."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _complain(message: str) -> int:
    print(f"with_engine: {message}", file=sys.stderr)
    return CANNOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
