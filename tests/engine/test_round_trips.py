"""The engine is asked for no more than is needed, over connections that are kept."""

from __future__ import annotations

import socket
import threading
from typing import Any
from unittest import mock

from docker.transport.unixconn import UnixHTTPConnection

from benchmarks.round_trips import NEEDED, Counting
from tcunit import ContainerTestCase, DockerContainer, wait
from tcunit._docker.find import _connect, candidates
from tcunit.settings import Settings

from .helpers import EngineTest, engine, environment, shell


def redis() -> DockerContainer:
    container = DockerContainer("redis:alpine").with_exposed_ports(6379)
    return container.waiting_for(wait.for_port(6379))


class RoundTripsTest(EngineTest):
    def test_each_container(self) -> None:
        """A container is created, started, inspected and removed, each by one request."""

        class Three(ContainerTestCase):
            one, two, three = redis(), redis(), redis()

            def test(self) -> None:
                """The port answers."""

        patient = mock.patch("tcunit.running.STATE_CHECK_INTERVAL", 600)  # in case events are lost
        with patient, environment(TCUNIT_TEAR_DOWN="wait"), Counting() as counting:
            self.assert_passes(Three)
        listed = counting.by_resource()
        requests = [made for name, made in listed.items() if name.startswith("container tcunit-")]
        self.assertEqual([sorted(NEEDED)] * 3, [sorted(made) for made in requests])

    def test_default_network(self) -> None:
        """Containers that start together ask about their network once."""

        class Four(ContainerTestCase):
            one, two, three, four = redis(), redis(), redis(), redis()

            def test(self) -> None:
                """The port answers."""

        asked: list[str] = []
        look = engine().inspect_network

        def noted(network: str) -> Any:
            if threading.current_thread().name != "tcunit-ryuk":  # which has a start of its own
                asked.append(network)
            return look(network)

        with mock.patch.object(engine(), "inspect_network", noted):
            self.assert_passes(Four)
        self.assertEqual(["bridge"], asked)

    def test_connections_are_kept(self) -> None:
        """What is asked later is asked over a connection that is there, whatever it is."""
        made: list[Any] = []
        connect = UnixHTTPConnection.connect

        def counted(connection: UnixHTTPConnection) -> None:
            made.append(connection)
            connect(connection)

        found = [each for each in candidates(Settings()) if not each.problem]
        self.assertTrue(found[0].url.startswith("unix://"))
        with mock.patch.object(UnixHTTPConnection, "connect", counted):
            fresh = _connect(found[0])
            self.addCleanup(fresh.client.close)
            self.assertTrue(fresh.info)  # asked ahead, in a thread of its own
            made.clear()
            fresh.inspect_network("bridge")
            fresh.labelled("nobody=has")
            fresh.subnets()
        self.assertEqual([], made)

    def test_stream_that_is_closed_late(self) -> None:
        """To close a log's socket after its end disturbs nobody who asks something meanwhile."""
        box = shell("exit 3").waiting_for(wait.for_exit(3))
        identity = self.running(box).get_container_id()
        stream = engine().follow_logs(identity, stdout=True, stderr=True)
        used: socket.socket = stream._answer._fp.fp.raw._sock
        self.assertEqual([], list(stream))
        used.close()
        self.assertEqual(identity, engine().inspect(identity)["Id"])
