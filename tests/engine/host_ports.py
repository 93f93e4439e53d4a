"""What containers reach of servers in the test process, wherever their engine is."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any

from tcunit import DockerContainer, Network, expose_host_port
from tcunit._docker import Engine
from tests.engine.helpers import sleeper

HOST = "host.testcontainers.internal"


class Page(http.server.BaseHTTPRequestHandler):
    """A server that says who has asked."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"hello {self.headers['Host']}\n".encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(address: str = "127.0.0.1", port: int = 0, kind: type[Page] = Page) -> Iterator[int]:
    """A web server in this process; its port."""
    with http.server.ThreadingHTTPServer((address, port), kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def fetch(container: DockerContainer, port: int, host: str = HOST) -> str:
    """What a container gets from a web server: the page, or what went wrong."""
    done = container.exec(["wget", "-O-", f"http://{host}:{port}/"])
    return (done.stderr if done.exit_code else done.stdout).decode().strip()


def relays() -> list[str]:
    """The threads of relays, and of what a tunnel serves."""
    names = [each.name for each in threading.enumerate()]
    return [each for each in names if each in ("tcunit-relay", "tcunit-tunnel-call")]


class EachKindOfNetwork:
    """Containers on each kind of network, and what they can rely on wherever the engine is."""

    backend = Network()
    inner = Network(internal=True)
    on_default = sleeper().with_host_port_access()
    on_network = sleeper().with_network(backend).with_host_port_access()
    on_internal = sleeper().with_network(inner).with_host_port_access()
    on_both = sleeper().with_network(inner).with_network(backend).with_host_port_access()
    on_host = sleeper().with_network_mode("host").with_host_port_access()
    sharing = sleeper().with_network_mode(on_network)
    without = sleeper().with_network(backend)

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(lambda: self.assertEqual([], relays()))
        self.port = self.enterContext(serving())

    def test_from_everywhere(self) -> None:
        """It is reached from each of them by the one name, also without a way to the outside."""
        with expose_host_port(self.port) as endpoint:
            self.assertEqual((HOST, self.port), endpoint)
            for container in (
                self.on_default, self.on_network, self.on_internal, self.on_both, self.on_host,
                self.sharing,
            ):  # fmt: skip
                with self.subTest(container=container.label):
                    self.assertEqual(f"hello {endpoint}", fetch(container, self.port))

    def test_twice(self) -> None:
        """What two have exposed is there until both have ended."""
        first, second = expose_host_port(self.port), expose_host_port(self.port)
        first.close()
        first.close()
        self.assertIn("hello", fetch(self.on_network, self.port))
        second.close()
        self.assertIn("refused", fetch(self.on_network, self.port))

    def test_name_without_being_asked(self) -> None:
        """A container that did not ask for it does not know the name."""
        with expose_host_port(self.port):
            self.assertIn("bad address", fetch(self.without, self.port))

    def test_much_at_once(self) -> None:
        """Many connections are served side by side."""
        with expose_host_port(self.port):
            script = (
                f"for i in $(seq 20); do wget -O- http://{HOST}:{self.port}/ && echo & done; wait"
            )
            done = self.on_internal.exec(["sh", "-c", script])
        self.assertEqual(20, done.output.count(b"hello"), done.output)


def start_stranger(on: Engine, network: str) -> str:
    """Start a container that is not ours on a network; returns its id."""
    api = on.client.api
    stranger: str = api.create_container(
        "tcunit.local/alpine", ["sleep", "300"],
        host_config=api.create_host_config(network_mode=network),
    )["Id"]  # fmt: skip
    on.start(stranger)
    return stranger
