"""Tests that run in a container which has the engine's socket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from docker.utils.socket import frames_iter

from tcunit import ContainerTestCase, DockerContainer, Network
from tests.engine.environments.programs import (
    PROBE,
    command,
    needs_local_engine,
    probe_in,
    with_socket,
)
from tests.engine.environments.report import EnvironmentTest
from tests.engine.helpers import EngineTest, engine, until

ALL = "bridge_ip gateway_ip docker_host"
UNMOUNT = """
import ctypes
for each in (b"/etc/hosts", b"/etc/hostname", b"/etc/resolv.conf"):
    assert ctypes.CDLL(None).umount(each) == 0, each
"""


def networks_of(container: DockerContainer) -> set[str]:
    """The networks that a container is on now."""
    return set(container.running.refresh()["NetworkSettings"]["Networks"])


def unmount(container: DockerContainer) -> None:
    """Take the mounts away that name a container."""
    done = container.exec(["python3", "-c", UNMOUNT])
    assert done.exit_code == 0, done.output


@contextlib.contextmanager
def program(container: DockerContainer, *arguments: str) -> Iterator[Iterator[bytes]]:
    """Run the probe in a container and read what it prints while it runs."""
    api = engine().client.api
    started = api.exec_create(container.get_container_id(), command(PROBE, *arguments))
    stream: Any = api.exec_start(started["Id"], socket=True)
    try:
        yield (text for _, text in frames_iter(stream, tty=False))
    finally:
        stream._response.close()
        stream.close()


@needs_local_engine
class ContainerEnvironmentTest(EngineTest, EnvironmentTest, ContainerTestCase):
    """In containers on each kind of network."""

    backend = Network()
    on_bridge = with_socket()
    on_network = with_socket().with_network(backend)
    on_none = with_socket().with_network_mode("none")
    on_host = with_socket().with_network_mode("host")
    sharing = with_socket().with_network_mode(on_network)

    def test_on_the_default_bridge(self) -> None:
        """Other networks' addresses are out of reach, their gateways are not."""
        self.assert_environment(
            "a container with the engine's socket, on the default bridge",
            probe_in(self.on_bridge),
            default="gateway_ip",
            working="gateway_ip docker_host",
        )

    def test_on_a_network_of_its_own(self) -> None:
        """A network that the containers are not on is as good as the default bridge."""
        report = probe_in(self.on_network)
        self.assertEqual("gateway_ip", report["default"])
        self.assertEqual(["gateway_ip", "docker_host"], report.working)

    def test_on_the_containers_network(self) -> None:
        """Where the network is shared, all works."""
        self.assert_environment(
            "the same, on the containers' network",
            probe_in(self.on_network, "--network", self.backend.name),
            default="bridge_ip",
            working=ALL,
        )

    def test_one_of_several_networks_is_shared(self) -> None:
        """Of a container's networks the one that we share wins, wherever it was declared."""
        report = probe_in(self.on_network, "--also", self.backend.name)
        self.assertEqual(self.backend.name, report["network"]["name"])
        self.assertEqual(("bridge_ip", ALL.split()), (report["default"], report.working))

    def test_in_another_containers_namespace(self) -> None:
        """The networks are those of the container whose namespace is shared."""
        self.assert_environment(
            "the same, in another container's network namespace",
            probe_in(self.sharing, "--network", self.backend.name),
            default="bridge_ip",
            working=ALL,
        )

    def test_on_none(self) -> None:
        """Nothing can be reached, and each mode says so."""
        self.assert_environment(
            "the same, on `none`",
            probe_in(self.on_none, "--blind"),
            default="gateway_ip",
            working="",
        )

    def test_on_the_hosts_network(self) -> None:
        """It is as on the host, though the process is in a container."""
        report = probe_in(self.on_host)
        self.assertEqual(self.on_host.get_container_id(), report["engine"]["own_container"])
        self.assert_environment(
            "the same, on the host's network", report, default="bridge_ip", working=ALL
        )


@needs_local_engine
class JoiningTest(EngineTest, EnvironmentTest, ContainerTestCase):
    """``TCUNIT_JOIN_NETWORKS=true``."""

    backend = Network()
    inside = with_socket().with_env("TCUNIT_JOIN_NETWORKS", "true")
    on_network = with_socket().with_env("TCUNIT_JOIN_NETWORKS", "true").with_network(backend)
    sharing = with_socket().with_env("TCUNIT_JOIN_NETWORKS", "1").with_network_mode(on_network)
    on_none = with_socket().with_env("TCUNIT_JOIN_NETWORKS", "true").with_network_mode("none")

    def test_joined(self) -> None:
        """Our own container is on the class's network for its length, and not longer."""
        before = networks_of(self.inside)
        report = probe_in(self.inside)
        self.assertTrue(report["network"]["is_shared"])
        self.assertEqual(report["own_networks"], report["own_networks_after"])
        self.assertEqual(before, networks_of(self.inside))
        self.assert_environment(
            "the same, with `TCUNIT_JOIN_NETWORKS=true`", report, default="bridge_ip", working=ALL
        )

    def test_in_another_containers_namespace(self) -> None:
        """It is the container that holds the namespace which is connected."""
        before = networks_of(self.on_network)
        report = probe_in(self.sharing)
        self.assertEqual(ALL.split(), report.working)
        self.assertEqual("bridge_ip", report["default"])
        self.assertEqual(before, networks_of(self.on_network))

    def test_refused_on_none(self) -> None:
        """A container on ``none`` would have to leave it."""
        (problem,) = probe_in(self.on_none, "--blind")["tests"]["failed"]
        self.assertIn("TCUNIT_JOIN_NETWORKS: our own container is on the network 'none'", problem)

    def test_refused_without_reapers(self) -> None:
        """Nothing could undo it after a kill."""
        (problem,) = probe_in(self.inside, TCUNIT_REAPERS="none")["tests"]["failed"]
        self.assertIn("TCUNIT_JOIN_NETWORKS: with TCUNIT_REAPERS=none nothing could", problem)
        self.assertEqual({"bridge"}, networks_of(self.inside))

    def test_undone_after_a_kill(self) -> None:
        """When the test process is killed, the guard takes its container off the network."""
        with program(self.inside, "--hold") as lines:
            told = json.loads(next(lines))
            self.addCleanup(remove, told)
            self.assertEqual({"bridge", told["network"]}, networks_of(self.inside))
            killed = self.inside.exec(["sh", "-c", f"kill -9 {told['pid']}"])
            self.assertEqual(0, killed.exit_code, killed.output)
            self.assertEqual([], list(lines))
        until(lambda: networks_of(self.inside) == {"bridge"}, "the network to be left")
        until(lambda: not remaining(told), "all of it to be removed")


def remaining(told: dict[str, Any]) -> list[str]:
    """What is still there of a probe that held."""
    client = engine().client
    found = [each.name for each in client.containers.list(all=True, ignore_removed=True)]
    found += [each.name for each in client.networks.list()]
    return [name for name in [*told["containers"], told["network"]] if name in found]


def remove(told: dict[str, Any]) -> None:
    """Remove what a probe has left that nobody killed."""
    if remaining(told):
        for name in told["containers"]:
            engine().remove_container(name)
        engine().free_network(told["network"])
        engine().remove_network(told["network"])


@needs_local_engine
class OwnContainerTest(EngineTest, ContainerTestCase):
    """The container that we run in is found by what there is to see."""

    plain = with_socket()
    renamed = with_socket(hostname="foo")
    private = with_socket(cgroupns="private")
    unmounted = with_socket(
        cap_add=["SYS_ADMIN"], security_opt=["apparmor=unconfined", "seccomp=unconfined"]
    )
    by_name_alone = unmounted.copy().with_kwargs(cgroupns="private")
    unknown = unmounted.copy().with_kwargs(cgroupns="private", hostname="foo")

    def assert_found(self, container: DockerContainer, cgroup: str) -> None:
        """Fail unless a process in a container knows which one that is."""
        found = container.exec(["grep", "-c", container.get_container_id(), "/proc/self/cgroup"])
        self.assertEqual(cgroup, "v1" if int(found.output) else "private")
        report = probe_in(container, "--look")
        self.assertEqual(container.get_container_id(), report["engine"]["own_container"])

    @property
    def cgroup_of_default(self) -> str:
        return "v1" if engine().info.get("CgroupVersion") == "1" else "private"

    def test_by_mounts(self) -> None:
        """The mounts name it, whatever the control group and the host name say."""
        self.assert_found(self.plain, self.cgroup_of_default)
        self.assert_found(self.renamed, self.cgroup_of_default)
        self.assert_found(self.private, "private")

    def test_without_mounts(self) -> None:
        """Without the mounts the control group names it, or else the host name."""
        for container, cgroup in [
            (self.unmounted, self.cgroup_of_default),
            (self.by_name_alone, "private"),
        ]:
            unmount(container)
            self.assert_found(container, cgroup)

    def test_nothing_names_it(self) -> None:
        """Where nothing names it, no container is assumed, ``/.dockerenv`` or not."""
        unmount(self.unknown)
        report = probe_in(self.unknown, "--look")
        self.assertTrue(report["dockerenv"])
        self.assertEqual(([], ""), (report["ids"], report["engine"]["own_container"]))
