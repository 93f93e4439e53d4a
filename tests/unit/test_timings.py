"""What is measured and written down: by one thread, by many, and by several processes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from itertools import pairwise
from pathlib import Path
from typing import Any

from tcunit import timings
from tcunit.awaiting import in_thread
from tcunit.errors import SettingError
from tcunit.settings import Settings


def spend(seconds: float) -> None:
    """Be busy for at least this long."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class TimingsTest(unittest.TestCase):
    """Each test has a file of its own."""

    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = folder / "timings.json"
        self.addCleanup(timings.begin, Settings({}, folder / "none"))
        timings.begin(Settings({"TCUNIT_TIMINGS": str(self.path)}, folder / "none"))

    def lines(self) -> list[dict[str, Any]]:
        """What is in the file by now."""
        timings.flush()
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def spans(self) -> list[Any]:
        """All spans in the file."""
        return [span for line in self.lines() for span in line["spans"]]

    def test_phases_interrupt_each_other(self) -> None:
        """An inner phase is not counted twice, and the outer one goes on after it."""
        with timings.spent("start", "Shop", "db"):
            spend(0.002)
            with timings.spent("wait"):
                spend(0.003)
            spend(0.001)
        spans = self.spans()
        self.assertEqual(["start", "wait", "start"], [span[0] for span in spans])
        self.assertEqual({("Shop", "db")}, {(span[1], span[2]) for span in spans})
        for (*_, began, seconds, _), (*_, following, _, _) in pairwise(spans):
            self.assertAlmostEqual(began + seconds, following, places=4)

    def test_whose_it_is(self) -> None:
        """What is not given is that of the phase around it, and nothing where there is none."""
        self.assertEqual(("", ""), timings.current())
        with timings.spent("tests", "Shop", what="test_it"):
            spend(0.001)
            with timings.spent("reset", thing="db"):
                self.assertEqual(("Shop", "db"), timings.current())
                spend(0.001)
        with timings.spent("create"):
            spend(0.001)
        self.assertEqual(
            [("tests", "Shop", "", "test_it"), ("reset", "Shop", "db", ""), ("create", "", "", "")],
            [(*span[:3], span[5]) for span in self.spans()],
        )

    def test_a_phase_that_fails(self) -> None:
        """Is measured like any other."""
        with self.assertRaises(ZeroDivisionError), timings.spent("wait", "Shop", "db"):
            spend(0.001)
            raise ZeroDivisionError
        self.assertEqual(["wait"], [span[0] for span in self.spans()])
        self.assertEqual(("", ""), timings.current())

    def test_next_to_nothing_is_left_out(self) -> None:
        """What took no time is not written down, and a file of nothing has no line."""
        for _ in range(100):
            with timings.spent("reset", "Shop", "db"):
                pass
        self.assertLess(len(self.spans()), 50)  # where the machine was slow

    def test_threads(self) -> None:
        """Threads do not see each other's phases, and none of what they measured is lost."""

        def work(number: int) -> None:
            for _ in range(20):
                with timings.spent("create", "Shop", f"thing-{number}"):
                    time.sleep(0.0005)
                timings.flush()

        with timings.spent("start-up", "Shop"):
            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        found = [tuple(span[:3]) for span in self.spans()]
        for number in range(8):
            self.assertEqual(20, found.count(("create", "Shop", f"thing-{number}")))
        self.assertEqual(1, found.count(("start-up", "Shop", "")))

    def test_a_thread_that_is_awaited(self) -> None:
        """What a coroutine calls in a thread is measured once, for the coroutine's class."""

        def work() -> None:
            self.assertEqual(("Shop", ""), timings.current())
            spend(0.001)
            with timings.spent("create", thing="db"):
                spend(0.001)

        with timings.spent("start-up", "Shop"):
            asyncio.run(in_thread(work))
        found = sorted(tuple(span[:3]) for span in self.spans())
        self.assertEqual([("create", "Shop", "db"), ("start-up", "Shop", "")], found)

    def test_a_forked_child(self) -> None:
        """Writes what it measured itself, under its own number, and nothing of its parent's."""
        with timings.spent("tests", "Shop", what="test_it"):
            spend(0.001)
            child = os.fork()
            if not child:
                with timings.spent("create", "Child", "db"):
                    spend(0.001)
                timings.flush()
                os._exit(0)
            os.waitpid(child, 0)
        by_pid = {line["pid"]: [span[0] for span in line["spans"]] for line in self.lines()}
        self.assertEqual({child: ["create"], os.getpid(): ["tests"]}, by_pid)

    def test_a_forked_child_that_leaves_its_parents_phase(self) -> None:
        """The phase was its parent's."""
        with timings.spent("start-up", "Shop"):
            spend(0.001)
            if not (child := os.fork()):
                status = 1
                try:
                    with timings.spent("create", "Child", "db"):
                        spend(0.001)
                    status = 0
                finally:
                    timings.flush()
                    os._exit(status)
            self.assertEqual(0, os.waitpid(child, 0)[1])
        self.assertEqual(2, len(self.lines()))

    def test_processes_share_a_file(self) -> None:
        """Many that write at once neither overwrite nor mix their lines; the exit writes, too."""
        script = (
            "import time\n"
            "from tcunit import timings\n"
            "from tcunit.settings import Settings\n"
            "timings.begin(Settings())\n"
            "for number in range(30):\n"
            "    with timings.spent('create', 'Shop', 'x' * 5000):\n"
            "        time.sleep(0.0005)\n"
            "    if number < 29: timings.flush()\n"
        )
        environ = {
            **os.environ,
            "TCUNIT_TIMINGS": str(self.path),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        processes = [
            subprocess.Popen([sys.executable, "-W", "error", "-c", script], env=environ)
            for _ in range(6)
        ]
        self.assertEqual([0] * 6, [each.wait() for each in processes])
        lines = self.lines()
        self.assertEqual(180, sum(len(line["spans"]) for line in lines))
        self.assertEqual({each.pid for each in processes}, {line["pid"] for line in lines})
        self.assertEqual(1, len({line["group"] for line in lines}))


class SettingTest(unittest.TestCase):
    """``TCUNIT_TIMINGS``."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.addCleanup(timings.begin, Settings({}, self.folder / "none"))

    def begin(self, value: str) -> None:
        timings.begin(Settings({"TCUNIT_TIMINGS": value}, self.folder / "none"))

    def test_off(self) -> None:
        """Without it, a phase is one object that does nothing, and nothing is noted."""
        self.begin("")
        self.assertIs(timings.spent("wait", "Shop"), timings.spent("create"))
        self.assertFalse(timings.is_on())
        timings.note("Shop", "db", kind="", image="", scope="", needs=(), insists=())
        timings.flush()

    def test_a_file_that_cannot_be_written(self) -> None:
        """Is refused before anything runs, by the variable, with what to do."""
        for value in (self.folder / "no" / "timings.json", self.folder):
            with self.subTest(value=value), self.assertRaisesRegex(
                SettingError, f"^environment variable TCUNIT_TIMINGS has the value '{value}', "
                              f"which cannot be written .*: name a file in a folder that exists$"
            ):  # fmt: skip
                self.begin(str(value))
            self.assertFalse(timings.is_on())

    def test_another_file(self) -> None:
        """What was measured before goes to the file that was named then."""
        for name in ("first", "second"):
            self.begin(str(self.folder / name))
            with timings.spent("create", name, "db"):
                spend(0.001)
        self.begin("")
        for name in ("first", "second"):
            self.assertEqual(name, json.loads((self.folder / name).read_text())["spans"][0][1])

    def test_a_folder_that_vanishes(self) -> None:
        """Is told once it matters, and fails no test."""
        inner = self.folder / "inner"
        inner.mkdir()
        self.begin(str(inner / "timings.json"))
        with timings.spent("create", "Shop", "db"):
            spend(0.001)
        (inner / "timings.json").unlink()
        inner.rmdir()
        with self.assertLogs("tcunit", "WARNING") as logged:
            timings.flush()
        self.assertIn(f"the timings cannot be written to {inner}", logged.output[0])
