"""A ``DockerCompose`` of testcontainers-python as a stack of ours.

Compose is called as for any stack: with a project of its own for each start, and our labels on all
that it makes. The library's own object then looks at that project.
"""

from __future__ import annotations

import dataclasses
import functools
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..compose.asked import paths
from ..compose.service import ComposeService
from ..compose.stack import ComposeStack
from ..connection import Endpoint
from ..errors import ContainerDied, DeclarationError
from ..lifecycle.declared import Launch
from ..masking import Secrets
from ..ports import PortLike
from ..settings import COMPOSE, Settings
from ..wait import WaitStrategy, WaitTarget
from ..wait.base import Probe, died
from .adapting import Adapting, raise_ours
from .library import twin_of

# Where Compose looks when no file is named, the first first.
USUAL = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


class ForeignCompose(Adapting[Any], ComposeStack):
    """A ``DockerCompose`` of testcontainers-python, of which each class starts a copy.

    Its methods that tell hosts and ports give our addresses; what is not found here is looked up in
    the library's object, as in ``self.stack.exec_in_container(["ls"], "web")``.

    Args:
        theirs: the library's object, not started.
    """

    def __init__(self, theirs: Any) -> None:
        folder = Path(theirs.context)
        files = [folder / each for each in paths(theirs.compose_file_name)]
        self._theirs = theirs
        self._waits: Mapping[str, Any] = getattr(theirs, "_wait_strategies", None) or {}
        super().__init__(
            *(files or usual_files(folder)),
            services=theirs.services or (),
            profiles=getattr(theirs, "profiles", None) or (),
            env_file=[folder / each for each in paths(theirs.env_file)],
            build=theirs.build,
            pull="always" if theirs.pull else None,
        )
        waits = dict.fromkeys(self._waits, NoWait())
        self._asked = dataclasses.replace(
            self._asked, waits=waits, otherwise=None if theirs.wait else NoWait()
        )

    def __repr__(self) -> str:
        return f"<DockerCompose {self.label}>"

    def _reset(self) -> None:
        super()._reset()
        self._foreign = None

    def prepare(self) -> None:
        """Refuse what would outlive its class."""
        if getattr(self._theirs, "keep_volumes", False):
            raise DeclarationError(
                f"{self.label}: keep_volumes=True: all that Compose makes for a class goes with "
                f"it: create the volume before and declare it 'external' in the file, or leave "
                f"that away"
            )
        super().prepare()

    def launch(self, launch: Launch) -> None:
        """Have Compose make it, and let the library's own strategies wait for it."""
        if command := self._theirs.docker_command_path:
            named = {COMPOSE.variables[0]: f"{shlex.quote(str(command))} compose"}
            known = launch.settings
            settings = Settings({**known.environ, **named}, known.properties_file)
            launch = dataclasses.replace(launch, settings=settings)
        super().launch(launch)
        calls = self._started.calls
        secrets = calls.secrets(self._started.model)
        commands = Commands(calls.words(), calls.environ, secrets)
        foreign = self._foreign = commands.twin_of(self._theirs)
        for name, strategy in self._waits.items():
            service = self.service(name)
            commands.check = functools.partial(_check, launch, service)
            try:
                strategy.wait_until_ready(foreign.get_container(name))
            except Exception as error:
                running = service.running
                why_ended = functools.partial(_why_ended, service)
                raise_ours(error, f"{running.description} was not ready", why_ended, running)
        commands.check = _nothing

    def release(self) -> None:
        """Remove all of it, if it is there."""
        self._foreign = None
        super().release()

    # -- the library's words for what depends on where the test runs -------------------------------

    def get_service_host_and_port(
        self, service_name: str | None = None, port: PortLike | None = None
    ) -> tuple[str, int]:
        """Where a port of a service is reached from here.

        Args:
            service_name: may be left away where the stack has one container.
            port: the service's own; may be left away where it exposes one.
        """
        found = self._endpoint(service_name, port)
        return found.host, found.port

    def get_service_host(
        self, service_name: str | None = None, port: PortLike | None = None
    ) -> str:
        """The host of :meth:`get_service_host_and_port`."""
        return self._endpoint(service_name, port).host

    def get_service_port(
        self, service_name: str | None = None, port: PortLike | None = None
    ) -> int:
        """The port of :meth:`get_service_host_and_port`."""
        return self._endpoint(service_name, port).port

    def _endpoint(self, name: str | None, port: PortLike | None) -> Endpoint:
        if name is None and len(self.containers) != 1:
            there = ", ".join(each.service for each in self.containers)
            raise DeclarationError(f"{self.label}: which service? There are: {there}")
        service = self.containers[0] if name is None else self.service(name)
        if port is None:
            exposed = service.running.exposed_ports
            if len(exposed) != 1:
                there = ", ".join(map(str, exposed)) or "none"
                raise DeclarationError(f"{service.label}: which port? It exposes: {there}")
            port = exposed[0]
        return service.endpoint(port)


class Commands:
    """Runs the commands of the library's object, for our project and our engine.

    Args:
        words: Compose's command with the project and its files.
        environ: in which it is run.
        secrets: what is not to be shown of what it says.
    """

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], secrets: Secrets) -> None:
        self._words, self._environ, self._secrets = list(words), dict(environ), secrets
        self.check: Callable[[], None] = _nothing

    def twin_of(self, theirs: Any) -> Any:
        """A copy of the library's object that looks at our project."""
        twin = twin_of(theirs)
        folder = str(twin.context)
        vars(twin).update(
            compose_command_property=self._words,
            _run_command=lambda cmd, context=None: self._run(cmd, context or folder),
        )
        return twin

    def _run(self, words: Sequence[str], folder: str) -> subprocess.CompletedProcess[bytes]:
        self.check()
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, cwd=folder, env=self._environ
        )
        try:
            done.check_returncode()
        except subprocess.CalledProcessError as error:
            error.add_note(self._secrets.mask(done.stderr.decode(errors="replace").strip()))
            raise
        return done


class NoWait(WaitStrategy):
    """Ready as soon as it was started, whatever becomes of it."""

    outlives_container = True

    def begin(self, target: WaitTarget) -> Probe:
        """There is nothing to ask."""
        return lambda: None

    def __str__(self) -> str:
        return "nothing"


def usual_files(folder: Path) -> list[Path]:
    """The files that Compose takes where none is named: here or further up, and its override."""
    for place in (folder.absolute(), *folder.absolute().parents):
        for name in USUAL:
            if (place / name).is_file():
                stem = name.partition(".")[0]
                further = [place / f"{stem}.override.{end}" for end in ("yml", "yaml")]
                return [place / name, *[each for each in further if each.is_file()][:1]]
    return [folder / USUAL[0]]


def _check(launch: Launch, service: ComposeService) -> None:
    """End the library's wait when the start was given up, or when the container has died."""
    launch.admit(service.label)
    if reason := _why_ended(service):
        raise reason


def _why_ended(service: ComposeService) -> ContainerDied | None:
    state = service.running.ended()
    return died(service.running, state, "while it was waited for") if state else None


def _nothing() -> None:
    pass
