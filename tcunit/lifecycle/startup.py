"""Starting a set of things side by side and in order, and undoing it.

The rule: the undo is known before the do. A set that stops admits no new create, waits for those
that are under way, and undoes in reverse order; whatever fails, the rest is undone all the same,
and every failure is reported. Workers are plain threads, because a wait may be cut short at any
moment and because executors refuse to work when the interpreter ends.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import timings
from ..errors import CleanupError, StartCancelled, StartErrors, TcunitError
from ..reapers import reapers
from ..settings import START_WIDTH, Settings
from .declared import Declared, Launch
from .events import stream_of
from .graph import in_order, reversed_needs
from .ledger import Entry, ledger
from .removal import removals

Graph = Mapping[Declared, Iterable[Declared]]

__unittest = True  # runners leave these frames out


class StartSet:
    """A set of things that start together and stop together.

    Args:
        needs: for each thing, those of the set that must be ready first.
        keep_on_failure: what a failed start has created stays, for somebody to look at.
    """

    def __init__(
        self, needs: Graph, launch: Launch, settings: Settings, *, keep_on_failure: bool = False
    ) -> None:
        self._needs = {node: list(needed) for node, needed in needs.items()}
        self._launch = launch
        self._width = settings.get(START_WIDTH)
        self._keep_on_failure = keep_on_failure
        self._kept: dict[Entry, None] = {}
        self._launched: list[Declared] = []
        self._stopping = threading.Event()
        self._stopped = False
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._starting = threading.RLock()
        self._timed_for, _ = timings.current()
        launch.is_cancelled = self._stopping.is_set

    def start(self) -> None:
        """Start everything; on a failure or an interrupt, undo all of it.

        Raises:
            StartError: the one failure, or a :class:`StartErrors` of all of them.
        """
        sorter = in_order(self._needs, lambda thing: thing.label)
        self._note()
        ledger.expect_signals()  # the creates are in threads, where no handler can be set
        try:
            with removals.giving_way(), self._starting, stream_of(self._launch.engine).open():
                errors = self._run(sorter, self._start_one, until_error=True)
        except BaseException:
            self.stop()
            raise
        if errors:
            self._undo_after(errors)
        reapers.proceed()

    def _start_one(self, thing: Declared) -> None:
        self._launch.admit(thing.label)
        with self._lock:
            self._launched.append(thing)
        with timings.spent("prepare", self._timed_for, thing.label):
            thing.launch(self._launch)

    def _note(self) -> None:
        for thing, needed in self._needs.items() if timings.is_on() else ():
            timings.note(
                self._timed_for, thing.label, kind=type(thing).__name__, scope=thing.scope,
                image=getattr(thing, "image", ""), needs=[each.label for each in needed],
                insists=[each.label for each in thing.insists_on()],
            )  # fmt: skip

    def _undo_after(self, errors: list[Exception]) -> None:
        causes = [error for error in errors if not isinstance(error, StartCancelled)] or errors
        if self._keep_on_failure:
            self.keep()
        try:
            self.stop()
        except CleanupError as error:
            causes.append(error)
        for cause in causes:
            if isinstance(cause, TcunitError):
                cause.with_traceback(None)  # the message says it all
        if len(causes) == 1:
            raise causes[0]
        raise StartErrors(f"{len(causes)} things could not be started", causes)

    @property
    def is_apart(self) -> bool:
        """Whether there is something to stop, and nothing that outlives it could notice it."""
        if self._stopped or not self._launched:
            return False
        resolve = self._launch.resolve
        needed = [resolve(each) for thing in self._needs for each in thing.needs()]
        return all(thing.is_apart for thing in self._needs) and all(
            each in self._needs for each in needed if isinstance(each, Declared)
        )

    def give_up(self) -> None:
        """Let a start that is under way in another thread fail; nothing is removed here."""
        self._stopping.set()

    @property
    def kept(self) -> list[Entry]:
        """What stays on the engine for good."""
        return list(self._kept)

    def keep(self) -> None:
        """Let everything that was started stay, also when this process ends."""
        for thing in self._launched:
            for entry in thing.kept():
                if entry not in self._kept:
                    self._kept[entry] = None
                    ledger.keep(entry)

    def _is_kept(self, thing: Declared) -> bool:
        return any(entry in self._kept or ledger.is_kept(entry) for entry in thing.kept())

    def stop(self) -> None:
        """Remove what was started and is not kept, in reverse order; the second call does nothing.

        A child of a fork removes nothing: it is its parent's.

        Raises:
            CleanupError: some of it could not be removed; the rest is.
        """
        if self._pid != os.getpid():
            return
        self._stopping.set()
        with self._starting:  # what is under way ends first
            self._stop()

    def _stop(self) -> None:
        if self._stopped:
            return
        self._stopped = True
        launched = {thing for thing in self._launched if not self._is_kept(thing)}
        turned = {
            node: [each for each in needed if each in launched]
            for node, needed in reversed_needs(self._needs).items()
            if node in launched
        }
        sorter = in_order(turned, lambda thing: thing.label)
        errors = self._run(sorter, self._release, until_error=False)
        if errors:
            raise CleanupError("\n".join(str(error) for error in errors))

    def _release(self, thing: Declared) -> None:
        with timings.spent("tear-down", self._timed_for, thing.label):
            thing.release()

    def _run(
        self, sorter: Any, action: Callable[[Declared], None], *, until_error: bool
    ) -> list[Exception]:
        """Do something with each thing when its turn comes, several at a time."""
        done: queue.SimpleQueue[tuple[Declared, BaseException | None]] = queue.SimpleQueue()
        ready: list[Declared] = []
        errors: list[Exception] = []
        running: dict[Declared, threading.Thread] = {}
        try:
            while sorter.is_active():
                ready += sorter.get_ready()
                while ready and len(running) < self._width and not (until_error and errors):
                    thing = ready.pop(0)
                    running[thing] = _in_thread(action, thing, done)
                if not running:
                    break
                thing, error = done.get()
                running.pop(thing).join()
                sorter.done(thing)
                if error is not None:
                    errors.append(_as_exception(error))
                    if until_error:
                        self._stopping.set()
        except BaseException:
            self._stopping.set()
            raise
        finally:
            for thread in running.values():
                thread.join()
        return errors


def _in_thread(
    action: Callable[[Declared], None], thing: Declared, done: queue.SimpleQueue[Any]
) -> threading.Thread:
    def work() -> None:
        error: BaseException | None = None
        try:
            action(thing)
        except BaseException as caught:
            error = caught
        done.put((thing, error))

    thread = threading.Thread(target=work, name=f"tcunit-{thing.label}", daemon=True)
    thread.start()
    return thread


def _as_exception(error: BaseException) -> Exception:
    """The error itself; one that would end the interpreter, coming from a worker, as ours."""
    return error if isinstance(error, Exception) else StartCancelled(repr(error))
