"""The container that users declare and start.

One type in two states: what was declared (the request), and what runs (a
:class:`~tcunit.running.RunningContainer`). Starting never changes the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from . import _session
from ._docker import Engine, NameTaken, NotThere, find_engine
from .connection import ConnectionMode, Endpoint, listen_addresses
from .errors import DeclarationError, EngineError, ImageNotFound, PortError, StartError
from .faults import Faults
from .images import with_prefix
from .lifecycle.declared import Declared, Launch
from .lifecycle.events import stream_of
from .lifecycle.fixture import check_fixed_ports, graph_of, launch_for
from .lifecycle.ledger import CONTAINER, Entry, ledger
from .lifecycle.startup import StartSet
from .network import Network
from .ports import PortLike
from .request import ContainerRequest, Late
from .running import RunningContainer, not_started
from .settings import IMAGE_PREFIX, START_TIMEOUT, Settings
from .wait import DefaultWaitStrategy, ExecResult, WaitStrategy, wait_until_ready

if TYPE_CHECKING:
    from docker.models.containers import Container as SdkContainer

NAME_TRIES = 3
LONGER = (
    "If it only needs longer, give the strategy with_startup_timeout(seconds), or set "
    "TCUNIT_START_TIMEOUT."
)


class DockerContainer(Faults):
    """A container, declared now and started by its class, by ``start()`` or by ``with``.

    Args:
        image: its name, as in ``"redis:alpine"``.
        command, env, name, ports, volumes, network, network_aliases: short for the methods
            ``with_command``, ``with_envs``, … ``volumes`` are (host, container, mode).
        wait: short for ``waiting_for``.
        kwargs: options of the SDK, as for ``with_kwargs``.
    """

    def __init__(
        self,
        image: str,
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
        self._entry: Entry | None = None
        self._set: StartSet | None = None
        self._networks: Sequence[tuple[str, Sequence[str]]] = ()
        self._fault = ""
        self._is_used = self._has_snapshot = False

    def _aliases_by_network(self) -> dict[str, Sequence[str]]:
        return dict(self._networks)

    def __repr__(self) -> str:
        state = f" running as {self._running.name}" if self._running else ""
        return f"<{type(self).__name__} {self._attribute or self._request.image}{state}>"

    @property
    def image(self) -> str:
        """The image's name, as declared."""
        return self._request.image

    @property
    def env(self) -> Mapping[str, Late]:
        """The environment variables, as declared."""
        return self._request.env

    @property
    def label(self) -> str:
        """How messages call it."""
        return self._attribute or self._request.image

    @property
    def known_as(self) -> str:
        """``container:NAME``, if it has a fixed name."""
        return f"container:{self._request.name}" if self._request.name else ""

    @property
    def fixed_ports(self) -> list[tuple[int, str]]:
        """The ports of the host that it insists on."""
        return [(host, port.protocol) for port, host in self._request.bound if host is not None]

    # -- alone ------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start it, and before it what it depends on; returns when it is ready.

        Raises:
            DeclarationError: what was declared cannot work.
            EngineNotFound: no engine answered.
            StartError: it could not be started; nothing of it is left.
        """
        if self._running is not None:
            return self
        settings = Settings()
        graph = graph_of([self], _itself)
        check_fixed_ports(graph)
        launch = launch_for(find_engine(settings), settings, "", _itself)
        starting = StartSet(graph, launch, settings)
        starting.start()
        self._set = starting
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        """Remove it, and what its start has started; no error if it is not there.

        Args:
            force: kill it; otherwise it is asked to end and has 10 s for it.
            delete_volume: remove its anonymous volumes, too.
        """
        if self._running is not None and not force:
            self._running.engine.stop(self._running.id)
        if self._running is not None and not delete_volume:
            self._running.engine.remove_container(self._running.id, volumes=False)
        starting, self._set = self._set, None
        if starting is not None:
            starting.stop()
        else:
            self.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

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

    def check(self, request: ContainerRequest | None = None) -> None:
        """Refuse what cannot work, as far as it can be known without an engine."""
        asked = request or self._request
        asked.check(self.label)
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
        mode = asked.network_mode
        by_name = [mode] if isinstance(mode, str) else []
        return [*self.insists_on(), *asked.dependencies, *by_name]

    def insists_on(self) -> Iterable[Declared]:
        """Its networks, whose network it uses, and whose late values it takes."""
        asked = self._prepared or self._request
        references = [
            *(each.network for each in asked.attachments),
            asked.network_mode,
            *(getattr(each, "__self__", None) for each in asked.late_values()),
        ]
        return [each for each in references if isinstance(each, Declared)]

    def launch(self, launch: Launch) -> None:
        """Create and start it, and wait until it is ready."""
        asked = self._prepared or self._request
        engine = launch.engine
        name = with_prefix(asked.image, launch.settings.get(IMAGE_PREFIX))
        image = engine.image(name, asked.platform)
        networks = self._networks = _networks(asked, launch)
        running = RunningContainer(
            engine, launch.surroundings, "", "", self.label, image, asked.ports,
            networks=[network for network, _ in networks] or _implicit(asked, engine),
            mode_of_case=launch.mode_of_case, is_cancelled=launch.is_cancelled,
            host_of=_host_of(asked, launch),
        )  # fmt: skip
        options = self._options(asked, running, launch)
        self._create(name, options, networks, running, launch)
        self._start(running, networks, launch)
        self._await(running, asked, launch)

    def _create(
        self,
        image: str,
        options: dict[str, Any],
        networks: Sequence[tuple[str, Sequence[str]]],
        running: RunningContainer,
        launch: Launch,
    ) -> None:
        fixed = (self._prepared or self._request).name
        for tries_left in reversed(range(NAME_TRIES)):
            name = fixed or _session.resource_name(
                launch.owner or self._declared_in, self._attribute or _short(self._request.image)
            )
            launch.admit(self.label)
            labelled = {**options, "labels": {**options["labels"], **_session.labels(name)}}
            try:
                with ledger.creating(launch.engine, CONTAINER, name) as entry:
                    self._entry = entry
                    entry.id = launch.engine.create_container(
                        image, name, labelled, networks[0] if networks else None
                    )
            except NameTaken as error:
                self._entry = None
                if fixed or not tries_left:
                    raise StartError(
                        f"{self.label}: the name {name} is taken on the engine: {error}. Leave "
                        f"with_name() away to get a name of its own."
                    ) from error
                continue
            except EngineError as error:
                raise _refused(self.label, image, launch.engine, error) from error
            running.id, running.name = entry.id, name
            running.description = f"{self.label} ({self._request.image}, {name})"
            return

    def _start(
        self,
        running: RunningContainer,
        networks: Sequence[tuple[str, Sequence[str]]],
        launch: Launch,
    ) -> None:
        try:
            for network, aliases in networks[1:]:
                launch.engine.connect(network, running.id, aliases)
            launch.admit(self.label)
            launch.engine.start(running.id)
            running.refresh()
        except EngineError as error:
            raise StartError(
                f"{running.description} could not be started: {_hint(error)}"
            ) from error

    def _await(self, running: RunningContainer, asked: ContainerRequest, launch: Launch) -> None:
        self._running = running
        self.await_ready()
        running.is_cancelled = None

    def await_ready(self, strategy: WaitStrategy | None = None) -> None:
        """Wait until it is ready, by its own strategy or by another.

        Raises:
            NotReady: it was not in time.
            ContainerDied: it ended first.
        """
        running = self.running
        if running.was_ready:
            running.restarts_before = running.state().restarts
        asked = strategy or (self._prepared or self._request).wait or DefaultWaitStrategy()
        limit = running.surroundings.settings.get(START_TIMEOUT)
        events = stream_of(running.engine)
        try:
            with events.open(), events.listening(running.id, running.notice):
                wait_until_ready(running, asked, limit, "" if strategy else LONGER)
            running.was_ready = True
        except EngineError as error:
            raise StartError(f"{running.description}: the wait for it failed: {error}") from error
        finally:
            running.stop_following()

    def _options(
        self, asked: ContainerRequest, running: RunningContainer, launch: Launch
    ) -> dict[str, Any]:
        """What the SDK is to be given, its late values made."""
        options: dict[str, Any] = {
            "labels": dict(asked.labels),
            "environment": {
                name: self._late(name, value, launch) for name, value in asked.env.items()
            },
            **asked.options,
            **_published(asked, running),
        }
        if asked.command is not None:
            options["command"] = (
                asked.command if isinstance(asked.command, str)
                else [self._late("the command", word, launch) for word in asked.command]
            )  # fmt: skip
        if asked.mounts:
            options["binds"] = [
                *options.get("binds", ()),
                *(mount.bind() for mount in asked.mounts),
            ]
        if asked.tmpfs:
            options["tmpfs"] = dict(asked.tmpfs)
        if asked.platform:
            options["platform"] = asked.platform
        if (mode := _network_mode(asked, running)) is not None:
            options["network_mode"] = mode
        return options

    def _late(self, name: str, value: Late, launch: Launch) -> str:
        if not callable(value):
            return value
        try:
            return str(_rebound(value, launch)())
        except Exception as error:
            raise DeclarationError(
                f"{self.label}: the late value of {name} could not be made: "
                f"{type(error).__name__}: {error}"
            ) from error

    def release(self) -> None:
        """Remove it with its anonymous volumes, if it is there."""
        entry, self._entry, self._running = self._entry, None, None
        if entry is not None:
            entry.remove()
            ledger.forget(entry)

    def kept(self) -> Iterable[Entry]:
        """What stays on the engine when it is kept: itself, if it was created."""
        return [self._entry] if self._entry is not None and self._entry.id else []

    # -- between tests ----------------------------------------------------------------------------

    def use_mode_of(self, mode_of_case: Callable[[], Any] | None) -> None:
        """Follow the connection mode of another class, which shares it now."""
        self.running.mode_of_case = mode_of_case

    def before_test(self) -> None:
        """Go back to where tests begin, if ``with_reset`` asks for it and a test was there."""
        if not (self._prepared or self._request).reset:
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
        self._take_snapshot()
        self._has_snapshot, self._is_used = True, False

    def reset(self) -> None:
        """Bring its state back: by the hook of ``with_reset``, or in its own way."""
        hook = (self._prepared or self._request).reset
        if callable(hook):
            hook(self)
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
            raise not_started(f"{self.label} ({self._request.image})")
        return self._running

    def endpoint(self, port: PortLike, mode: ConnectionMode | str | None = None) -> Endpoint:
        """Host and port by which a port is reached from here.

        Raises:
            PortNotExposed: the port was not exposed.
            NoAddress: it has no address in this connection mode.
        """
        return self.running.endpoint(port, mode)

    def explain(
        self, port: PortLike | None = None, mode: ConnectionMode | str | None = None
    ) -> str:
        """How it is reached from here, which rule decided that, and from which facts."""
        return self.running.explain(port, mode)

    def get_container_host_ip(self) -> str:
        """The host half of its endpoints, by the connection mode."""
        return self.running.host_ip()

    def get_exposed_port(self, port: PortLike) -> int:
        """The port half of an endpoint: the container's own in ``bridge_ip``, else the mapped."""
        return self.running.endpoint(port).port

    def mapped_port(self, port: PortLike) -> int:
        """The port of the engine's host that a port is published on, whatever the mode."""
        return self.running.mapped_port(port)

    def internal_endpoint(self, port: PortLike) -> Endpoint:
        """Name and port by which others on its networks reach it; known before the start."""
        from .ports import Port

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

    def url(self, port: PortLike, path: str = "", scheme: str = "http") -> str:
        """A URL by which a port is reached from here."""
        return f"{scheme}://{self.endpoint(port)}/{path.lstrip('/')}"

    def exec(self, command: str | Sequence[str], **options: Any) -> ExecResult:
        """Run a command in it and wait for its end: ``code, output = …``.

        Args:
            options: ``user=``, ``environment=``, ``workdir=``, ``privileged=`` as in the SDK.
        """
        return self.running.exec(command, **options)

    def get_logs(self) -> tuple[bytes, bytes]:
        """What it logged to stdout and to stderr."""
        return self.running.logs()

    def get_container_id(self) -> str:
        """Its id on the engine."""
        return self.running.id

    @property
    def name(self) -> str:
        """Its name on the engine."""
        return self.running.name

    @property
    def status(self) -> str:
        """The engine's word for its state: ``running``, ``exited``, …"""
        return self.running.state().status if self._running else "not_started"

    def get_wrapped_container(self) -> SdkContainer:
        """The SDK's own object for it, for all that is not here."""
        return self.running.engine.sdk_container(self.running.id)


GenericContainer = DockerContainer


# -- what a launch works out ----------------------------------------------------------------------


def _itself(reference: Any) -> Any:
    return reference


def _short(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[0].partition("@")[0]


def _networks(asked: ContainerRequest, launch: Launch) -> list[tuple[str, Sequence[str]]]:
    """The networks' ids or names, each with the aliases to have there."""
    found: list[tuple[str, Sequence[str]]] = []
    for attachment in asked.attachments:
        network = launch.resolve(attachment.network)
        name = network.name if isinstance(network, Network) else network
        try:
            launch.surroundings.network(name)
        except NotThere as error:
            raise StartError(
                f"{asked.image}: there is no network {name} on the engine: create it first, or "
                f"declare a Network() of your own"
            ) from error
        found.append((name, [*asked.aliases, *attachment.aliases]))
    return found


def _implicit(asked: ContainerRequest, engine: Engine) -> list[str]:
    """The network of a container that names none."""
    mode = asked.network_mode
    if mode in (None, "default", "bridge"):
        return [engine.default_network]
    if mode in ("host", "none") or not isinstance(mode, str) or mode.startswith("container:"):
        return []
    return [mode]


def _host_of(asked: ContainerRequest, launch: Launch) -> RunningContainer | None:
    """The container whose network it uses."""
    mode = launch.resolve(asked.network_mode)
    if isinstance(mode, DockerContainer):
        return mode.running
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
        launch.engine.image(info["Image"]), networks=networks,
    )  # fmt: skip
    found.info = info
    return found


def _network_mode(asked: ContainerRequest, running: RunningContainer) -> str | None:
    if running.host_of is not None:
        return f"container:{running.host_of.id}"
    mode: str | None = asked.network_mode
    return mode


def _published(asked: ContainerRequest, running: RunningContainer) -> dict[str, Any]:
    """The ports to publish, and on which addresses."""
    network = running.network_facts()
    every = {port: None for port in asked.exposed}
    if asked.network_mode is None and not (network and network.is_internal):
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


def _rebound(value: Callable[[], object], launch: Launch) -> Callable[[], object]:
    """A bound method of a declaration, as the method of its started copy."""
    owner = getattr(value, "__self__", None)
    if not isinstance(owner, Declared):
        return value
    method: Callable[[], object] = getattr(launch.resolve(owner), value.__name__)
    return method


def _refused(who: str, image: str, engine: Engine, error: EngineError) -> StartError | EngineError:
    if isinstance(error, NotThere) and "image" in str(error).lower():
        engine.forget_image(image)
        return ImageNotFound(f"{who}: {error}. It was there before: was it removed meanwhile?")
    return StartError(f"{who} could not be created: {_hint(error)}")


def _hint(error: EngineError) -> str:
    """What the engine said, and what to do about it."""
    said = str(error)
    for sign, advice in _ADVICE.items():
        if sign in said:
            return f"{said}. {advice}"
    return said


_ADVICE = {
    "executable file not found": "Check the command: with_command() replaces the image's own.",
    "no such file or directory: unknown": "Check the command and the paths that are mounted.",
    "port is already allocated": "Take another port, or with_exposed_ports() for a random one.",
    "address already in use": "Take another port, or with_exposed_ports() for a random one.",
    "invalid mount config": "Check the paths given to with_volume_mapping().",
}
