"""What is asked for: the frozen request that a declaration collects.

Starting never changes a request. What can be known to be wrong without an engine is refused by
:meth:`ContainerRequest.check`, before anything is created.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import DeclarationError, PortError
from .ports import Port
from .wait import WaitStrategy

Json = dict[str, Any]
Late = str | Callable[[], object]
"""A value, or what makes it when everything the container depends on is ready."""

Command = str | Sequence[Late]

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")

INSTEAD = {
    "auto_remove": "it would lose the exit code and the log; containers are removed anyway",
    "remove": "containers are removed anyway",
    "detach": "containers always run detached",
    "environment": "use with_env(name, value) or with_envs(…)",
    "labels": "use with_labels(…)",
    "name": "use with_name(…)",
    "network": "use with_network(…)",
    "networking_config": "use with_network(…) and with_network_aliases(…)",
    "host_config": "give its options by their own names",
    "platform": "use with_platform(…)",
    "port_bindings": "use with_bind_ports(…)",
    "ports": "use with_exposed_ports(…) or with_bind_ports(…)",
    "publish_all_ports": "use with_exposed_ports(…)",
    "tmpfs": "use with_tmpfs_mount(…)",
    "image": "give the image to the constructor",
}

# Options by which a container reaches what others use, too.
SHARED = {"cgroup_parent", "device_requests", "devices", "ipc_mode", "mounts", "pid_mode",
          "privileged", "userns_mode", "uts_mode", "volumes_from"}  # fmt: skip


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Attachment:
    """A network that a container is on, and the aliases it has there only."""

    network: Any
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mount:
    """A folder or file of the engine's host, or a named volume, at a place in the container."""

    source: str
    target: str
    mode: str = "ro"

    @property
    def is_volume(self) -> bool:
        """Whether the source is the name of a volume and no path."""
        return NAME.fullmatch(self.source) is not None and self.source not in (".", "..")

    def bind(self) -> str:
        """The mount as the engine takes it, with a relative path made absolute."""
        source = self.source if self.is_volume else str(Path(self.source).expanduser().absolute())
        return f"{source}:{self.target}:{self.mode}"


@dataclass(frozen=True, eq=False)
class ContainerRequest:
    """Everything that was declared about one container."""

    image: Any  # its name, or the declaration of one that is built
    command: Command | None = None
    env: Mapping[str, Late] = field(default_factory=_nothing)
    name: str | None = None
    exposed: tuple[Port, ...] = ()
    service_ports: tuple[Port, ...] = ()
    bound: tuple[tuple[Port, int | None], ...] = ()
    on_all_interfaces: bool = False
    attachments: tuple[Attachment, ...] = ()
    aliases: tuple[str, ...] = ()
    network_mode: Any = None
    dependencies: tuple[Any, ...] = ()
    mounts: tuple[Mount, ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=_nothing)
    labels: Mapping[str, str] = field(default_factory=_nothing)
    platform: str | None = None
    options: Mapping[str, Any] = field(default_factory=_nothing)
    pull_policy: str = ""
    wait: WaitStrategy | None = None
    reset: Callable[[Any], object] | bool = False

    @property
    def ports(self) -> tuple[Port, ...]:
        """Every port that may be looked up: exposed, bound, or the service's own."""
        bound = [port for port, _ in self.bound]
        return tuple(dict.fromkeys([*self.exposed, *bound, *self.service_ports]))

    @property
    def on_host_network(self) -> bool:
        """Whether it shares the network of the engine's host."""
        return bool(self.network_mode == "host")

    @property
    def can_publish(self) -> bool:
        """Whether it has a network of its own, on which ports can be published."""
        mode = self.network_mode
        return mode is None or (
            isinstance(mode, str)
            and mode not in ("host", "none")
            and not mode.startswith("container:")
        )

    @property
    def is_apart(self) -> bool:
        """Whether nothing of the host or the engine is used that others may use after it.

        That is a name or a port that is fixed, a place that can be written to, a network that
        somebody else made, or the host's own world.
        """
        binds = [*(each.bind() for each in self.mounts), *self.options.get("binds", ())]
        return not (
            self.name
            or any(host is not None for _, host in self.bound)
            or any(not bind.endswith(":ro") for bind in binds)
            or any(isinstance(each.network, str) for each in self.attachments)
            or isinstance(self.network_mode, str)
            or SHARED.intersection(self.options)
        )

    def late_values(self) -> list[Callable[[], object]]:
        """The values that are made only when the dependencies are ready."""
        words = [] if isinstance(self.command, str | None) else list(self.command)
        return [each for each in [*self.env.values(), *words] if callable(each)]

    def check(self, who: str) -> None:
        """Refuse what cannot work, whatever the engine.

        Raises:
            DeclarationError: says what to change, about the declaration named ``who``.
        """
        for problem, kind in self._problems():
            raise kind(f"{who}: {problem}")

    def _problems(self) -> list[tuple[str, type[DeclarationError]]]:
        found: list[tuple[str, type[DeclarationError]]] = []
        if not self.image or not (isinstance(self.image, str) or hasattr(self.image, "launch")):
            found.append(("no image: give its name, as in 'redis:alpine'", DeclarationError))
        if self.pull_policy and not isinstance(self.image, str):
            found.append(("an image that is built is not pulled: give the policy for those that it "
                          "starts from to DockerImage(…, pull_policy=…)",
                          DeclarationError))  # fmt: skip
        if self.name is not None and not NAME.fullmatch(str(self.name)):
            found.append((f"the name {self.name!r} may hold letters, digits and _.- only, "
                          "and begins with a letter or digit", DeclarationError))  # fmt: skip
        has_aliases = self.aliases or any(each.aliases for each in self.attachments)
        if has_aliases and not self.attachments:
            found.append(("aliases need a network to be known on: add with_network(network)",
                          DeclarationError))  # fmt: skip
        if self.network_mode is not None and self.attachments:
            found.append(("with_network_mode() and with_network() exclude each other: "
                          "keep one of them", DeclarationError))  # fmt: skip
        if not self.can_publish and (self.exposed or self.bound):
            found.append((self._unpublishable(), PortError))
        fixed = [(host, port.protocol) for port, host in self.bound if host is not None]
        if twice := [each for each in fixed if fixed.count(each) > 1]:
            number, protocol = twice[0]
            found.append((f"two of its ports want port {number}/{protocol} of the host: "
                          "give one of them another number", PortError))  # fmt: skip
        return found

    def _unpublishable(self) -> str:
        ports = ", ".join(str(port) for port in self.ports)
        if self.on_host_network:
            return (
                f"port {ports} cannot be published in network mode host, where the service "
                f"listens on the host itself: leave the ports away; get_exposed_port() gives "
                f"the container's own number there"
            )
        return (
            f"port {ports} cannot be published with with_network_mode(): publish it on the "
            f"container whose network this is, or use with_network()"
        )


def merged(options: Mapping[str, Any], further: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options of the SDK with further ones: lists grow, dicts merge, others are replaced.

    Raises:
        DeclarationError: an option that would work behind tcunit's back; says what to use.
    """
    result = dict(options)
    for name, value in further.items():
        if name in INSTEAD:
            raise DeclarationError(f"the option {name!r} is not taken: {INSTEAD[name]}")
        known = result.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            value = {**known, **value}
        elif isinstance(known, list | tuple) and isinstance(value, list | tuple):
            value = [*known, *value]
        result[name] = value
    return MappingProxyType(result)
