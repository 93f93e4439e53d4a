"""The container that users declare and start.

One type in two states: what was declared (the request), and what runs (a
:class:`~tcunit.running.RunningContainer`). Starting never changes the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import timings
from .awaiting import settled
from .connection import Endpoint
from .copying import Copying
from .docker_image import DockerImage
from .errors import DeclarationError, EngineError, PortError, StartError
from .faults import Faults
from .images import short_name
from .inspected import state_of
from .launching import Launching, StartFrom
from .lifecycle.ahead import file_stamps, is_foreign, why_not_ahead
from .lifecycle.alone import StartsAlone
from .lifecycle.declared import Declared, Launch, owner_of
from .lifecycle.events import stream_of
from .lifecycle.ledger import Entry
from .lifecycle.startup import StartSet
from .network import Network
from .ports import Port, PortLike
from .request import ContainerRequest, Late
from .running import RunningContainer, not_started
from .settings import START_TIMEOUT
from .sharing import refuse_unshared
from .wait import DefaultWaitStrategy, WaitStrategy, wait_until_ready

if TYPE_CHECKING:
    from .measured import Measured
    from .measuring import Measurement

LONGER = (
    "If it only needs longer, give the strategy with_startup_timeout(seconds), or set "
    "TCUNIT_START_TIMEOUT."
)


STOP_TIMEOUT = 10  # the engine's own


class DockerContainer(StartsAlone, Copying, Faults):
    """A container, declared now and started by its class, by ``start()`` or by ``with``.

    Args:
        image: its name, as in ``"redis:alpine"``, or a :class:`~tcunit.DockerImage` to build.
        command, env, name, ports, volumes, network, network_aliases: short for the methods
            ``with_command``, ``with_envs``, … ``volumes`` are (host, container, mode).
        wait: short for ``waiting_for``.
        kwargs: options of the SDK, as for ``with_kwargs``.
    """

    def __init__(
        self,
        image: str | DockerImage,
        *,
        command: str | Sequence[str] | None = None,
        env: Mapping[str, Late] | None = None,
        name: str | None = None,
        ports: Iterable[PortLike] = (),
        volumes: Iterable[tuple[str, str, str]] = (),
        network: Network | str | None = None,
        network_aliases: Iterable[str] = (),
        wait: WaitStrategy | None = None,
        **kwargs: Any,
    ) -> None:
        self._request = ContainerRequest(image, name=name, wait=wait)
        self._reset()
        self.with_envs(**(env or {})).with_exposed_ports(*ports)
        self.with_network_aliases(*network_aliases)
        if command is not None:
            self.with_command(command)
        if network is not None:
            self.with_network(network)
        for each in volumes:
            self.with_volume_mapping(*each)
        if kwargs:
            self.with_kwargs(**kwargs)

    def _configure(self) -> None:
        """For subclasses: declare what depends on other options. Runs before each start.

        What it changes holds for that start only.
        """

    def _reset(self) -> None:
        self._prepared: ContainerRequest | None = None
        self._running: RunningContainer | None = None
        self._launching: Launching | None = None
        self._set: StartSet | None = None
        self._fault = ""
        self._is_used = self._has_snapshot = False

    def _aliases_by_network(self) -> dict[str, Sequence[str]]:
        return dict(self._launching.networks) if self._launching is not None else {}

    def __repr__(self) -> str:
        state = f" running as {self._running.name}" if self._running else ""
        return f"<{type(self).__name__} {self._attribute or self.image}{state}>"

    @property
    def image(self) -> str:
        """The image's name, as declared."""
        return str(self._request.image)

    @property
    def env(self) -> Mapping[str, Late]:
        """The environment variables, as declared."""
        return self._request.env

    @property
    def label(self) -> str:
        """How messages call it."""
        return self._attribute or self.image

    @property
    def known_as(self) -> str:
        """``container:NAME``, if it has a fixed name."""
        return f"container:{self._request.name}" if self._request.name else ""

    @property
    def fixed_ports(self) -> list[tuple[int, str]]:
        """The ports of the host that it insists on."""
        return [(host, port.protocol) for port, host in self._request.bound if host is not None]

    @property
    def is_apart(self) -> bool:
        """Whether it uses nothing that is not its set's own, and is removed as all are."""
        is_plain = type(self).release is DockerContainer.release and not self.is_shared
        if self._launching is not None and self._launching.measurement is not None:
            return False  # its coverage is wanted before this process writes its own
        return is_plain and (self._prepared or self._request).is_apart

    # -- alone ------------------------------------------------------------------------------------

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        """Remove it, and what its start has started; no error if it is not there.

        One that is shared is left to its other users.

        Args:
            force: kill it; otherwise it is asked to end and has ``with_stop_timeout`` for it.
            delete_volume: remove its anonymous volumes, too, and those that it has
                named and that did not exist.
        """
        ours = None if self.is_shared else self._running
        if not (force and delete_volume):
            for entry in self.kept():
                entry.take_leave()
        if ours is not None and not force:
            ours.engine.stop(ours.id, self._request.options.get("stop_timeout", STOP_TIMEOUT))
        if ours is not None and not delete_volume:
            ours.engine.remove_container(ours.id, volumes=False)
            if self._launching is not None:
                self._launching.keep_volumes()
        self._end()

    # -- in a set ---------------------------------------------------------------------------------

    @property
    def is_started(self) -> bool:
        """Whether it runs and was ready."""
        return self._running is not None

    def prepare(self) -> None:
        """Let subclasses configure this start, and check the whole of it."""
        declared, sealed = self._request, self._sealed
        self._sealed = False
        try:
            self._configure()
            self._prepared = self._request
        finally:
            self._request, self._sealed = declared, sealed
        self.check(self._prepared)
        if isinstance(self._prepared.image, DockerImage):
            self._prepared.image.prepare_undeclared()

    def check(self, request: ContainerRequest | None = None) -> None:
        """Refuse what cannot work, as far as it can be known without an engine."""
        asked = request or self._request
        asked.check(self.label)
        self._refuse_reuse_for_a_test(asked)
        networks = [each.network for each in asked.attachments]
        internal = [isinstance(each, Network) and each.internal for each in networks]
        if networks and all(internal) and (asked.exposed or asked.bound):
            raise PortError(
                f"{self.label}: its networks are internal, where no port can be published: leave "
                f"with_exposed_ports() away and reach it in connection mode bridge_ip, or add a "
                f"network that is not internal"
            )

    def needs(self) -> Iterable[Any]:
        """Its networks, its dependencies, whose network it uses, and whose late values it takes."""
        asked = self._prepared or self._request
        by_name = [asked.network_mode] if isinstance(asked.network_mode, str) else []
        needed = [*self.insists_on(), *asked.dependencies, *by_name]
        return [each for each in needed if each is not asked.image]  # its own start makes that

    def insists_on(self) -> Iterable[Declared]:
        """Its networks, whose network it uses, whose late values it takes, and its image."""
        asked = self._prepared or self._request
        references = [
            *(each.network for each in asked.attachments),
            *(each.source for each in asked.mounts),
            asked.network_mode,
            *map(owner_of, asked.late_values()),
            asked.image,
        ]
        return [each for each in references if isinstance(each, Declared)]

    def launch(self, launch: Launch) -> None:
        """Create and start it, and wait until it is ready."""
        asked = self._prepared or self._request
        for each in self.needs():
            refuse_unshared(self, launch.resolve(each))
        owner = launch.owner or self._declared_in
        stem = self._attribute or short_name(self.image)
        place = self.place if self.is_shared else None
        of_class = None if place is not None or asked.warm else launch.measured
        measurement = _measurement(asked, of_class, self.label)
        is_warm = asked.warm and measurement is None  # what is kept has nothing else in it
        begin = _warm_start(launch, self.label, stem, self.place) if is_warm else None
        self._launching = Launching(
            asked, launch, self.label, owner, stem, place, begin, measurement
        )
        self._running = self._launching.run()
        try:
            self.await_ready()
        except BaseException:
            self._launching.failed()
            raise
        self._launching.ready()
        self._running.is_cancelled = None

    def await_ready(self, strategy: WaitStrategy | None = None) -> None:
        """Wait until it is ready, by its own strategy or by another.

        Raises:
            NotReady: it was not in time.
            ContainerDied: it ended first.
        """
        running = self.running
        if running.was_ready:
            running.restarts_before = running.state().restarts
            running.notice("what happened while nobody waited", {})
        asked = strategy or (self._prepared or self._request).wait or DefaultWaitStrategy()
        limit = running.surroundings.settings.get(START_TIMEOUT)
        events = stream_of(running.engine)
        try:
            timed = timings.spent("wait", thing=self.label)
            with timed, events.open(), events.listening(running.id, running.notice):
                wait_until_ready(running, asked, limit, "" if strategy else LONGER)
            running.was_ready = True
        except EngineError as error:
            raise StartError(f"{running.description}: the wait for it failed: {error}") from error
        finally:
            running.stop_following()

    def release(self) -> None:
        """Remove it with its anonymous volumes, if it is there."""
        launching, self._launching, self._running = self._launching, None, None
        if launching is not None:
            launching.release()

    def kept(self) -> Iterable[Entry]:
        """What stays on the engine when it is kept: itself and its volumes, if it is not shared."""
        is_ours = self._launching is not None and not self.is_shared
        return self._launching.kept() if self._launching is not None and is_ours else []

    # -- before its class's turn ------------------------------------------------------------------

    def why_not_ahead(self, resolve: Callable[[Any], Any]) -> str:
        """What of its request, or of its own ways to start, must wait for its class's turn."""
        ways = (getattr(type(self), name) for name in ("_configure", "prepare", "launch"))
        if any(map(is_foreign, ways)):
            return f"is a {type(self).__name__}, which starts by code of its own"
        return why_not_ahead(self._prepared or self._request, resolve)

    def sources(self) -> object:
        """The files that it mounts, as they are now."""
        return file_stamps(self._prepared or self._request)

    def life(self, *, as_seen: bool = False) -> object:
        """Whether it runs, since when, and how it ended."""
        running = self.running
        is_known = as_seen and running.exit_told() is None
        state = state_of(running.info) if is_known else running.state()
        return state.running, state.restarts, state.exit_code, state.finished_at

    # -- between tests ----------------------------------------------------------------------------

    def use_mode_of(self, mode_of_case: Callable[[], Any] | None) -> None:
        """Follow the connection mode of another class, which shares it now."""
        self.running.mode_of_case = mode_of_case

    @property
    def is_reset(self) -> bool:
        """Whether ``with_reset`` asks for its state to be brought back."""
        return bool((self._prepared or self._request).reset)

    def before_test(self) -> None:
        """Go back to where tests begin, if ``with_reset`` asks for it and a test was there."""
        if not self.is_reset:
            return
        if self._is_used:
            self.reset()
        elif not self._has_snapshot:
            self.snapshot()
        self._is_used = True

    def snapshot(self) -> None:
        """Take its present state as the one that :meth:`reset` goes back to.

        The first test's beginning does so by itself. Only containers that know how can.
        """
        self._refuse_if_shared("taken back to a snapshot")
        self._take_snapshot()
        self._has_snapshot, self._is_used = True, False

    def reset(self) -> None:
        """Bring its state back: by the hook of ``with_reset``, or in its own way."""
        self._refuse_if_shared("reset")
        hook = (self._prepared or self._request).reset
        if callable(hook):
            settled(hook(self), f"self.{self.label}.reset")
        else:
            self._go_back()

    def _take_snapshot(self) -> None:
        """For subclasses that know how to go back: remember the present state."""

    def _go_back(self) -> None:
        """For subclasses that know how to: go back to the remembered state."""
        raise DeclarationError(f"{self.label} does not know how to go back: use with_reset(hook)")

    # -- in use -----------------------------------------------------------------------------------

    @property
    def running(self) -> RunningContainer:
        """The container on the engine; raises NotStarted before it is started."""
        if self._running is None:
            raise not_started(f"{self.label} ({self._request.image})", self.scope)
        return self._running

    def internal_endpoint(self, port: PortLike) -> Endpoint:
        """Name and port by which others on its networks reach it; known before the start."""
        number = Port.parse(port).number
        asked = self._prepared or self._request
        names = [*asked.aliases, *(a for each in asked.attachments for a in each.aliases)]
        if self._running is not None:
            names.append(self._running.name)
        names += [asked.name] if asked.name else []
        if not names:
            raise DeclarationError(
                f"{self.label} has no name that others could know before it starts: add "
                f"with_network_aliases('{self._attribute or 'name'}')"
            )
        return Endpoint(names[0], number)

    @property
    def status(self) -> str:
        """The engine's word for its state: ``running``, ``exited``, …"""
        return self.running.state().status if self._running else "not_started"


GenericContainer = DockerContainer


def _measurement(
    asked: ContainerRequest, of_class: Measured | None, label: str
) -> Measurement | None:
    if asked.measured is None and of_class is None:
        return None
    from .measuring import measurement_for  # which few have

    return measurement_for(asked, of_class, label)


def _warm_start(launch: Launch, label: str, stem: str, place: str) -> StartFrom:
    from .warm import WarmStart  # which few containers have

    return WarmStart(launch, label, stem, place).image
