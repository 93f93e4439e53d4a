"""The reapers: what a killed process leaves is removed, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit import ContainerTestCase, DockerContainer, Network
from tcunit._docker import Engine
from tcunit._session import NAME_LABEL, SESSION_LABEL
from tcunit.cli import main
from tcunit.errors import SettingError
from tcunit.reapers import guard, ryuk_client
from tcunit.reapers.dead import all_remains
from tcunit.reapers.lock import is_alive, lock_path
from tcunit.reapers.sweep import left_by, remove_all, ryuk_name, ryuks_of, sweep
from tests.engine.helpers import (
    ROOT,
    EngineTest,
    engine,
    environment,
    left_over,
    python,
    run_class,
    sleeper,
    until,
)

BEGIN = """
import json, os, signal, sys, threading, time
from tcunit import DockerContainer, Network
from tcunit._session import session_id
from tcunit._docker import find_engine
from tcunit.reapers import reapers, status

def say(**what):
    print(json.dumps({"session": session_id(), "pid": os.getpid(), **what}), flush=True)

def net(name):
    return next(each for each in reapers._nets if each.name == name)

def wait_for_ryuk():
    while status()["ryuk"] in ("not armed: starting", "not armed: starting again"):
        time.sleep(0.01)
"""


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be asked for its exit code does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Told:
    """A script that has said something, until the end of the test."""

    def __init__(self, case: EngineTest, script: str, **environ: str) -> None:
        self.process = python(BEGIN + script, **environ)
        case.addCleanup(self._end)
        self.session = ""

    def hear(self) -> Any:
        """What it says next."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"it said nothing: {self.process.communicate()[1]}")
        told = json.loads(line)
        self.session = self.session or told["session"]
        return told

    def kill(self) -> None:
        """Kill it, and it alone."""
        self.process.kill()
        self.process.wait()

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        if self.session:
            remove_session(self.session)


def remove_session(session: str) -> None:
    """Remove what a test has left of a session of its own, its Ryuk included."""
    remove_all(engine(), left_by(engine(), session))
    remove_all(engine(), ryuks_of(engine(), session))
    lock_path(session).unlink(missing_ok=True)


class GuardTest(EngineTest):
    """The local process."""

    def test_it_is_apart_from_the_terminal_and_from_who_captures_output(self) -> None:
        """It has a session, no standard stream of ours, the root directory, no secret in sight."""
        told = Told(self, _NETWORK + "say(guard=net('guard')._process.pid)\nsys.stdin.read()",
                    TCUNIT_REAPERS="guard")  # fmt: skip
        pid = told.hear()["guard"]
        streams = {os.readlink(f"/proc/{pid}/fd/{number}") for number in (1, 2)}
        self.assertEqual({"/dev/null"}, streams)
        self.assertEqual("/", os.readlink(f"/proc/{pid}/cwd"))
        self.assertEqual(pid, os.getsid(pid))
        self.assertNotIn(b"sock", Path(f"/proc/{pid}/cmdline").read_bytes())

    def test_ctrl_c_in_the_terminal_does_not_reach_it(self) -> None:
        """The whole process group is interrupted: it lives, cleans up later, and then ends."""
        script = _NETWORK + (
            "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
            "say(guard=net('guard')._process.pid)\ntime.sleep(60)"
        )
        told = Told(self, f"os.setpgid(0, 0)\n{script}", TCUNIT_REAPERS="guard")
        heard = told.hear()
        os.killpg(heard["pid"], signal.SIGINT)
        told.kill()
        until(lambda: not left_over(told.session), "the guard to clean up")
        until(lambda: not is_running(heard["guard"]), "the guard to end")
        self.assertFalse(lock_path(told.session).exists())

    def test_who_captures_the_output_is_not_kept_waiting(self) -> None:
        """The pipes of a dead process are closed while its guard still looks around."""
        script = _NETWORK + (
            "reapers.announce(find_engine(), 'container', 'that-never-comes')\n"
            "say(guard=net('guard')._process.pid)\nsys.stdout.flush()\nos._exit(0)"
        )
        told = Told(self, script, TCUNIT_REAPERS="guard")
        pid = told.hear()["guard"]
        told.process.communicate(timeout=4.5)
        self.assertTrue(is_running(pid))  # an unanswered create is looked out for 5 s
        until(lambda: not is_running(pid), "the guard to end")

    def test_it_imports_nothing_where_nothing_is_left(self) -> None:
        """It ends well where the SDK cannot even be imported, unless something is to be done."""
        begin = {"say": "begin", "session": "f" * 32, "path": []}
        about = {"say": "announce", "key": "e", "name": "n"}
        for lines, code in (
            ([begin, about, {"say": "forget", "name": "n"}], 0),
            ([begin, about], 1),
        ):
            with self.subTest(code=code):
                text = "".join(json.dumps(line) + "\n" for line in lines)
                command = [sys.executable, "-I", "-S", str(guard.PROGRAM)]
                done = subprocess.run(command, input=text, text=True, capture_output=True)
                self.assertEqual(code, done.returncode, done.stderr)

    def test_it_ends_with_a_process_that_left_nothing(self) -> None:
        """After a normal end there is no guard any more, and no lock."""
        told = Told(self, _NETWORK + "n.remove()\nsay(guard=net('guard')._process.pid)",
                    TCUNIT_REAPERS="guard")  # fmt: skip
        pid = told.hear()["guard"]
        told.process.wait()
        self.assertFalse(is_running(pid))
        self.assertFalse(lock_path(told.session).exists())

    def test_one_that_was_killed_is_replaced(self) -> None:
        """The next resource starts another guard, which knows of the earlier ones, too."""
        script = _NETWORK + (
            "first = net('guard')._process\nfirst.kill()\nfirst.wait()\nsay(status=status())\n"
            "DockerContainer('alpine').with_command('sleep 60').start()\nsay(status=status())\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        told = Told(self, script, TCUNIT_REAPERS="guard")
        self.assertIn("not armed", told.hear()["status"]["guard"])
        self.assertEqual("armed", told.hear()["status"]["guard"])
        until(lambda: not left_over(told.session), "the second guard to clean up")

    def test_a_create_in_flight_at_the_kill(self) -> None:
        """A process dies between a create's request and its answer: what comes of it goes, too."""
        script = (
            "import http.client\n"
            "answer = http.client.HTTPConnection.getresponse\n"
            "sent = []\n"
            "request = http.client.HTTPConnection.putrequest\n"
            "def note(self, method, url, **kw):\n"
            "    sent.append(url)\n"
            "    return request(self, method, url, **kw)\n"
            "def die(self, *args, **kw):\n"
            "    if '/containers/create?' in sent[-1] and 'name=tcunit' in sent[-1]:\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "    return answer(self, *args, **kw)\n"
            "http.client.HTTPConnection.putrequest = note\n"
            "http.client.HTTPConnection.getresponse = die\n"
            + _NETWORK
            + "say(guard=net('guard')._process.pid)\n"
            "DockerContainer('redis:alpine').with_network(n).start()"
        )
        told = Told(self, script, TCUNIT_REAPERS="guard")
        pid = told.hear()["guard"]
        self.assertEqual(-signal.SIGKILL, told.process.wait())
        until(lambda: not is_running(pid), "the guard to end")
        self.assertEqual([], left_over(told.session))

    def test_strangers_on_our_network_are_disconnected_and_live(self) -> None:
        """A foreign container does not keep a dead session's network, and is not touched."""
        told = Told(self, _NETWORK + "say(net=n.id)\ntime.sleep(60)", TCUNIT_REAPERS="guard")
        stranger = self.running(sleeper())
        engine().connect(told.hear()["net"], stranger.get_container_id(), ())
        told.kill()
        until(lambda: not left_over(told.session), "the guard to clean up")
        self.assertEqual("running", stranger.status)

    def test_copied_labels_are_not_ours(self) -> None:
        """A container with the very labels of ours, but a name of its own, survives a sweep."""
        session = "0123456789abcdef" * 2
        labels = {SESSION_LABEL: session, NAME_LABEL: "the-original"}
        engine().client.api.create_container("tcunit.local/alpine", name="a-copy", labels=labels)
        self.addCleanup(engine().remove_container, "a-copy")
        engine().client.api.create_volume("the-original", labels=labels)
        self.assertEqual([], sweep(engine(), session))
        self.assertEqual(["a-copy"], left_over(session))

    def test_a_guard_that_cannot_be_started_is_told_of(self) -> None:
        """A class still runs where no process can be started; one message says what remains."""
        script = (
            "sys.executable = '/nonexistent/python'\n"
            + _NETWORK
            + ("say(status=status())\nn.remove()")
        )
        told = Told(self, script, TCUNIT_REAPERS="guard")
        self.assertIn("not armed: it cannot be started", told.hear()["status"]["guard"])
        _, errors = told.process.communicate()
        self.assertEqual(1, errors.count("The guard is not armed"), errors)


_NETWORK = "n = Network().create()\n"


class ProcessTest(EngineTest):
    """Several processes and threads."""

    def test_a_forked_child_keeps_nothing_of_its_parents_nets(self) -> None:
        """The parent is killed: all is removed although its child lives on, by either reaper."""
        for reaper in ("guard", "ryuk"):
            script = _NETWORK + (
                ("wait_for_ryuk()\n" if reaper == "ryuk" else "") + "child = os.fork()\n"
                "if child == 0:\n    time.sleep(60)\n    os._exit(0)\n"
                "say(child=child)\nos.kill(os.getpid(), signal.SIGKILL)"
            )
            with self.subTest(reaper=reaper):
                told = Told(self, script, TCUNIT_REAPERS=reaper, RYUK_RECONNECTION_TIMEOUT="500ms")
                child = told.hear()["child"]
                try:
                    until(lambda: not left_over(told.session), f"{reaper} to clean up")  # noqa: B023
                    self.assertTrue(is_running(child))
                finally:
                    os.kill(child, signal.SIGKILL)

    def test_a_forked_child_has_a_session_of_its_own(self) -> None:
        """It exits, however it does, and its own things are removed, but none of its parent's."""
        script = _NETWORK + (
            "child = os.fork()\n"
            "if child == 0:\n    Network().create()\n    say()\n    sys.exit()\n"
            "os.waitpid(child, 0)\n"
            "say(there=[each.name for each in find_engine().labelled('org.testcontainers')])\n"
        )
        told = Told(self, script, TCUNIT_REAPERS="guard")
        child, parent = told.hear(), told.hear()
        self.assertNotEqual(child["session"], parent["session"])
        mine = [name for name in parent["there"] if "network" in name]
        self.assertNotEqual([], mine)
        told.process.wait()
        self.assertEqual([], left_over(parent["session"]) + left_over(child["session"]))

    def test_multiprocessing_by_fork_and_by_spawn(self) -> None:
        """Children of both kinds clean up after themselves and leave their parent's things."""
        source = (
            "import json, multiprocessing, os, sys\n"
            "from tcunit import Network\n"
            "from tcunit._session import session_id\n"
            "from tcunit._docker import find_engine\n"
            "def work(pipe):\n"
            "    Network().create()\n"
            "    pipe.send(session_id())\n"
            "if __name__ == '__main__':\n"
            "    n = Network().create()\n"
            "    sessions = [session_id()]\n"
            "    for kind in ('fork', 'spawn'):\n"
            "        context = multiprocessing.get_context(kind)\n"
            "        here, far = context.Pipe()\n"
            "        child = context.Process(target=work, args=(far,))\n"
            "        child.start()\n"
            "        sessions.append(here.recv())\n"
            "        child.join()\n"
            "    find_engine().inspect_network(n.id)\n"
            "    print(json.dumps(sessions))\n"
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "workers.py")
            path.write_text(source)
            done = subprocess.run(
                [sys.executable, "-W", "error", str(path)], capture_output=True, text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TCUNIT_REAPERS": "guard"},
            )  # fmt: skip
        self.assertEqual("", done.stderr)
        sessions = json.loads(done.stdout)
        self.assertEqual(3, len(set(sessions)))
        until(lambda: not any(map(left_over, sessions)), "the guards of all three to clean up")

    def test_a_forked_child_ends_on_sigterm_as_ever(self) -> None:
        """Our handler is not passed on: multiprocessing's terminate() ends a child at once."""
        script = _NETWORK + (
            "import multiprocessing\n"
            "child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\n"
            "child.start()\nchild.terminate()\nchild.join()\nsay(code=child.exitcode)"
        )
        told = Told(self, script, TCUNIT_REAPERS="none")
        self.assertEqual(-signal.SIGTERM, told.hear()["code"])

    def test_threads_start_one_reaper_of_each_kind(self) -> None:
        """Four threads start containers at once: there are one guard and one Ryuk."""
        script = (
            "def work():\n    DockerContainer('alpine').with_command('sleep 60').start()\n"
            "threads = [threading.Thread(target=work) for _ in range(4)]\n"
            "for each in threads: each.start()\n"
            "for each in threads: each.join()\n"
            "wait_for_ryuk()\nsay(status=status())\nsys.stdin.read()"
        )
        told = Told(self, script)
        heard = told.hear()
        self.assertEqual({"guard", "ryuk"}, set(heard["status"]))
        guards = [pid for pid in _children(heard["pid"]) if "guard_process" in _command(pid)]
        self.assertEqual(1, len(guards))
        self.assertEqual(1, len(ryuks_of(engine(), told.session)))
        self.assertEqual(4, len(left_over(told.session)))

    def test_one_process_dies_beside_another(self) -> None:
        """What the other has stays, and its session is seen to live."""
        script = _NETWORK + "say()\ntime.sleep(60)"
        dead, alive = (Told(self, script, TCUNIT_REAPERS="guard") for _ in range(2))
        dead.hear()
        alive.hear()
        self.assertIs(True, is_alive(alive.session))
        dead.kill()
        until(lambda: not left_over(dead.session), "the guard to clean up")
        self.assertEqual(1, len(left_over(alive.session)))

    def test_handlers_of_the_user_are_kept(self) -> None:
        """SIGTERM and SIGINT that were handled or ignored before are so afterwards."""
        script = (
            "got = []\n"
            "signal.signal(signal.SIGTERM, lambda *_: got.append('term'))\n"
            "signal.signal(signal.SIGINT, lambda *_: got.append('int'))\n"
            + _NETWORK
            + "os.kill(os.getpid(), signal.SIGTERM)\nos.kill(os.getpid(), signal.SIGINT)\n"
            "say(got=got)\nn.remove()"
        )
        told = Told(self, script, TCUNIT_REAPERS="none")
        self.assertEqual(["term", "int"], told.hear()["got"])
        self.assertEqual(0, told.process.wait())


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for task in tasks for each in task.read_text().split()]


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


class ChoiceTest(EngineTest):
    """Which reapers there are, and what happens where one of them cannot work."""

    def test_the_setting_picks_them(self) -> None:
        """Each value arms what it names; status() says which."""
        for value, names in {
            "none": [], "guard": ["guard"], " Ryuk ": ["ryuk"], "ryuk,guard": ["guard", "ryuk"],
        }.items():  # fmt: skip
            with self.subTest(value=value):
                told = Told(self, _NETWORK + "say(status=status())\nn.remove()",
                            TCUNIT_REAPERS=value)  # fmt: skip
                self.assertEqual(names, sorted(told.hear()["status"]))
                self.assertEqual("", told.process.communicate()[1])

    def test_a_wrong_value_creates_nothing(self) -> None:
        """The error names the variable and what is allowed."""
        script = (
            "try:\n    Network().create()\n"
            "except Exception as error:\n    say(kind=type(error).__name__, text=str(error))"
        )
        told = Told(self, script, TCUNIT_REAPERS="guard,none")
        heard = told.hear()
        self.assertEqual(SettingError.__name__, heard["kind"])
        self.assertIn("TCUNIT_REAPERS", heard["text"])
        self.assertIn("guard, ryuk", heard["text"])
        self.assertEqual([], left_over(told.session))

    def test_ryuk_is_left_out_in_every_spelling(self) -> None:
        """The variable and the property of all Testcontainers switch it off."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, ".testcontainers.properties").write_text("ryuk.disabled=true\n")
            for environ in ({"TESTCONTAINERS_RYUK_DISABLED": "TRUE"}, {"HOME": folder}):
                with self.subTest(environ=environ):
                    told = Told(self, _NETWORK + "say(status=status())\nn.remove()", **environ)
                    heard = told.hear()
                    self.assertEqual("not armed: disabled by a setting", heard["status"]["ryuk"])
                    self.assertEqual("armed", heard["status"]["guard"])
                    self.assertEqual([], ryuks_of(engine(), told.session))

    def test_settings_reach_ryuk(self) -> None:
        """The reconnection time and the socket's path are those of the settings."""
        script = _NETWORK + "wait_for_ryuk()\nsay(status=status())\nsys.stdin.read()"
        told = Told(self, script, TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT="1500ms",
                    TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE="/run/docker.sock",
                    TESTCONTAINERS_RYUK_CONTAINER_IMAGE="testcontainers/ryuk:0.14.0")  # fmt: skip
        self.assertIn("armed, at", told.hear()["status"]["ryuk"])
        info = engine().inspect(ryuk_name(told.session))
        self.assertIn("RYUK_RECONNECTION_TIMEOUT=1500ms", info["Config"]["Env"])
        self.assertEqual(["/run/docker.sock:/var/run/docker.sock"], info["HostConfig"]["Binds"])
        self.assertFalse(info["HostConfig"]["Privileged"])

    def test_where_ryuk_cannot_run_one_message_says_so(self) -> None:
        """A class runs all the same, the guard is armed, and nothing is left of Ryuk."""
        for environ, reason in (
            ({"RYUK_CONTAINER_IMAGE": "localhost:1/none:1"}, "localhost:1/none:1"),
            ({"TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": "/dev/null"}, "its container ended"),
            ({"TESTCONTAINERS_RYUK_PRIVILEGED": "true"}, "RYUK_PRIVILEGED"),
        ):
            script = _NETWORK + (
                "wait_for_ryuk()\nsay(status=status())\nNetwork().create().remove()\nn.remove()"
            )
            with self.subTest(**environ):
                told = Told(self, script, **environ)
                status = told.hear()["status"]
                _, errors = told.process.communicate()
                if "PRIVILEGED" in next(iter(environ)) and "armed, at" in status["ryuk"]:
                    continue  # a machine that may
                self.assertEqual("armed", status["guard"])
                self.assertRegex(status["ryuk"], f"^not armed: .*{re.escape(reason)}")
                self.assertEqual(1, errors.count("Ryuk is not armed"), errors)
                self.assertIn("nets remain: the end of the process, and the guard", errors)
                self.assertEqual(0, told.process.returncode)
                self.assertEqual([], ryuks_of(engine(), told.session))

    def test_ryuk_goes_with_a_session_that_left_nothing(self) -> None:
        """A normal end leaves no Ryuk behind, also when it ends before Ryuk has started."""
        for wait in ("wait_for_ryuk()\n", ""):
            with self.subTest(wait=wait):
                told = Told(self, f"{_NETWORK}{wait}say(status=status())\nn.remove()")
                told.hear()
                self.assertEqual("", told.process.communicate()[1])
                until(lambda: not ryuks_of(engine(), told.session), "Ryuk to be gone")  # noqa: B023

    def test_the_process_1_of_a_container_waits_for_ryuk(self) -> None:
        """Killed at once after its first create, it leaves nothing, though its guard dies, too."""
        site = next(path for path in sys.path if path.endswith("site-packages"))
        script = BEGIN + _NETWORK + "say(status=status())\nos.kill(1, signal.SIGSEGV)\nos.abort()"
        with _interpreter() as mounts:
            box = DockerContainer("python:3.11-slim").with_command(
                [sys.executable, "-c", script]
            ).with_envs(
                PYTHONPATH=f"{ROOT}:{site}", RYUK_RECONNECTION_TIMEOUT="500ms",
                TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX=os.environ.get(
                    "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", ""
                ),
            ).with_volume_mapping("/var/run/docker.sock", "/var/run/docker.sock", "rw")  # fmt: skip
            for path in {*mounts, str(ROOT), site}:
                box.with_volume_mapping(path, path)
            container = self._ended(box)
        told = json.loads(container[0])
        self.addCleanup(remove_session, told["session"])
        self.assertIn("armed, at", told["status"]["ryuk"])
        self.assertIn("process 1", told["status"]["guard"])
        until(lambda: not left_over(told["session"]), "Ryuk to clean up")

    def _ended(self, box: DockerContainer) -> tuple[bytes, bytes]:
        with contextlib.suppress(Exception):
            box.start()  # it may be found dead, which it is to be
        names = [n for n in left_over() if "python" in n]
        self.assertEqual(1, len(names), "it is there until it is stopped")
        self.addCleanup(box.stop)
        until(lambda: not engine().inspect(names[0])["State"]["Running"], "its end")
        out = engine().logs(names[0], stderr=False)
        return out, engine().logs(names[0], stdout=False)


@contextlib.contextmanager
def _interpreter() -> Iterator[set[str]]:
    """The folders that this Python needs, to have it in a container."""
    yield {sys.prefix, sys.base_prefix}


class RyukTest(EngineTest):
    """Ryuk's protocol, on the image that there is."""

    def test_no_line_without_session_and_name(self) -> None:
        """What would match more than one resource of ours cannot be made."""
        self.assertEqual(
            b"label=org.testcontainers.tcunit.own%3Ds%2Fa%26b\n",
            ryuk_client.filter_line("s", "a&b"),
        )
        for session, name in (("", "n"), ("s", "")):
            with self.subTest(session=session, name=name), self.assertRaises(ValueError):
                ryuk_client.filter_line(session, name)

    def test_it_acknowledges_lines_and_not_empty_ones(self) -> None:
        """An ACK for each line, one that cannot be parsed included, and none for an empty one."""
        with self._ryuk() as address:
            link = until(lambda: _connected(address), "Ryuk to listen")
            with link, link.makefile("rwb") as file:
                for line in (b"label=tcunit.none=1\n", b"label=%zz\r\n", b"\n", b"label=a;b\n"):
                    file.write(line)
                    file.flush()
                link.shutdown(socket.SHUT_WR)
                self.assertEqual(b"ACK\n" * 3, file.read())

    def test_filters_of_one_line_must_all_match(self) -> None:
        """Two labels in a line are both needed; several lines add up; others are not touched."""
        label = f"tcunit.test-{os.getpid()}"
        for name in ("both", "one", "other"):
            volume = f"{label}-{name}"
            labels = {label: "x"} | ({f"{label}.b": "y"} if name == "both" else {})
            engine().client.api.create_volume(volume, labels=labels if name != "other" else {})
            self.addCleanup(engine().remove_volume, volume)
        with self._ryuk() as address:
            link = until(lambda: _connected(address), "Ryuk to listen")
            with link, link.makefile("rwb") as file:
                file.write(f"label={label}=x&label={label}.b=y\n".encode())
                file.flush()
                self.assertEqual(b"ACK\n", file.readline())
            until(lambda: not _is_volume(f"{label}-both"), "Ryuk to remove what matches")
            until(lambda: _connected(address) is None, "Ryuk to end")
        self.assertEqual([True, True], [_is_volume(f"{label}-{n}") for n in ("one", "other")])

    @contextlib.contextmanager
    def _ryuk(self) -> Iterator[tuple[str, int]]:
        box = (
            DockerContainer("testcontainers/ryuk:0.14.0").with_exposed_ports(8080).with_env(
                "RYUK_RECONNECTION_TIMEOUT", "200ms"
            ).with_env("RYUK_CHANGES_RETRY_INTERVAL", "200ms")
            .with_volume_mapping("/var/run/docker.sock", "/var/run/docker.sock", "rw")
        )  # fmt: skip
        from tcunit import wait

        box.waiting_for(wait.for_log("msg=Started"))
        with box:
            yield tuple(box.endpoint(8080))  # type: ignore[misc]


def _connected(address: tuple[str, int]) -> socket.socket | None:
    try:
        return socket.create_connection(address, 5)
    except OSError:
        return None


def _is_volume(name: str) -> bool:
    listed = engine().client.api.volumes(filters={"name": name})["Volumes"] or []
    return any(each["Name"] == name for each in listed)


class CleanTest(EngineTest):
    """``python -m tcunit clean``."""

    def test_what_a_dead_session_left_is_removed(self) -> None:
        """Containers, networks, the stale Ryuk and the lock go; a live session keeps its own."""
        script = "DockerContainer('alpine').with_command('sleep 60').with_network({}).start()\n"
        begin = _NETWORK + script.format("n") + "say()\ntime.sleep(60)"
        dead = Told(self, begin, TCUNIT_REAPERS="none")
        alive = Told(self, begin, TCUNIT_REAPERS="none")
        dead.hear()
        alive.hear()
        self._make_ryuk(dead.session)
        dead.kill()
        self.assertIn("dead", self._clean("--dry-run"))
        self.assertEqual(2, len(left_over(dead.session)))
        said = self._clean()
        self.assertIn(f"session {dead.session} (dead)", said)
        self.assertIn(f"session {alive.session} (lives)", said)
        self.assertEqual([], left_over(dead.session) + ryuks_of(engine(), dead.session))
        self.assertEqual(2, len(left_over(alive.session)))
        self.assertFalse(lock_path(dead.session).exists())
        self.assertNotIn(dead.session, self._clean())

    def test_what_may_live_is_only_listed(self) -> None:
        """A session without a lock here: removed by --force alone, and never a live one."""
        told = Told(self, _NETWORK + "say()\ntime.sleep(60)", TCUNIT_REAPERS="none")
        told.hear()
        with tempfile.TemporaryDirectory() as elsewhere:
            # Whose images are about to be used can be told by their locks only.
            self.assertIn("unknown", self._clean("--keep-warm", TMPDIR=elsewhere))
            self.assertEqual(1, len(left_over(told.session)))
            told.kill()
            lock_path(told.session).unlink()
        self.assertIn(f"session {told.session} (unknown", self._clean())
        self.assertEqual(1, len(left_over(told.session)))
        mine = [each for each in all_remains(engine()) if each.session == told.session]
        with (
            mock.patch("tcunit.cli.clean.all_remains", return_value=mine),
            mock.patch("tcunit.cli.clean.all_shared", return_value=[]),
            contextlib.redirect_stdout(io.StringIO()) as printed,
        ):  # what others have is none of this test's business
            self.assertEqual(0, main(["clean", "--force", "--keep-warm"]))
        self.assertIn("\n  removed\n", printed.getvalue())
        self.assertEqual([], left_over(told.session))

    def test_what_could_not_be_removed_at_the_end_is_known_to_be_dead(self) -> None:
        """A process that ends without its engine leaves its lock, by which a sweep finds it."""
        script = (
            "from tcunit._docker import Engine\nfrom tcunit.errors import EngineError\n"
            + _NETWORK
            + "def refuse(*_): raise EngineError('gone')\n"
            "Engine.remove_network = refuse\nsay()"
        )
        told = Told(self, script, TCUNIT_REAPERS="none")
        told.hear()
        self.assertIn("is left behind: gone", told.process.communicate()[1])
        self.assertIs(False, is_alive(told.session))
        self._clean()
        self.assertEqual([], left_over(told.session))

    def test_force_removes_what_is_unknown(self) -> None:
        """On an engine of which only one session's things are shown, they are gone."""
        from tcunit.reapers.dead import Remains, remove_remains

        told = Told(self, _NETWORK + "say()\ntime.sleep(60)", TCUNIT_REAPERS="none")
        told.hear()
        remains = Remains(told.session, None, left_by(engine(), told.session))
        self.assertEqual(remains.resources, remove_remains(engine(), remains))  # it lives
        self.assertEqual(1, len(left_over(told.session)))
        told.kill()
        self.assertEqual([], remove_remains(engine(), remains))
        self.assertEqual([], left_over(told.session))

    def _make_ryuk(self, session: str) -> None:
        labels = {"org.testcontainers.ryuk-of": session}
        engine().client.api.create_container(
            "tcunit.local/alpine", name=ryuk_name(session), labels=labels
        )
        self.assertEqual(1, len(ryuks_of(engine(), session)))

    def _clean(self, *arguments: str, **environ: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tcunit", "clean", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ}, capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout


class PoolTest(EngineTest):
    """Address ranges for networks."""

    RANGE = "10.201.77.0/25"  # two small subnets

    def test_networks_are_cut_from_a_range(self) -> None:
        """With the setting, each network has a small subnet in it; when all are taken, it says so.

        A third one waits for one that is being removed.
        """
        with environment(TCUNIT_SUBNETS=self.RANGE), Network() as first, Network() as second:
            found = {_subnet(each) for each in (first, second)}
            self.assertEqual({"10.201.77.0/26", "10.201.77.64/26"}, found)
            with self.assertRaisesRegex(Exception, "TCUNIT_SUBNETS names: name a larger range"):
                Network().create()

    def test_a_removal_under_way_is_waited_for(self) -> None:
        """No subnet is free, until another thread removes a network."""
        import threading

        with environment(TCUNIT_SUBNETS=self.RANGE), Network(), Network() as second:
            removal = threading.Timer(0.3, second.remove)
            removal.start()
            self.addCleanup(removal.join)
            with Network() as third:
                self.assertTrue(_subnet(third).startswith("10.201.77."))

    def test_what_a_dead_session_left_makes_room(self) -> None:
        """Its networks are removed when there is no room left for another one."""
        script = "Network().create()\nNetwork().create()\nsay()\ntime.sleep(60)"
        told = Told(self, script, TCUNIT_REAPERS="none", TCUNIT_SUBNETS=self.RANGE)
        told.hear()
        told.kill()
        self.assertEqual(2, len(left_over(told.session)))
        with environment(TCUNIT_SUBNETS=self.RANGE), Network() as third:
            self.assertTrue(_subnet(third).startswith("10.201.77."))
        self.assertEqual([], left_over(told.session))

    def test_the_engine_has_no_range_left(self) -> None:
        """What the engine says then names the setting; the words are those of two versions."""
        from tcunit import pools
        from tcunit.errors import EngineError

        for said in (
            "could not find an available, non-overlapping IPv4 address pool among the defaults",
            "all predefined address pools have been fully subnetted",
        ):
            refusal = mock.patch.object(Engine, "create_network", side_effect=EngineError(said))
            with (
                self.subTest(said=said),
                refusal as tried,
                mock.patch.object(pools, "PATIENCE", 0.2),
            ):
                with self.assertRaisesRegex(Exception, "TCUNIT_SUBNETS=10.123.0.0/16"):
                    Network().create()
                self.assertGreater(tried.call_count, 1)

    def test_a_wrong_range_is_refused(self) -> None:
        """The error says what is allowed."""
        with environment(TCUNIT_SUBNETS="10.0.0.1/8"), self.assertRaisesRegex(
            SettingError, "TCUNIT_SUBNETS has the value '10.0.0.1/8': allowed is a range"
        ):  # fmt: skip
            Network().create()


def _subnet(network: Network) -> str:
    return str(engine().inspect_network(network.id)["IPAM"]["Config"][0]["Subnet"])


class LeakTest(EngineTest):
    """What a test leaves behind itself."""

    def test_the_class_names_what_its_tests_left(self) -> None:
        """An error after the class has the test, the kind and the name; others are fine."""
        left: list[Network] = []

        class Leaky(ContainerTestCase):
            leak_check = True
            net = Network()

            def test_leaks(self) -> None:
                left.append(Network().create())

            def test_stops(self) -> None:
                with Network():
                    pass
                stopped = Network().create()
                self.addCleanup(stopped.remove)

        result = run_class(Leaky)
        self.addCleanup(left[0].remove)
        text = "".join(text for _, text in result.errors)
        self.assertEqual(1, len(result.errors), text)
        self.assertRegex(text, rf"Leaky.test_leaks: network {left[0].name}\n")
        self.assertNotIn("test_stops", text)

    def test_it_is_silent_where_nothing_is_left_or_nobody_asked(self) -> None:
        """Without the attribute the class passes; what is stopped later in the class is no leak."""
        left: list[Network] = []

        class Silent(ContainerTestCase):
            def test_leaks(self) -> None:
                left.append(Network().create())

        class Later(ContainerTestCase):
            leak_check = True

            def test_starts(self) -> None:
                left.append(Network().create())

            @classmethod
            def tearDownClass(cls) -> None:
                left[-1].remove()
                super().tearDownClass()

        self.assert_passes(Silent)
        left[0].remove()
        self.assert_passes(Later)

    def test_a_block_that_leaves_something_fails(self) -> None:
        """assertNoLeaks names it; a block that stops what it starts passes."""
        case = ContainerTestCase()
        with case.assertNoLeaks(), Network():
            pass
        left = Network()
        self.addCleanup(left.remove)
        with self.assertRaisesRegex(AssertionError, "left behind: network tcunit-"):
            with case.assertNoLeaks():
                left.create()


if __name__ == "__main__":
    unittest.main()
