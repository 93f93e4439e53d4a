"""Copying into a container that exists, and out of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ._docker import NotThere
from .collecting import place_in_container
from .errors import CopyError, EngineError
from .files import content_of, packed, unpack, unpacking
from .in_use import InUse
from .request import is_below
from .running import RunningContainer
from .storage import Content, StorageOptions, copy_of

if TYPE_CHECKING:
    from tarfile import TarFile


class Copying(InUse, StorageOptions):
    """What can be copied, also when the container has ended; but for what a tmpfs mount holds."""

    def copy_into_container(
        self,
        content: Content,
        destination: str,
        mode: int | None = None,
        *,
        uid: int = 0,
        gid: int = 0,
    ) -> None:
        """Put a file or a tree in now; the arguments are those of ``with_copy_into_container``.

        Raises:
            CopyError: the source cannot be read, the engine refused it, or it would go to a tmpfs
                mount, where Docker's copies get lost.
        """
        copy = copy_of(content, destination, mode, uid, gid, "copy_into_container")
        if callable(content):
            made: Content = content()  # type: ignore[assignment]
            copy = copy_of(made, destination, mode, uid, gid, "copy_into_container")
        running = self.running
        _refuse_tmpfs(running, destination)
        with packed([copy]) as archive:
            try:
                running.engine.put_archive(running.id, "/", archive)
            except EngineError as error:
                raise CopyError(f"{running.description}: {destination}: {error}") from error

    def copy_from_container(self, source: str, destination: str | PathLike[str]) -> None:
        """Copy a file or a tree out of it.

        Links stay links where they lead to something in the tree; others are left out, and so are
        devices, with a warning in the log. The files are ours, and never to be written by others.

        Args:
            destination: a file's new path, or a folder to put it in; of a tree, the folder that is
                to hold what the tree's folder holds. Folders that are missing are made.

        Raises:
            CopyError: it is not there, or cannot be written.
        """
        with self._archive(source) as (archive, path):
            unpack(archive, path, Path(destination))

    def read_file(self, path: str) -> bytes:
        """What a file in it holds; a link is followed.

        Raises:
            CopyError: there is none.
        """
        with self._archive(path) as (archive, _):
            return content_of(archive, f"{path} in {self.running.description}")

    @contextlib.contextmanager
    def _archive(self, path: str) -> Iterator[tuple[TarFile, str]]:
        """The archive of what a path in it leads to, and that path."""
        place_in_container(path, "copying out of a container")
        running = self.running
        _refuse_tmpfs(running, path)
        try:
            with running.engine.get_archive(running.id, path) as (chunks, found):
                with unpacking(chunks) as archive:
                    yield archive, found
        except NotThere as error:
            raise CopyError(f"there is no {path} in {running.description}") from error
        except EngineError as error:
            raise CopyError(f"{running.description}: {path}: {error}") from error


def _refuse_tmpfs(running: RunningContainer, place: str) -> None:
    """Refuse a place that is in memory: Docker's copies go to and come from what is below it."""
    if running.engine.is_podman:
        return
    mounts = {each["Destination"]: each["Type"] for each in running.info.get("Mounts") or ()}
    mounts |= dict.fromkeys(running.info["HostConfig"].get("Tmpfs") or (), "tmpfs")
    around = max((each for each in mounts if is_below(place, each)), key=len, default="")
    if mounts.get(around) == "tmpfs":
        raise CopyError(
            f"{running.description}: {place} is on the tmpfs mount {around}, which the engine does "
            f"not see: read and write there with exec()"
        )
