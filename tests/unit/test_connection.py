"""The resolver: facts in, address and reason out."""

from __future__ import annotations

import unittest
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tcunit.connection import (
    RULES,
    Binding,
    ConnectionMode,
    ContainerFacts,
    Decision,
    Endpoint,
    EngineFacts,
    NetworkFacts,
    Wish,
    decide,
    docker_host,
    endpoint,
    explained,
    host_address,
    listen_addresses,
    mode_in_use,
    using_connection_mode,
    why_not,
)
from tcunit.errors import NoAddress, SettingError
from tcunit.ports import Port

BRIDGE, GATEWAY, HOST = ConnectionMode
LOCAL = EngineFacts("unix")
REMOTE = EngineFacts("tcp", "docker.example")
INSIDE = LOCAL._replace(own_container="c0ffee" * 10)
DESKTOP = LOCAL._replace(is_desktop=True)
ROOTLESS = LOCAL._replace(is_rootless=True)
NETWORK = NetworkFacts("shop", "1" * 64, "172.20.0.1", "br-111111111111")
HERE = NETWORK._replace(bridge_here=True)
SHARED = NETWORK._replace(is_shared=True)
PORT = Port(80)
BRIDGE_HERE, NETWORK_SHARED, IN_CONTAINER, OTHERWISE = (name for name, *_ in RULES)


def container(*bindings: tuple[str, int], **facts: Any) -> ContainerFacts:
    """A container with an address, whose port 80 is published at some addresses."""
    pairs = tuple((PORT, Binding(*each)) for each in bindings)
    return ContainerFacts("web", **{"ip": "172.20.0.2", "gateway": "172.20.0.1", **facts}, bindings=pairs)  # fmt: skip # noqa: E501


class ConnectionModeTest(unittest.TestCase):
    """Reading a mode."""

    def test_every_mode_in_every_case(self) -> None:
        """The value of a mode is read in capitals, too, and a mode is read as itself."""
        for mode in ConnectionMode:
            for text in (mode, mode.value, mode.value.upper(), mode.value.title()):
                with self.subTest(text=text):
                    self.assertIs(mode, ConnectionMode.parse(text, "here"))

    def test_wrong_ones(self) -> None:
        """The error names the source, the value, what is allowed, and the nearest if one is."""
        allowed = "allowed are bridge_ip, gateway_ip, docker_host"
        wrong: list[tuple[Any, str]] = [
            ("bridge", f"here has the value 'bridge' (did you mean 'bridge_ip'?): {allowed}"),
            (
                "docker-host",
                f"here has the value 'docker-host' (did you mean 'docker_host'?): {allowed}",
            ),
            ("xyz", f"here has the value 'xyz': {allowed}"),
            (5, f"here has the value 5: {allowed}"),
        ]
        for value, expected in wrong:
            with self.subTest(value=value):
                with self.assertRaises(SettingError) as caught:
                    ConnectionMode.parse(value, "here")
                self.assertEqual(expected, str(caught.exception))


class EndpointTextTest(unittest.TestCase):
    """An endpoint in a URL."""

    def test_text(self) -> None:
        """A host and a port with a colon; an IPv6 address in brackets."""
        for expected, host in [("a:80", "a"), ("1.2.3.4:80", "1.2.3.4"), ("[::1]:80", "::1")]:
            with self.subTest(host=host):
                self.assertEqual(expected, str(Endpoint(host, 80)))

    def test_it_unpacks(self) -> None:
        """``host, port = …`` works."""
        host, port = Endpoint("a", 80)
        self.assertEqual(("a", 80), (host, port))


class DecideTest(unittest.TestCase):
    """Which mode, by which rule."""

    def assert_decides(
        self, mode: ConnectionMode, rule: str, engine: EngineFacts, network: NetworkFacts | None
    ) -> Decision:
        decision = decide([], engine, network)
        self.assertEqual((mode, rule), (decision.mode, decision.rule))
        return decision

    def test_the_first_wish_wins(self) -> None:
        """Argument, test case and setting are asked in turn; an empty one is none."""
        sources = ("the argument", "the case", "the setting")
        for modes, mode, source in [
            (("docker_host", "gateway_ip", "bridge_ip"), HOST, "the argument"),
            ((None, "gateway_ip", "bridge_ip"), GATEWAY, "the case"),
            ((None, None, "bridge_ip"), BRIDGE, "the setting"),
            (("", "", "docker_host"), HOST, "the setting"),
        ]:
            with self.subTest(modes=modes):
                decision = decide([*map(Wish, modes, sources)], LOCAL, HERE)
                self.assertIs(mode, decision.mode)
                self.assertIn(source, (decision.rule, decision.reason))

    def test_a_wish_wins_over_any_fact(self) -> None:
        """What somebody asked for holds, even where the facts say it cannot work."""
        for engine in (LOCAL, REMOTE, INSIDE, DESKTOP, ROOTLESS):
            for network in (None, NETWORK, HERE, SHARED):
                for mode in ConnectionMode:
                    with self.subTest(engine=engine, network=network, mode=mode):
                        self.assertEqual(mode, decide([Wish(mode, "x")], engine, network).mode)

    def test_a_wrong_wish_names_its_source(self) -> None:
        """It is an error, and never passed over for the next one."""
        with self.assertRaisesRegex(SettingError, "^the case has the value 'nonsense'"):
            decide([Wish("nonsense", "the case"), Wish("bridge_ip", "the setting")], LOCAL, HERE)

    def test_no_wishes(self) -> None:
        """Where all wishes are empty, the facts decide, and the wishes are told as passed over."""
        decision = decide([Wish(None, "a"), Wish("", "b")], LOCAL, HERE)
        self.assertEqual(BRIDGE_HERE, decision.rule)
        self.assertEqual((("a", "not set"), ("b", "not set")), decision.passed)

    def test_what_was_passed_over_is_told(self) -> None:
        """Every earlier wish and rule is named in its order, each with a reason."""
        decision = decide([Wish(None, "the argument")], LOCAL, NETWORK)
        self.assertEqual(OTHERWISE, decision.rule)
        passed = [name for name, _ in decision.passed]
        self.assertEqual(["the argument", BRIDGE_HERE, NETWORK_SHARED, IN_CONTAINER], passed)
        self.assertTrue(all(reason for _, reason in decision.passed))

    def test_bridge_here(self) -> None:
        """A bridge of this engine in our network namespace: the container's own address."""
        for engine in (LOCAL, REMOTE, INSIDE):
            with self.subTest(engine=engine):
                found = self.assert_decides(BRIDGE, BRIDGE_HERE, engine, HERE)
                self.assertIn("br-111111111111, the bridge of shop, is here", found.reason)

    def test_no_bridge_of_a_machine_within(self) -> None:
        """A bridge here cannot be that of Desktop's or a rootless engine's network."""
        for engine, reason in [(DESKTOP, "Desktop"), (ROOTLESS, "rootless")]:
            with self.subTest(engine=engine):
                found = self.assert_decides(HOST, OTHERWISE, engine, HERE)
                self.assertIn(reason, dict(found.passed)[BRIDGE_HERE])

    def test_shared_network(self) -> None:
        """Our own container is on that network: the container's own address, on every engine."""
        for engine in (
            INSIDE,
            REMOTE._replace(own_container="a" * 64),
            INSIDE._replace(is_desktop=True),
        ):
            with self.subTest(engine=engine):
                found = self.assert_decides(BRIDGE, NETWORK_SHARED, engine, SHARED)
                self.assertIn("our own container is on the network shop", found.reason)

    def test_bridge_here_before_shared_network(self) -> None:
        """Where both hold, the bridge is the reason."""
        self.assert_decides(BRIDGE, BRIDGE_HERE, INSIDE, HERE._replace(is_shared=True))

    def test_in_a_container(self) -> None:
        """Inside a container that talks to its host's engine: the network's gateway."""
        for network in (None, NETWORK):
            with self.subTest(network=network):
                found = self.assert_decides(GATEWAY, IN_CONTAINER, INSIDE, network)
                self.assertIn("we run in the container c0ffeec0ffee ", found.reason)

    def test_shared_network_before_in_a_container(self) -> None:
        """A network that we are on wins over the gateway."""
        self.assert_decides(BRIDGE, NETWORK_SHARED, INSIDE, SHARED)

    def test_in_a_container_before_otherwise(self) -> None:
        """Inside a container of Desktop or of a rootless engine, no gateway publishes anything."""
        self.assert_decides(HOST, OTHERWISE, INSIDE._replace(is_desktop=True), HERE)
        self.assert_decides(HOST, OTHERWISE, INSIDE._replace(is_rootless=True), HERE)

    def test_the_host_of_desktop(self) -> None:
        """A container of Docker Desktop knows its host by a name."""
        inside = INSIDE._replace(is_desktop=True)
        self.assertEqual("host.docker.internal", docker_host(inside, "172.18.0.1"))

    def test_remote_engine(self) -> None:
        """An engine elsewhere: its host, also from inside a container of it."""
        for engine in (REMOTE, REMOTE._replace(own_container="a" * 64)):
            with self.subTest(engine=engine):
                found = self.assert_decides(HOST, OTHERWISE, engine, NETWORK)
                self.assertRegex(found.reason, r"docker\.example.*tcp|tcp.*docker\.example")

    def test_nothing_is_known(self) -> None:
        """A local engine whose bridge is not here: the host."""
        for network in (None, NETWORK):
            with self.subTest(network=network):
                self.assert_decides(HOST, OTHERWISE, LOCAL, network)

    def test_an_address_alone_proves_nothing(self) -> None:
        """A network with a gateway and a bridge that was not seen here is not taken for ours."""
        docker0 = NetworkFacts("bridge", "2" * 64, "172.17.0.1", "docker0", bridge_here=False)
        self.assert_decides(HOST, OTHERWISE, LOCAL, docker0)


class WhyNotTest(unittest.TestCase):
    """Modes that cannot work from here."""

    def test_the_chosen_mode_can_work(self) -> None:
        """What the facts choose is never said to be impossible."""
        inside_remote = REMOTE._replace(own_container="a" * 64)
        for engine in (LOCAL, REMOTE, INSIDE, DESKTOP, ROOTLESS):
            for network in (None, NETWORK, HERE, SHARED):
                if engine is REMOTE and network is SHARED:
                    engine = inside_remote
                with self.subTest(engine=engine, network=network):
                    mode = decide([], engine, network).mode
                    self.assertIsNone(why_not(mode, engine, network))

    def test_what_cannot_work(self) -> None:
        """The reason names what is missing."""
        for mode, engine, network, reason in [
            (BRIDGE, LOCAL, NETWORK, "no interface here is br-111111111111"),
            (BRIDGE, DESKTOP, HERE, "Docker Desktop"),
            (BRIDGE, ROOTLESS, HERE, "rootless"),
            (BRIDGE, INSIDE, NETWORK, "another network"),
            (GATEWAY, REMOTE, NETWORK, "no container of this engine"),
            (GATEWAY, DESKTOP, HERE, "Docker Desktop"),
            (GATEWAY, INSIDE, NETWORK._replace(gateway=""), "no gateway"),
            (GATEWAY, INSIDE._replace(is_isolated=True), NETWORK, "on no network"),
            (HOST, LOCAL, HERE._replace(is_internal=True), "internal"),
        ]:
            with self.subTest(mode=mode, engine=engine, network=network):
                self.assertIn(reason, why_not(mode, engine, network) or "")


class UsingConnectionModeTest(unittest.TestCase):
    """A mode for a while."""

    def test_it_holds_within_only(self) -> None:
        """It is in use inside, the inner one first, and gone after an error, too."""
        self.assertIsNone(mode_in_use())
        with self.assertRaises(ZeroDivisionError), using_connection_mode("docker_host"):
            self.assertIs(HOST, mode_in_use())
            with using_connection_mode(GATEWAY):
                self.assertIs(GATEWAY, mode_in_use())
            self.assertIs(HOST, mode_in_use())
            raise ZeroDivisionError
        self.assertIsNone(mode_in_use())

    def test_it_is_read_like_a_setting(self) -> None:
        """Capitals do; a wrong value is an error that names the call, and changes nothing."""
        with using_connection_mode("BRIDGE_IP") as mode:
            self.assertEqual([BRIDGE, BRIDGE], [mode, mode_in_use()])
        with (
            self.assertRaisesRegex(SettingError, r"^using_connection_mode\(\) has the value 'x'"),
            using_connection_mode("x"),
        ):
            self.fail("it was opened")
        self.assertIsNone(mode_in_use())


class ExplainedTest(unittest.TestCase):
    """What ``explain()`` prints."""

    def test_it_has_the_rule_and_the_facts(self) -> None:
        """The answer, the rule that won, each that did not, and every fact are in it."""
        facts = container(("127.0.0.1", 1001))
        decision = decide([Wish(None, "the argument")], INSIDE, NETWORK)
        text = explained("web:80", decision, INSIDE, NETWORK, facts)
        words = [
            "web:80", "gateway_ip", decision.rule, decision.reason, "the argument: not set",
            *(f"{rule}: {reason}" for rule, reason in decision.passed), "reached by unix",
            "c0ffeec0ffee", "shop", "172.20.0.1", "br-111111111111", "172.20.0.2",
            "80/tcp on 127.0.0.1:1001", listen_addresses(INSIDE, NETWORK)[1],
        ]  # fmt: skip
        self.assertEqual([], [word for word in words if word not in text])

    def test_on_the_hosts_network(self) -> None:
        """A container without a network of its own is told as that."""
        facts = container(on_host_network=True)
        text = explained("web", decide([], LOCAL, None), LOCAL, None, facts)
        self.assertIn("on the host's network", text)


class HostTest(unittest.TestCase):
    """The host half of an endpoint."""

    def test_docker_host(self) -> None:
        """The override; else the URL's host; else loopback, or the gateway inside a container."""
        for expected, engine, gateway in [
            ("127.0.0.1", LOCAL, "172.20.0.1"),
            ("127.0.0.1", EngineFacts("npipe"), ""),
            ("172.20.0.1", INSIDE, "172.20.0.1"),
            ("127.0.0.1", INSIDE, ""),
            ("docker.example", REMOTE, "172.20.0.1"),
            ("docker.example", REMOTE._replace(own_container="a"), "172.20.0.1"),
            ("box", EngineFacts("ssh", "box"), ""),
            ("over", LOCAL._replace(host_override="over"), "172.20.0.1"),
            ("over", REMOTE._replace(host_override="over"), ""),
            ("over", INSIDE._replace(host_override="over"), "172.20.0.1"),
        ]:
            with self.subTest(engine=engine, gateway=gateway):
                self.assertEqual(expected, docker_host(engine, gateway))

    def test_each_mode(self) -> None:
        """The container's address, its gateway's, the host's."""
        actual = [host_address(mode, LOCAL, container()) for mode in ConnectionMode]
        self.assertEqual(["172.20.0.2", "172.20.0.1", "127.0.0.1"], actual)

    def test_host_network(self) -> None:
        """On the host's network a container has the host's address in every mode."""
        on_host = container(ip="", gateway="", on_host_network=True)
        for mode in ConnectionMode:
            for engine, expected in [(LOCAL, "127.0.0.1"), (REMOTE, "docker.example")]:
                with self.subTest(mode=mode, engine=engine.kind):
                    self.assertEqual(expected, host_address(mode, engine, on_host))

    def test_no_address(self) -> None:
        """The error names container, mode and reason, and says which ways are left."""
        for mode, facts, reason in [
            (BRIDGE, container(ip=""), "it is on no network with addresses"),
            (GATEWAY, container(gateway=""), "its network has no gateway"),
        ]:
            with self.subTest(mode=mode), self.assertRaises(NoAddress) as caught:
                host_address(mode, LOCAL, facts)
            expected = (
                f"web has no address in connection mode {mode.value}: {reason}. Choose another "
                f"mode (connection_mode, TESTCONTAINERS_CONNECTION_MODE), or publish the port "
                f"with with_exposed_ports()."
            )
            self.assertEqual(expected, str(caught.exception))


class EndpointTest(unittest.TestCase):
    """Both halves of an endpoint come from one binding."""

    def assert_endpoint(
        self, expected: tuple[str, int], mode: ConnectionMode, engine: EngineFacts, facts: ContainerFacts  # noqa: E501
    ) -> None:  # fmt: skip
        self.assertEqual(Endpoint(*expected), endpoint(mode, engine, facts, PORT))

    def test_bridge_ip_is_the_containers_own_port(self) -> None:
        """Published or not, it is the container's address and its own port."""
        for facts in (container(), container(("127.0.0.1", 32768))):
            self.assert_endpoint(("172.20.0.2", 80), BRIDGE, LOCAL, facts)

    def test_several_host_addresses(self) -> None:
        """Each host address has a port of its own, and the one of the chosen host counts."""
        facts = container(("127.0.0.1", 1001), ("172.20.0.1", 1002))
        self.assert_endpoint(("127.0.0.1", 1001), HOST, LOCAL, facts)
        self.assert_endpoint(("172.20.0.1", 1002), GATEWAY, LOCAL, facts)
        self.assert_endpoint(("172.20.0.1", 1002), HOST, INSIDE, facts)

    def test_an_exact_address_before_all_interfaces(self) -> None:
        """What listens on the very address is taken, wherever it stands in the list."""
        for facts in (
            container(("0.0.0.0", 1001), ("127.0.0.1", 1002)),
            container(("127.0.0.1", 1002), ("0.0.0.0", 1001)),
            container(("", 1001), ("127.0.0.1", 1002)),
        ):
            with self.subTest(bindings=facts.bindings):
                self.assert_endpoint(("127.0.0.1", 1002), HOST, LOCAL, facts)
                self.assert_endpoint(("172.20.0.1", 1001), GATEWAY, LOCAL, facts)

    def test_ipv4_and_ipv6_with_different_ports(self) -> None:
        """An IPv4 host gets the IPv4 port and an IPv6 host the IPv6 port, in any order."""
        six = REMOTE._replace(hostname="2001:db8::5")
        for facts in (
            container(("0.0.0.0", 1004), ("::", 1006)),
            container(("::", 1006), ("0.0.0.0", 1004)),
        ):
            with self.subTest(bindings=facts.bindings):
                self.assert_endpoint(("127.0.0.1", 1004), HOST, LOCAL, facts)
                self.assert_endpoint(("172.20.0.1", 1004), GATEWAY, LOCAL, facts)
                self.assert_endpoint(("2001:db8::5", 1006), HOST, six, facts)
                self.assert_endpoint(("docker.example", 1004), HOST, REMOTE, facts)

    def test_ipv6_alone(self) -> None:
        """What is published on IPv6 only is reached at IPv6's loopback."""
        self.assert_endpoint(("::1", 1006), HOST, LOCAL, container(("::", 1006)))

    def test_a_host_by_name(self) -> None:
        """A name may mean any address: all interfaces first, else the first that is published."""
        facts = container(("10.0.0.1", 1001), ("0.0.0.0", 1002))
        self.assert_endpoint(("docker.example", 1002), HOST, REMOTE, facts)
        facts = container(("10.0.0.1", 1001), ("10.0.0.2", 1003))
        self.assert_endpoint(("docker.example", 1001), HOST, REMOTE, facts)

    def test_host_override(self) -> None:
        """The override is the host, with the port that listens there."""
        over = LOCAL._replace(host_override="host.docker.internal")
        self.assert_endpoint(
            ("host.docker.internal", 1001), HOST, over, container(("0.0.0.0", 1001))
        )

    def test_host_network(self) -> None:
        """On the host's network it is the container's own port in every mode."""
        for mode in ConnectionMode:
            self.assert_endpoint(("127.0.0.1", 80), mode, LOCAL, container(on_host_network=True))

    def test_the_protocol_counts(self) -> None:
        """A mapping of 80/tcp is none of 80/udp."""
        facts = container(("127.0.0.1", 1001))
        with self.assertRaisesRegex(NoAddress, "port 80/udp is not published"):
            endpoint(HOST, LOCAL, facts, Port(80, "udp"))

    def test_not_published(self) -> None:
        """Without a mapping there is an address in bridge_ip only."""
        for mode in (GATEWAY, HOST):
            with self.subTest(mode=mode):
                expected = f"web has no address in connection mode {mode.value}: port 80/tcp is not published"  # noqa: E501
                with self.assertRaisesRegex(NoAddress, expected):
                    endpoint(mode, LOCAL, container(), PORT)

    def test_published_elsewhere(self) -> None:
        """The error lists where it listens instead."""
        facts = container(("127.0.0.1", 1001), ("10.0.0.1", 1002))
        expected = "port 80/tcp is published on 127.0.0.1, 10.0.0.1, which 172.20.0.1 is not"
        with self.assertRaisesRegex(NoAddress, expected):
            endpoint(GATEWAY, LOCAL, facts, PORT)

    @given(
        st.lists(
            st.sampled_from(["", "0.0.0.0", "127.0.0.1", "172.20.0.1", "::", "10.0.0.1"]),
            unique=True,
        ),
        st.sampled_from(ConnectionMode),
        st.sampled_from([LOCAL, REMOTE, INSIDE, DESKTOP]),
    )
    def test_host_and_port_belong_together(
        self, addresses: list[str], mode: ConnectionMode, engine: EngineFacts
    ) -> None:
        """Whatever is published: never a host with a port that listens on another address."""
        facts = container(*((address, 1000 + n) for n, address in enumerate(addresses)))
        try:
            host, port = endpoint(mode, engine, facts, PORT)
        except NoAddress:
            return
        if mode is BRIDGE:
            self.assertEqual(("172.20.0.2", 80), (host, port))
        elif host != "docker.example":
            self.assertIn(addresses[port - 1000], (host, "", "0.0.0.0", "::"))

    def test_own_listen_addresses_fit_every_mode(self) -> None:
        """Ports published where ``listen_addresses`` says are found in the mode of the facts."""
        for engine in (LOCAL, INSIDE, REMOTE, LOCAL._replace(host_override="over")):
            for network in (NETWORK, HERE):
                with self.subTest(engine=engine, network=network):
                    addresses, _ = listen_addresses(engine, network)
                    facts = container(*((each, 1000 + n) for n, each in enumerate(addresses)))
                    found = endpoint(HOST, engine, facts, PORT)
                    self.assertEqual(docker_host(engine, facts.gateway), found.host)
                    decision = decide([], engine, network)
                    self.assertIn(
                        endpoint(decision.mode, engine, facts, PORT).port, (80, 1000, 1001)
                    )


class ListenTest(unittest.TestCase):
    """Where published ports listen."""

    def test_each_rule(self) -> None:
        """Loopback and gateway here, loopback on engines within, everything on remote ones."""
        both, loopback, every = ("127.0.0.1", "172.20.0.1"), ("127.0.0.1",), ("",)
        over = LOCAL._replace(host_override="over", override_source="TC_HOST")
        six = HERE._replace(gateway="fd00::1")
        for engine, network, addresses, reason in [
            (LOCAL, HERE, both, "loopback and the network's gateway"),
            (INSIDE, NETWORK, both, "loopback and the network's gateway"),
            (LOCAL, None, loopback, "loopback alone"),
            (LOCAL, NETWORK._replace(gateway=""), loopback, "loopback alone"),
            (LOCAL, six, loopback, "loopback alone"),
            (DESKTOP, HERE, loopback, "loopback alone"),
            (ROOTLESS, HERE, loopback, "loopback alone"),
            (REMOTE, HERE, every, "all interfaces, because the engine is remote"),
            (REMOTE, None, every, "all interfaces, because the engine is remote"),
            (
                REMOTE._replace(hostname="127.0.0.1"),
                HERE,
                both,
                "loopback and the network's gateway",
            ),
            (
                REMOTE._replace(hostname="localhost"),
                NETWORK,
                every,
                "all interfaces, because the engine is remote",
            ),
            (over, HERE, every, "all interfaces, because TC_HOST names the host"),
        ]:
            with self.subTest(engine=engine, network=network):
                self.assertEqual((addresses, reason), listen_addresses(engine, network))
