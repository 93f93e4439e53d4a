"""Coverage of containers that others make: services of Compose, and testcontainers-python's."""

from __future__ import annotations

import unittest
from typing import Any

from .test_coverage import ProjectTest


class ElsewhereTest(ProjectTest):
    """A stack, and containers of the library, in one run under ``coverage run``."""

    files: dict[str, Any]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.ran = cls.run_measured("-m", "unittest", "elsewhere")
        cls.files = cls.report()

    def test_the_run(self) -> None:
        """The tests pass, and what is said is about the service without Python alone."""
        self.assertEqual(0, self.ran.returncode, self.ran.stderr)
        said = [line for line in self.ran.stderr.splitlines() if ": " in line]
        self.assertEqual(1, len(said), self.ran.stderr)
        self.assertIn("stack.stranger (", said[0])
        self.assertIn("nothing was measured: no Python started in it", said[0])

    def test_service(self) -> None:
        """A server of a stack that knows no signal counts, by the folder that its file mounts."""
        self.assert_ran(self.files, "web")

    def test_replicas(self) -> None:
        """Each container of a service brings its own lines."""
        self.assert_ran(self.files, "turns")

    def test_built_and_read_only(self) -> None:
        """An image with a PYTHONPATH, a root that cannot be written to, a user without rights."""
        self.assert_ran(self.files, "poor")
        self.assertRegex(self.ran.stdout, r"built \[\S+/coveragerc \S+:/image\]\n")

    def test_only_the_services_that_were_named(self) -> None:
        """Another service of the stack is left as it is."""
        self.assertRegex(self.ran.stdout, r"web \[\S+/coveragerc \S+\]\n")
        self.assertIn("\nplain []\n", self.ran.stdout)

    def test_foreign(self) -> None:
        """Containers of the library count: by what they mount, and by what they copy in."""
        self.assert_ran(self.files, "forks")
        self.assert_ran(self.files, "ends")


class NotMeasuredTest(ProjectTest):
    """The same stack without ``coverage run``."""

    def test_left_as_it_is(self) -> None:
        """Nothing is put in, set, said or written."""
        done = self.python("-W", "error", "-m", "unittest", "elsewhere.StackTest")
        self.assertEqual("web []\nbuilt []\nplain []\n", done.stdout, done.stderr)
        self.assertRegex(done.stderr, r"\A\.\n-+\nRan 1 test in .*\n\nOK\n\Z")
        self.assertEqual([], [*self.folder.glob(".coverage*")])


if __name__ == "__main__":
    unittest.main()
