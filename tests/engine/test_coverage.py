"""Coverage of what runs in containers: a small project, run under a real ``coverage run``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from .helpers import ROOT, EngineTest

PROJECT = Path(__file__).parent / "measured"


def marked(file: Path, mark: str) -> set[int]:
    """The lines that end in a comment."""
    lines = enumerate(file.read_text().splitlines(), 1)
    return {number for number, line in lines if line.endswith(f"# {mark}")}


class ProjectTest(EngineTest):
    """A copy of the project, and commands in it."""

    folder: Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = Path(tempfile.mkdtemp(prefix="tcunit-measured-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        shutil.copytree(PROJECT, cls.folder, dirs_exist_ok=True)

    @classmethod
    def python(cls, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the project."""
        path = os.pathsep.join([str(ROOT), "src", "."])
        clean = {key: text for key, text in os.environ.items() if not key.startswith("COVERAGE_")}
        return subprocess.run(
            [sys.executable, *words],
            cwd=cls.folder,
            env={**clean, **environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )

    @classmethod
    def run_measured(cls, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run something under ``coverage run``; a complaint of coverage would be an error."""
        return cls.python("-W", "error", "-m", "coverage", "run", *words, **environ)

    @classmethod
    def report(cls) -> dict[str, Any]:
        """What coverage's own report says of each file."""
        done = cls.python("-m", "coverage", "json", "-q", "-o", "report.json")
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        files: dict[str, Any] = json.loads((cls.folder / "report.json").read_text())["files"]
        return files

    def assert_ran(self, files: dict[str, Any], name: str) -> None:
        """Fail unless the report says of a file what its lines say of themselves."""
        found, file = files[f"src/shop/{name}.py"], self.folder / "src/shop" / f"{name}.py"
        self.assertTrue(marked(file, "runs"))
        self.assertEqual(set(), marked(file, "runs") - set(found["executed_lines"]), name)
        self.assertEqual(marked(file, "never"), set(found["missing_lines"]), name)


class KindsTest(ProjectTest):
    """Servers, forks, children, a user without rights: one run with branches, one report."""

    files: dict[str, Any]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        (cls.folder / ".coveragerc").write_text("[run]\nbranch = true\nomit = src/shop/ends.py\n")
        cls.ran = cls.run_measured("-m", "unittest", "kinds")
        cls.files = cls.report()

    def test_the_run(self) -> None:
        """The tests pass, and nothing else is said."""
        self.assertRegex(self.ran.stderr, r"\A\.\n-+\nRan 1 test in .*\n\nOK\n\Z")

    def test_first_process_that_knows_no_signal(self) -> None:
        """A server as it is, without a handler: its lines and its branches count."""
        self.assert_ran(self.files, "web")
        self.assertIn("missing_branches", self.files["src/shop/web.py"])

    def test_lines_of_both_sides(self) -> None:
        """A file that ran here and there has the lines of both, and the branches."""
        self.assert_ran(self.files, "tea")
        self.assertEqual([[4, 7]], self.files["src/shop/tea.py"]["missing_branches"])

    def test_forks_and_the_scope_of_the_run(self) -> None:
        """Forked workers that end by os._exit, and the server that ends them.

        It lives for the run: when it is removed, coverage has written its data already.
        """
        self.assert_ran(self.files, "forks")

    def test_below_a_deaf_shell(self) -> None:
        """Processes that the stop never reaches, a pool, a child, and one that became another."""
        self.assert_ran(self.files, "jobs")

    def test_without_rights(self) -> None:
        """A read-only file system, another user, a PYTHONPATH and a sitecustomize of its own."""
        self.assert_ran(self.files, "poor")

    def test_what_is_left_out(self) -> None:
        """No file is there that the host does not have, or that its configuration leaves out."""
        self.assertNotIn("src/shop/ends.py", self.files)
        strangers = [name for name in self.files if not (self.folder / name).is_file()]
        self.assertEqual([], strangers)


class SeveralTest(ProjectTest):
    """A class that fails, in one of several processes: nothing of it is lost."""

    files: dict[str, Any]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        (cls.folder / "pyproject.toml").write_text(
            "[tool.coverage.run]\nparallel = true\nrelative_files = true\nsource = ['src']\n"
            "concurrency = ['multiprocessing', 'thread']\n"
        )
        cls.ran = cls.run_measured("-m", "tcunit", "run", "-j", "2", "several")
        cls.combined = cls.python("-m", "coverage", "combine")
        cls.files = cls.report()

    def test_the_run(self) -> None:
        """One class failed, the other one did not, and ``coverage combine`` took all files."""
        self.assertIn("FAILED (failures=1)", self.ran.stderr)
        self.assertIn("on purpose", self.ran.stderr)
        self.assertEqual(0, self.combined.returncode, self.combined)
        self.assertEqual([".coverage"], [each.name for each in self.folder.glob(".coverage*")])

    def test_after_a_failure(self) -> None:
        """The container of the class that failed counts."""
        self.assert_ran(self.files, "web")

    def test_scope_of_a_test(self) -> None:
        """A container of one test counts, which ended by itself."""
        self.assert_ran(self.files, "ends")

    def test_what_never_ran(self) -> None:
        """The host's own ``source`` says which files count at all."""
        self.assertEqual([], self.files["src/shop/jobs.py"]["executed_lines"])


class TroublesTest(ProjectTest):
    """What could not be measured is said, and is no error."""

    said: dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.ran = cls.run_measured("-m", "unittest", "troubles")
        cls.said = dict(re.findall(r"^\.?(\w+) \(.*?\): (.*)$", cls.ran.stderr, re.MULTILINE))

    def test_it_is_no_error(self) -> None:
        """The tests pass, and what is said is about those that promised something."""
        self.assertEqual(0, self.ran.returncode, self.ran.stderr)
        expected = {"killed", "idle", "isolated", "broken", "stranger"}
        self.assertEqual(expected, set(self.said))

    def test_killed_or_idle(self) -> None:
        """A process that was killed could not save; one that runs other code has nothing to."""
        expected = "nothing was measured: its Python ran no code of shop, or was killed before"
        for name in ("killed", "idle"):
            self.assertIn(expected, self.said[name])

    def test_isolated(self) -> None:
        """A Python that ignores its environment is not measured."""
        self.assertIn("no Python started in it, or only with options", self.said["isolated"])

    def test_could_not_begin(self) -> None:
        """The error of coverage is told, with the version of Python; the program ran."""
        expected = r"Python 3\.11\.\d+ could not begin: ConfigError: Unknown core value: 'nonsense'"
        self.assertRegex(self.said["broken"], expected)

    def test_strangers(self) -> None:
        """Code that this host does not have is named, and how to say where it is."""
        expected = (
            "no code of this host, as /code/stranger.py: say where it is here by with_coverage("
        )
        self.assertIn(expected.partition("no ")[2], self.said["stranger"])


class ScriptTest(ProjectTest):
    """Containers on their own, in a script."""

    def test_measured(self) -> None:
        """Under ``coverage run``, their lines count when they are stopped."""
        done = self.run_measured("lone.py")
        self.assertEqual("['COVERAGE_PROCESS_START', 'PYTHONPATH']\nTrue", done.stdout.strip())
        self.assert_ran(self.report(), "ends")

    def test_not_measured(self) -> None:
        """Otherwise a container is left as it is, and nothing is written or said."""
        (self.folder / ".coverage").unlink(missing_ok=True)
        done = self.python("-W", "error", "lone.py")
        self.assertEqual("[]\nFalse", done.stdout.strip())
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual([], [*self.folder.glob(".coverage*")])


if __name__ == "__main__":
    unittest.main()
