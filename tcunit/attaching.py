"""Where a container is attached: its networks, and the ports that are published for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._docker import Engine, ImageInfo, NotThere
from .connection import listen_addresses
from .errors import DeclarationError, StartError
from .lifecycle.declared import Declared, Launch
from .network import Network
from .request import Attachment, ContainerRequest
from .running import RunningContainer

Attached = tuple[str, Sequence[str]]
"""A network's name, and the aliases to have there."""


def attached_networks(asked: ContainerRequest, launch: Launch, is_shared: bool) -> list[Attached]:
    """The networks' ids or names, each with the aliases to have there."""
    found: list[Attached] = []
    for attachment in asked.attachments:
        network = launch.resolve(attachment.network)
        if not is_shared:
            _refuse_alias(asked, attachment, network)
        name = network.name if isinstance(network, Network) else network
        try:
            launch.surroundings.network(name)
        except NotThere as error:
            raise _no_network(asked, name) from error
        found.append((name, [*asked.aliases, *attachment.aliases]))
    return found


def _no_network(asked: ContainerRequest, name: str) -> StartError:
    return StartError(
        f"{asked.image}: there is no network {name} on the engine: create it first, or declare a "
        f"Network() of your own"
    )


def implicit_networks(asked: ContainerRequest, engine: Engine) -> list[str]:
    """The network of a container that names none."""
    mode = asked.network_mode
    if mode in (None, "default", "bridge"):
        return [engine.default_network]
    if mode in ("host", "none") or not isinstance(mode, str) or mode.startswith("container:"):
        return []
    return [mode]


def host_of(asked: ContainerRequest, launch: Launch) -> RunningContainer | None:
    """The container whose network it uses."""
    mode = launch.resolve(asked.network_mode)
    if isinstance(mode, Declared):
        found: RunningContainer = mode.running  # type: ignore[attr-defined]
        return found
    if not isinstance(mode, str) or not mode.startswith("container:"):
        return None
    name = mode.removeprefix("container:")
    try:
        info = launch.engine.inspect(name)
    except NotThere as error:
        raise StartError(f"network mode {mode}: there is no such container") from error
    networks = list((info["NetworkSettings"].get("Networks") or {}).keys())
    found = RunningContainer(
        launch.engine, launch.surroundings, info["Id"], name, name,
        ImageInfo(info["Image"]), networks=networks,
    )  # fmt: skip
    found.info = info
    return found


def network_mode(asked: ContainerRequest, running: RunningContainer) -> str | None:
    """The mode that the engine is to be given, if it is to be given one."""
    if running.host_of is not None:
        return f"container:{running.host_of.id}"
    mode: str | None = asked.network_mode
    return mode


def published(asked: ContainerRequest, running: RunningContainer) -> dict[str, Any]:
    """The ports to publish, and on which addresses."""
    try:
        network = running.network_facts()
    except NotThere as error:
        raise _no_network(asked, running.networks[0]) from error
    every = {port: None for port in asked.exposed}
    if asked.can_publish and not (network and network.is_internal):
        every.update({port: None for port in asked.service_ports})
    pairs = [*((port, None) for port in every), *asked.bound]
    taken = {port for port, host in asked.bound if host is not None}
    addresses, _ = listen_addresses(running.surroundings.facts, network)
    if asked.on_all_interfaces:
        addresses = ("",)
    bindings: dict[str, list[tuple[str, int | None]]] = {}
    for port, host in pairs:
        if host is None and port in taken:
            continue
        bindings.setdefault(str(port), []).extend((address, host) for address in addresses)
    ports = [tuple(port.split("/")) for port in bindings]
    return {"ports": ports, "port_bindings": bindings} if bindings else {}


def _refuse_alias(asked: ContainerRequest, attachment: Attachment, network: object) -> None:
    """Refuse a name that other processes would give to containers of their own."""
    aliases = [*asked.aliases, *attachment.aliases]
    if aliases and isinstance(network, Network) and network.is_shared:
        raise DeclarationError(
            f"{asked.image}: it is not shared, but has the alias {aliases[0]!r} on a network that "
            f"other processes use at the same time, so that theirs would answer, too: give it "
            f"with_reuse(), or give it the alias on a network that is not shared"
        )
