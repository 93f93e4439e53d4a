"""A container that is started alone: what is asked for is what the engine runs."""

from __future__ import annotations

import os
import socket
import tempfile
import unittest
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from tcunit import ConnectionMode, DockerContainer, GenericContainer, Network, wait
from tcunit._docker import NotThere, connect_as
from tcunit.errors import (
    ContainerDied,
    DeclarationError,
    EngineError,
    ImageNotFound,
    NoAddress,
    NotStarted,
    PortNotExposed,
)
from tcunit.images import with_prefix
from tcunit.modules import NginxContainer, PostgresContainer
from tcunit.settings import IMAGE_PREFIX, Settings

from .helpers import (
    EngineTest,
    engine,
    environment,
    free_port,
    left_over,
    listening_on,
    needs_bridge,
    page,
    python,
    shell,
    sleeper,
    until,
    web_server,
)
from .relay import Relay

MODES = list(ConnectionMode)


class LifeTest(EngineTest):
    """Start and stop."""

    def test_start_and_stop(self) -> None:
        """A started container runs; a stopped one is gone from the engine."""
        container = sleeper()
        self.assertEqual("not_started", container.status)
        self.assertIs(container, self.running(container))
        self.assertEqual("running", container.status)
        known = container.get_container_id()
        container.stop()
        self.assertEqual("not_started", container.status)
        with self.assertRaises(NotThere):
            engine().inspect(known)

    def test_stop_is_idempotent(self) -> None:
        """Stopping what never started, or stopped before, is no error."""
        container = sleeper()
        container.stop()
        self.running(container)
        container.stop()
        container.stop()
        self.assertEqual([], left_over())

    def test_start_twice(self) -> None:
        """A second start of what runs changes nothing."""
        container = self.running(sleeper())
        known = container.get_container_id()
        self.assertEqual(known, container.start().get_container_id())

    def test_start_after_stop(self) -> None:
        """What was stopped starts again, as a new container of the same declaration."""
        container = self.running(sleeper().with_env("KEPT", "yes"))
        first = container.get_container_id()
        container.stop()
        container.start()
        self.assertNotEqual(first, container.get_container_id())
        self.assertEqual("yes", _variable(container, "KEPT"))

    def test_start_after_a_failed_start(self) -> None:
        """A declaration whose start failed can be corrected and started."""
        container = shell("exit 3").waiting_for(wait.for_log("never"))
        with self.assertRaises(ContainerDied):
            container.start()
        with self.assertRaises(NotStarted):
            container.get_container_id()
        self.running(container.with_command(["sh", "-c", "echo never; sleep 300"]))
        self.assertEqual("running", container.status)

    def test_removed_by_somebody_else(self) -> None:
        """What was removed behind its back says so, and stopping it is no error."""
        container = self.running(sleeper())
        container.get_wrapped_container().remove(force=True)
        self.assertEqual("removed", container.status)
        container.stop()

    def test_with_two(self) -> None:
        """Of ``with a, b:`` both run inside, and neither after, also after an error."""
        first, second = sleeper(), GenericContainer("alpine").with_command("sleep 300")
        with self.assertRaises(ZeroDivisionError), first, second:
            self.assertEqual(("running", "running"), (first.status, second.status))
            _ = 1 / 0
        self.assertEqual(("not_started", "not_started"), (first.status, second.status))
        self.assertEqual([], left_over())

    def test_with_two_of_which_the_second_fails(self) -> None:
        """If the second of two does not start, the first is stopped."""
        first = sleeper()
        with self.assertRaises(ContainerDied), first, shell("exit 1").waiting_for(_NEVER):
            self.fail("the second has started")
        self.assertEqual("not_started", first.status)

    def test_dependencies(self) -> None:
        """A lone start starts networks and dependencies before; its stop stops what it started."""
        network, first = Network(), sleeper()
        second = sleeper().with_network(network).depends_on([first])
        last = self.running(sleeper().depends_on(second))
        started = [each.get_wrapped_container().attrs["State"]["StartedAt"]
                   for each in (first, second, last)]  # fmt: skip
        self.assertEqual(sorted(started), started)
        self.assertIn(network.name, left_over())
        last.stop()
        self.assertEqual([], left_over())
        self.assertEqual([False] * 3, [each.is_started for each in (network, first, second)])

    def test_dependency_that_runs(self) -> None:
        """A dependency that runs already is used as it is, and is left running by the stop."""
        first = self.running(sleeper())
        known = first.get_container_id()
        second = self.running(sleeper().depends_on(first))
        self.assertEqual(known, first.get_container_id())
        second.stop()
        self.assertEqual("running", first.status)

    def test_stop_gently(self) -> None:
        """``stop(force=False)`` lets the container end by itself."""
        with tempfile.TemporaryDirectory() as folder:
            container = self.running(
                shell(
                    "trap 'echo bye >/out/said; exit 0' TERM; echo up; while :; do sleep 0.05; done"
                )
                .with_volume_mapping(folder, "/out", "rw")
                .waiting_for(wait.for_log("up"))
            )
            container.stop(force=False)
            self.assertEqual("bye\n", Path(folder, "said").read_text())

    def test_anonymous_volumes(self) -> None:
        """Anonymous volumes are removed with the container, or stay if that is asked for."""
        volumes = engine().client.volumes
        container = self.running(DockerContainer("redis:alpine"))
        (gone,) = _volumes_of(container)
        container.stop()
        (kept,) = _volumes_of(container.start())
        self.addCleanup(lambda: volumes.get(kept).remove())
        container.stop(delete_volume=False)
        there = [each.name for each in volumes.list()]
        self.assertEqual([kept], [name for name in (gone, kept) if name in there])

    def test_inert(self) -> None:
        """Declaring everything there is opens no connection and reads no setting."""
        done = python(_DECLARING, DOCKER_HOST="nowhere", TESTCONTAINERS_CONNECTION_MODE="wrong")
        self.assertEqual(("['Shop']\n", ""), done.communicate(timeout=60))


_NEVER = wait.for_log("never")

_DECLARING = """
import sys
def refuse(event, args):
    assert not event.startswith("socket."), event
    assert event != "open" or "testcontainers.properties" not in str(args[0]), args
sys.addaudithook(refuse)
from unittest import mock
from tcunit.settings import Settings
with mock.patch.object(Settings, "find", side_effect=AssertionError("a setting was read")):
    from tcunit import ContainerTestCase, DockerContainer, Network, wait
    from tcunit.modules import PostgresContainer, NginxContainer, RedisContainer
    class Shop(ContainerTestCase):
        net = Network(internal=True)
        db = PostgresContainer().with_network(net).with_network_aliases("db")
        cache = RedisContainer(password="secret")
        nodes = [DockerContainer("alpine").with_exposed_ports(80), NginxContainer()]
        app = (DockerContainer("alpine").depends_on(db, cache).waiting_for(wait.for_http("/", 80))
               .with_env("URL", db.get_internal_url).with_bind_ports(80, 8080)
               .with_volume_mapping("/tmp", "/host").with_kwargs(mem_limit="64m"))
        repr(app), app.label, db.internal_endpoint(5432)
assert "docker" not in sys.modules
print([Shop.__name__])
"""


class RequestTest(EngineTest):
    """What is asked for is what the engine runs."""

    def test_command(self) -> None:
        """A command is a string, split as a shell would, or a list of words."""
        for command in ("printf '%s|' 'a b' c", ["printf", "%s|", "a b", "c"]):
            with self.subTest(command=command):
                container = self.running(
                    DockerContainer("alpine").with_command(command).waiting_for(wait.for_exit())
                )
                self.assertEqual((b"a b|c|", b""), container.get_logs())
                container.stop()

    def test_constructor(self) -> None:
        """The constructor's arguments are short for the methods."""
        with tempfile.TemporaryDirectory() as folder, Network() as network:
            Path(folder, "word").write_text("hello")
            container = self.running(
                DockerContainer(
                    "python:3.11-slim",
                    command=["python", "-m", "http.server", "8000"],
                    env={"A": "1"},
                    ports=[8000],
                    volumes=[(folder, "/in", "ro")],
                    network=network,
                    network_aliases=["one", "two"],
                    wait=wait.for_port(8000),
                    hostname="named",
                )
            )
            done = container.exec(["sh", "-c", "echo $A; cat /in/word; hostname"])
            self.assertEqual("1\nhellonamed\n", done.stdout.decode())
            self.assertEqual(200, page(container.endpoint(8000)))
            aliases = container.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
            self.assertLessEqual({"one", "two"}, set(aliases[network.name]["Aliases"]))
            container.stop()

    def test_storage(self) -> None:
        """Bind mounts are read-only unless asked otherwise; relative paths are ours."""
        with tempfile.TemporaryDirectory(dir=".") as folder:
            Path(folder, "word").write_text("hello\n")
            container = self.running(
                sleeper()
                .with_volume_mapping(Path(folder).absolute(), "/fixed")
                .with_volume_mapping(f"./{os.path.relpath(folder)}", "/free", "rw")
                .with_tmpfs_mount("/memory", "1m")
                .with_tmpfs_mount("/more")
            )
            self.assertEqual(b"hello\n", container.exec("cat /fixed/word").stdout)
            self.assertNotEqual(0, container.exec("touch /fixed/new").exit_code)
            self.assertEqual(0, container.exec(["sh", "-c", "echo hi >/free/new"]).exit_code)
            self.assertEqual("hi\n", Path(folder, "new").read_text())
            mounts = container.exec("cat /proc/mounts").stdout.decode()
            self.assertRegex(mounts, r"tmpfs /memory tmpfs .*size=1024k")
            self.assertIn("tmpfs /more tmpfs", mounts)
            container.stop()

    def test_named_volume(self) -> None:
        """A source that is no path is the name of a volume."""
        volume = engine().client.volumes.create(f"tcunit-test-{os.getpid()}")
        self.addCleanup(volume.remove)
        container = self.running(sleeper().with_volume_mapping(volume.name, "/data", "rw"))
        (mount,) = container.get_wrapped_container().attrs["Mounts"]
        self.assertEqual(("volume", volume.name), (mount["Type"], mount["Name"]))
        container.stop()

    def test_raw_options_add_up(self) -> None:
        """``with_kwargs`` adds: lists grow, dicts merge, single values are replaced."""
        with tempfile.TemporaryDirectory() as folder:
            container = self.running(
                sleeper()
                .with_kwargs(
                    mem_limit="64m", cap_add=["NET_ADMIN"], sysctls={"net.core.somaxconn": "99"}
                )
                .with_kwargs(mem_limit="32m", cap_add=["SYS_TIME"])
                .with_kwargs(sysctls={"net.ipv4.ip_forward": "1"})
                .with_kwargs(volumes={folder: {"bind": "/raw", "mode": "ro"}})
                .with_kwargs(volumes=[f"{folder}:/listed:ro"])
                .with_volume_mapping(folder, "/mapped")
            )
            found = container.get_wrapped_container().attrs
            host = found["HostConfig"]
            container.stop()
        self.assertEqual(32 << 20, host["Memory"])
        caps = [each.removeprefix("CAP_") for each in host["CapAdd"]]
        self.assertEqual(["NET_ADMIN", "SYS_TIME"], sorted(caps))
        self.assertEqual({"net.core.somaxconn": "99", "net.ipv4.ip_forward": "1"}, host["Sysctls"])
        targets = sorted(each["Destination"] for each in found["Mounts"])
        self.assertEqual(["/listed", "/mapped", "/raw"], targets)

    def test_labels_and_name(self) -> None:
        """It has the user's labels and name beside ours."""
        name = f"tcunit-test-{os.getpid()}"
        container = self.running(
            sleeper().with_name(name).with_labels({"a": "1"}).with_labels({"b": "2"})
        )
        labels = container.get_wrapped_container().labels
        self.assertEqual(("1", "2"), (labels["a"], labels["b"]))
        self.assertEqual("true", labels["org.testcontainers"])
        self.assertEqual((name, name), (container.name, labels["org.testcontainers.name"]))

    def test_platform(self) -> None:
        """An image of the platform that was asked for is taken; one of another is not."""
        found = engine().client.images.get(with_prefix("alpine", Settings().get(IMAGE_PREFIX)))
        self.assertTrue(found.tag("localhost:1/alpine", "here"))
        self.addCleanup(engine().client.images.remove, "localhost:1/alpine:here")
        image = "localhost:1/alpine:here"
        own = f"{found.attrs['Os']}/{found.attrs['Architecture']}"
        self.running(sleeper(image).with_platform(own)).stop()
        other = "linux/s390x" if not own.endswith("s390x") else "linux/amd64"
        with self.assertRaises(ImageNotFound):
            sleeper(image).with_platform(other).start()

    def test_late_values(self) -> None:
        """Callables are called when the dependencies are ready; bound methods make them."""
        seen = []
        with Network() as network:
            db = PostgresContainer().with_network(network).with_network_aliases("db")

            def late() -> str:
                seen.append(db.status)
                return "made"

            container = self.running(
                DockerContainer("alpine")
                .with_network(network)
                .with_env("URL", db.get_internal_url)
                .with_env("LATE", late)
                .with_env("NUMBER", 5)
                .with_command(["sh", "-c", 'env; echo "$0"; sleep 300', late])
            )
            self.assertEqual(["running"] * 2, seen)
            environ = container.exec("env").stdout.decode().splitlines()
            self.assertLessEqual(
                {"URL=postgresql://test:test@db:5432/test", "LATE=made", "NUMBER=5"}, set(environ)
            )
            self.assertIn(b"\nmade\n", until(lambda: container.get_logs()[0], "the log"))
            container.stop()

    def test_late_value_that_fails(self) -> None:
        """A late value that cannot be made is an error that names it; nothing is left."""
        with self.assertRaisesRegex(DeclarationError, "late value of WORD .*KeyError: 'missing'"):
            sleeper().with_env("WORD", lambda: {}["missing"]).start()

    def test_configure(self) -> None:
        """``_configure`` runs before each start, and what it changes holds for that start only."""

        class Configured(DockerContainer):
            starts = 0

            def _configure(self) -> None:
                type(self).starts += 1
                self.with_env("START", self.starts).with_exposed_ports(8000 + self.starts)
                self.with_command("sleep 300").waiting_for(wait.for_running())

        container = self.running(Configured("alpine"))
        self.assertEqual("1", _variable(container, "START"))
        self.assertTrue(container.mapped_port(8001))
        container.stop()
        container.start()
        self.assertEqual("2", _variable(container, "START"))
        with self.assertRaises(PortNotExposed):
            container.mapped_port(8001)
        container.stop()
        self.assertEqual({}, dict(container.env))

    def test_copy_varies(self) -> None:
        """A copy of what runs is a declaration of its own that was not started."""
        one = self.running(sleeper().with_env("A", "1"))
        other = one.copy().with_env("A", "2")
        self.assertFalse(other.is_started)
        self.running(other)
        self.assertNotEqual(one.get_container_id(), other.get_container_id())
        self.assertEqual(["1", "2"], [_variable(each, "A") for each in (one, other)])
        other.stop()


def _variable(container: DockerContainer, name: str) -> str:
    return container.exec(["sh", "-c", f"echo ${name}"]).stdout.decode().strip()


def _volumes_of(container: DockerContainer) -> list[str]:
    return [each["Name"] for each in container.get_wrapped_container().attrs["Mounts"]]


class InsideTest(EngineTest):
    """Commands, logs, and the SDK's object."""

    container: ClassVar[DockerContainer]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.container = shell("echo out; echo err >&2; echo up; sleep 300").waiting_for(
            wait.all_of(wait.for_log("up"), wait.for_log("err", stream="stderr"))
        )
        cls.addClassCleanup(cls.container.stop)
        cls.container.start()

    def test_exec(self) -> None:
        """A command gives its exit code, and its output together and apart."""
        done = self.container.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
        self.assertEqual((3, b"out\n", b"err\n"), (done.exit_code, done.stdout, done.stderr))
        code, output = done
        self.assertEqual((3, sorted(b"out\nerr\n")), (code, sorted(output)))

    def test_exec_string(self) -> None:
        """A string is split as a shell would, and no shell runs."""
        self.assertEqual(b"a b|$HOME|", self.container.exec("printf '%s|' 'a b' $HOME").stdout)

    def test_exec_options(self) -> None:
        """User, folder and environment of a command can be given."""
        done = self.container.exec(
            ["sh", "-c", "id -u; pwd; echo $WORD"],
            user="1234", workdir="/tmp", environment={"WORD": "hello"},
        )  # fmt: skip
        self.assertEqual(b"1234\n/tmp\nhello\n", done.stdout)

    def test_exec_much(self) -> None:
        """Output of any size arrives in full and in order."""
        done = self.container.exec(["sh", "-c", "seq 1 50000"])
        self.assertEqual([str(n) for n in range(1, 50001)], done.stdout.decode().split())

    def test_exec_at_once(self) -> None:
        """Output that comes together with the engine's answer is not lost."""
        described = engine().described()
        with tempfile.TemporaryDirectory(prefix="tcu") as folder:
            relay = Relay(Path(folder) / "e", urlsplit(described["url"]).path, is_late=True)
            self.addCleanup(relay.close)
            late = connect_as({**described, "url": relay.url})
            self.addCleanup(late.client.close)
            identity = self.container.get_container_id()
            code, output = late.exec(identity, ["sh", "-c", "echo not well; exit 4"])
            self.assertEqual((4, [(1, b"not well\n")]), (code, output))

    def test_exec_what_is_missing(self) -> None:
        """A command that the image lacks ends with an exit code that says so."""
        done = self.container.exec("no-such-command")
        self.assertIn(done.exit_code, (126, 127))
        self.assertIn(b"no-such-command", done.output)

    def test_exec_in_what_ended(self) -> None:
        """A command in a container that has ended is an error of the engine, in our tree."""
        job = self.running(shell("exit 0").waiting_for(wait.for_exit()))
        with self.assertRaisesRegex(EngineError, "is not running"):
            job.exec("true")

    def test_logs(self) -> None:
        """What it logged to stdout and stderr comes apart."""
        self.assertEqual((b"out\nup\n", b"err\n"), self.container.get_logs())

    def test_wrapped(self) -> None:
        """The SDK's own object is the same container."""
        wrapped = self.container.get_wrapped_container()
        self.assertEqual(self.container.get_container_id(), wrapped.id)
        self.assertEqual(self.container.name, wrapped.name)
        self.assertEqual("running", wrapped.status)


class PortTest(EngineTest):
    """Published ports, in all three connection modes."""

    network: ClassVar[Network]
    web: ClassVar[DockerContainer]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.network = Network()
        cls.web = (
            DockerContainer("nginx:alpine")
            .with_network(cls.network)
            .with_network_aliases("web")
            .with_exposed_ports(80, "443/tcp")
        )
        cls.addClassCleanup(cls.web.stop)
        cls.web.start()

    @needs_bridge
    def test_modes(self) -> None:
        """In each connection mode, an endpoint is an address where the service answers."""
        for mode in MODES:
            with self.subTest(mode=mode):
                self.assertEqual(200, page(self.web.endpoint(80, mode)))

    @needs_bridge
    def test_bridge_ip(self) -> None:
        """In ``bridge_ip`` it is the container's own address and port."""
        on = self.web.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
        own = on[self.network.name]["IPAddress"]
        self.assertEqual((own, 80), self.web.endpoint(80, "bridge_ip"))

    @needs_bridge
    def test_gateway_ip(self) -> None:
        """In ``gateway_ip`` it is the gateway of its network and the port mapped there."""
        mapped = self._mapped(self.network.gateway)
        self.assertEqual((self.network.gateway, mapped), self.web.endpoint(80, "gateway_ip"))

    @needs_bridge
    def test_docker_host(self) -> None:
        """In ``docker_host`` it is the host's address and the port mapped there."""
        mapped = self._mapped("127.0.0.1")
        self.assertEqual(("127.0.0.1", mapped), self.web.endpoint(80, "docker_host"))
        self.assertEqual(mapped, self.web.mapped_port(80))

    def _mapped(self, address: str) -> int:
        ports = self.web.get_wrapped_container().ports["80/tcp"]
        return next(int(each["HostPort"]) for each in ports if each["HostIp"] == address)

    @needs_bridge
    def test_halves(self) -> None:
        """Host and port looked up alone are the two halves of the endpoint, whatever the mode."""
        for mode in MODES:
            with self.subTest(mode=mode), environment(TESTCONTAINERS_CONNECTION_MODE=mode.value):
                halves = self.web.get_container_host_ip(), self.web.get_exposed_port(80)
                self.assertEqual(self.web.endpoint(80, mode), halves)
                self.assertEqual(self._mapped("127.0.0.1"), self.web.mapped_port(80))

    @needs_bridge
    def test_default_mode(self) -> None:
        """Where the bridge is here and nothing is asked for, the container's own address is it."""
        self.assertEqual(self.web.endpoint(80, "bridge_ip"), self.web.endpoint(80))

    def test_url(self) -> None:
        """A URL has the endpoint, a path with one slash, and a scheme."""
        host, port = self.web.endpoint(80)
        self.assertEqual(f"http://{host}:{port}/a?b=c", self.web.url(80, "/a?b=c"))
        self.assertEqual(f"http://{host}:{port}/a", self.web.url("80/tcp", "a"))
        host, port = self.web.endpoint(443)
        self.assertEqual(f"https://{host}:{port}/", self.web.url(443, scheme="https"))

    @needs_bridge
    def test_listens_locally(self) -> None:
        """Published ports listen on loopback and on the network's gateway, and nowhere else."""
        ports = self.web.get_wrapped_container().ports
        found = {(each["HostIp"], int(each["HostPort"])) for each in ports["80/tcp"]}
        self.assertEqual({"127.0.0.1", self.network.gateway}, {address for address, _ in found})
        for address, number in found:
            listening = listening_on(number)
            self.assertIn(address, listening)
            # The same number may be another container's on the gateway of another network.
            self.assertLessEqual(listening, {"127.0.0.1", *_all_gateways()})

    def test_not_exposed(self) -> None:
        """A port that was not exposed is an error that lists those that were."""
        for look_up in (self.web.get_exposed_port, self.web.mapped_port, self.web.endpoint):
            with self.assertRaisesRegex(PortNotExposed, "exposed: 80/tcp, 443/tcp"):
                look_up(8080)
        with self.assertRaises(PortNotExposed):
            self.web.get_exposed_port("80/udp")

    def test_internal_endpoint(self) -> None:
        """The name for other containers is the alias, with the container's own port."""
        self.assertEqual(("web", 80), self.web.internal_endpoint(80))
        self.assertEqual(("db", 5), sleeper().with_network("any", "db").internal_endpoint(5))
        self.assertEqual(("fixed", 5), sleeper().with_name("fixed").internal_endpoint("5/tcp"))
        with self.assertRaisesRegex(DeclarationError, "with_network_aliases"):
            sleeper().internal_endpoint(5)

    @needs_bridge
    def test_fixed_ports(self) -> None:
        """A fixed port is the same on loopback and gateway, and wins over a random one."""
        number = free_port()
        web = self.running(
            NginxContainer()
            .with_exposed_ports(80)
            .with_bind_ports("80/tcp", number)
            .with_bind_ports(81)
        )
        self.assertEqual(number, web.mapped_port(80))
        self.assertEqual({"127.0.0.1", *_gateways(web)}, listening_on(number))
        for mode in MODES:
            self.assertEqual(200, page(web.endpoint(80, mode)))
        self.assertNotIn(web.mapped_port(81), (0, number))

    def test_all_interfaces(self) -> None:
        """When asked, a published port listens on every address."""
        container = self.running(
            sleeper()
            .with_exposed_ports(80)
            .with_ports_on_all_interfaces()
            .waiting_for(wait.for_running())
        )
        ports = container.get_wrapped_container().ports["80/tcp"]
        self.assertLessEqual({each["HostIp"] for each in ports}, {"0.0.0.0", "::"})
        self.assertIn(container.mapped_port(80), {int(each["HostPort"]) for each in ports})

    @needs_bridge
    def test_udp(self) -> None:
        """A UDP port is published as one, and datagrams come back in every mode."""
        echo = (
            "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 53))\n"
            "print('up', flush=True)\n"
            "while True: s.sendto(*s.recvfrom(99))"
        )
        container = self.running(
            DockerContainer("python:3.11-slim")
            .with_command(["python", "-c", echo])
            .with_exposed_ports("53/udp", "53/tcp")
            .waiting_for(wait.for_log("up"))
        )
        for mode in MODES:
            with self.subTest(mode=mode), socket.socket(type=socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.connect(container.endpoint("53/udp", mode))
                client.send(b"hello")
                self.assertEqual(b"hello", client.recv(99))
        self.assertEqual(53, container.get_exposed_port("53/udp"))
        ports = container.get_wrapped_container().ports
        self.assertIn(
            str(container.mapped_port("53/udp")), [p["HostPort"] for p in ports["53/udp"]]
        )


def _all_gateways() -> list[str]:
    networks = engine().client.api.networks()
    pools = [pool for each in networks for pool in each["IPAM"]["Config"] or ()]
    return [pool["Gateway"] for pool in pools if "Gateway" in pool]


def _gateways(container: DockerContainer) -> list[str]:
    networks = container.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
    return [each["Gateway"] for each in networks.values()]


class NetworkModeTest(EngineTest):
    """The host's network, another container's, and none."""

    @needs_bridge
    def test_host(self) -> None:
        """In network mode host, a service's port is the host's in every connection mode."""
        number = free_port()
        server = self.running(
            web_server(number, "127.0.0.1")
            .with_network_mode("host")
            .waiting_for(wait.for_port(number))
        )
        self.assertEqual("host", server.get_wrapped_container().attrs["HostConfig"]["NetworkMode"])
        for mode in MODES:
            self.assertEqual(("127.0.0.1", number), server.endpoint(number, mode))
        self.assertEqual(200, page(server.endpoint(number)))
        self.assertEqual(number, server.get_exposed_port(number))
        self.assertEqual(number, server.mapped_port(number))
        self.assertEqual("127.0.0.1", server.get_container_host_ip())

    @needs_bridge
    def test_of_a_declaration(self) -> None:
        """A container in the network of another starts after it and has its addresses and ports."""
        main = sleeper().with_exposed_ports(9000).waiting_for(wait.for_running())
        side = web_server(9000).with_network_mode(main).waiting_for(wait.for_port(9000))
        self.running(side)
        for mode in MODES:
            with self.subTest(mode=mode):
                self.assertEqual(main.endpoint(9000, mode), side.endpoint(9000, mode))
                self.assertEqual(200, page(side.endpoint(9000, mode)))
        side.stop()
        self.assertEqual("not_started", main.status)

    def test_of_a_name(self) -> None:
        """``container:NAME`` is the network of a container that runs, whoever started it."""
        name = f"tcunit-test-{os.getpid()}"
        main = self.running(sleeper().with_name(name))
        side = self.running(sleeper().with_network_mode(f"container:{name}"))
        mode = side.get_wrapped_container().attrs["HostConfig"]["NetworkMode"]
        self.assertEqual(f"container:{main.get_container_id()}", mode)
        side.stop()
        self.assertEqual("running", main.status)

    def test_of_an_unknown_name(self) -> None:
        """``container:NAME`` of a container that is not there is an error that says so."""
        with self.assertRaisesRegex(Exception, "container:nobody: there is no such container"):
            sleeper().with_network_mode("container:nobody").start()

    def test_none(self) -> None:
        """A container without a network has no address, and says so."""
        container = self.running(sleeper().with_network_mode("none"))
        interfaces = container.exec("ls /sys/class/net").stdout.split()
        self.assertNotIn(b"eth0", interfaces)
        with environment(TESTCONTAINERS_CONNECTION_MODE="bridge_ip"), self.assertRaises(NoAddress):
            container.get_container_host_ip()
        with self.assertRaises(PortNotExposed):
            container.endpoint(80)

    def test_by_raw_option(self) -> None:
        """``with_kwargs(network_mode=…)`` is the same as the method."""
        container = self.running(sleeper().with_kwargs(network_mode="none"))
        self.assertEqual(
            "none", container.get_wrapped_container().attrs["HostConfig"]["NetworkMode"]
        )


if __name__ == "__main__":
    unittest.main()
