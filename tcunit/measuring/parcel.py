"""What is put into a container: the host's own coverage, our two files, and the configuration.

The version is the host's, so that its data can be read here. The tracer in C goes along, whose
name says for which Python it is: another Python does not see it, and measures in Python.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from .configuration import CONFIG_FILE, DATA, FOLDER

HERE = Path(__file__).parent
OURS = {"sitecustomize.py": "in_container.py", "ask_to_save.py": "ask_to_save.py"}


def parcel(configuration: str, below: str) -> bytes:
    """A tar archive with everything, as it is below a folder: ``/`` or :data:`FOLDER` itself."""
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder, mode in ((FOLDER, 0o755), (DATA, 0o1777)):
            info = tarfile.TarInfo(_relative(folder, below))
            info.type, info.mode = tarfile.DIRTYPE, mode
            archive.addfile(info)
        for place, source in _files():
            info = archive.gettarinfo(source, _relative(f"{FOLDER}/{place}", below))
            # The time stays, because it tells whether compiled code is up to date.
            info.uid, info.gid, info.uname, info.gname, info.mode = 0, 0, "", "", 0o644
            with source.open("rb") as file:
                archive.addfile(info, file)
        info = tarfile.TarInfo(_relative(CONFIG_FILE, below))
        info.size = len(configuration.encode())
        archive.addfile(info, io.BytesIO(configuration.encode()))
    return buffer.getvalue()


def _relative(path: str, below: str) -> str:
    return Path(path).relative_to(below).as_posix()


def _files() -> Iterator[tuple[str, Path]]:
    """Every file, by its place in the container."""
    import coverage

    package = Path(coverage.__file__).parent
    for pattern in ("*.py", "*.so", f"__pycache__/*.{sys.implementation.cache_tag}.pyc"):
        for file in sorted(package.glob(pattern)):
            yield f"coverage/{file.relative_to(package).as_posix()}", file
    for place, name in OURS.items():
        yield place, HERE / name
