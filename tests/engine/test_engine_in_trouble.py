"""An engine in trouble: restarted or away while a class runs on it, or out of address ranges."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tcunit import ContainerTestCase, Network
from tcunit._docker import find_engine
from tcunit.errors import EngineError, StartError
from tcunit.reapers.sweep import left_by
from tcunit.settings import Settings
from tests.engine.environments.engines import engine_container, give_images
from tests.engine.environments.programs import needs_local_engine
from tests.engine.helpers import ROOT, EngineTest, environment, free_port, until

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
