"""What stands in for the library's own client: our engine, our resources, our addresses.

The library makes each container's calls through one object, its ``DockerClient``. Here is one of
the same type for a single container. The container that it creates is ours: in the ledger, with our
labels, on our networks. Wherever the library asks for an address, it is told ours.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._docker import lent
from ..container import DockerContainer
from ..errors import ContainerDied, StartError
from ..images import short_name
from ..launching import Launching
from ..lifecycle.declared import Launch
from ..measuring import measurement_for
from ..request import ContainerRequest
from ..running import RunningContainer
from ..wait.base import ContainerState, died
from .library import network_given, without_prefix

if TYPE_CHECKING:
    import docker

IGNORED = ("detach", "stdout", "stderr", "stream", "remove", "auto_remove")


class Guest:
    """One start of one container of the library, as the engine sees it.

    Args:
        asked: what was declared beside what the object itself says.
        label: how messages call it.
        owner, stem: what its name is made of; without a stem, the image's name does.
        copied: tells which folders of this host it copies in, by their place in it.
    """

    def __init__(
        self, asked: ContainerRequest, launch: Launch, label: str, owner: str, stem: str,
        copied: Callable[[], Mapping[str, str]] = dict,
    ) -> None:  # fmt: skip
        self.asked, self.launch, self._copied = asked, launch, copied
        self._label, self._owner, self._stem = label, owner, stem
        self.launching: Launching | None = None
        self.running: RunningContainer | None = None
        self.client: docker.DockerClient = lent(launch.engine.client, self._check)
        self._is_up = False
        self.is_starting = True

    def create(self, image: str, given: dict[str, Any]) -> Any:
        """Create the container; the SDK's own object for it."""
        if self.launching is not None:
            raise StartError(f"{self._label}: its start() creates a second container")
        asked = request_of(self.asked, without_prefix(image), given, self._networks())
        stem = self._stem or short_name(asked.image)
        measurement = measurement_for(asked, self.launch.measured, self._label, self._copied())
        self.launching = Launching(
            asked, self.launch, self._label, self._owner, stem, measurement=measurement
        )
        self.running = self.launching.create()
        return self.client.containers.get(self.running.id)

    def start(self) -> None:
        """Start the container that was created."""
        if self.launching is not None and self.running is not None:
            self.launching.start(self.running)
            self._is_up = True

    def _networks(self) -> set[str]:
        """The names of the networks that it is put on anyway."""
        resolved = [self.launch.resolve(each.network) for each in self.asked.attachments]
        return {each if isinstance(each, str) else each.name for each in resolved}

    def _check(self) -> None:
        """End the library's waits when the start was given up, or when the container has died."""
        if not self.is_starting:
            return
        self.launch.admit(self._label)
        if self._is_up and self.running is not None and (state := self.running.ended()):
            raise self._died(state)

    def why_it_failed(self) -> ContainerDied | None:
        """The reason that lies behind all others: its container has ended."""
        state = self.running.state() if self._is_up and self.running is not None else None
        return None if state is None or state.running else self._died(state)

    def _died(self, state: ContainerState) -> ContainerDied:
        assert self.running is not None
        return died(self.running, state, "while its own start() waited for it")


def request_of(
    asked: ContainerRequest, image: str, given: dict[str, Any], known: set[str]
) -> ContainerRequest:
    """What the library passes on to the SDK, as a request; what was asked for by us wins.

    Args:
        known: the networks that need not be added.
    """
    given = {name: value for name, value in given.items() if name not in IGNORED}
    made = DockerContainer(image)
    made._request = dataclasses.replace(asked, image=image)
    network, aliases = network_given(given)
    if network is not None and network not in known:
        made.with_network(network, *aliases)
    command, name = given.pop("command", None), given.pop("name", None)
    if command is not None and asked.command is None:
        made.with_command(command)
    if name is not None and asked.name is None:
        made.with_name(name)
    if platform := given.pop("platform", None):
        made.with_platform(platform)
    _add(made, asked, given)
    for key, value in given.items():
        if key not in NETWORKS and value is not None:
            made.with_kwargs(**_unless_ours(key, value, asked.options))
    return made._request


NETWORKS = ("network", "networking_config")


def _unless_ours(key: str, value: Any, ours: Mapping[str, Any]) -> dict[str, Any]:
    """An option of the library's, as far as ours do not say otherwise; lists add up."""
    known = ours.get(key)
    if isinstance(known, dict) and isinstance(value, dict):
        value = {name: each for name, each in value.items() if name not in known}
    elif known is not None and not isinstance(value, list | tuple):
        return {}
    return {key: value}


def _add(made: DockerContainer, asked: ContainerRequest, given: dict[str, Any]) -> None:
    """Add what there is several of: variables, ports, mounts, labels."""
    env = given.pop("environment", None) or {}
    if not isinstance(env, dict):
        env = dict(word.partition("=")[::2] for word in env)
    made.with_envs(**{key: value for key, value in env.items() if key not in asked.env})
    ports = given.pop("ports", None) or {}
    made._with_service_ports(*(port for port, host in ports.items() if host is None))
    for port, host in ports.items():
        if host is not None:
            made.with_bind_ports(port, host)
    volumes = given.pop("volumes", None) or {}
    if isinstance(volumes, dict):
        for host, place in volumes.items():
            made.with_volume_mapping(host, place["bind"], place.get("mode", "rw"))
    else:
        made.with_kwargs(volumes=volumes)
    for path, size in (given.pop("tmpfs", None) or {}).items():
        made.with_tmpfs_mount(path, size or None)
    if labels := given.pop("labels", None):
        made.with_labels(labels)


class OurCalls:
    """The methods of the library's ``DockerClient`` that are answered by us."""

    _tcunit_guest: Guest
    _tcunit_original: Any

    def create(self, image: str, command: Any = None, **given: Any) -> Any:
        """Create a container."""
        return self._tcunit_guest.create(image, {"command": command, **given})

    def start(self, container: Any) -> None:
        """Start it."""
        self._tcunit_guest.start()

    def run(self, image: str, command: Any = None, **given: Any) -> Any:
        """Do both at once, as up to version 4.14."""
        container = self.create(image, command, **given)
        self.start(container)
        return container

    def get_connection_mode(self) -> Any:
        """The one in which the library asks for :meth:`host` and :meth:`port`."""
        return importlib.import_module("testcontainers.core.config").ConnectionMode.docker_host

    def host(self) -> str:
        """The host half of its endpoints, by our connection mode."""
        running = self._tcunit_guest.running
        return str(self._tcunit_original.host()) if running is None else running.host_ip()

    def port(self, container_id: str, port: Any) -> str:
        """The port half of an endpoint, by our connection mode."""
        running = self._tcunit_guest.running
        if running is None:
            raise ConnectionError(f"port {port} is not published: the container is not created")
        return str(running.endpoint(port).port)

    def find_host_network(self) -> None:
        """No network but those that were asked for."""


def client_for(guest: Guest, original: Any) -> Any:
    """A client of the library's own type, with our answers."""
    kind = type("DockerClient", (OurCalls, type(original)), {})
    made: Any = object.__new__(kind)
    vars(made).update(vars(original), client=guest.client)
    vars(made).update(_tcunit_guest=guest, _tcunit_original=original)
    return made
