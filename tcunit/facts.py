"""What can be known about where the tests run: interfaces, our own container, the engine's place.

Each fact is one that proves what it is used for. ``/.dockerenv`` is no such fact (virtual machines
made from images have it), nor is an address alone (every engine has a 172.17.0.1).
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ._docker import Engine, NotThere
from .connection import EngineFacts, NetworkFacts
from .settings import HOST_OVERRIDE, Settings

Json = dict[str, Any]

BRIDGE_NAME_OPTION = "com.docker.network.bridge.name"
_CONTAINER_IN_MOUNTS = r"[/-]containers/([0-9a-f]{64})/\S+ /etc/(?:hosts|hostname|resolv\.conf) "
_CONTAINER_IN_CGROUP = r"([0-9a-f]{64})"
_SHORT_ID = r"[0-9a-f]{12}"
_SIOCGIFADDR = 0x8915


@dataclass
class Surroundings:
    """The facts about one engine and its networks, each gathered once, when it is needed."""

    engine: Engine
    settings: Settings
    _networks: dict[str, NetworkFacts] = field(default_factory=dict)
    _asking: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def _own(self) -> Json | None:
        """What this engine knows of the container we run in; ``None`` if we are in none of its."""
        for container in own_container_ids():
            try:
                return self.engine.inspect(container)
            except NotThere:
                continue
        return None

    @cached_property
    def _holder(self) -> Json | None:
        """The container that holds our network namespace: our own, or the one it shares with."""
        mode = ((self._own or {}).get("HostConfig") or {}).get("NetworkMode") or ""
        if not mode.startswith("container:"):
            return self._own
        return self.engine.inspect(mode.removeprefix("container:"))

    @cached_property
    def facts(self) -> EngineFacts:
        """Where the engine is."""
        override = self.settings.find(HOST_OVERRIDE)
        return EngineFacts(
            self.engine.kind,
            self.engine.hostname,
            self.engine.is_desktop,
            self.engine.is_rootless,
            self._own["Id"] if self._own else "",
            self._own is not None and not self._own_networks,
            override.value,
            override.source,
        )

    def join(self, network: str) -> None:
        """Connect our own container to a network, so that its addresses can be reached from here.

        Whoever removes the network undoes it.
        """
        if self._holder is None:
            return
        self.engine.connect(network, self._holder["Id"], ())
        self._networks.clear()
        del self._own, self._holder

    @cached_property
    def engine_is_here(self) -> bool:
        """Whether the engine runs on the kernel that we run on, by its own word.

        A socket may lead elsewhere, so the host name and the kernel must be ours as well.
        """
        info = self.engine.info
        import platform

        ours = (socket.gethostname(), platform.release())
        return self.engine.kind == "unix" and (info.get("Name"), info.get("KernelVersion")) == ours

    @property
    def _own_networks(self) -> list[str]:
        """The ids of the networks that our own container is on, ``none`` not counted.

        Podman gives their names for ids.
        """
        if self._holder is None:
            return []
        networks = self._holder["NetworkSettings"]["Networks"].items()
        return [each.get("NetworkID", "") for name, each in networks if name != "none"]

    def own_address(self, network: str) -> str:
        """The IPv4 address of our own container on a network, by its id or name; may be empty."""
        found = (self._holder or {}).get("NetworkSettings", {}).get("Networks") or {}
        on = (each for name, each in found.items() if network in (each.get("NetworkID"), name))
        return next((each.get("IPAddress") or "" for each in on), "")

    def network(self, name: str) -> NetworkFacts:
        """The facts about a network of this engine, by name or id."""
        with self._asking:
            if name not in self._networks:
                found = self._facts_of(self.engine.inspect_network(name))
                if self.engine.is_podman and not found.bridge_here:
                    return found  # it makes the bridge for the first container
                self._networks[name] = self._networks[found.name] = self._networks[found.id] = found
            return self._networks[name]

    def _facts_of(self, network: Json) -> NetworkFacts:
        pools = (network.get("IPAM") or {}).get("Config") or []
        gateways = [pool["Gateway"].partition("/")[0] for pool in pools if pool.get("Gateway")]
        gateway = next((each for each in gateways if "." in each), gateways[0] if gateways else "")
        named, bridge = self._bridge_of(network) if network.get("Driver") == "bridge" else ("", "")
        gateway = gateway or _address_within(bridge, pools)
        # A name made of the network's random id belongs to this engine; docker0 may be another's.
        is_this_engines = not named or self.engine_is_here
        is_here = is_this_engines and bool(bridge) and holds(bridge, gateway)
        is_none = bool(bridge) and not interface_address(bridge)
        return NetworkFacts(
            network["Name"], network["Id"], gateway, bridge,
            bridge_here=is_here,
            is_shared=not {network["Id"], network["Name"]}.isdisjoint(self._own_networks),
            is_internal=bool(network.get("Internal")), has_ipv6=bool(network.get("EnableIPv6")),
            bridge_later=self.engine.is_podman and is_this_engines and is_none,
        )  # fmt: skip

    def _bridge_of(self, network: Json) -> tuple[str, str]:
        """The name that a bridge was given, if it was, and the name that it has in any case."""
        if self.engine.is_podman:
            named = self.engine.podman_interface(network["Name"])
            return named, named
        named = (network.get("Options") or {}).get(BRIDGE_NAME_OPTION) or ""
        return named, named or f"br-{network['Id'][:12]}"


def holds(interface: str, address: str) -> bool:
    """Whether an interface exists in our network namespace and has this IPv4 address."""
    return interface_address(interface) == address != ""


def interface_address(interface: str) -> str:
    """The IPv4 address of an interface of ours; empty if it has none (Linux only)."""
    if sys.platform != "linux":
        return ""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("256s", interface.encode()[:15])
        try:
            answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])


def _address_within(bridge: str, pools: list[Json]) -> str:
    """The bridge's address, where the engine names only the subnet it lies in."""
    address = interface_address(bridge) if bridge else ""
    import ipaddress

    subnets = [ipaddress.ip_network(pool["Subnet"]) for pool in pools if pool.get("Subnet")]
    return address if address and any(ipaddress.ip_address(address) in s for s in subnets) else ""


def own_container_ids(proc: Path = Path("/proc")) -> list[str]:
    """Ids under which an engine may know the container that we run in, the surest first.

    The mounts of ``/etc/hosts`` and its like name the container under cgroup v1 and v2 (other
    mounts of containers are seen on the engine's host, too); a control group names it under v1
    (the last id, where engines are nested); the host name is its short id where no other was given.
    An id proves nothing until an engine knows it.
    """
    mounts = re.findall(_CONTAINER_IN_MOUNTS, _read(proc / "self/mountinfo"))
    groups = re.findall(_CONTAINER_IN_CGROUP, _read(proc / "self/cgroup"))
    name = _read(proc / "sys/kernel/hostname").strip()
    names = [name] if re.fullmatch(_SHORT_ID, name) else []
    return list(dict.fromkeys([*mounts, *reversed(groups), *names]))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
