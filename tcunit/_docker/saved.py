"""Images that are made of a container's state: committing, looking for them, removing them."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

from ..errors import EngineError
from .engine import Engine
from .refusals import translated

Json = dict[str, Any]

CHUNK = 1 << 20
NO_COMMAND = ["none"]  # with none at all, the container's own would be written into the image
OF_PODMAN = {"TERM", "HOME", "HOSTNAME", "container"}  # it gives them to every container


@dataclass(frozen=True)
class SavedImage:
    """An image on the engine: its id, names and labels, when it was made, and its size in bytes."""

    id: str
    tags: Sequence[str]
    labels: Mapping[str, str]
    created: float
    size: int


def saved_images(engine: Engine, label: str) -> list[SavedImage]:
    """All images that have a label."""
    return [
        SavedImage(
            each["Id"], [tag for tag in each.get("RepoTags") or () if tag != "<none>:<none>"],
            each.get("Labels") or {}, float(each["Created"]), int(each["Size"]),
        )
        for each in engine.images.listed(label)
    ]  # fmt: skip


def commit(engine: Engine, container: str, base: str, name: str, labels: Mapping[str, str]) -> str:
    """Make an image of a container that has ended, as if its base had always had that state.

    The configuration is the base's; of the container's labels and environment only the names are
    left, because the engine knows no way to leave those out. The contents of volumes are not in it.

    Args:
        name: with its tag; empty for none.

    Returns:
        The image's id.
    """
    api = engine.client.api
    repository, _, tag = name.rpartition(":")
    with translated(f"saving the state of {container}"):
        config: Json = dict(api.inspect_image(base).get("Config") or {})  # type: ignore[no-untyped-call]
        own: Json = api.inspect_container(container)["Config"]
        known = {word.partition("=")[0] for word in config.get("Env") or ()}
        known |= OF_PODMAN if engine.is_podman else set()
        added = [word.partition("=")[0] for word in own.get("Env") or ()]
        config["Env"] = [*(config.get("Env") or ()), *(f"{n}=" for n in added if n not in known)]
        blank = dict.fromkeys(own.get("Labels") or {}, "")
        config["Labels"] = {**blank, **(config.get("Labels") or {}), **labels}
        if not config.get("Cmd") and not config.get("Entrypoint"):
            config["Cmd"] = NO_COMMAND
        asked = {"changes": instructions(config)} if engine.is_podman else {"conf": config}
        made: Json = api.commit(container, repository or None, tag or None, **asked)
        return str(made["Id"])


def instructions(config: Json) -> list[str]:
    """A configuration in the words of a Dockerfile, because Podman takes no other. Pure."""

    def pair(name: str, value: str) -> str:
        return f"{_quoted(name)}={_quoted(value)}"

    words = [word.partition("=") for word in config.get("Env") or ()]
    entry, command = config.get("Entrypoint") or [], config.get("Cmd") or []
    return [
        *(f"ENV {name}={_quoted(value)}" for name, _, value in words),
        *(f"LABEL {pair(name, value)}" for name, value in (config.get("Labels") or {}).items()),
        f"ENTRYPOINT {json.dumps(entry)}",
        f"CMD {json.dumps(command)}",  # an entry point takes the command away
        *([f"WORKDIR {config['WorkingDir']}"] if config.get("WorkingDir") else []),
    ]


def _quoted(text: str) -> str:
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


def add_volumes(
    engine: Engine, container: str, volumes: Sequence[str], image: str, name: str
) -> bool:
    """Make an image with the contents of a container's volumes at their places; false if empty.

    Args:
        image: what it starts from.
        name: what it is called.
    """
    with contextlib.ExitStack() as stack:
        archives = {
            path: stack.enter_context(_archive(engine, container, path)) for path in volumes
        }
        filled = {path: file for path, file in archives.items() if _is_filled(file)}
        if not filled:
            return False
        context = stack.enter_context(tempfile.TemporaryFile())
        _write_context(context, image, filled)
        _build(engine, context, name)
        return True


def _archive(engine: Engine, container: str, path: str) -> IO[bytes]:
    """A folder of a container as a tar file, which begins with the folder's last name."""
    file = tempfile.TemporaryFile()
    with translated(f"reading {path} of {container}"):
        chunks, _ = engine.client.api.get_archive(container, path, chunk_size=CHUNK)
        for chunk in chunks:
            file.write(chunk)
    file.seek(0)
    return file


def is_filled(engine: Engine, container: str, path: str) -> bool:
    """Whether a folder of a container holds anything."""
    with _archive(engine, container, path) as file:
        return _is_filled(file)


def _is_filled(archive: IO[bytes]) -> bool:
    with tarfile.open(fileobj=archive) as tar:
        tar.next()
        filled = tar.next() is not None
    archive.seek(0)
    return filled


def _write_context(context: IO[bytes], image: str, archives: Mapping[str, IO[bytes]]) -> None:
    """What a build is given: a Dockerfile, and the archives, which it unpacks where they belong."""
    lines = [f"FROM {image}"]
    with tarfile.open(fileobj=context, mode="w") as tar:
        for number, (path, file) in enumerate(archives.items()):
            lines.append(f'ADD ["{number}.tar", "{PurePosixPath(path).parent}/"]')
            _add(tar, f"{number}.tar", file)
        _add(tar, "Dockerfile", io.BytesIO("\n".join(lines).encode()))
    context.seek(0)


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = file.seek(0, io.SEEK_END)
    file.seek(0)
    tar.addfile(entry, file)


def _build(engine: Engine, context: IO[bytes], name: str) -> None:
    with translated(f"building {name}"):
        for line in engine.client.api.build(
            fileobj=context, custom_context=True, tag=name, rm=True, forcerm=True, decode=True
        ):
            if "error" in line:
                raise EngineError(f"building {name}: {line['error']}")
