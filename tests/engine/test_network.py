"""Networks: containers find each other by alias, and are where they were put."""

from __future__ import annotations

import unittest
from typing import ClassVar

from tcunit import ContainerTestCase, DockerContainer, Network, wait
from tcunit._docker import NotThere
from tcunit.modules import NginxContainer

from .helpers import EngineTest, engine, left_over, needs_bridge, page, shell, sleeper

ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).status)"


def client() -> DockerContainer:
    """A container that can ask web servers."""
    return sleeper("python:3.11-slim")


def asked(container: DockerContainer, url: str) -> str:
    """The status that a web server answers to a request from inside a container."""
    return container.exec(["python", "-c", ASK, url]).output.decode().strip()


class LifeTest(EngineTest):
    """Create and remove."""

    def test_create_and_remove(self) -> None:
        """A network exists from its create to its removal; both can be repeated."""
        network = Network()
        self.addCleanup(network.remove)
        self.assertFalse(network.is_started)
        self.assertIs(network, network.create())
        known = network.id
        self.assertEqual(known, network.create().id)
        self.assertEqual([network.name], left_over())
        network.remove()
        network.remove()
        with self.assertRaises(NotThere):
            engine().inspect_network(known)
        self.assertNotEqual(known, network.create().id)

    def test_with(self) -> None:
        """Inside ``with`` it exists, after it does not, also after an error."""
        with self.assertRaises(ZeroDivisionError), Network() as network:
            self.assertEqual([network.name], left_over())
            _ = 1 / 0
        self.assertEqual([], left_over())

    def test_what_was_asked_for(self) -> None:
        """It has the labels, options, range and kind that were asked for, and ours."""
        with Network(
            internal=True,
            subnet="192.0.2.0/24",
            labels={"a": "1"},
            options={"com.docker.network.bridge.name": "tcunit-test0"},
            docker_network_kw={"attachable": True},
        ) as network:
            found = network.get_wrapped_network()
            self.assertEqual((network.id, network.name), (found.id, found.name))
            attributes = found.attrs
            self.assertTrue(attributes["Internal"] and attributes["Attachable"])
            self.assertEqual("192.0.2.0/24", attributes["IPAM"]["Config"][0]["Subnet"])
            self.assertEqual("tcunit-test0", next(iter(attributes["Options"].values())))
            self.assertEqual("1", attributes["Labels"]["a"])
            self.assertEqual(network.name, attributes["Labels"]["org.testcontainers.name"])

    def test_remove_with_strangers(self) -> None:
        """Removing a network disconnects what others put on it; that lives on."""
        box = self.running(sleeper())
        with Network() as network:
            network.connect(box.get_container_id(), ["box"])
            on = box.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
            self.assertIn("box", on[network.name]["Aliases"])
        self.assertEqual("running", box.status)
        self.assertEqual([box.name], left_over())

    def test_gateway(self) -> None:
        """Its gateway is the engine's."""
        with Network() as network:
            (pool,) = network.get_wrapped_network().attrs["IPAM"]["Config"]
            self.assertEqual(pool["Gateway"], network.gateway)


class AliasTest(EngineTest):
    """A class with two networks."""

    def test_two_networks(self) -> None:
        """Containers find each other by aliases: on all their networks, or on one alone."""

        class ShopTest(ContainerTestCase):
            front = Network()
            back = Network()
            web = (
                NginxContainer()
                .with_network(front, "shop")
                .with_network(back, "store")
                .with_network_aliases(["web"], "www")
            )
            before = client().with_network(front).depends_on(web)
            behind = client().with_network(back).depends_on(web)

            def test_aliases(self) -> None:
                for source, names in (
                    (self.before, ("shop", "web", "www", self.web.name)),
                    (self.behind, ("store", "web", "www", self.web.name)),
                ):
                    for name in names:
                        self.assertEqual("200", asked(source, f"http://{name}/"), name)

            def test_aliases_of_one_network(self) -> None:
                networks = self.web.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
                front, back = (networks[each.name]["Aliases"] for each in (self.front, self.back))
                self.assertLessEqual({"shop", "web", "www"}, set(front))
                self.assertLessEqual({"store", "web", "www"}, set(back))
                self.assertFalse({"store"} & set(front) or {"shop"} & set(back))

            def test_separate(self) -> None:
                ours = self.behind.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
                self.assertEqual([self.back.name], list(ours))

            def test_internal_endpoint(self) -> None:
                host, port = self.web.internal_endpoint(80)
                self.assertEqual("200", asked(self.before, f"http://{host}:{port}/"))

        self.assertEqual(4, self.assert_passes(ShopTest).testsRun)

    def test_before_the_start(self) -> None:
        """A container is on all its networks from its first moment, and knows its own aliases."""
        with Network() as one, Network() as two, Network() as three:
            box = (
                shell("ls /sys/class/net; cat /etc/hosts; echo up; sleep 300")
                .with_network(one)
                .with_network(two)
                .with_network(three)
                .waiting_for(wait.for_log("up"))
            )
            self.running(box)
            said = box.get_logs()[0].decode().split()
            self.assertLessEqual({"eth0", "eth1", "eth2"}, set(said))
            settings = box.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
            self.assertEqual({one.name, two.name, three.name}, set(settings))
            for each in settings.values():
                self.assertIn(each["IPAddress"], said)
            box.stop()

    @needs_bridge
    def test_address_on_the_first(self) -> None:
        """Its address is that on the network that was declared first."""
        with Network() as one, Network() as two:
            web = self.running(NginxContainer().with_network(one).with_network(two))
            settings = web.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
            host, port = web.endpoint(80, "bridge_ip")
            self.assertEqual((settings[one.name]["IPAddress"], 80), (host, port))
            self.assertEqual(one.gateway, web.endpoint(80, "gateway_ip").host)
            for mode in ("bridge_ip", "gateway_ip", "docker_host"):
                self.assertEqual(200, page(web.endpoint(80, mode)))
            web.stop()

    def test_a_network_by_name(self) -> None:
        """A network that exists can be given by its name, and is left alone."""
        with Network() as network:
            web = self.running(NginxContainer().with_network(network.name, "web"))
            other = self.running(client().with_network(network.name))
            self.assertEqual("200", asked(other, "http://web/"))
            web.stop()
            other.stop()
            self.assertEqual([network.name], left_over())


class InternalTest(EngineTest):
    """Internal networks."""

    web: ClassVar[DockerContainer]
    network: ClassVar[Network]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.network = Network(internal=True)
        cls.web = NginxContainer().with_network(cls.network).with_network_aliases("web")
        cls.addClassCleanup(cls.web.stop)
        cls.web.start()

    def test_nothing_is_published(self) -> None:
        """A ready-made container on an internal network starts, and publishes nothing."""
        published = self.web.get_wrapped_container().ports
        self.assertFalse([each for each in published.values() if each])

    @needs_bridge
    def test_reached_by_its_address(self) -> None:
        """It is reached by its own address."""
        self.assertEqual(200, page(self.web.endpoint(80, "bridge_ip")))

    def test_inside(self) -> None:
        """Inside, containers reach each other."""
        other = self.running(client().with_network(self.network))
        self.assertEqual("200", asked(other, "http://web/"))


class OwnBridgeTest(EngineTest):
    """A bridge with a name of its own."""

    @needs_bridge
    def test_named_bridge(self) -> None:
        """The bridge is found by the name that the network's options give it."""
        options = {"com.docker.network.bridge.name": "tcunit-test1"}
        with Network(options=options) as network:
            web = self.running(NginxContainer().with_network(network))
            self.assertEqual(80, web.get_exposed_port(80))
            self.assertEqual(200, page(web.endpoint(80)))
            web.stop()


if __name__ == "__main__":
    unittest.main()
