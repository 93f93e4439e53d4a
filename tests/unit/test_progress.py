"""What is shown while something is pulled or built."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import unittest

from tcunit.progress import Board, Layers

PROGRAM = """
import logging, threading
from tcunit.progress import board
done = threading.Barrier(2)

def work(name):
    with board.task("pulling", "pulled", name) as task:
        task.at("", 5_000_000, 20_000_000)
        done.wait()
        board._display and board._display.refresh()
        done.wait()
        task.result = "20.0 MB"

others = threading.Thread(target=work, args=("two[bold]",))
others.start()
work("one")
others.join()
try:
    with board.task("building", "built", "three"):
        raise ValueError
except ValueError:
    pass
"""


def at_a_terminal(program: str, **environ: str) -> str:
    """What a program writes to a terminal of 100 columns, without colours."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environ}
    with subprocess.Popen([sys.executable, "-c", program], stderr=theirs, env=environment):
        os.close(theirs)
        told = b""
        try:
            while chunk := os.read(ours, 65536):
                told += chunk
        except OSError:  # so a terminal ends
            pass
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told.decode())


class LayersTest(unittest.TestCase):
    """How far a pull is."""

    def test_sum(self) -> None:
        """The bytes of all layers that are known; what is done counts whole."""
        layers = Layers()
        for line in (
            {"status": "Pulling from tea", "id": "latest"},
            {"status": "Downloading", "id": "a", "progressDetail": {"current": 10, "total": 100}},
            {"status": "Downloading", "id": "b", "progressDetail": {"current": 1, "total": 50}},
            {"status": "Downloading", "id": "a", "progressDetail": {"current": 60, "total": 100}},
            {"status": "Download complete", "id": "b", "progressDetail": {}},
            {"status": "Extracting", "id": "b", "progressDetail": {"current": 9, "total": 50}},
            {"status": "Already exists", "id": "c", "progressDetail": {}},
        ):
            layers.note(line)
        self.assertEqual((110, 150), (layers.done, layers.total))


class LogTest(unittest.TestCase):
    """Where nobody is looking."""

    def test_one_line(self) -> None:
        """There is one line when it is done, and none where it failed."""
        with self.assertLogs("tcunit", "INFO") as logs:
            with Board().task("pulling", "pulled", "tea") as task:
                task.at("", 1, 2)
                task.result = "1.0 MB"
            with self.assertRaises(ValueError), Board().task("pulling", "pulled", "coffee"):
                raise ValueError
        self.assertEqual(1, len(logs.output))
        self.assertRegex(logs.output[0], r"^INFO:tcunit:pulled tea \(1\.0 MB, \d+\.\d s\)$")


class TerminalTest(unittest.TestCase):
    """Where a person is looking."""

    def test_rows(self) -> None:
        """Each has its row, side by side, and a line that stays when it is done."""
        told = at_a_terminal(PROGRAM)
        self.assertRegex(told, r"pulling one .*5\.0 of 20\.0 MB")
        self.assertRegex(told, r"pulling two\[bold\] ")
        for name in ("one", r"two\[bold\]"):
            self.assertEqual(1, len(re.findall(rf"tcunit: pulled {name} \(20\.0 MB, ", told)))
        self.assertNotIn("built three", told)

    def test_a_dumb_one(self) -> None:
        """A terminal that cannot move its cursor gets nothing."""
        self.assertEqual("", at_a_terminal(PROGRAM, TERM="dumb"))
