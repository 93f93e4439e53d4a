"""Classes in several processes, reported as if they had run one after the other.

What a worker tells is played to the result in the order of the suite: at once where everything
before it is through, else later. With ``--failfast`` the report ends with the first failure in that
order, whatever ran beyond it. A worker that dies costs the class that it ran, and no other.
"""

from __future__ import annotations

import tempfile
import unittest
from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..lifecycle.ledger import ledger
from .losses import error_text, loss_of, tests
from .plan import Unit
from .processes import WorkerProcess, wait_for
from .replay import Event, is_failure, play, write
from .result import Result
from .schedule import Schedule

__unittest = True


class ParallelSuite(unittest.TestSuite):
    """Units that run in worker processes.

    Args:
        argv: the arguments by which the workers find the same tests.
    """

    def __init__(
        self, units: Sequence[Unit], argv: Sequence[str], jobs: int, lookahead: int
    ) -> None:
        super().__init__(test for unit in units for test in unit.tests)
        self._units, self._argv = units, argv
        self._jobs, self._lookahead = min(jobs, len(units)), lookahead

    def run(self, result: Any, debug: bool = False) -> Any:
        """Run them; whatever happens, no worker is left, nor anything of a worker's."""
        schedule = Schedule(self._units, self._jobs, self._lookahead)
        result.buffer = False  # the workers do that
        ledger.expect_signals()  # SIGTERM, too, has to end the workers
        with tempfile.TemporaryDirectory(prefix="tcunit-") as folder:
            ParallelRun(result, schedule, self._argv, self._jobs, Path(folder)).run()
        return result


class ParallelRun:
    """One run of units by workers."""

    def __init__(
        self, result: Result, schedule: Schedule, argv: Sequence[str], jobs: int, folder: Path
    ) -> None:
        self._result, self._schedule = result, schedule
        self._argv, self._jobs, self._folder = argv, jobs, folder
        self._workers: list[WorkerProcess] = []
        self._hired = 0
        self._problem = ""  # why no worker can load the tests
        self._told: dict[Unit, deque[Event]] = defaultdict(deque)
        self._through: set[Unit] = set()
        self._head = 0  # the first unit in order that has not been played to its end
        self._is_stopped = self._is_over = False

    def run(self) -> None:
        """Run everything, or until the result says to stop."""
        try:
            while self._hire():
                for worker in wait_for(self._workers):
                    self._hear(worker)
                self._play()
                if self._result.shouldStop and not self._is_stopped:
                    self._stop()
            self._play(to_the_end=True)
        except BaseException:
            self._end()
            raise

    # -- workers ----------------------------------------------------------------------------------

    def _hire(self) -> bool:
        """Have as many workers as there is work for; false if there are none."""
        while len(self._workers) < self._jobs and self._schedule.has_waiting and not self._problem:
            self._hired += 1
            folder = self._folder / str(self._hired)
            folder.mkdir()
            self._workers.append(WorkerProcess(f"worker {self._hired}", self._argv, folder))
        return bool(self._workers)

    def _stop(self) -> None:
        """Let every worker end after the test that it is in."""
        self._is_stopped = True
        self._schedule.stop()
        for worker in self._workers:
            worker.stop()

    def _end(self) -> None:
        """End the workers as Ctrl-C would, and wait for that; a second Ctrl-C kills them.

        What a killed one leaves is removed by its reapers.
        """
        try:
            for worker in self._workers:
                worker.interrupt()
            for worker in self._workers:
                worker.join()
                write("stderr", worker.last_words()["stderr"])
        except BaseException:
            for worker in self._workers:
                worker.kill()
            raise

    # -- what they tell ---------------------------------------------------------------------------

    def _hear(self, worker: WorkerProcess) -> None:
        for event in worker.events():
            if event is None:
                self._lose(worker)
            elif event[0] == "ready":
                self._give(worker)
            elif worker.unit is not None:
                self._note(worker.unit, event)

    def _give(self, worker: WorkerProcess) -> None:
        """A worker has nothing to do: its unit, if it had one, is through."""
        if worker.unit is not None:
            self._through.add(worker.unit)
        worker.give(*self._schedule.next_for(worker))

    def _note(self, unit: Unit, event: Event) -> None:
        self._told[unit].append(event)
        if self._result.failfast and is_failure(event):
            late = self._schedule.cut_after(unit)
            for worker in self._workers:
                if worker.unit in late:
                    worker.stop()

    def _lose(self, worker: WorkerProcess) -> None:
        """A worker has ended, in order or not."""
        self._workers.remove(worker)
        worker.join()
        unit, rest = worker.unit, None
        words = worker.last_words()
        if unit is not None:
            self._told[unit].extend(("write", *each) for each in words.items())
            events, rest = loss_of(unit, worker.progress, worker.end)
            for event in events:
                self._note(unit, event)
            self._through.add(unit)
        elif worker.has_asked:
            write("stderr", words["stderr"])
        else:
            for each in words.items():
                write(*each)
            self._problem = worker.end
        self._schedule.lost(worker, unit, rest)

    # -- the report -------------------------------------------------------------------------------

    def _play(self, to_the_end: bool = False) -> None:
        """Play what is known of the units whose turn it is; at the end, all that is known."""
        while self._head < len(self._schedule.order) and not self._is_over:
            unit = self._schedule.order[self._head]
            events = self._told[unit]
            while events and not self._is_over:
                event = events.popleft()
                play(self._result, unit, event)
                self._is_over = bool(self._result.failfast) and is_failure(event)
            if unit not in self._through and not to_the_end:
                return
            self._head += 1
        if to_the_end and self._problem and not self._is_over:
            self._complain()

    def _complain(self) -> None:
        """Report that workers could not load the tests, if some were not run for it."""
        missing = [each for each in self._schedule.order if each not in self._through]
        if missing and not self._is_stopped:
            number = sum(len(each.tests) for each in missing)
            text = error_text(
                f"{tests(number)} not run, because a process {self._problem} as it loaded the "
                f"tests: see above for what it printed, and try without -j"
            )
            play(self._result, missing[0], ("addError", "tcunit run -j", text))
