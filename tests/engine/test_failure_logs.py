"""A failing test brings its evidence, under every runner; a failed class can be kept."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from tcunit import (
    ContainersMixin,
    ContainerTestCase,
    DockerContainer,
    FailureLogsMixin,
    evidence,
    wait,
)
from tcunit._docker import Engine, NotThere
from tcunit.errors import EngineError
from tcunit.modules import RedisContainer

from .helpers import ROOT, EngineTest, engine, environment, problems, run_class, shell, until

TITLE = "tcunit: containers of "
QUICK = {"test": ["CMD", "true"], "interval": 50_000_000, "retries": 1}  # nanoseconds
UNTIL_TOLD = "echo last words; while ! rm /end 2>/dev/null; do sleep 0.05; done; exit 1"


def talker() -> DockerContainer:
    """A container that has logged a line and then runs for a while."""
    script = "echo from before; exec sleep 300"
    return shell(script).waiting_for(wait.for_log("from before"))


def say(box: DockerContainer, *lines: str) -> None:
    """Let a container log lines, and return when the engine has them."""
    box.exec(["sh", "-c", 'printf "%s\\n" "$@" > /proc/1/fd/1', "sh", *lines])
    until(lambda: lines[-1].encode() in box.get_logs()[0], f"{lines[-1]!r} in the log")


def texts(result: unittest.TestResult) -> dict[str, str]:
    """What a result tells of each test that failed, by the end of its name."""
    found = [*result.errors, *result.failures]
    return {test.id().rpartition("Test.")[2]: text for test, text in found}


class Tests(ContainerTestCase):
    """A class that has one container; without tests of its own."""

    box = talker()


class KindsTest(EngineTest):
    """Each kind of failure has its note, and nothing else has one."""

    def assert_noted(self, text: str, *logged: str) -> None:
        """Fail unless a failure's text ends in a note that shows these lines of the log only."""
        _, title, note = text.partition(f"\n{TITLE}")
        self.assertTrue(title, text)
        self.assertRegex(note, r"\nbox \(alpine, tcunit-\w+-box-\w+\): running\n  address: \d+\.")
        self.assertEqual(list(logged), re.findall(r"^  \| (.*)$", note, re.MULTILINE))
        self.assertRegex(note, r"\nconnection mode: (bridge_ip|gateway_ip|docker_host) \(.+\)")

    def test_tests(self) -> None:
        """A failure, an error and a failed subtest have one, with what was logged in that test."""

        class EachTest(Tests):
            def test_failure(self) -> None:
                say(self.box, "during failure")
                self.fail("so")

            def test_error(self) -> None:
                say(self.box, "during error")
                raise ValueError("so")

            def test_subtest(self) -> None:
                for number in range(3):
                    with self.subTest(number=number):
                        self.assertEqual(1, number)

            def test_passes(self) -> None:
                say(self.box, "during a success")

        found = texts(run_class(EachTest))
        subtests = {"test_subtest (number=0)", "test_subtest (number=2)"}
        self.assertEqual({"test_failure", "test_error", *subtests}, set(found))
        self.assert_noted(found["test_failure"], "during failure")
        self.assert_noted(found["test_error"], "during error")
        for name in subtests:
            self.assert_noted(found[name])
            self.assertIn("logged nothing since this test began", found[name])

    def test_around_a_test(self) -> None:
        """A set-up, a tear-down and a clean-up that fail have one."""

        class AroundTest(Tests):
            def setUp(self) -> None:
                if "set_up" in self.id():
                    raise ValueError("mine")

            def tearDown(self) -> None:
                if "tear_down" in self.id():
                    raise ValueError("mine")

            def test_set_up(self) -> None:
                pass

            def test_tear_down(self) -> None:
                pass

            def test_clean_up(self) -> None:
                self.addCleanup(self.fail, "so")

        found = texts(run_class(AroundTest))
        self.assertEqual({"test_set_up", "test_tear_down", "test_clean_up"}, set(found))
        for text in found.values():
            self.assert_noted(text)

    def test_what_is_no_failure(self) -> None:
        """A skip and an expected failure are as they were."""

        class QuietTest(Tests):
            def test_skip(self) -> None:
                self.skipTest("so")

            @unittest.expectedFailure
            def test_expected(self) -> None:
                with self.subTest("inner"):
                    self.fail("so")

        result = run_class(QuietTest)
        self.assertTrue(result.wasSuccessful())
        self.assertEqual(["so"], [reason for _, reason in result.skipped])
        self.assertEqual(1, len(result.expectedFailures))
        self.assertNotIn("tcunit:", result.expectedFailures[0][1])

    def test_async_tests(self) -> None:
        """A test with ``async def`` has one, in its subtests and its set-up, too."""

        class AsyncTest(Tests, unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self) -> None:
                if "set_up" in self.id():
                    raise ValueError("mine")

            async def test_failure(self) -> None:
                say(self.box, "during failure")
                self.fail("so")

            async def test_subtest(self) -> None:
                with self.subTest("inner"):
                    self.fail("so")

            async def test_set_up(self) -> None:
                pass

            async def test_passes(self) -> None:
                pass

        found = texts(run_class(AsyncTest))
        self.assertEqual({"test_failure", "test_subtest [inner]", "test_set_up"}, set(found))
        self.assert_noted(found.pop("test_failure"), "during failure")
        for text in found.values():
            self.assert_noted(text)

    def test_set_up_of_the_class(self) -> None:
        """A setUpClass that fails after super() has one, also that of a plain mixin."""

        class OwnTest(Tests):
            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                say(cls.box, "during set-up")
                raise ValueError("mine")

            def test_it(self) -> None:
                pass

        class Mixin:
            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()  # type: ignore[misc]
                raise ValueError("mine")

        class PlainTest(Mixin, Tests):
            def test_it(self) -> None:
                pass

        class InheritedTest(OwnTest):
            pass

        text = self.assert_fails(OwnTest)
        self.assert_noted(text, "from before", "during set-up")
        self.assertIn("ValueError: mine\n", text)
        for case in (PlainTest, InheritedTest):
            with self.subTest(case=case):
                text = self.assert_fails(case)
                self.assertIn(f"{TITLE}{case.__qualname__}\n", text)
                self.assertEqual(1, text.count(TITLE))

    def test_tear_down_of_the_class(self) -> None:
        """A tearDownClass that fails has one."""

        class TearDownTest(Tests):
            @classmethod
            def tearDownClass(cls) -> None:
                super().tearDownClass()
                say(cls.box, "during the end")
                raise ValueError("mine")

            def test_it(self) -> None:
                pass

        self.assert_noted(self.assert_fails(TearDownTest), "during the end")

    def test_start_errors_are_not_repeated(self) -> None:
        """A container that dies in its start is told of once, by the error itself."""

        class DeadTest(Tests):
            dead = shell("echo last words; exit 3").waiting_for(wait.for_log("never"))

            def test_it(self) -> None:
                pass

        text = self.assert_fails(DeadTest)
        self.assertIn("exit code 3", text)
        self.assertEqual(1, text.count("last words"))
        self.assertNotIn(TITLE, text)

    def test_an_interrupt(self) -> None:
        """Ctrl-C ends the run at once, and is given no note."""

        class InterruptedTest(Tests):
            def test_it(self) -> None:
                raise KeyboardInterrupt

        self.addCleanup(InterruptedTest.doClassCleanups)
        with self.assertRaises(KeyboardInterrupt) as caught:
            run_class(InterruptedTest)
        self.assertFalse(hasattr(caught.exception, "__notes__"))

    def test_on_any_test_case(self) -> None:
        """The mixin works with ContainersMixin alone, on either side of it."""

        class BeforeTest(FailureLogsMixin, ContainersMixin):
            box = talker()

            def test_it(self) -> None:
                self.fail("so")

        class AfterTest(ContainersMixin, FailureLogsMixin):
            box = talker()

            def test_it(self) -> None:
                self.fail("so")

        for case in (BeforeTest, AfterTest):
            with self.subTest(case=case):
                self.assert_noted(self.assert_fails(case))


class NoteTest(EngineTest):
    """What a note says."""

    def note(self, case: type[unittest.TestCase]) -> str:
        return self.assert_fails(case).partition(TITLE)[2]

    def test_how_many_lines(self) -> None:
        """The last lines are shown, as many as a setting says; 0 means no note at all."""

        class LongTest(Tests):
            def test_it(self) -> None:
                say(self.box, *(f"line {number}." for number in range(30)))
                self.fail("so")

        for setting, first in [("", 20), ("3", 27)]:
            with self.subTest(setting=setting), environment(TCUNIT_FAILURE_LINES=setting):
                note = self.note(LongTest)
                expected = [f"line {number}." for number in range(first, 30)]
                self.assertEqual(expected, re.findall(r"^  \| (.*)$", note, re.MULTILINE))
                self.assertIn(f"(the last {30 - first} lines)", note)
        with environment(TCUNIT_FAILURE_LINES="0"):
            self.assertNotIn("tcunit:", self.assert_fails(LongTest))

    def test_a_dead_container(self) -> None:
        """Of one that has ended, the exit code is told, and its last lines of whatever time."""

        class DeadTest(ContainerTestCase):
            box = shell(UNTIL_TOLD).waiting_for(wait.for_log("last words"))

            def test_it(self) -> None:
                self.box.exec(["touch", "/end"])
                until(lambda: self.box.status == "exited", "its end")
                self.fail("so")

        note = self.note(DeadTest)
        self.assertRegex(note, r"\nbox .*: exited, exit code 1\n")
        self.assertIn("logged nothing since this test began, but before:\n  | last words", note)

    def test_a_removed_container(self) -> None:
        """One that somebody has removed is told as such, and the other one as it is."""

        class GoneTest(Tests):
            other = talker()

            def test_it(self) -> None:
                engine().remove_container(self.box.get_container_id())
                self.fail("so")

        note = self.note(GoneTest)
        self.assertRegex(note, r"\nbox .*: removed\n")
        self.assertRegex(note, r"\nother .*: running\n")

    def test_health_restarts_and_ports(self) -> None:
        """Health, the number of restarts and the published addresses are told."""

        class AllTest(ContainerTestCase):
            cache = RedisContainer("redis:alpine").with_kwargs(healthcheck=QUICK)
            again = shell(UNTIL_TOLD).with_kwargs(restart_policy={"Name": "on-failure"})

            def test_it(self) -> None:
                self.again.exec(["touch", "/end"])
                identity = self.again.get_container_id()
                until(lambda: engine().inspect(identity)["RestartCount"] == 1, "its restart")
                until(lambda: self.again.status == "running", "it to run")
                cache = self.cache.get_container_id()
                until(
                    lambda: (
                        "Health" in engine().inspect(cache)["State"]
                        and engine().inspect(cache)["State"]["Health"]["Status"] == "healthy"
                    ),
                    "its health",
                )
                type(self).port = self.cache.mapped_port(6379)
                self.fail("so")

            port: ClassVar[int]

        note = self.note(AllTest)
        self.assertRegex(note, r"\ncache .*: running, health healthy\n")
        self.assertRegex(note, rf"6379/tcp published at .*:{AllTest.port}\b")
        self.assertRegex(note, r"\nagain .*: running, restarted 1 times\n")

    def test_the_mode_of_the_test(self) -> None:
        """The connection mode is that of the failing test."""

        class ModeTest(Tests):
            connection_mode = "docker_host"

            def test_it(self) -> None:
                self.fail("so")

        self.assertIn("connection mode: docker_host (connection_mode of", self.note(ModeTest))

    def test_an_error_raised_again(self) -> None:
        """An exception that several tests raise has the note of the last one only."""
        error = ValueError("mine")

        class AgainTest(Tests):
            def test_one(self) -> None:
                raise error

            test_two = test_one

        result = run_class(AgainTest)
        self.assertEqual(2, len(result.errors))
        self.assertEqual(1, result.errors[1][1].count(TITLE))


class TroubleTest(EngineTest):
    """Trouble in gathering the evidence never hides the test's own failure."""

    def run_with(self, trouble: contextlib.AbstractContextManager[Any]) -> str:
        """Run a failing test in trouble that begins after its start; its text."""

        class TroubledTest(Tests):
            def test_it(self) -> None:
                stack.enter_context(trouble)
                self.fail("so")

        with contextlib.ExitStack() as stack:
            result = unittest.TestResult()
            case = TroubledTest
            self.addCleanup(case.doClassCleanups)
            case.setUpClass()
            case("test_it").run(result)
        case.doClassCleanups()
        self.assertEqual(1, len(result.failures), problems(result))
        self.assertIn("AssertionError: so\n", result.failures[0][1])
        return result.failures[0][1]

    def test_an_engine_that_refuses(self) -> None:
        """An engine's error is told in the note."""
        refuse = mock.patch.object(Engine, "inspect", side_effect=EngineError("no such luck"))
        self.assertIn("no such luck", self.run_with(refuse))

    def test_an_engine_that_hangs(self) -> None:
        """After a limit for everything together, the note says that there was no answer."""
        ending = threading.Event()

        @contextlib.contextmanager
        def hanging() -> Iterator[None]:
            with (
                mock.patch.object(Engine, "logs", side_effect=lambda *_, **__: ending.wait(30)),
                mock.patch.object(evidence, "LIMIT", 0.3),
            ):
                yield
            ending.set()

        self.assertRegex(self.run_with(hanging()), r"box \(.*\): no answer within 0\.3 s")

    def test_a_defect(self) -> None:
        """Any error of ours is told in the note."""
        defect = mock.patch.object(evidence, "safe_name", side_effect=ZeroDivisionError("oh"))
        self.assertIn("the evidence could not be gathered: ZeroDivisionError: oh",
                      self.run_with(defect))  # fmt: skip

    def test_a_wrong_setting(self) -> None:
        """A setting that cannot be read is told in the note."""
        text = self.run_with(environment(TCUNIT_FAILURE_LINES="many"))
        self.assertIn("TCUNIT_FAILURE_LINES has the value 'many'", text)

    def test_a_folder_that_cannot_be_made(self) -> None:
        """A place where nothing can be written is told in the note."""
        with tempfile.NamedTemporaryFile() as file:
            text = self.run_with(environment(TCUNIT_ARTIFACTS=file.name))
        self.assertIn("could not be gathered: ", text)
        self.assertIn(file.name, text)

    def test_an_exception_that_takes_no_note(self) -> None:
        """Where an exception refuses notes, the note goes to stderr."""

        class Frozen(Exception):
            def __setattr__(self, name: str, value: object) -> None:
                raise AttributeError(name)

        class FrozenTest(Tests):
            def test_it(self) -> None:
                raise Frozen("so")

        with contextlib.redirect_stderr(__import__("io").StringIO()) as stderr:
            self.assertIn("Frozen: so", self.assert_fails(FrozenTest))
        self.assertIn(TITLE, stderr.getvalue())


class CostTest(EngineTest):
    """A test that passes costs nothing."""

    def test_no_call(self) -> None:
        """Between the first test and the last one no request is made, until one fails."""
        import docker.api.client

        calls: list[str] = []
        send = docker.api.client.APIClient.send

        def counting(client: Any, request: Any, **kwargs: Any) -> Any:
            calls.append(request.url)
            return send(client, request, **kwargs)

        class CheapTest(Tests):
            seen: ClassVar[list[int]] = []

            @classmethod
            def tearDownClass(cls) -> None:
                cls.seen.append(len(calls))
                super().tearDownClass()

            def test_1_passes(self) -> None:
                self.seen.append(len(calls))
                with self.subTest("passes"):
                    pass

            def test_2_skips(self) -> None:
                self.skipTest("so")

            @unittest.expectedFailure
            def test_3_is_expected(self) -> None:
                self.fail("so")

            def test_4_fails(self) -> None:
                self.seen.append(len(calls))
                self.fail("so")

        with (
            mock.patch.object(docker.api.client.APIClient, "send", counting),
            environment(TESTCONTAINERS_RYUK_DISABLED="true", TCUNIT_ARTIFACTS=""),
        ):
            run_class(CheapTest)
        first, before_failure, last = CheapTest.seen
        self.assertGreater(first, 0)
        self.assertEqual(first, before_failure)
        self.assertGreater(last, before_failure)


class ArtifactsTest(EngineTest):
    """Whole logs and the engine's answers, as files."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name, "new")
        self.enterContext(environment(TCUNIT_ARTIFACTS=str(self.folder)))

    def test_files(self) -> None:
        """Each failing test has a folder, named in its note, with both files of each container."""

        class FilesTest(Tests):
            nodes = [talker()]

            def test_it(self) -> None:
                self.box.exec(["sh", "-c", "echo to stderr > /proc/1/fd/2"])
                say(self.box, *(f"line {number}." for number in range(30)))
                for name in ("a/b", "a:b"):
                    with self.subTest(name):
                        self.fail("so")

            def test_passes(self) -> None:
                pass

        found = texts(run_class(FilesTest))
        prefix = f"{__name__}.ArtifactsTest.test_files.-locals-.FilesTest.test_it"
        folders = {re.findall(r"answers: (.*)", text)[0] for text in found.values()}
        self.assertEqual({str(each) for each in self.folder.iterdir()}, folders)
        self.assertEqual({f"{prefix}-a-b", f"{prefix}-a-b-2"}, {Path(f).name for f in folders})
        folder = Path(folders.pop())
        self.assertEqual(
            {"box.log", "box.json", "nodes-0.log", "nodes-0.json"},
            {each.name for each in folder.iterdir()},
        )
        log = Path(folder, "box.log").read_text().splitlines()
        self.assertEqual(32, len(log))
        self.assertRegex(log[0], r"\A\d{4}-\d\d-\d\dT[\d:.]+Z from before\Z")
        self.assertRegex("\n".join(log), r"Z to stderr\b")
        self.assertTrue(json.loads(Path(folder, "box.json").read_text())["State"]["Running"])

    def test_one_folder_for_a_test(self) -> None:
        """A test that fails twice in one run has one folder; in a further run it has another."""

        class TwiceTest(Tests):
            def test_it(self) -> None:
                self.addCleanup(self.fail, "and so")
                self.fail("so")

        self.assertEqual(2, len(run_class(TwiceTest).failures))
        self.assertEqual(1, len(list(self.folder.iterdir())))
        run_class(TwiceTest)
        self.assertEqual(2, len(list(self.folder.iterdir())))

    def test_secrets(self) -> None:
        """No value of the environment and no password is in a note or a file."""
        secret, other = "hunter2", "open-sesame-now"

        class SecretTest(ContainerTestCase):
            cache = RedisContainer("redis:alpine", password=secret)
            box = talker().with_env("DB_PASSWORD", other).with_env("PLAIN", "plain-value")

            def test_it(self) -> None:
                say(self.box, f"I have {other}.", f"redis://:{secret}x@cache:6379 is up.")
                self.fail("so")

        text = self.assert_fails(SecretTest)
        self.assertIn("| I have ***.", text)
        self.assertIn("| redis://:***@cache:6379 is up.", text)
        folder = next(iter(self.folder.iterdir()))
        for file in folder.iterdir():
            text += file.read_text()
        for value in (secret, other, "plain-value"):
            self.assertNotIn(value, text)
        for name in ("DB_PASSWORD=***", "PLAIN=***", "PATH=***"):
            self.assertIn(f'"{name}"', Path(folder, "box.json").read_text())
        self.assertIn("--requirepass", Path(folder, "cache.json").read_text())

    def test_without_notes(self) -> None:
        """Files are written where a setting says that there are to be no notes."""

        class SilentTest(Tests):
            def test_it(self) -> None:
                self.fail("so")

        with environment(TCUNIT_FAILURE_LINES="0"):
            self.assertNotIn("tcunit:", self.assert_fails(SilentTest))
        self.assertEqual(1, len(list(self.folder.iterdir())))


# -- in processes of their own --------------------------------------------------------------------

MODULE = """
import unittest
from tcunit import ContainerTestCase, DockerContainer

class RunnerTest({bases}):
    box = DockerContainer("alpine").with_command("sleep 300")

    def setUp(self):
        if "async" not in self.id():
            self.box.exec(["sh", "-c", "echo during $0 > /proc/1/fd/1", self._testMethodName])
            while self._testMethodName.encode() not in self.box.get_logs()[0]:
                pass

    def test_failure(self):
        self.fail("so")

    def test_subtest(self):
        for number in range(2):
            with self.subTest(number=number):
                self.assertEqual(1, number)

    def test_passes(self):
        pass

class SetUpRunnerTest(ContainerTestCase):
    box = RunnerTest.box.copy()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        raise ValueError("mine")

    def test_never(self):
        pass
"""

ASYNC = """
class AsyncRunnerTest(ContainerTestCase, unittest.IsolatedAsyncioTestCase):
    box = RunnerTest.box.copy()

    async def test_async(self):
        self.fail("so")

"""

PYTEST_ONLY = """
import pytest

class PytestTest(ContainerTestCase):
    box = RunnerTest.box.copy()

    def test_skip(self):
        pytest.skip("so")

    def test_fail(self):
        pytest.fail("so")
"""

DJANGO_SETTINGS = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
"""

DJANGO_ONLY = """
class PreparedTest(ContainerTestCase, TestCase):
    box = RunnerTest.box.copy()

    @classmethod
    def setUpTestData(cls):
        raise ValueError("mine")

    def test_never(self):
        pass

class EachTest(ContainerTestCase, TestCase):
    box = RunnerTest.box.copy()

    @classmethod
    def _pre_setup(cls, *args):
        raise ValueError("mine")

    def test_never(self):
        pass
"""


class ProcessTest(EngineTest):
    """Runs test runners in a folder of their own."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        paths = [str(self.folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
        return subprocess.Popen(
            [sys.executable, *arguments],
            env={
                **os.environ, "TESTCONTAINERS_RYUK_DISABLED": "true",
                "PYTHONPATH": os.pathsep.join(filter(None, paths)), **environ,
            },
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def output(self, *arguments: str, **environ: str) -> str:
        """What a run prints that fails."""
        process = self.start(*arguments, **environ)
        output, _ = process.communicate(timeout=120)
        self.assertNotEqual(0, process.returncode, output)
        return output


class RunnersTest(ProcessTest):
    """Every runner prints the notes."""

    def assert_notes(self, output: str, **expected: int) -> None:
        """Fail unless there are so many notes, with the log's lines of the right tests."""
        found = {name: output.count(f"{TITLE}{name}Test\n") for name in expected}
        self.assertEqual(expected, found, output)
        self.assertEqual(1, output.count("| during test_failure\n"), output)
        self.assertEqual(1, output.count("| during test_subtest\n"), output)
        self.assertNotIn("| during test_passes", output)

    def test_unittest(self) -> None:
        """``python -m unittest`` does, and the traceback still ends in the user's line."""
        self.write("test_it.py", MODULE.format(bases="ContainerTestCase") + ASYNC)
        output = self.output("-W", "error", "-m", "unittest", "test_it")
        self.assert_notes(output, Runner=2, AsyncRunner=1, SetUpRunner=1)
        self.assertRegex(output, r'\n    self\.fail\("so"\)\n[ ~^]*\n?AssertionError: so\ntcunit: ')
        self.assertIn("FAILED (failures=3, errors=1)", output)

    def test_pytest(self) -> None:
        """pytest does; what it skips is left alone."""
        self.write("test_it.py", MODULE.format(bases="ContainerTestCase") + ASYNC + PYTEST_ONLY)
        output = self.output("-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "test_it.py")
        output = re.sub(r"^E +", "", output, flags=re.MULTILINE)
        output = re.sub(r"^ *\|", "|", output, flags=re.MULTILINE)
        self.assert_notes(output, Runner=2, AsyncRunner=1, SetUpRunner=1, Pytest=1)
        self.assertRegex(output, r"4 failed, 2 passed, 1 skipped, 1 error")

    def test_django(self) -> None:
        """Django's runner does, also for what goes wrong outside of the test itself."""
        module = "from django.test import TestCase\n" + MODULE + ASYNC + DJANGO_ONLY
        self.write("test_it.py", module.format(bases="ContainerTestCase, TestCase"))
        self.write("settings_of_this_test.py", DJANGO_SETTINGS)
        output = self.output(
            "-m", "django", "test", "test_it", "--settings", "settings_of_this_test"
        )
        self.assert_notes(output, Runner=2, AsyncRunner=1, SetUpRunner=1, Prepared=1, Each=1)

    @unittest.skipUnless(importlib.util.find_spec("unittest_parallel"), "it is not installed")
    def test_unittest_parallel(self) -> None:
        """unittest-parallel does, with classes side by side in processes that end in silence."""
        self.write("test_it.py", MODULE.format(bases="ContainerTestCase"))
        output = self.output("-m", "unittest_parallel", "-j", "3", "--level", "class", "-s", ".")
        self.assert_notes(output, Runner=2, SetUpRunner=1)
        self.assertNotIn("Terminated", output)


KEPT = """
import os, signal, sys, unittest
from tcunit import ContainerTestCase, DockerContainer, Network

def box():
    return DockerContainer("alpine").with_command("sleep 300")

class AFailedTest(ContainerTestCase):
    net = Network()
    box = box().with_network(net)

    def test_1_fails(self):
        self.fail("so")

    def test_2_goes_on(self):
        self.assertEqual("running", self.box.status)

class BPassedTest(ContainerTestCase):
    box = box()

    def test_it(self):
        print("PASSED", self.box.name, flush=True)
        if "KILL" in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
"""

KEPT_START = """
from tcunit import ContainerTestCase, DockerContainer, wait

class StartTest(ContainerTestCase):
    dead = (DockerContainer("alpine").with_command(["sh", "-c", "echo last words; exit 3"])
            .waiting_for(wait.for_log("never")))

    def test_it(self):
        pass
"""


KEPT_SCOPES = """
from tcunit import ContainerTestCase, DockerContainer

class StartTest(ContainerTestCase):
    box = DockerContainer("alpine").with_command("sleep 300")
    brief = box.copy().with_scope("test")
    shared = box.copy().with_scope("run")

    def test_1_fails(self):
        self.fail("so")

    def test_2_passes(self):
        pass
"""


class KeepTest(ProcessTest):
    """With TCUNIT_KEEP=on-failure, what a failed class has started stays up."""

    def keep(self, module: str, **environ: str) -> str:
        """Run a module; what it prints. What it kept is removed at the end of the test."""
        self.write("test_it.py", module)
        output = self.output("-m", "unittest", "test_it", TCUNIT_KEEP="on-failure", **environ)
        for name in self.named(output):
            self.addCleanup(self.remove, name)
        return output

    def named(self, output: str) -> list[str]:
        """All names of containers and networks that are printed, containers first."""
        found = set(re.findall(r"\btcunit-(?:AFailed|BPassed|Start)Test-\w+-\w{8}\b", output))
        return sorted(found, key=lambda name: ("-net-" in name, name))

    def remove(self, name: str) -> None:
        if "-net-" in name:
            engine().free_network(name)
            engine().remove_network(name)
        else:
            engine().remove_container(name)

    def is_there(self, name: str) -> bool:
        try:
            engine().inspect_network(name) if "-net-" in name else engine().inspect(name)
        except NotThere:
            return False
        return True

    def test_kept(self) -> None:
        """It is up after the process's end, the rest is gone, and the printed commands work."""
        output = self.keep(KEPT)
        self.assertIn("FAILED (failures=1)", output)
        passed = re.findall(r"PASSED (\S+)", output)[0]
        self.assertFalse(self.is_there(passed))
        box, net = (name for name in self.named(output) if name != passed)
        self.assertTrue(engine().inspect(box)["State"]["Running"])
        self.assertTrue(self.is_there(net))
        clean_up = f"docker rm -fv {box}; docker network rm {net}"
        for command in (f"docker exec -it {box} sh\n", f"docker logs {box}\n", clean_up):
            self.assertEqual(2, output.count(command), output)  # on stderr, and in the note
        if shutil.which("docker"):
            look = f"docker exec {box} true && docker logs {box} && {clean_up}"
            subprocess.run(look, shell=True, check=True, capture_output=True, timeout=60)
            self.assertEqual([False, False], [self.is_there(box), self.is_there(net)])

    def test_the_guard_is_told(self) -> None:
        """The guard of a killed process removes the rest, and not what is kept."""
        output = self.keep(KEPT, KILL="yes")
        passed = re.findall(r"PASSED (\S+)", output)[0]
        kept = [name for name in self.named(output) if name != passed]
        self.assertEqual(2, len(kept), output)
        until(lambda: not self.is_there(passed), "the guard")
        self.assertEqual([True, True], [self.is_there(name) for name in kept])

    def test_a_failed_start(self) -> None:
        """A container that died in its start can be looked at."""
        output = self.keep(KEPT_START)
        names = self.named(output)
        self.assertEqual(1, len(names), output)
        self.assertIn(b"last words", engine().logs(names[0]))
        self.assertIn(f"docker logs {names[0]}", output)

    def test_scopes(self) -> None:
        """What lives for the failed test, and what the run shares, stays up as well."""
        output = self.keep(KEPT_SCOPES)
        self.assertIn("FAILED (failures=1)", output)
        last = [name for name in self.named(output) if "-brief-" in name]
        self.assertEqual(1, len(last), output)
        for word in ("brief", "box", "shared"):
            name = re.findall(rf"docker logs (tcunit-StartTest-{word}-\w+)", output)[0]
            self.assertTrue(engine().inspect(name)["State"]["Running"])
        self.assertEqual(3, len(self.named(output)), output)

    def test_not_asked_for(self) -> None:
        """Without the setting, a failed class leaves nothing, and says nothing of it."""
        self.write("test_it.py", KEPT)
        output = self.output("-m", "unittest", "test_it", TCUNIT_KEEP="")
        self.assertNotIn("docker", output)
        for name in self.named(output):
            self.assertFalse(self.is_there(name))

    def test_ryuk(self) -> None:
        """Ryuk is not armed while something may be kept, and its status says why."""
        self.write("test_it.py", KEPT + RYUK_STATUS)
        output = self.keep(KEPT + RYUK_STATUS, TCUNIT_REAPERS="guard,ryuk",
                           TESTCONTAINERS_RYUK_DISABLED="")  # fmt: skip
        self.assertRegex(output, r"'ryuk': \"?'?not armed: what is kept by TCUNIT_KEEP")


RYUK_STATUS = """
from tcunit import reapers

class CTest(ContainerTestCase):
    box = box()

    def test_it(self):
        print(reapers.status(), flush=True)
"""
