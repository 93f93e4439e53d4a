"""What the engine said when it refused a container, and what to do about it."""

from __future__ import annotations

from ._docker import Engine, NotThere
from .errors import EngineError, ImageNotFound, StartError

_ADVICE = {
    "executable file not found": "Check the command: with_command() replaces the image's own.",
    "no such file or directory: unknown": "Check the command and the paths that are mounted.",
    "port is already allocated": "Take another port, or with_exposed_ports() for a random one.",
    "address already in use": "Take another port, or with_exposed_ports() for a random one.",
    "protocol not supported": "The kernel of the engine's machine has no SCTP, most likely.",
    "exec format error": "The image, or a program in it, is for another processor.",
    "invalid mount config": "Check the paths given to with_volume_mapping().",
    "cannot overwrite": "Check the paths given to with_copy_into_container().",
    "copier: put": "Check the paths given to with_copy_into_container().",
    "container-init binary not found": "with_init() needs the package catatonit beside Podman.",
}


def refused(who: str, image: str, engine: Engine, error: EngineError) -> StartError | EngineError:
    """The error for a container that could not be created."""
    if isinstance(error, NotThere) and "image" in str(error).lower():
        engine.images.forget(image)
        return ImageNotFound(f"{who}: {error}. It was there before: was it removed meanwhile?")
    return StartError(f"{who} could not be created: {hint(error)}")


def hint(error: EngineError) -> str:
    """What the engine said, and what to do about it."""
    said = str(error)
    for sign, advice in _ADVICE.items():
        if sign in said:
            return f"{said}. {advice}"
    return said
