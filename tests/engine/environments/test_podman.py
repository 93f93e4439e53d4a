"""Podman in Docker's place."""

from __future__ import annotations

import unittest

from tests.engine.environments.apart import can_be_apart
from tests.engine.environments.engines import give_images
from tests.engine.environments.podman import podman_machine
from tests.engine.environments.programs import SEVERAL, needs_local_engine, probe_here, run_here
from tests.engine.environments.report import EnvironmentTest
from tests.engine.helpers import EngineTest


@needs_local_engine
@unittest.skipUnless(can_be_apart(), "Podman of our own takes root on Debian or Ubuntu")
class PodmanTest(EngineTest, EnvironmentTest):
    """Podman's bridges are found by the names that only Podman's own API tells."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.podman, cls.before = cls.enterClassContext(podman_machine())
        give_images(cls.podman)

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
