"""Files on their way into containers and out of them, as the tar archives that the engine takes.

What comes out of a container is not trusted: the standard library's data filter sees every member,
so nothing is written outside of the destination, and no device or foreign owner is made.
"""

from __future__ import annotations

import contextlib
import io
import posixpath
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .errors import CopyError
from .log import warn
from .request import Copy

if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo


# -- in -------------------------------------------------------------------------------------------


def packed(copies: Sequence[Copy], root: str = "/") -> IO[bytes]:
    """An archive of some copies, to be unpacked in a folder of the container.

    Raises:
        CopyError: a source cannot be read.
    """
    import tarfile
    import tempfile

    file = tempfile.TemporaryFile()
    try:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for copy in copies:
                archive.inodes = {}  # type: ignore[attr-defined]  # no links to another copy
                _add(archive, copy, posixpath.relpath(copy.destination, root))
    except OSError as error:
        file.close()
        raise CopyError(f"{error.filename or ''}: {error.strerror or error}".strip(": ")) from error
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _add(archive: TarFile, copy: Copy, name: str) -> None:
    if isinstance(copy.source, bytes):
        _add_bytes(archive, copy, name)
        return
    path = Path(copy.source).expanduser().resolve()
    if not path.is_dir():
        name = posixpath.join(name, Path(copy.source).name) if _is_folder(copy) else name
        archive.add(path, name, recursive=False, filter=lambda info: _settled(info, copy))
        return
    members = sorted(path.iterdir())
    if not members or copy.mode is not None or copy.uid or copy.gid:
        # Only then: the entry would set the mode and owner of a folder that is there already.
        archive.add(path, name, recursive=False, filter=lambda info: _settled(info, copy))
    for each in members:
        place = posixpath.normpath(posixpath.join(name, each.name))
        archive.add(each, place, filter=lambda info: _settled(info, copy))


def _is_folder(copy: Copy) -> bool:
    return copy.destination.endswith("/")


def _add_bytes(archive: TarFile, copy: Copy, name: str) -> None:
    import tarfile

    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(copy.source), 0o644, int(time.time())
    archive.addfile(_settled(info, copy), io.BytesIO(copy.source))


def _settled(info: TarInfo, copy: Copy) -> TarInfo:
    """A member with the owner and mode that were asked for."""
    info.uid, info.gid, info.uname, info.gname = copy.uid, copy.gid, "", ""
    if copy.mode is not None and not info.issym():
        # Who may read a folder's list may enter it, too.
        info.mode = copy.mode | ((copy.mode & 0o444) >> 2 if info.isdir() else 0)
    return info


# -- out ------------------------------------------------------------------------------------------


class Incoming(io.RawIOBase):
    """Chunks that come from the engine, readable as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, b""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read at most as much as the buffer holds."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


@contextlib.contextmanager
def unpacking(chunks: Iterator[bytes]) -> Iterator[TarFile]:
    """The archive in a stream, read once from its beginning to its end."""
    import tarfile

    if not hasattr(tarfile, "data_filter"):
        raise CopyError("copying out of containers needs Python 3.11.4, for tarfile's data filter")
    try:
        with tarfile.open(fileobj=io.BufferedReader(Incoming(chunks)), mode="r|") as archive:
            yield archive
    except tarfile.ReadError as error:
        raise CopyError(f"what the engine sent was cut off: {error}") from error


def content_of(archive: TarFile, what: str) -> bytes:
    """The bytes of the one file that an archive holds."""
    member = archive.next()
    found = archive.extractfile(member) if member is not None and member.isfile() else None
    if found is None:
        raise CopyError(f"{what} is no file")
    return found.read()


def unpack(archive: TarFile, source: str, destination: Path) -> None:
    """Write the file or the tree that an archive holds.

    Args:
        source: its path in the container.
        destination: a file's new path, or a folder to put it in; of a tree, the folder that is to
            hold what the tree's own folder holds.

    Raises:
        CopyError: it cannot be written, or is neither.
    """
    top = archive.next()
    if top is None or not (top.isfile() or top.isdir()):
        raise CopyError(f"{source} is neither a file nor a folder")
    try:
        if top.isfile():
            _write_file(archive, top, destination)
        else:
            _write_tree(archive, top, source, destination)
    except OSError as error:
        raise CopyError(f"{source} could not be written to {destination}: {error}") from error


def _write_file(archive: TarFile, member: TarInfo, destination: Path) -> None:
    if destination.is_dir():
        destination /= posixpath.basename(member.name)
    destination.parent.mkdir(parents=True, exist_ok=True)
    found = archive.extractfile(member)
    import shutil

    with destination.open("wb") as file:
        if found is not None:
            shutil.copyfileobj(found, file)
    destination.chmod((member.mode | 0o600) & 0o755)


def _write_tree(archive: TarFile, top: TarInfo, source: str, destination: Path) -> None:
    destination.mkdir(parents=True, exist_ok=True)
    left_out: list[str] = []

    def settle(member: TarInfo, path: str) -> TarInfo | None:
        import tarfile

        try:
            found = tarfile.data_filter(_inside(member, top.name, source), path)
        except tarfile.FilterError:
            found = None
        if found is not None and found.islnk() and not _can_be_linked(found, Path(path)):
            found = None
        if found is None:
            left_out.append(member.name)
        return found

    for member in archive:
        archive.extract(member, destination, filter=settle)
    if left_out:
        warn(
            "Left out of the copy of %s, because they are devices or lead out of it: %s",
            source, ", ".join(left_out),
        )  # fmt: skip


def _can_be_linked(member: TarInfo, folder: Path) -> bool:
    """Whether a second name of a file has that file; what an earlier copy has there makes room."""
    place, target = folder / member.name, folder / member.linkname
    if place == target or not target.exists():
        return False
    place.unlink(missing_ok=True)
    return True


def _inside(member: TarInfo, top: str, source: str) -> TarInfo:
    """A member by its path below the tree's folder; a link into the tree leads there anywhere."""
    name = _below(member.name, top)
    link = member.linkname
    if member.islnk():
        link = _below(link, top)
    elif member.issym() and link.startswith("/"):
        root = posixpath.normpath(source)
        if posixpath.commonpath([root, posixpath.normpath(link)]) == root:
            link = posixpath.relpath(link, posixpath.join(root, posixpath.dirname(name)))
    return member.replace(name=name, linkname=link, deep=False)


def _below(name: str, top: str) -> str:
    return name.strip("/").removeprefix(top.strip("/")).lstrip("/")
