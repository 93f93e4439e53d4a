"""A worker process: loads the tests by the same arguments, and runs the units that it is given.

It is a session of its own: it has its own containers. Those that live for the run it shares with
the other workers where :mod:`tcunit.sharing` allows it, and has its own copies of the rest. It
tells what happens, event by event; what is printed meanwhile is told between the events, in its
place.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
import signal
import sys
import threading
import unittest
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .. import timings
from ..lifecycle.ahead import ahead
from ..lifecycle.ledger import ledger
from ..sharing import share_run_scope
from .arguments import Arguments
from .lookahead import Lookahead
from .plan import Key, Unit, keys_of, leaves, turns_of, units_of
from .recorder import Recorder

__unittest = True

INTERRUPTED = 130
STREAMS = ("stdout", "stderr")

Tell = Callable[..., None]


def work(connection: Connection, argv: Sequence[str], folder: str) -> None:
    """The whole life of a worker. Ctrl-C, and the end of who started it, end it in order."""
    try:
        _stand_apart(Path(folder).parent)
        share_run_scope()
        with contextlib.closing(Printed(Path(folder))) as printed:
            Worker(argv, connection, printed)
    except (KeyboardInterrupt, EOFError, BrokenPipeError, ConnectionResetError):
        ahead.keep_only(())
        sys.exit(INTERRUPTED)  # what is in the ledger is removed at the exit


def _stand_apart(folder: Path) -> None:
    """Leave Ctrl-C to who started us, which passes it on once, and notice when that is gone.

    Args:
        folder: is of use to who started us only.
    """
    import faulthandler
    import multiprocessing

    faulthandler.enable()
    ledger.ends_in_order = True
    timings.stay_in_group()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, name="tcunit-parent", daemon=True).start()


class Printed:
    """Catches what this process and its children print, also below Python, in two files."""

    def __init__(self, folder: Path) -> None:
        self._files = {}
        for number, stream in enumerate(STREAMS, start=1):
            path = folder / stream
            written = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(written, number)
            os.close(written)
            self._files[stream] = path.open("rb")

    def tell(self, tell: Tell) -> None:
        """Tell what was printed since the last time."""
        for stream, file in self._files.items():
            python = getattr(sys, f"__{stream}__")
            if python is not None:
                python.flush()
            if text := file.read():
                tell("write", stream, text)

    def close(self) -> None:
        """Tell nothing more."""
        for file in self._files.values():
            file.close()


class Worker(Arguments):
    """unittest's program, which runs what it is asked to run."""

    tb_locals: bool

    def __init__(self, argv: Sequence[str], connection: Connection, printed: Printed) -> None:
        self._connection, self._printed = connection, printed
        super().__init__(module=None, argv=list(argv), exit=False)

    def runTests(self) -> None:
        """Run units until there is none left."""
        tests = list(leaves(self.test))
        self._tests = dict(zip(keys_of(tests, Counter()), tests, strict=True))
        self._whole = {unit.keys: unit for unit in units_of(self.test) if unit.parts}
        del self.test
        lookahead = Lookahead(self.lookahead)
        try:
            while (order := self._ask())[0] == "run":
                unit, *coming = (self._unit(*each) for each in order[1])
                turns = [cls for each in (unit, *coming) for cls in turns_of(each.tests)]
                lookahead.expect(turns)
                self._run(unit, lookahead)
                self._forget(unit)
        finally:
            lookahead.close()

    def _ask(self) -> tuple[Any, ...]:
        """What to do next."""
        self._printed.tell(self._tell)
        self._tell("ready")
        while (order := self._connection.recv())[0] == "stop":
            pass  # it was for a unit that had ended by then
        answer: tuple[Any, ...] = order
        return answer

    def _unit(self, keys: tuple[Key, ...], is_whole: bool) -> Unit:
        """The unit that was loaded here under the same names."""
        if is_whole and keys in self._whole:
            return self._whole[keys]
        known = {} if is_whole else self._tests
        return Unit([known[key] if key in known else _Missing(key) for key in keys], keys)

    def _forget(self, unit: Unit) -> None:
        """Hold no test that has run, as suites of unittest do not."""
        self._whole.pop(unit.keys, None)
        for key in unit.keys:
            self._tests.pop(key, None)

    def _run(self, unit: Unit, lookahead: Lookahead) -> None:
        """Run a unit under a runner of unittest's, which has nothing to print."""
        numbers = {id(test): number for number, test in enumerate(unit.tests)}
        recorder: Any = functools.partial(
            Recorder, numbers=numbers, tell=self._happened, on_start=lookahead.reached,
            is_told_to_stop=self._is_told_to_stop,
        )  # fmt: skip
        runner = unittest.TextTestRunner(
            stream=io.StringIO(), resultclass=recorder, warnings=self.warnings,
            failfast=bool(self.failfast), buffer=bool(self.buffer), tb_locals=self.tb_locals,
        )  # fmt: skip
        runner.run(unit.suite())

    def _happened(self, method: str, *given: Any) -> None:
        """Tell an event, and before it what was printed."""
        self._printed.tell(self._tell)
        self._tell(method, *given)

    def _is_told_to_stop(self) -> bool:
        """Whether no further test is to begin."""
        return self._connection.poll() and self._connection.recv()[0] == "stop"

    def _tell(self, *message: Any) -> None:
        self._connection.send(message)


class _Missing(unittest.TestCase):
    """A test that was found in the process that started this one, and not here."""

    def __init__(self, key: Key) -> None:
        super().__init__()
        self._key = key

    def id(self) -> str:
        return self._key[0]

    def runTest(self) -> None:
        self.fail(
            "this process found other tests than the one that started it, by the same arguments: "
            "make their names depend on nothing that changes, or run without -j"
        )
