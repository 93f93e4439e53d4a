"""The hash of a whole declaration, by which something made of it earlier is found again.

The rule: what could make another container of it counts, and what cannot be told by its value is
refused. A path of ours that a container may only read counts with all that is in it.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from .errors import DeclarationError
from .request import ContainerRequest

SCHEME = "1"  # another one makes all that was hashed before unknown

# In a request, but told by what the engine is given for it (with late values made), or of no
# consequence for what is created.
TOLD_OTHERWISE = frozenset({
    "image", "command", "env", "exposed", "service_ports", "bound", "on_all_interfaces",
    "attachments", "aliases", "network_mode", "mounts", "env_files", "tmpfs", "labels",
    "platform", "options",
})  # fmt: skip
OF_NO_CONSEQUENCE = frozenset({
    "dependencies", "measured", "pull_policy", "reset", "reuse", "wait", "warm",
})  # fmt: skip


def fingerprint(who: str, **parts: object) -> str:
    """The hash of some parts by their values, for ever the same for the same values.

    Args:
        who: how an error calls what they are parts of.

    Raises:
        DeclarationError: one of them holds something that has no value, as an open file.
    """
    import hashlib
    import json

    text = json.dumps([SCHEME, parts], sort_keys=True, default=lambda each: _plain(who, each))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def parts_of(asked: ContainerRequest, options: Mapping[str, Any]) -> dict[str, object]:
    """What a container is made of, beside its image and its networks.

    Args:
        options: what the engine is to be given, its late values made.
    """
    left_out = TOLD_OTHERWISE | OF_NO_CONSEQUENCE
    others = {
        each.name: getattr(asked, each.name)
        for each in dataclasses.fields(asked)
        if each.name not in left_out
    }
    read_only = sorted({Path(each) for each in read_only_paths(options)})
    return {"options": dict(options), "contents": read_only, **others}


def _plain(who: str, value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, Path):
        return [str(value), content_of(value)]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return ["bytes", value.hex()]
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value)]
        return [type(value).__name__, *([name, getattr(value, name)] for name in names)]
    raise DeclarationError(
        f"{who} cannot be known again, because a {type(value).__name__} is part of its "
        f"declaration, which has no lasting value: use a text, a number or a path instead"
    )


# -- files ----------------------------------------------------------------------------------------


def content_of(path: Path) -> str:
    """The hash of a file, or of a folder with all that is in it; empty where there is nothing.

    Names, contents, permissions and the targets of symbolic links count; times do not.

    Raises:
        DeclarationError: something of it cannot be read.
    """
    import hashlib

    found = hashlib.sha256()
    try:
        if not path.exists():
            return ""
        for each in _within(path):
            name = os.fsencode(each.relative_to(path))
            for word in (name, *_told(each, is_top=each == path)):
                found.update(b"%d:%b" % (len(word), word))
    except OSError as error:
        raise DeclarationError(
            f"{error.filename} cannot be read ({error.strerror}), so nobody could tell whether it "
            f"is still the same: make it readable, or mount it 'rw'"
        ) from error
    return found.hexdigest()


def _within(path: Path) -> Iterator[Path]:
    """A path, and in a folder all that is below it, in order."""
    yield path
    if path.is_dir() and not path.is_symlink():
        for each in sorted(path.iterdir()):
            yield from _within(each)


def _told(path: Path, *, is_top: bool) -> Iterator[bytes]:
    found = path.stat() if is_top else path.lstat()
    yield b"%o" % found.st_mode
    if stat.S_ISLNK(found.st_mode):
        yield os.fsencode(os.readlink(path))
    elif stat.S_ISREG(found.st_mode):
        import hashlib

        with path.open("rb") as file:
            yield hashlib.file_digest(file, "sha256").digest()


def read_only_paths(options: Mapping[str, Any]) -> Iterable[str]:
    """The paths of the engine's host that the container cannot write to."""
    for bind in options.get("binds") or ():
        source, _, rest = str(bind).partition(":")
        if source.startswith("/") and "ro" in rest.partition(":")[2].split(","):
            yield source
    for mount in options.get("mounts") or ():
        if isinstance(mount, Mapping) and mount.get("Type") == "bind" and mount.get("ReadOnly"):
            yield str(mount["Source"])
