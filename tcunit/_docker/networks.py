"""The networks of an engine, and which containers are on them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import EngineError
from .options import parameters, refuse_unknown
from .refusals import NotThere, translated

if TYPE_CHECKING:
    import docker

Json = dict[str, Any]


class Networks:
    """The engine's calls about networks."""

    client: docker.DockerClient

    def create_network(self, name: str, labels: Mapping[str, str], options: Json) -> str:
        """Create a network and return its id."""
        with translated(f"creating the network {name}"):
            refuse_unknown(options, parameters(self.client.api.create_network), "network")
            created: Json = self.client.api.create_network(
                name, labels=dict(labels), check_duplicate=True, **options
            )
            return str(created["Id"])

    def inspect_network(self, network: str) -> Json:
        """What the engine knows of a network."""
        with translated(f"looking at the network {network}"):
            found: Json = self.client.api.inspect_network(network)
            return found

    def podman_interface(self, network: str) -> str:
        """The bridge of a network of Podman, which Docker's API has no word for."""
        api = self.client.api
        url = f"{api.base_url}/v4.0.0/libpod/networks/{network}/json"
        with translated(f"looking at the network {network}"):
            answer = api.get(url, timeout=api.timeout)
            return str(answer.json().get("network_interface") or "") if answer.ok else ""

    def connect(self, network: str, container: str, aliases: Sequence[str]) -> None:
        """Connect a container to a further network."""
        with translated(f"connecting {container} to the network {network}"):
            self.client.api.connect_container_to_network(
                container, network, aliases=list(aliases) or None
            )

    def disconnect(self, network: str, container: str) -> None:
        """Disconnect a container from a network, also one that has ended."""
        with translated(f"disconnecting {container} from the network {network}"):
            self.client.api.disconnect_container_from_network(container, network, force=True)

    def subnets(self) -> list[str]:
        """The address ranges of all networks."""
        with translated("listing the networks"):
            networks = self.client.api.networks()
        pools = [pool for each in networks for pool in (each.get("IPAM") or {}).get("Config") or ()]
        return [pool["Subnet"] for pool in pools if pool.get("Subnet")]

    def free_network(self, network: str) -> None:
        """Disconnect a network from all containers that are on it; they live on."""
        with contextlib.suppress(EngineError):
            for container in self.inspect_network(network).get("Containers") or ():
                with contextlib.suppress(EngineError):
                    self.disconnect(network, container)

    def remove_network(self, network: str) -> None:
        """Remove a network; no error if it is not there.

        Containers that are still on it, which somebody else has connected, are disconnected.
        """
        try:
            self._remove_network(network)
        except EngineError:
            self.free_network(network)
            self._remove_network(network)

    def _remove_network(self, network: str) -> None:
        with contextlib.suppress(NotThere), translated(f"removing the network {network}"):
            self.client.api.remove_network(network)
