"""Compose stacks and the nets of clean-up: whatever happens, nothing of a stack is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from tcunit._docker import Resource
from tcunit._session import NAME_LABEL, PROJECT_LABEL, SESSION_LABEL
from tcunit.reapers.sweep import left_by, remove_all, sweep

from .helpers import ROOT, EngineTest, engine, left_over, until
from .test_reapers import Told, is_running

FILES = Path(__file__).with_name("compose")
STACK = f"from tcunit import ComposeStack\nstack = ComposeStack({str(FILES / 'waiting.yml')!r})\n"
START = STACK + "say()\nstack.start()\n"


def made(session: str, kind: str) -> list[Resource]:
    """What a session has of a kind."""
    return [each for each in left_by(engine(), session) if each.kind == kind]


def commands_of(project: str) -> list[int]:
    """The processes that have a project in their command."""
    return processes_with(project)


def processes_with(word: str, parent: int = 0) -> list[int]:
    """The processes that have a word in their command, those of a parent only if it is given."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
            of = int(path.with_name("stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        pid = int(path.parent.name)
        if word in words and parent in (0, of) and is_running(pid):
            found.append(pid)
    return found


def project_of(session: str) -> str:
    """The project of a session's only stack."""
    return next(each.labels[PROJECT_LABEL] for each in left_by(engine(), session))


class KilledTest(EngineTest):
    """A process that is killed while Compose is at work, or later."""

    def assert_all_goes(self, told: Told, who: str) -> None:
        """Fail unless Compose ends at once, and everything that it made goes."""
        project = project_of(told.session)
        self.assertNotEqual([], commands_of(project))
        guards = processes_with("guard_process", told.process.pid)
        told.kill()
        until(lambda: not commands_of(project), "Compose's command to end")
        until(lambda: not any(map(is_running, guards)), "the guard to end")
        until(lambda: not left_over(told.session), f"{who} to clean up")
        found = engine().labelled(f"{PROJECT_LABEL}={project}")
        self.assertEqual([], [each.name for each in found])

    def test_in_the_middle(self) -> None:
        """Networks are there, or a container, or Compose waits for one: the guard removes all."""
        for kind in ("network", "container", "waiting"):
            with self.subTest(kind=kind):
                told = Told(self, START, TCUNIT_REAPERS="guard")
                told.hear()
                session = told.session
                if kind == "waiting":
                    until(lambda: self.is_one_running(session), "a container to run")  # noqa: B023
                else:
                    until(lambda: made(session, kind), f"a {kind}")  # noqa: B023
                self.assert_all_goes(told, "the guard")

    def is_one_running(self, session: str) -> bool:
        label = f"{SESSION_LABEL}={session}"
        return bool(engine().client.api.containers(filters={"label": label}))

    def test_ryuk_alone(self) -> None:
        """Ryuk, which is told of each name, removes all as well: volumes and networks, too."""
        script = "n = Network().create()\nwait_for_ryuk()\nn.remove()\n" + START
        told = Told(self, script, TCUNIT_REAPERS="ryuk", RYUK_RECONNECTION_TIMEOUT="500ms")
        told.hear()
        until(lambda: self.is_one_running(told.session), "a container to run")
        self.assertNotEqual([], made(told.session, "volume"))
        self.assert_all_goes(told, "Ryuk")

    def test_the_command_is_no_child_of_the_terminal(self) -> None:
        """Ctrl-C reaches the test alone, which gives the start up and undoes it itself."""
        told = Told(self, "os.setpgid(0, 0)\n" + START, TCUNIT_REAPERS="none")
        pid = told.hear()["pid"]
        until(lambda: self.is_one_running(told.session), "a container to run")
        project = project_of(told.session)
        os.killpg(pid, signal.SIGINT)
        _, errors = told.process.communicate(timeout=60)
        self.assertIn("KeyboardInterrupt", errors)
        self.assertEqual(([], []), (left_over(told.session), commands_of(project)))

    def test_exit(self) -> None:
        """A process that ends in order removes what it did not stop, without a reaper."""
        script = (
            "from tcunit import ComposeStack\n"
            f"stack = ComposeStack({str(FILES / 'shop.yml')!r}).start()\n"
            "label = 'com.docker.compose.project=' + stack.project\n"
            "say(there=len(find_engine().labelled(label)))\n"
        )
        told = Told(self, script, TCUNIT_REAPERS="none")
        self.assertEqual(7, told.hear()["there"])  # 4 containers, 2 networks, 1 volume
        self.assertEqual((0, ""), (told.process.wait(), told.process.communicate()[1]))
        self.assertEqual([], left_over(told.session))


class DecoyTest(EngineTest):
    """What a sweep takes for Compose's, and what it does not."""

    def test_what_survives(self) -> None:
        """Another project, a copy under a name of its own, and foreign labels are not touched."""
        session, project = uuid.uuid4().hex, f"tcunit-shop-{uuid.uuid4().hex[:8]}"
        mark = {SESSION_LABEL: session, NAME_LABEL: f"{project}-web", PROJECT_LABEL: project}
        ours = ["web-1", "web-12", "web-run-0a1b2c3d4e5f"]
        decoys = {
            f"{project}-copy": mark,
            f"{project}-web-copy": mark,
            f"{project}-db-1": {PROJECT_LABEL: project},
            f"{project}-cache-1": {**mark, SESSION_LABEL: "f" * 32},
            f"{project}-web-2": {SESSION_LABEL: session, NAME_LABEL: f"{project}-web"},
            f"{project}2-web-1": {**mark, PROJECT_LABEL: f"{project}2"},
        }
        api = engine().client.api
        for name in [f"{project}-{each}" for each in ours]:
            api.create_container("tcunit.local/alpine", name=name, labels=mark)
        for name, labels in decoys.items():
            self.addCleanup(engine().remove_container, name)
            api.create_container("tcunit.local/alpine", name=name, labels=labels)
        self.addCleanup(engine().remove_network, f"{project}_other")
        for name, key in ((f"{project}_default", f"{project}_default"), (f"{project}_other", "x")):
            api.create_network(name, labels={**mark, NAME_LABEL: key})
        self.addCleanup(engine().remove_volume, f"{project}_other")
        for name, key in ((f"{project}_data", f"{project}_data"), (f"{project}_other", "x")):
            api.create_volume(name, labels={**mark, NAME_LABEL: key})
        self.assertEqual([], sweep(engine(), session))
        found = [
            each.name
            for label in (PROJECT_LABEL, SESSION_LABEL)
            for each in engine().labelled(label)
            if each.name.startswith(project)
        ]
        self.assertEqual({*decoys, f"{project}_other"}, set(found))


KEPT = """
from tcunit import ComposeStack, ContainerTestCase

class AFailedTest(ContainerTestCase):
    stack = ComposeStack({file!r})

    def test_fails(self):
        print("PROJECT", self.stack.project)
        self.fail("so")
"""


class KeptTest(EngineTest):
    """With TCUNIT_KEEP=on-failure, a failed class's stack stays up."""

    def test_kept(self) -> None:
        """It is up after the process's end, and the printed commands name all of it."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test_it.py").write_text(KEPT.format(file=str(FILES / "shop.yml")))
            done = subprocess.run(
                [sys.executable, "-W", "error", "-m", "unittest", "test_it"], cwd=folder, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TCUNIT_KEEP": "on-failure"},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            )  # fmt: skip
        project = re.findall(r"PROJECT (\S+)", done.stdout)[0]
        there = engine().labelled(f"{PROJECT_LABEL}={project}")
        self.addCleanup(remove_all, engine(), there)
        self.assertEqual(7, len(there))
        self.assertRegex(done.stdout, rf"docker exec -it {project}-web-1 sh\n")
        ways = re.findall(
            r"docker rm -fv .*; docker network rm .*; docker volume rm .*", done.stdout
        )
        self.assertEqual(2, len(ways), done.stdout)  # on stderr, and in the note
        for each in there:
            self.assertIn(f" {each.name}", ways[0])


RUN = """
import json, unittest
from tcunit import ComposeStack, ContainerTestCase

stack = ComposeStack({file!r}, services=["cache"]).with_scope("run")

class OneTest(ContainerTestCase):
    stack = stack
    cache = stack["cache"]

    def test_project(self):
        print("PROJECT", self.stack.project, self.cache.name, self.cache.endpoint(6379, None).port)

class TwoTest(OneTest):
    connection_mode = "bridge_ip"
"""


class RunScopeTest(EngineTest):
    """A stack that lives for the run of the process."""

    def test_shared(self) -> None:
        """Two classes share one stack and its services; it is gone after the process."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test_it.py").write_text(RUN.format(file=str(FILES / "shop.yml")))
            done = subprocess.run(
                [sys.executable, "-W", "error", "-m", "unittest", "test_it"], cwd=folder, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout)
        lines = re.findall(r"PROJECT (\S+ \S+ \S+)", done.stdout)
        self.assertEqual((2, 1), (len(lines), len(set(lines))), done.stdout)
        project = lines[0].split()[0]
        self.assertEqual([], engine().labelled(f"{PROJECT_LABEL}={project}"))
