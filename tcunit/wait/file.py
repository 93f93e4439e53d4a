"""Waiting for a file in the container."""

from __future__ import annotations

from pathlib import PurePosixPath

from ..errors import DeclarationError
from .base import Probe, WaitStrategy, WaitTarget


class FileWaitStrategy(WaitStrategy):
    """Ready when there is a file, or a folder, in the container.

    The engine is asked, so the image needs no shell. It sees volumes and bind mounts, but not what
    is in a tmpfs. A file that is there need not be complete: let the service move it into place.
    """

    def __init__(self, path: str | PurePosixPath) -> None:
        self.path = str(path)
        if not self.path.startswith("/"):
            raise DeclarationError(f"{self.path!r} is no path from the root: write '/{self.path}'")

    def begin(self, target: WaitTarget) -> Probe:
        """Ask the engine."""
        return lambda: None if target.has_file(self.path) else "it is not there"

    def __str__(self) -> str:
        return f"the file {self.path}"
