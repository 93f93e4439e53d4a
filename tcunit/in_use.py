"""What a started container is asked: where it answers, what it logged, what a command says."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .connection import ConnectionMode, Endpoint
from .ports import PortLike
from .running import RunningContainer
from .wait import ExecResult

if TYPE_CHECKING:
    from docker.models.containers import Container as SdkContainer


class InUse:
    """What can be asked of a container that is started; before, all of it raises NotStarted."""

    @property
    @abstractmethod
    def running(self) -> RunningContainer:
        """The container on the engine."""

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

    def get_wrapped_container(self) -> SdkContainer:
        """The SDK's own object for it, for all that is not here."""
        return self.running.engine.sdk_container(self.running.id)
