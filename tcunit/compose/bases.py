"""What the builds of a stack start from, under the names that images have here.

Compose reads the user's Dockerfiles itself. Where one starts from an image that is called otherwise
here, by the prefix or the substitution, Compose is given a changed copy of it instead.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .._docker.context import IGNORE_FILE
from ..dockerfile import renamed
from .model import Model, plain

Json = dict[str, Any]


@contextlib.contextmanager
def changed_builds(
    model: Model, resolve: Callable[[str], str], environ: Mapping[str, str]
) -> Iterator[dict[str, Json]]:
    """What ``build`` is to say otherwise, by service; the copies go with the context.

    A Dockerfile that cannot be read is left to Compose, which says what is wrong with it.

    Args:
        resolve: what an image is called here.
        environ: has the values of build arguments that a Compose file only names.
    """
    changed: dict[str, Json] = {}
    with contextlib.ExitStack() as copies:
        for name, service in model.services.items():
            build: Json = service.get("build") or {}
            source = _dockerfile(build)
            text = _text(build, source)
            new = renamed(text, _arguments(build, environ), _but_contexts(build, resolve))
            if new == text:
                continue
            if source is None:
                changed[name] = {"dockerfile_inline": new}
            else:
                folder = copies.enter_context(tempfile.TemporaryDirectory(prefix="tcunit-"))
                changed[name] = {"dockerfile": str(_copy(source, new, Path(folder)))}
        yield changed


def _dockerfile(build: Json) -> Path | None:
    """Where it is; ``None`` if the Compose file holds it, or none is built."""
    if not build or "dockerfile_inline" in build:
        return None
    return Path(plain(build.get("context") or "."), plain(build.get("dockerfile") or "Dockerfile"))


def _text(build: Json, source: Path | None) -> str:
    if source is None:
        return plain(build.get("dockerfile_inline") or "")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return source.read_text("utf-8")
    return ""  # a repository, or a mistake


def _arguments(build: Json, environ: Mapping[str, str]) -> dict[str, str]:
    given: Mapping[str, Any] = build.get("args") or {}
    values = {
        name: environ.get(name) if value is None else plain(value) for name, value in given.items()
    }
    return {name: value for name, value in values.items() if value is not None}


def _but_contexts(build: Json, resolve: Callable[[str], str]) -> Callable[[str], str]:
    """The same for names that the Compose file does not give to something else."""
    others = build.get("additional_contexts") or {}
    return lambda name: name if name in others else resolve(name)


def _copy(source: Path, text: str, folder: Path) -> Path:
    copy = folder / source.name
    copy.write_text(text, "utf-8")
    ignore = source.with_name(source.name + IGNORE_FILE)
    if ignore.is_file():
        shutil.copy(ignore, folder)
    return copy
