"""How coverage is set in a container: as on the host, so that both can be added up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

FOLDER = "/.tcunit-coverage"
DATA = f"{FOLDER}/data"
DATA_FILE = ".coverage"
CONFIG_FILE = f"{FOLDER}/coveragerc"

AS_ON_THE_HOST = ("branch", "context", "core", "cover_pylib", "timid")

# What goes without saying there: the tracer that fits is taken, and it is all imported before.
SILENT = (
    "already-imported",
    "module-not-imported",
    "module-not-measured",
    "module-not-python",
    "no-ctracer",
    "no-data-collected",
    "no-sysmon",
)


def configuration(host: Callable[[str], Any], source: Iterable[str], folders: Iterable[str]) -> str:
    """The configuration file for a container.

    Every process writes a file of its own, also one that was forked, or ends by ``os._exit`` or by
    becoming another program. A fork goes on with what was measured before it; coverage's patch
    for forks would begin anew, and lose the frames that the child is in.

    Args:
        host: looks up an option of the host's own measurement, as in ``"run:branch"``.
        source: what is measured there, packages or folders.
        folders: what is measured where there is no source, folders or files. Of these, what never
            runs is none of the container's business: the host's own configuration says what counts.
    """
    # multiprocessing is covered by the patches, and would be measured twice.
    concurrency = [each for each in host("run:concurrency") or () if each != "multiprocessing"]
    options: dict[str, Any] = {name: host(f"run:{name}") for name in AS_ON_THE_HOST}
    options |= {
        "parallel": True,
        "data_file": f"{DATA}/{DATA_FILE}",
        "patch": ["_exit", "execv"],
        "concurrency": concurrency,
        "source": list(source),
        "include": [
            pattern
            for each in map(_literally, folders)
            for pattern in (each, f"{each.rstrip('/')}/*")
        ],
        "disable_warnings": SILENT,
    }
    options.pop("include" if options["source"] else "source")
    lines = [f"{name} = {_written(value)}" for name, value in options.items() if value]
    return "\n".join(["[run]", *lines, ""])


def _literally(path: str) -> str:
    """A pattern for a path; ``?`` stands for what would mean something else in a list of patterns.

    Coverage knows no way to escape it.
    """
    return path.translate(str.maketrans("*?[],", "?????"))


def _written(value: Any) -> str:
    """A value as coverage reads it, which takes ``$NAME`` for a variable."""
    words = [value] if isinstance(value, str | bool) else value
    return "\n    ".join(str(word).replace("$", "$$") for word in words)


def environment(present: dict[str, str], image: Iterable[str]) -> dict[str, str]:
    """The variables that start the measurement, added to those that are there.

    Args:
        present: those that the container is given.
        image: those of its image, as ``NAME=value``.
    """
    of_image = dict(each.split("=", 1) for each in image if "=" in each)
    known = present.get("PYTHONPATH", of_image.get("PYTHONPATH", ""))
    path = f"{FOLDER}:{known}" if known else FOLDER
    return {**present, "PYTHONPATH": path, "COVERAGE_PROCESS_START": CONFIG_FILE}
