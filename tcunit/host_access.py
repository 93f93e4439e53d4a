"""How one container meets this process: by an address of ours on its network, or by a sidecar."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from .connection import EngineFacts, NetworkFacts
from .errors import HostPortError
from .facts import Surroundings
from .host_ports import Door, expose_host_port, host_ports

HOST_GATEWAY = "host-gateway"  # the engine puts the address of its host in its place


class HostAccess:
    """The door that one container uses, and the ports that were exposed for it."""

    def __init__(self) -> None:
        self._undo = contextlib.ExitStack()
        self._awaited: str | None = None

    def begin(
        self,
        surroundings: Surroundings,
        networks: Iterable[str],
        ports: Iterable[int],
        *,
        on_host: bool = False,
        is_cancelled: Callable[[], bool] = bool,
    ) -> str:
        """Open the door, and what the container asked for by itself.

        Returns:
            The address that ``host.testcontainers.internal`` has for it.

        Raises:
            HostPortError: it cannot be; says why, and what would help.
        """
        default = surroundings.engine.default_network
        known = [surroundings.network(name) for name in ([default] if on_host else networks)]
        door = self._door(surroundings, known, on_host, is_cancelled)
        host_ports.enter(door)
        self._undo.callback(host_ports.leave, door)
        for port in ports:
            self._undo.callback(expose_host_port(port).close)
        return door.name_means

    def _door(
        self,
        surroundings: Surroundings,
        known: Sequence[NetworkFacts],
        on_host: bool,
        is_cancelled: Callable[[], bool],
    ) -> Door:
        """Where the container meets this process."""
        engine, facts = surroundings.engine, surroundings.facts
        if on_host and (known[0].bridge_here or _comes_later(facts, known[0])):
            return Door(engine, known[0].id, "127.0.0.1", "")
        if way := way_in(facts, known, surroundings.own_address):
            network, means = way
            if any(each.id == network and _comes_later(facts, each) for each in known):
                self._awaited = network
            listen = "" if means == HOST_GATEWAY else means
            return Door(engine, network, means, listen, awaits_bridge=bool(self._awaited))
        reason = why_none(facts, known)
        if not known or facts.is_isolated:
            raise HostPortError(reason)
        return self._by_sidecar(surroundings, known[0], reason, on_host, is_cancelled)

    def _by_sidecar(
        self,
        surroundings: Surroundings,
        network: NetworkFacts,
        reason: str,
        on_host: bool,
        is_cancelled: Callable[[], bool],
    ) -> Door:
        """Have a container of ours on its network, from which a tunnel leads here."""
        from .sidecar import sidecar_for

        try:
            sidecar = sidecar_for(surroundings, network)
            address, gateway = sidecar.join(network, is_cancelled)
        except HostPortError as error:
            raise HostPortError(
                f"{reason}, and no container that leads here can be put beside it: {error}"
            ) from error
        self._undo.callback(sidecar.leave, network)
        if on_host:  # it comes by the address that its host has there
            host_ports.invite(network.id, gateway)
            self._undo.callback(host_ports.uninvite, network.id, gateway)
        return Door(surroundings.engine, network.id, address, address, sidecar)

    def check(self, surroundings: Surroundings, label: str) -> None:
        """Make sure that the bridge came that was awaited, now that the container runs.

        Raises:
            HostPortError: it did not come here.
        """
        if self._awaited is not None:
            network = surroundings.network(self._awaited)
            if not network.bridge_here:
                raise HostPortError(
                    f"{label}: with_host_port_access(): {why_none(surroundings.facts, [network])}"
                )

    def end(self) -> None:
        """Undo it."""
        self._undo.close()


def way_in(
    engine: EngineFacts, networks: Sequence[NetworkFacts], own_address: Callable[[str], str]
) -> tuple[str, str] | None:
    """The network on which containers meet this process, and the address that they use there. Pure.

    Args:
        own_address: the address of our own container on a network, by its id or its name.

    Returns:
        ``None`` where no address of ours is on any of their networks.
    """
    if engine.is_desktop and not engine.own_container:
        return "", HOST_GATEWAY
    for network in networks:
        if network.is_shared and (own := own_address(network.id) or own_address(network.name)):
            return network.id, own
        is_here = network.bridge_here and engine.has_host_network
        if (is_here or _comes_later(engine, network)) and "." in network.gateway:
            return network.id, network.gateway
    return None


def _comes_later(engine: EngineFacts, network: NetworkFacts) -> bool:
    return network.bridge_later and engine.has_host_network and not engine.own_container


def why_none(engine: EngineFacts, networks: Sequence[NetworkFacts]) -> str:
    """Why there is no such network. Pure."""
    names = ", ".join(each.name for each in networks) or "none"
    if engine.own_container:
        return (
            f"the container that the tests run in is on none of its networks ({names}; "
            f"TCUNIT_JOIN_NETWORKS=true puts it on each Network() that is declared)"
        )
    if engine.is_rootless:
        return "the networks of a rootless engine do not reach this process"
    if not engine.is_local:
        return f"its networks are at {engine.hostname} ({engine.kind}), not on this machine"
    return f"no gateway of its networks ({names}) is an address of this machine"
