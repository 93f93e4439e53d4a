"""Engines in namespaces of their own, so that nothing of them stays on the machine.

An engine's processes end with the first of them, and its mounts, bridges and rules go with the
namespaces. There is no route out of them. The files are the machine's own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tcunit._docker import Engine, find_engine
from tcunit.errors import EngineNotFound
from tcunit.settings import Settings
from tests.engine.helpers import ROOT
from tests.stand_ins.system import PATH, can_install

PATIENCE = 20.0
APART = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]


def can_be_apart() -> bool:
    """Whether an engine of our own can be started: as root, who may install it."""
    return os.geteuid() == 0 and can_install()


@contextlib.contextmanager
def engine_apart(
    script: str, folder: Path, end: signal.Signals = signal.SIGKILL, **environ: str
) -> Iterator[tuple[Engine, list[str]]]:
    """An engine, and a command that runs another one where the engine runs.

    Args:
        script: becomes the engine, which listens at the socket ``s`` in the folder, its ``$1``.
        end: the signal that ends the engine.
    """
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["unshare", *APART, "sh", "-euc", script, "sh", str(folder)],
            env={**os.environ, "PATH": PATH, **environ},
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=folder,
        )  # fmt: skip
    try:
        engine = _await(f"unix://{folder}/s", process, log)
        within = ["nsenter", "-t", str(_inner(process.pid)), "-m", "-n", "-p"]
        with contextlib.closing(engine.client):
            yield engine, [*within, "sh", "-euc", 'cd "$0"; exec "$@"', str(ROOT)]
    finally:
        _end(process, end)


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """End the first process in the namespaces, and with it all others."""
    try:
        os.kill(_inner(process.pid), number)
        process.wait(PATIENCE)
    except (OSError, IndexError, subprocess.TimeoutExpired):  # it never came so far
        process.kill()
        process.wait(PATIENCE)


def _inner(parent: int) -> int:
    """The child of ``unshare``, which is in the namespaces."""
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> Engine:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(EngineNotFound):
            return find_engine(Settings({"DOCKER_HOST": url}, Path("/nonexistent")))
        time.sleep(0.05)
    raise AssertionError(f"the engine does not answer:\n{log.read_text()}")
