"""The measurement of one container: from what is put in before its start to what it brought.

The data are fetched when the container is about to be removed, whatever became of its tests. Each
process is asked to save first, since one that is killed in the stop could not any more; then the
container is stopped as gently as it listens, and what its end adds is fetched with the rest.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from .._docker import NotThere
from ..errors import DeclarationError, EngineError
from ..log import warn
from ..measured import Measured
from ..request import ContainerRequest
from ..running import RunningContainer
from .ask_to_save import DEAF
from .configuration import DATA, DATA_FILE, FOLDER, configuration, environment
from .host import Added, HostCoverage, current
from .parcel import parcel
from .paths import packages_here

Json = dict[str, Any]

STOP_TIMEOUT = 10  # the engine's own, in seconds


def measurement_for(
    asked: ContainerRequest,
    of_class: Measured | None,
    label: str,
    copied: Mapping[str, str] = MappingProxyType({}),
) -> Measurement | None:
    """The measurement of a container; ``None`` if none is wanted, or the process has none itself.

    Args:
        copied: what the request does not say of files that are put in, as in its ``places()``.

    Raises:
        DeclarationError: it is not known which code is meant, or a folder of this host does not
            exist.
    """
    known = {**asked.places(), **copied}
    is_read_only = bool(asked.options.get("read_only"))
    return measurement_of(asked.measured, of_class, label, known, is_read_only)


def measurement_of(
    own: Measured | None,
    of_class: Measured | None,
    label: str,
    known: Mapping[str, str],
    is_read_only: bool,
) -> Measurement | None:
    """The same for what has no request, as a service of a Compose stack.

    Args:
        own: what was asked for it by name.
        known: the folders here whose place in the container is known.
    """
    wanted = own or of_class
    if wanted is None:
        return None
    if unclear := wanted.problem(known):
        raise DeclarationError(f"{label}: {unclear}")
    if (measured := current()) is None:
        return None
    named = {inside: Path(here).expanduser().absolute() for inside, here in wanted.paths.items()}
    for inside, here in named.items():
        if not here.is_dir():
            raise DeclarationError(
                f"{label}: coverage: the code in {inside} is said to be {here}, which is no folder"
            )
    folders = {**known, **{inside: str(here) for inside, here in named.items()}}
    host = HostCoverage(measured)
    return Measurement(host, folders, wanted.source, is_read_only, is_promised=own is not None)


@dataclass
class Fetched:
    """What lay in a container's folder for data."""

    files: list[Path] = field(default_factory=list)
    pythons: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Measurement:
    """How one container is measured.

    Args:
        folders: the host's folders for those of the container.
        source: packages and folders to measure; by default those that have a folder here.
        is_read_only: nothing can be put into the container itself, so that it gets a volume.
        is_promised: it was asked for by name, so that it is told where nothing comes of it.
    """

    host: HostCoverage
    folders: Mapping[str, str]
    source: tuple[str, ...] = ()
    is_read_only: bool = False
    is_promised: bool = True

    def extend(self, options: Json, image_env: tuple[str, ...]) -> None:
        """Add to the options of a container what starts the measurement in it."""
        options["environment"] = environment(options["environment"], image_env)
        if self.is_read_only:
            options["volumes"] = [*options.get("volumes", ()), FOLDER]

    def put_in(self, running: RunningContainer) -> None:
        """Put everything into a container that was created and not started."""
        text = configuration(self.host.option, self.source, self.folders)
        below = FOLDER if self.is_read_only else "/"
        running.engine.put_archive(running.id, below, io.BytesIO(parcel(text, below)))

    def bring_home(self, running: RunningContainer) -> None:
        """Fetch the data and add them to the host's; what goes wrong is told and no error."""
        import tempfile

        try:
            with tempfile.TemporaryDirectory(prefix="tcunit-") as folder:
                self._bring_home(running, Path(folder))
        except NotThere:
            warn("%s was removed by somebody else: its coverage is lost", running.description)
        except Exception as error:
            warn("%s: its coverage is lost: %s", running.description, error)

    def _bring_home(self, running: RunningContainer, folder: Path) -> None:
        state = running.state()
        if state.status == "created":
            return
        if state.status == "paused":
            running.engine.unpause(running.id)
        if state.running:
            self._stop(running, _fetch(running, folder).pythons)
        fetched = _fetch(running, folder)
        rules = self.host.path_map(self.folders, packages_here(self.source))
        added = self.host.add(fetched.files, rules, f"tcunit.{running.name}")
        self._tell(running, fetched, added)

    def _stop(self, running: RunningContainer, pythons: list[str]) -> None:
        """Have all processes save, and stop the container if it listens."""
        if not pythons:
            return
        config = running.info.get("Config") or {}
        command = [pythons[0], "-I", f"{FOLDER}/ask_to_save.py"]
        try:
            code, _ = running.engine.exec(
                running.id, [*command, config.get("StopSignal") or "SIGTERM"]
            )
        except EngineError:
            code = 0  # it has ended, or has no room for a further process
        if code != DEAF:
            limit = config.get("StopTimeout")
            running.engine.stop(running.id, STOP_TIMEOUT if limit is None else limit)

    def _tell(self, running: RunningContainer, fetched: Fetched, added: Added) -> None:
        if fetched.problems:
            warn("%s: not all of it was measured: %s", running.description, fetched.problems[0])
        elif added.missing and not added.files:
            warn(
                "%s: nothing of what was measured is code of this host, as %s: say where it is here"
                " by with_coverage(paths={'/folder/in/it': 'folder/here'})",
                running.description, min(added.missing),
            )  # fmt: skip
        elif self.is_promised and not added.ran:  # coverage writes files without data, too
            warn("%s: nothing was measured: %s", running.description, self._reason(fetched))

    def _reason(self, fetched: Fetched) -> str:
        if not fetched.pythons:
            return "no Python started in it, or only with options that hide PYTHONPATH, as -I"
        code = ", ".join(self.source or self.folders)
        return f"its Python ran no code of {code}, or was killed before it could save"


def _fetch(running: RunningContainer, folder: Path) -> Fetched:
    """What is in the container's folder for data by now, the data files below a folder here."""
    import tarfile

    found = Fetched()
    with running.engine.get_archive(running.id, DATA) as (pieces, _):
        content = io.BytesIO(b"".join(pieces))
    with tarfile.open(fileobj=content) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is None:
                continue
            name = PurePosixPath(member.name).name
            kind, text = name.partition("-")[0], file.read()
            if name.startswith(f"{DATA_FILE}."):
                found.files.append(folder / name)
                found.files[-1].write_bytes(text)
            elif kind == "problem":
                found.problems.append(text.decode(errors="replace"))
            elif kind == "process" and text:
                found.pythons.append(text.decode(errors="replace"))
    return found
