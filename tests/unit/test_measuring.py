"""Coverage of containers: its pure parts, and which process is measured."""

from __future__ import annotations

import configparser
import contextlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from coverage import Coverage, CoverageData
from coverage.files import GlobMatcher, prep_patterns
from hypothesis import given
from hypothesis import strategies as st

from tcunit import ContainerTestCase, CoverageMixin, DockerContainer
from tcunit.errors import DeclarationError
from tcunit.lifecycle.declared import MEASURED
from tcunit.measured import Measured
from tcunit.measuring import measurement, measurement_for
from tcunit.measuring.configuration import FOLDER, configuration, environment
from tcunit.measuring.parcel import parcel
from tcunit.measuring.paths import PathMap, packages_here
from tcunit.request import ContainerRequest

HERE = Path(__file__).parent


class ConfigurationTest(unittest.TestCase):
    """How coverage is set in a container."""

    def read(self, text: str) -> Coverage:
        """What coverage itself reads there."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "coveragerc")
            path.write_text(text)
            return Coverage(config_file=str(path))

    def host(self, **options: Any) -> Coverage:
        """A measurement of the host, with some options."""
        host = Coverage(config_file=False)
        for name, value in options.items():
            host.set_option(f"run:{name}", value)
        return host

    def test_as_on_the_host(self) -> None:
        """What decides on the kind of data is taken over; what is about this machine is not."""
        host = self.host(
            branch=True, context="night $HOME", concurrency=["gevent", "multiprocessing"],
            data_file="/here/.coverage", plugins=["django_coverage_plugin"], omit=["*/x.py"],
            relative_files=True,
        )  # fmt: skip
        found = self.read(configuration(host.get_option, ["shop", "/app"], ["/other"]))
        expected = {
            "branch": True, "context": "night $HOME", "concurrency": ["gevent"],
            "data_file": f"{FOLDER}/data/.coverage", "plugins": [], "relative_files": False,
            "parallel": True, "source": ["shop", "/app"], "include": [], "omit": [],
            "patch": ["_exit", "execv"],
        }  # fmt: skip
        self.assertEqual(expected, {name: found.get_option(f"run:{name}") for name in expected})

    def test_folders(self) -> None:
        """Without a source, what lies in folders counts, and files by themselves."""
        text = configuration(self.host().get_option, [], ["/app", "/one.py", "/"])
        expected = ["/app", "/app/*", "/one.py", "/one.py/*", "/", "/*"]
        self.assertEqual(expected, self.read(text).get_option("run:include"))

    def test_folders_with_signs(self) -> None:
        """Signs that mean something in a list of patterns are signs in the name of a folder."""
        text = configuration(self.host().get_option, [], ["/a, b", "/shop [1]*"])
        patterns = self.read(text).get_option("run:include")
        include = GlobMatcher(prep_patterns(patterns))
        for path in ("/a, b/c/d.py", "/shop [1]*/d.py"):
            with self.subTest(path):
                self.assertTrue(include.match(path))
        self.assertFalse(include.match("/shop 1/d.py"))

    def test_it_can_be_read_without_coverage(self) -> None:
        """It is one section of plain words."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(configuration(self.host().get_option, ["shop"], []))
        self.assertEqual(["run"], parser.sections())


class EnvironmentTest(unittest.TestCase):
    """The variables that start the measurement."""

    def test_python_path(self) -> None:
        """It is extended: the one that was given, else the image's."""
        image = ["PATH=/bin", "PYTHONPATH=/of/image", "EMPTY=", "ODD"]
        cases: list[tuple[dict[str, str], list[str], str]] = [
            ({}, [], FOLDER),
            ({}, image, f"{FOLDER}:/of/image"),
            ({"PYTHONPATH": "/given:/more"}, image, f"{FOLDER}:/given:/more"),
            ({"PYTHONPATH": ""}, image, FOLDER),
        ]
        for given_env, of_image, expected in cases:
            with self.subTest(given=given_env, image=of_image):
                found = environment(given_env, of_image)
                self.assertEqual(expected, found.pop("PYTHONPATH"))
                self.assertEqual(f"{FOLDER}/coveragerc", found.pop("COVERAGE_PROCESS_START"))
                self.assertEqual({}, found)

    def test_others_stay(self) -> None:
        """All other variables are as they were."""
        self.assertEqual("1", environment({"A": "1"}, ["B=2"])["A"])
        self.assertNotIn("B", environment({"A": "1"}, ["B=2"]))


class PathsTest(unittest.TestCase):
    """Which file of the host a file of a container is."""

    def map(self, *files: str, **rules: Any) -> PathMap:
        """Rules on a host that has some files."""
        return PathMap(**{"folders": {}, "packages": {}, **rules}, exists=set(files).__contains__)

    def test_longest_folder_first(self) -> None:
        """The rule that says most counts; the shorter one where that has no such file."""
        folders = {"/app": "/src", "/app/lib": "/lib"}
        rules = self.map("/src/lib/a.py", "/lib/a.py", "/src/lib/b.py", folders=folders)
        self.assertEqual("/lib/a.py", rules.host_file("/app/lib/a.py"))
        self.assertEqual("/src/lib/b.py", rules.host_file("/app/lib/b.py"))
        self.assertIsNone(rules.host_file("/app/lib/c.py"))

    def test_whole_names(self) -> None:
        """A folder is no prefix of another one's name."""
        rules = self.map("/src/x.py", "/srcx.py", folders={"/app": "/src", "/one.py": "/1.py"})
        self.assertIsNone(rules.host_file("/application/x.py"))
        self.assertIsNone(rules.host_file("/appx.py"))

    def test_single_file(self) -> None:
        """A file that is mounted alone is that file."""
        rules = self.map("/here/1.py", folders={"/one.py": "/here/1.py"})
        self.assertEqual("/here/1.py", rules.host_file("/one.py"))

    def test_installed(self) -> None:
        """What is installed below a folder, as in a virtual environment, is not what was meant."""
        site = ".venv/lib/python3.13/site-packages"
        there = [f"/src/{site}/a.py", "/src/.venv/lib/python3.13/typing.py", "/src/lib/a.py"]
        rules = self.map(*there, folders={"/app": "/src"})
        found = [rules.host_file(each.replace("/src", "/app")) for each in there]
        self.assertEqual([None, None, "/src/lib/a.py"], found)
        rules = self.map(*there, folders={"/app": "/src", f"/app/{site}": f"/src/{site}"})
        self.assertEqual(f"/src/{site}/a.py", rules.host_file(f"/app/{site}/a.py"))

    def test_packages(self) -> None:
        """A package is found wherever it is installed, below folders of the same name, too."""
        rules = self.map(
            "/src/shop/a.py", "/src/shop/shop/b.py", "/src/tool.py",
            packages={"shop": "/src/shop", "tool": "/src/tool.py"},
        )  # fmt: skip
        site = "/usr/lib/python3.11/site-packages"
        self.assertEqual("/src/shop/a.py", rules.host_file(f"{site}/shop/a.py"))
        self.assertEqual("/src/shop/a.py", rules.host_file("/srv/shop/shop/a.py"))
        self.assertEqual("/src/shop/shop/b.py", rules.host_file("/srv/shop/shop/b.py"))
        self.assertEqual("/src/tool.py", rules.host_file(f"{site}/tool.py"))
        self.assertIsNone(rules.host_file("/srv/shopping/a.py"))

    def test_by_config(self) -> None:
        """coverage's own section counts after what was said of the container."""
        rules = self.map(
            "/conf/a.py", "/conf/b.py", "/src/a.py", folders={"/app": "/src"},
            by_config=lambda path: path.replace("/app", "/conf"),
        )  # fmt: skip
        self.assertEqual("/src/a.py", rules.host_file("/app/a.py"))
        self.assertEqual("/conf/b.py", rules.host_file("/app/b.py"))

    @given(st.lists(st.text("ab./", max_size=5), max_size=4))
    def test_any_path(self, parts: list[str]) -> None:
        """Whatever a container says, what is found is a file that this host has."""
        rules = self.map("/src/a", "/src/b/a", folders={"/a": "/src", "/": "/src"})
        self.assertIn(rules.host_file("/" + "/".join(parts)), {None, "/src/a", "/src/b/a"})

    def test_packages_here(self) -> None:
        """Packages and modules that this process can import; folders and strangers are none."""
        found = packages_here(["tests.unit", "tests.engine", "configparser", "/app", "no_such"])
        expected = {"tests": str(HERE.parent), "configparser": configparser.__file__}
        self.assertEqual(expected, found)


class ParcelTest(unittest.TestCase):
    """What is put into a container."""

    def members(self, below: str) -> dict[str, tarfile.TarInfo]:
        """The members of an archive, by name."""
        with tarfile.open(fileobj=io.BytesIO(parcel("[run]\n", below))) as archive:
            return {each.name: each for each in archive}

    def test_anybody_may_read_it(self) -> None:
        """It belongs to root and anybody may read it; into the folder for data anybody writes."""
        found = self.members("/")
        folder = FOLDER.strip("/")
        self.assertEqual({0}, {each.uid for each in found.values()})
        self.assertEqual(0o1777, found[f"{folder}/data"].mode)
        self.assertEqual({0o644}, {each.mode for each in found.values() if each.isfile()})
        wanted = ("coveragerc", "sitecustomize.py", "ask_to_save.py", "coverage/__init__.py")
        self.assertEqual(set(), {f"{folder}/{name}" for name in wanted} - set(found))

    def test_inside_the_folder(self) -> None:
        """The same, as it is unpacked in the folder itself."""
        inside = {os.path.normpath(os.path.join(FOLDER, name)) for name in self.members(FOLDER)}
        self.assertEqual({f"/{name}" for name in self.members("/")}, inside)


ASKED_TO_SAVE = """
import os, signal, sys, time

def end(number, frame):
    print("well")
    sys.exit()

def main():
    signal.signal(64, end)
    print("ready", flush=True)
    while True:
        time.sleep(60)

main()
"""


FORKS = 10
FORKING = f"""
import os, signal, time
for _ in range({FORKS}):
    child = os.fork()
    if not child:
        time.sleep(20)
        os._exit(1)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def until(is_true: Callable[[], bool]) -> None:
    """Wait for something, for ten seconds at most."""
    deadline = time.monotonic() + 10
    while not is_true() and time.monotonic() < deadline:
        time.sleep(0.01)


def sleeps(pid: int) -> bool:
    """Whether a process waits for something."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


class SavedTest(unittest.TestCase):
    """What runs in the container, run here."""

    def test_it_goes_on_after_a_save(self) -> None:
        """Whatever the tracer, a handler that runs right after a save counts."""
        for core in ("pytrace", "ctrace", "sysmon"):
            if core == "sysmon" and sys.version_info < (3, 12):
                continue
            for branch in (False, True):
                if core == "sysmon" and branch and sys.version_info < (3, 14):
                    continue
                with self.subTest(core=core, branch=branch):
                    self.assertEqual({2, 4, 5, 6, 8, 9, 10, 11, 12, 14}, self.lines(core, branch))

    @unittest.skipUnless(hasattr(os, "fork"), "there are no forks here")
    def test_fork_that_is_ended_at_once(self) -> None:
        """Each ends and is measured, even where it is sent SIGTERM in the middle of the fork."""
        with self.measured(Coverage(config_file=False), FORKING) as (command, folder, start):
            done = subprocess.run(command, env=start, capture_output=True, text=True, timeout=60)
            self.assertEqual((f"{-signal.SIGTERM}\n" * FORKS, ""), (done.stdout, done.stderr))
            self.assertEqual(FORKS + 1, len(list(Path(folder, "data").glob(".coverage*"))))

    def lines(self, core: str, branch: bool) -> set[int]:
        """The lines of the program that were measured."""
        host = Coverage(config_file=False)
        host.set_option("run:core", core)
        host.set_option("run:branch", branch)
        with self.measured(host, ASKED_TO_SAVE) as (command, folder, start):
            with subprocess.Popen(command, env=start, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout
                self.assertEqual("ready\n", process.stdout.readline())
                process.send_signal(60)
                until(lambda: Path(folder, "data", f"saved-{process.pid}").exists())
                until(lambda: sleeps(process.pid))  # and no longer in the handler that saves
                process.send_signal(64)
                self.assertEqual("well\n", process.stdout.read())
            found = set[int]()
            for file in Path(folder, "data").glob(".coverage*"):
                data = CoverageData(str(file))
                data.read()
                found.update(data.lines(command[1]) or ())
            return found

    @contextlib.contextmanager
    def measured(
        self, host: Coverage, text: str
    ) -> Iterator[tuple[list[str], str, dict[str, str]]]:
        """A command that runs a program, its folder, and the environment to measure it in."""
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "program.py")
            program.write_text(text)
            settings = configuration(host.get_option, [], [str(program)]).replace(FOLDER, folder)
            with tarfile.open(fileobj=io.BytesIO(parcel(settings, FOLDER))) as archive:
                archive.extractall(folder, filter="data")
            start = {"PYTHONPATH": folder, "COVERAGE_PROCESS_START": f"{folder}/coveragerc"}
            yield [sys.executable, str(program)], folder, start
            problems = list(Path(folder, "data").glob("problem*"))
            self.assertEqual([], [each.read_text() for each in problems])


class DeclaredTest(unittest.TestCase):
    """What users give."""

    def test_wrong_ones(self) -> None:
        """Each is refused, with an example."""
        cases: list[tuple[Any, Any, str]] = [
            ([""], {}, "'' is no source: give names"),
            ([5], {}, "5 is no source"),
            ((), "src", "'src' are no mapping: give"),
            ((), {"app": "src"}, "'app' does not begin with '/'"),
            ((), {"/app": 5}, "5 is no folder of this host"),
            ((), {"/app": ""}, "'' is no folder of this host"),
        ]
        for source, paths, said in cases:
            with self.subTest(said=said):
                with self.assertRaisesRegex(DeclarationError, said):
                    DockerContainer("a").with_coverage(source, paths)
                attributes = {"coverage_source": source, "coverage_paths": paths}
                with self.assertRaisesRegex(DeclarationError, f"^Wrong: .*{said}"):
                    type("Wrong", (CoverageMixin,), attributes)

    def test_which_code(self) -> None:
        """It must be known which code is meant: by name, by path, or because it is put in."""
        with self.assertRaisesRegex(DeclarationError, "web: with_coverage.* give source="):

            class Wrong(ContainerTestCase):
                web = DockerContainer("a").with_volume_mapping("volume", "/v").with_coverage()

        class Right(ContainerTestCase):
            one = DockerContainer("a").with_coverage("shop")
            two = DockerContainer("a").with_coverage(paths={"/app": HERE})
            three = DockerContainer("a").with_volume_mapping("./src", "/app").with_coverage()
            four = DockerContainer("a").with_copy_into_container(HERE, "/app").with_coverage()

        self.assertEqual({"/app": str(HERE)}, Right.four._request.places())

    def test_file_that_is_copied_into_a_folder(self) -> None:
        """It keeps its name, as it does in the container."""
        box = DockerContainer("a").with_copy_into_container(Path(__file__), "/app/")
        rules = PathMap(box._request.places(), {})
        self.assertEqual(__file__, rules.host_file(f"/app/{Path(__file__).name}"))

    def test_class(self) -> None:
        """A class says it for all of its containers; one that says nothing measures nothing."""

        class Case(ContainerTestCase):
            coverage_source = "shop"

        class Further(Case):
            coverage_paths = {"/app": "src"}

        self.assertIsNone(getattr(ContainerTestCase, MEASURED))
        self.assertEqual(Measured(("shop",)), getattr(Case, MEASURED))
        self.assertEqual(Measured(("shop",), {"/app": "src"}), getattr(Further, MEASURED))


class MeasurementTest(unittest.TestCase):
    """When a container is measured."""

    def test_not_without_ours(self) -> None:
        """Not where it was not asked for, and not where this process is not measured."""
        wanted, plain = Measured(("shop",)), ContainerRequest("a")
        with mock.patch.object(measurement, "current", return_value=None):
            self.assertIsNone(measurement_for(plain, wanted, "web"))
        with mock.patch.object(measurement, "current", return_value=Coverage(data_file=None)):
            self.assertIsNone(measurement_for(plain, None, "web"))
            self.assertIsNotNone(measurement_for(plain, wanted, "web"))

    def test_no_such_folder(self) -> None:
        """A folder of this host that is none is an error, before anything is created."""
        wanted = Measured((), {"/app": "no/such"})
        with mock.patch.object(measurement, "current", return_value=Coverage(data_file=None)):
            with self.assertRaisesRegex(DeclarationError, "web: coverage: .*/no/such, which is no"):
                measurement_for(ContainerRequest("a"), wanted, "web")

    def test_forks(self) -> None:
        """A child that is not measured itself has no measurement, though it inherits an object."""
        script = (
            "import os\n"
            "from coverage import Coverage\n"
            "from tcunit.measuring.host import current\n"
            "assert current() is None\n"
            "ours = Coverage(data_file=None)\n"
            "ours.start()\n"
            "assert current() is ours\n"
            "if not (child := os.fork()):\n"
            "    same = current() is None\n"
            "    own = Coverage(data_file=None)\n"
            "    own.start()\n"
            "    os._exit(0 if same and current() is own else 1)\n"
            "assert current() is ours\n"
            "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        self.assertEqual(("0\n", ""), (done.stdout, done.stderr))


if __name__ == "__main__":
    unittest.main()
