"""The frozen request."""

from __future__ import annotations

import dataclasses
import unittest
from pathlib import Path
from typing import Any

from tcunit import DockerContainer, Network
from tcunit.errors import DeclarationError, PortError
from tcunit.ports import Port
from tcunit.request import INSTEAD, Attachment, ContainerRequest, Mount, merged

PORT = Port(80)


class CheckTest(unittest.TestCase):
    """What is refused without an engine."""

    def test_right_ones(self) -> None:
        """Nothing is wrong with these."""
        network = Network()
        for request in (
            ContainerRequest("redis"),
            ContainerRequest("redis", name="a.B_c-1"),
            ContainerRequest("redis", attachments=(Attachment(network),), aliases=("db",)),
            ContainerRequest("redis", attachments=(Attachment("there", ("db",)),)),
            ContainerRequest("redis", exposed=(PORT,), bound=((PORT, 8080),)),
            ContainerRequest("redis", network_mode="host"),
            ContainerRequest("redis", network_mode="host", service_ports=(PORT,)),
        ):
            with self.subTest(request=request):
                request.check("db")

    def test_refusals(self) -> None:
        """Each error begins with the declaration's name and says what to change."""
        attached: Any = {"attachments": (Attachment(Network()),)}
        cases: list[tuple[ContainerRequest, type[DeclarationError], str]] = [
            (ContainerRequest(""), DeclarationError, "no image: give its name"),
            (ContainerRequest(None), DeclarationError, "no image: give its name"),  # type: ignore[arg-type]
            (ContainerRequest("a", name=""), DeclarationError, "the name '' may hold"),
            (ContainerRequest("a", name="-x"), DeclarationError, "the name '-x' may hold"),
            (ContainerRequest("a", name="a b"), DeclarationError, "the name 'a b' may hold"),
            (ContainerRequest("a", name="ä"), DeclarationError, "the name 'ä' may hold"),
            (ContainerRequest("a", name="a\n"), DeclarationError, "may hold"),
            (ContainerRequest("a", aliases=("db",)), DeclarationError, r"add with_network\("),
            (
                ContainerRequest("a", network_mode="host", **attached),
                DeclarationError,
                "exclude each other: keep one",
            ),
            (
                ContainerRequest("a", network_mode="host", exposed=(PORT,)),
                PortError,
                "port 80/tcp cannot be published in network mode host.*leave the ports away",
            ),
            (
                ContainerRequest("a", network_mode="host", bound=((PORT, 8080),)),
                PortError,
                "port 80/tcp cannot be published in network mode host",
            ),
            (
                ContainerRequest("a", network_mode=DockerContainer("b"), exposed=(PORT, Port(81))),
                PortError,
                "port 80/tcp, 81/tcp cannot be published.*on the container whose network this is",
            ),
            (
                ContainerRequest("a", network_mode="none", bound=((PORT, None),)),
                PortError,
                "cannot be published",
            ),
        ]
        for request, kind, words in cases:
            with self.subTest(words=words):
                with self.assertRaisesRegex(DeclarationError, f"(?s)^db: .*{words}") as caught:
                    request.check("db")
                self.assertIs(kind, type(caught.exception))


class RequestTest(unittest.TestCase):
    """What a request says of itself."""

    def test_frozen(self) -> None:
        """Nothing of it can be set, and what it collects cannot be changed."""
        request: Any = ContainerRequest("a")
        with self.assertRaises(dataclasses.FrozenInstanceError):
            request.image = "b"
        for name in ("env", "tmpfs", "labels", "options"):
            with self.subTest(name=name), self.assertRaises(TypeError):
                getattr(request, name)["a"] = "b"

    def test_ports(self) -> None:
        """Exposed, bound and the service's own, each once."""
        request = ContainerRequest(
            "a",
            exposed=(PORT, Port(81)),
            bound=((Port(82), 8082), (PORT, 8080)),
            service_ports=(Port(83), Port(81)),
        )
        self.assertEqual((PORT, Port(81), Port(82), Port(83)), request.ports)

    def test_host_network(self) -> None:
        """Only mode "host" is the network of the engine's host."""
        modes: list[tuple[Any, bool]] = [
            ("host", True), ("none", False), (None, False), ("container:host", False),
        ]  # fmt: skip
        for mode, expected in modes:
            request = ContainerRequest("a", network_mode=mode)
            self.assertIs(expected, request.on_host_network)

    def test_late_values(self) -> None:
        """Callables among the variables and the words of the command; a text has none."""
        late = [lambda: 1, lambda: 2]
        request = ContainerRequest("a", command=("x", late[1]), env={"A": late[0], "B": "b"})
        self.assertEqual(late, request.late_values())
        self.assertEqual([], ContainerRequest("a", command="x y").late_values())


class MountTest(unittest.TestCase):
    """Bind mounts and volumes."""

    def test_volume_or_path(self) -> None:
        """A name is a volume; what has a slash or begins with a dot or a tilde is a path."""
        here, home = Path.cwd(), Path.home()
        for source, is_volume, bound in [
            ("data", True, "data:/d:ro"),
            ("my-data_1.x", True, "my-data_1.x:/d:ro"),
            ("/srv", False, "/srv:/d:ro"),
            ("./data", False, f"{here}/data:/d:ro"),
            ("a/b", False, f"{here}/a/b:/d:ro"),
            (".", False, f"{here}:/d:ro"),
            ("~/data", False, f"{home}/data:/d:ro"),
        ]:
            with self.subTest(source=source):
                mount = Mount(source, "/d")
                self.assertEqual((is_volume, bound), (mount.is_volume, mount.bind()))

    def test_mode(self) -> None:
        """The mode is the last word."""
        self.assertEqual("data:/d:rw", Mount("data", "/d", "rw").bind())


class MergedTest(unittest.TestCase):
    """Options of the SDK add up."""

    def test_examples(self) -> None:
        """Lists grow, dicts merge, everything else is replaced."""
        for before, further, expected in [
            ({}, {"mem_limit": "1g"}, {"mem_limit": "1g"}),
            ({"mem_limit": "1g"}, {"mem_limit": "2g"}, {"mem_limit": "2g"}),
            ({"cap_add": ["A"]}, {"cap_add": ["B"]}, {"cap_add": ["A", "B"]}),
            ({"cap_add": ["A"]}, {"cap_add": ("B",)}, {"cap_add": ["A", "B"]}),
            ({"cap_add": ("A",)}, {"cap_add": ["B"]}, {"cap_add": ["A", "B"]}),
            ({"ulimits": ["A"]}, {"ulimits": "B"}, {"ulimits": "B"}),
            ({"sysctls": {"a": 1, "b": 1}}, {"sysctls": {"b": 2}}, {"sysctls": {"a": 1, "b": 2}}),
            ({"tty": True}, {"stdin_open": True}, {"tty": True, "stdin_open": True}),
        ]:
            given: dict[str, Any] = before
            with self.subTest(before=given, further=further):
                self.assertEqual(expected, dict(merged(given, further)))

    def test_nothing_given_is_changed(self) -> None:
        """The options before are the same after."""
        before: dict[str, Any] = {"cap_add": ["A"], "sysctls": {"a": 1}}
        merged(before, {"cap_add": ["B"], "sysctls": {"a": 2}})
        self.assertEqual({"cap_add": ["A"], "sysctls": {"a": 1}}, before)

    def test_options_with_a_better_way(self) -> None:
        """What would work behind tcunit's back is refused with what to use."""
        for name, advice in INSTEAD.items():
            with self.subTest(name=name), self.assertRaises(DeclarationError) as caught:
                merged({}, {name: "x"})
            self.assertEqual(f"the option {name!r} is not taken: {advice}", str(caught.exception))
