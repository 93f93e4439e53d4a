"""What the engine is given to create a container: options, mounts, and the files to copy in.

Late values are made here, on the way from what was asked for to what the engine reads.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import IO, Any

from ._docker import env_file
from .advice import refused
from .attaching import network_mode, published
from .errors import CopyError, DeclarationError, EngineError
from .files import packed
from .late import made
from .lifecycle.declared import Launch
from .request import ContainerRequest, Copy, Late, Mount
from .running import RunningContainer
from .volume import Volume


def create_options(
    asked: ContainerRequest, running: RunningContainer, launch: Launch, label: str
) -> dict[str, Any]:
    """What the SDK is to be given, its late values made; ``running`` is not there yet."""

    def late(what: str, value: Late) -> str:
        return str(made(label, f"the late value of {what}", value, launch))

    options: dict[str, Any] = {
        "labels": dict(asked.labels),
        "environment": {
            **_from_files(asked), **{name: late(name, value) for name, value in asked.env.items()}
        },
        **asked.options,
        **published(asked, running),
    }  # fmt: skip
    if asked.command is not None:
        options["command"] = (
            asked.command if isinstance(asked.command, str)
            else [late("the command", word) for word in asked.command]
        )  # fmt: skip
    _add_mounts(options, asked, launch, label)
    if asked.tmpfs:
        options["tmpfs"] = dict(asked.tmpfs)
    if asked.platform:
        options["platform"] = asked.platform
    if (mode := network_mode(asked, running)) is not None:
        options["network_mode"] = mode
    return options


def _from_files(asked: ContainerRequest) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in asked.env_files:
        found.update(env_file(str(Path(each).expanduser())))
    return found


# -- mounts ----------------------------------------------------------------------------------------


def _add_mounts(
    options: dict[str, Any], asked: ContainerRequest, launch: Launch, label: str
) -> None:
    """Bind mounts in the long form where that can say it, all others as short words."""
    mounts, binds = list(options.get("mounts", ())), list(options.get("binds", ()))
    for mount in asked.mounts:
        volume = _volume_of(mount, launch)
        found = None if volume else mount.as_mount()
        if found is not None:
            _refuse_missing(found, launch, label)
            mounts.append(found)
        else:
            binds.append(mount.bind(volume))
    options.update({"mounts": mounts} if mounts else {}, **({"binds": binds} if binds else {}))


def _volume_of(mount: Mount, launch: Launch) -> str:
    """The name of the volume that is mounted, if it is one."""
    if isinstance(mount.source, Volume):
        name: str = launch.resolve(mount.source).name
        return name
    return mount.source if mount.is_volume else ""


def _refuse_missing(mount: dict[str, Any], launch: Launch, label: str) -> None:
    """Refuse a path that is not there, as Docker does: Podman would make a folder of root's."""
    around, path = launch.surroundings, mount["Source"]
    if (
        around.engine.is_podman and mount["Type"] == "bind"
        and around.engine_is_here and not around.facts.own_container
        and not Path(path).exists()
    ):  # fmt: skip
        error = EngineError(f"invalid mount config: bind source path does not exist: {path}")
        raise refused(label, "", around.engine, error)


def named_volumes(asked: ContainerRequest) -> list[str]:
    """The volumes that it mounts by their names alone."""
    return list(dict.fromkeys(each.source for each in asked.mounts if each.is_volume))


# -- files -----------------------------------------------------------------------------------------


def copies_made(asked: ContainerRequest, launch: Launch, label: str) -> tuple[Copy, ...]:
    """What is to be copied in, its late values made."""

    def source(copy: Copy) -> bytes | Path:
        found = made(label, f"what is copied to {copy.destination}", copy.source, launch)
        if not isinstance(found, bytes | PathLike):
            raise DeclarationError(
                f"{label}: what is copied to {copy.destination} came as a "
                f"{type(found).__name__}: give bytes or a Path"
            )
        return found if isinstance(found, bytes) else Path(found)

    return tuple(dataclasses.replace(each, source=source(each)) for each in asked.copies)


@contextlib.contextmanager
def archives_of(asked: ContainerRequest, label: str) -> Iterator[dict[str, IO[bytes]]]:
    """The files to copy in, as an archive for each folder that they are unpacked in."""
    places: dict[str, list[Copy]] = {}
    for copy in asked.copies:
        places.setdefault(asked.root_of(copy), []).append(copy)
    with contextlib.ExitStack() as stack:
        try:
            yield {
                root: stack.enter_context(packed(copies, root)) for root, copies in places.items()
            }
        except CopyError as error:
            raise CopyError(f"{label}: with_copy_into_container: {error}") from error
