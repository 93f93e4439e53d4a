"""The Compose stack that users declare and start.

Compose makes it, from the user's files as they are. Each start is a project of its own, so that any
number of them can run side by side.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from ..errors import DeclarationError
from ..jobs import side_by_side
from ..lifecycle.alone import StartsAlone
from ..lifecycle.declared import Declared, Launch, dependencies, owner_of
from ..lifecycle.graph import one_by_one
from ..lifecycle.ledger import Entry, ledger
from ..lifecycle.startup import StartSet
from ..measured import Measured
from ..running import not_started
from ..wait import WaitStrategy
from .asked import Asked, File, Value, paths
from .service import ComposeNetwork, ComposeService

if TYPE_CHECKING:
    from .launching import StackLaunching


class ComposeStack(StartsAlone):
    """The services of Compose files, declared now and started by their class or by ``start()``.

    Args:
        files: one or more; later ones add to the first. A relative path begins at the working
            directory of the tests; within the files, as Compose has it.
        services: start these and what they depend on; by default all.
        profiles: of the files, to be enabled.
        env: variables for the files, before those of the process. A value may be a callable, which
            is called when everything that the stack depends on is ready, or a declared network,
            volume or container, which stands for its name on the engine.
        env_file: one or more, in place of Compose's own ``.env``.
        project_directory: where relative paths within the files begin; by default where the first
            file is.
        scale: how many containers a service has.
        build: build images that are there already, too.
        pull: ``"always"``, ``"missing"`` or ``"never"``; by default as ``TCUNIT_PULL_POLICY`` or
            else the files say.
        wait: let Compose wait, too, until every service runs or is healthy; not for services that
            end.
        remove_images: at the end, ``"built"``: those that were built and have no name in the files;
            ``"all"``: all that the services use; ``"none"``.
    """

    def __init__(
        self,
        *files: File,
        services: Iterable[str] = (),
        profiles: Iterable[str] = (),
        env: Mapping[str, Value] | None = None,
        env_file: File | Iterable[File] | None = None,
        project_directory: File | None = None,
        scale: Mapping[str, int] | None = None,
        build: bool = False,
        pull: str | None = None,
        wait: bool = False,
        remove_images: str = "built",
    ) -> None:
        self._asked = Asked(
            paths(files),
            Path(project_directory).expanduser() if project_directory is not None else None,
            paths(env_file),
            tuple([profiles] if isinstance(profiles, str) else profiles),
            tuple([services] if isinstance(services, str) else services),
            MappingProxyType(dict(env or {})),
            MappingProxyType(dict(scale or {})),
            build, pull, wait, remove_images,
        )  # fmt: skip
        self._asked.check()
        self._reset()

    def _reset(self) -> None:
        self._launching: StackLaunching | None = None
        self._is_started = False
        self._set: StartSet | None = None

    def __repr__(self) -> str:
        state = f" running as {self.project}" if self._is_started else ""
        return f"<ComposeStack {self.label}{state}>"

    @property
    def label(self) -> str:
        """How messages call it."""
        return self._attribute or self._asked.files[0].name

    # -- what is asked for ------------------------------------------------------------------------

    def _with(self, method: str, **changes: Any) -> Self:
        self._refuse_change(method)
        self._asked = dataclasses.replace(self._asked, **changes)
        return self

    def with_env(self, key: str, value: Value) -> Self:
        """Set a variable for the files; see ``env``."""
        return self._with("with_env", env=MappingProxyType({**self._asked.env, key: value}))

    def depends_on(self, *others: Declared | Iterable[Declared]) -> Self:
        """Start it only when others are ready."""
        known = self._asked.dependencies
        return self._with("depends_on", dependencies=(*known, *dependencies(others)))

    def waiting_for(self, service: str, strategy: WaitStrategy) -> Self:
        """Say when a service is ready; each of its containers is waited for.

        Without it, a service is ready when its health check succeeds, else when its published ports
        listen, else when it runs or has ended with exit code 0.
        """
        if not isinstance(strategy, WaitStrategy):
            raise DeclarationError(
                f"{strategy!r} is no wait strategy: give a service and one, as in "
                f"waiting_for('web', wait.for_port(80))"
            )
        waits = MappingProxyType({**self._asked.waits, service: strategy})
        return self._with("waiting_for", waits=waits)

    def with_coverage(
        self,
        service: str,
        source: str | Iterable[str] = (),
        paths: Mapping[str, str | PathLike[str]] = MappingProxyType({}),
    ) -> Self:
        """Measure the Python that runs in a service, and add that to the coverage of this process.

        Each of its containers is measured. Nothing happens unless this process is measured, as by
        ``coverage run``. Images and files stay as they are. At the end the containers are stopped
        gently, which takes up to the service's ``stop_grace_period``, 10 s by default.

        Args:
            source: names of packages, or folders of the containers. By default all code counts
                whose place on this host is known.
            paths: the folder here for folders of the containers, as in ``{"/app": "src"}``. What
                the service mounts is known already.
        """
        measured = {**self._asked.measured, service: Measured.of(source, paths)}
        return self._with("with_coverage", measured=MappingProxyType(measured))

    # -- alone ------------------------------------------------------------------------------------

    def stop(self, force: bool = True) -> None:
        """Remove all of it, and what its start has started; no error if it is not there.

        Args:
            force: kill its containers; otherwise they are asked to end and have 10 s for it.
        """
        if not force and self._is_started:
            for entry in self.kept():
                entry.take_leave()
            running = [each.running for each in self.containers]
            side_by_side([functools.partial(each.engine.stop, each.id) for each in running])
        self._end()

    # -- in a set ---------------------------------------------------------------------------------

    @property
    def is_started(self) -> bool:
        """Whether its services run and were ready."""
        return self._is_started

    @property
    def is_apart(self) -> bool:
        """Whether its files ask for nothing that others may use after it."""
        launching = self._launching
        # Coverage is wanted before this process writes its own.
        return launching is not None and launching.model.is_apart and not launching.measurements

    def prepare(self) -> None:
        """Check that its files are there."""
        for path in [*self._asked.files, *self._asked.env_files]:
            if not path.is_file():
                raise DeclarationError(
                    f"{self.label}: there is no file {path.absolute()}: a relative path begins at "
                    f"the working directory; Path(__file__).with_name({path.name!r}) does not"
                )

    def needs(self) -> Iterable[Any]:
        """Its dependencies, and whose values it takes."""
        return [*self.insists_on(), *self._asked.dependencies]

    def insists_on(self) -> Iterable[Declared]:
        """Whose values it takes."""
        values = self._asked.env.values()
        owners = [each if isinstance(each, Declared) else owner_of(each) for each in values]
        return [each for each in owners if isinstance(each, Declared)]

    def launch(self, launch: Launch) -> None:
        """Have Compose make it, and wait until its services are ready."""
        from .launching import StackLaunching  # and all that only a start needs

        owner = launch.owner or self._declared_in
        stem = self._attribute or "compose"
        self._launching = StackLaunching(self, self._asked, launch, owner, stem)
        self._launching.run()
        self._is_started = True

    def release(self) -> None:
        """Remove all of it, if it is there."""
        launching, self._launching = self._launching, None
        self._is_started = False
        if launching is None:
            return
        for part in [*launching.services.values(), *launching.networks.values()]:
            part.release()
        if launching.entry is not None:
            ledger.remove(launching.entry)

    def kept(self) -> Iterable[Entry]:
        """What stays on the engine when it is kept: all that Compose made."""
        entry = self._launching.entry if self._launching is not None else None
        return [entry] if entry is not None and entry.made else []

    def parts(self) -> Iterable[Declared]:
        """The containers of its services."""
        return self.containers if self._is_started else ()

    def use_mode_of(self, mode_of_case: Callable[[], Any] | None) -> None:
        """Follow the connection mode of another class, which shares it now."""
        for each in self.containers:
            each.use_mode_of(mode_of_case)

    def revive(self) -> None:
        """Start those of its services again that have died, what they depend on first."""
        for name in one_by_one(self._started.model.needs):
            for each in self.containers:
                if each.service == name:
                    each.revive()

    # -- in use -----------------------------------------------------------------------------------

    @property
    def project(self) -> str:
        """The name of its project, as in ``docker compose -p NAME logs``."""
        return self._started.project

    @property
    def containers(self) -> list[ComposeService]:
        """The containers of all services, those that have ended, too."""
        return list(self._started.services.values())

    def __getitem__(self, service: str) -> ComposeService:
        return self.service(service)

    def service(self, name: str, index: int = 1) -> ComposeService:
        """The container of a service; before the start, what others can refer to it by.

        Args:
            index: which of several containers of the service, from 1.

        Raises:
            DeclarationError: there is no such container; lists those that there are.
        """
        if not self._is_started:
            return ComposeService(self, name, index)
        found = self._started.services.get((name, index))
        if found is None:
            there = ", ".join(_called(each) for each in self.containers) or "none"
            raise DeclarationError(
                f"{self.label} has no container of {_called(ComposeService(self, name, index))}; "
                f"there are: {there}. Is it in services=… and its profile in profiles=…?"
            )
        return found

    def network(self, key: str = "default") -> ComposeNetwork:
        """A network that it makes, by its key in the files; for other containers to be on.

        Raises:
            DeclarationError: there is no such network; lists those that there are.
        """
        if not self._is_started:
            return ComposeNetwork(self, key)
        return self._started.network(key)

    @property
    def _started(self) -> StackLaunching:
        if self._launching is None or not self._is_started:
            raise not_started(self.label)
        return self._launching


def _called(service: ComposeService) -> str:
    return f"{service.service!r}" + (f" (index {service.index})" if service.index > 1 else "")
