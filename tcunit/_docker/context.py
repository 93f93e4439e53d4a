"""The build context: which files a build sees, what they come to, and the archive of them.

Which files the ignore file leaves out is the SDK's own rule. An ignore file of the Dockerfile's own
(``Dockerfile.dockerignore``) wins over ``.dockerignore``, as BuildKit has it.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

IGNORE_FILE = ".dockerignore"
FROM_OUTSIDE = ".dockerfile.tcunit"  # what a Dockerfile that is not in the context is called there


class Context:
    """The files of a folder that a build sees, and its Dockerfile, which may lie elsewhere."""

    def __init__(self, root: Path, dockerfile: Path) -> None:
        self.root = root
        self._dockerfile = dockerfile
        # Where it really is: an archive has nothing behind ".." or behind links to folders.
        real, top = dockerfile.resolve(), root.resolve()
        is_inside = real.is_relative_to(top)
        self.dockerfile = real.relative_to(top).as_posix() if is_inside else FROM_OUTSIDE
        own = dockerfile.with_name(f"{dockerfile.name}{IGNORE_FILE}")
        self._patterns = _patterns(own if own.is_file() else root / IGNORE_FILE)
        # The engine looks into the ignore file that it finds in the archive.
        self._tells_ignored = own.is_file() or not is_inside

    def text(self) -> str:
        """The Dockerfile."""
        return self._dockerfile.read_text("utf-8")

    def files(self) -> list[str]:
        """The paths that a build sees, folders included, each relative to the context."""
        from docker.utils.build import exclude_paths

        found: set[str] = exclude_paths(
            str(self.root), list(self._patterns), dockerfile=self.dockerfile
        )
        return sorted(found)

    def digest(self) -> str:
        """A digest of paths, kinds, modes and contents; times and owners make no difference."""
        total = hashlib.sha256("\n".join(self._patterns).encode())
        for path in self.files():
            full = self.root / path
            found = full.lstat()
            total.update(os.fsencode(f"{path}\0{stat.filemode(found.st_mode)}\0"))
            if stat.S_ISLNK(found.st_mode):
                total.update(os.fsencode(os.readlink(full)))
            elif stat.S_ISREG(found.st_mode):
                with full.open("rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()

    def pack(self, text: str) -> IO[bytes]:
        """An archive of the files, in a temporary file with a name, with this Dockerfile.

        It begins with a plain header, by which the docker command line knows an archive.
        """
        own = {} if self._is_written(text) else {self.dockerfile: text}
        if self._tells_ignored:
            own[IGNORE_FILE] = "\n".join([*self._patterns, FROM_OUTSIDE])
        packed: Any = tempfile.NamedTemporaryFile()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name, content in own.items():
                info = tarfile.TarInfo(name)
                info.size = len(content.encode())
                tar.addfile(info, io.BytesIO(content.encode()))
            for path in self.files():
                if path not in own:
                    tar.add(self.root / path, path, recursive=False, filter=_of_nobody)
        packed.seek(0)
        archive: IO[bytes] = packed
        return archive

    def _is_written(self, text: str) -> bool:
        return self.dockerfile != FROM_OUTSIDE and text == self.text()


def _of_nobody(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """A file without its owner, as Docker has it."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def _patterns(file: Path) -> list[str]:
    if not file.is_file():
        return []
    lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
