"""Where a container on the engine answers.

The engine's last answer about it, what is known about where we run, and the connection modes that
were asked for are brought together here; :mod:`~tcunit.connection` decides.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from . import connection
from ._docker import Engine
from .connection import ConnectionMode, ContainerFacts, Decision, Endpoint, Wish
from .errors import NoAddress, PortNotExposed
from .facts import Surroundings
from .inspected import Json, bindings_of, state_of
from .ports import Port, PortLike
from .settings import CONNECTION_MODE
from .wait.base import ProbeAddress

LATE_PORTS = 5.0


class Addressed:
    """The addresses of a container."""

    engine: Engine
    surroundings: Surroundings
    description: str
    exposed_ports: Sequence[Port]
    networks: Sequence[str]
    mode_of_case: Any
    changed: threading.Event
    host_of: Addressed | None
    how_to_expose: str
    info: Json

    @abstractmethod
    def refresh(self) -> Json:
        """Ask the engine anew."""

    def decision(self, asked: ConnectionMode | str | None = None) -> Decision:
        """The connection mode for it, and why."""
        found = self.surroundings.settings.find(CONNECTION_MODE)
        case = self.mode_of_case() if self.mode_of_case else None
        source = "environment and properties" if found.is_default else found.source
        wishes = [
            Wish(asked, "the call, or the test it is made in"),
            Wish(connection.mode_in_use(), "using_connection_mode()"),
            Wish(case, "connection_mode of the test case"),
            Wish(found.value, source),
        ]
        return connection.decide(wishes, self.surroundings.facts, self.network_facts())

    def network_facts(self) -> connection.NetworkFacts | None:
        """The network it is reached by: one that we share, else the first that was declared."""
        if self.host_of is not None:
            return self.host_of.network_facts()
        known = [self.surroundings.network(name) for name in self.networks]
        return next((each for each in known if each.is_shared), known[0] if known else None)

    def facts(self) -> ContainerFacts:
        """Its address and published ports, as the engine said them last."""
        if self.host_of is not None:
            return self.host_of.facts()
        network = self.network_facts()
        settings = self.info.get("NetworkSettings") or {}
        on = (settings.get("Networks") or {}).get(network.name if network else "") or {}
        on_host = ((self.info.get("HostConfig") or {}).get("NetworkMode")) == "host"
        gateway = on.get("Gateway") or (network.gateway if network else "")
        if on_host and self.surroundings.facts.own_container:
            gateway = self.surroundings.network(self.engine.default_network).gateway
        return ContainerFacts(
            self.description, on.get("IPAddress") or on.get("GlobalIPv6Address") or "",
            gateway, on_host, tuple(bindings_of(settings.get("Ports") or {})),
        )  # fmt: skip

    def addresses(self) -> list[str]:
        """Its IPv4 addresses on all its networks."""
        networks = (self.info.get("NetworkSettings") or {}).get("Networks") or {}
        return [each["IPAddress"] for each in networks.values() if each.get("IPAddress")]

    def endpoint(self, port: PortLike, mode: ConnectionMode | str | None = None) -> Endpoint:
        """Host and port by which it is reached from here."""
        wanted = self.exposed(port)
        self._await_ports(wanted)
        decision = self.decision(mode)
        return connection.endpoint(decision.mode, self.surroundings.facts, self.facts(), wanted)

    def host_ip(self, mode: ConnectionMode | str | None = None) -> str:
        """The host half of its endpoints."""
        decision = self.decision(mode)
        return connection.host_address(decision.mode, self.surroundings.facts, self.facts())

    def why_not(self, mode: ConnectionMode) -> str | None:
        """Why a mode cannot work for it from here; ``None`` where it can."""
        if self.facts().on_host_network:
            mode = ConnectionMode.DOCKER_HOST  # every mode gives the host's address
        return connection.why_not(mode, self.surroundings.facts, self.network_facts())

    def explain(
        self, port: PortLike | None = None, mode: ConnectionMode | str | None = None
    ) -> str:
        """How it is reached, the rule that won, those that did not apply, and all the facts."""
        decision = self.decision(mode)
        try:
            where = str(self.host_ip(mode) if port is None else self.endpoint(port, mode))
        except NoAddress as error:
            where = f"no address: {error}"
        name = (
            self.description if port is None else f"port {Port.parse(port)} of {self.description}"
        )
        return connection.explained(
            f"{name}: {where}",
            decision,
            self.surroundings.facts,
            self.network_facts(),
            self.facts(),
        )

    def exposed(self, port: PortLike) -> Port:
        """A port, if it is one that was exposed.

        Raises:
            PortNotExposed: it was not; lists those that were.
        """
        wanted = Port.parse(port)
        on_host = self.facts().on_host_network
        if wanted not in self.exposed_ports and not on_host and self.host_of is None:
            known = ", ".join(map(str, self.exposed_ports)) or "none"
            number = wanted.number if wanted.protocol == "tcp" else wanted
            raise PortNotExposed(
                f"port {wanted} of {self.description} is not exposed; exposed: {known}. "
                f"{self.how_to_expose.format(number)}."
            )
        return wanted

    def mapped_port(self, port: PortLike) -> int:
        """The port of the engine's host that a port is published on."""
        wanted = self.exposed(port)
        if self.facts().on_host_network:
            return wanted.number
        self._await_ports(wanted)
        return connection.endpoint(
            ConnectionMode.DOCKER_HOST, self.surroundings.facts, self.facts(), wanted
        ).port

    def probe_address(self, port: PortLike) -> ProbeAddress:
        """Where to ask whether a port's service listens: at the container itself, if possible."""
        wanted = Port.parse(port)
        network = self.network_facts()
        facts, where = self.facts(), self.surroundings.facts
        routed = network is not None and (
            (network.bridge_here and where.has_host_network) or network.is_shared
        )
        if facts.on_host_network:
            return ProbeAddress(
                connection.docker_host(where, facts.gateway), wanted.number, direct=True
            )
        if routed and facts.ip:
            return ProbeAddress(facts.ip, wanted.number, direct=True)
        self._await_ports(wanted)
        host, number = connection.endpoint(self.decision().mode, where, self.facts(), wanted)
        return ProbeAddress(host, number, direct=False)

    def _await_ports(self, port: Port) -> None:
        """Wait for a mapping that the engine shows late (some do so after the start)."""
        declared = (self.info.get("HostConfig") or {}).get("PortBindings") or {}
        deadline = time.monotonic() + LATE_PORTS
        while str(port) in declared and not self.facts().of(port):
            if time.monotonic() > deadline or not state_of(self.refresh()).running:
                return
            self.changed.wait(0.02)
