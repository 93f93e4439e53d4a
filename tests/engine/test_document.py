"""The reference document runs: every code block of ``networking.md``, as it stands there.

A block that starts nothing is started here; one whose ``with`` has no body of its own is checked at
the moment it leaves that ``with``, while its containers still run.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import redis

from tcunit import ConnectionMode, DockerContainer, Endpoint, Network

from .documents import Block, blocks_of
from .helpers import EngineTest, engine, environment, left_over, needs_bridge, python, until

DOCUMENT = Path(__file__).with_name("networking.md")
BLOCKS = blocks_of(DOCUMENT, "python")
EXPOSED, BOUND, NETWORK, ALIASES, ADDRESSES, HOST_NETWORK, APPLICATION = BLOCKS

WELCOME = "Welcome to nginx!"
SERVE_443 = """
echo 'server { listen 443; location / { return 200 "from port 443"; } }' >/etc/nginx/conf.d/443.conf
nginx -s reload
"""
# PostgreSQL answers a request for TLS with one letter: yes or no.
ASK_POSTGRES = """
import socket, sys
with socket.create_connection((sys.argv[1], 5432), timeout=5) as connection:
    connection.sendall(bytes([0, 0, 0, 8, 4, 210, 22, 47]))
    sys.exit(connection.recv(1) not in (b"N", b"S"))
"""

Names = dict[str, Any]


@contextlib.contextmanager
def at_the_end_of_with(check: Callable[[Names], None]) -> Iterator[None]:
    """Have the names of the code that leaves a ``with`` checked, before anything is stopped."""
    leave = DockerContainer.__exit__
    checked = []

    def check_and_leave(container: DockerContainer, *error: Any) -> None:
        try:
            if not checked:
                checked.append(container)
                check(sys._getframe(1).f_locals)
        finally:
            leave(container, *error)

    with mock.patch.object(DockerContainer, "__exit__", check_and_leave):
        yield
    assert checked, "no with statement was left"


def text_of(address: tuple[str, int]) -> str:
    """What a web server answers."""
    connection = http.client.HTTPConnection(*address, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()


def text_once_there(address: tuple[str, int]) -> str:
    """The same, of a web server that may still be starting."""

    def ask() -> str:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return text_of(address)
        return ""

    return str(until(ask, f"an answer from {address}"))


class DocumentTest(EngineTest):
    """Runs blocks of the document in one namespace and stops what they have started."""

    def run_blocks(self, *blocks: Block) -> Names:
        names: Names = {"__name__": "networking"}
        for block in blocks:
            try:
                block.run(names)
            finally:
                self.clean_up(names)
        return names

    def clean_up(self, names: Names) -> None:
        """Stop what is started, containers before the networks they are on."""
        made = [each for each in names.values() if isinstance(each, DockerContainer | Network)]
        for each in sorted(made, key=lambda each: isinstance(each, DockerContainer)):
            self.addCleanup(each.stop if isinstance(each, DockerContainer) else each.remove)

    def require_free(self, *ports: int) -> None:
        """Fail with a clear word if somebody else has a port that the document names."""
        for port in ports:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    self.fail(
                        f"the document wants port {port} of this machine, where another program "
                        f"listens: stop that one to run this test"
                    )

    def assert_connects(self, container: DockerContainer, host: str, port: int) -> None:
        """Fail unless a container reaches another one's port; it is tried from its own network."""
        sidecar = self.running(
            DockerContainer("alpine").with_network_mode(container).with_command("sleep 300")
        )
        reached = sidecar.exec(["nc", "-z", "-w", "5", host, str(port)])
        self.assertEqual(0, reached.exit_code, f"{host}:{port}: {reached.output!r}")
        unused = sidecar.exec(["nc", "-z", "-w", "5", host, str(port + 1)])
        self.assertNotEqual(0, unused.exit_code, f"{host}:{port + 1} has no service")


class PortsTest(DocumentTest):
    """The section "Port Exposure"."""

    def test_exposed_ports(self) -> None:
        """A page is served where get_exposed_port() and get_container_host_ip() say."""
        names = self.run_blocks(EXPOSED)
        host = names["container"].get_container_host_ip()
        self.assertIn(WELCOME, text_of((host, names["mapped_port"])))

    def test_exposed_ports_twice(self) -> None:
        """The same ports are exposed by two containers at once, without a conflict."""
        containers = [self.run_blocks(EXPOSED)["container"] for _ in range(2)]
        endpoints = {container.endpoint(80, "docker_host") for container in containers}
        self.assertEqual(2, len(endpoints))
        for endpoint in endpoints:
            self.assertIn(WELCOME, text_of(endpoint))

    def test_bound_ports(self) -> None:
        """Ports 8080 and 8443 of the host lead to the container's ports 80 and 443."""
        self.require_free(8080, 8443)
        container = self.run_blocks(EXPOSED, BOUND)["container"]
        container.start()
        plain = container.endpoint(80, "docker_host")
        other = container.endpoint("443/tcp", "docker_host")
        self.assertEqual([8080, 8443], [plain.port, other.port])
        self.assertEqual(8443, container.mapped_port(443))
        self.assertIn(WELCOME, text_of(plain))
        self.assertEqual(0, container.exec(["sh", "-c", SERVE_443]).exit_code)
        self.assertEqual("from port 443", text_once_there(other))


class NetworksTest(DocumentTest):
    """The sections "Creating Networks" and "Container Communication"."""

    def test_networks(self) -> None:
        """Container "web" can connect to "cache:6379", and "cache" to "web:80"."""

        def check(names: Names) -> None:
            self.assert_connects(names["container1"], "cache", 6379)
            self.assert_connects(names["container2"], "web", 80)

        with at_the_end_of_with(check):
            self.run_blocks(NETWORK)

    def test_aliases(self) -> None:
        """Container 1 can connect to container 2 using "database:5432"."""
        names = self.run_blocks(NETWORK, ALIASES)
        with names["container1"] as app, names["container2"]:
            self.assert_asks_postgres(app, "database")

    def test_addresses(self) -> None:
        """In bridge_ip, the document's default, containers reach each other by their addresses."""

        def check(names: Names) -> None:
            self.assertEqual(
                [address_of(names["container1"]), address_of(names["container2"])],
                [names["container1_ip"], names["container2_ip"]],
            )
            self.assert_asks_postgres(names["container1"], names["container2_ip"])

        names = self.run_blocks(NETWORK, ALIASES)
        with environment(TESTCONTAINERS_CONNECTION_MODE="bridge_ip"), at_the_end_of_with(check):
            ADDRESSES.run(names)

    @needs_bridge
    def test_host_network(self) -> None:
        """In the host's network, the container's port 80 is the host's."""
        self.require_free(80)
        container = self.run_blocks(NETWORK, HOST_NETWORK)["container"]
        container.start()
        host, port = container.get_container_host_ip(), container.get_exposed_port(80)
        self.assertEqual(80, port)
        self.assertIn(WELCOME, text_once_there((host, port)))

    def assert_asks_postgres(self, app: DockerContainer, host: str) -> None:
        until(
            lambda: app.exec(["python", "-c", ASK_POSTGRES, host]).exit_code == 0,
            f"PostgreSQL at {host}:5432, asked from {app.name}",
        )


def address_of(container: DockerContainer) -> str:
    """The address that the engine knows of a container on one network."""
    (network,) = (
        engine().inspect(container.get_container_id())["NetworkSettings"]["Networks"].values()
    )
    return str(network["IPAddress"])


class ApplicationTest(DocumentTest):
    """The section "Example: Multi-Container Application", and the document as a whole."""

    def test_application(self) -> None:
        """Its addresses serve real clients, which write and read; so do its aliases."""

        def check(names: Names) -> None:
            self.clean_up({"network": names["network"]})
            self.write_and_read_rows(names["postgres"], names["db_host"], names["db_port"])
            self.write_and_read_keys(names["redis_host"], names["redis_port"])
            self.assert_connects(names["redis"], "db", 5432)
            self.assert_connects(names["postgres"], "cache", 6379)

        names = self.run_blocks(APPLICATION)
        with at_the_end_of_with(check):
            names["test_multi_container_app"]()

    def write_and_read_rows(self, postgres: Any, host: str, port: int) -> None:
        login = {"user": postgres.username, "password": postgres.password}
        with psycopg.connect(host=host, port=port, dbname=postgres.dbname, **login) as connection:
            connection.execute("CREATE TABLE price (item text, cents int)")
            connection.execute("INSERT INTO price VALUES ('tea', 250)")
        with psycopg.connect(host=host, port=port, dbname=postgres.dbname, **login) as connection:
            self.assertEqual([("tea", 250)], connection.execute("TABLE price").fetchall())

    def write_and_read_keys(self, host: str, port: int) -> None:
        with redis.Redis(host, port) as client:
            client.set("tea", 250)
            self.assertEqual(b"250", client.get("tea"))

    def test_all_in_one_program(self) -> None:
        """All blocks run in their order as one program; what it never stops goes with its end."""
        told = "import tcunit._session\nprint(tcunit._session.session_id())\n"
        called = "test_multi_container_app()\nprint(container is not None, mapped_port)\n"
        program = "\n".join([told, *(block.text for block in BLOCKS), called])
        with python(program) as process:
            out, err = process.communicate(timeout=60)
        self.assertEqual((0, ""), (process.returncode, err))
        session, last = out.splitlines()
        self.assertRegex(last, r"True \d+")
        self.assertEqual([], left_over(session))


class ConnectionModesTest(DocumentTest):
    """The section "Connection Modes"."""

    def addresses(self) -> dict[str, str]:
        """What each mode should lead to, on the engine's default network."""
        names = self.run_blocks(EXPOSED)
        (network,) = names["container"].running.info["NetworkSettings"]["Networks"].values()
        host, port = names["container"].get_container_host_ip(), names["mapped_port"]
        self.assertIn(WELCOME, text_of(Endpoint(host, port)))
        return {"bridge_ip": network["IPAddress"], "gateway_ip": network["Gateway"], "": host}

    @needs_bridge
    def test_by_environment_variable(self) -> None:
        """TESTCONTAINERS_CONNECTION_MODE chooses by which address the first block is reached."""
        for mode in ConnectionMode:
            with self.subTest(mode=mode), environment(TESTCONTAINERS_CONNECTION_MODE=mode):
                found = self.addresses()
                self.assertEqual(found.get(mode, "127.0.0.1"), found[""])

    @needs_bridge
    def test_by_property(self) -> None:
        """The property connection.mode does the same; bridge_ip is the default without it."""
        for mode in (None, *ConnectionMode):
            with self.subTest(mode=mode), tempfile.TemporaryDirectory() as home:
                if mode:
                    properties = Path(home, ".testcontainers.properties")
                    properties.write_text(f"connection.mode = {mode}\n")
                with environment(HOME=home, DOCKER_HOST=engine().url):
                    found = self.addresses()
                self.assertEqual(found.get(mode or "bridge_ip", "127.0.0.1"), found[""])
