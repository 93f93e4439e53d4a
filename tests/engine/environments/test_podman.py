"""Podman in Docker's place."""

from __future__ import annotations

import json
import unittest

from tests.engine.environments.apart import can_be_apart
from tests.engine.environments.engines import IMAGES, give_images
from tests.engine.environments.podman import podman_machine
from tests.engine.environments.programs import SEVERAL, needs_local_engine, probe_here, run_here
from tests.engine.environments.report import EnvironmentTest
from tests.engine.helpers import EngineTest

ROOMS = "tests.engine.environments.rooms"
FURTHER_IMAGES = ("alpine", "python:3.11-slim", "registry:2", "testcontainers/ryuk:0.14.0")


@needs_local_engine
@unittest.skipUnless(can_be_apart(), "Podman of our own takes root on Debian or Ubuntu")
class PodmanTest(EngineTest, EnvironmentTest):
    """Podman's bridges are found by the names that only Podman's own API tells."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.podman, cls.before = cls.enterClassContext(podman_machine())
        give_images(cls.podman, images=(*IMAGES, *FURTHER_IMAGES))

    def test_networks_of_our_own(self) -> None:
        """All modes work, by a bridge named podman1 or the like."""
        report = probe_here(before=self.before, DOCKER_HOST=self.podman.url)
        self.assertRegex(report["network"]["bridge"], r"^podman\d+$")
        self.assert_environment(
            "Podman's own machine",
            report,
            default="bridge_ip",
            working="bridge_ip gateway_ip docker_host",
        )

    def test_default_network(self) -> None:
        """Podman calls it podman."""
        text = run_here(SEVERAL, self.podman.url, before=self.before)
        self.assertIn('"default": "bridge_ip"', text)
        self.assertIn('"pages": {"bridge_ip": "page-0", "gateway_ip": "page-0"', text)

    def check_room(self, name: str) -> None:
        text = run_here(ROOMS, name, before=self.before, DOCKER_HOST=self.podman.url)
        told = json.loads(text)
        self.assertEqual([], told["wrong"], "\n".join(told["wrong"]))
        self.assertGreater(told["run"], 0)

    def test_declared(self) -> None:
        """Files, storage, limits and rights are found as they were declared."""
        self.check_room("DeclaredTest")

    def test_images(self) -> None:
        """Images are built by Podman's builder, and pulled by the pull policy."""
        self.check_room("ImageTest")

    def test_kept(self) -> None:
        """Containers are shared, and start warm."""
        self.check_room("KeptTest")

    def test_host_ports(self) -> None:
        """Containers reach a server of the test process."""
        self.check_room("HostPortTest")

    def test_libraries(self) -> None:
        """Compose, testcontainers-python and coverage work."""
        self.check_room("LibrariesTest")

    def test_cases(self) -> None:
        """What test classes do for their tests, and the commands, work."""
        self.check_room("CaseTest")

    def test_ends(self) -> None:
        """Nothing is left, whatever the end."""
        self.check_room("EndTest")
