"""What is asked for: the frozen request that a declaration collects.

Starting never changes a request. What can be known to be wrong without an engine is refused by
:meth:`ContainerRequest.check`, before anything is created.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import DeclarationError, PortError
from .measured import Measured
from .ports import Port
from .wait import ExitWaitStrategy, WaitStrategy

Json = dict[str, Any]
Late = str | Callable[[], object]
"""A value, or what makes it when everything the container depends on is ready."""

Command = str | Sequence[Late]

NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"

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
    """A folder or file of the engine's host, or a volume, at a place in the container.

    The source is a path, the name of a volume, or a declared volume.
    """

    source: Any
    target: str
    mode: str = "ro"

    @property
    def is_volume(self) -> bool:
        """Whether the source is the name of a volume and no path."""
        source = self.source
        return isinstance(source, str) and re.fullmatch(NAME, source) is not None

    @property
    def is_apart(self) -> bool:
        """Whether others cannot notice what is done with it; a declared volume says that itself."""
        if self.is_volume:
            return False
        return self.mode == "ro" or not isinstance(self.source, str)

    @property
    def path(self) -> str:
        """The source as a path, made absolute; for one that is no volume."""
        return str(Path(self.source).expanduser().absolute())

    def bind(self, volume: str = "") -> str:
        """The mount in the engine's short form."""
        source = volume or (self.source if self.is_volume else self.path)
        return f"{source}:{self.target}:{self.mode}"

    def as_mount(self) -> Json | None:
        """The bind mount in the engine's long form, by which it makes no folder that is missing.

        ``None`` where only the short form can say it.
        """
        if self.mode not in ("ro", "rw"):
            return None
        return {
            "Type": "bind", "Source": self.path, "Target": self.target,
            "ReadOnly": self.mode == "ro",
        }  # fmt: skip


@dataclass(frozen=True)
class Copy:
    """A file or tree of ours, or some bytes, to be put at a place in the container.

    The source is bytes, a path, or a callable that gives one of them when the container starts.
    """

    source: Any
    destination: str
    mode: int | None = None
    uid: int = 0
    gid: int = 0


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
    copies: tuple[Copy, ...] = ()
    env_files: tuple[str, ...] = ()
    host_ports: tuple[int | Callable[[], object], ...] | None = None
    labels: Mapping[str, str] = field(default_factory=_nothing)
    platform: str | None = None
    options: Mapping[str, Any] = field(default_factory=_nothing)
    pull_policy: str = ""
    wait: WaitStrategy | None = None
    reset: Callable[[Any], object] | bool = False
    reuse: bool = False
    warm: bool = False
    measured: Measured | None = None

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
        binds = self.options.get("binds", ())
        return not (
            self.name
            or any(not each.is_apart for each in self.mounts)
            or self.host_ports is not None
            or any(host is not None for _, host in self.bound)
            or any(not bind.endswith(":ro") for bind in binds)
            or any(isinstance(each.network, str) for each in self.attachments)
            or isinstance(self.network_mode, str)
            or SHARED.intersection(self.options)
        )

    def late_values(self) -> list[Callable[[], object]]:
        """The values that are made only when the dependencies are ready."""
        words = [] if isinstance(self.command, str | None) else list(self.command)
        sources = [each.source for each in self.copies]
        return [
            each
            for each in [*self.env.values(), *words, *sources, *(self.host_ports or ())]
            if callable(each)
        ]

    def places(self) -> dict[str, str]:
        """The paths of this host that are mounted or copied in, by their paths in the container."""
        mounted = {
            each.target: each.path
            for each in self.mounts
            if isinstance(each.source, str | PathLike) and not each.is_volume
        }
        copied = {
            f"{each.destination}{end}": str(Path(each.source).expanduser().absolute())
            for each in self.copies
            if isinstance(each.source, PathLike)
            # A file goes into a folder that is written with a slash.
            for end in {"", Path(each.source).name if each.destination.endswith("/") else ""}
        }
        return copied | mounted

    def root_of(self, copy: Copy) -> str:
        """The folder that a copy is unpacked in: the root, or the mount that can be written to."""
        if not self.options.get("read_only"):
            return "/"
        around = [each.target for each in self.mounts if is_below(copy.destination, each.target)]
        return max(around, key=len, default="/")

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
        if self.name is not None and not re.fullmatch(NAME, str(self.name)):
            found.append((f"the name {self.name!r} may hold letters, digits and _.- only, "
                          "and begins with a letter or digit", DeclarationError))  # fmt: skip
        has_aliases = self.aliases or any(each.aliases for each in self.attachments)
        if has_aliases and not self.attachments:
            found.append(("aliases need a network to be known on: add with_network(network)",
                          DeclarationError))  # fmt: skip
        if self.network_mode is not None and self.attachments:
            found.append(("with_network_mode() and with_network() exclude each other: "
                          "keep one of them", DeclarationError))  # fmt: skip
        if self.host_ports is not None and not (self.can_publish or self.on_host_network):
            found.append(("with_host_port_access() needs a network of its own: leave "
                          "with_network_mode() away, or ask for it on the container whose "
                          "network this one uses", DeclarationError))  # fmt: skip
        if not self.can_publish and (self.exposed or self.bound):
            found.append((self._unpublishable(), PortError))
        if self.measured is not None and (unclear := self.measured.problem(self.places())):
            found.append((unclear, DeclarationError))
        found += [(problem, DeclarationError) for problem in self._problems_of_storage()]
        found += [(problem, DeclarationError) for problem in self._problems_of_sharing()]
        fixed = [(host, port.protocol) for port, host in self.bound if host is not None]
        if twice := [each for each in fixed if fixed.count(each) > 1]:
            number, protocol = twice[0]
            found.append((f"two of its ports want port {number}/{protocol} of the host: "
                          "give one of them another number", PortError))  # fmt: skip
        return found

    def _problems_of_sharing(self) -> Iterator[str]:
        if self.reuse and self.reset:
            yield (
                "with_reuse() and with_reset() exclude each other, because other processes use it "
                "at the same time and would lose their data: keep one of them "
                "(with_scope('run') shares it within one process)"
            )
        if self.reuse and self.host_ports is not None:
            yield (
                "with_reuse() and with_host_port_access() exclude each other, because the ports "
                "are this process's own: keep one of them"
            )
        if isinstance(self.wait, ExitWaitStrategy) and (self.reuse or self.warm):
            name = "with_reuse" if self.reuse else "with_warm_start"
            yield f"a container that is waited for to end is of no use later: leave {name}() away"
        if self.warm and (outside := self._state_outside()):
            yield (
                f"with_warm_start() keeps the state that is in the container, but {outside} is "
                f"outside of it: mount it 'ro', or leave one of the two away"
            )

    def _problems_of_storage(self) -> list[str]:
        targets = [*(each.target.rstrip("/") for each in self.mounts), *self.tmpfs]
        found = [
            f"{place} is the place of two mounts: keep one of them"
            for place in sorted({each for each in targets if targets.count(each) > 1})
        ]
        for copy in self.copies:
            place = copy.destination
            if any(is_below(place, each) for each in self.tmpfs):
                found.append(
                    f"{place} is on a tmpfs mount, which hides what is copied there: let the "
                    f"command copy it from elsewhere"
                )
            elif self.options.get("read_only") and self.root_of(copy) == "/":
                found.append(
                    f"nothing can be copied to {place} on a read-only root: mount it with "
                    f"with_volume_mapping()"
                )
        return found

    def _state_outside(self) -> str:
        """A place outside of the container where it could keep something."""
        for each in self.mounts:
            if each.is_volume or not isinstance(each.source, str) or each.mode != "ro":
                return str(each.source)
        for bind in map(str, self.options.get("binds", ())):
            source, _, rest = bind.partition(":")
            if not source.startswith("/") or "ro" not in rest.partition(":")[2].split(","):
                return source
        for mount in self.options.get("mounts", ()):
            if mount.get("Type") != "tmpfs" and not (
                mount.get("Type") == "bind" and mount.get("ReadOnly")
            ):
                return str(mount.get("Source") or mount.get("Target"))
        return "volumes_from" if self.options.get("volumes_from") else ""

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


def is_below(place: str, folder: str) -> bool:
    """Whether a place in the container is a folder there, or in it."""
    return f"{place.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


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
