"""The ``with_…`` methods about files: what is mounted, and what is copied in before the start."""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self

from .collecting import Collecting, permissions, place_in_container, size_in_bytes, whole
from .errors import DeclarationError
from .request import Copy, Mount
from .volume import Volume

MODES = (
    "ro", "rw", "z", "Z", "shared", "rshared", "slave", "rslave", "private", "rprivate", "nocopy",
    "cached", "delegated", "consistent",
)  # fmt: skip

_PART = r"[1-9]\d?%|100%"

Content = bytes | PathLike[str] | Callable[[], object]
"""What can be copied in: bytes, a path of ours, or what gives one of them at the start."""


class StorageOptions(Collecting):
    """What can be asked for of files and storage."""

    def with_volume_mapping(
        self, host: str | PathLike[str] | Volume, container: str, mode: str = "ro"
    ) -> Self:
        """Mount a path of the engine's host, or a volume.

        A volume that is named here and does not exist is made for the container, and removed with
        it; one that exists already is used and left as it is.

        Args:
            host: a path, the name of a volume, or a :class:`Volume`.
            mode: ``"ro"`` or ``"rw"``, with the engine's further words for it, as in ``"rw,z"``.
        """
        place = place_in_container(container, "with_volume_mapping")
        words = mode.split(",") if isinstance(mode, str) else []
        if not words or not set(words) <= set(MODES) or {"ro", "rw"} <= set(words):
            raise DeclarationError(
                f"with_volume_mapping: {mode!r} is no mode: give 'ro' or 'rw', or with others as "
                f"in 'rw,z'; there are {', '.join(MODES)}"
            )
        mount = Mount(_mountable(host), place, mode)
        return self._with("with_volume_mapping", mounts=(*self._request.mounts, mount))

    def with_tmpfs_mount(
        self, container_path: str, size: int | str | None = None, mode: int | None = None
    ) -> Self:
        """Mount a file system in memory.

        Args:
            size: in bytes, or as in ``"64m"`` or ``"10%"`` of the memory; by default half of it.
            mode: its permissions; by default ``0o1777``, for everybody.
        """
        what = "with_tmpfs_mount"
        place = place_in_container(container_path, what).rstrip("/")
        part = isinstance(size, str) and re.fullmatch(_PART, size)
        words = [f"size={size if part else size_in_bytes(size, what)}"] if size is not None else []
        words += [f"mode={permissions(mode, what):o}"] if mode is not None else []
        return self._with(what, tmpfs={**self._request.tmpfs, place: ",".join(words)})

    def with_copy_into_container(
        self,
        content: Content,
        destination: str,
        mode: int | None = None,
        *,
        uid: int = 0,
        gid: int = 0,
    ) -> Self:
        """Put a file or a tree in, before its command starts.

        Args:
            content: bytes, a path of ours (read at the start), or a callable that gives one of
                them when everything that the container depends on is ready.
            destination: the path it is to have; a file goes *into* one that ends with ``/``. What
                a folder holds goes into the destination, links as links. Folders that are missing
                are made.
            mode: permissions; by default ``0o644`` for bytes, and the file's own.
            uid, gid: the owner's and group's ids; by default root's.
        """
        copy = copy_of(content, destination, mode, uid, gid, "with_copy_into_container")
        return self._with("with_copy_into_container", copies=(*self._request.copies, copy))


def copy_of(
    content: Content, destination: str, mode: int | None, uid: int, gid: int, what: str
) -> Copy:
    """A copy into a container, checked as far as it can be before it is made.

    Raises:
        DeclarationError: it says what is wrong, and what to give instead.
    """
    place_in_container(destination, what)
    if isinstance(content, str):
        raise DeclarationError(
            f"{what}: the text may be a path or content: give Path(…), or encode it to bytes"
        )
    if not isinstance(content, bytes | PathLike) and not callable(content):
        raise DeclarationError(
            f"{what}: a {type(content).__name__} cannot be copied: give bytes, a Path, or a "
            f"callable that returns one of them"
        )
    if isinstance(content, bytes) and destination.endswith("/"):
        raise DeclarationError(f"{what}: {destination!r}: bytes need the whole path of their file")
    if mode is not None:
        permissions(mode, what)
    owner, group = (whole(each, f"{what}, uid and gid", or_zero=True) for each in (uid, gid))
    return Copy(content, destination, mode, owner, group)


def _mountable(host: Any) -> str | Volume:
    if isinstance(host, Volume):
        return host
    if not isinstance(host, str | PathLike) or not fspath(host):
        raise DeclarationError(
            f"with_volume_mapping: {host!r} cannot be mounted: give a path, the name of a volume, "
            f"or a Volume()"
        )
    # A path object is never the name of a volume, a relative one neither.
    return host if isinstance(host, str) else _as_path(Path(host))


def _as_path(path: Path) -> str:
    return str(path) if path.is_absolute() or str(path).startswith("~") else f"./{path}"
