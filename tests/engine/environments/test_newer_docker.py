"""Docker 26 with containerd's image store: representative tests there, and builds by buildx.

That store is what Docker 29 begins with; of what differs from the engine that the other tests use,
this is most.
"""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import ClassVar

from tcunit._docker import Engine
from tests.engine.environments import buildx
from tests.engine.environments.apart import can_be_apart
from tests.engine.environments.engines import give_images
from tests.engine.environments.newer_docker import (
    API,
    VERSION,
    command_line,
    newer_docker,
    newer_engine,
)
from tests.engine.environments.programs import (
    local_socket,
    needs_local_engine,
    probe_here,
    run_tests,
)
from tests.engine.environments.report import EnvironmentTest
from tests.engine.helpers import EngineTest
from tests.stand_ins.debian import NotDebian

IMAGES = (
    "alpine:latest",
    "nginx:alpine",
    "python:3.11-slim",
    "redis:alpine",
    "redis:healthcheck",
    "registry:2",
    "nicolaka/netshoot:v0.13",
    "testcontainers/ryuk:0.14.0",
)
BUILDX = "tests.engine.environments.buildx.BuildxTest"
# Some of each kind: the fixture, connections, files, assertions, faults, Compose, the reapers.
REPRESENTATIVE = (
    "test_fixture.OrderTest",
    "test_network.LifeTest",
    "test_ports.PublishedTest",
    "test_ports.NetworksTest",
    "test_round_trips",
    "test_waits.HealthTest",
    "test_assertions.DistrolessTest",
    "test_faults.EachFaultTest.test_paused",
    "test_faults.EachFaultTest.test_disconnected",
    "test_faults.EachFaultTest.test_partitioned",
    "test_faults.UndoneTest.test_ready_again",
    "test_files.BeforeTest",
    "test_limits.FoundInsideTest",
    "test_building.ClassicTest",
    "test_host_ports.HostPortTest.test_who_is_served",
    "test_pulling.CredentialsTest",
    "test_compose.ServicesTest",
    "test_reapers.RyukTest",
    "test_reapers.ProcessTest.test_a_forked_child_keeps_nothing_of_its_parents_nets",
)


@needs_local_engine
@unittest.skipUnless(can_be_apart(), "an engine of our own takes root on Debian or Ubuntu")
class NewerDockerTest(EngineTest, EnvironmentTest):
    """A later engine, with an API of its own."""

    root: ClassVar[Path]
    newer: ClassVar[Engine]
    before: ClassVar[list[str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        try:
            cls.root = cls.enterClassContext(newer_docker())
        except NotDebian as error:
            raise unittest.SkipTest(str(error)) from None
        store = {"features": {"containerd-snapshotter": True}}
        cls.newer, cls.before = cls.enterClassContext(newer_engine(cls.root, **store))
        give_images(cls.newer, images=IMAGES)

    def run_there(self, *names: str) -> None:
        """Run tests of ours on the later engine."""
        done = run_tests(
            *names, before=self.before, DOCKER_HOST=self.newer.url, **command_line(self.root)
        )
        self.assertGreater(done, 0)

    def test_environment(self) -> None:
        """All modes work, and it is the engine that it should be."""
        self.assertEqual(VERSION, int(self.newer.version["Version"].partition(".")[0]))
        self.assertEqual(API, self.newer.version["ApiVersion"])
        self.assertTrue(self.newer.has_containerd_store)
        report = probe_here(before=self.before, DOCKER_HOST=self.newer.url)
        self.assert_environment(
            "the machine of Docker 26",
            report,
            default="bridge_ip",
            working="bridge_ip gateway_ip docker_host",
        )

    def test_representative(self) -> None:
        """What works on this machine's engine works there."""
        self.run_there(*(f"tests.engine.{name}" for name in REPRESENTATIVE))

    def test_buildx(self) -> None:
        """Its command line builds on its own engine."""
        self.run_there(BUILDX)

    def test_buildx_on_this_engine(self) -> None:
        """And on this one, whose BuildKit may keep to itself what a step said before it failed."""
        here = {"DOCKER_HOST": f"unix://{local_socket()}", **command_line(self.root)}
        names = set(unittest.TestLoader().getTestCaseNames(buildx.BuildxTest)) - {"test_failure"}
        self.assertGreater(run_tests(*(f"{BUILDX}.{name}" for name in sorted(names)), **here), 3)
