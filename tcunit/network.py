"""Networks that users declare and create."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from . import _session, timings
from ._docker import Engine, NameTaken, NotThere
from .awaiting import with_or_async_with
from .errors import DeclarationError, EngineError, FaultError, StartError
from .fingerprint import fingerprint
from .lifecycle.alone import CreatesAlone
from .lifecycle.declared import Declared, Launch
from .lifecycle.ledger import NETWORK, Entry, ledger
from .pools import create_network
from .reapers import reapers
from .running import RunningNetwork, not_started
from .settings import JOIN_NETWORKS
from .sharing import Shared, share_of, where_shared

if TYPE_CHECKING:
    from docker.models.networks import Network as SdkNetwork

NAME_TRIES = 3


class Network(CreatesAlone):
    """A network of its own for some containers.

    Args:
        internal: nothing in it reaches the outside, and no port of it can be published.
        enable_ipv6: containers get IPv6 addresses, too; give a ``subnet``.
        subnet: its address range, as in ``"10.5.0.0/24"``; by default the engine chooses, or it is
            cut from the range in ``TCUNIT_SUBNETS``.
        driver: the network driver.
        options: the driver's options.
        labels: further labels.
        docker_network_kw: anything else that the SDK's ``create_network`` takes.
    """

    def __init__(
        self,
        *,
        internal: bool = False,
        enable_ipv6: bool = False,
        subnet: str | None = None,
        driver: str = "bridge",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        docker_network_kw: Mapping[str, Any] | None = None,
    ) -> None:
        _session.check_labels(labels or {})
        self.internal = internal
        self._labels = dict(labels or {})
        self._request: dict[str, Any] = {
            "driver": driver, "internal": internal, "enable_ipv6": enable_ipv6,
            "options": dict(options or {}), **(docker_network_kw or {}),
        }  # fmt: skip
        if subnet is not None:
            self._request["ipam"] = {"Driver": "default", "Config": [{"Subnet": subnet}]}
        self._reuse = False
        self._reset()

    def with_reuse(self, reuse: bool = True) -> Self:
        """Use the same network in all processes that declare it at the same place.

        Shared containers need it; others may be on it without aliases. The last process that uses
        it removes it, or keeps it for the next run where ``TESTCONTAINERS_REUSE_ENABLE`` is set.
        """
        self._refuse_change("with_reuse")
        self._reuse = bool(reuse)
        return self

    @property
    def is_shared(self) -> bool:
        """Whether other processes use the same one."""
        return self._reuse

    def __repr__(self) -> str:
        return f"<Network {self._running.name if self._running else self._attribute}>"

    def _reset(self) -> None:
        self._running: RunningNetwork | None = None
        self._entry: Entry | None = None
        self._is_joined = False

    @property
    def is_started(self) -> bool:
        """Whether it exists on the engine."""
        return self._running is not None

    @property
    def label(self) -> str:
        """How messages call it."""
        return self._attribute or "network"

    @property
    def running(self) -> RunningNetwork:
        """The network on the engine; raises NotStarted before it is created."""
        if self._running is None:
            raise not_started(f"the network {self._attribute}".rstrip())
        return self._running

    @property
    def name(self) -> str:
        """Its name on the engine."""
        return self.running.name

    @property
    def id(self) -> str:
        """Its id on the engine."""
        return self.running.id

    @property
    def gateway(self) -> str:
        """The address of its gateway; empty if it has none."""
        return self.running.facts.gateway

    def get_wrapped_network(self) -> SdkNetwork:
        """The SDK's own object for it."""
        return self._engine_entry.engine.sdk_network(self.id)

    # -- alone ------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Remove it; containers that others connected to it are disconnected first."""
        super().remove()

    def connect(self, container_id: str, network_aliases: Sequence[str] | None = None) -> None:
        """Connect a running container to it."""
        self._engine_entry.engine.connect(self.id, container_id, network_aliases or ())

    @with_or_async_with
    def partitioned(self, *sides: Sequence[Any]) -> Iterator[None]:
        """Let the containers of different sides not reach each other for a while.

        ``with network.partitioned([a], [b, c]):`` — the test still reaches all of them. Needs an
        image with ``iptables`` (setting ``TCUNIT_NET_TOOLS_IMAGE``).

        Raises:
            FaultError: fewer than two sides, or a container that is on two of them, or on another
                network.
        """
        members = [each for side in sides if isinstance(side, Collection) for each in side]
        are_things = all(isinstance(each, Declared) for each in members)
        if not are_things or len(members) != len(set(members)) or not _are_sides(sides):
            raise FaultError("give at least two sides, and each container on one of them only")
        self._refuse_strangers(members)
        largest = max(sides, key=len)  # what the others do not let pass need not be stopped twice
        with contextlib.ExitStack() as stack:
            for side in sorted(sides, key=lambda side: side is not largest):
                others = [] if side is largest else [each for each in members if each not in side]
                for each in side:
                    stack.enter_context(each._cut_off(others))
            yield

    def _refuse_strangers(self, members: Iterable[Any]) -> None:
        for each in members:
            known = each.running.state() and each.running.info["NetworkSettings"]["Networks"]
            if self.name not in known:
                raise FaultError(
                    f"{each.running.description} is not on {self.name}, but on "
                    f"{', '.join(known) or 'no network'}: leave it out"
                )

    @property
    def _engine_entry(self) -> Entry:
        if self._entry is None:
            raise not_started("the network")
        return self._entry

    # -- in a set ---------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Nothing is left to settle."""

    @property
    def is_apart(self) -> bool:
        """Whether it is its set's own: not shared, and our own container has not joined it."""
        return not self._reuse and not self._is_joined

    def needs(self) -> Iterable[Any]:
        """Nothing."""
        return ()

    def why_not_ahead(self, resolve: Callable[[Any], Any]) -> str:
        """A range of addresses, or a bridge, of its own exists only once."""
        fixed = self._request.get("ipam") or self._request["options"]
        return "has a fixed address range or driver options" if fixed else ""

    def launch(self, launch: Launch) -> None:
        """Create it under a name of its own."""
        if self._reuse:
            self._share(launch)
            return
        owner = launch.owner or self._declared_in
        for _ in range(NAME_TRIES):
            name = _session.resource_name(owner, self._attribute or "network")
            try:
                self._create(launch, name)
                return
            except NameTaken:
                continue
            except EngineError as error:
                raise StartError(f"{self.label} could not be created: {error}") from error
        raise StartError(f"{self.label}: no free name was found in {NAME_TRIES} tries")

    def _create(self, launch: Launch, name: str) -> None:
        launch.admit(self.label)
        labels = {**self._labels, **_session.labels(name)}
        with (
            timings.spent("create", thing=self.label),
            ledger.creating(launch.engine, NETWORK, name, is_ahead=launch.is_ahead) as entry,
        ):
            self._entry = entry
            entry.id = self._created(launch, name, labels)
        self._use(launch, entry)

    def _created(self, launch: Launch, name: str, labels: dict[str, str]) -> str:
        return create_network(
            launch.engine, name, labels, self._request, launch.settings,
            check=lambda: launch.admit(self.label),
        )  # fmt: skip

    def _use(self, launch: Launch, entry: Entry) -> None:
        self._is_joined = _join(launch, entry.id)
        facts = launch.surroundings.network(entry.id)
        self._running = RunningNetwork(entry.id, entry.name, facts)

    def _share(self, launch: Launch) -> None:
        """Become a user of the one that all processes share; make it if it is not there.

        Its place is part of what it is: on a network of another class, aliases could be taken.
        """
        engine = launch.engine
        declaration = fingerprint(
            self.label, **where_shared(engine, self.label), request=self._request,
            labels=self._labels, place=self.place,
        )  # fmt: skip
        stem = self._attribute or "network"
        share = share_of(NETWORK, stem, declaration, launch.settings)
        self._entry = shared = Shared(engine, share, self.label, self.place)
        if not shared.enter(launch, lambda known: _is_there(engine, known)):
            try:
                labels = {**self._labels, **shared.labels}
                shared.id = self._created(launch, shared.name, labels)
            except EngineError as error:
                raise StartError(f"{self.label} could not be created: {error}") from error
        shared.ready()
        self._use(launch, shared)

    def release(self) -> None:
        """Remove it, if it is there."""
        entry, self._entry, self._running = self._entry, None, None
        if entry is not None:
            ledger.remove(entry)

    def kept(self) -> Iterable[Entry]:
        """What stays on the engine when it is kept: itself, if it was created and is not shared."""
        entry = self._entry
        return [entry] if entry is not None and entry.id and not self._reuse else []


def _is_there(engine: Engine, network: str) -> bool:
    try:
        engine.inspect_network(network)
    except NotThere:
        return False
    return True


def _are_sides(sides: Collection[Any]) -> bool:
    return len(sides) > 1 and all(isinstance(side, Collection) and side for side in sides)


def _join(launch: Launch, network: str) -> bool:
    """Let our own container reach a network that it is not on, where a setting asks for it."""
    facts = launch.surroundings.network(network)
    own = launch.surroundings.facts
    if not launch.settings.get(JOIN_NETWORKS) or facts.bridge_here or not own.own_container:
        return False
    if own.is_isolated:
        raise StartError(
            "TCUNIT_JOIN_NETWORKS: our own container is on the network 'none', which it would have "
            "to leave for good: start it on another network"
        )
    if not reapers.status():
        raise StartError(
            "TCUNIT_JOIN_NETWORKS: with TCUNIT_REAPERS=none nothing could take our own container "
            "off the network after a kill: leave one reaper on"
        )
    launch.surroundings.join(network)
    return True


def check_network(value: object) -> None:
    """Refuse what is no network."""
    if not isinstance(value, Network | str) or not value:
        raise DeclarationError(
            f"{value!r} is no network: give a Network(), or the name of one that exists"
        )
