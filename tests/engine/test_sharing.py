"""Containers and networks that processes and runs share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from itertools import takewhile
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit import ContainerTestCase, DockerContainer, Network, wait
from tcunit._session import REUSE_LABEL
from tcunit.errors import DeclarationError, FaultError, StartError
from tcunit.reapers.dead import all_shared, remove_shared
from tcunit.reapers.lock import folder

from .helpers import ROOT, EngineTest, engine, python, sleeper, until

FOLDER = ""


def setUpModule() -> None:
    """Have locks of our own: nobody else's ``clean`` or tests find what is shared here."""
    global FOLDER
    FOLDER = tempfile.mkdtemp(prefix="tcunit-sharing-")
    unittest.addModuleCleanup(shutil.rmtree, FOLDER)
    changes: list[Any] = [
        mock.patch.object(tempfile, "tempdir", FOLDER),
        mock.patch.dict(os.environ, TMPDIR=FOLDER, TCUNIT_REAPERS="guard"),
    ]
    for change in changes:
        change.start()
        unittest.addModuleCleanup(change.stop)
    unittest.addModuleCleanup(remove_rest)


def remove_rest() -> None:
    """Remove what a failed test has left."""
    for each in all_shared(engine()):
        if each.record is not None:
            remove_shared(engine(), each)


def shared_now() -> list[str]:
    """What is shared by those with our locks: names on the engine."""
    return [each.resource.name for each in all_shared(engine()) if each.record is not None]


def tcunit(*arguments: str, **environ: str) -> str:
    """What ``python -m tcunit`` says; with other locks, it cannot tell whose images are in use."""
    kept = ["--keep-warm"] if arguments[0] == "clean" else []
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tcunit", *arguments, *kept],
        env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


BEGIN = """
import json, os, signal, sys
from tcunit import ContainerTestCase, DockerContainer, Network
from tcunit._docker import Engine

def say(**what):
    print(json.dumps(what), flush=True)

def hear():
    return sys.stdin.readline()

def sleeper(mark):
    return DockerContainer("alpine").with_command("sleep 300").with_env("MARK", mark).with_reuse()
"""
USE = """
hear()
mine = sleeper({mark!r}).start()
say(id=mine.get_container_id(), code=mine.exec("true").exit_code)
hear()
"""


class User:
    """A process that uses something shared, until the end of the test."""

    def __init__(self, case: EngineTest, script: str, **environ: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", BEGIN + script],
            env={**os.environ, **environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        case.addCleanup(self.kill)

    def tell(self) -> None:
        """Let it go on."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        """What it says next."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"it said nothing: {self.process.communicate()[1]}")
        return json.loads(line)

    def end(self) -> None:
        """Let it come to its end in order."""
        self.tell()
        _, said = self.process.communicate(timeout=60)
        if self.process.returncode or said:
            raise AssertionError(f"code {self.process.returncode}: {said}")

    def kill(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.communicate()


def is_there(container: str) -> bool:
    """Whether a container exists."""
    return any(each.id == container for each in engine().labelled(REUSE_LABEL))


class ProcessesTest(EngineTest):
    """Several processes, one container."""

    def users(self, count: int, mark: str, **environ: str) -> tuple[list[User], str]:
        """Processes that started the same thing at the same moment, and its id."""
        users = [User(self, USE.format(mark=mark), **environ) for _ in range(count)]
        for each in users:
            each.tell()
        told = [each.hear() for each in users]
        self.assertEqual({0}, {each["code"] for each in told})
        self.assertEqual(1, len({each["id"] for each in told}), "more than one was made")
        return users, told[0]["id"]

    def test_at_once(self) -> None:
        """They make one; the last one that ends removes it, and nothing is left of its locks."""
        creates = engine().events({"event": "create", "label": REUSE_LABEL})
        self.addCleanup(creates.close)
        users, container = self.users(3, "at once")
        name = engine().inspect(container)["Name"].lstrip("/")
        self.assertRegex(tcunit("ps"), rf"{name} +container +running .* shared \(used by 3 sess")
        self.assertIn("used by 3 sessions", tcunit("clean"))
        for each in users[:2]:
            each.end()
        self.assertRegex(tcunit("ps"), rf"{name} .* shared \(used by 1 session\)")
        users[2].end()
        self.assertFalse(is_there(container))
        last = f"tcunit-last-{os.getpid()}"
        sleeper().with_name(last).with_reuse().start().stop()
        made = (each["Actor"]["Attributes"]["name"] for each in creates)
        self.assertEqual([name], [*filter(name.__eq__, takewhile(last.__ne__, made))])
        self.assertEqual([], [*folder().glob("*.share"), *folder().glob("*.users")])

    def test_killed(self) -> None:
        """Those that live go on; when all were killed, at the same moment, it is removed."""
        users, container = self.users(3, "killed")
        users[0].kill()
        users[1].end()
        self.assertTrue(is_there(container))
        more, same = self.users(1, "killed")
        self.assertEqual(container, same)
        for each in (users[2], *more):
            each.process.kill()
        until(lambda: not is_there(container), "the guards to remove it")

    def test_killed_while_it_was_made(self) -> None:
        """Who waited for it makes another one; nothing is left of the first."""
        script = """
create = Engine.create_container
def create_and_die(*args):
    say(id=create(*args))
    hear()
    os.kill(os.getpid(), signal.SIGKILL)
Engine.create_container = create_and_die
sleeper("half").start()
"""
        half = User(self, script)
        container = half.hear()["id"]
        waiting = User(self, USE.format(mark="half"))
        waiting.tell()
        half.tell()
        told = waiting.hear()
        self.assertNotEqual(container, told["id"])
        self.assertFalse(is_there(container))
        waiting.end()
        self.assertFalse(is_there(told["id"]))

    def test_killed_alone_while_it_was_made(self) -> None:
        """The guard removes it, though it was to be kept for the next run once it is ready."""
        script = """
def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)
Engine.start = die
sleeper("alone").start()
"""
        half = User(self, script, TESTCONTAINERS_REUSE_ENABLE="true")
        half.process.wait()
        until(lambda: not shared_now(), "the guard to remove it")

    def test_never_removed_from_under_a_user(self) -> None:
        """Processes come and go all the time, and each finds it running whenever it is a user."""
        script = """
for _ in range(4):
    with sleeper("busy") as mine:
        say(code=mine.exec("true").exit_code)
"""
        users = [User(self, script) for _ in range(3)]
        codes = [each.hear()["code"] for each in users for _ in range(4)]
        self.assertEqual({0}, set(codes))
        for each in users:
            self.assertEqual("", each.process.communicate()[1])
        self.assertEqual([], shared_now())

    def test_a_child_is_no_user(self) -> None:
        """A forked child that lives on keeps nothing; nor does its end take anything away."""
        script = """
mine = sleeper("fork").start()
child = os.fork()
if not child:
    hear()
    os._exit(0)
mine.stop()
say(left=mine.is_started)
os.waitpid(child, 0)
hear()
"""
        user = User(self, script)
        user.hear()
        self.assertEqual([], shared_now())
        user.tell()
        user.end()

    def test_swept(self) -> None:
        """Without a guard, what killed processes leave is listed, and swept by ``clean``."""
        users, container = self.users(1, "swept", TCUNIT_REAPERS="none")
        users[0].kill()
        self.assertIn("(used by nobody)", tcunit("ps"))
        self.assertIn("(used by nobody)", tcunit("clean", "--dry-run"))
        self.assertTrue(is_there(container))
        tcunit("clean")
        self.assertFalse(is_there(container))
        self.assertEqual([], [*folder().glob("*.share"), *folder().glob("*.users")])

    def test_other_locks(self) -> None:
        """Who has other locks has a container of its own, and removes none that it knows not."""
        _, container = self.users(1, "elsewhere")
        with tempfile.TemporaryDirectory() as other:
            user = User(self, USE.format(mark="elsewhere"), TMPDIR=other)
            user.tell()
            self.assertNotEqual(container, user.hear()["id"])
            self.assertIn("shared (unknown", tcunit("ps", TMPDIR=other))
            cleaned = tcunit("clean", TMPDIR=other)
            self.assertIn("--force removes the unknown", cleaned)
            self.assertTrue(is_there(container))
            user.end()

    def test_pytest_xdist(self) -> None:
        """Its workers share what their classes declare to be shared."""
        module = """
import os
from tcunit import ContainerTestCase, DockerContainer
class Base(ContainerTestCase):
    box = DockerContainer("alpine").with_command("sleep 300").with_scope("run").with_reuse()
    def test_one(self):
        with open(os.environ["SEEN"], "a") as seen:
            print(os.environ["PYTEST_XDIST_WORKER"], self.box.get_container_id(), file=seen)
class OneTest(Base): pass
class TwoTest(Base): pass
del Base
"""
        with tempfile.TemporaryDirectory() as where:
            Path(where, "test_both.py").write_text(module)
            seen = Path(where, "seen")
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-n2", "--dist=each", "-p", "no:cacheprovider",
                 "-q", where],
                env={**os.environ, "PYTHONPATH": str(ROOT), "SEEN": str(seen)}, cwd=where,
                capture_output=True, text=True,
            )  # fmt: skip
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
            lines = [line.split() for line in seen.read_text().splitlines()]
        workers, containers = ({line[index] for line in lines} for index in (0, 1))
        self.assertEqual((4, 2, 1), (len(lines), len(workers), len(containers)))
        until(lambda: not is_there(*containers), "the last worker to remove it")


RUN = """
class Shop(ContainerTestCase):
    net = Network().with_reuse()
    box = sleeper(os.environ["MARK"]).with_network(net, "box")

Shop.setUpClass()
say(id=Shop.box.get_container_id(), net=Shop.net.id)
Shop.doClassCleanups()
"""


class RunsTest(EngineTest):
    """One run after the other."""

    def run_once(self, mark: str, **environ: str) -> tuple[str, str]:
        """The ids of container and network that a run has used."""
        user = User(self, RUN, **{"MARK": mark, "TESTCONTAINERS_REUSE_ENABLE": "true", **environ})
        told = user.hear()
        user.end()
        return told["id"], told["net"]

    def test_kept_for_the_next_run(self) -> None:
        """Where the setting allows, until a run without it; what cannot be used is replaced."""
        first = self.run_once("kept")
        self.assertRegex(tcunit("ps"), r"container +running .* shared \(kept for the next run\)")
        with tempfile.TemporaryDirectory() as home:
            Path(home, ".testcontainers.properties").write_text("testcontainers.reuse.enable=true")
            there = self.run_once("kept", HOME=home, TESTCONTAINERS_REUSE_ENABLE="")
        self.assertEqual(first, there)

        changed = self.run_once("changed")
        self.assertNotEqual(first[0], changed[0], "another declaration found the old container")
        self.assertEqual(first[1], changed[1])
        self.assertFalse(is_there(first[0]), "what was made of the earlier declaration is kept")

        engine().kill(changed[0], "SIGKILL")
        alive = self.run_once("changed")
        self.assertNotEqual(changed[0], alive[0], "a dead one was found")
        engine().disconnect(alive[1], alive[0])
        connected = self.run_once("changed")
        self.assertNotEqual(alive[0], connected[0], "one that is off its network was found")

        self.assertIn("kept for the next run", tcunit("clean", "--dry-run"))
        self.assertEqual(2, len(shared_now()))
        self.run_once("changed", TESTCONTAINERS_REUSE_ENABLE="false")
        self.assertEqual([], shared_now())

        self.run_once("kept")
        tcunit("clean")
        self.assertEqual([], shared_now())


class ClassesTest(EngineTest):
    """Shared things among others, in one process."""

    def test_networks(self) -> None:
        """Those that are not shared reach what is by its alias, and have none there themselves."""

        class Shop(ContainerTestCase):
            net = Network().with_reuse()
            own = Network()
            box = sleeper().with_network(net, "box").with_reuse()
            app = sleeper().with_network(own, "app").with_network(net)

            def test(self) -> None:
                self.assertResolves(self.app, "box")
                self.assertResolves(self.app, "app")

        class Wrong(ContainerTestCase):
            net = Network().with_reuse()
            app = sleeper().with_network(net, "app")

            def test(self) -> None: ...

        self.assert_passes(Shop)
        self.assertIn("it is not shared, but has the alias 'app'", self.assert_fails(Wrong))
        self.assertEqual([], shared_now())

    def test_a_network_that_was_created_alone(self) -> None:
        """It belongs to its process; what is shared may not be on it."""
        with Network() as net:
            with self.assertRaisesRegex(DeclarationError, "belongs to one of them alone"):
                sleeper().with_network(net).with_reuse().start()

    def test_two_in_one_process(self) -> None:
        """They are the same; each stops its own use of it, and the check for leaks sees that."""

        class Leaky(ContainerTestCase):
            def test(self) -> None:
                with self.assertNoLeaks(), sleeper().with_reuse() as one:
                    two = sleeper().with_reuse().start()
                    self.addCleanup(two.stop)
                    self.assertEqual(one.get_container_id(), two.get_container_id())

        self.assertRegex(self.assert_fails(Leaky), "left behind: container tcunit-shared-alpine-")
        self.assertEqual([], shared_now())

    def test_faults(self) -> None:
        """Others would have them, too."""
        with sleeper().with_reuse() as box:
            with self.assertRaisesRegex(FaultError, "other processes use it"), box.paused():
                pass

    def test_dead_while_others_use_it(self) -> None:
        """Nobody takes it away from those who still have it; the error says what to do."""
        with sleeper().with_reuse() as one:
            engine().kill(one.get_container_id(), "SIGKILL")
            with self.assertRaisesRegex(StartError, "end those processes"):
                sleeper().with_reuse().start()
            self.assertEqual("exited", one.status)
        self.assertEqual([], shared_now())

    def test_not_ready(self) -> None:
        """A start that fails leaves nothing, and keeps nothing."""
        never = sleeper().with_reuse().waiting_for(wait.for_log("x").with_startup_timeout(0.2))
        with mock.patch.dict(os.environ, TESTCONTAINERS_REUSE_ENABLE="true"):
            with self.assertRaises(StartError):
                never.start()
            self.assertEqual([], shared_now())
            with sleeper().with_reuse() as one:
                container = one.get_container_id()
            self.assertTrue(is_there(container))
            with self.assertRaises(StartError):  # one that was kept, and is of no use any more
                never.copy().start()
        self.assertEqual([], shared_now())

    def test_fixed_name(self) -> None:
        """It is kept; a stranger's container of that name is left alone, and said so."""
        name = f"tcunit-sharing-{os.getpid()}"
        with sleeper().with_name(name).with_reuse() as one:
            self.assertEqual(name, one.name)
        with sleeper().with_name(name):
            with self.assertRaisesRegex(StartError, "already in use"):
                DockerContainer("alpine").with_name(name).with_reuse().start()
            self.assertEqual("running", engine().inspect(name)["State"]["Status"])

    def test_volumes(self) -> None:
        """A volume that is there already can be used; none is made that nobody would remove."""
        name = f"tcunit-sharing-{os.getpid()}"
        shared = sleeper().with_volume_mapping(name, "/data", "rw").with_reuse()
        with self.assertRaisesRegex(StartError, f"the volume {name} is not there"):
            shared.start()
        with sleeper().with_volume_mapping(name, "/data", "rw"):
            with self.assertRaisesRegex(StartError, "belongs to one of them"):
                shared.start()
        engine().client.api.create_volume(name)
        self.addCleanup(engine().remove_volume, name)
        with shared:
            self.assertEqual(name, shared.running.info["Mounts"][0]["Name"])
        self.assertEqual([], shared_now())

    def test_copied_files(self) -> None:
        """They are in it once it is ready; other contents are another container."""
        with sleeper().with_copy_into_container(b"tea", "/drink").with_reuse() as one:
            with sleeper().with_copy_into_container(b"tea", "/drink").with_reuse() as same:
                self.assertEqual(one.get_container_id(), same.get_container_id())
                self.assertEqual(b"tea", same.read_file("/drink"))
            with sleeper().with_copy_into_container(b"milk", "/drink").with_reuse() as other:
                self.assertEqual(b"milk", other.read_file("/drink"))

    def test_run_scope(self) -> None:
        """Worker processes that say so share what lives for the run."""
        script = """
from tcunit.sharing import share_run_scope
share_run_scope()
class Shop(ContainerTestCase):
    box = sleeper("run").with_reuse(False).with_scope("run")
Shop.setUpClass()
say(id=Shop.box.get_container_id())
hear()
"""
        users = [User(self, script) for _ in range(2)]
        self.assertEqual(1, len({each.hear()["id"] for each in users}))
        for each in users:
            each.end()
        self.assertEqual([], shared_now())

    def test_no_place_for_locks(self) -> None:
        """It is said; nothing is started."""
        with tempfile.TemporaryDirectory() as where:
            file = Path(where, "file")
            file.touch()
            with mock.patch.object(tempfile, "tempdir", str(file)):
                with self.assertRaisesRegex(StartError, r"with_reuse\(\) needs a place"):
                    sleeper().with_reuse().start()


class EndTest(EngineTest):
    """An end in order."""

    def test_the_end_of_the_process(self) -> None:
        """What was not stopped is left at its end."""
        process = python("from tests.engine.helpers import sleeper\nsleeper().with_reuse().start()")
        self.assertEqual(("", ""), process.communicate())
        self.assertEqual([], shared_now())
