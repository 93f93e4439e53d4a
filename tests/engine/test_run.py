"""``tcunit run``: the next class's containers start meanwhile, and nothing of it is left, ever."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest
import uuid
from pathlib import Path

from tests.engine.helpers import ROOT, engine, until

HEAD = """
import os, signal, time, unittest
from pathlib import Path
from tcunit import ContainerTestCase, DockerContainer, Network, _session, wait
from tcunit.lifecycle.ahead import ahead
from tests.engine.helpers import engine, until

SEEN = {}

def sleeper():
    return DockerContainer("alpine").with_command("sleep 300")

def there(name, attribute=""):
    "The ids of the running containers of a class of this run."
    found = engine().client.api.containers(filters={"name": f"tcunit-{name}_UNIQUE-{attribute}"})
    return [each["Id"] for each in found]

def see(name):
    "Wait for the container of a class that comes later."
    SEEN[name] = until(lambda: there(name), name)

def tell(word):
    Path(word).touch()

def hear(word):
    until(Path(word).exists, word)
"""


class SuiteTest(unittest.TestCase):
    """Runs a module of tests in a process of its own; nothing of it may be left."""

    def setUp(self) -> None:
        self.unique = uuid.uuid4().hex[:8]
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        # What a guard removes may take a moment more than the process that it guards.
        self.addCleanup(until, lambda: not self.left(), "everything to be removed")

    def left(self) -> list[str]:
        """What is on the engine of the classes of this test."""
        api = engine().client.api
        containers = [name for each in api.containers(all=True) for name in each["Names"]]
        found = [*containers, *(each["Name"] for each in api.networks())]
        return [each for each in found if self.unique in each]

    def start(self, text: str, *arguments: str, program: str = "tcunit run") -> Process:
        """Start the tests of a module, apart from our own Ctrl-C."""
        body = HEAD + textwrap.dedent(text)
        (self.folder / "test_suite.py").write_text(body.replace("UNIQUE", self.unique))
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", *program.split(), *arguments],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
        )  # fmt: skip
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def outcome(self, text: str, *arguments: str, program: str = "tcunit run") -> tuple[int, str]:
        """Run the tests of a module: exit code, and what was printed on stderr."""
        process = self.start(text, *arguments, program=program)
        _, err = process.communicate()
        return process.returncode, err.replace(self.unique, "UNIQUE")

    def assert_passes(self, text: str, number: int, *arguments: str) -> None:
        """Run the tests of a module, all of which pass, and which leave nothing."""
        code, err = self.outcome(text, *arguments)
        self.assertEqual(0, code, err)
        self.assertIn(f"Ran {number} test", err)
        self.assertEqual([], self.left())

    def hear(self, *words: str) -> None:
        """Wait for what the tests tell."""
        until(lambda: all((self.folder / word).exists() for word in words), str(words))

    def read(self, word: str) -> str:
        """What the tests have written."""
        return (self.folder / word).read_text()


Process = subprocess.Popen[str]


class LookaheadTest(SuiteTest):
    """The containers of the next class start while this one's tests run."""

    def test_used(self) -> None:
        """What was started ahead is what the class has; until its turn, nothing shows it."""
        self.assert_passes("""
            class A_UNIQUE(ContainerTestCase):
                leak_check = True
                net = Network()
                box = sleeper().with_network(net)
                def test_1(self):
                    with self.assertNoLeaks():
                        see("B")
                    self.assertFalse(B_UNIQUE.box.is_started)
                    self.assertEqual([], there("C"))
            class B_UNIQUE(ContainerTestCase):
                net = Network()
                box = sleeper().with_network(net)
                def test_1(self):
                    self.assertEqual(SEEN["B"], [self.box.get_container_id()])
                    self.assertEqual("running", self.box.status)
                    self.assertTrue(self.net.is_started)
                    see("C")
                def test_2(self):
                    until(lambda: not there("A"), "the removal")
            class C_UNIQUE(ContainerTestCase):
                box = sleeper().with_exposed_ports(80).waiting_for(wait.for_running())
                def test_1(self):
                    self.assertEqual(SEEN["C"], [self.box.get_container_id()])
                    os.environ["TESTCONTAINERS_CONNECTION_MODE"] = "docker_host"  # it is read now
                    self.assertEqual(self.box.mapped_port(80), self.endpoint(self.box, 80).port)
            """, 4)  # fmt: skip

    def test_discarded(self) -> None:
        """A changed declaration or setting, a dead container, a class that does not come."""
        self.assert_passes("""
            class Base(ContainerTestCase):
                box = sleeper()
                def another(self, name, following):
                    own = [self.box.get_container_id()]
                    self.assertNotEqual(SEEN[name], own)
                    until(lambda: there(name) == own, "the removal of the first one")
                    see(following)
            class A_UNIQUE(Base):
                def test_1(self):
                    see("B")
            class B_UNIQUE(Base):
                @classmethod
                def setUpClass(cls):
                    cls.box = sleeper()
                    super().setUpClass()
                def test_1(self):
                    self.another("B", "C")
            class C_UNIQUE(Base):
                @classmethod
                def setUpClass(cls):
                    os.environ["TCUNIT_START_TIMEOUT"] = "59"
                    super().setUpClass()
                def test_1(self):
                    self.another("C", "D")
                    engine().kill(SEEN["D"][0], "SIGKILL")
            class D_UNIQUE(Base):
                def test_1(self):
                    self.another("D", "E")
            class E_UNIQUE(Base):
                @classmethod
                def setUpClass(cls):
                    raise unittest.SkipTest("before its containers")
                def test_1(self):
                    pass
            class F_UNIQUE(Base):
                def test_1(self):
                    until(lambda: not there("E"), "the removal")
            """, 5)  # fmt: skip

    def test_job(self) -> None:
        """What has ended as it should is used."""
        self.assert_passes("""
            class A_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    see("B")
                    engine().exec(SEEN["B"][0], ["touch", "/go"])
            class B_UNIQUE(ContainerTestCase):
                job = (
                    DockerContainer("alpine")
                    .with_command(["sh", "-c", "until [ -e /go ]; do sleep 0.1; done; exit 3"])
                    .waiting_for(wait.for_exit(3))
                )
                def test_1(self):
                    self.assertEqual(SEEN["B"], [self.job.get_container_id()])
            """, 2)  # fmt: skip

    def test_died_before_the_rest_was_ready(self) -> None:
        """It is started anew, although nobody has looked at it since it was ready."""
        self.assert_passes("""
            class A_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    until(lambda: there("B", "box") and there("B", "slow"), "B")
                    engine().kill(there("B", "box")[0], "SIGKILL")
            class B_UNIQUE(ContainerTestCase):
                box = sleeper()
                slow = (
                    DockerContainer("alpine")
                    .with_command(["sh", "-c", "sleep 2; touch /ready; sleep 300"])
                    .waiting_for(wait.for_file("/ready"))
                )
                def test_1(self):
                    self.assertRunning(self.box)
            """, 2)  # fmt: skip

    def test_shared_by_the_run(self) -> None:
        """What lives for the run starts once, for whichever class comes first."""
        self.assert_passes("""
            SHARED = sleeper().with_scope("run")
            class A_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    see("B")
            class B_UNIQUE(ContainerTestCase):
                shared = SHARED
                def test_1(self):
                    self.assertEqual(SEEN["B"], [self.shared.get_container_id()])
            class C_UNIQUE(B_UNIQUE):
                pass
            """, 3)  # fmt: skip

    def test_set_up_of_a_module(self) -> None:
        """A class waits for its module's set-up; and with ``--lookahead 0`` for its own turn."""
        text = """
            import sys, types
            class A_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    self.assertEqual([], list(ahead._starts))
            class B_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    pass
            """
        other = """
            B_UNIQUE.__module__ = "other"
            sys.modules["other"] = types.ModuleType("other")
            sys.modules["other"].setUpModule = lambda: None
            """
        self.assert_passes(text, 2, "--lookahead", "0")
        self.assert_passes(textwrap.dedent(text) + textwrap.dedent(other), 2)

    def test_two_classes_ahead(self) -> None:
        """``--lookahead 2``, one after the other."""
        self.assert_passes("""
            class A_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    see("B")
                    see("C")
                    self.assertEqual([], there("D"))
            class B_UNIQUE(A_UNIQUE):
                def test_1(self):
                    self.assertEqual(SEEN["B"], there("B"))
                    see("D")
            class C_UNIQUE(A_UNIQUE):
                def test_1(self):
                    self.assertEqual(SEEN["C"], there("C"))
            class D_UNIQUE(C_UNIQUE):
                def test_1(self):
                    self.assertEqual(SEEN["D"], there("D"))
            """, 4, "--lookahead", "2")  # fmt: skip

    def test_a_start_that_fails(self) -> None:
        """Its class starts in its turn, as it would have, with the error that it would have."""
        text = """
            class A_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    if ahead._starts:
                        until(lambda: ahead._starts[B_UNIQUE]._error, "the early start to fail")
            class B_UNIQUE(ContainerTestCase):
                box = DockerContainer("alpine").with_command(["sh", "-c", "echo no; exit 3"])
                box.waiting_for(wait.for_exit())
                def test_1(self):
                    pass
            """
        found = [self.outcome(text, program=each) for each in ("unittest", "tcunit run")]
        settled = [re.sub(r"-[0-9a-f]{8}\b|[\d.]+s$", "", err, flags=re.M) for _, err in found]
        self.assertIn("exit code 3", settled[0])
        self.assertEqual(*settled)
        self.assertEqual([1, 1], [code for code, _ in found])

    def test_fail_fast(self) -> None:
        """What was started for a class that does not come is removed, also as it starts."""
        code, err = self.outcome("""
            class A_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    see("B")
                    self.fail()
            class B_UNIQUE(ContainerTestCase):
                box = sleeper().waiting_for(wait.for_log("never"))
                def test_1(self):
                    pass
            """, "-f")  # fmt: skip
        self.assertEqual(1, code)
        self.assertIn("Ran 1 test", err)
        self.assertEqual([], self.left())

    def test_ended_from_outside(self) -> None:
        """Ctrl-C and SIGTERM end the run as they end unittest's, while the next class starts."""
        text = """
            class A_UNIQUE(unittest.TestCase):
                def test_1(self):
                    if ahead._starts:
                        see("B")
                    tell("ready")
                    time.sleep(60)
            class B_UNIQUE(ContainerTestCase):
                box = sleeper().waiting_for(wait.for_log("never"))
                def test_1(self):
                    pass
            """
        for number, code in ((signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 1)):
            with self.subTest(number=number):
                process = self.start(text)
                self.hear("ready")
                os.killpg(process.pid, number)
                _, err = process.communicate()
                self.assertEqual(code, process.returncode)
                self.assertRegex(err, "KeyboardInterrupt|Terminated")
                self.assertEqual([], self.left())
                (self.folder / "ready").unlink()


class WorkersTest(SuiteTest):
    """``-j N``: classes run in several processes, each a session of its own."""

    HANGING = """
        class Base:
            box = sleeper()
            def test_1(self):
                try:
                    Path(f"{type(self).__name__[0]}.ready").write_text(str(os.getpid()))
                    time.sleep(60)
                except KeyboardInterrupt:
                    if Path("stubborn").exists():
                        tell(f"{type(self).__name__[0]}.again")
                        time.sleep(60)
                    raise
        class A_UNIQUE(Base, ContainerTestCase):
            pass
        class B_UNIQUE(Base, ContainerTestCase):
            pass
        """

    def test_side_by_side(self) -> None:
        """Two classes run at once; each worker looks ahead for itself; nothing is left."""
        self.assert_passes("""
            class Base:
                box = sleeper()
                def test_1(self):
                    name, other, following = self.names
                    Path(name).write_text(_session.session_id())
                    hear(other)
                    if following:
                        see(following)
            class A_UNIQUE(Base, ContainerTestCase):
                names = "A", "C", "B"
            class B_UNIQUE(Base, ContainerTestCase):
                names = "B", "D", ""
            class C_UNIQUE(Base, ContainerTestCase):
                names = "C", "A", "D"
            class D_UNIQUE(Base, ContainerTestCase):
                names = "D", "B", ""
            """, 4, "-j", "2")  # fmt: skip
        self.assertEqual(2, len({self.read(name) for name in "ABCD"}))

    def test_what_lives_for_the_run(self) -> None:
        """It is one for all workers, but for what is reset between tests; nothing is left."""
        self.assert_passes("""
            class Base:
                box = sleeper().with_env("MARK", "UNIQUE").with_scope("run")
                own = sleeper().with_scope("run").with_reset(lambda box: None)
                def test_1(self):
                    name, other = self.names
                    ids = [self.box.get_container_id(), self.own.get_container_id()]
                    Path(f"{name}.ids").write_text(" ".join(ids))
                    tell(name)
                    hear(other)
            class A_UNIQUE(Base, ContainerTestCase):
                names = "A", "B"
            class B_UNIQUE(Base, ContainerTestCase):
                names = "B", "A"
            """, 2, "-j", "2")  # fmt: skip
        (box, own), (same, other) = (self.read(f"{name}.ids").split() for name in "AB")
        self.assertEqual(box, same)
        self.assertNotEqual(own, other)
        self.assertNotIn(box, [each["Id"] for each in engine().client.api.containers(all=True)])

    def test_a_worker_dies(self) -> None:
        """Its class has the error, its guard removes its containers, the others go on."""
        code, err = self.outcome("""
            class A_UNIQUE(ContainerTestCase):
                box = sleeper()
                def test_1(self):
                    os._exit(3)
            class B_UNIQUE(A_UNIQUE):
                def test_1(self):
                    self.assertEqual("running", self.box.status)
            class C_UNIQUE(B_UNIQUE):
                pass
            """, "-v", "-j", "2")  # fmt: skip
        self.assertEqual(1, code)
        lines = re.findall(r"^test_1 \(test_suite\.(.)_UNIQUE.* \.\.\. (\w+)$", err, re.M)
        self.assertEqual([("A", "ERROR"), ("B", "ok"), ("C", "ok")], lines)
        self.assertIn("FAILED (errors=1)", err)

    def test_interrupted(self) -> None:
        """The first Ctrl-C ends the workers in order: everything is removed when we end."""
        process = self.start(self.HANGING, "-j", "2")
        self.hear("A.ready", "B.ready")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate()
        self.assertEqual(-signal.SIGINT, process.returncode)
        self.assertEqual(1, err.count("\nKeyboardInterrupt"), err)
        self.assertEqual([], self.left())

    def test_interrupted_twice(self) -> None:
        """The second one kills workers that do not end; their reapers remove the rest."""
        (self.folder / "stubborn").touch()
        process = self.start(self.HANGING, "-j", "2")
        self.hear("A.ready", "B.ready")
        os.killpg(process.pid, signal.SIGINT)
        self.hear("A.again", "B.again")
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
        self.assertEqual(-signal.SIGINT, process.returncode)
        until(lambda: not self.left(), "the reapers")

    def test_killed(self) -> None:
        """Workers whose parent was killed end in order, too."""
        process = self.start(self.HANGING, "-j", "2")
        self.hear("A.ready", "B.ready")
        printed = [os.readlink(f"/proc/{self.read(f'{name}.ready')}/fd/1") for name in "AB"]
        self.assertTrue(all(map(os.path.exists, printed)))
        process.kill()
        process.wait()
        workers = [int(self.read(f"{name}.ready")) for name in "AB"]
        until(lambda: not self.left(), "the workers")
        until(lambda: not any(map(_lives, workers)), "the end of the workers")
        self.assertFalse(any(os.path.exists(Path(each).parents[1]) for each in printed))

    def test_caught(self) -> None:
        """With ``-c``, the first Ctrl-C shows the results so far."""
        process = self.start("""
            class A_UNIQUE(unittest.TestCase):
                def test(self):
                    tell(type(self).__name__[0])
                    time.sleep(0.1)
            for number in range(200):
                setattr(A_UNIQUE, f"test_{number}", A_UNIQUE.test)
            class B_UNIQUE(A_UNIQUE):
                pass
            """, "-c", "-j", "2")  # fmt: skip
        self.hear("A", "B")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate()
        self.assertEqual(0, process.returncode)
        [ran] = re.findall(r"Ran (\d+) tests", err)
        self.assertTrue(2 <= int(ran) < 402, err)
        self.assertIn("." * int(ran), err)


def _lives(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    return False
