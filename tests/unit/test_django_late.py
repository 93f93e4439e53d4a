"""Settings that refer to containers, as far as nothing is started."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import unittest
from typing import Any

from tcunit import DockerContainer
from tcunit.django import database, late
from tcunit.django.late import Late, Undo, as_late, filled, late_values
from tcunit.errors import DeclarationError
from tcunit.modules import PostgresContainer, RedisContainer


class LateTest(unittest.TestCase):
    """A value that is made when containers run."""

    def test_text(self) -> None:
        """It is a text that says why it does not work, and survives what Django does to it."""
        value = late(str, RedisContainer())
        self.assertIn("only-the-test-runner-starts-it", value)
        self.assertIs(value, copy.deepcopy({"HOST": value})["HOST"])
        self.assertEqual(str(value), pickle.loads(pickle.dumps(value)))
        self.assertIs(str, type(pickle.loads(pickle.dumps(value))))

    def test_method(self) -> None:
        """A method of a declaration is one; other functions and values are not."""
        cache = RedisContainer()
        found = as_late(cache.get_connection_url)
        assert found is not None
        self.assertEqual((cache,), found.declarations)
        for other in (print, "text", 3, None, self.test_text, cache):
            self.assertIsNone(as_late(other))

    def test_wrong(self) -> None:
        """What cannot be made is refused where it is written."""
        wrong: list[tuple[Any, ...]] = [("text", RedisContainer()), (str,), (str, "redis:alpine")]
        for arguments in wrong:
            with self.assertRaisesRegex(DeclarationError, "late"):
                late(*arguments)

    def test_database(self) -> None:
        """An entry of DATABASES, with what else it shall hold."""
        db = PostgresContainer()
        entry = database(db, OPTIONS={"pool": True}, NAME="mine")
        self.assertEqual("django.db.backends.postgresql", entry["ENGINE"])
        self.assertEqual(({"pool": True}, "mine"), (entry["OPTIONS"], entry["NAME"]))
        for key in ("HOST", "PORT", "USER", "PASSWORD"):
            self.assertEqual((db,), entry[key].declarations)
        self.assertEqual(
            "django.db.backends.mysql", database(db, "django.db.backends.mysql")["ENGINE"]
        )


class FilledTest(unittest.TestCase):
    """Values are put in place, and taken back."""

    def setUp(self) -> None:
        box = DockerContainer("alpine")
        self.a, self.b, self.c = (late(str, box, text=each) for each in "abc")
        self.hosts = [self.b, "other"]
        self.setting = {
            "default": {"HOST": self.a, "HOSTS": self.hosts, "pair": (1, self.c)},
            "x": 1,
        }
        self.before = copy.deepcopy(self.setting)
        self.paths = dict(late_values(self.setting, "DB"))

    def test_found(self) -> None:
        """Each is found in its place."""
        expected = {
            "DB/default/HOST": self.a, "DB/default/HOSTS/0": self.b, "DB/default/pair/1": self.c,
        }  # fmt: skip
        self.assertEqual(expected, self.paths)
        self.assertTrue(all(isinstance(each, Late) for each in self.paths.values()))

    def test_filled_in_place(self) -> None:
        """Who holds a dict or list of the setting sees the values, and later the old ones."""
        undo: list[Undo] = []
        inner = self.setting["default"]
        made = {path: number for number, path in enumerate(self.paths)}
        self.assertIs(self.setting, filled(self.setting, "DB", made, undo))
        self.assertEqual({"HOST": 0, "HOSTS": [1, "other"], "pair": (1, 2)}, inner)
        self.assertEqual([1, "other"], self.hosts)
        for step in reversed(undo):
            step()
        self.assertEqual(self.before, self.setting)
        self.assertIs(self.b, self.hosts[0])

    def test_alone(self) -> None:
        """A setting that is a late value is another one then; one that holds none is left alone."""
        self.assertEqual("v", filled(self.a, "URL", {"URL": "v"}, []))
        for value in ((1, 2), ["x"], {"y": ()}, "z"):
            self.assertIs(value, filled(value, "OTHER", {"URL": "v"}, []))


class ImportTest(unittest.TestCase):
    """What a settings module imports."""

    def test_no_runner(self) -> None:
        """It imports neither Django's test runner nor the Docker SDK."""
        script = (
            "import sys, tcunit.django, tcunit.modules\n"
            "print(sorted({'django', 'docker', 'asyncio'} & set(sys.modules)))\n"
            "tcunit.django.ContainerRunnerMixin\n"
            "try:\n    tcunit.django.Nothing\nexcept AttributeError as error:\n    print(error)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        expected = "[]\nmodule 'tcunit.django' has no attribute 'Nothing'\n"
        self.assertEqual((expected, ""), (done.stdout, done.stderr))
