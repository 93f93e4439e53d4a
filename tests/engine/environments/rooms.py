"""Tests of each part of the library, for Podman in Docker's place.

A program: ``rooms CLASS`` runs the tests of a class where Podman's bridges are, and prints one JSON
object: how many there were, and what those that went wrong have to say.
"""

from __future__ import annotations

import http.server
import json
import logging
import os
import subprocess
import sys
import tempfile
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from tcunit import (
    AsyncContainerTestCase,
    ComposeStack,
    ContainerTestCase,
    DockerContainer,
    DockerImage,
    Network,
    Volume,
    expose_host_port,
    wait,
)
from tcunit.errors import BuildFailed, ContainerDied, CopyError, ImageNotFound, StartError
from tcunit.modules import RedisContainer
from tcunit.warm import remove_warm, warm_images
from tests.engine.environments.podman import REGISTRY_PORT
from tests.engine.helpers import (
    ROOT,
    EngineTest,
    engine,
    problems,
    run_class,
    shell,
    sleeper,
    until,
)
from tests.engine.registry import forget, push, registry
from tests.engine.test_ends import End


def said(container: DockerContainer, command: str) -> str:
    """What a shell command in a container prints."""
    return container.exec(["sh", "-c", command]).output.decode().strip()


class DeclaredTest(EngineTest, ContainerTestCase):
    """Files, storage, limits, rights: what was declared is what the container finds."""

    data = Volume()
    box = (
        sleeper()
        .with_copy_into_container(b"#!/bin/sh\necho copied\n", "/opt/tools/run", 0o755)
        .with_volume_mapping(data, "/data", "rw")
        .with_volume_mapping(str(ROOT / "tests"), "/tests")
        .with_tmpfs_mount("/memory", "1m", mode=0o750)
        .with_env_file(ROOT / "tests/engine/compose/another.env")
        .with_ulimit("nofile", 100, 200)
        .with_ulimit("nproc", 1000)  # one limit takes away all that Podman would have given
        .with_memory_limit("64m")
        .with_cap_drop("ALL")
        .with_cap_add("CHOWN")
        .with_hostname("box.example")
        .with_extra_host("elsewhere", "10.11.12.13")
        .with_dns("10.11.12.14", search=["example.org"])
        .with_init()
        .with_healthcheck(["test", "-f", "/opt/tools/run"], interval=0.5)
    )

    def test_files(self) -> None:
        """Files go in before and after the start, and come out; a folder is never replaced."""
        self.assertEqual("copied", said(self.box, "/opt/tools/run"))
        self.box.copy_into_container(b"later", "/var/later")
        self.assertEqual(b"later", self.box.read_file("/var/later"))
        with tempfile.TemporaryDirectory() as folder:
            self.box.copy_from_container("/opt", folder)
            self.assertTrue(os.access(Path(folder, "tools/run"), os.X_OK))
        with self.assertRaisesRegex(CopyError, "^box .*: copier: put: error creating .{1,99}$"):
            self.box.copy_into_container(b"x", "/etc")
        self.assertIn(b"root", self.box.read_file("/etc/passwd"))

    def test_storage(self) -> None:
        """A volume is written to, a bind mount is not; memory has its limits."""
        self.assertEqual("tea", said(self.box, "echo tea > /data/x && cat /data/x"))
        self.assertIn("Read-only", said(self.box, "touch /tests/x"))
        self.assertEqual("750", said(self.box, "stat -c %a /memory"))
        self.assertNotEqual("", said(self.box, "head -c 2000000 /dev/zero > /memory/full"))
        self.assertEqual("1048576", said(self.box, "stat -c %s /memory/full"))

    def test_limits(self) -> None:
        """Limits, rights, names and the init process."""
        self.assertEqual("200", said(self.box, "ulimit -Hn"))
        self.assertIn("0000000001", said(self.box, "grep CapBnd /proc/self/status"))
        self.assertEqual("box.example", said(self.box, "hostname"))
        self.assertIn("elsewhere", said(self.box, "cat /etc/hosts"))
        self.assertIn("nameserver 10.11.12.14", said(self.box, "cat /etc/resolv.conf"))
        self.assertIn("init", said(self.box, "cat /proc/1/cmdline"))

    def test_refused(self) -> None:
        """A path that is missing is an error, not made; so is a name that is taken."""
        with self.assertRaisesRegex(StartError, "bind source path does not exist: /none"):
            sleeper().with_volume_mapping("/none", "/a").start()
        self.assertFalse(Path("/none").exists())
        with self.assertRaisesRegex(StartError, "is taken on the engine"):
            sleeper().with_name(self.box.name).start()


class ImageTest(EngineTest, ContainerTestCase):
    """Images from a Dockerfile, by Podman's builder, and from a registry."""

    hub = registry().with_bind_ports(5000, REGISTRY_PORT)

    def test_build(self) -> None:
        """It knows mounts of a RUN, as BuildKit does; the image goes when it is told to."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        text = "FROM alpine\nARG A\nRUN --mount=type=cache,target=/c echo $A > /built\n"
        (folder / "Dockerfile").write_text(text)
        image = DockerImage(folder, build_args={"A": "tea"})
        with self.assertLogs("tcunit", "INFO") as logs, sleeper(image) as box:
            self.assertEqual(b"tea\n", box.read_file("/built"))
            name = image.name
        self.assertIn("with Podman's own builder", logs.output[0])
        self.assertIn(name, [each.name for each in engine().labelled("org.testcontainers")])
        image.remove()
        self.assertFalse(engine().images.has(name))

    def test_failure(self) -> None:
        """Nothing is left of a build that fails, and the error has what was said."""
        before = {each["Id"] for each in engine().client.api.images(all=True)}
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "Dockerfile").write_text("FROM alpine\nENV A=1\nRUN echo no luck; exit 3\n")
        with self.assertRaisesRegex(BuildFailed, r"could not be built(.|\n)*\| no luck"):
            DockerImage(folder).build()
        self.assertEqual(before, {each["Id"] for each in engine().client.api.images(all=True)})

    def test_policies(self) -> None:
        """What is not there is pulled, unless it never is to be."""
        name = f"127.0.0.1:{REGISTRY_PORT}/tea:1"
        self.addCleanup(forget, name)
        push(name)
        with self.assertRaisesRegex(ImageNotFound, "policy is 'never'"):
            DockerContainer(name).with_pull_policy("never").start()
        with DockerContainer(name).with_command("sleep 300") as box:
            self.assertEqual(0, box.exec("true").exit_code)
        with self.assertRaisesRegex(ImageNotFound, "cannot be pulled: .*manifest unknown"):
            DockerContainer(f"127.0.0.1:{REGISTRY_PORT}/milk:1").start()


class KeptTest(EngineTest):
    """What is shared, and what starts warm."""

    def test_reuse(self) -> None:
        """Two that declare the same are one, and the last one out removes it."""
        one, two = (sleeper().with_env("MARK", "reuse").with_reuse() for _ in range(2))
        with one:
            with two:
                self.assertEqual(one.get_container_id(), two.get_container_id())
            self.assertEqual(0, one.exec("true").exit_code)

    def test_warm_start(self) -> None:
        """The state is kept, and no secret in it; nor what is in a volume, of which it is told."""
        service = shell(SERVICE.format("/tmp/up")).with_env("PASSWORD", "s3cret")
        service.waiting_for(wait.for_file("/tmp/up")).with_warm_start()
        self.addCleanup(remove_warm_images)
        states = set()
        for _ in range(2):
            with service as box:
                states.add(box.read_file("/state"))
        self.assertEqual(1, len(states))
        (image,) = warm_images(engine())
        config = engine().client.api.inspect_image(image.id)["Config"]
        self.assertNotIn("s3cret", str(config))
        filled = shell(SERVICE.format("/data/up"), "redis:alpine").with_entrypoint([])
        filled.with_warm_start().waiting_for(wait.for_file("/data/up"))
        with self.assertLogs("tcunit", "WARNING") as logs, filled:
            self.assertIn("who owns the files in its volume /data", logs.output[0])


SERVICE = "test -e /state || date +%N > /state; trap 'exit 0' TERM; touch {}; sleep 300 & wait"


def remove_warm_images() -> None:
    """Remove what warm starts have made."""
    for each in warm_images(engine()):
        remove_warm(engine(), each)


class HostPortTest(EngineTest, ContainerTestCase):
    """A server of this process; the networks of its callers have no bridge before they start."""

    net = Network()
    page: ClassVar[str] = "http://host.testcontainers.internal:{}/setup.cfg"

    @classmethod
    def setUpClass(cls) -> None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.enterClassContext(expose_host_port(server.server_port))
        cls.url = cls.page.format(server.server_port)
        super().setUpClass()

    def test_reached(self) -> None:
        """By a container on a new network, on the default one, and on the host's."""
        for where in (
            lambda box: box.with_network(self.net), lambda box: box,
            lambda box: box.with_network_mode("host"),
        ):  # fmt: skip
            with where(sleeper().with_host_port_access()) as caller:
                self.assertIn("name = tcunit", said(caller, f"{FETCH} {self.url}"))


FETCH = "wget -q -O -"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the checkout and says nothing."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, directory=str(ROOT), **options)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class LibrariesTest(EngineTest):
    """Compose, testcontainers-python and coverage."""

    def test_compose(self) -> None:
        """A stack with a job that ends, two replicas and a service on another's network."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "compose.yml").write_text(COMPOSE)
        stack = ComposeStack(folder / "compose.yml").waiting_for("job", wait.for_exit())
        with stack:
            self.assertEqual(5, len(stack.containers))
            self.assertEqual("PONG", said(stack["beside"], "redis-cli ping"))
            self.assertEqual(b"counted the tea\n", stack["job"].get_logs()[0])

    def test_foreign(self) -> None:
        """Containers of testcontainers-python are started, reached and removed as ours."""
        from testcontainers.community.redis import RedisContainer as Foreign

        class ForeignTest(ContainerTestCase):
            cache = Foreign("redis:alpine")

            def test_it(self) -> None:
                self.assertReachable(self.cache, 6379)

        self.assert_passes(ForeignTest)

    def test_coverage(self) -> None:
        """Lines that ran in a container are in the report."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        Path(folder, "shop.py").write_text("print('hello')\n")
        Path(folder, "main.py").write_text(MEASURED)
        told = ran("-m", "coverage", "run", "main.py", cwd=folder)
        told += ran("-m", "coverage", "report", "--include=shop.py", cwd=folder)
        self.assertRegex(told, r"shop.py\s+1\s+0\s+100%")


COMPOSE = """
services:
  cache: {image: "redis:alpine", deploy: {replicas: 2}}
  beside: {image: "redis:alpine", network_mode: "service:base", command: ["sleep", "300"]}
  base: {image: "redis:alpine"}
  job: {image: alpine, command: ["sh", "-c", "echo counted the tea"]}
"""
MEASURED = """
from tcunit import DockerContainer, wait
box = DockerContainer("python:3.11-slim").with_command(["python", "/app/shop.py"])
with box.with_volume_mapping(".", "/app").waiting_for(wait.for_exit()).with_coverage():
    pass
"""


class CaseTest(EngineTest):
    """What a test class does for its tests, the commands, and the runner that looks ahead."""

    def test_scopes_and_reset(self) -> None:
        """A container for each test, and one that is as new for each."""
        seen: list[str] = []

        class ShopTest(ContainerTestCase):
            cache = RedisContainer().with_reset()
            own = sleeper().with_scope("test")

            def test_one(self) -> None:
                seen.append(self.own.name)
                self.assertEqual("OK", said(self.cache, "redis-cli set a 1"))

            def test_two(self) -> None:
                seen.append(self.own.name)
                self.assertEqual("", said(self.cache, "redis-cli get a"))

        self.assert_passes(ShopTest)
        self.assertEqual(2, len(set(seen)))

    def test_coroutines(self) -> None:
        """Tests that are coroutines have their containers as others have."""
        # Else it tells of each step that took long because the machine is busy.
        logging.getLogger("asyncio").setLevel(logging.ERROR)

        class LoopTest(AsyncContainerTestCase):
            cache = RedisContainer()

            async def test_it(self) -> None:
                self.assertEqual("PONG", await self.in_thread(said, self.cache, "redis-cli ping"))

        self.assert_passes(LoopTest)

    def test_failure_logs(self) -> None:
        """A failure shows what the container logged."""

        class FailingTest(ContainerTestCase):
            box = shell("echo up; sleep 300").waiting_for(wait.for_log("up"))

            def test_it(self) -> None:
                said(self.box, "echo out of tea > /proc/1/fd/1")
                until(lambda: b"tea" in self.box.get_logs()[0], "the line")
                self.fail("no")

        self.assertRegex(problems(run_class(FailingTest)), "(?s)AssertionError: no.*out of tea")

    def test_quiet_log(self) -> None:
        """The wait for a line of a log that stays empty ends with the container."""
        with self.assertRaisesRegex(ContainerDied, "exit code 3"):
            shell("sleep 0.3; exit 3").waiting_for(wait.for_log("never")).start()

    def test_doctor_ps_clean(self) -> None:
        """They know Podman, and what is there."""
        told = json.loads(ran("-m", "tcunit", "doctor", "--json", code=None))
        text = " ".join(each["told"] for each in told["findings"])
        self.assertRegex(text, "Podman.*Podman takes further ones as it needs them")
        with sleeper() as box:
            self.assertIn(box.name, ran("-m", "tcunit", "ps"))
            self.assertIn(" (lives)", ran("-m", "tcunit", "clean", "--dry-run"))

    def test_run(self) -> None:
        """Two classes in two processes, with lookahead."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        Path(folder, "test_suite.py").write_text(SUITE)
        for words in ([], ["-j", "2"]):
            with self.subTest(words=words):
                done = run("-m", "tcunit", "run", *words, cwd=folder)
                self.assertRegex(done.stderr, r"(?s)Ran 2 tests.*\nOK\n\Z")


SUITE = textwrap.dedent(
    """
    from tcunit import ContainerTestCase, DockerContainer
    class Base(ContainerTestCase):
        box = DockerContainer("alpine").with_command("sleep 300")
        def test_it(self):
            self.assertRunning(self.box)
    class SecondTest(Base): pass
    """
)


class EndTest(EngineTest):
    """Nothing is left, whatever the end, by each net alone; and nothing of others is touched."""

    def test_ends(self) -> None:
        """A normal end, SIGTERM, and SIGKILL with either reaper."""
        ways = ("normal end", "SIGTERM", "SIGKILL", "SIGKILL")
        with ThreadPoolExecutor(len(ways)) as workers:
            nets = ("class", "exit", "guard", "ryuk")
            ends = list(workers.map(lambda way, net: End(way, net).run(), ways, nets))
        for end in ends:
            with self.subTest(way=end.way, net=end.net):
                self.assertTrue(end.is_clean, end)
                self.assertEqual([], end.lost_decoys)


def ran(*words: str, code: int | None = 0, **options: Any) -> str:
    """What Python prints, run so."""
    done = run(*words, **options)
    if code is not None and done.returncode != code:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout


def run(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python."""
    command = [sys.executable, "-W", "error", *words]
    return subprocess.run(command, capture_output=True, text=True, **options)


def main() -> None:
    """Run the tests of a class, and tell of those that went wrong."""
    result = run_class(globals()[sys.argv[1]])
    wrong = [text for _, text in [*result.errors, *result.failures, *result.skipped]]
    json.dump({"run": result.testsRun, "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main()
