"""Runs a command, and ends it with all its children when whoever asked for it is no more.

It is run as a file by an isolated interpreter, in a process group of its own. Its standard input is
a pipe from the test process: one line that says what to run, and an end that says that the process
is dead or wants the command no more. Whatever a killed test process had asked Compose for, nothing
of it is created from then on.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    """Run the command that the first line says, and end with its exit code."""
    order = json.loads(sys.stdin.buffer.readline())
    child = subprocess.Popen(order["command"], stdin=subprocess.PIPE)
    threading.Thread(target=end_with_it, args=(child,), daemon=True).start()
    with contextlib.suppress(OSError):  # it may end without reading
        child.communicate(order["input"].encode())
    os._exit(child.wait())


def end_with_it(child: subprocess.Popen[bytes]) -> None:
    """Wait for the end of the pipe, then kill the whole group, this process included."""
    sys.stdin.buffer.read()
    if sys.platform == "win32":
        child.kill()
    else:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
