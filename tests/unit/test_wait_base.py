"""The one waiting loop."""

from __future__ import annotations

import threading
import time
import unittest
from contextlib import suppress
from datetime import timedelta
from typing import Any
from unittest import mock

from tcunit.errors import ContainerDied, DeclarationError, NoAddress, NotReady, StartCancelled
from tcunit.wait import wait_until_ready
from tcunit.wait.base import ContainerState

from .in_memory import ENDED, RUNS, Scripted, Target


class LoopTest(unittest.TestCase):
    """How a wait ends."""

    def test_ready_at_once(self) -> None:
        """It asks once and returns, without a pause."""
        strategy = Scripted(None)
        wait_until_ready(Target(), strategy, 10)
        self.assertEqual(1, strategy.asked)

    def test_ready_later(self) -> None:
        """It asks until the answer is yes, and not again."""
        strategy = Scripted("a", "b", "c", None, "never asked")
        wait_until_ready(Target(), strategy, 10)
        self.assertEqual(4, strategy.asked)

    def test_deadline(self) -> None:
        """The error has who, how long, the strategy, the tries, the last reason, and what to do."""
        strategy = Scripted("first", "last", name="the moon")
        with self.assertRaises(NotReady) as caught:
            wait_until_ready(Target(), strategy, 0.02, "Be patient.")
        expected = (
            f"web was not ready within 0.02 s: waiting for the moon, asked {strategy.asked} times, "
            f"the last time: last\nState: running. Be patient.\n(the log)"
        )
        self.assertEqual(expected, str(caught.exception))
        self.assertGreater(strategy.asked, 1)

    def test_it_asks_at_least_once(self) -> None:
        """However short the time is, one question is asked; the message says "once"."""
        with self.assertRaisesRegex(NotReady, "asked once, the last time: no"):
            wait_until_ready(Target(), Scripted("no"), 1e-9)
        wait_until_ready(Target(), Scripted(None), 1e-9)

    def test_the_strategys_own_limit_wins(self) -> None:
        """A limit of the strategy holds in place of the general one, shorter or longer."""
        began = time.monotonic()
        with self.assertRaisesRegex(NotReady, r"within 0\.01 s"):
            wait_until_ready(Target(), Scripted("no").with_startup_timeout(0.01), 60)
        self.assertLess(time.monotonic() - began, 30)
        strategy = Scripted(*["no"] * 20, None).with_startup_timeout(60)
        wait_until_ready(Target(), strategy, 1e-9)
        self.assertEqual(21, strategy.asked)

    def test_died(self) -> None:
        """A container that ended ends the wait, with its state and log."""
        oom = ContainerState("exited", running=False, exit_code=137, oom_killed=True)
        for state, words in [
            (ENDED, "ended while waiting for the script: exited, exit code 3"),
            (oom, "exited, exit code 137, killed for want of memory (OOM)"),
        ]:
            with self.subTest(state=state):
                strategy = Scripted("no")
                with self.assertRaises(ContainerDied) as caught:
                    wait_until_ready(Target(states=[RUNS, state]), strategy, 60)
                self.assertIn(words, str(caught.exception))
                self.assertTrue(str(caught.exception).startswith("web "))
                self.assertTrue(str(caught.exception).endswith("(the log)"))
                self.assertEqual(2, strategy.asked)

    def test_restarted(self) -> None:
        """A container that its policy restarted is none that becomes ready by waiting."""
        again = ContainerState("running", running=True, exit_code=0, restarts=2)
        with self.assertRaisesRegex(
            ContainerDied, "was restarted by its policy while waiting for.*restarted 2 times"
        ):
            wait_until_ready(Target(states=[again]), Scripted("no"), 60)

    def test_ready_before_the_end(self) -> None:
        """What was ready counts, even if the container ends right after."""
        wait_until_ready(Target(states=[ENDED]), Scripted(None), 60)

    def test_a_strategy_that_outlives_its_container(self) -> None:
        """It goes on asking after the end."""
        strategy = Scripted("no", "no", None)
        strategy.outlives_container = True
        wait_until_ready(Target(states=[ENDED]), strategy, 60)
        self.assertEqual(3, strategy.asked)

    def test_cancelled_before(self) -> None:
        """A start that was given up asks nothing."""
        strategy = Scripted(None)
        with self.assertRaisesRegex(StartCancelled, "web: the wait for the script was given up"):
            wait_until_ready(Target(cancelled=True), strategy, 60)
        self.assertEqual(0, strategy.asked)

    def test_cancelled_meanwhile(self) -> None:
        """A wait ends after the question that is under way."""
        target, strategy = Target(), Scripted("no")
        strategy.on_ask = lambda: setattr(target, "cancelled", strategy.asked == 3)
        with self.assertRaises(StartCancelled):
            wait_until_ready(target, strategy, 60)
        self.assertEqual(3, strategy.asked)

    def test_no_address_of_what_runs(self) -> None:
        """A mode that cannot work is an error at once."""
        with self.assertRaisesRegex(NoAddress, "no gateway"):
            wait_until_ready(Target(), Scripted(NoAddress("no gateway")), 60)

    def test_no_address_of_what_ended(self) -> None:
        """What ended has no address any more, and its end is the error."""
        with self.assertRaisesRegex(ContainerDied, "exit code 3"):
            wait_until_ready(Target(states=[ENDED]), Scripted(NoAddress("gone")), 60)

    def test_other_errors_pass(self) -> None:
        """An error of the strategy itself is not taken for "not ready"."""
        with self.assertRaises(ZeroDivisionError):
            wait_until_ready(Target(), Scripted(ZeroDivisionError()), 60)


class Clock(threading.Event):
    """A clock that goes on only while somebody waits for the event, and notes how long."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.pauses = 100.0, list[float]()

    def monotonic(self) -> float:
        """The time in seconds."""
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass."""
        self.pauses.append(timeout or 0.0)
        self.now += timeout or 0.0
        return False


class PauseTest(unittest.TestCase):
    """How long the loop pauses between two questions."""

    def pauses(self, strategy: Scripted, limit: float, cost: float = 0.0) -> list[float]:
        """The pauses of a wait whose questions cost some seconds each."""
        clock = Clock()
        strategy.on_ask = lambda: setattr(clock, "now", clock.now + cost)
        with mock.patch("tcunit.wait.base.time", clock), suppress(NotReady):
            wait_until_ready(Target(changed=clock), strategy, limit)
        return clock.pauses

    def test_it_begins_short_and_stays_short(self) -> None:
        """Pauses grow from 1 ms to 10 ms and no further."""
        actual = self.pauses(Scripted(*["no"] * 30, None), 60)
        self.assertEqual(30, len(actual))
        self.assertEqual(sorted(actual), actual)
        self.assertEqual((0.001, 0.01), (actual[0], actual[-1]))

    def test_a_costly_question_is_asked_for_half_of_the_time(self) -> None:
        """After a question of half a second comes a pause of half a second."""
        actual = self.pauses(Scripted("no", "no", None), 60, cost=0.5)
        self.assertEqual([0.5, 0.5], actual)

    def test_the_deadline_is_kept(self) -> None:
        """The last pause ends at the deadline, where it asks a last time."""
        strategy = Scripted("no")
        actual = self.pauses(strategy, 0.875, cost=0.25)  # 0.25 + 0.25 + 0.25 + 0.125 = 0.875
        self.assertEqual(([0.25, 0.125], 3), (actual, strategy.asked))


class TimeoutTest(unittest.TestCase):
    """Time limits of strategies."""

    def test_a_copy_has_the_limit(self) -> None:
        """The strategy itself is left as it was, so that it can serve others."""
        strategy = Scripted(None)
        for limit, expected in [(5, 5.0), (0.5, 0.5), (timedelta(minutes=2), 120.0)]:
            with self.subTest(limit=limit):
                self.assertEqual(expected, strategy.with_startup_timeout(limit).limit(60))
        self.assertEqual((None, 60), (strategy.timeout, strategy.limit(60)))

    def test_wrong_limits(self) -> None:
        """Nothing, less than nothing and for ever are refused."""
        wrong: list[Any] = [0, -1, float("inf"), float("nan"), timedelta(0), timedelta(-1)]
        for limit in wrong:
            with self.subTest(limit=limit), self.assertRaisesRegex(DeclarationError, "above 0"):
                Scripted(None).with_startup_timeout(limit)


class StateTest(unittest.TestCase):
    """A state in a message."""

    def test_text(self) -> None:
        """It says what matters and nothing else."""
        for state, expected in [
            (RUNS, "running"),
            (ENDED, "exited, exit code 3"),
            (
                ContainerState("running", running=True, exit_code=0, health="unhealthy"),
                "running, health unhealthy",
            ),
            (
                ContainerState("created", running=False, exit_code=127, error="no such file"),
                "created, exit code 127, no such file",
            ),
            (
                ContainerState("restarting", running=False, exit_code=1, restarts=4),
                "restarting, exit code 1, restarted 4 times",
            ),
        ]:
            with self.subTest(expected=expected):
                self.assertEqual(expected, str(state))
