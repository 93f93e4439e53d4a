"""What this process has on engines: all containers, networks, volumes and images.

They are known from before their create. The second net of clean-up is here: what is still in the
ledger when the process ends is removed then. A name is entered before the create and its id after,
so that a create whose answer never came is undone too. What has no id is removed only if its labels
say that it is ours.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from .. import timings
from .._docker import Engine, NameTaken, NotThere, Unanswered
from .._session import is_ours
from ..errors import EngineError
from ..jobs import side_by_side
from ..reapers import reapers
from ..reapers.shares import Share
from ..reapers.sweep import WIDTH
from ..settings import Settings

CONTAINER, NETWORK, VOLUME, IMAGE = "container", "network", "volume", "image"
PROJECT = "Compose project"
REMOVAL_ORDER = (CONTAINER, PROJECT, NETWORK, VOLUME, IMAGE)

IN_FLIGHT = 10.0  # how long a removal waits for the create that is under way, in seconds
LATE = 1.0  # how long after its sender gave up a create may still succeed, in seconds
PAUSE = 0.05
MOMENT = 0.001


class Terminated(KeyboardInterrupt):
    """SIGTERM came: unittest and pytest end the run for it as they do for Ctrl-C."""


@dataclass(eq=False)
class Entry:
    """One resource: its kind and name, and its id once the create was answered."""

    engine: Engine
    kind: str
    name: str
    id: str = ""
    answered: threading.Event = field(default_factory=threading.Event)
    refused: bool = False
    may_come: bool = False  # its create was not answered, and it was not there when looked for
    timed_for: tuple[str, str] = field(default_factory=timings.current)
    is_ahead: bool = False  # made for a class whose turn had not come
    is_of_run: bool = False  # no test's: it stays until the process ends
    before_removal: Callable[[], None] | None = None

    def take_leave(self) -> None:
        """Do, once, what is to be done while it is still there."""
        leaving, self.before_removal = self.before_removal, None
        if leaving is not None:
            leaving()

    @property
    def names(self) -> Sequence[str]:
        """The names by which the reapers are to know it."""
        return (self.name,)

    @property
    def parts(self) -> Sequence[Entry]:
        """What it is on the engine, each thing by itself."""
        return (self,)

    def remove(self) -> None:
        """Remove it from the engine, if it is there and ours; no error if it is gone."""
        self.answered.wait(IN_FLIGHT)  # another thread may be creating it
        if not self.id and not self._appears():
            self.may_come = not self.refused
            return
        self.may_come = False
        self.take_leave()
        by_name = self.kind in (VOLUME, IMAGE) or not self.id
        self.engine.remove(self.kind, self.name if by_name else self.id)

    def _appears(self) -> bool:
        """Whether it is there after all; a create that was cut off is looked out for longer."""
        deadline = time.monotonic() + (0.0 if self.refused or self.may_come else LATE)
        while not self._is_there():
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)
        return True

    def _is_there(self) -> bool:
        try:
            labels = self._labels()
        except NotThere:
            return False
        return is_ours(self.name, labels)

    def _labels(self) -> Mapping[str, Any]:
        if self.kind == NETWORK:
            return self.engine.inspect_network(self.name).get("Labels") or {}
        if self.kind == VOLUME:
            return self.engine.volume_labels(self.name)
        if self.kind == IMAGE:
            found = self.engine.images.inspect(self.name)
            return found.labels if found is not None else {}
        return self.engine.inspect(self.name)["Config"].get("Labels") or {}


EntryT = TypeVar("EntryT", bound=Entry)


@dataclass
class Ledger:
    """All resources of this process that exist or may exist, the oldest first."""

    _entries: dict[Entry, None] = field(default_factory=dict)
    _kept: set[Entry] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pid: int = 0
    ends_in_order: bool = False  # this process is a worker of ours, which nobody terminates
    is_clearing: bool = False

    @contextlib.contextmanager
    def creating(
        self, engine: Engine, kind: str, name: str, *, is_ahead: bool = False
    ) -> Iterator[Entry]:
        """Enter a resource before its create; taken out if the engine says that it is not made."""
        with self.entering(Entry(engine, kind, name, is_ahead=is_ahead)) as entry:
            yield entry

    @contextlib.contextmanager
    def entering(self, entry: EntryT) -> Iterator[EntryT]:
        """The same for an entry of another kind, which may stand for several resources."""
        try:
            self._enter(entry)
            for name in entry.names:
                reapers.announce(entry.engine, entry.kind, name)
            yield entry
            for name in entry.names:
                reapers.mark(name)
        except NameTaken:
            self.forget(entry)  # whoever has that name, it is not ours
            raise
        except EngineError as error:
            entry.refused = not isinstance(error, Unanswered)
            raise
        finally:
            entry.answered.set()

    def share(self, entry: Entry, share: Share) -> None:
        """Enter what processes share; to remove it means to leave it, if others use it."""
        self._enter(entry)
        reapers.share(entry.engine, share)

    def _enter(self, entry: Entry) -> None:
        with timings.spent("arm"), self._lock:
            self._arm()
            reapers.arm(entry.engine, Settings())
            self._entries[entry] = None

    def forget(self, entry: Entry) -> None:
        """Take a resource out, because it is removed."""
        with self._lock:
            self._entries.pop(entry, None)
        for name in entry.names:
            reapers.forget(name)

    def remove(self, entry: Entry) -> None:
        """Remove a resource from its engine.

        One that cannot be removed stays in the ledger, and so does one that may come yet: it is
        looked for when the process ends, and then by a reaper.
        """
        entry.remove()
        if not entry.may_come:
            self.forget(entry)

    def keep(self, entry: Entry) -> None:
        """Let a resource outlive this process, however it ends."""
        with self._lock:
            self._entries.pop(entry, None)
            self._kept.add(entry)
        for name in entry.names:
            reapers.keep(name)

    def is_kept(self, entry: Entry) -> bool:
        """Whether a resource outlives this process."""
        with self._lock:
            return entry in self._kept

    def remaining(self) -> list[Entry]:
        """What exists or may exist, in the order to remove it: containers first."""
        if self._pid != os.getpid():
            return []
        with self._lock:
            newest_first = list(self._entries)[::-1]
        return sorted(newest_first, key=lambda entry: REMOVAL_ORDER.index(entry.kind))

    def clear(self) -> None:
        """Remove everything that is left; what cannot be removed is told on stderr."""
        self.is_clearing = True
        for _, of_kind in groupby(self.remaining(), lambda each: each.kind):
            these = list(of_kind)
            # What has something to do before may need the others for that.
            first = [each for each in these if each.before_removal]
            for each in first:
                self._clear(each)
            rest = [each for each in these if each not in first]
            side_by_side([partial(self._clear, each) for each in rest], WIDTH)

    def _clear(self, entry: Entry) -> None:
        try:
            with timings.spent("tear-down", *entry.timed_for):
                self.remove(entry)
        except Exception as error:  # whatever it is, the rest is removed
            print(f"tcunit: {entry.kind} {entry.name} is left behind: {error}", file=sys.stderr)

    def expect_signals(self) -> None:
        """Let SIGTERM end the interpreter in order, where it would have ended it at once.

        Does so in the main thread only, because no other can.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminate)

    def _arm(self) -> None:
        self.expect_signals()
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._entries.clear()
        for step in (self._disarm, self.clear):  # the latest comes first
            atexit.unregister(step)
            atexit.register(step)

    def _disarm(self) -> None:
        reapers.disarm(is_clean=not self.remaining())

    def abandon(self) -> None:
        """In a forked child: all of this is the parent's."""
        self._lock = threading.Lock()
        self._entries.clear()


def _terminate(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)  # the second one ends at once
    if ledger.is_clearing:
        return  # the process ends already, in order
    if not ledger._entries and is_worker():
        os.kill(os.getpid(), number)  # a pool ends its idle workers so, and none should complain
    raise Terminated(f"signal {signal.Signals(number).name}")


def is_worker() -> bool:
    """Whether this is a process that multiprocessing has started, and may end at any time."""
    process = sys.modules.get("multiprocessing.process")
    is_child = process is not None and process.parent_process() is not None
    return is_child and not ledger.ends_in_order


ledger = Ledger()

_forking = threading.local()


def _hold_sigterm() -> None:
    """Put SIGTERM off while we fork: one that came between two handlers would be lost.

    Not for a handler of others: it might raise where we let it come, and would be ignored there.
    """
    held = {signal.SIGTERM} if signal.getsignal(signal.SIGTERM) is _terminate else set()
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, held)


def _let_sigterm() -> None:
    """Let it come again. If it came meanwhile, it comes a second time: Python ignores an exception
    in here.
    """
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)
    except Terminated:
        signal.signal(signal.SIGTERM, _terminate)
        threading.Thread(target=_send_again, name="tcunit-sigterm", daemon=True).start()


def _send_again() -> None:
    while _is_in_hook():
        time.sleep(MOMENT)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_in_hook() -> bool:
    from traceback import walk_stack

    innermost = sys._current_frames().get(threading.main_thread().ident or 0)
    return any(frame.f_code is _let_sigterm.__code__ for frame, _ in walk_stack(innermost))


def _in_child() -> None:
    """A child has nothing of ours, and ends on SIGTERM as it would without us."""
    ledger.abandon()
    with contextlib.suppress(ValueError):  # not in the main interpreter
        if signal.getsignal(signal.SIGTERM) is _terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _let_sigterm()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_hold_sigterm, after_in_parent=_let_sigterm, after_in_child=_in_child
    )
