"""An engine that is restarted, or away, while a class runs on it: a nested one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tcunit import ContainerTestCase
from tcunit._docker import find_engine
from tcunit.errors import EngineError
from tcunit.reapers.sweep import left_by
from tcunit.settings import Settings
from tests.engine.environments.engines import engine_container, give_images
from tests.engine.environments.programs import needs_local_engine
from tests.engine.helpers import ROOT, EngineTest, free_port, until

PORT = free_port()
URL = f"tcp://127.0.0.1:{PORT}"
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
