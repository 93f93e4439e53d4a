"""A service of a Compose stack as a container, and a network of it as a network.

Both are attached to what Compose has made: they start nothing but the stack, and remove nothing.
Before the start they stand for what will be there, so that others can refer to it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Protocol, Self

from .._docker import ImageInfo, Resource
from ..container import DockerContainer
from ..errors import DeclarationError
from ..lifecycle.declared import Declared, Launch
from ..lifecycle.ledger import NETWORK, Entry
from ..network import Network
from ..ports import Port
from ..request import ContainerRequest
from ..running import RunningContainer, RunningNetwork
from ..wait import (
    AllOf,
    AnyOf,
    HealthcheckWaitStrategy,
    PortWaitStrategy,
    RunningWaitStrategy,
    WaitStrategy,
    WaitTarget,
)
from ..wait.base import Probe, died

SERVICE_LABEL = "com.docker.compose.service"
NUMBER_LABEL = "com.docker.compose.container-number"
ONE_OFF_LABEL = "com.docker.compose.oneoff"

_TAKEN = ("waiting_for", "with_reset")


class Stack(Protocol):
    """The stack, as its parts see it."""

    @property
    def label(self) -> str:
        """How messages call it."""
        ...

    @property
    def scope(self) -> str:
        """How long it lives."""
        ...

    def service(self, name: str, index: int = 1) -> ComposeService:
        """One of its services."""
        ...

    def network(self, key: str) -> ComposeNetwork:
        """One of its networks."""
        ...


class PartOfStack(Declared):
    """What is there when its stack has started, for as long as that lives."""

    _stack: Stack

    @property
    def scope(self) -> str:
        """How long it lives: as long as its stack."""
        return self._stack.scope

    def needs(self) -> Iterable[Any]:
        """Its stack."""
        return [self._stack]

    def insists_on(self) -> Iterable[Declared]:
        """Its stack."""
        return [self._stack] if isinstance(self._stack, Declared) else []

    def why_not_ahead(self, resolve: Callable[[Any], Any]) -> str:
        """Its stack is not started ahead."""
        return Declared.why_not_ahead(self, resolve)


class ComposeService(PartOfStack, DockerContainer):
    """The container of a service; of a service with several, the one with a number.

    What it is like is said in the Compose file. :meth:`waiting_for` and :meth:`with_reset` work as
    for any container.
    """

    def __init__(self, stack: Stack, service: str, index: int = 1) -> None:
        self._stack, self.service, self.index = stack, service, index
        self._request = ContainerRequest(f"service {service}", aliases=(service,))
        self._reset()

    def _with(self, method: str, **changes: Any) -> Self:
        if method == "with_coverage":
            raise DeclarationError(
                f"{self.label} takes no with_coverage(): say it of the stack, as in "
                f"ComposeStack(…).with_coverage({self.service!r}, …)"
            )
        if method not in _TAKEN:
            raise DeclarationError(
                f"{self.label} takes no {method}(): say it in the Compose file, or in a further "
                f"file that is given to ComposeStack"
            )
        return super()._with(method, **changes)

    @property
    def label(self) -> str:
        """How messages call it: ``stack.web``, or ``stack.web-2`` for the second of several."""
        number = f"-{self.index}" if self.index > 1 else ""
        return self._attribute or f"{self._stack.label}.{self.service}{number}"

    def with_scope(self, scope: str) -> NoReturn:
        """Refused: it lives as long as its stack."""
        raise DeclarationError(f"{self.label} lives as long as its stack: give that the scope")

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        """Stop the stack, if this started it.

        Raises:
            DeclarationError: it is a part of a stack that somebody else started.
        """
        if self._set is None and self._running is not None:
            raise DeclarationError(
                f"{self.label} ends with its stack: use stopped() to have it stopped for a while"
            )
        super().stop(force, delete_volume)

    # -- in a set ---------------------------------------------------------------------------------

    @property
    def is_apart(self) -> bool:
        """It has nothing of its own: its stack says whether that is apart."""
        return True

    def prepare(self) -> None:
        """Nothing is left to settle."""
        self._prepared = self._request

    def check(self, request: ContainerRequest | None = None) -> None:
        """Nothing can be known of it before its file is read."""

    def launch(self, launch: Launch) -> None:
        """Be the started stack's container, and wait for what was asked for here."""
        stack: Stack = launch.resolve(self._stack)
        found = stack.service(self.service, self.index)
        strategy = self._request.wait
        self.attach(found.running, strategy or found._request.wait or RunningWaitStrategy())
        if strategy is not None:
            self.await_ready()

    @property
    def _is_job(self) -> bool:
        return super()._is_job and not isinstance(self._request.wait, ServiceWaitStrategy)

    def release(self) -> None:
        """Let go of it; the stack removes it."""
        self._running = None

    def kept(self) -> Iterable[Entry]:
        """Nothing of its own."""
        return ()

    def attach(self, running: RunningContainer, strategy: WaitStrategy) -> None:
        """Be a container that Compose has made; for the stack."""
        self._running = running
        image = str(running.info["Config"]["Image"])
        self._prepared = dataclasses.replace(self._request, image=image, wait=strategy)
        self._request = self._prepared

    def _aliases_by_network(self) -> dict[str, Sequence[str]]:
        networks = (self.running.info.get("NetworkSettings") or {}).get("Networks") or {}
        return {name: list(each.get("Aliases") or ()) for name, each in networks.items()}


class ComposeNetwork(PartOfStack, Network):
    """A network of a stack, by its key in the Compose file."""

    def __init__(self, stack: Stack, key: str) -> None:
        super().__init__()
        self._stack, self.key = stack, key

    @property
    def label(self) -> str:
        """How messages call it."""
        return self._attribute or f"{self._stack.label}'s network {self.key}"

    def with_reuse(self, reuse: bool = True) -> NoReturn:
        """Refused: it lives as long as its stack."""
        raise DeclarationError(f"{self.label} lives as long as its stack and cannot be shared")

    def launch(self, launch: Launch) -> None:
        """Be the started stack's network."""
        found = launch.resolve(self._stack).network(self.key)
        self._running, self._entry = found._running, found._entry

    def attach(self, launch: Launch, name: str) -> None:
        """Be a network that Compose has made; for the stack."""
        facts = launch.surroundings.network(name)
        self.internal = facts.is_internal
        self._running = RunningNetwork(facts.id, name, facts)
        self._entry = Entry(launch.engine, NETWORK, name, facts.id)

    def release(self) -> None:
        """Let go of it; the stack removes it."""
        self._running = self._entry = None

    def kept(self) -> Iterable[Entry]:
        """Nothing of its own."""
        return ()


class ServiceWaitStrategy(WaitStrategy):
    """What "ready" means for a service of which nothing was said.

    The first that applies: its health check succeeds; those published ports that its image declares
    listen; at least one published port does; it runs, or has ended with exit code 0.
    """

    outlives_container = True

    def __init__(self, published: Sequence[Port]) -> None:
        self._published = [port for port in published if port.protocol == "tcp"]

    def begin(self, target: WaitTarget) -> Probe:
        """Choose by what the container says of itself."""
        strategy = self._chosen(target)
        ask = strategy.begin(target) if strategy is not None else lambda: None

        def probe() -> str | None:
            state = target.ended()
            if state is None:
                return ask()
            if state.running:
                return f"it was restarted by its policy: {state}"
            if state.exit_code == 0 and state.status == "exited":
                return None
            raise died(target, state, "before it was ready")

        return probe

    def _chosen(self, target: WaitTarget) -> WaitStrategy | None:
        if target.healthcheck:
            return HealthcheckWaitStrategy()
        ports = [PortWaitStrategy(port) for port in self._published]
        declared = [
            strategy
            for strategy, port in zip(ports, self._published, strict=True)
            if port in target.image_ports
        ]
        if declared:
            return AllOf(*declared)
        return AnyOf(*ports) if ports else None

    def __str__(self) -> str:
        return "its health check or published ports (no strategy was declared)"


def attached(launch: Launch, found: Resource, service: ComposeService) -> RunningContainer:
    """A container that Compose has made, as it is now; asks the engine once about it."""
    running = RunningContainer(
        launch.engine, launch.surroundings, found.id, found.name, "", image=ImageInfo(""),
        mode_of_case=launch.mode_of_case,
        how_to_expose="Add {} to 'ports' or 'expose' of the service in the Compose file",
    )  # fmt: skip
    info = running.refresh()
    config, networks = info["Config"], info["NetworkSettings"].get("Networks") or {}
    running.image = launch.engine.images.get(info["Image"], launch.settings)
    running.description = f"{service.label} ({config['Image']}, {found.name})"
    running.exposed_ports = [Port.parse(each) for each in config.get("ExposedPorts") or ()]
    running.networks = [name for name in networks if name not in ("host", "none")]
    if (info["HostConfig"].get("RestartPolicy") or {}).get("Name") not in (None, "", "no"):
        running.restarts_before = sys.maxsize  # its file says that it may fail until it works
    return running
