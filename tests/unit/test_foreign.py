"""Containers of testcontainers-python, as far as no engine is asked."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from docker.types import EndpointConfig

from tcunit import ContainerTestCase, DockerContainer, Network
from tcunit.adapters import ForeignContainer
from tcunit.adapters.client import request_of
from tcunit.adapters.library import Unreaped, check_library, copied_by, without_prefix
from tcunit.errors import DeclarationError, NotStarted, PortError
from tcunit.ports import Port
from tcunit.request import ContainerRequest


def never() -> object:
    """A factory that must not be called."""
    raise AssertionError("it was made too early")


def asked(container: DockerContainer | None = None) -> ContainerRequest:
    """What a declaration asks for."""
    return (container or ForeignContainer(never))._request


class RequestTest(unittest.TestCase):
    """What the library passes on to the SDK becomes a request of ours."""

    def of(self, own: DockerContainer | None = None, /, **given: object) -> ContainerRequest:
        return request_of(asked(own), "redis:alpine", given, {"known"})

    def test_everything(self) -> None:
        """Each thing that the library's start() gives has its place."""
        made = self.of(
            command="redis-server --port 7000", environment={"A": "1", "NODE": 2}, name="mine",
            ports={"7000": None, "53/udp": None, "80/tcp": 8080}, tmpfs={"/fast": "64m", "/b": ""},
            volumes={"/tmp": {"bind": "/data", "mode": "rw"}}, labels={"who": "me"},
            platform="linux/amd64", mem_limit="64m", privileged=True, hostname=None,
            detach=True, auto_remove=True,
        )  # fmt: skip
        self.assertEqual("redis:alpine", made.image)
        self.assertEqual("redis-server --port 7000", made.command)
        self.assertEqual({"A": "1", "NODE": "2"}, dict(made.env))
        self.assertEqual("mine", made.name)
        self.assertEqual((Port(7000), Port(53, "udp")), made.service_ports)
        self.assertEqual(((Port(80), 8080),), made.bound)
        self.assertEqual({"/fast": "size=67108864", "/b": ""}, dict(made.tmpfs))
        self.assertEqual(["/tmp:/data:rw"], [each.bind() for each in made.mounts])
        self.assertEqual({"who": "me"}, dict(made.labels))
        self.assertEqual("linux/amd64", made.platform)
        self.assertEqual({"mem_limit": "64m", "privileged": True}, dict(made.options))
        made.check("it")

    def test_nothing(self) -> None:
        """What is not given changes nothing."""
        made = self.of(command=None, environment={}, ports={}, name=None, volumes={}, tmpfs={})
        self.assertEqual(
            (None, {}, None, ()), (made.command, dict(made.env), made.name, made.ports)
        )

    def test_lists(self) -> None:
        """Variables and mounts are taken as lists of words, too."""
        made = self.of(environment=["A=1", "B=x=y"], volumes=["/tmp:/data:ro"])
        self.assertEqual({"A": "1", "B": "x=y"}, dict(made.env))
        self.assertEqual({"binds": ["/tmp:/data:ro"]}, dict(made.options))

    def test_ours_wins(self) -> None:
        """What was declared beside the object wins over what the object says."""
        own = ForeignContainer(never).with_env("A", "ours").with_command("sleep 1")
        own.with_name("our-name").with_exposed_ports(9000)
        made = self.of(own, command="other", environment={"A": "1", "B": "2"}, name="theirs",
                       ports={"80": None})  # fmt: skip
        self.assertEqual({"A": "ours", "B": "2"}, dict(made.env))
        self.assertEqual(("sleep 1", "our-name"), (made.command, made.name))
        self.assertEqual((Port(9000), Port(80)), made.ports)

    def test_options(self) -> None:
        """So do options of the SDK; lists add up."""
        own = ForeignContainer(never).with_kwargs(
            mem_limit="64m", sysctls={"a": "1"}, cap_add=["A"], extra_hosts={"x": "::1"}
        )
        made = self.of(own, mem_limit="1g", sysctls={"a": "2", "b": "2"}, cap_add=["B"], user="me")
        expected = {
            "mem_limit": "64m", "sysctls": {"a": "1", "b": "2"}, "cap_add": ["A", "B"],
            "extra_hosts": {"x": "::1"}, "user": "me",
        }  # fmt: skip
        self.assertEqual(expected, dict(made.options))

    def test_networks(self) -> None:
        """A network of the library is one more; one that was declared is not added twice."""
        config = {"theirs": EndpointConfig("1.41", aliases=["web"])}
        own = Network()
        foreign = ForeignContainer(never).with_network(own)
        made = self.of(foreign, network="theirs", networking_config=config)
        self.assertEqual([own, "theirs"], [each.network for each in made.attachments])
        self.assertEqual(("web",), made.attachments[1].aliases)
        made = self.of(foreign, network="known", networking_config={})
        self.assertEqual([own], [each.network for each in made.attachments])
        self.assertEqual("host", self.of(network_mode="host").network_mode)

    def test_internal_network(self) -> None:
        """A module that always exposes its port can be on an internal network."""
        foreign = ForeignContainer(never).with_network(Network(internal=True))
        made = self.of(foreign, ports={"80": None})
        foreign.check(made)
        with self.assertRaises(PortError):
            foreign.with_exposed_ports(80).check()


class DeclarationTest(unittest.TestCase):
    """Declaring is inert, and wrong declarations say what is right."""

    def test_inert(self) -> None:
        """The factory is not called before its turn, also when the class exists."""

        class ShopTest(ContainerTestCase):
            net = Network()
            db = ForeignContainer(never).with_network(net).depends_on(DockerContainer("alpine"))

        self.assertIn("db", repr(ShopTest.db))
        self.assertIs(never, ShopTest.db.copy()._make.func)

    def test_copy(self) -> None:
        """A copy varies what was declared."""
        first = ForeignContainer(never).with_env("A", "1")
        second = first.copy().with_env("A", "2")
        self.assertEqual(("1", "2"), (first.env["A"], second.env["A"]))

    def test_labels(self) -> None:
        """Messages call it by the name of what makes it."""
        self.assertEqual("never", ForeignContainer(never).label)
        self.assertEqual("a container of testcontainers-python", ForeignContainer(lambda: 1).label)

    def test_no_factory(self) -> None:
        """What cannot make anything is refused."""
        with self.assertRaisesRegex(
            DeclarationError, r"'redis:alpine'.*give a class or a function"
        ):
            ForeignContainer("redis:alpine")

    def test_what_it_cannot(self) -> None:
        """What needs the whole declaration is refused, and it starts in its class's turn only."""
        for method in ("with_reuse", "with_warm_start"):
            foreign = getattr(ForeignContainer(never), method)()
            with self.assertRaisesRegex(
                DeclarationError, rf"never: {method}\(\) needs .* leave it"
            ):
                foreign.check()
        self.assertIn("code of its own", ForeignContainer(never).why_not_ahead(lambda each: each))

    def test_coverage(self) -> None:
        """What it mounts and copies in is known only at its start, so nothing is refused before."""
        ForeignContainer(never).with_coverage().check()
        with self.assertRaisesRegex(DeclarationError, "'app' does not begin with '/'"):
            ForeignContainer(never).with_coverage(paths={"app": "src"})

    def test_before_the_start(self) -> None:
        """What is looked up before the start says so, and is no trap for those who ask politely."""
        foreign = ForeignContainer(never)
        with self.assertRaisesRegex(AttributeError, "'get_connection_url' of its own; .* started"):
            foreign.get_connection_url()
        self.assertFalse(hasattr(foreign, "__wrapped__"))
        with self.assertRaises(NotStarted):
            foreign.foreign  # noqa: B018


class LibraryTest(unittest.TestCase):
    """The library itself."""

    def test_what_it_copies(self) -> None:
        """A folder keeps its name below its place, a file has that place; bytes are no file."""
        here = Path(__file__)
        specs = [(here.parent, "/app/", 0o644), (here, "/one.py", 0o644), (b"", "/two.py", 0o644)]
        box = SimpleNamespace(_transferable_specs=specs)
        expected = {f"/app/{here.parent.name}": str(here.parent), "/one.py": str(here)}
        self.assertEqual(expected, copied_by(box))
        self.assertEqual({}, copied_by(object()))

    def test_old(self) -> None:
        """A version that is too old is refused."""
        with mock.patch("importlib.metadata.version", return_value="4.8.2"):
            with self.assertRaisesRegex(
                DeclarationError, r"4\.8\.2 is too old .*4\.9 is the oldest"
            ):
                check_library()
        for version in ("4.9.0", "4.15.0", "5.0.0rc1"):
            with mock.patch("importlib.metadata.version", return_value=version):
                check_library()

    def test_missing(self) -> None:
        """Where it is not installed, the error says how to get it, and nothing else changes."""
        script = (
            "import sys\n"
            "sys.modules['testcontainers'] = None\n"
            "from tcunit import ContainerTestCase, DockerContainer\n"
            "from tcunit.adapters import ForeignContainer\n"
            "class ShopTest(ContainerTestCase):\n"
            "    db = ForeignContainer(lambda: None)\n"
            "    web = DockerContainer('nginx')\n"
            "ShopTest.db.prepare()"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        last = done.stderr.splitlines()[-1]
        self.assertTrue(last.startswith("tcunit.errors.DeclarationError: testcontainers-python"))
        self.assertIn("pip install 'tcunit[testcontainers]'", last)

    def test_not_imported(self) -> None:
        """It is not imported before something of it is to be started."""
        script = (
            "import sys\n"
            "from tcunit.adapters import ForeignContainer\n"
            "ForeignContainer(lambda: None)\n"
            "print('testcontainers' in sys.modules, 'docker' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        self.assertEqual(("False False\n", ""), (done.stdout, done.stderr))

    def test_unreaped(self) -> None:
        """The image's name is like any other, but where the library asks whether it is Ryuk's."""
        from testcontainers.core.config import testcontainers_config

        image = Unreaped("redis:alpine")
        self.assertFalse(image != testcontainers_config.ryuk_image)
        self.assertTrue(image != "redis:7")
        self.assertEqual("redis:alpine", image)
        self.assertFalse(image == testcontainers_config.ryuk_image)
        self.assertEqual(hash("redis:alpine"), hash(image))

    def test_prefix(self) -> None:
        """The library's prefix goes, because ours comes."""
        from testcontainers.core.config import testcontainers_config

        prefix = {"hub_image_name_prefix": "mirror/"}  # which old versions do not have
        with mock.patch.multiple(testcontainers_config, create=True, **prefix):
            self.assertEqual("redis:alpine", without_prefix("mirror/redis:alpine"))
            self.assertEqual("redis:alpine", without_prefix("redis:alpine"))
