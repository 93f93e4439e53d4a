"""Compose stacks, without an engine: files, options, commands, and what ready means."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from coverage import Coverage

from tcunit import ComposeStack, DockerContainer, Network, _session, wait
from tcunit.compose.asked import Asked
from tcunit.compose.cli import engine_variables, find_compose
from tcunit.compose.command import Command
from tcunit.compose.coverage import Measurements, mounted
from tcunit.compose.model import Model, further_file, secrets_of
from tcunit.compose.project import ProjectEntry, variables_in
from tcunit.compose.service import ServiceWaitStrategy
from tcunit.errors import ComposeError, ContainerDied, DeclarationError, SealedError
from tcunit.lifecycle.ledger import PROJECT
from tcunit.measured import Measured
from tcunit.measuring.configuration import FOLDER
from tcunit.ports import Port
from tcunit.settings import Settings
from tcunit.wait import ExecResult
from tcunit.wait.base import ContainerState, wait_until_ready

from .in_memory import ENDED, RUNS, Target

SAID: dict[str, Any] = {
    "name": "p",
    "services": {
        "web": {"image": "nginx:alpine", "environment": {"API_KEY": "Ses$$ame", "MODE": "test"}},
        "db": {"image": "quay.io/db", "container_name": "the-db"},
        "app": {"build": {"context": "."}},
        "tool": {"build": {"context": "."}, "image": "my/tool"},
    },
    "networks": {"default": {"name": "p_default"}, "old": {"name": "old", "external": True}},
    "volumes": {"data": {"name": "p_data"}, "fixed": {"name": "fixed"}},
}


def model() -> Model:
    """What Compose might say of a file."""
    return Model.read("p", json.dumps(SAID))


class ModelTest(unittest.TestCase):
    """What Compose says of the files, and what is added."""

    def test_names(self) -> None:
        """Everything that Compose creates has a name; what is somebody else's is left out."""
        names = ["p-web", "the-db", "p-app", "p-tool", "p_default", "p_data", "fixed"]
        self.assertEqual(names, model().names)
        self.assertEqual({"app": "p-app:latest"}, model().built)

    def test_labels(self) -> None:
        """Each gets the session's labels, with its own name."""
        further = json.loads(further_file(model(), str, model().built))
        for kind, key, name in (
            ("services", "web", "p-web"),
            ("services", "db", "the-db"),
            ("networks", "default", "p_default"),
            ("volumes", "fixed", "fixed"),
        ):
            with self.subTest(key=key):
                self.assertEqual(_session.labels(name), further[kind][key]["labels"])
        self.assertEqual(["default"], list(further["networks"]))
        labels = further["services"]["app"]["build"]["labels"]
        self.assertEqual({**_session.labels("p-app:latest"), _session.PROJECT_LABEL: "p"}, labels)
        self.assertNotIn("build", further["services"]["tool"])

    def test_names_of_images(self) -> None:
        """They are what they are called here, but for those that are built."""
        services = json.loads(further_file(model(), "mirror/{}".format, {}))["services"]
        images = {name: each.get("image") for name, each in services.items()}
        self.assertEqual(
            {"web": "mirror/nginx:alpine", "db": "mirror/quay.io/db", "app": None, "tool": None},
            images,
        )
        self.assertEqual(
            ["mirror/nginx:alpine", "mirror/quay.io/db", "my/tool"],
            model().images("mirror/{}".format),
        )

    def test_what_is_apart(self) -> None:
        """Only a file that asks for nothing that others use, too, can go in the background."""
        plain: dict[str, Any] = {
            "services": {
                "web": {
                    "image": "a",
                    "ports": [{"target": 80}],
                    "volumes": [
                        {"type": "volume", "source": "data"},
                        {"type": "bind", "source": "/etc", "read_only": True},
                    ],
                },
                "side": {"image": "b", "network_mode": "service:web"},
            },
            "networks": {"default": {"name": "p_default", "ipam": {}}},
            "volumes": {"data": {"name": "p_data"}},
        }
        self.assertTrue(Model.read("p", json.dumps(plain)).is_apart)
        for place, more in (
            ("services", {"ports": [{"target": 80, "published": "8080"}]}),
            ("services", {"volumes": [{"type": "bind", "source": "/tmp"}]}),
            ("services", {"container_name": "web"}),
            ("services", {"network_mode": "host"}),
            ("services", {"privileged": True}),
            ("networks", {"name": "p_n", "external": True}),
            ("networks", {"name": "fixed"}),
            ("networks", {"name": "p_n", "ipam": {"config": [{"subnet": "10.9.0.0/24"}]}}),
            ("volumes", {"name": "p_v", "driver_opts": {"device": "/tmp"}}),
        ):
            with self.subTest(more=more):
                changed = {**plain, place: {**plain[place], "more": more}}
                self.assertFalse(Model.read("p", json.dumps(changed)).is_apart)

    def test_an_empty_file(self) -> None:
        """Nothing is no error here: Compose has its own word for it."""
        self.assertEqual([], Model.read("p", "{}").names)

    def test_what_cannot_be_cleaned_up(self) -> None:
        """A provider makes things elsewhere, and is refused; so is what is no JSON."""
        with self.assertRaisesRegex(ComposeError, "the service ai has a provider"):
            Model.read("p", '{"services": {"ai": {"provider": {"type": "model"}}}}')
        with self.assertRaisesRegex(ComposeError, "no JSON"):
            Model.read("p", "services:")

    def test_secrets(self) -> None:
        """Those of the test, of the services and of the process are masked, and no public value."""
        secrets = secrets_of(
            [("DB_PASSWORD", "p4ss"), ("TOKEN", "test")],
            {"GITHUB_TOKEN": "gh-0123456789", "SHORT_KEY": "up", "HOME": "/home/me"},
            model(),
        )
        text = secrets.mask("p4ss Ses$ame gh-0123456789 up test /home/me")
        self.assertEqual("*** *** *** up test /home/me", text)

    def test_files_of_variables(self) -> None:
        """Their values are known as they are written; what is not there has none."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "test.env")
            file.write_text(
                "A=1\nexport B = 'x # y' # z\nC=\"q\"\nD=abc # d\nE=\n#F=1\nG: h\nI=a=b#c\nJ\n"
            )
            expected = {"A": "1", "B": "x # y", "C": "q", "D": "abc", "E": "", "G": "h"}
            self.assertEqual({**expected, "I": "a=b#c"}, dict(variables_in(file)))
            self.assertEqual([], list(variables_in(Path(folder, "none"))))


class CoverageTest(unittest.TestCase):
    """What measures services, as Compose is told of it."""

    def measurements(self, of_class: Measured | None = None, **asked: Measured) -> Measurements:
        """Those of a model, in a process that is measured."""
        services = {
            "web": {
                "environment": {"PYTHONPATH": "/a$$b", "MODE": "test"},
                "volumes": [
                    {"type": "bind", "source": "/here/$$src", "target": "/app"},
                    {"type": "volume", "source": "data", "target": "/data"},
                ],
            },
            "db": {"environment": {"PYTHONPATH": None}, "read_only": True},
        }
        ours = Coverage(data_file=None)
        with mock.patch("tcunit.measuring.measurement.current", return_value=ours):
            return Measurements(asked, of_class, Model("p", services), "stack")

    def test_additions(self) -> None:
        """Two variables, and a volume where nothing can be written; the user's path is kept."""
        shop = Measured.of("shop", {})
        rules = {"COVERAGE_PROCESS_START": f"{FOLDER}/coveragerc"}
        added = self.measurements(web=Measured(), db=shop).additions()
        self.assertEqual({**rules, "PYTHONPATH": f"{FOLDER}:/a$b"}, added["web"]["environment"])
        self.assertEqual({**rules, "PYTHONPATH": FOLDER}, added["db"]["environment"])
        self.assertEqual([{"type": "volume", "target": FOLDER}], added["db"]["volumes"])
        text = further_file(model(), str, {}, added)
        self.assertIn(f'"PYTHONPATH": "{FOLDER}:/a$$b"', text)
        self.assertIn(_session.NAME_LABEL, json.loads(text)["services"]["web"]["labels"])

    def test_which_services(self) -> None:
        """Those that were named, or all where the class says so; none is nothing."""
        shop = Measured.of("shop", {})
        self.assertEqual(["db"], list(self.measurements(db=shop).additions()))
        self.assertEqual(["web", "db"], list(self.measurements(shop).additions()))
        self.assertFalse(self.measurements())

    def test_which_code(self) -> None:
        """What is mounted is known; of a service that mounts nothing it must be said."""
        with self.assertRaisesRegex(
            DeclarationError, r"stack\.db: with_coverage\(\) does not know"
        ):
            self.measurements(db=Measured())
        volumes = {"volumes": [{"type": "bind", "source": "/here/$$src", "target": "/app"}]}
        self.assertEqual({"/app": "/here/$src"}, mounted(volumes))


class NameTest(unittest.TestCase):
    """The containers of a service bear its name and a number."""

    def test_what_bears_its_name(self) -> None:
        """Numbers, one-off runs and both separators do; anything else is a copy."""
        labels = {_session.NAME_LABEL: "p-a_b", _session.PROJECT_LABEL: "p"}
        for name, expected in {
            "p-a_b-1": True, "p_a_b_12": True, "p-a_b-run-0123abcd": True, "p-a_b": True,
            "p-a_b-": False, "p-a_b-1-1": False, "p-a_b-x": False, "x-p-a_b-1": False,
        }.items():  # fmt: skip
            with self.subTest(name=name):
                self.assertEqual(expected, _session.bears_its_name(name, labels))

    def test_only_what_is_composes(self) -> None:
        """Without Compose's label, a number is another name."""
        self.assertFalse(_session.bears_its_name("a-1", {_session.NAME_LABEL: "a"}))
        self.assertFalse(_session.bears_its_name("a-1", {_session.PROJECT_LABEL: "a"}))


class AskedTest(unittest.TestCase):
    """What is declared."""

    def test_refused(self) -> None:
        """What cannot be meant is refused at once, with what is allowed."""
        refused: list[tuple[Any, str]] = [
            (lambda: ComposeStack(), r"no Compose file: .*ComposeStack\('compose.yml'\)"),
            (lambda: ComposeStack(["a", "b"]), r"\['a', 'b'\] is no path: give several"),  # type: ignore[arg-type]
            (lambda: ComposeStack("a", pull="daily"), "'daily' is no pull policy: choose from"),
            (lambda: ComposeStack("a", remove_images="x"), "allowed are built, all, none"),
            (lambda: ComposeStack("a").waiting_for("web", "soon"), "'soon' is no wait strategy"),  # type: ignore[arg-type]
            (lambda: ComposeStack("a").depends_on("db"), "only what is declared"),  # type: ignore[arg-type]
            (lambda: ComposeStack("a").with_scope("week"), "'week' is no scope"),
            (
                lambda: ComposeStack("a").with_coverage("web", paths={"b": "c"}),
                "not begin with '/'",
            ),
            (
                lambda: ComposeStack("a")["web"].with_coverage(),
                r"say it of the stack, as in ComposeStack\(…\).with_coverage\('web', …\)",
            ),
        ]
        for make, text in refused:
            with self.subTest(text=text), self.assertRaisesRegex(DeclarationError, text):
                make()

    def test_options(self) -> None:
        """Each is given to Compose as its own command line has it."""
        asked = Asked(
            (Path("a"),), Path("/x"), (Path("/e"),), ("p", "q"), scale={"web": 2}, build=True,
            pull="never", wait=True,
        )  # fmt: skip
        self.assertEqual(
            "--project-directory /x --env-file /e --profile p --profile q",
            " ".join(asked.options()),
        )
        environ = {"TCUNIT_START_TIMEOUT": "2.5", "TCUNIT_PULL_POLICY": "always"}
        settings = Settings(environ, Path("/no"))
        self.assertEqual(
            "--quiet-pull --build --pull never --wait --wait-timeout 3 --scale=web=2",
            " ".join(asked.options_of_up(settings, True)),
        )
        plain = Asked((Path("a"),))
        for pulled, policy in ((False, "always"), (True, "missing")):
            expected = ["--quiet-pull", "--pull", policy]
            self.assertEqual(expected, plain.options_of_up(settings, pulled))
        unset = Settings({}, Path("/no"))
        self.assertEqual(["--quiet-pull"], plain.options_of_up(unset, True))

    def test_options_in_two_steps(self) -> None:
        """What is created first is not made again by the start."""
        asked = Asked((Path("a"),), scale={"web": 2}, build=True, pull="always", wait=True)
        settings = Settings({"TCUNIT_START_TIMEOUT": "3"}, Path("/no"))
        self.assertEqual(
            "--no-start --quiet-pull --build --pull always --scale=web=2",
            " ".join(asked.options_of_create(settings, False)),
        )
        self.assertEqual(
            "--no-recreate --no-build --pull never --wait --wait-timeout 3 --scale=web=2",
            " ".join(asked.options_of_start(settings)),
        )

    def test_needs(self) -> None:
        """What it depends on, and whose values or names it takes."""
        db, network, other = DockerContainer("db"), Network(), DockerContainer("other")
        stack = ComposeStack(
            "a", env={"ID": db.get_container_id, "NET": network, "A": "b", "F": lambda: 1}
        ).depends_on(other)
        self.assertEqual([db, network, other], list(stack.needs()))
        self.assertEqual([db, network], list(stack.insists_on()))

    def test_parts_need_the_stack(self) -> None:
        """A service and a network stand for what the stack makes, and live as long."""
        stack = ComposeStack("a").with_scope("run")
        for part in (stack["web"], stack.service("web", 2), stack.network("front")):
            self.assertEqual(([stack], "run"), (list(part.needs()), part.scope))
        self.assertEqual("a.web-2", stack.service("web", 2).label)

    def test_sealed(self) -> None:
        """A class's stack cannot be changed, and a copy can."""

        class Shop:
            stack = ComposeStack("a")

        with self.assertRaises(SealedError):
            Shop.stack.waiting_for("web", wait.for_port(80))
        Shop.stack.copy().waiting_for("web", wait.for_port(80))


class FindTest(unittest.TestCase):
    """Which command is taken."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def command(self, name: str, script: str) -> None:
        """Put a program on the PATH."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def find(self, **environ: str) -> Any:
        return find_compose(Settings({"PATH": str(self.folder), **environ}, Path("/no")))

    def test_the_first_that_works(self) -> None:
        """`docker` without the plugin is passed over, and the reason is kept."""
        self.command("docker", 'echo "docker: unknown command: $1" >&2; exit 1')
        self.command("docker-compose", "echo v2.30.1")
        found = self.find()
        self.assertEqual((("docker-compose",), "v2.30.1"), (found.words, found.version))
        self.command("docker", "echo 5.1.0")
        again = self.find(DOCKER_CONFIG="/another")
        self.assertEqual((("docker", "compose"), "5.1.0"), (again.words, again.version))

    def test_too_old(self) -> None:
        """The first generation is refused, an early second one, and what is no Compose."""
        for said in (
            "1.29.2",
            "docker-compose version 1.29.2, build 5becea4c",
            "v2.16.0",
            "dev",
            "",
        ):
            self.command("old", f"echo '{said}'")
            with (
                self.subTest(said=said),
                self.assertRaisesRegex(ComposeError, f"is {said or 'unknown'}, and 2.17 is the"),
            ):
                self.find(TCUNIT_COMPOSE=f"old {len(said)}")

    def test_old_enough(self) -> None:
        """What Debian 13 has is taken, and whatever comes later."""
        for said in ("2.17.0", "2.26.1-4", "v2.40.3-desktop.1", "5.6.1", "10.0.0"):
            self.command("new", f"echo '{said}'")
            self.assertEqual(said, self.find(TCUNIT_COMPOSE=f"new {said}").version)

    def test_it_cannot_be_run(self) -> None:
        """A program that the system refuses is told of."""
        self.command("broken", "")
        (self.folder / "broken").write_bytes(b"\x7fELF")
        with self.assertRaisesRegex(ComposeError, "broken: it cannot be run: "):
            self.find(TCUNIT_COMPOSE="broken")

    def test_engine_variables(self) -> None:
        """Docker's own programs are told of the engine by URL and by the folder of its files."""
        plain = {"url": "unix:///x", "tls": None}
        self.assertEqual({"DOCKER_HOST": "unix:///x"}, engine_variables(plain))
        tls = {"cert": ("/c/cert.pem", "/c/key.pem"), "ca": "/c/ca.pem", "verify": True}
        self.assertEqual(
            {"DOCKER_HOST": "tcp://h:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"},
            engine_variables({"url": "https://h:1", "tls": tls}),
        )
        self.assertEqual(
            {"DOCKER_HOST": "tcp://h:1", "DOCKER_TLS": "1"},
            engine_variables(
                {"url": "tcp://h:1", "tls": {"cert": None, "ca": "", "verify": False}}
            ),
        )
        with self.assertRaisesRegex(ComposeError, "from one folder"):
            engine_variables({"url": "tcp://h:1", "tls": {**tls, "ca": "/d/ca.pem"}})


def run(script: str, given: str = "", **environ: str) -> Command:
    """A shell script as a command that is not run yet."""
    return Command(["sh", "-c", script], {**os.environ, **environ}, given)


def complain(line: str) -> None:
    """What cannot show a line, as where standard error is gone."""
    raise OSError(line)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be asked for its exit code does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@unittest.skipUnless(sys.platform == "linux", "processes are looked for in /proc")
class CommandTest(unittest.TestCase):
    """A command that ends with us."""

    def until_gone(self, pid: int) -> None:
        deadline = time.monotonic() + 20
        while is_running(pid):
            self.assertLess(time.monotonic(), deadline, f"{pid} still runs")
            time.sleep(0.01)

    def test_what_cannot_be_shown(self) -> None:
        """It neither ends the command nor lets anybody wait for it for good."""
        command = run("echo one; echo two; exit 3")
        command.hear = complain
        deadline = time.monotonic() + 20
        command.run(lambda: time.monotonic() > deadline)
        self.assertEqual((3, "one\ntwo\n"), (command.code, command.said))

    def test_its_end(self) -> None:
        """Code and output are had, the input and the environment arrive."""
        command = run('cat; echo "$TEA" >&2; exit 3', "one\n" * 50000, TEA="two")
        command.run()
        self.assertEqual((3, False), (command.code, command.was_cut))
        self.assertEqual("one\n" * 50000 + "two\n", command.said)
        command.cut()
        self.assertFalse(command.was_cut)

    def test_after_the_removal(self) -> None:
        """What is about to run when its project is removed does not run any more."""
        entry = ProjectEntry(mock.Mock(labelled=lambda label: []), PROJECT, "p")
        with tempfile.TemporaryDirectory() as folder:
            first, second = run("true"), run(f"touch {folder}/made")
            entry.begin(first)
            first.run()
            entry.remove()
            entry.begin(second)
            second.run()
            self.assertEqual([], os.listdir(folder))
        self.assertEqual((False, True), (first.was_cut, second.was_cut))

    def test_one_that_does_not_read(self) -> None:
        """An input that nobody reads is no error."""
        command = run("exit 4", "x" * 1_000_000)
        command.run()
        self.assertEqual(4, command.code)

    def test_cut(self) -> None:
        """One that is not wanted any more ends at once, with its children."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pid")
            command = run(f"sleep 300 & echo $! >{path}.new; mv {path}.new {path}; sleep 300")
            command.run(path.exists)
            self.assertTrue(command.was_cut)
            self.until_gone(int(path.read_text()))

    def test_cut_before_it_began(self) -> None:
        """It is not run at all then."""
        command = run("echo no")
        command.cut()
        command.run()
        self.assertEqual((True, ""), (command.was_cut, command.said))

    def test_cut_from_another_thread(self) -> None:
        """Who waits for it is let go."""
        command = run("echo begun; sleep 300")
        worker = threading.Thread(target=command.run)
        worker.start()
        command.cut()
        worker.join(20)
        self.assertFalse(worker.is_alive())
        self.assertTrue(command.was_cut)

    def test_killed(self) -> None:
        """The command ends with its children when the process that asked for it is killed."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "pids")
            tell = f"sleep 300 & echo $$ $! >{path}.new; mv {path}.new {path}; wait"
            script = (
                "import os\nfrom tcunit.compose.command import Command\n"
                f"Command(['sh', '-c', {tell!r}], dict(os.environ), '').run()\n"
            )
            process = subprocess.Popen([sys.executable, "-c", script])
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            deadline = time.monotonic() + 20
            while not path.exists():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            pids = [int(word) for word in path.read_text().split()]
        self.assertEqual([True, True], [is_running(pid) for pid in pids])
        process.kill()
        for pid in pids:
            self.until_gone(pid)


class ReadyTest(unittest.TestCase):
    """What ready means for a service of which nothing was said."""

    def ready(self, target: Target, *published: str, limit: float = 20.0) -> None:
        wait_until_ready(
            target, ServiceWaitStrategy([Port.parse(each) for each in published]), limit
        )

    def test_one_without_ports(self) -> None:
        """It runs, or has ended well."""
        self.ready(Target())
        self.ready(Target(states=[ContainerState("exited", running=False, exit_code=0)]), "80")

    def test_one_that_failed(self) -> None:
        """Another exit code ends the wait, with the log."""
        with self.assertRaisesRegex(ContainerDied, "exit code 3"):
            self.ready(Target(states=[RUNS, ENDED]), "80")

    def test_ports(self) -> None:
        """Those that the image declares are asked for, or else all; UDP cannot be asked."""
        for declared, asked in (("80", {"80"}), ("99", {"80", "443"})):
            target = Target(image_ports=[Port.parse(declared)])
            with self.subTest(declared=declared), self.assertRaisesRegex(Exception, "not ready"):
                self.ready(target, "80", "443", "53/udp", limit=0.05)
            self.assertEqual(asked, {str(each.number) for each in target.asked_for})

    def test_health_check(self) -> None:
        """A health check is asked before any port."""
        target = Target(healthcheck=["CMD", "true"], results=[ExecResult(0, b"")])
        self.ready(target, "80")
        self.assertEqual([], target.asked_for)
