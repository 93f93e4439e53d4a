"""A ``DockerCompose`` of testcontainers-python in a class of ours: a stack like any other."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from testcontainers.compose import DockerCompose
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tcunit import ContainerTestCase, each_connection_mode
from tcunit.adapters.compose import ForeignCompose, usual_files
from tcunit.compose.cli import find_compose
from tcunit.errors import DeclarationError, NotStarted
from tcunit.lifecycle.declared import declared

from .helpers import EngineTest, environment, left_over, needs_bridge, page, python, sleeper, until

FILES = Path(__file__).with_name("compose")


def compose(file: str = "shop.yml", **options: Any) -> DockerCompose:
    """The library's object for one of our files."""
    return DockerCompose(FILES, compose_file_name=file, **options)


class StackTest(EngineTest, ContainerTestCase):
    """One that is a class attribute as it is."""

    stack: Any = compose()
    box = sleeper().depends_on(stack)

    def test_it_is_a_stack(self) -> None:
        """Its services are containers of ours; each start is a project of its own."""
        self.assertReachable(self.stack["web"], 80)
        self.assertContainerLogged(self.stack["job"], "counted the tea")
        self.assertRunning(self.box)
        with declared(compose()).copy() as other:
            self.assertNotEqual(self.stack.project, other.project)
        with self.stack["web"].paused():
            self.assertNotReachable(self.stack["web"], 80, timeout=0.3)

    @needs_bridge
    @each_connection_mode
    def test_addresses(self) -> None:
        """The library's words tell the address that is right from here."""
        endpoint = self.stack["web"].endpoint(80)
        self.assertEqual(tuple(endpoint), self.stack.get_service_host_and_port("web", 80))
        self.assertEqual(endpoint.host, self.stack.get_service_host("web"))
        self.assertEqual(endpoint.port, self.stack.get_service_port("web", 80))
        self.assertEqual(200, page(endpoint))

    def test_the_object_itself(self) -> None:
        """What only the library knows, it says of our project."""
        self.assertIsInstance(self.stack.foreign, DockerCompose)
        self.assertEqual(
            ["cache", "cache", "web"], sorted(each.Service for each in self.stack.get_containers())
        )
        self.assertEqual(self.stack["web"].name, self.stack.get_container("web").Name)
        self.assertIn("counted the tea", self.stack.get_logs("job")[0])
        said = self.stack.exec_in_container(["echo", "tea"], "web")
        self.assertEqual(("tea\n", "", 0), said)
        with self.assertRaises(subprocess.CalledProcessError) as caught:
            self.stack.exec_in_container(["sh", "-c", "echo no tea >&2; false"], "web")
        self.assertEqual(["no tea"], caught.exception.__notes__)

    def test_what_is_unclear(self) -> None:
        """Where a name may be left away, and is needed, it is asked for."""
        with self.assertRaisesRegex(DeclarationError, "which service\\? There are: cache, cache,"):
            self.stack.get_service_port()
        with self.assertRaisesRegex(DeclarationError, "job: which port\\? It exposes: none"):
            self.stack.get_service_port("job")
        with self.assertRaisesRegex(DeclarationError, "has no container of 'tea'"):
            self.stack.get_service_port("tea", 80)


class OptionsTest(EngineTest):
    """What was said to the library's object holds."""

    def test_options(self) -> None:
        """Services, profiles, files of variables, the command; relative to its folder."""
        asked = compose(
            "variables.yml", services=["shell", "optional"], profiles=["extra"],
            env_file="another.env", docker_command_path="/nowhere/docker",
        )  # fmt: skip

        class Shop(ContainerTestCase):
            stack: Any = asked

            def test_it(self) -> None:
                services = {each.service for each in self.stack.containers}
                self.assertEqual({"shell", "optional"}, services)
                said = self.stack.exec_in_container(["sh", "-c", "echo $FROM_FILE"], "shell")
                self.assertEqual(("another file\n", "", 0), said)

        self.assertIn("/nowhere/docker compose: not on the PATH", self.assert_fails(Shop))
        asked.docker_command_path = None
        self.assert_passes(Shop)

    def test_waits(self) -> None:
        """Its own strategies wait; what they raise is ours, with the log."""
        there = LogMessageWaitStrategy("counted").with_startup_timeout(20)
        never = LogMessageWaitStrategy("a pot").with_startup_timeout(1)

        class Shop(ContainerTestCase):
            stack: Any = compose("dying.yml", services=["other"])

            def test_it(self) -> None:
                self.assertRunning(self.stack["other"])

        self.assert_passes(Shop)
        for services, strategy, wanted in (
            ("other", never, "NotReady: stack.other .*TimeoutError"),
            ("web", there, "ContainerDied: stack.web .* ended .*exit code 4.* out of tea"),
            ("tea", there, "DeclarationError: stack: waiting_for\\('tea', …\\): no such service"),
        ):
            with self.subTest(services):
                stack: Any = compose("dying.yml").waiting_for({services: strategy})
                stack.wait = False
                case = type("Shop", (Shop,), {"stack": stack})
                self.assertRegex(self.assert_fails(case), f"(?s){wanted}")

    def test_no_wait(self) -> None:
        """Without a wait, the class begins although a service is not healthy."""

        class Shop(ContainerTestCase):
            stack: Any = compose("waiting.yml", services=["slow"], wait=False)

            def test_it(self) -> None:
                self.assertRunning(self.stack["slow"])

        self.assert_passes(Shop)

        class Waiting(ContainerTestCase):
            stack: Any = compose("waiting.yml", services=["slow"])

            def test_it(self) -> None: ...

        with environment(TCUNIT_START_TIMEOUT="0.5"):
            self.assertIn("NotReady: stack.slow ", self.assert_fails(Waiting))

    def test_what_would_be_left(self) -> None:
        """Nothing may outlive the class."""

        class Shop(ContainerTestCase):
            stack: Any = compose(keep_volumes=True)

            def test_it(self) -> None: ...

        self.assertIn("keep_volumes=True: all that Compose makes", self.assert_fails(Shop))

    def test_usual_files(self) -> None:
        """Those that Compose finds itself, with what overrides them."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            below = folder / "below"
            below.mkdir()
            self.assertEqual([below / "compose.yaml"], usual_files(below))
            (folder / "docker-compose.yml").write_text("services: {box: {image: alpine}}")
            override = folder / "docker-compose.override.yml"
            override.write_text("services: {box: {command: [sleep, '300']}}")
            self.assertEqual([folder / "docker-compose.yml", override], usual_files(below))
            with ForeignCompose(DockerCompose(below)) as stack:
                self.assertEqual(["sleep", "300"], stack["box"].running.info["Config"]["Cmd"])
            (folder / "compose.yml").write_text("services: {}")
            self.assertEqual([folder / "compose.yml"], usual_files(folder))
        with self.assertRaises(NotStarted):
            _ = stack.foreign

    def test_kill_9(self) -> None:
        """The reapers know what Compose made for it."""
        script = f"""
import os, signal
from testcontainers.compose import DockerCompose
from tcunit import ContainerTestCase
from tcunit._session import session_id
class Shop(ContainerTestCase):
    stack = DockerCompose({str(FILES)!r}, compose_file_name="shop.yml")
Shop.setUpClass()
print(session_id(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
        process = python(script, TCUNIT_REAPERS="guard")
        session = process.communicate()[0].strip()
        self.assertEqual(32, len(session))
        until(lambda: not left_over(session), "the guard to clean up")

    def test_the_command(self) -> None:
        """The library's object calls the Compose that made the stack."""
        with ForeignCompose(compose(services=["cache"])) as stack:
            words = list(find_compose().words)
            self.assertEqual(words, stack.foreign.docker_compose_command()[: len(words)])
            self.assertIn(stack.project, stack.foreign.docker_compose_command())
