"""What is asked for of a stack: the frozen request, and the options that tell it to Compose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from ..errors import DeclarationError
from ..images import check_pull_policy
from ..lifecycle.declared import Declared
from ..measured import Measured
from ..settings import PULL_POLICY, START_TIMEOUT, Settings
from ..wait import WaitStrategy

REMOVALS = ("built", "all", "none")

File = str | PathLike[str]
Value = str | Declared | Callable[[], object]


def paths(given: File | Iterable[File] | None) -> tuple[Path, ...]:
    """One path or several, as several."""
    if given is None:
        return ()
    several = [given] if isinstance(given, str | PathLike) else [*given]
    if wrong := [each for each in several if not isinstance(each, str | PathLike)]:
        raise DeclarationError(f"{wrong[0]!r} is no path: give several files one by one")
    return tuple(Path(each).expanduser() for each in several)


@dataclass(frozen=True)
class Asked:
    """Everything that was declared about one stack."""

    files: tuple[Path, ...]
    folder: Path | None = None
    env_files: tuple[Path, ...] = ()
    profiles: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    env: Mapping[str, Value] = field(default_factory=dict)
    scale: Mapping[str, int] = field(default_factory=dict)
    build: bool = False
    pull: str | None = None
    wait: bool = False
    remove_images: str = "built"
    dependencies: tuple[Declared, ...] = ()
    waits: Mapping[str, WaitStrategy] = field(default_factory=dict)
    otherwise: WaitStrategy | None = None  # for services of which nothing was said
    measured: Mapping[str, Measured] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what cannot be meant."""
        if not self.files:
            raise DeclarationError("no Compose file: give one, as in ComposeStack('compose.yml')")
        check_pull_policy(self.pull or "")
        if self.remove_images not in REMOVALS:
            raise DeclarationError(
                f"remove_images={self.remove_images!r}: allowed are {', '.join(REMOVALS)}"
            )

    def usual_env_files(self) -> tuple[Path, ...]:
        """Where Compose looks for variables when no file of them is named."""
        return tuple(each / ".env" for each in (self.folder or self.files[0].parent, Path()))

    def options(self) -> list[str]:
        """The options of Compose's command."""
        folder = ["--project-directory", str(self.folder.absolute())] if self.folder else []
        env_files = [word for each in self.env_files for word in ("--env-file", str(each))]
        profiles = [word for each in self.profiles for word in ("--profile", each)]
        return [*folder, *env_files, *profiles]

    def options_of_up(self, settings: Settings, pulled: bool) -> list[str]:
        """The options of an ``up`` that makes all.

        Args:
            pulled: all images that it could pull were pulled before.
        """
        return [*self._about_images(settings, pulled), *self._waiting(settings), *self._scale()]

    def options_of_create(self, settings: Settings, pulled: bool) -> list[str]:
        """Those of one that starts nothing yet."""
        return ["--no-start", *self._about_images(settings, pulled), *self._scale()]

    def options_of_start(self, settings: Settings) -> list[str]:
        """Those of one that starts what is there, as it is."""
        as_it_is = ["--no-recreate", "--no-build", "--pull", "never"]
        return [*as_it_is, *self._waiting(settings), *self._scale()]

    def policy(self, settings: Settings) -> str:
        """The pull policy for all services; empty where each service's own holds."""
        policy = settings.find(PULL_POLICY)
        return self.pull or ("" if policy.is_default else policy.value)

    def _about_images(self, settings: Settings, pulled: bool) -> list[str]:
        pull = self.policy(settings)
        if pull == "always" and pulled:
            pull = "missing"  # Compose need not know the credentials
        return [
            "--quiet-pull",
            *(["--build"] if self.build else []),
            *(["--pull", pull] if pull else []),
        ]

    def _waiting(self, settings: Settings) -> list[str]:
        limit = math.ceil(settings.get(START_TIMEOUT))
        return ["--wait", "--wait-timeout", str(limit)] if self.wait else []

    def _scale(self) -> list[str]:
        return [f"--scale={service}={number}" for service, number in self.scale.items()]
