"""The measurement of the test process itself, which that of the containers is added to.

It is there when the process runs under ``coverage run``, or under another tool that starts a
``Coverage`` here. A child that forks off it without being measured itself has none.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .paths import PathMap

if TYPE_CHECKING:
    from coverage import Coverage, CoverageData

_adding = threading.Lock()  # containers are removed side by side
_measured: set[int] = set()
_forking: Coverage | None = None
_of_parent: Coverage | None = None


def current() -> Coverage | None:
    """The measurement that runs in this process, if one does."""
    coverage = sys.modules.get("coverage")
    if coverage is None or not hasattr(coverage, "Coverage"):
        return None
    found: Coverage | None = coverage.Coverage.current()
    return None if found is _of_parent else found


def is_measured_here() -> bool:
    """Whether this process is measured, or was: at its end the measurement ends before ours."""
    if current() is not None:
        _measured.add(os.getpid())
    return os.getpid() in _measured


class Added(NamedTuple):
    """What became of the data files of a container.

    Attributes:
        ran: the files of the container that ran, as it calls them.
        missing: those of them that the host does not have.
        files: how many of them were added; one that ``omit`` names was not.
    """

    ran: set[str]
    missing: set[str]
    files: int


class HostCoverage:
    """What is asked of the host's measurement, and what is added to it, also after its end."""

    def __init__(self, measured: Coverage) -> None:
        self._coverage = measured

    def option(self, name: str) -> Any:
        """The value of an option, as in ``"run:branch"``, wherever it was set."""
        return self._coverage.get_option(name)

    def path_map(self, folders: Mapping[str, str], packages: Mapping[str, str]) -> PathMap:
        """The rules for a container, with those of the configuration."""
        from coverage.files import PathAliases

        aliases = PathAliases()
        for canonical, *patterns in (self.option("paths") or {}).values():
            for pattern in patterns:
                aliases.add(pattern, canonical)
        return PathMap(folders, packages, aliases.map)

    def add(self, files: Iterable[Path], rules: PathMap, name: str) -> Added:
        """Add data files of a container.

        In parallel mode that is a file of its own beside the process's, for ``coverage combine``.

        Args:
            name: what a file of its own is called, unique among all processes.

        Raises:
            CoverageException: they cannot be read, or not be added up.
        """
        import tempfile

        with _adding, tempfile.TemporaryDirectory(prefix="tcunit-") as folder:
            data = self._data()
            is_parallel = data.data_filename().startswith(f"{data.base_filename()}.")
            place = data.base_filename() if is_parallel else os.path.join(folder, "mapped")
            mapped, ran, missing = self._mapped(files, rules, place, name)
            files_added = len(mapped.measured_files())
            if files_added and not is_parallel:
                data.update(mapped, map_path=str)
        return Added(ran, missing, files_added)

    def _data(self) -> CoverageData:
        """The process's data, without complaints about them, since they are not complete yet."""
        from coverage.exceptions import CoverageWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CoverageWarning)
            return self._coverage.get_data()

    def _mapped(
        self, files: Iterable[Path], rules: PathMap, place: str, name: str
    ) -> tuple[CoverageData, set[str], set[str]]:
        from coverage import CoverageData

        mapped, ran, missing = CoverageData(place, suffix=name), set[str](), set[str]()
        wanted = self._wanted()
        for file in files:
            data = CoverageData(str(file))
            data.read()
            some = [path for path in data.measured_files() if data.lines(path)]
            ran.update(some)
            here = {path: rules.host_file(path) for path in some}
            missing |= {path for path, found in here.items() if found is None}
            names = {path: self._name(found) for path, found in here.items() if wanted(found)}
            _copy(data, mapped, names)
        return mapped, ran, missing

    def _name(self, path: str | None) -> str:
        """A file as the host's own data call it."""
        from coverage.files import canonical_filename, relative_filename

        name = canonical_filename(path or "")
        return relative_filename(name) if self.option("run:relative_files") else name

    def _wanted(self) -> Any:
        """Whether a file of the host is to be measured at all, by ``include`` and ``omit``."""
        from coverage.files import GlobMatcher, prep_patterns

        patterns = {each: self.option(f"run:{each}") or () for each in ("include", "omit")}
        if self.option("run:source"):
            patterns["include"] = ()  # as coverage does
        include, omit = (GlobMatcher(prep_patterns(each)) for each in patterns.values())

        def wanted(path: str | None) -> bool:
            if path is None or omit.match(path):
                return False
            return not patterns["include"] or include.match(path)

        return cache(wanted)


def _copy(data: CoverageData, to: CoverageData, names: Mapping[str, str]) -> None:
    """Copy what was measured of some files, under other names, with its contexts."""
    if not names:
        return
    for context in sorted(data.measured_contexts()):
        data.set_query_context(context)
        to.set_context(context)
        if data.has_arcs():
            to.add_arcs({name: data.arcs(path) or () for path, name in names.items()})
        else:
            to.add_lines({name: data.lines(path) or () for path, name in names.items()})


def _before_fork() -> None:
    global _forking
    _forking = current() or _of_parent


def _in_child() -> None:
    global _adding, _of_parent
    _adding, _of_parent = threading.Lock(), _forking


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
