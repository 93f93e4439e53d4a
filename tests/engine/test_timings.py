"""The timings of real runs: every phase is there, whatever the end, and no secret."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from tcunit.cli.timings.advice import critical
from tcunit.cli.timings.recorded import Case, Lane, Run, read
from tests import NOTHING_RAN

from .helpers import ROOT

SUITE = """
    import multiprocessing, os, unittest
    from tcunit import ContainerTestCase, DockerContainer, Network
    from tcunit.modules import RedisContainer

    shared = DockerContainer("alpine").with_command("sleep 300").with_scope("run")

    class ShopTest(ContainerTestCase):
        shared = shared
        backend = Network()
        cache = (
            RedisContainer("redis:alpine", password="sesame-open")
            .with_network(backend).with_env("TOKEN", "sesame-open").with_reset()
        )
        job = (
            DockerContainer("alpine").with_command("echo sesame-open; sleep 300")
            .with_command(["sh", "-c", "sleep 300 # sesame-open"])
            .depends_on(cache).with_scope("test")
        )

        def test_first(self):
            with DockerContainer("alpine").with_command("sleep 300"):
                pass

        def test_second(self):
            self.fail("sesame-open")
"""
FORKS = """
    import multiprocessing, unittest
    from tcunit import ContainerTestCase, DockerContainer

    class ShopTest(ContainerTestCase):
        box = DockerContainer("alpine").with_command("sleep 300")

        def test_it(self):
            pass

    def run():
        unittest.defaultTestLoader.loadTestsFromTestCase(ShopTest).run(unittest.TestResult())

    class ForkTest(ContainerTestCase):
        box = DockerContainer("alpine").with_command("sleep 300")

        def test_children(self):
            fork = multiprocessing.get_context("fork")
            children = [fork.Process(target=run, name=f"child-{n}") for n in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join()
"""


class TimingsTest(unittest.TestCase):
    """Each test runs a suite in a process of its own."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.file = self.folder / "timings.json"

    def run_suite(self, text: str, code: int, *command: str) -> str:
        """Run a module by a command; returns what was printed."""
        (self.folder / "test_suite.py").write_text(textwrap.dedent(text))
        done = subprocess.run(
            [sys.executable, "-W", "error", *command],
            env={**os.environ, "TCUNIT_TIMINGS": "timings.json", "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, cwd=self.folder,
        )  # fmt: skip
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def only_run(self) -> Run:
        """What was written."""
        (run,) = read(self.file)
        return run

    def lane(self, case: Case, name: str) -> Lane:
        """The lane of a thing; there is one."""
        (found,) = [lane for lane in case.things if lane.thing == name]
        return found

    def test_a_class(self) -> None:
        """A failed run has all phases of all scopes, the end of the process included."""
        said = self.run_suite(SUITE, 1, "-m", "unittest", "-v", "test_suite")
        self.assertIn("Ran 2 tests", said)
        run = self.only_run()
        (case,) = [case for case in run.cases if case.name]
        self.assertEqual("test_suite.ShopTest", case.name)
        self.check_the_class(case)
        self.check_things(case)
        self.assertNotIn("sesame", self.file.read_text())

    def check_the_class(self, case: Case) -> None:
        phases = [(span.phase, span.what) for span in case.own.spans]
        self.assertEqual({"test_first", "test_second"}, {what for _, what in phases} - {""})
        for name in ("test_first", "test_second"):
            mine = [phase for phase, what in phases if what == name]
            self.assertEqual(["start-up", "tests", "tear-down"], mine)
        self.assertEqual("connect", phases[0][0])
        self.assertEqual("tear-down", phases[-1][0])
        for lane in case.lanes:
            for before, after in zip(lane.spans, lane.spans[1:], strict=False):
                self.assertLessEqual(before.ended, after.began + 0.001, (before, after))

    def check_things(self, case: Case) -> None:
        shared, cache, job = (self.lane(case, name) for name in ("shared", "cache", "job"))
        network = self.lane(case, "backend")
        for lane, starts, scope in ((shared, 1, "run"), (cache, 1, "class"), (job, 2, "test")):
            self.assertEqual((scope, starts), (lane.scope, len(lane.starts)))
            for phase in ("create", "start", "wait", "tear-down"):
                self.assertGreater(lane.total(phase), 0, (lane.thing, phase))
        self.assertEqual({"backend"}, cache.needs)
        self.assertEqual(("redis:alpine", "RedisContainer"), (cache.image, cache.kind))
        self.assertGreater(cache.total("reset"), 0)
        self.assertGreater(network.total("create"), 0)
        arming = sum(lane.total("arm") for lane in case.things)
        self.assertGreater(arming, 0)
        self.assertLess(case.own.spans[-1].ended, shared.spans[-1].ended)  # it lives for the run
        inside = self.lane(case, "alpine")  # that which a test started itself
        self.assertEqual(1, len(inside.starts))
        self.assertEqual(["shared", "backend", "cache"], [s.lane.thing for s in critical(case)])

    def test_forks(self) -> None:
        """Forked children write what they did, although their end is none of the interpreter's."""
        self.run_suite(FORKS, 0, "-m", "unittest", "test_suite.ForkTest")
        run = self.only_run()
        found = {case.process: case for case in run.cases if case.title == "ShopTest"}
        self.assertEqual({"child-0", "child-1"}, set(found))
        for case in found.values():
            self.assertEqual(1, len(self.lane(case, "box").starts))
            self.assertEqual(1, case.tests)
        self.assertEqual(3, run.processes)

    def test_workers(self) -> None:
        """The workers of pytest-xdist write one file, as one run."""
        command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadscope")
        self.run_suite(
            FORKS.replace("ForkTest", "OtherTest").replace("test_children", "_children")
            + "\n        def test_it(self): pass\n", 0, *command, "test_suite.py",
        )  # fmt: skip
        names = {(case.process, case.title) for case in self.only_run().cases if case.name}
        self.assertEqual({"ShopTest", "OtherTest"}, {title for _, title in names})
        self.assertEqual({"gw0", "gw1"}, {process for process, _ in names})

    def test_a_start_that_fails(self) -> None:
        """Is seen, with what came before it and after it."""
        suite = """
            from tcunit import ContainerTestCase, DockerContainer

            class ShopTest(ContainerTestCase):
                box = DockerContainer("alpine").with_command("false").with_exposed_ports(80)

                def test_it(self):
                    pass
        """
        self.run_suite(suite, NOTHING_RAN or 1, "-m", "unittest", "test_suite")
        (case,) = [case for case in self.only_run().cases if case.name]
        phases = {span.phase for span in self.lane(case, "box").spans}
        self.assertLessEqual({"create", "start", "wait", "tear-down"}, phases)
        self.assertEqual(0, case.tests)

    def test_a_file_that_cannot_be_written(self) -> None:
        """Is an error of the class before anything starts."""
        self.file.mkdir()
        said = self.run_suite(SUITE, NOTHING_RAN or 1, "-m", "unittest", "test_suite")
        self.assertIn("SettingError: environment variable TCUNIT_TIMINGS has the value", said)
        self.assertIn("Ran 0 tests", said)
