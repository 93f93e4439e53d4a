"""An engine in trouble: restarted or away while a class runs on it, or out of address ranges."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit import ContainerTestCase, Network
from tcunit._docker import find_engine
from tcunit.errors import EngineError, StartError
from tcunit.reapers.sweep import left_by
from tcunit.settings import Settings
from tests.engine.environments.engines import engine_container, give_images
from tests.engine.environments.programs import needs_local_engine
from tests.engine.helpers import (
    PATIENCE,
    ROOT,
    EngineTest,
    engine,
    environment,
    free_port,
    left_over,
    sleeper,
    until,
)
from tests.engine.relay import LosingRelay

PORT, SMALL_PORT = free_port(), free_port()
URL, SMALL_URL = (f"tcp://127.0.0.1:{port}" for port in (PORT, SMALL_PORT))
PROGRAM = """
import sys, unittest
from tcunit import ContainerTestCase, DockerContainer, Network, wait
from tcunit._session import session_id

class Restarted(ContainerTestCase):
    net = Network()
    cache = (DockerContainer("redis:alpine").with_network(net)
             .waiting_for(wait.for_log("Ready to accept")))

    def test_waits_for_a_word(self):
        print(session_id(), flush=True)
        sys.stdin.readline()

unittest.main()
"""

UNANSWERED = """
import sys, unittest
from tcunit import ContainerTestCase, DockerContainer
from tcunit._session import session_id
from tests.engine.helpers import left_over, until

class Shop(ContainerTestCase):
    box = DockerContainer("alpine").with_command("sleep 300")

    def test(self):
        raise AssertionError("it did not start")

done = unittest.main(exit=False).result
assert len(done.errors) == 1 and "creating the container tcunit-Shop-box-" in done.errors[0][1]
print(session_id(), len(left_over()), flush=True)
if sys.stdin.readline() == "wait\\n":
    print(len(until(left_over, "the container")), flush=True)
"""


@needs_local_engine
class UnansweredTest(EngineTest):
    """The connection is lost after a create was sent, and the engine makes the container later."""

    def lost(self, delay: float, reapers: str, word: str) -> tuple[str, list[str]]:
        """How a process fared: its session, and how much it had when."""
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="tcu"))
        relay = LosingRelay(Path(folder) / "e", "/containers/create?name=tcunit-Shop-", delay)
        self.addCleanup(relay.close)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", UNANSWERED],
            cwd=ROOT, env=os.environ | {"DOCKER_HOST": relay.url, "TCUNIT_REAPERS": reapers},
            input=f"{word}\n", capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stderr)
        session, *left = done.stdout.split()
        self.assertTrue(relay.answered.wait(PATIENCE))
        return session, left

    def test_soon(self) -> None:
        """It is waited for, and removed."""
        session, left = self.lost(0.3, "none", "end")
        self.assertEqual(["0"], left)
        self.assertEqual([], left_over(session))

    def test_while_the_process_lives(self) -> None:
        """It is removed when the process ends."""
        session, left = self.lost(4, "none", "wait")
        self.assertEqual(["0", "1"], left)
        self.assertEqual([], left_over(session))

    def test_when_the_process_has_ended(self) -> None:
        """The guard looks out for it."""
        session, _ = self.lost(4, "guard", "end")
        until(lambda: not left_over(session), "the guard to remove it")


@needs_local_engine
class RefusedTest(EngineTest):
    """What a busy engine refuses at first."""

    def test_removal(self) -> None:
        """It is asked again to remove a container that it could not take apart at once."""
        box = sleeper().start()
        root = Path(engine().client.info()["DockerRootDir"])
        file = root / "containers" / box.get_container_id() / "config.v2.json"
        self.enterContext(unremovable(file))
        api = engine().client.api
        with mock.patch.object(api, "remove_container", wraps=api.remove_container) as asked:
            box.stop()
        self.assertGreater(asked.call_count, 1)
        self.assertEqual([], left_over())


@contextlib.contextmanager
def unremovable(file: Path) -> Iterator[None]:
    """Let nobody remove a file for half a second, or for this context if that is shorter."""

    def give_back() -> None:
        if file.exists():
            subprocess.run(["chattr", "-i", file], check=True)

    subprocess.run(["chattr", "+i", file], check=True)
    timer = threading.Timer(0.5, give_back)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        give_back()


@needs_local_engine
class RestartedEngineTest(EngineTest, ContainerTestCase):
    """What a session has on an engine is removed, also where the engine is not there at its end."""

    nested = engine_container().with_bind_ports(2375, PORT)

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.engine = find_engine(Settings({"DOCKER_HOST": URL}, Path("/nonexistent")))
        cls.addClassCleanup(cls.engine.client.close)
        give_images(cls.engine)

    def start(self) -> subprocess.Popen[str]:
        """A process that runs a class on the nested engine, until it is told a word."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env=os.environ | {"DOCKER_HOST": URL, "TCUNIT_REAPERS": "guard"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def session_of(self, process: subprocess.Popen[str]) -> str:
        """Its session, as soon as its containers run."""
        assert process.stdout is not None
        session = process.stdout.readline().strip()
        self.assertEqual({"container", "network"}, {each.kind for each in self.left(session)})
        return session

    def left(self, session: str) -> list[object]:
        """What a session has on the nested engine; asked again where a connection was lost."""
        try:
            return list(left_by(self.engine, session))
        except EngineError:
            return list(left_by(self.engine, session))

    def test_restarted_in_the_middle(self) -> None:
        """A class whose engine was restarted meanwhile ends well, and nothing is left."""
        process = self.start()
        session = self.session_of(process)
        self.nested.restart()
        process.communicate("go on\n", timeout=60)
        self.assertEqual(0, process.returncode)
        self.assertEqual([], self.left(session))

    def test_killed_while_the_engine_is_away(self) -> None:
        """The guard waits for an engine that is away when the process dies."""
        process = self.start()
        session = self.session_of(process)
        with self.nested.stopped():
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=30)
        until(lambda: not self.left(session), "all of it to be removed")


def subnet(network: Network) -> str:
    """The address range of a network."""
    attributes: Any = network.get_wrapped_network().attrs
    return str(attributes["IPAM"]["Config"][0]["Subnet"])


@needs_local_engine
class ExhaustedEngineTest(EngineTest, ContainerTestCase):
    """An engine that has address ranges for two networks."""

    nested = (
        engine_container()
        .with_bind_ports(2375, SMALL_PORT)
        .with_command(["--bip=10.98.0.1/24", "--default-address-pool=base=10.98.4.0/23,size=24"])
    )

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        engine = find_engine(Settings({"DOCKER_HOST": SMALL_URL}, Path("/nonexistent")))
        cls.addClassCleanup(engine.client.close)

    def setUp(self) -> None:
        self.enterContext(environment(DOCKER_HOST=SMALL_URL, TESTCONTAINERS_RYUK_DISABLED="true"))

    def network(self) -> Network:
        """A network on it."""
        made = Network().create()
        self.addCleanup(made.remove)
        return made

    def test_no_range_is_left(self) -> None:
        """The error names the setting that gives more; with it, there is room again."""
        self.network(), self.network()
        with self.assertRaisesRegex(StartError, "TCUNIT_SUBNETS"):
            Network().create()
        with environment(TCUNIT_SUBNETS="10.98.8.0/24"):
            self.assertRegex(subnet(self.network()), r"10\.98\.8\.")

    def test_a_range_becomes_free(self) -> None:
        """A create waits for a removal that is under way."""
        first, _ = self.network(), self.network()
        removal = threading.Timer(0.5, first.remove)
        removal.start()
        self.addCleanup(removal.join)
        self.assertRegex(subnet(self.network()), r"10\.98\.[45]\.0/24")
