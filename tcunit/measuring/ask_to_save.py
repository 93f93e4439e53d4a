"""Runs in the container before it is stopped: asks every measured process to save its data.

The exit code is 0 if the container's first process listens to the signal that it is stopped by, and
3 if it does not, so that there is no use in waiting for it. Like ``in_container``, it stands alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
SAVE = 60
PATIENCE = 5.0  # how long all of them together may take, in seconds
DEAF = 3


def main(stop_signal: str) -> int:
    """Ask, and wait for the answers."""
    asked = [pid for pid in _signed_up() if catches(pid, SAVE) and _ask(pid)]
    deadline = time.monotonic() + PATIENCE
    while any(_is_awaited(pid) for pid in asked) and time.monotonic() < deadline:
        time.sleep(0.01)
    return 0 if _listens(1, _number(stop_signal)) else DEAF


def _signed_up() -> list[int]:
    return [int(name[8:]) for name in os.listdir(DATA) if name.startswith("process-")]


def _number(name: str) -> int:
    if name.isdecimal():
        return int(name)
    plain = name if name.startswith("SIG") else "SIG" + name
    return int(getattr(signal, plain, signal.SIGTERM))


def catches(pid: int, number: int) -> bool:
    """Whether a process runs and has a handler for a signal, which would end it otherwise."""
    return _has(pid, number, "SigCgt:")


def _listens(pid: int, number: int) -> bool:
    """Whether a signal reaches a process: by a handler, or blocked and taken, as ``init`` does."""
    return _has(pid, number, "SigCgt:", "SigBlk:")


def _has(pid: int, number: int, *masks: str) -> bool:
    try:
        with open(f"/proc/{pid}/status") as status:
            found = [int(line.split()[1], 16) for line in status if line.startswith(masks)]
    except OSError:
        return False
    return any(mask >> (number - 1) & 1 for mask in found)


def _ask(pid: int) -> bool:
    answer = os.path.join(DATA, f"saved-{pid}")
    try:
        if os.path.exists(answer):
            os.remove(answer)
        os.kill(pid, SAVE)
    except OSError:
        return False
    return True


def _is_awaited(pid: int) -> bool:
    return catches(pid, SAVE) and not os.path.exists(os.path.join(DATA, f"saved-{pid}"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
