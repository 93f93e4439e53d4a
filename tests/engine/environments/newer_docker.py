"""Docker of a later Debian: its command line, its plugins, and an engine in namespaces of its own.

The engine is another one than the machine's, whatever that is. It uses the machine's ``runc``: a
later Debian's asks for a later C library than the engine does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tcunit._docker import Engine
from tests.engine.environments.apart import engine_apart
from tests.stand_ins.debian import unpack
from tests.stand_ins.system import PATH, install_missing

RELEASE = "trixie"
VERSION, API = 26, "1.45"  # there
PACKAGES = ("docker.io", "containerd", "docker-cli", "docker-buildx", "docker-compose", "tini")
_START = """
mount -t tmpfs tmpfs /run
ip link set lo up
# Else a new bridge's own address is one of a later second.
own=/proc/sys/net/ipv6/conf/default/accept_dad; [ ! -e $own ] || echo 0 >$own
exec dockerd --config-file "$1/daemon.json"
"""


@contextlib.contextmanager
def newer_docker() -> Iterator[Path]:
    """The programs, unpacked."""
    with tempfile.TemporaryDirectory(prefix="tcunit-docker-") as name:
        root = Path(name)
        unpack(PACKAGES, RELEASE, root)
        yield root


def command_line(root: Path) -> dict[str, str]:
    """What ``run_tests`` takes for its command line, with its plugins, to be the one used."""
    plugins, configuration = root / "usr/libexec/docker/cli-plugins", root / "configuration"
    if not configuration.exists():
        configuration.mkdir()
        (configuration / "cli-plugins").symlink_to(plugins)
    return {
        "path": str(root / "usr/bin"),
        "DOCKER_CONFIG": str(configuration),
    }


@contextlib.contextmanager
def newer_engine(root: Path, **configuration: Any) -> Iterator[tuple[Engine, list[str]]]:
    """Its engine, and a command that runs another one where the engine runs.

    Args:
        configuration: further members of ``daemon.json``.
    """
    install_missing(runc="runc", iptables="iptables", ip="iproute2", unshare="util-linux")
    with tempfile.TemporaryDirectory(prefix="tcunit-docker-") as name:
        folder = Path(name)
        settings = {
            # The usual place, too, which is hidden from everybody else.
            "hosts": [f"unix://{folder}/s", "unix:///run/docker.sock"],
            "data-root": f"{folder}/data", "exec-root": "/run/docker",
            "pidfile": "/run/docker.pid", "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "default-address-pools": [{"base": "10.213.0.0/16", "size": 24}],
            "dns": ["127.0.0.1"], "dns-opts": ["ndots:1"],
        }  # fmt: skip
        (folder / "daemon.json").write_text(json.dumps({**settings, **configuration}))
        path = os.pathsep.join([f"{root}/usr/sbin", f"{root}/usr/bin", PATH])
        with engine_apart(_START, folder, signal.SIGTERM, PATH=path) as found:
            yield found
