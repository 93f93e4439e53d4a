"""Waiting for commands, for the end, for running, and for the health check."""

from __future__ import annotations

import pickle
import unittest

from tcunit import wait
from tcunit.errors import ContainerDied, DeclarationError, NotReady
from tcunit.wait import ExecResult, wait_until_ready
from tcunit.wait.base import ContainerState
from tcunit.wait.command import LONGEST_COMMAND

from .in_memory import ENDED, RUNS, Target

YES, NO = ExecResult(0, b""), ExecResult(1, b"first\nno server\n")


class ExecTest(unittest.TestCase):
    """Ready when a command succeeds."""

    def test_it_is_run_until_it_succeeds(self) -> None:
        """A command in words or as text is handed on as it is, with a time limit."""
        for command in ("pg_isready -q", ["pg_isready", "-q"]):
            with self.subTest(command=command):
                target = Target(results=[NO, NO, YES])
                wait_until_ready(target, wait.for_exec(command), 60)
                self.assertEqual([(command, LONGEST_COMMAND)] * 3, target.commands)

    def test_another_code(self) -> None:
        """The exit code that counts can be chosen; 0 is then a failure."""
        target = Target(results=[YES, ExecResult(7, b"")])
        wait_until_ready(target, wait.for_exec("x", code=7), 60)
        self.assertEqual(2, len(target.commands))

    def test_reasons(self) -> None:
        """The code with the last line of the output, or that it hung; odd bytes do no harm."""
        for result, expected in [
            (NO, "code 1: no server"),
            (ExecResult(2, b""), "code 2: "),
            (ExecResult(2, b"\xff\n\n"), "code 2: \N{REPLACEMENT CHARACTER}"),
            (TimeoutError("hung"), f"it did not end within {LONGEST_COMMAND:g} s"),
        ]:
            with self.subTest(result=result):
                ask = wait.for_exec("x").begin(Target(results=[result]))
                self.assertEqual(expected, ask())

    def test_no_arguments_in_messages(self) -> None:
        """Arguments may hold a password: only the program's name is shown."""
        for command in ("psql --password=secret", ["psql", "--password=secret"]):
            strategy = wait.for_exec(command, code=2)
            self.assertEqual("the command 'psql' to end with code 2", str(strategy))
            with self.assertRaises(NotReady) as caught:
                wait_until_ready(Target(results=[NO]), strategy, 0.001)
            self.assertNotIn("secret", str(caught.exception))


class ExitTest(unittest.TestCase):
    """Ready when the container has ended."""

    def test_the_right_code(self) -> None:
        """It waits for the end; the code that was asked for is a success, ``None`` takes any."""
        for code in (3, None):
            with self.subTest(code=code):
                target = Target(states=[RUNS, RUNS, ENDED])
                wait_until_ready(target, wait.for_exit(code), 60)
                self.assertEqual([ENDED], target.states)

    def test_the_wrong_code(self) -> None:
        """Another code is the end of the wait, with the log."""
        with self.assertRaises(ContainerDied) as caught:
            wait_until_ready(Target(states=[RUNS, ENDED]), wait.for_exit(), 60)
        expected = "web ended with another exit code than 0: exited, exit code 3\n(the log)"
        self.assertEqual(expected, str(caught.exception))

    def test_it_goes_on(self) -> None:
        """A container that runs on is not ready."""
        with self.assertRaisesRegex(NotReady, "its end with exit code 0, .*still running"):
            wait_until_ready(Target(), wait.for_exit(), 0.001)
        self.assertEqual("its end", str(wait.for_exit(None)))


class RunningTest(unittest.TestCase):
    """Ready when it runs."""

    def test_it_runs(self) -> None:
        """The engine's word is enough."""
        wait_until_ready(Target(), wait.for_running(), 60)

    def test_it_does_not(self) -> None:
        """The reason is its state."""
        created = ContainerState("created", running=False, exit_code=0)
        ask = wait.for_running().begin(Target(states=[created]))
        self.assertEqual("it is created", ask())


class HealthcheckTest(unittest.TestCase):
    """The health check, asked at once."""

    def test_the_command(self) -> None:
        """The words of the check are run as they are, its shell form by a shell."""
        for check, expected in [
            (["CMD", "redis-cli", "ping"], ["redis-cli", "ping"]),
            (["CMD-SHELL", "a && b"], ["/bin/sh", "-c", "a && b"]),
        ]:
            with self.subTest(check=check):
                target = Target(healthcheck=check, results=[NO, YES])
                wait_until_ready(target, wait.for_healthcheck(), 60)
                self.assertEqual([(expected, LONGEST_COMMAND)] * 2, target.commands)

    def test_the_engines_word(self) -> None:
        """What the engine calls healthy is healthy, even if our own run of the check failed."""
        healthy = ContainerState("running", running=True, exit_code=0, health="healthy")
        target = Target(healthcheck=["CMD", "x"], results=[NO], states=[healthy])
        wait_until_ready(target, wait.for_healthcheck(), 60)
        self.assertEqual(1, len(target.commands))

    def test_reasons(self) -> None:
        """The code with the last line of the output, or that it hung."""
        for result, expected in [
            (NO, "the health check ended with code 1: no server"),
            (TimeoutError(), f"the health check did not end within {LONGEST_COMMAND:g} s"),
        ]:
            with self.subTest(result=result):
                target = Target(healthcheck=["CMD", "x"], results=[result])
                self.assertEqual(expected, wait.for_healthcheck().begin(target)())

    def test_there_is_none(self) -> None:
        """A container without one cannot be waited for in this way; the error says what to do."""
        with self.assertRaisesRegex(DeclarationError, r"web has no HEALTHCHECK: declare one with"):
            wait_until_ready(Target(), wait.for_healthcheck(), 60)


class ExecResultTest(unittest.TestCase):
    """What a command gives is a pair with its parts."""

    def test_pair(self) -> None:
        """It is unpacked into two, and keeps its parts, also through a pickle."""
        done = ExecResult(3, b"outerr", b"out", b"err")
        code, output = done
        self.assertEqual((3, b"outerr"), (code, output))
        again = pickle.loads(pickle.dumps(done))
        self.assertEqual((done, b"out", b"err"), (again, again.stdout, again.stderr))
