"""Bad input: a clear error of our own tree, as early as it can be known, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import socket
import unittest
from collections.abc import Callable, Iterator
from typing import Any

from tcunit import ContainerTestCase, DockerContainer, Network, wait
from tcunit.errors import (
    DeclarationError,
    ImageNotFound,
    NotReady,
    NotStarted,
    PortError,
    PortNotExposed,
    SealedError,
    SettingError,
    StartError,
    TcunitError,
)
from tcunit.modules import NginxContainer

from .helpers import EngineTest, environment, free_port, left_over, page, shell, sleeper


class BadInputTest(EngineTest):
    """What these tests share."""

    @contextlib.contextmanager
    def refused(self, kind: type[TcunitError], advice: str) -> Iterator[None]:
        """Fail unless an error of one kind is raised, with a certain text, and nothing is left."""
        with self.assertRaisesRegex(kind, advice) as caught:
            yield
        self.assertIs(kind, type(caught.exception))
        self.assertEqual([], left_over())

    @contextlib.contextmanager
    def refused_early(self, kind: type[TcunitError], advice: str) -> Iterator[None]:
        """The same, before the engine is even looked for."""
        with environment(DOCKER_HOST="unix:///nonexistent/docker.sock"):
            with self.refused(kind, advice):
                yield

    def refused_as_class(self, kind: type[TcunitError], advice: str, **declared: Any) -> None:
        """Fail unless a class with such declarations is refused when it is made."""
        with self.refused_early(kind, advice):
            type("ShopTest", (ContainerTestCase,), declared)


class AtTheCallTest(BadInputTest):
    """What a ``with_…`` method can tell by itself."""

    def test_ports(self) -> None:
        """What is no port is refused by the method that takes it."""
        for wrong in (
            0,
            -1,
            70000,
            "80/xyz",
            "http",
            "",
            "80/",
            "0/udp",
            None,
            True,
            3.5,
            "8000-8001",
        ):
            for method in ("with_exposed_ports", "with_bind_ports"):
                with self.subTest(wrong=wrong, method=method):
                    with self.refused_early(PortError, "port"):
                        getattr(sleeper(), method)(wrong)
            with self.subTest(wrong=wrong), self.refused_early(PortError, "port"):
                DockerContainer("alpine", ports=[wrong])  # type: ignore[list-item]

    def test_what_a_port_is(self) -> None:
        """The error about a port says how to write one."""
        with self.refused_early(PortError, "from 1 to 65535"):
            sleeper().with_exposed_ports(70000)
        with self.refused_early(PortError, r'as in 80, "443/tcp" or "53/udp"'):
            sleeper().with_exposed_ports("80/xyz")
        with self.refused_early(PortError, "name each port"):
            sleeper().with_exposed_ports("8000-8001")

    def test_host_ports(self) -> None:
        """What is no port of the host is refused."""
        for wrong in (0, 70000, "http", "80/tcp", -1, True):
            with self.subTest(wrong=wrong), self.refused_early(PortError, "from 1 to 65535"):
                sleeper().with_bind_ports(80, wrong)

    def test_options_behind_our_back(self) -> None:
        """Options that would work behind our back are refused, and the error says what to use."""
        for name, advice in {
            "auto_remove": "removed anyway",
            "labels": "with_labels",
            "name": "with_name",
            "ports": "with_exposed_ports",
            "network": "with_network",
            "environment": "with_env",
            "detach": "detached",
        }.items():
            with self.subTest(name=name):
                with self.refused_early(DeclarationError, advice):
                    sleeper().with_kwargs(**{name: True})
        with self.refused_early(DeclarationError, "removed anyway"):
            DockerContainer("alpine", auto_remove=True)

    def test_labels(self) -> None:
        """Labels by which resources are found again are refused."""
        for label in ("org.testcontainers", "org.testcontainers.session-id"):
            with self.refused_early(DeclarationError, "reserved"):
                sleeper().with_labels({label: "x"})
            with self.refused_early(DeclarationError, "reserved"):
                Network(labels={label: "x"})

    def test_values(self) -> None:
        """Other values that cannot be are refused by the method that takes them."""
        wrong: dict[str, Callable[[], object]] = {
            "environment variable": lambda: sleeper().with_env("A=B", "1"),
            "give a string": lambda: sleeper().with_env("A", None),  # type: ignore[arg-type]
            "network alias": lambda: sleeper().with_network_aliases(" "),
            "is no network:": lambda: sleeper().with_network(5),  # type: ignore[arg-type]
            "is no wait strategy": lambda: sleeper().waiting_for("log"),  # type: ignore[arg-type]
            "can be needed": lambda: sleeper().depends_on("db"),  # type: ignore[arg-type]
            "begins with '/'": lambda: sleeper().with_volume_mapping("/tmp", "tmp"),
            "no network mode": lambda: sleeper().with_network_mode(""),
            "with a slash": lambda: wait.for_http("health"),
            "regular expression": lambda: wait.for_log("("),
            "only a TCP port": lambda: wait.for_port("53/udp"),
            "seconds above 0": lambda: wait.for_port(80).with_startup_timeout(0),
        }
        for advice, call in wrong.items():
            with self.subTest(advice=advice):
                with self.assertRaisesRegex(DeclarationError, advice):
                    call()


class AtTheClassTest(BadInputTest):
    """What can be told when the class is made: no test has to run for it."""

    def test_one_fixed_port_twice(self) -> None:
        """Two declarations with one fixed port of the host are refused by naming both."""
        one, two = (NginxContainer().with_bind_ports(80, 8080) for _ in range(2))
        self.refused_as_class(
            DeclarationError, "one and two both want port 8080/tcp", one=one, two=two
        )
        with self.refused_early(DeclarationError, "both want port 8080/tcp"):
            NginxContainer().with_bind_ports(80, 8080).depends_on(
                NginxContainer().with_bind_ports(80, 8080)
            ).start()

    def test_one_fixed_port_with_two_protocols(self) -> None:
        """One number for TCP and UDP is no conflict."""
        type(
            "ShopTest",
            (ContainerTestCase,),
            {
                "one": sleeper().with_bind_ports("53/tcp", 8053),
                "two": sleeper().with_bind_ports("53/udp", 8053),
            },
        )

    def test_one_container_wants_one_fixed_port_twice(self) -> None:
        """Two ports of one container on one port of the host are refused."""
        box = sleeper().with_bind_ports(80, 8080).with_bind_ports(81, 8080)
        self.refused_as_class(PortError, "8080", box=box)
        with self.refused_early(PortError, "8080"):
            sleeper().with_bind_ports(80, 8080).with_bind_ports(81, 8080).start()

    def test_shadowing(self) -> None:
        """A name that would hide an attribute of the test case is refused."""
        for name in ("id", "run", "debug", "fail", "assertEqual", "setUp", "endpoint",
                     "assertReachable"):  # fmt: skip
            with self.subTest(name=name):
                for declared in (sleeper(), Network(), [sleeper()]):
                    self.refused_as_class(DeclarationError, "another name", **{name: declared})

    def test_alias_without_network(self) -> None:
        """An alias needs a network; said by the class, and by a lone start."""
        advice = r"add with_network\(network\)"
        self.refused_as_class(
            DeclarationError, f"box: .*{advice}", box=sleeper().with_network_aliases("db")
        )
        with self.refused_early(DeclarationError, advice):
            sleeper().with_network_aliases("db").start()

    def test_ports_in_host_mode(self) -> None:
        """In network mode host no port is published: the error says to leave them away."""
        for box in (
            sleeper().with_network_mode("host").with_exposed_ports(80),
            sleeper().with_bind_ports(80, 8080).with_network_mode("host"),
        ):
            lone = box.copy()
            self.refused_as_class(PortError, "leave the ports away", box=box)
            with self.refused_early(PortError, "leave the ports away"):
                lone.start()

    def test_ports_in_a_foreign_network(self) -> None:
        """In another container's network no port is published: that one publishes."""
        side = sleeper().with_network_mode("container:x").with_exposed_ports(80)
        self.refused_as_class(PortError, "whose network this is", side=side)

    def test_network_and_network_mode(self) -> None:
        """A network and a network mode exclude each other."""
        box = sleeper().with_network_mode("host").with_network(Network())
        self.refused_as_class(DeclarationError, "keep one of them", box=box)

    def test_ports_on_internal_networks_only(self) -> None:
        """On internal networks only, no port is published."""
        for box in (
            sleeper().with_network(Network(internal=True)).with_exposed_ports(80),
            sleeper().with_network(Network(internal=True)).with_bind_ports(80, 8080),
        ):
            lone = box.copy()
            self.refused_as_class(PortError, "add a network that is not internal", box=box)
            with self.refused_early(PortError, "add a network that is not internal"):
                lone.start()

    def test_names(self) -> None:
        """A name that the engine would not take is refused."""
        for name in ("", "-a", "a b", "ä"):
            with self.subTest(name=name):
                self.refused_as_class(
                    DeclarationError, "letters, digits", box=sleeper().with_name(name)
                )

    def test_no_image(self) -> None:
        """A container without an image is refused."""
        self.refused_as_class(DeclarationError, "no image: give its name", box=DockerContainer(""))

    def test_connection_mode(self) -> None:
        """A connection mode that is none is refused with those that are."""
        advice = r"did you mean 'bridge_ip'\?\): allowed are bridge_ip, gateway_ip, docker_host"
        self.refused_as_class(SettingError, advice, connection_mode="bridge")

    def test_sealed(self) -> None:
        """A declaration does not change after its class; the error shows how to vary a copy."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

        for change in (
            lambda: ShopTest.box.with_env("A", "1"),
            lambda: ShopTest.box.with_kwargs(mem_limit="64m"),
            lambda: ShopTest.box.with_exposed_ports(80),
            lambda: ShopTest.box.with_network(Network()),
            lambda: ShopTest.box.depends_on(sleeper()),
            lambda: ShopTest.box.waiting_for(wait.for_port(80)),
        ):
            with self.refused_early(SealedError, r"ShopTest\.box\.copy\(\)\.\w+\("):
                change()

    def test_set_up_without_super(self) -> None:
        """A ``setUpClass`` without ``super()`` is named at the first use of a container."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            @classmethod
            def setUpClass(cls) -> None:
                pass

            def test_box(self) -> None:
                self.box.get_container_id()

        found = self.assert_fails(ShopTest)
        self.assertRegex(found, r"NotStarted: .*ShopTest\.setUpClass does not call super\(\)")
        self.assertIn("add that call as its first line", found)


class AtTheStartTest(BadInputTest):
    """What only the engine can tell."""

    def test_unknown_image(self) -> None:
        """An image that is not there and cannot be pulled is an error that names it."""
        with self.refused(ImageNotFound, "localhost:1/nothing:1 .*Check the name and the tag"):
            DockerContainer("localhost:1/nothing:1").start()

    def test_unknown_image_in_a_class(self) -> None:
        """In a class, what started beside it is undone."""

        class ShopTest(ContainerTestCase):
            net = Network()
            box = sleeper().with_network(net)
            bad = DockerContainer("localhost:1/nothing:1").depends_on(box)

            def test_box(self) -> None:
                raise AssertionError("a test ran")

        found = self.assert_fails(ShopTest)
        self.assertIn("ImageNotFound: ", found)
        self.assertIn("localhost:1/nothing:1", found)
        self.assertEqual([], left_over())

    def test_never_ready(self) -> None:
        """A start that never gets ready says what was missing, for how long, and the log."""
        box = shell("echo still here; sleep 300").waiting_for(
            wait.for_log("never").with_startup_timeout(0.5)
        )
        advice = r"(?s)not ready within 0.5 s: .*/never/.*with_startup_timeout.*\| still here"
        with self.refused(NotReady, advice):
            box.start()
        self.assertEqual("not_started", box.status)

    def test_missing_command(self) -> None:
        """A command that the image lacks is an error that says to check the command."""
        with self.refused(StartError, r"no-such-command.*with_command\(\) replaces"):
            DockerContainer("alpine").with_command("no-such-command").start()

    def test_fixed_port_that_is_taken(self) -> None:
        """A fixed port that somebody has is an error that says to take another."""
        number = free_port()
        with socket.create_server(("127.0.0.1", number)):
            with self.refused(StartError, "Take another port"):
                NginxContainer().with_bind_ports(80, number).start()

    def test_fixed_port_of_another_container(self) -> None:
        """The same, if another container has it; that one goes on."""
        number = free_port()
        web = self.running(NginxContainer().with_bind_ports(80, number))
        with self.assertRaisesRegex(StartError, "Take another port"):
            NginxContainer().with_bind_ports(80, number).start()
        self.assertEqual([web.name], left_over())
        self.assertEqual(200, page(web.endpoint(80)))

    def test_name_that_is_taken(self) -> None:
        """A fixed name that somebody has is an error; its owner is left alone."""
        name = f"tcunit-test-{os.getpid()}"
        owner = self.running(sleeper().with_name(name))
        with self.assertRaisesRegex(StartError, r"is taken .*Leave with_name\(\) away"):
            sleeper().with_name(name).start()
        self.assertEqual("running", owner.status)

    def test_unknown_network(self) -> None:
        """A network that is not there is an error that names it."""
        with self.refused(StartError, "no-such-network"):
            sleeper().with_network("no-such-network").start()
        with self.refused(StartError, "alpine: there is no network no-such-network on the engine"):
            sleeper().with_network_mode("no-such-network").start()

    def test_unknown_option(self) -> None:
        """An option that the SDK does not know is refused with the nearest that it knows."""
        with self.refused(DeclarationError, r"'mem_limits' \(did you mean 'mem_limit'\?\)"):
            sleeper().with_kwargs(mem_limits="64m").start()
        with self.refused(StartError, "no-such-runtime"):
            sleeper().with_kwargs(runtime="no-such-runtime").start()

    def test_wrong_subnet(self) -> None:
        """A subnet that is none is an error that names the network."""
        with self.refused(StartError, r"(?s)network could not be created: .*(subnet|address)"):
            Network(subnet="nonsense").create()

    def test_unknown_option_of_a_network(self) -> None:
        """An option of a network that the SDK does not know is an error of ours."""
        with self.refused(DeclarationError, "no_such_option"):
            Network(docker_network_kw={"no_such_option": 1}).create()

    def test_health_check_that_is_missing(self) -> None:
        """Waiting for the health check of an image that has none says how to declare one."""
        with self.refused(DeclarationError, "has no HEALTHCHECK: declare one"):
            sleeper().waiting_for(wait.for_healthcheck()).start()

    def test_wrong_settings(self) -> None:
        """A wrong setting is an error that says where it came from."""
        with environment(TCUNIT_START_TIMEOUT="soon"):
            with self.refused(SettingError, "TCUNIT_START_TIMEOUT has the value 'soon'"):
                sleeper().start()
        box = self.running(sleeper())
        with environment(TESTCONTAINERS_CONNECTION_MODE="bridge"):
            with self.assertRaisesRegex(SettingError, "TESTCONTAINERS_CONNECTION_MODE.*bridge_ip"):
                box.get_container_host_ip()


class InUseTest(BadInputTest):
    """Look-ups that cannot work."""

    def test_port_that_was_not_exposed(self) -> None:
        """A port that was not exposed is an error that says how to expose it."""
        box = self.running(sleeper().with_exposed_ports(80).waiting_for(wait.for_running()))
        for look_up in (box.get_exposed_port, box.mapped_port, box.endpoint, box.url):
            with self.assertRaisesRegex(PortNotExposed, r"Add with_exposed_ports\(8080\)"):
                look_up(8080)
            with self.assertRaises(PortError):
                look_up("http")

    def test_use_before_start(self) -> None:
        """Every use before the start, and after the stop, says that it is not started."""
        started = sleeper().with_exposed_ports(80).waiting_for(wait.for_running()).start()
        started.stop()
        for box in (sleeper().with_exposed_ports(80), started):
            for use in (
                lambda box: box.get_exposed_port(80),
                lambda box: box.mapped_port(80),
                lambda box: box.endpoint(80),
                lambda box: box.url(80),
                lambda box: box.get_container_host_ip(),
                lambda box: box.exec("true"),
                lambda box: box.get_logs(),
                lambda box: box.get_wrapped_container(),
                lambda box: box.get_container_id(),
                lambda box: box.name,
            ):
                with self.refused_early(NotStarted, r"alpine.* is not started.*start\(\)"):
                    use(box)

    def test_network_before_create(self) -> None:
        """So does every use of a network."""
        for use in (
            lambda network: network.id,
            lambda network: network.name,
            lambda network: network.gateway,
            lambda network: network.get_wrapped_network(),
            lambda network: network.connect("any"),
        ):
            with self.refused_early(NotStarted, "network.* is not started"):
                use(Network())

    def test_declaration_before_the_class(self) -> None:
        """A declaration that is read through a class that does not run is not started."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

        with self.refused_early(NotStarted, "box"):
            ShopTest.box.get_container_id()


if __name__ == "__main__":
    unittest.main()
