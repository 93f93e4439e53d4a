"""Running the probe: on this machine, and in a container that has the engine's socket."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import docker

from tcunit import DockerContainer
from tcunit._docker import find_engine
from tcunit.errors import EngineNotFound
from tests.engine.environments.report import Report
from tests.engine.helpers import ROOT

PROBE = "tests.engine.environments.probe"
SEVERAL = "tests.engine.environments.several"
PREFIX = "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX"
PATIENCE = 90.0
SITE = Path(docker.__file__).parents[1]
READ_BY_US = ("DOCKER_", "TC_", "TCUNIT_", "TESTCONTAINERS_", "RYUK_")


def local_socket() -> str:
    """The path of the engine's socket on this machine; empty where it is not here."""
    try:
        url = find_engine().url
    except EngineNotFound:
        return ""
    return url.removeprefix("unix://") if url.startswith("unix://") else ""


needs_local_engine = unittest.skipUnless(
    sys.platform == "linux" and local_socket(), "the engine is not on this machine"
)


def base_environment() -> dict[str, str]:
    """What every probe is told: where images are, and one reaper."""
    return {
        PREFIX: os.environ.get(PREFIX, ""),
        "TCUNIT_REAPERS": "guard",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run_here(
    module: str,
    *arguments: str,
    before: Sequence[str] = (),
    path: str = "",
    warnings: str = "error",
    **environ: str,
) -> str:
    """Run a module on this machine, with nobody's settings but these; returns what it printed.

    Args:
        before: a command that runs another one.
        path: a folder that comes first on ``PATH``.
        warnings: what Python does about them.
    """
    words = [*before, sys.executable, "-W", warnings, "-m", module, *arguments]
    done = _done(words, path, PATIENCE, **base_environment(), **environ)
    if done.returncode or done.stderr:
        raise AssertionError(f"{module} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def run_tests(
    *names: str, before: Sequence[str] = (), path: str = "", limit: float = 600, **environ: str
) -> int:
    """Run tests of ours on another engine; returns how many there were, and fails as they do.

    Args:
        names: modules, classes or methods.
        before, path: as of :func:`run_here`.
        limit: in seconds.
    """
    words = [*before, sys.executable, "-W", "error", "-m", "unittest", *names]
    done = _done(words, path, limit, **{PREFIX: os.environ.get(PREFIX, ""), **environ})
    if done.returncode:
        raise AssertionError(f"{' '.join(names)}:\n{done.stderr}{done.stdout}")
    found = re.search(r"^Ran (\d+) tests? in", done.stderr, re.MULTILINE)
    return int(found[1]) if found else 0


def _done(
    words: Sequence[str], path: str, limit: float, **environ: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(READ_BY_US)}
    kept |= {"PATH": os.pathsep.join(filter(None, [path, os.environ.get("PATH", os.defpath)]))}
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            words, env={**kept, "HOME": home, "PYTHONPATH": str(ROOT), **environ},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT, timeout=limit,
        )  # fmt: skip


def probe_here(*arguments: str, **options: Any) -> Report:
    """Run the probe on this machine."""
    return Report(run_here(PROBE, *arguments, **options))


def python_container(**options: Any) -> DockerContainer:
    """A container in which the probe can run: with the checkout and the packages it needs."""
    container = DockerContainer("python:3.11-slim").with_command("sleep infinity")
    container.with_volume_mapping(str(ROOT), "/src").with_volume_mapping(str(SITE), "/site")
    container.with_envs(PYTHONPATH="/src:/site", **base_environment())
    return container.with_kwargs(**options) if options else container


def with_socket(**options: Any) -> DockerContainer:
    """The same, with the socket of the engine that runs it."""
    container = python_container(**options)
    return container.with_volume_mapping(local_socket(), "/var/run/docker.sock", "rw")


def run_in(container: DockerContainer, module: str, *arguments: str, **environ: str) -> str:
    """Run a module in a container; returns what it printed."""
    done = container.running.exec(
        command(module, *arguments), timeout=PATIENCE, environment=environ
    )
    if done.exit_code or done.stderr:
        raise AssertionError(f"{module} ended with {done.exit_code}:\n{done.output.decode()}")
    return done.stdout.decode()


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a container."""
    return ["python3", "-W", "error", "-m", module, *arguments]


def probe_in(container: DockerContainer, *arguments: str, **environ: str) -> Report:
    """Run the probe in a container."""
    return Report(run_in(container, PROBE, *arguments, **environ))
