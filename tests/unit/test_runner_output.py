"""``tcunit run`` prints and returns what ``python -m unittest`` does, also with several workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path
from typing import ClassVar

from tests import NOTHING_RAN

ROOT = Path(__file__).parents[2]

SUITES = {
    "test_outcomes.py": """
        import os, sys, unittest, warnings

        class Plain(unittest.TestCase):
            def test_ok(self):
                "With a docstring."
            def test_fail(self):
                print("printed")
                self.assertEqual(1, 2)
            def test_error(self):
                print("to stderr", file=sys.stderr)
                raise ValueError("x") from KeyError("y")
            def test_child(self):
                os.system("echo from a child >&2")
            @unittest.skip("why not")
            def test_skip(self): pass
            @unittest.expectedFailure
            def test_expected(self): self.fail("yes")
            @unittest.expectedFailure
            def test_unexpected(self): pass
            def test_sub(self):
                for n in range(4):
                    with self.subTest("a message", n=n):
                        if n == 1: self.fail("one")
                        if n == 2: raise KeyError(n)
                        if n == 3: self.skipTest("three")
            def test_warns(self): warnings.warn("careful", DeprecationWarning)
        class BadSetUp(unittest.TestCase):
            @classmethod
            def setUpClass(cls): raise RuntimeError("set-up")
            def test_1(self): pass
        class BadTearDown(unittest.TestCase):
            @classmethod
            def tearDownClass(cls):
                print("bye")
                raise RuntimeError("tear-down")
            def test_1(self): pass
        class SkippedInSetUp(unittest.TestCase):
            @classmethod
            def setUpClass(cls): raise unittest.SkipTest("no class")
            def test_1(self): pass
        @unittest.skip("whole class")
        class Skipped(unittest.TestCase):
            def test_1(self): pass
        class Async(unittest.IsolatedAsyncioTestCase):
            async def test_1(self): pass
        """,
    "test_module_fixture.py": """
        import unittest

        def setUpModule(): print("set up module")
        def tearDownModule():
            print("tear down module")
            raise OSError("module end")
        class A(unittest.TestCase):
            def test_1(self): pass
        class B(unittest.TestCase):
            def test_1(self): pass
        class Own(unittest.TestSuite):
            def run(self, result, debug=False):
                print("my way")
                return super().run(result, debug)
        class C(unittest.TestCase):
            def test_1(self): pass
            def test_2(self): pass

        def load_tests(loader, tests, pattern):
            function = unittest.FunctionTestCase(len, description="a function")
            own = Own([C("test_2"), C("test_1")])
            return unittest.TestSuite([tests, own, function, A("test_1")])
        """,
    "test_bad_module.py": """
        import unittest

        def setUpModule(): raise OSError("no module")
        class A(unittest.TestCase):
            def test_1(self): pass
        class B(unittest.TestCase):
            def test_1(self): pass
        """,
    "test_no_import.py": "import nothing_there",
    "test_skipped_module.py": "import unittest; raise unittest.SkipTest('not here')",
}


def settled(text: str) -> str:
    """Output without what differs from run to run."""
    return re.sub(r"\b\d+\.\d+s", "0s", text)


class RunTest(unittest.TestCase):
    """Runs files of tests in a folder."""

    files: ClassVar[dict[str, str]] = {}
    folder: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        for name, text in cls.files.items():
            Path(cls.folder, name).write_text(textwrap.dedent(text))

    def outcome(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a run."""
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""},
        )  # fmt: skip
        return done.returncode, done.stdout, settled(done.stderr)


class OutputTest(RunTest):
    """Byte for byte, but for the time."""

    files = SUITES

    def assert_same(self, *arguments: str, jobs: str = "3") -> tuple[int, str, str]:
        """Run tests in all three ways and compare."""
        expected = self.outcome("-m", "unittest", *arguments)
        self.assertEqual(expected, self.outcome("-m", "tcunit", "run", *arguments))
        self.assertEqual(expected, self.outcome("-m", "tcunit", "run", *arguments, "-j", jobs))
        return expected

    def test_discovery(self) -> None:
        """All outcomes, with what was printed in its place, the totals and the exit code."""
        code, out, err = self.assert_same("-v")
        self.assertEqual(1, code)
        self.assertEqual(2, out.count("set up module"))
        self.assertIn("FAILED (failures=2, errors=9, skipped=5, expected failures=1, une", err)
        self.assertIn("With a docstring. ... ok", err)
        self.assertIn("DeprecationWarning: careful", err)

    def test_buffer_and_locals(self) -> None:
        """``-b`` shows what a failed test has printed, ``--locals`` its variables."""
        _, _, err = self.assert_same("-b", "--locals", "-q", "test_outcomes")
        self.assertIn("Stdout:\nprinted", err)
        self.assertIn("    cls = <class 'test_outcomes.BadSetUp'>", err)

    def test_fail_fast(self) -> None:
        """Nothing is reported after the first failure in order, though it may have run."""
        names = ["test_outcomes.Async", "test_outcomes.Plain", "test_module_fixture.B"]
        code, _, err = self.assert_same("-f", *names)
        self.assertEqual(1, code)
        self.assertIn("Ran 3 tests", err)

    def test_what_to_run(self) -> None:
        """Names, files and patterns, with options of discovery."""
        names = ["test_outcomes.Plain.test_ok", "test_module_fixture.py", "nothing.Here"]
        self.assert_same(*names, "-v")
        code, _, err = self.assert_same("discover", "-s", ".", "-p", "test_out*.py", "-k", "Asy")
        self.assertEqual((0, True), (code, "Ran 1 test" in err))

    def test_coverage(self) -> None:
        """``coverage run`` measures one process by itself, and several as its page says."""
        report = ["-m", "coverage", "report", "--format=total"]
        names = ["test_outcomes.Async", "test_module_fixture.B"]
        settings = Path(self.folder, ".coveragerc")
        for path in (Path(self.folder, ".coverage"), settings):
            self.addCleanup(path.unlink, missing_ok=True)
        settings.write_text("[run]\nsource = .\n")
        self.outcome("-m", "coverage", "run", "-m", "unittest", *names)
        expected = self.outcome(*report)
        self.assertRegex(expected[1], r"^\d\d\n$")
        self.outcome("-m", "coverage", "run", "-m", "tcunit", "run", *names)
        self.assertEqual(expected, self.outcome(*report))
        self.outcome("-m", "coverage", "erase")
        page = (ROOT / "docs" / "running.md").read_text()
        [block] = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
        settings.write_text(block + "source = .\n")
        self.outcome("-m", "coverage", "run", "-m", "tcunit", "run", *names, "-j", "2")
        self.outcome("-m", "coverage", "combine")
        self.assertEqual(expected, self.outcome(*report))

    def test_no_tests(self) -> None:
        """The exit code is 5 from Python 3.12 on, as with unittest."""
        code, _, err = self.assert_same("discover", "-p", "test_out*.py", "-k", "nothing_at_all")
        self.assertEqual(NOTHING_RAN, code)
        self.assertIn("Ran 0 tests", err)

    def test_wrong_number(self) -> None:
        """A number that is none is refused as any wrong argument is."""
        for words in (["-j", "0"], ["--jobs=x"], ["--lookahead", "-1"]):
            code, _, err = self.outcome("-m", "tcunit", "run", *words)
            self.assertEqual(2, code)
            self.assertRegex(err, "allowed is a whole number from|expected one argument")

    def test_help(self) -> None:
        """The options are shown beside unittest's."""
        code, out, _ = self.outcome("-m", "tcunit", "run", "-h")
        self.assertEqual(0, code)
        # Python 3.13 names what an option takes once, after its last name.
        for word in ("--lookahead N", "-j(?: N)?, --jobs N", "--failfast", "--start-directory"):
            self.assertRegex(out, word)
        self.assertIn("  run ", self.outcome("-m", "tcunit", "-h")[1])


CRASHES = {
    "test_crash.py": """
        import ctypes, os, resource, sys, unittest

        class A(unittest.TestCase):
            def test_1(self): pass
            def test_2(self):
                print("last words", flush=True)
                os._exit(3)
            def test_3(self): pass
        class B(unittest.TestCase):
            def test_1(self):
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                ctypes.string_at(0)
        class C(unittest.TestCase):
            @classmethod
            def setUpClass(cls): sys.exit(7)
            def test_1(self): pass
        class D(unittest.TestCase):
            @classmethod
            def tearDownClass(cls): os.kill(os.getpid(), 9)
            def test_1(self): pass
        class E(unittest.TestCase):
            def test_1(self): pass
        """,
    "test_module.py": """
        import os, unittest

        def setUpModule(): print("set up module")
        class A(unittest.TestCase):
            def test_1(self): os._exit(0)
        class B(unittest.TestCase):
            def test_1(self): pass
        """,
}


LOADING = {
    "loads_here_only.py": """
        import multiprocessing, os, unittest

        if multiprocessing.parent_process():
            print("no!", flush=True)
            os._exit(4)
        class A(unittest.TestCase):
            def test_1(self): pass
        class B(unittest.TestCase):
            def test_1(self): pass
        """,
    "loads_anew.py": """
        import os, unittest

        class A(unittest.TestCase):
            def test_1(self): pass
        B = type(f"B{os.getpid()}", (A,), {"__module__": __name__})
        """,
}


class CrashTest(RunTest):
    """What happens to a worker happens to the class that it runs, and to no other."""

    files = CRASHES | LOADING

    def test_the_rest_goes_on(self) -> None:
        """A process that ends in whatever way is an error where it was, with what it printed."""
        code, out, err = self.outcome(
            "-m", "tcunit", "run", "-v", "-j", "2", "test_crash", "test_module"
        )
        self.assertEqual(1, code)
        self.assertEqual("last words\nset up module\nset up module\n", out)
        lines = re.findall(r"^\w+ \(\S+\) \.\.\. (?:\w+$)?", err, re.MULTILINE)
        self.assertEqual([
            "test_1 (test_crash.A.test_1) ... ok",
            "test_2 (test_crash.A.test_2) ... ERROR",
            "test_1 (test_crash.B.test_1) ... ",  # Python's own account of the crash follows
            "setUpClass (test_crash.C) ... ERROR",
            "test_1 (test_crash.D.test_1) ... ok",
            "tearDownClass (test_crash.D) ... ERROR",
            "test_1 (test_crash.E.test_1) ... ok",
            "test_1 (test_module.A.test_1) ... ERROR",
            "test_1 (test_module.B.test_1) ... ok",
        ], lines)  # fmt: skip
        for end in (
            "exit code 3 in the middle of this test; after it, 1 test was not run",
            "SIGSEGV in the middle of this test",
            "exit code 7 before the first test of test_crash.C; after it, 1 test was not run",
            "SIGKILL after the last test of test_crash.D",
            "exit code 0 in the middle of this test",
        ):
            self.assertRegex(err, rf"WorkerDied: the process \w+ \w+ \w* ?{end}\n")
        self.assertIn("Current thread", err)
        self.assertIn("Ran 7 tests", err)
        self.assertIn("FAILED (errors=5)", err)

    def test_tests_that_only_load_here(self) -> None:
        """Workers that cannot load the tests, and other names in each process, are told of."""
        code, out, err = self.outcome("-m", "tcunit", "run", "-j", "2", "loads_here_only")
        self.assertEqual(NOTHING_RAN or 1, code)
        self.assertRegex(out, "^(no!\n)+$")
        self.assertIn("2 tests were not run, because a process ended with exit code 4 as it", err)
        code, out, err = self.outcome("-m", "tcunit", "run", "-j", "2", "loads_anew")
        self.assertEqual(1, code)
        self.assertIn("found other tests than the one that started it", err)
        self.assertIn("FAILED (failures=1)", err)
