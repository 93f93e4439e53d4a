"""From a request to a container that runs on the engine.

What can be worked out is worked out first; then the container is created under a name that is known
before, connected to its further networks, given its files, and started. Who launches keeps the
:class:`Launching` and undoes by :meth:`Launching.release`, however far it came.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from . import _session, timings
from ._docker import Engine, ImageInfo, NameTaken, NotThere
from .advice import hint, refused
from .attaching import Attached, attached_networks, host_of, implicit_networks
from .create_options import archives_of, copies_made, create_options, named_volumes
from .docker_image import DockerImage
from .errors import EngineError, HostPortError, StartError
from .fetching import fetched
from .fingerprint import fingerprint, parts_of
from .images import short_name
from .inspected import state_of
from .late import made
from .lifecycle.declared import Launch
from .lifecycle.ledger import CONTAINER, Entry, ledger
from .request import ContainerRequest
from .running import RunningContainer
from .sharing import Shared, share_of, where_shared
from .volume import Hold

if TYPE_CHECKING:
    from .host_access import HostAccess
    from .measuring import Measurement

NAME_TRIES = 3

StartFrom = Callable[
    [ContainerRequest, str, dict[str, Any], str], contextlib.AbstractContextManager[str]
]
"""Names the image to start from, given what was asked for, the name of its image, what the engine
is to be given, and the image's id. Nobody removes that image within the context."""


class Launching:
    """One start of one container.

    Args:
        label: how messages call it.
        owner, stem: what a name of its own is made of.
        place: where it was declared, if it is to be shared with other processes.
        start_from: what names the image to start from, where it is not the declared one.
        measurement: measures the Python that runs in it.
    """

    def __init__(
        self, asked: ContainerRequest, launch: Launch, label: str, owner: str, stem: str,
        place: str | None = None,
        start_from: StartFrom | None = None,
        measurement: Measurement | None = None,
    ) -> None:  # fmt: skip
        self.asked, self.launch, self.label = asked, launch, label
        self._owner, self._stem, self._place = owner, stem, place
        self._start_from, self.measurement = start_from, measurement
        self.entry: Entry | None = None
        self.image: DockerImage | None = None
        self.networks: Sequence[Attached] = ()
        self._holds: list[Hold] = []
        self._host_access: HostAccess | None = None
        self._packing = contextlib.ExitStack()
        self._archives: Mapping[str, IO[bytes]] = {}
        self._is_there = False

    def run(self) -> RunningContainer:
        """Create and start it; it need not be ready when this returns.

        Raises:
            ImageNotFound: its image is not to be had.
            BuildFailed: its image could not be built.
            StartError: the engine refused something; says what to do, where that is known.
        """
        running = self.create()
        self.start(running)
        return running

    def create(self) -> RunningContainer:
        """Create it, or find the one that is shared; what goes into it is packed before."""
        launch = self.launch
        copies = copies_made(self.asked, launch, self.label)
        self.asked = asked = dataclasses.replace(self.asked, copies=copies)
        with timings.spent("pull"):
            found = self._image()
        self.networks = attached_networks(asked, launch, self._place is not None)
        running = RunningContainer(
            launch.engine, launch.surroundings, "", "", self.label, found, asked.ports,
            networks=[name for name, _ in self.networks] or implicit_networks(asked, launch.engine),
            mode_of_case=launch.mode_of_case, is_cancelled=launch.is_cancelled,
            host_of=host_of(asked, launch),
        )  # fmt: skip
        options = self._options(running)
        if self.measurement is not None:
            self.measurement.extend(options, found.env)
        self._is_there = self._place is not None and self._shared(found.name, options, running)
        self._archives = self._packing.enter_context(archives_of(asked, self.label))
        if self.entry is None:
            self._hold_volumes()
            with self._begun(found.name, options, found.id) as begun:
                self.entry = self._created(begun, options)
        running.id, running.name = self.entry.id, self.entry.name
        running.description = f"{self.label} ({self.image or asked.image}, {running.name})"
        return running

    def start(self, running: RunningContainer) -> None:
        """Start what was created, with its files and on all its networks."""
        with self._packing, timings.spent("start"):
            if not self._is_there:
                self._start(running, self._archives)

    def release(self) -> None:
        """Remove what this start has made, if it is there."""
        entry, holds, self.entry, self._holds = self.entry, self._holds, None, []
        with contextlib.ExitStack() as stack:  # whatever fails, the rest is undone
            stack.callback(self._packing.close)
            if self._host_access is not None:
                stack.callback(self._host_access.end)
            for hold in holds:
                stack.callback(hold.let_go)
            if entry is not None:
                stack.callback(ledger.remove, entry)

    def kept(self) -> list[Entry]:
        """What stays on the engine when it is kept: the container, if it was created, the volumes
        that were made for it alone, and its image.
        """
        if self.entry is None or not self.entry.id:
            return []
        volumes = (entry for hold in self._holds for entry in hold.kept())
        return [self.entry, *volumes, *(self.image.kept() if self.image is not None else ())]

    def keep_volumes(self) -> None:
        """Let the volumes outlive it that were made because its request names them."""
        for hold in self._holds:
            hold.keep()

    def _begun(
        self, image: str, options: dict[str, Any], id: str
    ) -> contextlib.AbstractContextManager[str]:
        if self._start_from is None:
            return contextlib.nullcontext(image)
        return self._start_from(self.asked, image, options, id)

    def ready(self) -> None:
        """Take note that it is ready: others may use it, if it is shared."""
        if isinstance(self.entry, Shared):
            self.entry.ready()

    def failed(self) -> None:
        """Take note that it did not get ready: it is not kept for a next run."""
        if isinstance(self.entry, Shared):
            self.entry.failed()

    def _shared(self, image: str, options: dict[str, Any], running: RunningContainer) -> bool:
        """Become a user of the one that all processes share; make it if it is not there."""
        asked, engine = self.asked, self.launch.engine
        for name in named_volumes(self.asked):
            _refuse_own_volume(engine, self.label, name)
        declaration = fingerprint(
            self.label, **where_shared(engine, self.label), image=running.image.id,
            networks=[(name, list(aliases)) for name, aliases in self.networks],
            **parts_of(asked, options),
        )  # fmt: skip
        stem = short_name(image)
        share = share_of(CONTAINER, stem, declaration, self.launch.settings, asked.name)
        self.entry = shared = Shared(engine, share, self.label, self._place or "")
        if shared.enter(self.launch, lambda known: _fits(running, known)):
            return True
        labels = {**options["labels"], **shared.labels}
        try:
            with self._begun(image, options, running.image.id) as begun, timings.spent("create"):
                shared.id = self._create_labelled(begun, shared.name, options, labels)
        except EngineError as error:
            raise refused(self.label, image, engine, error) from error
        return False

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
                raise refused(self.label, image, self.launch.engine, error) from error
        raise AssertionError("the last try returns or raises")

    def _create(self, image: str, name: str, options: dict[str, Any]) -> Entry:
        self.launch.admit(self.label)
        labels = {**options["labels"], **_session.labels(name)}
        with (
            timings.spent("create"),
            ledger.creating(
                self.launch.engine, CONTAINER, name, is_ahead=self.launch.is_ahead
            ) as self.entry,
        ):
            self.entry.id = self._create_labelled(image, name, options, labels)
        return self.entry

    def _create_labelled(
        self, image: str, name: str, options: dict[str, Any], labels: dict[str, str]
    ) -> str:
        first = self.networks[0] if self.networks else None
        return self.launch.engine.create_container(
            image, name, {**options, "labels": labels}, first
        )

    def _start(self, running: RunningContainer, archives: Mapping[str, IO[bytes]]) -> None:
        engine = self.launch.engine
        try:
            for folder, archive in archives.items():
                engine.put_archive(running.id, folder, archive)
            self._begin_measurement(running)
            for network, aliases in self.networks[1:]:
                engine.connect(network, running.id, aliases)
            self.launch.admit(self.label)
            engine.start(running.id)
            running.refresh()
            if self._host_access is not None:
                self._host_access.check(self.launch.surroundings, self.label)
        except EngineError as error:
            raise StartError(
                f"{running.description} could not be started: {hint(error)}"
            ) from error

    def _begin_measurement(self, running: RunningContainer) -> None:
        measurement, entry = self.measurement, self.entry
        if measurement is not None and entry is not None:
            measurement.put_in(running)
            entry.before_removal = lambda: measurement.bring_home(running)

    def _options(self, running: RunningContainer) -> dict[str, Any]:
        """What the SDK is to be given to create it."""
        options = create_options(self.asked, running, self.launch, self.label)
        if self.asked.host_ports is not None:
            known = options.get("extra_hosts", {})
            options["extra_hosts"] = {**known, **self._meet_host(running)}
        return options

    def _meet_host(self, running: RunningContainer) -> dict[str, str]:
        """Let it reach ports of this process; returns the name and address at which it does."""
        from .host_access import HostAccess
        from .host_ports import HOST_NAME, checked

        asked, self._host_access = self.asked, HostAccess()
        ports = [
            checked(made(self.label, "a host port", each, self.launch))
            for each in asked.host_ports or ()
        ]
        try:
            address = self._host_access.begin(
                self.launch.surroundings, running.networks, ports,
                on_host=asked.on_host_network, is_cancelled=self.launch.is_cancelled,
            )  # fmt: skip
        except HostPortError as error:
            raise HostPortError(f"{self.label}: with_host_port_access(): {error}") from error
        return {HOST_NAME: address}

    def _hold_volumes(self) -> None:
        """Create the volumes that the request names and that do not exist."""
        for name in named_volumes(self.asked):
            self.launch.admit(self.label)
            hold = Hold(self.launch.engine, name)
            self._holds.append(hold)
            hold.take({}, {})


def _fits(running: RunningContainer, container: str) -> bool:
    """Whether a container that was made earlier runs, on the networks that there are now."""
    running.id = container
    try:
        info = running.refresh()
    except NotThere:
        return False
    running.restarts_before = state_of(info).restarts
    on = (info["NetworkSettings"].get("Networks") or {}).values()
    there = {each.get("NetworkID") for each in on}  # Podman gives their names for ids
    known = [running.surroundings.network(name) for name in running.networks]
    is_on_all = all({each.id, each.name} & there for each in known)
    return state_of(info).running and is_on_all


def _refuse_own_volume(engine: Engine, label: str, name: str) -> None:
    """Refuse a volume that would have to end with one process, or that nobody would remove."""
    try:
        is_own = _session.SESSION_LABEL in engine.volume_labels(name)
    except NotThere:
        is_own = True
    if is_own:
        raise StartError(
            f"{label} is shared with other processes, but the volume {name} is not there, or "
            f"belongs to one of them: create it before, as with 'docker volume create {name}', and "
            f"remove it when it is of no more use"
        )
