"""What an image is to be built from, and what comes of it; a build itself loads more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ._docker import Engine, ImageInfo
from .errors import DeclarationError
from .lifecycle.ledger import Entry

REPOSITORY = "localhost/tcunit"  # of this machine: nobody can have put such an image elsewhere


@dataclass(frozen=True)
class Recipe:
    """What is to be built."""

    path: Path
    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    tag: str | None = None
    platform: str | None = None
    keep: bool = False
    no_cache: bool = False
    pull_policy: str = ""
    secrets: Mapping[str, str | Path] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )

    def check_secrets(self) -> None:
        """Refuse what no builder takes as a secret.

        Raises:
            DeclarationError: it has no name that a Dockerfile could use, or its file is not there.
        """
        for name, value in self.secrets.items():
            if not re.fullmatch(r"[\w.-]+", name):
                raise DeclarationError(
                    f"secrets: {name!r} is no name for a secret: give the one of the Dockerfile's "
                    f"'RUN --mount=type=secret,id=…'"
                )
            if isinstance(value, Path) and not value.is_file():
                raise DeclarationError(
                    f"secrets: there is no file {value.absolute()} with the secret {name!r}: give "
                    f"the path of one, or the secret itself as a text"
                )

    def places(self) -> tuple[Path, Path]:
        """The folder that the build sees, and the Dockerfile.

        Raises:
            DeclarationError: one of them is not there.
        """
        root = self.path.expanduser().absolute()
        file = root / Path(self.dockerfile).expanduser()
        if not root.is_dir():
            raise DeclarationError(f"{root} is no folder: give the folder of the build's context")
        if not file.is_file():
            raise DeclarationError(f"there is no Dockerfile {file}: give its name as dockerfile=")
        return root, file

    def options(self) -> list[Any]:
        """What makes another image of the same files; a secret is none of it, as for Docker."""
        return [self.dockerfile, self.target, dict(self.args), self.platform]

    @property
    def repository(self) -> str:
        """The first part of the image's name: it says which folder it is from."""
        words = re.sub(r"[^a-z0-9]+", "-", self.path.expanduser().absolute().name.lower())
        return f"{REPOSITORY}/{words.strip('-') or 'image'}"


@dataclass(eq=False)
class Built:
    """An image that was built or found; without an entry in the ledger, it is kept."""

    engine: Engine
    info: ImageInfo
    entry: Entry | None = None
    is_removed: bool = False
