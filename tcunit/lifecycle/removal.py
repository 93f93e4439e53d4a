"""Removing a set in the background, while the next class starts and its tests run.

The rule: only what touches nothing that outlives it is removed so, since its containers may still
run when the next test begins; see :meth:`StartSet.is_apart`. A removal waits while something
starts, because the engine is busy then, and it ends before the process does: it has a thread that
the interpreter waits for. What fails is told by the next class's clean-up, or at exit.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..errors import CleanupError

LULL = 0.02  # how long the next start may take to begin, in seconds
LONGEST_START = 10.0  # how long one that has begun is given way, in seconds


@dataclass
class Removals:
    """What this process still has to remove, and what went wrong with it."""

    _waiting: deque[tuple[str, Callable[[], None]]] = field(default_factory=deque)
    _errors: list[str] = field(default_factory=list)
    _starting: int = 0
    _is_urgent: bool = False
    _thread: threading.Thread | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, owner: str, remove: Callable[[], None]) -> None:
        """Remove something of a class in the background."""
        with self._changed:
            self._waiting.append((owner, remove))
            if self._thread is None:
                # No daemon: the interpreter waits for it before it ends.
                self._thread = threading.Thread(target=self._work, name="tcunit-removals")
                self._thread.start()
            self._changed.notify_all()

    def finish(self, *, complain: bool = True) -> None:
        """Wait until everything is removed that was to be.

        Raises:
            CleanupError: some of it could not be, and ``complain`` is left on.
        """
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            try:
                while self._thread is not None:
                    self._changed.wait()
            finally:
                self._is_urgent = False
        if complain:
            self.complain()

    def complain(self) -> None:
        """Raise what went wrong so far, once."""
        with self._changed:
            errors, self._errors = self._errors, []
        if errors:
            raise CleanupError("\n".join(errors))

    @contextlib.contextmanager
    def giving_way(self) -> Iterator[None]:
        """Begin no removal while something starts."""
        with self._changed:
            self._starting += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._starting -= 1
                self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._thread = None
                    self._changed.notify_all()
                    return
                self._await_lull()
                owner, remove = self._waiting.popleft()
            try:
                remove()
            except Exception as error:
                with self._changed:
                    self._errors.append(f"what {owner} had started: {error}")

    def _await_lull(self) -> None:
        """Give the next start time to begin, and then to end; not when somebody waits for us."""

        def is_pressed() -> bool:
            return self._is_urgent or not threading.main_thread().is_alive()

        self._changed.wait_for(lambda: self._starting or is_pressed(), LULL)
        self._changed.wait_for(lambda: not self._starting or is_pressed(), LONGEST_START)

    def tell(self) -> None:
        """Say at exit what nobody was told."""
        try:
            self.complain()
        except CleanupError as error:
            print(f"tcunit: {error}", file=sys.stderr)

    def abandon(self) -> None:
        """In a forked child: all of it is the parent's."""
        self._waiting.clear()
        self._errors.clear()
        self._starting, self._thread = 0, None
        self._changed = threading.Condition()


removals = Removals()
atexit.register(removals.tell)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=removals.abandon)
