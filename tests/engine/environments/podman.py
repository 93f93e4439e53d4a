"""Podman with Docker's API, in namespaces of its own, so that nothing of it stays on the machine.

Its processes end with the first of them, and its mounts, bridges and rules go with the namespaces.
There is no route out of them.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tcunit._docker import Engine, find_engine
from tcunit.errors import EngineNotFound
from tcunit.settings import Settings
from tests.stand_ins.system import can_install, install_missing

PATIENCE = 20.0
# Its own defaults are above what a process here may have.
_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
_START = """
mount -t tmpfs tmpfs /run
ip link set lo up
exec podman --root "$1/root" --runroot "$1/run" system service -t 0 "unix://$1/s"
"""


def can_podman() -> bool:
    """Whether Podman can be started: as root, who may install it."""
    return os.geteuid() == 0 and can_install()


@contextlib.contextmanager
def podman_machine() -> Iterator[tuple[Engine, list[str]]]:
    """Podman, and a command that runs another one where it runs."""
    install_missing(
        podman="podman", runc="runc", ip="iproute2", unshare="util-linux", **_libexec_programs()
    )
    with tempfile.TemporaryDirectory(prefix="tcunit-podman-") as name:
        folder = Path(name)
        (folder / "networks").mkdir()
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1048576)
        configuration = folder / "containers.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, files=files))
        apart = ["--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["unshare", *apart, "sh", "-euc", _START, "sh", name],
                env={**os.environ, "CONTAINERS_CONF": str(configuration)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            engine = _await(f"unix://{folder}/s", process, folder / "log")
            with contextlib.closing(engine.client):
                yield engine, ["nsenter", "-t", str(_inner(process.pid)), "-m", "-n", "-p"]
        finally:
            _end(process)


def _libexec_programs() -> dict[str, str]:
    """Podman's helpers, which are not on PATH: each package by a name that is there if it is."""
    folder = Path("/usr/lib/podman")
    helpers = {"netavark": "netavark", "aardvark-dns": "aardvark-dns"}
    return {each: package for each, package in helpers.items() if not (folder / each).exists()}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the first process in the namespaces, and with it all others."""
    try:
        os.kill(_inner(process.pid), signal.SIGKILL)
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
    raise AssertionError(f"Podman does not answer:\n{log.read_text()}")
