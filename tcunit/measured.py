"""Which code of a container counts for coverage, and where it is on this host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from types import MappingProxyType
from typing import Any

from .errors import DeclarationError


@dataclass(frozen=True)
class Measured:
    """What ``with_coverage`` was given.

    Args:
        source: names of packages, or folders of the container.
        paths: the folder here for folders of the container.
    """

    source: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, source: Any, paths: Any) -> Measured:
        """What users give, checked; ``source`` may be a single name.

        Raises:
            DeclarationError: one of them cannot be meant so.
        """
        names = (source,) if isinstance(source, str) else tuple(source)
        for name in names:
            if not isinstance(name, str) or not name.strip():
                raise DeclarationError(
                    f"coverage: {name!r} is no source: give names of packages, as in 'shop', or "
                    f"folders of the container, as in '/app'"
                )
        if not isinstance(paths, Mapping):
            raise DeclarationError(
                f"coverage: the paths {paths!r} are no mapping: give {{'/app': 'src'}}, the folder "
                f"of the container and the folder here"
            )
        for inside, here in paths.items():
            if not isinstance(inside, str) or not inside.startswith("/"):
                raise DeclarationError(
                    f"coverage: the path {inside!r} does not begin with '/': give {{'/app': 'src'}}"
                    f", the folder of the container first and the folder here second"
                )
            if not isinstance(here, str | PathLike) or not str(here):
                raise DeclarationError(
                    f"coverage: {here!r} is no folder of this host, which {inside!r} would be"
                )
        return cls(names, MappingProxyType({key: str(here) for key, here in paths.items()}))

    def problem(self, known: Mapping[str, str]) -> str:
        """Why nothing can be measured by it; empty if something can.

        Args:
            known: the folders here that are mounted or copied in, by their place in the container.
        """
        if self.source or self.paths or known:
            return ""
        return (
            "with_coverage() does not know which code is meant: give source='package' or "
            "paths={'/folder/in/it': 'folder/here'}, or mount the folder"
        )
