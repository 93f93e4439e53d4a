"""The examples run under every runner, leave nothing, and cost nothing until they run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import NamedTuple

from tests import NOTHING_RAN

from .helpers import ROOT, left_over

FIRST, SHOP = "examples.first.test_first", "examples.shop.test_shop"
FAULTS, IMAGE = "examples.faults.test_faults", "examples.image.test_image"
FIRST_FILE = "examples/first/test_first.py"
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}

# Python imports a module of this name at its start. It tells at the end which sessions there were.
SITECUSTOMIZE = """
import atexit, os, sys

@atexit.register
def tell():
    if session := sys.modules.get("tcunit._session"):
        with open(os.path.join(os.path.dirname(__file__), "sessions"), "a") as told:
            print(*session._sessions.values(), sep="\\n", file=told)
"""

IMPORTS = f"""
import sys

def refuse(event, args):
    assert event != "socket.connect", args

sys.addaudithook(refuse)
import {FIRST}, {SHOP}, {FAULTS}, {IMAGE}
print(sorted({{"docker", "requests"}} & set(sys.modules)))
"""

DJANGO_SETTINGS = """
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
USE_TZ = True
"""

DJANGO_TEST = """
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import TestCase, override_settings

from tcunit import ContainersMixin
from tcunit.modules import RedisContainer

BACKEND = "django.core.cache.backends.redis.RedisCache"

class CacheTest(ContainersMixin, TestCase):
    redis = RedisContainer("redis:alpine")

    def test_both(self):
        User.objects.create(username="ada")
        caches = {"default": {"BACKEND": BACKEND, "LOCATION": self.redis.get_connection_url()}}
        with override_settings(CACHES=caches):
            cache.set("users", User.objects.count())
            self.assertEqual(1, cache.get("users"))

    def test_roll_back(self):
        self.assertEqual(0, User.objects.count())
"""


class Outcome(NamedTuple):
    """How a run ended, and what it left on the engine."""

    code: int
    output: str
    sessions: list[str]

    def left(self) -> list[str]:
        return [name for session in self.sessions for name in left_over(session)]


class RunnerTest(unittest.TestCase):
    """Runs Python in a process of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.write("sitecustomize.py", SITECUSTOMIZE)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def python(self, *arguments: str, **environ: str) -> Outcome:
        paths = [str(self.folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **environ},
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        )  # fmt: skip
        told = self.folder / "sessions"
        sessions = told.read_text().split() if told.exists() else []
        return Outcome(done.returncode, done.stdout, sessions)

    def assert_passed(self, outcome: Outcome, summary: str) -> None:
        """Fail unless a run passed with this summary, had something on the engine, left nothing."""
        self.assertEqual(0, outcome.code, outcome.output)
        self.assertRegex(outcome.output, summary)
        self.assertNotIn("Warning", outcome.output)
        self.assertTrue(outcome.sessions, "it had no session")
        self.assertEqual([], outcome.left())


class ExamplesTest(RunnerTest):
    """All examples pass, with warnings as errors, and every one of their tests runs."""

    def setUp(self) -> None:
        super().setUp()
        found = unittest.TestLoader().discover(str(ROOT / "examples"), top_level_dir=str(ROOT))
        self.count = found.countTestCases()
        self.assertGreater(self.count, 5)

    def test_unittest(self) -> None:
        """``python -m unittest`` runs one by its name."""
        self.assert_passed(self.python("-m", "unittest", FIRST), r"Ran 1 test in .*\n\nOK\n")

    def test_unittest_with_warnings_as_errors(self) -> None:
        """``python -W error -m unittest discover`` runs them all."""
        outcome = self.python(
            "-W", "error", "-m", "unittest", "discover", "-t", ".", "-s", "examples"
        )
        self.assert_passed(outcome, rf"Ran {self.count} tests in .*\n\nOK\n")

    def test_pytest(self) -> None:
        """``pytest -W error`` runs them all."""
        outcome = self.python("-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "examples")
        self.assert_passed(outcome, rf"=== {self.count} passed in ")

    def test_pytest_xdist(self) -> None:
        """Workers side by side do not touch each other's containers; each has its session."""
        options = ["-W", "error", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile"]
        outcome = self.python("-m", "pytest", *options, "examples")
        self.assert_passed(outcome, rf"=== {self.count} passed in ")
        self.assertEqual(2, len(set(outcome.sessions)), outcome.sessions)


class DjangoTest(RunnerTest):
    """Django's test runner runs examples as they are, and the mixin works on its TestCase."""

    def django(self, label: str) -> Outcome:
        self.write("settings_for_this_test.py", DJANGO_SETTINGS)
        return self.python(
            "-W", "error", "-m", "django", "test", label, "--settings", "settings_for_this_test"
        )

    def test_example(self) -> None:
        """An example passes under ``django test``."""
        self.assert_passed(self.django(FIRST), r"Ran 1 test in .*\n\nOK\n")

    def test_test_case(self) -> None:
        """On Django's TestCase, containers last for the class while each test is rolled back."""
        self.write("test_with_django.py", DJANGO_TEST)
        self.assert_passed(self.django("test_with_django"), r"Ran 2 tests in .*\n\nOK\n")


class WithoutEngineTest(RunnerTest):
    """Where no engine answers."""

    def test_import(self) -> None:
        """Importing the examples connects to nothing, loads no SDK and says nothing."""
        outcome = self.python("-W", "error", "-c", IMPORTS, **NO_ENGINE)
        self.assertEqual((0, "[]\n", []), outcome)

    def test_unittest(self) -> None:
        """A run fails with one error, which lists what was tried and says what to do."""
        outcome = self.python("-W", "error", "-m", "unittest", FIRST, **NO_ENGINE)
        self.assertEqual(NOTHING_RAN or 1, outcome.code)
        self.assertIn("FAILED (errors=1)", outcome.output)
        self.assertEqual(1, outcome.output.count("EngineNotFound"), outcome.output)
        self.assertIn(f"Tried:\n  DOCKER_HOST: {NO_ENGINE['DOCKER_HOST']}: ", outcome.output)
        self.assertIn("\nStart Docker, or name the engine in DOCKER_HOST", outcome.output)
        self.assertNotIn("Traceback", outcome.output)
        self.assertNotIn("Warning", outcome.output)

    def test_own_set_up(self) -> None:
        """Where a class has a setUpClass of its own, the traceback begins with its line."""
        outcome = self.python("-m", "unittest", SHOP, **NO_ENGINE)
        lines = re.findall(r'File ".*", line \d+, in .*\n +(.*)', outcome.output)
        self.assertEqual("super().setUpClass()", lines[0].partition("  #")[0], outcome.output)
        self.assertIn("FAILED (errors=1)", outcome.output)

    def test_pytest(self) -> None:
        """pytest fails with the same error."""
        outcome = self.python("-m", "pytest", "-p", "no:cacheprovider", FIRST_FILE, **NO_ENGINE)
        self.assertEqual(1, outcome.code)
        self.assertIn("1 error in ", outcome.output)
        self.assertIn(f"DOCKER_HOST: {NO_ENGINE['DOCKER_HOST']}: ", outcome.output)
        self.assertNotIn("def find_engine", outcome.output)

    def test_skip(self) -> None:
        """With TCUNIT_WITHOUT_ENGINE=skip, both runners skip and say why."""
        skip = {**NO_ENGINE, "TCUNIT_WITHOUT_ENGINE": "skip"}
        outcome = self.python("-m", "unittest", "-v", FIRST, SHOP, **skip)
        self.assertEqual(0, outcome.code, outcome.output)
        self.assertRegex(outcome.output, r"OK \(skipped=2\)\n")
        self.assertIn("skipped 'no Docker engine answered. Tried:", outcome.output)
        outcome = self.python("-m", "pytest", "-rs", "-p", "no:cacheprovider", FIRST_FILE, **skip)
        self.assertEqual(0, outcome.code, outcome.output)
        self.assertIn("1 skipped in ", outcome.output)
        self.assertIn("no Docker engine answered. Tried:", outcome.output)
