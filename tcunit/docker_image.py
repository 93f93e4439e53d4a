"""The image that users declare, built from a Dockerfile when something needs it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from ._docker import ImageInfo
from .errors import DeclarationError
from .images import check_pull_policy
from .lifecycle.alone import launch_alone
from .lifecycle.declared import Declared, Launch
from .lifecycle.ledger import Entry
from .recipe import Built, Recipe
from .running import not_started

if TYPE_CHECKING:
    from docker.models.images import Image as SdkImage

_TAG = r"[a-z0-9](?:[\w.:/-]*\w)?"


class DockerImage(Declared):
    """An image built from a Dockerfile, for ``DockerContainer(DockerImage("./app"))``.

    Containers may share it. It is built once for the same content, and removed when the process
    ends unless it is kept.

    Args:
        path: the folder that the build sees, relative to the working directory; what its
            ``.dockerignore`` names is left out.
        dockerfile: the Dockerfile, relative to ``path``; it may lie outside.
        target: the stage to build.
        build_args: values for the Dockerfile's ``ARG``.
        secrets: by id, for the Dockerfile's ``RUN --mount=type=secret,id=…``: a text is the secret,
            a path its file. They need BuildKit, are in no image, log or error, and another one
            makes no other image.
        tag: a further name for it, while it is there.
        platform: as in ``"linux/arm64"``.
        keep: leave it on the engine, where the next run finds it and builds nothing.
        no_cache: build all of it anew, in each process.
        pull_policy: for the images that it starts from: ``always``, ``missing`` or ``never``.
        dockerfile_path, clean_up: ``dockerfile`` and ``not keep``, as testcontainers-python says.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = ".",
        *,
        dockerfile: str | os.PathLike[str] | None = None,
        target: str | None = None,
        build_args: Mapping[str, str | int] | None = None,
        secrets: Mapping[str, str | os.PathLike[str]] | None = None,
        tag: str | None = None,
        platform: str | None = None,
        keep: bool = False,
        no_cache: bool = False,
        pull_policy: str = "",
        dockerfile_path: str | os.PathLike[str] | None = None,
        clean_up: bool = True,
    ) -> None:
        if tag is not None and not re.fullmatch(_TAG, tag):
            raise DeclarationError(
                f"{tag!r} is no name for an image: write it as in 'shop/app:test'"
            )
        check_pull_policy(pull_policy)
        args = {name: _argument(name, value) for name, value in (build_args or {}).items()}
        self._recipe = Recipe(
            Path(path), os.fspath(dockerfile or dockerfile_path or "Dockerfile"), target,
            MappingProxyType(args), tag, platform, keep or not clean_up, no_cache, pull_policy,
            MappingProxyType({name: _secret(name, each) for name, each in (secrets or {}).items()}),
        )  # fmt: skip
        self._reset()

    def __repr__(self) -> str:
        return f"<DockerImage {self._attribute or self._recipe.path}>"

    def __str__(self) -> str:
        if self._built is not None:
            return self._built.info.name
        return self._recipe.tag or self.label

    def _reset(self) -> None:
        self._built: Built | None = None

    @property
    def label(self) -> str:
        """How messages call it."""
        return self._attribute or str(self._recipe.path)

    @property
    def info(self) -> ImageInfo:
        """What it declares, and its name; raises NotStarted before it is built."""
        return self._there.info

    @property
    def name(self) -> str:
        """Its name on the engine."""
        return self.info.name

    @property
    def id(self) -> str:
        """Its id on the engine."""
        return self.info.id

    @property
    def short_id(self) -> str:
        """The beginning of its id."""
        return self.id.removeprefix("sha256:")[:12]

    @property
    def _there(self) -> Built:
        if self._built is None:
            raise not_started(f"the image {self.label}")
        return self._built

    def get_wrapped_image(self) -> SdkImage:
        """The SDK's own object for it."""
        return self._there.engine.images.sdk(self.id)

    # -- alone ------------------------------------------------------------------------------------

    def build(self) -> Self:
        """Build it now; :meth:`remove` or the end of the process removes it.

        Raises:
            BuildFailed: says what the builder said.
        """
        self.prepare()
        self.launch(launch_alone())
        return self

    def remove(self) -> None:
        """Remove it, also one that is kept; no error if it is not there."""
        built, self._built = self._built, None
        if built is not None:
            from .building import builds

            builds.remove(built)

    def __enter__(self) -> Self:
        return self.build()

    def __exit__(self, *_: object) -> None:
        if not self._recipe.keep:
            self.remove()

    # -- in a set ---------------------------------------------------------------------------------

    @property
    def is_started(self) -> bool:
        """Whether it is built and still there."""
        return self._built is not None and not self._built.is_removed

    def prepare(self) -> None:
        """Refuse a context or a secret that is not there."""
        self._recipe.places()
        self._recipe.check_secrets()

    def prepare_undeclared(self) -> None:
        """The same for one that no class declares, which nobody else would prepare."""
        if not self._attribute:
            self.prepare()

    def needs(self) -> tuple[()]:
        """Nothing."""
        return ()

    def launch(self, launch: Launch) -> None:
        """Build it, unless that is done already."""
        if not self.is_started:
            from .building import builds

            launch.admit(self.label)
            self._built = builds.get(self._recipe, self.label, launch)

    def release(self) -> None:
        """Nothing: others may use it, and it stays until the process ends."""

    def kept(self) -> list[Entry]:
        """What stays on the engine when it is kept."""
        entry = self._built.entry if self._built is not None else None
        return [entry] if entry is not None and entry.id else []


def _argument(name: str, value: object) -> str:
    if value is None:
        raise DeclarationError(f"build_args: {name} has no value: give one, or leave it away")
    return str(value)


def _secret(name: str, given: object) -> str | Path:
    if not isinstance(given, str | os.PathLike):
        raise DeclarationError(
            f"secrets: {name!r} is a {type(given).__name__}: give the secret as a text, or a Path"
        )
    return given if isinstance(given, str) else Path(given).expanduser()
