"""What a pull or a build shows while it lasts: to a person at a terminal, and to a log.

Where standard error is a terminal, there is one moving row for each, and one line that stays when
it is done. Everywhere, that one line goes to the logger ``tcunit`` (INFO).
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .log import tell

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

MEGABYTE = 1_000_000


@dataclass
class Layers:
    """The layers of an image that is being pulled, each with what came of it so far."""

    _sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def note(self, line: Mapping[str, Any]) -> None:
        """Take note of one line of the engine's."""
        detail, layer = line.get("progressDetail") or {}, line.get("id") or ""
        if line.get("status") == "Downloading" and detail.get("total"):
            self._sizes[layer] = (int(detail.get("current") or 0), int(detail["total"]))
        elif line.get("status") in ("Download complete", "Pull complete") and layer in self._sizes:
            self._sizes[layer] = (self._sizes[layer][1],) * 2

    @property
    def done(self) -> int:
        """How many bytes came."""
        return sum(done for done, _ in self._sizes.values())

    @property
    def total(self) -> int:
        """How many bytes there are, of the layers that are known by now."""
        return sum(total for _, total in self._sizes.values())


class Task:
    """One pull or build that is under way."""

    def __init__(self, board: Board, row: TaskID | None) -> None:
        self._board, self._row = board, row
        self.result = ""

    def at(self, detail: str, done: int = 0, total: int = 0) -> None:
        """Show how far it is."""
        if self._row is not None:
            self._board.update(self._row, detail, done, total)


class Board:
    """The rows on the terminal; there while something is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._display: Progress | None = None
        self._rows = 0

    @contextlib.contextmanager
    def task(self, doing: str, done: str, what: str) -> Iterator[Task]:
        """Show that something is under way, and that it is done: nothing more if it fails.

        Args:
            doing, done: the verb in its two forms, as in ``"pulling"`` and ``"pulled"``.
        """
        began = time.monotonic()
        row = self._begin(f"{doing} {what}") if _is_watched() else None
        task, said = Task(self, row), ""
        try:
            yield task
            result = f"{task.result}, " if task.result else ""
            said = f"{done} {what} ({result}{time.monotonic() - began:.1f} s)"
        finally:
            if row is not None:
                self._end(row, said)
        tell("%s", said)

    def update(self, row: TaskID, detail: str, done: int, total: int) -> None:
        """Show how far a row is."""
        display = self._display
        if display is not None:
            size = f"{done / MEGABYTE:.1f} of {total / MEGABYTE:.1f} MB" if total else ""
            display.update(row, completed=done, total=total or None, detail=detail or size)

    def _begin(self, what: str) -> TaskID:
        with self._lock:
            if self._display is None:
                self._display = _display()
                sys.stderr.write("\n")  # a runner's line of dots is not drawn over
                self._display.start()
            self._rows += 1
            return self._display.add_task(what, total=None, detail="")

    def _end(self, row: TaskID, said: str) -> None:
        with self._lock:
            display = self._display
            if display is None:
                return
            display.remove_task(row)
            if said:
                display.console.print(f"tcunit: {said}", markup=False, highlight=False)
            self._rows -= 1
            if not self._rows:
                display.stop()
                self._display = None


def _display() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn(
            "{task.fields[detail]}", markup=False, table_column=Column(no_wrap=True, ratio=1)
        ),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        # A runner may have put its own in their place.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _is_watched() -> bool:
    """Whether a person is looking at standard error."""
    stream = sys.stderr
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


board = Board()


def _in_child() -> None:
    """A forked child has no thread that draws."""
    board.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
