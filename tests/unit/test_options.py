"""The with_… methods."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tcunit import ContainerTestCase, DockerContainer, Network, omitted, wait
from tcunit.errors import DeclarationError, PortError, SealedError
from tcunit.modules import RedisContainer
from tcunit.ports import Port
from tcunit.request import ContainerRequest

CHANGES: list[Callable[[DockerContainer], object]] = [
    lambda c: c.with_command("x"),
    lambda c: c.with_env("A", "b"),
    lambda c: c.with_envs(A="b"),
    lambda c: c.with_name("x"),
    lambda c: c.with_labels({"a": "b"}),
    lambda c: c.with_platform("linux/arm64"),
    lambda c: c.with_pull_policy("never"),
    lambda c: c.with_kwargs(tty=True),
    lambda c: c.with_kwargs(network_mode="host"),
    lambda c: c.with_exposed_ports(80),
    lambda c: c.with_bind_ports(80, 8080),
    lambda c: c.with_ports_on_all_interfaces(),
    lambda c: c.with_network("x"),
    lambda c: c.with_network_aliases("x"),
    lambda c: c.with_network_mode("host"),
    lambda c: c.with_volume_mapping("/a", "/b"),
    lambda c: c.with_tmpfs_mount("/a"),
    lambda c: c.with_copy_into_container(b"x", "/a"),
    lambda c: c.with_env_file("/a"),
    lambda c: c.with_memory_limit("64m"),
    lambda c: c.with_cpu_limit(0.5),
    lambda c: c.with_pids_limit(10),
    lambda c: c.with_shm_size("64m"),
    lambda c: c.with_ulimit("nofile", 10),
    lambda c: c.with_cap_add("NET_ADMIN"),
    lambda c: c.with_cap_drop("ALL"),
    lambda c: c.with_privileged(),
    lambda c: c.with_device("/dev/fuse"),
    lambda c: c.with_read_only_root(),
    lambda c: c.with_user("nobody"),
    lambda c: c.with_entrypoint("x"),
    lambda c: c.with_working_directory("/a"),
    lambda c: c.with_healthcheck("true"),
    lambda c: c.with_init(),
    lambda c: c.with_stop_signal("SIGINT"),
    lambda c: c.with_stop_timeout(1),
    lambda c: c.with_restart_policy("always"),
    lambda c: c.with_hostname("a"),
    lambda c: c.with_extra_host("a", "10.0.0.1"),
    lambda c: c.with_dns("10.0.0.1"),
    lambda c: c.with_sysctl("a", 1),
    lambda c: c.with_host_port_access(),
    lambda c: c.depends_on(DockerContainer("x")),
    lambda c: c.waiting_for(wait.for_port(80)),
    lambda c: c.with_reset(print),
    lambda c: c.with_coverage("shop"),
    lambda c: c.with_scope("run"),
    lambda c: c.with_reuse(),
    lambda c: c.with_warm_start(),
]


def request(container: DockerContainer) -> ContainerRequest:
    """What was collected."""
    return container._request


class ChangeTest(unittest.TestCase):
    """Methods change the object and return it, until its class exists."""

    def test_each_changes_and_returns_it(self) -> None:
        """The object itself comes back, with another request; the former request is unchanged."""
        for number, change in enumerate(CHANGES):
            with self.subTest(number=number):
                container = DockerContainer("a")
                before, scope = request(container), container.scope
                self.assertIs(container, change(container))
                self.assertNotEqual((before, scope), (request(container), container.scope))
                self.assertEqual(vars(ContainerRequest("a")), vars(before))

    def test_the_list_is_complete(self) -> None:
        """Every public method that changes a declaration is tried here."""
        public = {
            name
            for name in dir(DockerContainer)
            if name.startswith("with_") or name in ("depends_on", "waiting_for")
        }
        tried = {name for change in CHANGES for name in change.__code__.co_names}
        self.assertEqual(set(), public - tried)

    def test_sealed(self) -> None:
        """A class seals its declarations; the error names the attribute and how to vary it."""

        class Shop(ContainerTestCase):
            db = DockerContainer("a")

        for number, change in enumerate(CHANGES):
            with self.subTest(number=number):
                before = request(Shop.db)
                with self.assertRaisesRegex(
                    SealedError, r"Shop\.db cannot be changed by (with_|depends_on|waiting_for)"
                ) as caught:
                    change(Shop.db)
                self.assertRegex(str(caught.exception), r"db = \S*Shop\.db\.copy\(\)\.\w+\(…\)$")
                self.assertIs(before, request(Shop.db))

    def test_a_copy_can_be_changed(self) -> None:
        """A copy of a sealed declaration is not sealed, and leaves the first one as it is."""

        class Shop(ContainerTestCase):
            db = DockerContainer("a").with_env("A", "1")

        twin = Shop.db.copy().with_env("B", "2")
        self.assertEqual({"A": "1"}, dict(Shop.db.env))
        self.assertEqual({"A": "1", "B": "2"}, dict(twin.env))
        self.assertIs(DockerContainer, type(twin))


class CollectTest(unittest.TestCase):
    """What is collected."""

    def test_command(self) -> None:
        """A text stays a text; a list becomes a tuple, which nobody changes later."""
        words = ["sh", "-c", "true"]
        container = DockerContainer("a").with_command(words)
        words.append("later")
        self.assertEqual(("sh", "-c", "true"), request(container).command)
        self.assertEqual("a b", request(DockerContainer("a", command="a b")).command)

    def test_env(self) -> None:
        """Numbers become text, callables stay, the last value of a name counts."""

        def late() -> str:
            return "x"

        container = DockerContainer("a", env={"A": "1"}).with_env("B", 2).with_env("C", 2.5)
        container.with_envs(A="3", D=late).with_env("self", "me").with_env("key", "")
        expected = {
            "A": "3", "B": "2", "C": "2.5", "D": late, "self": "me", "key": "",
        }  # fmt: skip
        self.assertEqual(expected, dict(container.env))

    def test_wrong_env(self) -> None:
        """Names and values that cannot be are refused by name; the value is not shown."""
        names: list[Any] = ["", "A=B", None, 5]
        for name in names:
            with self.subTest(name=name), self.assertRaisesRegex(DeclarationError, "no name of an"):
                DockerContainer("a").with_env(name, "x")
        with self.assertRaisesRegex(DeclarationError, "'A=B' is no name"):
            DockerContainer("a", env={"A=B": "x"})
        values: list[Any] = [None, b"secret", ["secret"], {"secret": 1}]
        for value in values:
            with self.subTest(value=value):
                with self.assertRaisesRegex(DeclarationError, "the value of A is a") as caught:
                    DockerContainer("a").with_env("A", value)
                self.assertNotIn("secret", str(caught.exception))

    def test_labels(self) -> None:
        """They add up; the reserved ones are refused."""
        container = DockerContainer("a").with_labels({"a": "1", "b": "1"}).with_labels({"b": "2"})
        self.assertEqual({"a": "1", "b": "2"}, request(container).labels)
        for label in ("org.testcontainers", "org.testcontainers.session-id"):
            with self.subTest(label=label), self.assertRaisesRegex(DeclarationError, "reserved"):
                DockerContainer("a").with_labels({label: "x"})
            with self.subTest(network=label), self.assertRaisesRegex(DeclarationError, "reserved"):
                Network(labels={label: "x"})

    def test_exposed_ports(self) -> None:
        """Every spelling, each port once, over several calls."""
        container = DockerContainer("a", ports=[80]).with_exposed_ports("80/tcp", "53/UDP", 80)
        container.with_exposed_ports(443)
        self.assertEqual((Port(80), Port(53, "udp"), Port(443)), request(container).exposed)
        self.assertEqual((), request(DockerContainer("a").with_exposed_ports()).exposed)

    def test_bind_ports(self) -> None:
        """A fixed port of the host, or none; the same pair counts once."""
        container = DockerContainer("a").with_bind_ports(80, 8080).with_bind_ports("80", "8080")
        container.with_bind_ports("53/udp").with_bind_ports(80, 8081)
        expected = ((Port(80), 8080), (Port(53, "udp"), None), (Port(80), 8081))
        self.assertEqual(expected, request(container).bound)
        self.assertEqual([(8080, "tcp"), (8081, "tcp")], container.fixed_ports)

    def test_wrong_ports(self) -> None:
        """They are refused where they are written."""
        wrong: list[Any] = [0, 70000, "80/xyz", "http", "80-90", True, None]
        for port in wrong:
            with self.subTest(port=port):
                with self.assertRaises(PortError):
                    DockerContainer("a").with_exposed_ports(port)
                with self.assertRaises(PortError):
                    DockerContainer("a").with_bind_ports(port, 8080)
                with self.assertRaises(PortError):
                    DockerContainer("a", ports=[port])
        hosts: list[Any] = [0, 70000, "http", "80/tcp", True]
        for host in hosts:
            with self.subTest(host=host), self.assertRaises(PortError):
                DockerContainer("a").with_bind_ports(80, host)

    def test_aliases(self) -> None:
        """A list and plain arguments both do, mixed, too; each name counts once."""
        for given in (("a", "b"), (["a", "b"],), (("a",), "b", "a"), (iter(["a", "b"]),)):
            with self.subTest(given=given):
                container = DockerContainer("x").with_network_aliases(*given)
                self.assertEqual(("a", "b"), request(container).aliases)
        container = DockerContainer("x", network_aliases=["a"]).with_network_aliases("b")
        self.assertEqual(("a", "b"), request(container).aliases)

    def test_wrong_aliases(self) -> None:
        """What is no name is refused, within a list, too."""
        wrong: list[Any] = ["", "  ", None, 5, [""], ["a", None]]
        for alias in wrong:
            with self.subTest(alias=alias):
                with self.assertRaisesRegex(DeclarationError, "is no network alias"):
                    DockerContainer("x").with_network_aliases(alias)
                with self.assertRaisesRegex(DeclarationError, "is no network alias"):
                    DockerContainer("x").with_network("net", alias)

    def test_networks(self) -> None:
        """Several, each with its own aliases, by object or by name."""
        network = Network()
        container = DockerContainer("a", network=network).with_network("other", "x", "y")
        actual = [(each.network, each.aliases) for each in request(container).attachments]
        self.assertEqual([(network, ()), ("other", ("x", "y"))], actual)

    def test_wrong_networks(self) -> None:
        """What is no network and no name of one is refused."""
        wrong: list[Any] = [None, "", 5, Network, DockerContainer("b"), omitted]
        for network in wrong:
            with self.subTest(network=network):
                with self.assertRaisesRegex(DeclarationError, "is no network: give a Network()"):
                    DockerContainer("a").with_network(network)

    def test_network_mode(self) -> None:
        """A word or another container, by its method or as an option of the SDK."""
        other = DockerContainer("b")
        modes: list[Any] = ["host", "none", "container:x", other]
        for mode in modes:
            for container in (
                DockerContainer("a").with_network_mode(mode),
                DockerContainer("a", network_mode=mode),
            ):
                self.assertIs(mode, request(container).network_mode)
                self.assertNotIn("network_mode", request(container).options)
        wrong: list[Any] = [None, "", 5, ["host"]]
        for mode in wrong:
            with self.subTest(mode=mode):
                with self.assertRaisesRegex(DeclarationError, "is no network mode"):
                    DockerContainer("a").with_network_mode(mode)

    def test_volumes(self) -> None:
        """Paths of any kind and names; the place in the container is absolute."""
        container = DockerContainer("a", volumes=[("/a", "/b", "rw")])
        container.with_volume_mapping(Path("/c"), "/d")
        binds = [each.bind() for each in request(container).mounts]
        self.assertEqual(["/a:/b:rw", "/c:/d:ro"], binds)
        for place in ("", "b", "./b"):
            with self.subTest(place=place), self.assertRaisesRegex(DeclarationError, "begins with"):
                DockerContainer("a").with_volume_mapping("/a", place)

    def test_tmpfs(self) -> None:
        """With a size or without."""
        container = DockerContainer("a").with_tmpfs_mount("/a").with_tmpfs_mount("/b", "64m")
        self.assertEqual({"/a": "", "/b": "size=67108864"}, request(container).tmpfs)

    def test_kwargs(self) -> None:
        """They add up; ``volumes`` go by the name that the engine's configuration has."""
        container = DockerContainer("a", mem_limit="1g", cap_add=["A"])
        container.with_kwargs(cap_add=["B"], volumes=["/a:/b"]).with_kwargs(volumes=["/c:/d"])
        expected = {"mem_limit": "1g", "cap_add": ["A", "B"], "binds": ["/a:/b", "/c:/d"]}
        self.assertEqual(expected, dict(request(container).options))

    def test_every_form_of_volumes(self) -> None:
        """Every form that the SDK takes becomes words, with nothing lost, beside other mounts."""
        volumes: list[tuple[Any, list[str]]] = [
            ([], []),
            ({}, []),
            (["/a:/b:ro", "v:/c"], ["/a:/b:ro", "v:/c"]),
            (("/a:/b",), ["/a:/b"]),
            ({"/a": {"bind": "/b", "mode": "ro"}}, ["/a:/b:ro"]),
            ({"v": {"bind": "/c"}}, ["v:/c:rw"]),
            ({"/a": {"bind": "/b", "ro": True}}, ["/a:/b:ro"]),
            ({"/a": {"bind": "/b", "ro": False}}, ["/a:/b:rw"]),
            ({"/a": {"bind": "/b", "propagation": "rslave"}}, ["/a:/b:rw,rslave"]),
            ({"/a": "/b", "v": {"bind": "/c", "mode": "z"}}, ["/a:/b:rw", "v:/c:z"]),
        ]
        for given, expected in volumes:
            for name in ("volumes", "binds"):
                with self.subTest(name=name, given=given):
                    container = DockerContainer("a").with_volume_mapping("/x", "/y")
                    container.with_kwargs(**{name: given})
                    self.assertEqual(expected, request(container).options["binds"])
                    self.assertEqual(1, len(request(container).mounts))

    def test_kwargs_with_a_method_of_their_own(self) -> None:
        """They are refused with the name of the method."""
        for name, advice in [("ports", "with_exposed_ports"), ("detach", "always run detached")]:
            with self.subTest(name=name), self.assertRaisesRegex(DeclarationError, advice):
                DockerContainer("a").with_kwargs(**{name: "x"})

    def test_depends_on(self) -> None:
        """Declarations, one by one or in lists, over several calls."""
        a, b, c = (DockerContainer(name) for name in "abc")
        container = DockerContainer("x").depends_on(a, [b]).depends_on(c)
        self.assertEqual((a, b, c), request(container).dependencies)

    def test_depends_on_something_else(self) -> None:
        """What is no declaration is refused, and shown."""
        wrong: list[Any] = ["db", None, omitted, 5, DockerContainer, [None], ["db"]]
        for other in wrong:
            with self.subTest(other=other):
                with self.assertRaisesRegex(DeclarationError, "only what is declared can be"):
                    DockerContainer("a").depends_on(other)

    def test_scope(self) -> None:
        """One of three words; by default it lives for the class."""
        self.assertEqual("class", DockerContainer("a").scope)
        for scope in ("test", "class", "run"):
            self.assertEqual(scope, DockerContainer("a").with_scope(scope).scope)
            self.assertEqual(scope, Network().with_scope(scope).copy().scope)
        wrong: list[Any] = ["", "session", "Class", None]
        for scope in wrong:
            with self.subTest(scope=scope):
                with self.assertRaisesRegex(DeclarationError, "choose from test, class, run"):
                    DockerContainer("a").with_scope(scope)

    def test_reset(self) -> None:
        """It needs a callable, unless the container knows how to go back."""
        self.assertIs(print, request(DockerContainer("a").with_reset(print)).reset)
        RedisContainer().with_reset()
        with self.assertRaisesRegex(DeclarationError, "DockerContainer does not know how"):
            DockerContainer("a").with_reset()
        wrong: Any = "flush"
        with self.assertRaisesRegex(DeclarationError, "give a callable"):
            RedisContainer().with_reset(wrong)

    def test_waiting_for_something_else(self) -> None:
        """What is no strategy is refused, also the class of one."""
        wrong: list[Any] = ["ready", None, 5, wait.for_running, lambda: True]
        for strategy in wrong:
            with self.subTest(strategy=strategy):
                with self.assertRaisesRegex(DeclarationError, "is no wait strategy"):
                    DockerContainer("a").waiting_for(strategy)
