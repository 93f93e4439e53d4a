"""The oldest Compose that is tried, as Debian 13 has it: both of its commands make a stack."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import unittest
from pathlib import Path

from tcunit import ComposeStack, ContainerAssertionsMixin, wait
from tcunit.compose.cli import find_compose
from tcunit.errors import ImageNotFound
from tests.stand_ins.debian import NotDebian, unpack

from .helpers import EngineTest, environment, page
from .registry import address, encoded, forget, push, registry

FILES = Path(__file__).with_name("compose")
SHOP = FILES / "shop.yml"
PROGRAM = "usr/libexec/docker/cli-plugins/docker-compose"


class OlderTest(ContainerAssertionsMixin, EngineTest):
    """One stack by the command alone, one by Docker's own, whose plugin it is."""

    folder: Path

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        try:
            unpack(["docker-compose"], "trixie", cls.folder)
        except NotDebian as error:
            raise unittest.SkipTest(str(error)) from None

    def assert_makes_a_stack(self) -> None:
        """Fail unless the command that is found is this one, and it makes all of a stack."""
        self.assertTrue(find_compose().version.startswith("2.26."), find_compose())
        stack = ComposeStack(SHOP, services=["web", "job"], scale={"cache": 3}, pull="never")
        with stack.waiting_for("job", wait.for_exit()):
            self.assertEqual(200, page(stack["web"].endpoint(80)))
            self.assertEqual(5, len(stack.containers))
            self.assertIn(b"counted the tea", stack["job"].get_logs()[0])
        with ComposeStack(FILES / "bases.yml") as stack:
            self.assertExec(stack["other"], ["ls", "/context/Other"])

    def test_alone(self) -> None:
        """``docker-compose``, named by ``TCUNIT_COMPOSE``."""
        with environment(TCUNIT_COMPOSE=str(self.folder / PROGRAM)):
            self.assert_makes_a_stack()

    def test_credentials(self) -> None:
        """Those of ``DOCKER_AUTH_CONFIG``, which this one does not read; what is pulled is told."""
        password, folder = "correct-horse", self.folder / "empty"
        folder.mkdir()
        with registry(password) as server:
            name = f"{address(server)}/tea/app:1"
            push(name, password)
            self.addCleanup(forget, name)
            config = json.dumps({"auths": {address(server): {"auth": encoded(password)}}})
            file = folder / "compose.yml"
            file.write_text(f"services: {{app: {{image: '{name}', command: [sleep, '99']}}}}")
            command = str(self.folder / PROGRAM)
            with environment(TCUNIT_COMPOSE=command, DOCKER_CONFIG=str(folder)):
                with self.assertRaisesRegex(ImageNotFound, "no basic auth credentials"):
                    ComposeStack(file).start()
                with environment(DOCKER_AUTH_CONFIG=config), self.assertLogs("tcunit") as logs:
                    with ComposeStack(file) as stack:
                        self.assertRunning(stack["app"])
                self.assertIn(f"pulled {name} ", logs.output[0])
                with environment(DOCKER_AUTH_CONFIG=config):
                    ComposeStack(file, pull="always").start().stop()

    @unittest.skipUnless(shutil.which("docker"), "Docker's own command is not installed")
    def test_plugin(self) -> None:
        """``docker compose``, found in the folder for plugins of Docker's configuration."""
        plugins = self.folder / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        os.symlink(self.folder / PROGRAM, plugins / "docker-compose")
        with environment(TCUNIT_COMPOSE="", DOCKER_CONFIG=str(plugins.parent)):
            self.assertEqual(("docker", "compose"), find_compose().words)
            self.assert_makes_a_stack()


if __name__ == "__main__":
    unittest.main()
