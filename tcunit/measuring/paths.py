"""Which file of the host a file of a container is.

What was said of the container counts first, the longest folder before the shorter ones; then the
section ``[paths]`` of coverage's configuration; then the packages that are measured, where the host
can import them. A file that the host does not have is none of ours, and is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath


@dataclass(frozen=True)
class PathMap:
    """The rules for one container.

    Args:
        folders: the host's folder for folders of the container.
        packages: the host's folder or file for names of packages and modules.
        by_config: what the host's configuration makes of a path; the same if that is nothing.
    """

    folders: Mapping[str, str]
    packages: Mapping[str, str]
    by_config: Callable[[str], str] = str
    exists: Callable[[str], bool] = os.path.isfile

    def host_file(self, path: str) -> str | None:
        """The file of the host, or ``None``."""
        return next((each for each in self._candidates(path) if self.exists(each)), None)

    def _candidates(self, path: str) -> Iterable[str]:
        parts = PurePosixPath(path).parts
        for folder in sorted(self.folders, key=lambda each: -len(PurePosixPath(each).parts)):
            root = PurePosixPath(folder).parts
            below = parts[len(root) :]
            if parts[: len(root)] == root and not _is_installed(below):
                yield os.path.join(self.folders[folder], *below)
        if (found := self.by_config(path)) != path:
            yield found
        for name, place in self.packages.items():
            for number, part in enumerate(parts):
                if part == name or (part == f"{name}.py" and number == len(parts) - 1):
                    yield os.path.join(place, *parts[number + 1 :])


def _is_installed(below: Sequence[str]) -> bool:
    """Whether a file belongs to a Python, or was installed into it: coverage leaves these out, too.

    Where such a folder itself is the one that was named, that is what is wanted.
    """
    of_python = any(one == "lib" and two.startswith("python") for one, two in pairwise(below))
    return of_python or "site-packages" in below or "dist-packages" in below


def packages_here(names: Iterable[str]) -> dict[str, str]:
    """Where the host has packages and modules, by their first names; those that it can import."""
    found = {}
    for name in dict.fromkeys(each.partition(".")[0] for each in names):
        if name.isidentifier() and (place := _place_of(name)):
            found[name] = place
    return found


def _place_of(name: str) -> str | None:
    from importlib.util import find_spec

    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    return folders[0] if folders else spec.origin
