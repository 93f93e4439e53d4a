"""Where containers meet the test process, from facts alone."""

from __future__ import annotations

import contextlib
import sys
import unittest
from unittest import mock

from tcunit.connection import EngineFacts, NetworkFacts
from tcunit.errors import HostPortError
from tcunit.host_access import HOST_GATEWAY, way_in, why_none
from tcunit.host_ports import Door, _relay
from tcunit.sidecar import takes_ports

HERE = EngineFacts("unix")
WITHIN = EngineFacts("unix", own_container="c" * 64)
DESKTOP = EngineFacts("unix", is_desktop=True)
DESKTOP_WITHIN = EngineFacts("unix", is_desktop=True, own_container="c" * 64)
ROOTLESS = EngineFacts("unix", is_rootless=True)
REMOTE = EngineFacts("tcp", "10.0.0.9")

BRIDGE = NetworkFacts("bridge", "b", "172.17.0.1", "docker0", bridge_here=True)
INNER = NetworkFacts("inner", "i", "172.18.0.1", "br-i", bridge_here=True, is_internal=True)
AWAY = NetworkFacts("away", "a", "172.19.0.1", "br-a")
SHARED = NetworkFacts("shared", "s", "172.20.0.1", "br-s", is_shared=True)
LATER = NetworkFacts("later", "l", "10.89.0.1", "podman1", bridge_later=True)
IPV6 = NetworkFacts("six", "6", "fd00::1", "br-6", bridge_here=True)


def own_address(network: str) -> str:
    """Our own container's address on the one network that it is on."""
    return "172.20.0.5" if network == "s" else ""


class WayInTest(unittest.TestCase):
    """The network and the address by which containers reach a server here."""

    def test_ways(self) -> None:
        """The gateway where the bridge is here, our own address where we share a network."""
        for engine, networks, expected in [
            (HERE, [BRIDGE], ("b", "172.17.0.1")),
            (HERE, [INNER], ("i", "172.18.0.1")),
            (HERE, [AWAY, IPV6, INNER, BRIDGE], ("i", "172.18.0.1")),
            (WITHIN, [AWAY, SHARED], ("s", "172.20.0.5")),
            (WITHIN, [BRIDGE], ("b", "172.17.0.1")),
            (HERE, [LATER], ("l", "10.89.0.1")),
            (DESKTOP, [AWAY], ("", HOST_GATEWAY)),
        ]:
            with self.subTest(engine=engine, networks=[each.name for each in networks]):
                self.assertEqual(expected, way_in(engine, networks, own_address))

    def test_no_way(self) -> None:
        """There a sidecar is needed; it is said why."""
        for engine, networks, expected in [
            (HERE, [AWAY], r"no gateway of its networks \(away\) is an address of this machine"),
            (HERE, [IPV6], "no gateway"),
            (HERE, [], r"\(none\)"),
            (WITHIN, [AWAY], r"none of its networks \(away; TCUNIT_JOIN_NETWORKS=true"),
            (DESKTOP_WITHIN, [AWAY], "none of its networks"),
            (ROOTLESS, [BRIDGE], "rootless"),
            (ROOTLESS, [LATER], "rootless"),
            (WITHIN, [LATER], "none of its networks"),
            (REMOTE, [AWAY], r"at 10\.0\.0\.9 \(tcp\), not on this machine"),
        ]:
            with self.subTest(engine=engine, networks=[each.name for each in networks]):
                self.assertIsNone(way_in(engine, networks, own_address))
                self.assertRegex(why_none(engine, networks), expected)


@unittest.skipUnless(sys.platform == "linux", "bridges are on Linux")
class BridgeToComeTest(unittest.TestCase):
    """A door whose bridge is made for the first container."""

    def test_listening_before(self) -> None:
        """One listens there before the address is ours, and at no door of another kind."""
        address = "192.0.2.1"  # nobody's
        for awaits in (True, False):
            door = Door(mock.sentinel.engine, "n", address, address, awaits_bridge=awaits)
            with self.subTest(awaits=awaits), contextlib.ExitStack() as stack:
                if not awaits:
                    stack.enter_context(self.assertRaisesRegex(HostPortError, "cannot be exposed"))
                relay = _relay(door, 8080)
                assert relay is not None
                relay.close()


class SidecarTest(unittest.TestCase):
    """Which networks would move the port by which a sidecar is reached."""

    def test_takes_ports(self) -> None:
        """IPv6 comes before the name; internal networks publish nothing."""
        bridge = NetworkFacts("bridge", "b")
        with_ipv6 = NetworkFacts("bridge", "b", has_ipv6=True)
        for network, default, expected in [
            (NetworkFacts("tcunit-net", "1"), bridge, False),
            (NetworkFacts("app", "1"), bridge, True),
            (NetworkFacts("app", "1", is_internal=True), bridge, False),
            (NetworkFacts("tcunit-net", "1", has_ipv6=True), bridge, True),
            (NetworkFacts("app", "1"), with_ipv6, False),
            (NetworkFacts("app", "1", has_ipv6=True), with_ipv6, True),
            (bridge, bridge, False),
        ]:
            with self.subTest(network=network, default=default):
                self.assertIs(expected, takes_ports(network, default))
