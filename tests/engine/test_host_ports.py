"""Servers in the test process, reached from inside real containers."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tcunit import ContainerTestCase, DockerContainer, Network, expose_host_port, wait
from tcunit.errors import DeclarationError, HostPortError
from tests.engine.environments.programs import needs_local_engine, with_socket
from tests.engine.helpers import (
    ROOT,
    EngineTest,
    engine,
    free_port,
    left_over,
    listening_on,
    needs_bridge,
    python,
)
from tests.engine.host_ports import (
    HOST,
    EachKindOfNetwork,
    fetch,
    relays,
    serving,
    start_stranger,
)

PORT = free_port()


@needs_bridge
class HostPortTest(EachKindOfNetwork, ContainerTestCase, EngineTest):
    """Where the networks meet this machine, a relay listens on their gateways."""

    def test_only_where_it_is_needed(self) -> None:
        """It listens on the gateways of networks that asked for it, and at the end on none."""
        gateways = {
            self.backend.gateway,
            self.inner.gateway,
            self.on_default.running.facts().gateway,
        }
        self.assertEqual({"127.0.0.1"}, listening_on(self.port))
        with expose_host_port(self.port), expose_host_port(self.port):
            self.assertEqual({"127.0.0.1", *gateways}, listening_on(self.port))
        self.assertEqual({"127.0.0.1"}, listening_on(self.port))
        self.assertIn("refused", fetch(self.on_network, self.port))

    def test_who_is_served(self) -> None:
        """Only containers of ours: not this machine's programs, nor containers of others."""
        stranger = start_stranger(engine(), self.backend.name)
        self.addCleanup(engine().remove_container, stranger)
        with expose_host_port(self.port), self.assertLogs("tcunit", "WARNING") as logged:
            gateway = self.backend.gateway
            with self.assertRaises(ConnectionResetError):
                with socket.create_connection((gateway, self.port), 20) as connection:
                    connection.recv(1)
            url = f"http://{gateway}:{self.port}/"
            code, output = engine().exec(stranger, ["wget", "-O-", url])
            self.assertNotEqual(0, code, output)
            # A container of another network of ours comes by its own gateway only.
            self.assertIn("reset", fetch(self.on_default, self.port, gateway))
            self.assertIn("hello", fetch(self.without, self.port, gateway))
        self.assertEqual(3, len(logged.output))

    def test_assertions(self) -> None:
        """The assertions from inside a container know the name."""
        with expose_host_port(self.port):
            self.assertResolves(self.on_network, HOST)
            self.assertCanReach(self.on_network, HOST, self.port)
        self.assertCannotReach(self.on_network, HOST, self.port)

    def test_server_on_all_addresses(self) -> None:
        """A server that listens everywhere is reached without a relay."""
        with serving("0.0.0.0") as port, expose_host_port(port):
            self.assertEqual([], relays())
            self.assertIn("hello", fetch(self.on_network, port))

    def test_port_is_taken(self) -> None:
        """Another program at that port of the gateway is an error, and nothing stays open."""
        with socket.create_server((self.backend.gateway, self.port)):
            with self.assertRaisesRegex(HostPortError, f"{self.port} cannot be exposed .*in use"):
                expose_host_port(self.port)
        self.assertEqual({"127.0.0.1"}, listening_on(self.port))

    def test_no_sidecar(self) -> None:
        """Here no helper is started, and what would start one is not even loaded."""
        process = python(
            "import sys\n"
            "from tcunit import DockerContainer, expose_host_port\n"
            "box = DockerContainer('alpine').with_command('sleep 300').with_host_port_access()\n"
            f"with box, expose_host_port({self.port}):\n"
            "    print({'tcunit.sidecar', 'tcunit.tunnel'} & set(sys.modules))\n"
        )
        self.assertEqual(("set()\n", ""), process.communicate(timeout=60))


@needs_bridge
class DeclaredPortTest(ContainerTestCase, EngineTest):
    """Ports that a container asks for itself."""

    network = Network()
    asks = (
        DockerContainer("alpine")
        .with_network(network)
        .with_command(["sh", "-c", f"wget -O- http://{HOST}:$PORT/ && sleep 300"])
        .with_env("PORT", PORT)
        .with_host_port_access(lambda: PORT)
        .waiting_for(wait.for_log("hello"))
    )

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(serving(port=PORT))
        cls.addClassCleanup(lambda: cls().assertEqual([], relays()))
        super().setUpClass()

    def test_from_the_start(self) -> None:
        """They are open before its command runs, and as long as it lives."""
        self.assertIn(b"hello", self.asks.exec(f"wget -O- http://{HOST}:{PORT}/").output)
        self.assertEqual({"127.0.0.1", self.network.gateway}, listening_on(PORT))


class EndTest(EngineTest):
    """What is left, and what is refused."""

    def test_after_a_failed_start(self) -> None:
        """A container that cannot start leaves no relay."""
        with serving() as port:
            container = DockerContainer("alpine").with_command("/none").with_host_port_access(port)
            with self.assertRaisesRegex(Exception, "/none"):
                container.start()
            self.assertEqual([], relays())
            self.assertEqual({"127.0.0.1"}, listening_on(port))

    def test_end_of_the_process(self) -> None:
        """A port that nobody closed holds no process up, and no message comes of it."""
        process = python(
            "from tcunit import DockerContainer, expose_host_port\n"
            "box = DockerContainer('alpine').with_command('sleep 300')\n"
            "box.with_host_port_access().start()\n"
            f"expose_host_port({free_port()})\n",
            TCUNIT_REAPERS="none",
        )
        self.assertEqual(("", ""), process.communicate(timeout=60))
        self.assertEqual(0, process.returncode)

    def test_wrong(self) -> None:
        """What is no port is refused; so is a container without a network of its own."""
        wrong: list[Any] = [0, 65536, "80", None, True]
        for port in wrong:
            with self.subTest(port=port), self.assertRaisesRegex(DeclarationError, "is no port of"):
                expose_host_port(port)
            if port is not None:
                with self.assertRaisesRegex(DeclarationError, "is no port of"):
                    DockerContainer("a").with_host_port_access(port)
        for mode in ("none", "container:x"):
            with self.subTest(mode=mode), self.assertRaisesRegex(DeclarationError, "of its own"):
                DockerContainer("a").with_network_mode(mode).with_host_port_access().check()
        self.assertEqual([], left_over())


WITHIN = """
import http.server, os, sys, threading
if missing := os.environ.get("WITHOUT"):
    sys.modules[missing] = None
from tcunit import DockerContainer, expose_host_port
from tcunit.errors import HostPortError
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.handle_request, daemon=True).start()
box = DockerContainer("alpine").with_command("sleep 300").with_host_port_access()
if sys.argv[1:]:
    box.with_network(sys.argv[1])
try:
    with box, expose_host_port(server.server_port) as endpoint:
        print(box.exec(f"wget -O- http://{endpoint}/setup.cfg").stdout.decode())
except HostPortError as error:
    print(error)
server.server_close()
"""


@needs_local_engine
class WithinContainerTest(ContainerTestCase, EngineTest):
    """Tests that run in a container themselves."""

    network = Network()
    tests = with_socket(working_dir="/src").with_network(network)

    def run_within(self, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
        command = ["python3", "-W", "error", "-c", WITHIN, *arguments]
        done = self.tests.exec(command, environment=environ)
        return done.stdout.decode() + done.stderr.decode()

    def test_on_a_shared_network(self) -> None:
        """The relay listens at our own container's address."""
        said = self.run_within(self.network.name)
        self.assertIn(Path(ROOT, "setup.cfg").read_text().strip(), said)

    def test_on_another_network(self) -> None:
        """A sidecar listens in place of our own container, which is not on their network."""
        version = self.tests.exec(["python3", "-c", "import sys; print(*sys.version_info[:2])"])
        if version.stdout.split() != [str(each).encode() for each in sys.version_info[:2]]:
            self.skipTest("the SSH client that is installed here is for another Python")
        said = self.run_within()
        self.assertIn(Path(ROOT, "setup.cfg").read_text().strip(), said)
        self.assertEqual([], self.sidecars())

    def test_without_an_ssh_client(self) -> None:
        """The error says why one is needed, and what to install."""
        said = self.run_within(environ={"WITHOUT": "paramiko"})
        self.assertIn("is on none of its networks (bridge; TCUNIT_JOIN_NETWORKS=true puts", said)
        self.assertIn("pip install tcunit[ssh]", said)
        self.assertEqual([], self.sidecars())

    def sidecars(self) -> list[str]:
        """The sidecars that are there now."""
        found = engine().containers_labelled("org.testcontainers")
        return [each.name for each in found if "sidecar" in each.name]
