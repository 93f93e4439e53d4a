"""A container as it is declared."""

from __future__ import annotations

import unittest
from typing import Any

from tcunit import ContainerTestCase, DockerContainer, Endpoint, GenericContainer, Network, wait
from tcunit.errors import DeclarationError, NotStarted, PortError
from tcunit.modules import NginxContainer, PostgresContainer, RedisContainer
from tcunit.ports import Port


class InertTest(unittest.TestCase):
    """Before its start."""

    def test_it_is_not_started(self) -> None:
        """What needs a running container says so, with the ways to have one."""
        container = DockerContainer("redis:7").with_exposed_ports(80)
        uses: list[Any] = [
            lambda: container.running,
            lambda: container.endpoint(80),
            container.get_container_host_ip,
            lambda: container.get_exposed_port(80),
            lambda: container.mapped_port(80),
            lambda: container.exec("true"),
            container.get_logs,
            container.get_container_id,
            container.get_wrapped_container,
            lambda: container.name,
            lambda: container.url(80),
        ]
        for use in uses:
            with self.assertRaisesRegex(NotStarted, r"redis:7.* is not started.*start\(\)"):
                use()
        self.assertFalse(container.is_started)
        self.assertEqual("not_started", container.status)

    def test_stopping_it_is_no_error(self) -> None:
        """What is not there needs no removal, however often it is asked for."""
        container = DockerContainer("a")
        for options in ({}, {"force": False}, {"delete_volume": False}):
            container.stop(**options)
            container.stop(**options)
        network = Network()
        network.remove()
        network.remove()

    def test_networks(self) -> None:
        """A network that is not created says so."""
        network = Network()
        uses: list[Any] = [
            lambda: network.name,
            lambda: network.id,
            lambda: network.gateway,
            network.get_wrapped_network,
            lambda: network.connect("x"),
        ]
        for use in uses:
            with self.assertRaisesRegex(NotStarted, "network.* is not started"):
                use()

    def test_the_constructor_is_short_for_methods(self) -> None:
        """Each argument collects what its method does."""
        network, ready = Network(), wait.for_running()
        short = DockerContainer(
            "a", command=["x"], env={"A": "b"}, name="n", ports=[80, "53/udp"],
            volumes=[("/a", "/b", "rw")], network=network, network_aliases=["c"], wait=ready,
            mem_limit="64m",
        )  # fmt: skip
        long = DockerContainer("a").with_command(["x"]).with_env("A", "b").with_name("n")
        long.with_exposed_ports(80, "53/udp").with_volume_mapping("/a", "/b", "rw")
        long.with_network(network).with_network_aliases("c").waiting_for(ready)
        long.with_kwargs(mem_limit="64m")
        self.assertEqual(vars(long._request), vars(short._request))

    def test_other_name(self) -> None:
        """``GenericContainer`` is another name."""
        self.assertIs(DockerContainer, GenericContainer)

    def test_repr(self) -> None:
        """Class and image, then the attribute; no variable is shown."""
        container = DockerContainer("redis:7", env={"PASSWORD": "secret"})
        self.assertEqual("<DockerContainer redis:7>", repr(container))

        class Shop(ContainerTestCase):
            cache = container

        self.assertEqual("<DockerContainer cache>", repr(container))
        self.assertEqual("cache", Shop.cache.label)

    def test_a_copy_of_a_class_of_ones_own(self) -> None:
        """It has the type and what was declared, and no name of an attribute."""
        for first in (PostgresContainer(), RedisContainer(), NginxContainer()):
            with self.subTest(first=first):
                first.__set_name__(type(self), "x")
                twin = first.copy()
                self.assertIs(type(first), type(twin))
                self.assertIs(first._request, twin._request)
                self.assertEqual((first.image, False), (twin.label, twin._sealed))


class CheckTest(unittest.TestCase):
    """What is refused without an engine."""

    def test_internal_networks(self) -> None:
        """A port cannot be published where all networks are internal; the error says how else."""
        inner, outer = Network(internal=True), Network()
        refused = [
            DockerContainer("a").with_network(inner).with_exposed_ports(80),
            DockerContainer("a").with_network(inner).with_bind_ports(80, 8080),
            DockerContainer("a").with_network(inner).with_network(inner).with_exposed_ports(80),
        ]
        for container in refused:
            with self.assertRaisesRegex(PortError, "^a: its networks are internal.*bridge_ip"):
                container.check()
        for container in (
            DockerContainer("a").with_network(inner),
            DockerContainer("a").with_network(inner).with_network(outer).with_exposed_ports(80),
            DockerContainer("a").with_network(inner).with_network("known").with_exposed_ports(80),
            RedisContainer().with_network(inner),
        ):
            container.check()


class InternalEndpointTest(unittest.TestCase):
    """The address within its networks, known before the start."""

    def test_names(self) -> None:
        """The first alias, those for all networks first; else the fixed name."""
        for container, name in [
            (DockerContainer("a").with_network("n").with_network_aliases("x", "y"), "x"),
            (DockerContainer("a").with_network("n", "z").with_network_aliases("x"), "x"),
            (DockerContainer("a").with_network("n", "z").with_network("m", "w"), "z"),
            (DockerContainer("a").with_network("n").with_name("fixed"), "fixed"),
            (DockerContainer("a", name="fixed").with_network("n", "z"), "z"),
        ]:
            for port in (80, "80", "80/tcp", Port(80)):
                with self.subTest(name=name, port=port):
                    self.assertEqual(Endpoint(name, 80), container.internal_endpoint(port))

    def test_no_name(self) -> None:
        """Without one it is an error that says what to add."""

        class Shop(ContainerTestCase):
            db = DockerContainer("a")

        for container, name in [(Shop.db, "db"), (DockerContainer("a"), "name")]:
            expected = rf"has no name that others could know.*with_network_aliases\('{name}'\)"
            with self.assertRaisesRegex(DeclarationError, expected):
                container.internal_endpoint(80)

    def test_wrong_port(self) -> None:
        """What is no port is refused."""
        with self.assertRaises(PortError):
            DockerContainer("a").with_network("n", "z").internal_endpoint("http")


class Configured(DockerContainer):
    """A ready-made container that makes an option of others."""

    password = "one"

    def _configure(self) -> None:
        self.with_env("PASSWORD", self.password)


class PrepareTest(unittest.TestCase):
    """What a subclass adds holds for one start only."""

    def test_the_request_is_not_changed(self) -> None:
        """Starting never changes what was declared, sealed or not."""
        for sealed in (False, True):
            with self.subTest(sealed=sealed):
                container = Configured("a")
                container._sealed = sealed
                for password in ("one", "two"):
                    container.password = password
                    container.prepare()
                    assert container._prepared is not None
                    self.assertEqual({"PASSWORD": password}, dict(container._prepared.env))
                self.assertEqual({}, dict(container.env))
                self.assertEqual(sealed, container._sealed)

    def test_what_it_adds_is_checked(self) -> None:
        """A mistake there is refused as one in the declaration, and leaves no trace."""

        class Wrong(DockerContainer):
            def _configure(self) -> None:
                self.with_network_aliases("x")

        container = Wrong("a")
        with self.assertRaisesRegex(DeclarationError, "aliases need a network"):
            container.prepare()
        container.with_env("A", "still not sealed")
        self.assertEqual((), container._request.aliases)

    def test_needs_follow_it(self) -> None:
        """A dependency that is added there is one."""
        other = DockerContainer("b")

        class Needing(DockerContainer):
            def _configure(self) -> None:
                self.depends_on(other)

        container = Needing("a")
        self.assertEqual([], list(container.needs()))
        container.prepare()
        self.assertEqual([other], list(container.needs()))

    def test_known_as(self) -> None:
        """Only a container with a fixed name is known to others in text."""
        self.assertEqual("container:x", DockerContainer("a").with_name("x").known_as)
        self.assertEqual("", DockerContainer("a").known_as)


class ModulesTest(unittest.TestCase):
    """Ready-made containers, as declared."""

    def test_no_password_in_their_text(self) -> None:
        """Neither the container nor its wait strategy shows one."""
        container = PostgresContainer(password="s3cret")
        for text in (repr(container), str(container), str(container._request.wait)):
            self.assertNotIn("s3cret", text)

    def test_internal_url(self) -> None:
        """Known at declaration; what a URL gives a meaning is escaped."""
        container = PostgresContainer(username="a@b", password="c/d:e", dbname="f?g")
        container.with_network("net", "db")
        expected = "postgresql://a%40b:c%2Fd%3Ae@db:5432/f%3Fg"
        self.assertEqual(expected, container.get_internal_url())
        self.assertTrue(container.get_internal_url("psycopg").startswith("postgresql+psycopg://"))
