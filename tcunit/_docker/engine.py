"""An engine that answered, and every call that is made to it.

Calls are the SDK's low-level ones: one round trip each, where the high-level ones make two.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import EngineError
from . import resources
from .archives import Archives
from .frames import pieces, source_of
from .images import Images
from .networks import Networks
from .options import split_options
from .refusals import NotThere, Unanswered, translated
from .resources import Resource
from .streams import Stream

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container as SdkContainer
    from docker.models.networks import Network as SdkNetwork
    from docker.tls import TLSConfig

Json = dict[str, Any]

REMOVAL_TIMEOUT = 10.0
REFUSED_TIMEOUT = 3.0
REFUSED_PAUSE = 0.05
FREEZE_LIMIT = 5.0


@dataclass
class Engine(Archives, Networks):
    """A Docker engine that answered, and the calls made to it."""

    url: str
    source: str
    client: docker.DockerClient
    version: Json
    tls: TLSConfig | None = None
    _info: Json | None = None
    _info_lock: threading.Lock = field(default_factory=threading.Lock)
    images: Images = field(init=False)

    def __post_init__(self) -> None:
        self.images = Images(self.client)

    @cached_property
    def kind(self) -> str:
        """How it is reached: ``unix``, ``npipe``, ``tcp`` or ``ssh``."""
        from urllib.parse import urlsplit

        scheme = urlsplit(self.url).scheme.removeprefix("http+")
        return scheme if scheme in ("unix", "npipe", "ssh") else "tcp"

    @cached_property
    def hostname(self) -> str:
        """The host in its URL; empty where it is reached by a local socket."""
        from urllib.parse import urlsplit

        return "" if self.kind in ("unix", "npipe") else urlsplit(self.url).hostname or ""

    @property
    def info(self) -> Json:
        """What it says of itself and of its machine; asked once."""
        with self._info_lock:
            if self._info is None:
                with translated("asking the engine about itself"):
                    self._info = self.client.api.info()
            return self._info

    def ask_ahead(self) -> None:
        """Begin to ask for what the first start needs; it takes the engine some 10 ms to tell."""

        def ask() -> None:
            with contextlib.suppress(Exception):  # whoever needs it asks again, and is told
                self.info  # noqa: B018

        threading.Thread(target=ask, name="tcunit-info", daemon=True).start()

    def time(self) -> float:
        """What its clock says now, in seconds since the epoch."""
        from datetime import datetime

        with translated("asking the engine for its time"):
            return datetime.fromisoformat(self.client.api.info()["SystemTime"]).timestamp()

    @cached_property
    def is_desktop(self) -> bool:
        """Whether it runs in the virtual machine of Docker Desktop."""
        return "Docker Desktop" in self.version.get("Platform", {}).get("Name", "")

    @cached_property
    def is_podman(self) -> bool:
        """Whether it is Podman, speaking Docker's API."""
        parts = self.version.get("Components") or []
        return any(part.get("Name") == "Podman Engine" for part in parts)

    @cached_property
    def is_rootless(self) -> bool:
        """Whether it runs without root, with a network namespace of its own."""
        parts = self.version.get("Components") or []
        if any(part.get("Name") == "rootlesskit" for part in parts):
            return True
        # Docker 20.10 and Podman say it elsewhere.
        options = self.info.get("SecurityOptions") or []
        return "name=rootless" in options or bool(self.info.get("Rootless"))

    @property
    def has_containerd_store(self) -> bool:
        """Whether its images are in containerd's store, as is usual from Docker 29 on."""
        status = self.info.get("DriverStatus") or ()
        return any("io.containerd.snapshotter" in pair[1] for pair in status)

    @property
    def default_network(self) -> str:
        """The network of a container that names none."""
        return "podman" if self.is_podman else "bridge"

    # -- containers -----------------------------------------------------------------------------

    def create_container(
        self, image: str, name: str, options: Json, endpoint: tuple[str, Sequence[str]] | None
    ) -> str:
        """Create a container and return its id.

        Args:
            options: what the SDK's ``containers.create`` takes, by the low-level names.
            endpoint: the network to begin with, and its aliases there.
        """
        api = self.client.api
        with translated(f"creating the container {name}"):
            host, create = split_options(options)
            if endpoint is not None:
                network, aliases = endpoint
                host["network_mode"] = network
                config: Any = {network: api.create_endpoint_config(aliases=list(aliases) or None)}
                create["networking_config"] = api.create_networking_config(config)
            host_config = api.create_host_config(**host)
            created: Json = api.create_container(
                image, name=name, host_config=host_config, **create
            )
            return str(created["Id"])

    def start(self, container: str) -> None:
        """Start a container that was created or has ended."""
        with translated(f"starting {container}"):
            self.client.api.start(container)

    def inspect(self, container: str) -> Json:
        """What the engine knows of a container."""
        with translated(f"looking at {container}"):
            found: Json = self.client.api.inspect_container(container)
            return found

    def stop(self, container: str, timeout: int = 10) -> None:
        """Ask a container to end, and kill it after some seconds."""
        with contextlib.suppress(NotThere), translated(f"stopping {container}"):
            self.client.api.stop(container, timeout=timeout)

    def pause(self, container: str) -> None:
        """Freeze all processes of a container.

        Where processes come and go faster than runc can catch them all, it gives up after a moment
        and lets them go on; it is asked again then.
        """
        deadline = time.monotonic() + FREEZE_LIMIT
        while True:
            try:
                with translated(f"pausing {container}"):
                    self.client.api.pause(container)
                return
            except EngineError as error:
                if "unable to freeze" not in str(error) or time.monotonic() >= deadline:
                    raise

    def unpause(self, container: str) -> None:
        """Let the processes of a container go on; no error if it was not paused."""
        try:
            with translated(f"unpausing {container}"):
                self.client.api.unpause(container)
        except EngineError:
            if self.inspect(container)["State"].get("Paused"):
                raise

    def kill(self, container: str, signal: str) -> None:
        """Send a signal to the first process of a container."""
        with translated(f"sending {signal} to {container}"):
            self.client.api.kill(container, signal)

    def remove_container(self, container: str, volumes: bool = True) -> None:
        """Kill and remove a container with its anonymous volumes; no error if it is not there.

        What is refused is asked for again for some seconds. A busy engine cannot always take apart
        at once what has just run; and Podman first wants those to go that use its network.
        """
        deadline = time.monotonic() + REFUSED_TIMEOUT
        while True:
            try:
                with contextlib.suppress(NotThere), translated(f"removing {container}"):
                    self.client.api.remove_container(container, v=volumes, force=True)
                return
            except EngineError as error:
                if "already in progress" in str(error):
                    return self._wait_until_gone(container)
                if isinstance(error, Unanswered) or time.monotonic() > deadline:
                    raise
            time.sleep(REFUSED_PAUSE)

    def _wait_until_gone(self, container: str) -> None:
        """Wait for the end of a removal that somebody else has begun."""
        deadline = time.monotonic() + REMOVAL_TIMEOUT
        with contextlib.suppress(NotThere):
            while time.monotonic() < deadline:
                self.inspect(container)
                time.sleep(0.02)
            raise EngineError(
                f"removing {container}: somebody else began to {REMOVAL_TIMEOUT:g} s ago, and it "
                f"is still there"
            )

    def logs(self, container: str, *, stdout: bool = True, stderr: bool = True, **kw: Any) -> bytes:
        """What a container logged; ``tail=``, ``since=`` and ``timestamps=`` as in the SDK."""
        with translated(f"reading the log of {container}"):
            logged: bytes = self.client.api.logs(container, stdout=stdout, stderr=stderr, **kw)
            return logged

    def follow_logs(
        self, container: str, *, stdout: bool, stderr: bool, since: float = 0.0
    ) -> Stream:
        """What a container logs from a moment on, in bytes."""
        with translated(f"following the log of {container}"):
            given = self.client.api.logs(
                container, stdout=stdout, stderr=stderr, stream=True, follow=True,
                since=since or None,
            )  # fmt: skip
            return Stream(given)

    def exec(
        self, container: str, command: str | Sequence[str], **options: Any
    ) -> tuple[int, list[tuple[int, bytes]]]:
        """Run a command in a container.

        Returns:
            Its exit code, and its output in the order it came, as pairs of stream (1 is stdout, 2
            is stderr) and bytes.
        """
        api: Any = self.client.api
        with translated(f"running a command in {container}"):
            created: Json = api.exec_create(container, command, **options)
            stream = api.exec_start(created["Id"], socket=True)
            try:
                api._disable_socket_timeout(stream)
                chunks = list(pieces(source_of(stream)))
            finally:
                for each in (stream._response, stream):  # the SDK leaves its connection open
                    with contextlib.suppress(OSError):  # an ssh that has ended is flushed in vain
                        each.close()
            return int(api.exec_inspect(created["Id"])["ExitCode"]), chunks

    def events(self, filters: Json) -> Stream:
        """The engine's events from now on, as dicts."""
        with translated("subscribing to the engine's events"):
            return Stream(self.client.api.events(filters=filters, decode=True))

    def remove(self, kind: str, name: str, *, force: bool = False) -> None:
        """Remove something of a kind, by its id or name; no error if it is not there.

        Args:
            force: for an image, whose name is needed: also where a container uses it.
        """
        if kind == "image":
            self.images.remove(name, force=force)
        elif kind == "volume":
            self.remove_volume(name)
        elif kind == "network":
            self.remove_network(name)
        else:
            self.remove_container(name)

    def labelled(self, label: str) -> list[Resource]:
        """Containers, networks, volumes and images with a label, with or without ``=value``."""
        api, filters = self.client.api, {"label": label}
        found = self.containers_labelled(label)
        with translated(f"listing what has the label {label}"):
            found += resources.networks(api.networks(filters=filters))
            found += resources.volumes(api.volumes(filters=filters).get("Volumes") or ())
        return [*found, *self.images.labelled(label)]

    def containers_labelled(self, label: str) -> list[Resource]:
        """All containers with a label, also those that have ended."""
        with translated(f"listing the containers that have the label {label}"):
            listed = self.client.api.containers(all=True, filters={"label": label})
        return list(resources.containers(listed))

    def create_volume(
        self, name: str, labels: Mapping[str, str], options: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Create a volume, or find the one of that name; returns the labels that it has."""
        with translated(f"creating the volume {name}"):
            made = self.client.api.create_volume(name, labels=dict(labels), **options)
            return made.get("Labels") or {}

    def volume_labels(self, volume: str) -> Mapping[str, str]:
        """The labels of a volume."""
        with translated(f"looking at the volume {volume}"):
            return self.client.api.inspect_volume(volume).get("Labels") or {}

    def remove_volume(self, volume: str) -> None:
        """Remove a volume; no error if it is not there."""
        with contextlib.suppress(NotThere), translated(f"removing the volume {volume}"):
            self.client.api.remove_volume(volume, force=True)

    def described(self) -> Json:
        """How another process can connect to the same engine; see :func:`connect_as`."""
        tls = self.tls
        return {
            "url": self.url,
            "source": self.source,
            "tls": tls and {"cert": tls.cert, "ca": tls.ca_cert, "verify": tls.verify},
        }

    def sdk_container(self, container: str) -> SdkContainer:
        """The SDK's own object for a container."""
        with translated(f"looking at {container}"):
            return self.client.containers.get(container)

    def sdk_network(self, network: str) -> SdkNetwork:
        """The SDK's own object for a network."""
        with translated(f"looking at the network {network}"):
            return self.client.networks.get(network)
