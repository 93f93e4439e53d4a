"""Ports on a real engine: one endpoint from one binding, and nobody else's interface used."""

from __future__ import annotations

import http.client
import random
import socket
import unittest
from typing import Any

from parameterized import parameterized

from tcunit import ConnectionMode, ContainerTestCase, DockerContainer, Network, wait
from tcunit.connection import Binding, Endpoint
from tcunit.errors import PortError, StartError
from tcunit.facts import interface_address
from tcunit.ports import Port

from .helpers import (
    EngineTest,
    engine,
    free_port,
    listening_on,
    needs_bridge,
    page,
    python,
    until,
    web_server,
)

MODES = list(ConnectionMode)
HTTP = Port(80)
ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 5353))
print("ready", flush=True)
while True:
    text, sender = server.recvfrom(2048)
    server.sendto(b"echo " + text, sender)
"""


def bindings(container: DockerContainer, port: Port = HTTP) -> dict[str, int]:
    """The engine's word on where a port is published: host port by host address."""
    found = container.running.refresh()["NetworkSettings"]["Ports"][str(port)]
    return {each["HostIp"]: int(each["HostPort"]) for each in found}


def gateways() -> set[str]:
    """The addresses of all bridges of the engine."""
    networks = engine().client.api.networks()
    pools = [pool for each in networks for pool in each["IPAM"]["Config"] or ()]
    named = {pool["Gateway"] for pool in pools if "Gateway" in pool}
    return named | {interface_address("docker0")}


def refused(endpoint: Endpoint) -> bool:
    """Whether nobody listens at an address of this machine."""
    try:
        socket.create_connection(endpoint, 2).close()
    except ConnectionRefusedError:
        return True
    return False


def has_ipv6() -> bool:
    """Whether this machine's loopback has its IPv6 address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@needs_bridge
class PublishedTest(EngineTest, ContainerTestCase):
    """Where published ports listen."""

    backend = Network()
    web = DockerContainer("nginx:alpine").with_network(backend).with_exposed_ports(80)
    plain = DockerContainer("nginx:alpine").with_exposed_ports(80)
    wide = (
        DockerContainer("nginx:alpine")
        .with_network(backend)
        .with_exposed_ports(80)
        .with_ports_on_all_interfaces()
    )

    def test_one_endpoint_from_one_binding(self) -> None:
        """In each mode host and port belong together, and a page comes from there."""
        for container in (self.web, self.plain, self.wide):
            facts, known = container.running.facts(), bindings(container)
            for mode, host in [("gateway_ip", facts.gateway), ("docker_host", "127.0.0.1")]:
                with self.subTest(container=container.label, mode=mode):
                    port = known.get(host) or known["0.0.0.0"]
                    self.assertEqual((host, port), container.endpoint(80, mode))
            self.assertEqual((facts.ip, 80), container.endpoint(80, "bridge_ip"))
            for mode in MODES:
                with self.subTest(container=container.label, mode=mode):
                    self.assertEqual(200, page(container.endpoint(80, mode)))

    def test_the_default_uses_nobody_elses_interface(self) -> None:
        """The kernel's list of sockets has loopback and the network's gateway, no other."""
        wide = bindings(self.wide)
        for container in (self.web, self.plain):
            with self.subTest(container=container.label):
                gateway = container.running.facts().gateway
                known = bindings(container)
                self.assertEqual({"127.0.0.1", gateway}, set(known))
                for host, port in known.items():
                    listening = listening_on(port)
                    self.assertIn(host, listening)
                    # Somebody else's container may have the same port on another bridge, or on all.
                    others = {each for each, number in wide.items() if number == port}
                    self.assertLessEqual(listening, {"127.0.0.1", *gateways(), *others})

    def test_several_addresses(self) -> None:
        """Loopback and gateway have a port each; where nobody has the other's, it is refused."""
        (first, port), (second, other) = bindings(self.web).items()
        for endpoint in (Endpoint(first, other), Endpoint(second, port)):
            self.assertEqual(not self.is_taken(endpoint), refused(endpoint))

    def is_taken(self, endpoint: Endpoint) -> bool:
        """Whether one of the containers has it: a newer engine counts ports for each address."""
        known = [
            pair for each in (self.web, self.plain, self.wide) for pair in bindings(each).items()
        ]
        return (endpoint.host, endpoint.port) in known or ("0.0.0.0", endpoint.port) in known

    def test_all_interfaces(self) -> None:
        """Asked for, a port listens everywhere; IPv4 is looked up by IPv4's host port."""
        known = bindings(self.wide)
        self.assertLessEqual(set(known), {"0.0.0.0", "::"})
        self.assertEqual(known["0.0.0.0"], self.wide.mapped_port(80))
        self.assertIn("0.0.0.0", listening_on(known["0.0.0.0"]))

    @unittest.skipUnless(has_ipv6(), "this machine's loopback has no ::1")
    def test_ipv6_has_a_host_port_of_its_own(self) -> None:
        """The IPv6 port answers at ``::1``; where it is another one, not at 127.0.0.1."""
        known = bindings(self.wide)
        if "::" not in known:
            self.skipTest("the engine publishes on IPv4 alone")
        self.assertEqual(200, page(Endpoint("::1", known["::"])))
        by_ipv4 = Endpoint("127.0.0.1", known["::"])
        self.assertEqual(not self.is_taken(by_ipv4), refused(by_ipv4))
        facts = [Binding(host, port) for host, port in known.items()]
        self.assertEqual(facts, self.wide.running.facts().of(HTTP))

    def test_explained(self) -> None:
        """Where ports listen is explained."""
        words = "published ports listen on: loopback and the network's gateway"
        self.assertIn(words, self.web.explain(80))


@needs_bridge
class FixedPortTest(EngineTest):
    """Ports of the host that the user chooses."""

    def test_fixed(self) -> None:
        """A fixed port is taken on loopback and on the gateway, and nowhere else."""
        number = free_port()
        web = self.running(DockerContainer("nginx:alpine").with_bind_ports(80, number))
        gateway = web.running.facts().gateway
        self.assertEqual({"127.0.0.1", gateway}, listening_on(number))
        self.assertEqual(number, web.mapped_port(80))
        for mode in ("gateway_ip", "docker_host"):
            self.assertEqual(number, web.endpoint(80, mode).port)
            self.assertEqual(200, page(web.endpoint(80, mode)))

    def test_closed_after_the_end(self) -> None:
        """Nothing listens when the container is gone."""
        web = self.running(DockerContainer("nginx:alpine").with_exposed_ports(80))
        known = bindings(web).items()
        web.stop()
        until(
            lambda: not any(host in listening_on(port) for host, port in known),
            "the ports to be closed",
        )


class ProtocolTest(EngineTest):
    """UDP and SCTP, and what is no port."""

    @needs_bridge
    def test_udp(self) -> None:
        """A datagram comes back in each mode."""
        echo = self.running(
            DockerContainer("python:3.11-slim")
            .with_command(["python", "-c", ECHO])
            .with_exposed_ports("5353/udp")
            .waiting_for(wait.for_log("ready"))
        )
        for mode in MODES:
            with self.subTest(mode=mode), socket.socket(type=socket.SOCK_DGRAM) as probe:
                probe.settimeout(5)
                probe.connect(echo.endpoint("5353/udp", mode))
                probe.send(b"tea")
                self.assertEqual(b"echo tea", probe.recv(64))
        self.assertEqual(5353, echo.endpoint("5353/udp", "bridge_ip").port)

    def test_one_number_two_protocols(self) -> None:
        """TCP and UDP ports of one number have host ports of their own."""
        both = self.running(
            web_server(5353).with_exposed_ports(5353, "5353/udp").waiting_for(wait.for_port(5353))
        )
        tcp, udp = both.mapped_port(5353), both.mapped_port("5353/udp")
        self.assertEqual(bindings(both, Port(5353))["127.0.0.1"], tcp)
        self.assertEqual(bindings(both, Port(5353, "udp"))["127.0.0.1"], udp)

    def test_sctp(self) -> None:
        """SCTP is published where the kernel has it; where not, the error says so."""
        sleeper = DockerContainer("alpine").with_command("sleep 300").with_exposed_ports("7/sctp")
        self.addCleanup(sleeper.stop)
        sleeper.waiting_for(wait.for_running())
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
        except OSError:
            with self.assertRaisesRegex(StartError, "protocol not supported.* no SCTP"):
                sleeper.start()
        else:
            self.assertGreater(sleeper.start().mapped_port("7/sctp"), 0)

    @parameterized.expand([("8000-8010",), ("8000-8010/udp",)])
    def test_ranges(self, text: str) -> None:
        """A range is refused with the reason, before anything is created."""
        for method in ("with_exposed_ports", "with_bind_ports"):
            with self.subTest(method=method), self.assertRaisesRegex(PortError, "is a range of"):
                getattr(DockerContainer("alpine"), method)(text)


@needs_bridge
class ChangeTest(EngineTest):
    """Ports and addresses that change."""

    def test_restart(self) -> None:
        """After a restart the endpoints are read anew."""
        web = self.running(DockerContainer("nginx:alpine").with_exposed_ports(80))
        web.get_wrapped_container().restart(timeout=5)
        known = bindings(web)  # refreshes
        for mode in ("gateway_ip", "docker_host"):
            host, port = web.endpoint(80, mode)
            self.assertEqual(known[host], port)
        for mode in MODES:
            with self.subTest(mode=mode):
                until(lambda m=mode: self.answers(web, m), "the page")

    def answers(self, web: DockerContainer, mode: Any) -> bool:
        """Whether the page comes."""
        try:
            return page(web.endpoint(80, mode)) == 200
        except (OSError, http.client.HTTPException):
            return False

    def test_late_mappings(self) -> None:
        """A mapping that the engine shows only later is waited for."""
        web = self.running(DockerContainer("nginx:alpine").with_exposed_ports(80))
        early = {**web.running.info, "NetworkSettings": {"Networks": {}, "Ports": {}}}
        web.running.info = early
        self.assertEqual(bindings(web)["127.0.0.1"], web.mapped_port(80))


@needs_bridge
class NetworksTest(EngineTest, ContainerTestCase):
    """Several networks, none of its own, and IPv6."""

    first, second = Network(), Network()
    both = DockerContainer("nginx:alpine").with_network(first).with_network(second)
    both.with_exposed_ports(80)
    six = Network(enable_ipv6=True, subnet=f"fd00:{random.randrange(1 << 16):x}:7c::/64")
    dual = web_server(80, "::").with_network(six).with_exposed_ports(80)

    def test_the_first_declared(self) -> None:
        """Of several networks, none of them shared, the first declared is looked up."""
        on = self.both.running.info["NetworkSettings"]["Networks"]
        self.assertEqual({self.first.name, self.second.name}, set(on))
        own = on[self.first.name]["IPAddress"]
        self.assertEqual((own, 80), self.both.endpoint(80, "bridge_ip"))
        self.assertEqual(self.first.gateway, self.both.endpoint(80, "gateway_ip").host)
        for mode in MODES:
            with self.subTest(mode=mode):
                self.assertEqual(200, page(self.both.endpoint(80, mode)))

    def test_a_network_with_both_families(self) -> None:
        """With IPv6 all modes work by IPv4, and the IPv6 address is there besides."""
        for mode in MODES:
            with self.subTest(mode=mode):
                endpoint = self.dual.endpoint(80, mode)
                self.assertNotIn(":", endpoint.host)
                self.assertEqual(200, page(endpoint))
        found = self.dual.running.info["NetworkSettings"]["Networks"][self.six.name]
        self.assertEqual(200, page(Endpoint(found["GlobalIPv6Address"], 80)))
        for host, port in bindings(self.dual).items():
            self.assertIn(host, ("127.0.0.1", self.six.gateway))
            # Somebody else's container may have the same port on another bridge.
            self.assertLessEqual(listening_on(port), {"127.0.0.1", *gateways()})


@needs_bridge
class HostNetworkTest(EngineTest):
    """A container on the network of its host."""

    def test_each_mode(self) -> None:
        """The port is unchanged, and the host is this machine, in every mode."""
        number = free_port()
        web = web_server(number, "127.0.0.1").with_network_mode("host")
        self.running(web.waiting_for(wait.for_port(number)))
        for mode in MODES:
            with self.subTest(mode=mode):
                self.assertEqual(("127.0.0.1", number), web.endpoint(number, mode))
                self.assertEqual(200, page(web.endpoint(number, mode)))
                self.assertIsNone(web.running.why_not(mode))
        self.assertEqual(number, web.mapped_port(number))
        self.assertIn("on the host's network", web.explain(number))


class RemovedTest(EngineTest):
    """What is gone has no address."""

    def test_after_the_end_of_the_process(self) -> None:
        """A process that ends in order leaves no port open."""
        script = """
from tcunit import DockerContainer
web = DockerContainer("nginx:alpine").with_exposed_ports(80).start()
print(web.mapped_port(80))
"""
        with python(script, TCUNIT_REAPERS="guard") as process:
            out, err = process.communicate(timeout=60)
        self.assertEqual("", err)
        until(lambda: "127.0.0.1" not in listening_on(int(out)), "the port to be closed")
