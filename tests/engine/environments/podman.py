"""Podman with Docker's API, in namespaces of its own."""

from __future__ import annotations

import contextlib
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tcunit._docker import Engine
from tests.engine.environments.apart import engine_apart
from tests.stand_ins.system import install_missing

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
REGISTRY_PORT = 5000  # the machine's own: nobody else is in its network namespace
_REGISTRIES = f"""\
[[registry]]
location = "127.0.0.1:{REGISTRY_PORT}"
insecure = true
"""
_START = """
mount -t tmpfs tmpfs /run
ip link set lo up
ln -s "$1/s" /run/docker.sock
exec podman --root "$1/root" --runroot "$1/run" system service -t 0 "unix://$1/s"
"""


@contextlib.contextmanager
def podman_machine() -> Iterator[tuple[Engine, list[str]]]:
    """Podman, and a command that runs another one where it runs."""
    install_missing(
        podman="podman", runc="runc", ip="iproute2", unshare="util-linux", catatonit="catatonit",
        **_libexec_programs(),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="tcunit-podman-") as name:
        folder = Path(name)
        (folder / "networks").mkdir()
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1048576)
        configuration = folder / "containers.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, files=files))
        registries = folder / "registries.conf"
        registries.write_text(_REGISTRIES)
        environ = {
            "CONTAINERS_CONF": str(configuration), "CONTAINERS_REGISTRIES_CONF": str(registries)
        }  # fmt: skip
        with engine_apart(_START, folder, **environ) as found:
            yield found


def _libexec_programs() -> dict[str, str]:
    """Podman's helpers, which are not on PATH: each package by a name that is there if it is."""
    folder = Path("/usr/lib/podman")
    helpers = {"netavark": "netavark", "aardvark-dns": "aardvark-dns"}
    return {each: package for each, package in helpers.items() if not (folder / each).exists()}
