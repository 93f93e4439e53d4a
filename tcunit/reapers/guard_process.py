"""The guard itself: a process of its own that waits for the death of the one that started it.

It is run as a file by an isolated interpreter, apart from the user's world. Its standard input is a
pipe from the test process: lines that say what exists, and an end that says that the process is no
more, however it died. It starts while the first containers do and must not take the processor from
them: until that end it imports nothing, and only keeps the lines, which are some hundred bytes for
each resource.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing itself is not imported: it costs more than the interpreter
if TYPE_CHECKING:
    from typing import Any

ALIVE_LIMIT = 60.0
LOCK_LIMIT = 1.0


class Book:
    """What the test process has told."""

    def __init__(self, lines: list[bytes]) -> None:
        import json

        self.session = self.lock = ""
        self.has_ended = False
        self.path: list[str] = []
        self.engines: dict[str, Any] = {}
        self.names: dict[str, tuple[str, bool]] = {}
        self.kept: set[str] = set()
        self.shares: dict[str, tuple[str, dict[str, Any]]] = {}
        for line in lines:
            try:
                self.note(json.loads(line))
            except (ValueError, KeyError):
                break  # cut off in the middle: its writer is dead

    def note(self, message: dict[str, Any]) -> None:
        """Take note of one line."""
        name = message.get("name", "")
        match message["say"]:
            case "begin":
                self.session, self.path = message["session"], message["path"]
                self.lock = message.get("lock", "")
            case "end":
                self.has_ended = True
            case "engine":
                self.engines[message["key"]] = message["engine"]
            case "announce":
                self.names[name] = (message["key"], False)
            case "mark" if name in self.names:
                self.names[name] = (self.names[name][0], True)
            case "share":
                self.shares[name] = (message["key"], message["share"])
            case "forget":
                self.names.pop(name, None)
                self.shares.pop(name, None)
            case "keep":
                self.names.pop(name, None)
                self.kept.add(name)


def main() -> None:
    """Wait for the end of the pipe, then remove what is left."""
    book = Book(sys.stdin.buffer.readlines())
    if book.names or book.kept or book.shares:
        clean_up(book)
    elif not book.has_ended:
        forget_lock(book.lock)


def forget_lock(path: str) -> None:
    """Remove the lock file of a process that was killed while it had nothing."""
    import contextlib
    import os
    import time

    deadline = time.monotonic() + LOCK_LIMIT
    while os.path.exists(path) and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ImportError):
            import fcntl

            with open(path, "rb+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
                return
        time.sleep(0.02)


def clean_up(book: Book) -> None:
    """Remove what the dead session left on each engine that it used."""
    import time

    sys.path[:] = book.path
    from tcunit._docker import connect_as
    from tcunit.reapers.lock import is_alive, lock_path
    from tcunit.reapers.sweep import patiently, sweep

    deadline = time.monotonic() + ALIVE_LIMIT
    while is_alive(book.session):
        if time.monotonic() > deadline:
            return  # the pipe is closed, but somebody has the lock: never touch what may live
        time.sleep(0.02)
    is_clean = True
    for key in {key for key, _ in book.names.values()}:
        unanswered = [name for name, (k, marked) in book.names.items() if k == key and not marked]
        engine = patiently(lambda key=key: connect_as(book.engines[key]))  # type: ignore[misc]
        is_clean &= engine is not None and not sweep(engine, book.session, unanswered, book.kept)
    leave_shares(book)
    if is_clean:
        lock_path(book.session).unlink(missing_ok=True)


def leave_shares(book: Book) -> None:
    """Go, in the place of the dead session, from what it shared: containers before networks."""
    from tcunit._docker import connect_as
    from tcunit.reapers.shares import Share, leave_for
    from tcunit.reapers.sweep import patiently

    shares = [(key, Share(**told)) for key, told in book.shares.values()]
    for key, share in sorted(shares, key=lambda pair: pair[1].kind):
        engine = patiently(lambda key=key: connect_as(book.engines[key]))  # type: ignore[misc]
        if engine is not None:
            leave_for(engine, share, book.session)


if __name__ == "__main__":
    main()
