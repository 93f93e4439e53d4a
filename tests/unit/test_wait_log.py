"""Waiting for a line in the log."""

from __future__ import annotations

import re
import unittest

from hypothesis import given
from hypothesis import strategies as st

from tcunit import wait
from tcunit.errors import DeclarationError, NotReady
from tcunit.wait import wait_until_ready

from .in_memory import Target


class LogTest(unittest.TestCase):
    """A pattern, as often as asked, in a stream."""

    def is_ready(self, strategy: wait.LogMessageWaitStrategy, out: str = "", err: str = "") -> bool:
        """Whether a log is enough for a strategy."""
        return strategy.begin(Target(stdout=out, stderr=err))() is None

    def test_patterns(self) -> None:
        """A regular expression, found anywhere; ``^`` and ``$`` match at lines."""
        log = "starting\nlistening on port 80 (http)\nready\n"
        for pattern, expected in [
            ("ready", True),
            ("port \\d+", True),
            ("^ready$", True),
            ("^listening", True),
            ("^port", False),
            ("READY", False),
            ("(?i)READY", True),
            (re.compile("READY", re.IGNORECASE), True),
            (re.compile("^ready"), False),
            (re.compile("^ready", re.MULTILINE), True),
            ("starting.*ready", False),
            ("(?s)starting.*ready", True),
            ("port 80 (http)", False),
            (re.escape("port 80 (http)"), True),
        ]:
            with self.subTest(pattern=pattern):
                self.assertEqual(expected, self.is_ready(wait.for_log(pattern), log))

    @given(st.text(min_size=1), st.text(), st.text())
    def test_plain_text(self, text: str, before: str, after: str) -> None:
        """With ``re.escape`` any text is found wherever it stands."""
        self.assertTrue(self.is_ready(wait.for_log(re.escape(text)), before + text + after))

    @given(st.integers(0, 4), st.integers(1, 4))
    def test_times(self, seen: int, times: int) -> None:
        """It must occur as often as asked, several times in one line, too."""
        for separator in ("\n", " "):
            log = separator.join(["ready"] * seen)
            self.assertEqual(seen >= times, self.is_ready(wait.for_log("ready", times=times), log))

    def test_streams(self) -> None:
        """Only the stream that was asked for counts; by default both together."""
        for stream, expected in [
            ("stdout", (True, False)),
            ("stderr", (False, True)),
            ("both", (True, True)),
        ]:
            with self.subTest(stream=stream):
                strategy = wait.for_log("ready", stream=stream)
                actual = (
                    self.is_ready(strategy, out="ready"), self.is_ready(strategy, err="ready"),
                )  # fmt: skip
                self.assertEqual(expected, actual)
        twice = wait.for_log("ready", times=2)
        self.assertTrue(self.is_ready(twice, out="ready\n", err="ready\n"))

    def test_the_log_grows(self) -> None:
        """It is asked anew each time."""
        target = Target()
        ask = wait.for_log("ready").begin(target)
        self.assertEqual("seen 0 times in 0 characters", ask())
        target.stdout += "not yet\n"
        self.assertEqual("seen 0 times in 8 characters", ask())
        target.stdout += "ready\n"
        self.assertIsNone(ask())

    def test_message(self) -> None:
        """The pattern, how often it is wanted and how often it was seen."""
        strategy = wait.for_log("rea.y", times=2)
        with self.assertRaises(NotReady) as caught:
            wait_until_ready(Target(stdout="ready\n"), strategy, 0.001)
        self.assertIn("waiting for the log line /rea.y/ 2 times, ", str(caught.exception))
        self.assertIn("seen 1 times in 6 characters", str(caught.exception))
        self.assertEqual("the log line /x/", str(wait.for_log("x")))

    def test_wrong_ones(self) -> None:
        """A broken expression, no times and an unknown stream are refused at once."""
        with self.assertRaisesRegex(DeclarationError, r"no regular expression.*re\.escape"):
            wait.for_log("(")
        for times in (0, -1):
            with self.assertRaisesRegex(DeclarationError, "at least once"):
                wait.for_log("x", times=times)
        with self.assertRaisesRegex(DeclarationError, "choose from both, stdout, stderr"):
            wait.for_log("x", stream="out")
