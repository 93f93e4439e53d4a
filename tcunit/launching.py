"""From a request to a container that runs on the engine.

What can be worked out is worked out first; then the container is created under a name that is known
before, connected to its further networks, and started. Nothing is removed here: who launches keeps
the :class:`Launching` and undoes by it, however far it came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import _session, timings
from ._docker import Engine, ImageInfo, NameTaken, NotThere
from .connection import listen_addresses
from .docker_image import DockerImage
from .errors import DeclarationError, EngineError, ImageNotFound, StartError
from .fetching import fetched
from .lifecycle.declared import Declared, Launch
from .lifecycle.ledger import CONTAINER, Entry, ledger
from .network import Network
from .request import ContainerRequest, Late
from .running import RunningContainer

NAME_TRIES = 3

Attached = tuple[str, Sequence[str]]
"""A network's name, and the aliases to have there."""


class Launching:
    """One start of one container.

    Args:
        label: how messages call it.
        owner, stem: what a name of its own is made of.
    """

    def __init__(
        self, asked: ContainerRequest, launch: Launch, label: str, owner: str, stem: str
    ) -> None:
        self.asked, self.launch, self.label = asked, launch, label
        self._owner, self._stem = owner, stem
        self.entry: Entry | None = None
        self.image: DockerImage | None = None
        self.networks: Sequence[Attached] = ()

    def run(self) -> RunningContainer:
        """Create and start it; it need not be ready when this returns.

        Raises:
            ImageNotFound: its image is not to be had.
            BuildFailed: its image could not be built.
            StartError: the engine refused something; says what to do, where that is known.
        """
        asked, launch = self.asked, self.launch
        with timings.spent("pull"):
            found = self._image()
        self.networks = _networks(asked, launch)
        running = RunningContainer(
            launch.engine, launch.surroundings, "", "", self.label, found, asked.ports,
            networks=[name for name, _ in self.networks] or _implicit(asked, launch.engine),
            mode_of_case=launch.mode_of_case, is_cancelled=launch.is_cancelled,
            host_of=_host_of(asked, launch),
        )  # fmt: skip
        options = self._options(running)
        self.entry = self._created(found.name, options)
        running.id, running.name = self.entry.id, self.entry.name
        running.description = f"{self.label} ({self.image or asked.image}, {running.name})"
        with timings.spent("start"):
            self._start(running)
        return running

    def kept(self) -> list[Entry]:
        """What stays on the engine when it is kept."""
        if self.entry is None or not self.entry.id:
            return []
        return [self.entry, *(self.image.kept() if self.image is not None else ())]

    def _image(self) -> ImageInfo:
        """Its image, which is on the engine by then."""
        asked, launch = self.asked, self.launch
        image = launch.resolve(asked.image)
        if isinstance(image, DockerImage):
            self.image = image
            image.launch(launch)
            return image.info
        return fetched(
            launch.engine, launch.settings, asked.image, platform=asked.platform,
            policy=asked.pull_policy, is_cancelled=launch.is_cancelled,
        )  # fmt: skip

    def _created(self, image: str, options: dict[str, Any]) -> Entry:
        """Create it under its fixed name, or under a new one that is free."""
        for tries_left in reversed(range(NAME_TRIES)):
            name = self.asked.name or _session.resource_name(self._owner, self._stem)
            try:
                return self._create(image, name, options)
            except NameTaken as error:
                self.entry = None
                if self.asked.name or not tries_left:
                    raise StartError(
                        f"{self.label}: the name {name} is taken on the engine: {error}. Leave "
                        f"with_name() away to get a name of its own."
                    ) from error
            except EngineError as error:
                raise _refused(self.label, image, self.launch.engine, error) from error
        raise AssertionError("the last try returns or raises")

    def _create(self, image: str, name: str, options: dict[str, Any]) -> Entry:
        self.launch.admit(self.label)
        engine = self.launch.engine
        labelled = {**options, "labels": {**options["labels"], **_session.labels(name)}}
        first = self.networks[0] if self.networks else None
        with (
            timings.spent("create"),
            ledger.creating(engine, CONTAINER, name) as self.entry,
        ):
            self.entry.id = engine.create_container(image, name, labelled, first)
        return self.entry

    def _start(self, running: RunningContainer) -> None:
        engine = self.launch.engine
        try:
            for network, aliases in self.networks[1:]:
                engine.connect(network, running.id, aliases)
            self.launch.admit(self.label)
            engine.start(running.id)
            running.refresh()
        except EngineError as error:
            raise StartError(
                f"{running.description} could not be started: {_hint(error)}"
            ) from error

    def _options(self, running: RunningContainer) -> dict[str, Any]:
        """What the SDK is to be given, its late values made."""
        asked = self.asked
        options: dict[str, Any] = {
            "labels": dict(asked.labels),
            "environment": {name: self._late(name, value) for name, value in asked.env.items()},
            **asked.options,
            **_published(asked, running),
        }
        if asked.command is not None:
            options["command"] = (
                asked.command if isinstance(asked.command, str)
                else [self._late("the command", word) for word in asked.command]
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

    def _late(self, name: str, value: Late) -> str:
        if not callable(value):
            return value
        try:
            return str(_rebound(value, self.launch)())
        except Exception as error:
            raise DeclarationError(
                f"{self.label}: the late value of {name} could not be made: "
                f"{type(error).__name__}: {error}"
            ) from error


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


def _network_mode(asked: ContainerRequest, running: RunningContainer) -> str | None:
    if running.host_of is not None:
        return f"container:{running.host_of.id}"
    mode: str | None = asked.network_mode
    return mode


def _published(asked: ContainerRequest, running: RunningContainer) -> dict[str, Any]:
    """The ports to publish, and on which addresses."""
    network = running.network_facts()
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


def _rebound(value: Callable[[], object], launch: Launch) -> Callable[[], object]:
    """A bound method of a declaration, as the method of its started copy."""
    owner = getattr(value, "__self__", None)
    if not isinstance(owner, Declared):
        return value
    method: Callable[[], object] = getattr(launch.resolve(owner), value.__name__)
    return method


def _refused(who: str, image: str, engine: Engine, error: EngineError) -> StartError | EngineError:
    if isinstance(error, NotThere) and "image" in str(error).lower():
        engine.images.forget(image)
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
    "protocol not supported": "The kernel of the engine's machine has no SCTP, most likely.",
    "exec format error": "The image, or a program in it, is for another processor.",
    "invalid mount config": "Check the paths given to with_volume_mapping().",
}
