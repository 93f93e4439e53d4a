"""Servers in the test process, reached by containers whose networks do not meet this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from tcunit import ContainerTestCase
from tcunit._docker import Engine, find_engine
from tcunit.settings import Settings
from tests.engine.environments.engines import engine_container, give_images
from tests.engine.environments.machines import by_ssh, can_ssh
from tests.engine.environments.programs import needs_local_engine, run_here
from tests.engine.helpers import ROOT, EngineTest, engine, python, until

ALPINE, SSHD = "alpine:latest", "testcontainers/sshd:1.3.0"
CASES = "tests.engine.environments.away"
LIMIT = 300.0


@needs_local_engine
class SidecarTest(ContainerTestCase, EngineTest):
    """An engine in a container, by TCP: it is as any other machine's."""

    away = engine_container().with_exposed_ports(2375)

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.url = "tcp://{}:{}".format(*cls.away.endpoint(2375))
        cls.there: Engine = find_engine(Settings({"DOCKER_HOST": cls.url}, Path("none")))
        cls.addClassCleanup(cls.there.client.close)
        give_images(cls.there, images=(ALPINE, SSHD))

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(lambda: self.assertEqual([], self.left()))
        self.environ = {"DOCKER_HOST": self.url, "TCUNIT_REAPERS": "guard"}

    def left(self) -> list[str]:
        """What is there of any session."""
        return [each.name for each in self.there.labelled("org.testcontainers")]

    def test_cases(self) -> None:
        """All of it works there; of two workers each has its own sidecar, and leaves nothing."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tcunit", "run", "-j", "2", CASES],
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environ},
            cwd=ROOT, capture_output=True, text=True, timeout=LIMIT,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"Ran [1-9]\d+ tests")

    def test_killed(self) -> None:
        """A process that is killed leaves no sidecar."""
        process = python(
            "import sys\n"
            "from tcunit import DockerContainer\n"
            "box = DockerContainer('alpine').with_command('sleep 300').with_host_port_access()\n"
            "with box: print('started', flush=True); sys.stdin.read()\n",
            **self.environ,
        )  # fmt: skip
        with process:
            assert process.stdout is not None
            self.assertEqual("started\n", process.stdout.readline())
            self.assertIn("tcunit-sidecar-", str(self.left()))
            process.send_signal(signal.SIGKILL)
        until(lambda: not self.left(), "all of it to be removed")

    def test_image_is_missing(self) -> None:
        """The error says which image, and why one is needed; nothing is left."""
        process = python(
            "from tcunit import DockerContainer\n"
            "DockerContainer('alpine').with_host_port_access().start()\n",
            **self.environ, SSHD_CONTAINER_IMAGE="localhost:1/none:1",
        )  # fmt: skip
        _, said = process.communicate(timeout=LIMIT)
        self.assertIn("HostPortError: alpine: with_host_port_access(): its networks are at", said)
        self.assertIn("no container that leads here can be put beside it", said)
        self.assertIn("localhost:1/none:1", said)


@needs_local_engine
class BySshTest(EngineTest):
    """An engine by SSH, whose default network may be another's than the one here."""

    @unittest.skipUnless(can_ssh(), "an SSH server of our own takes root on Debian or Ubuntu")
    def test_cases(self) -> None:
        """A sidecar leads here from the default network."""
        with by_ssh() as (url, path):
            # The SDK leaves each ssh that it starts to the garbage collector.
            said = run_here(
                CASES, "SecuredTest.test_reached", path=path, warnings="ignore::ResourceWarning",
                DOCKER_HOST=url,
            )  # fmt: skip
        self.assertRegex(said, r"Ran 1 test .*\n\nOK\n")
        found = engine().containers_labelled("org.testcontainers")
        self.assertEqual([], [each.name for each in found if "sidecar" in each.name])
