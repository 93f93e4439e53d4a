"""An engine to run tests on: the one that answers, else one of our own while somebody uses it.

Owns the life of that engine. The rule it keeps: several commands share it, the last one to end
stops it, and a command that was killed changes nothing for the next. Locks end with their
processes; a process is signalled only when its command line names our own pid file.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import IO, Any

import docker

from tcunit._docker import candidates, find_engine
from tcunit.errors import EngineNotFound
from tcunit.settings import Settings
from tests.stand_ins import addresses
from tests.stand_ins.system import (
    PATH,
    Failure,
    can_install,
    install_missing,
    locked,
    run_folder,
    say,
    tail,
)

SOCKET = "/var/run/docker.sock"
# Apart from a regular installation's, so that nobody's own containers start with it. Images stay
# there for the next time.
DATA = "/var/lib/tcunit-tests/docker"
START_TIME = 60
STOP_TIME = 60


def connect() -> docker.DockerClient | None:
    """A client of the engine that answers, or None where one of our own would be found instead."""
    try:
        return find_engine().client
    except EngineNotFound as error:
        if f"unix://{SOCKET}" in [candidate.url for candidate in candidates(Settings())]:
            return None
        raise Failure(str(error)) from error


@contextlib.contextmanager
def engine_in_use() -> Iterator[tuple[docker.DockerClient, int]]:
    """A client of an engine, and a descriptor: while anybody has it open, the engine is in use."""
    with (run_folder() / "users.lock").open("a") as users:
        try:
            with locked("engine"):
                fcntl.flock(users, fcntl.LOCK_SH)
                client = connect() or _start()
            yield client, users.fileno()
        finally:
            # A second signal must not leave the clean-up half done.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            with locked("engine"):
                if _is_last(users):
                    _stop()
                fcntl.flock(users, fcntl.LOCK_UN)


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start() -> docker.DockerClient:
    if not can_install():
        raise Failure(
            "no Docker engine answers. Start Docker, or set DOCKER_HOST to an engine's address "
            "(as root on Debian or Ubuntu, one is installed and started for you)"
        )
    install_missing(dockerd="docker.io", iptables="iptables", ip="iproute2")
    _stop()
    taken = addresses.networks_in_use()
    pool = addresses.choose_pool(taken)
    closed = addresses.to_close_off(pool, taken)
    # Written before anything is done, so that whoever comes next can undo it.
    _state_file().write_text(json.dumps({"pool": str(pool), "closed_off": closed}))
    addresses.close_off(closed)
    process = _launch(pool)
    say(
        f"started a Docker engine (process {process.pid}, addresses {pool}); "
        "it stops with the last command that uses it"
    )
    return _wait_until_it_answers(process)


def _launch(pool: IPv4Network) -> subprocess.Popen[bytes]:
    first = next(pool.subnets(new_prefix=24))
    configuration = {
        "hosts": [f"unix://{SOCKET}"],
        "data-root": DATA,
        "exec-root": str(_exec_root()),
        "bip": f"{first[1]}/24",
        "default-address-pools": [{"base": str(pool), "size": 24}],
        # A name that no container has must not be asked for beyond the machine: nothing answers
        # here, which is a quick no.
        "dns": ["127.0.0.1"],
        "dns-opts": ["ndots:1"],
    }
    configuration_file = run_folder() / "daemon.json"
    configuration_file.write_text(json.dumps(configuration))
    with _log_file().open("wb") as log:
        return subprocess.Popen(
            ["dockerd", "--config-file", str(configuration_file), "--pidfile", str(_pid_file())],
            env=os.environ | {"PATH": PATH},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait_until_it_answers(process: subprocess.Popen[bytes]) -> docker.DockerClient:
    deadline = time.monotonic() + START_TIME
    while time.monotonic() < deadline and process.poll() is None:
        client = connect() if _answers() else None
        if client is not None:
            return client
        time.sleep(0.05)
    raise Failure(
        f"the Docker engine did not start; the end of its log {_log_file()}:\n"
        f"{tail(_log_file().read_text())}"
    )


def _answers() -> bool:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    with (
        contextlib.closing(connection.sock),
        contextlib.suppress(OSError, http.client.HTTPException),
    ):
        connection.sock.settimeout(5)
        connection.sock.connect(SOCKET)
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def _stop() -> None:
    """Stop the engine that one of us started, if there is one, and undo what was done for it."""
    state = _read_state()
    if state is None:
        return
    pid = _our_pid()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        _wait_until_gone(pid)
        say("stopped the Docker engine")
    addresses.open_again(state["closed_off"])
    addresses.remove_bridges(state["pool"])
    _pid_file().unlink(missing_ok=True)
    # Where the engine was killed, the next one takes a number in there for its helper's, and waits.
    (_exec_root() / "containerd" / "containerd.pid").unlink(missing_ok=True)
    _state_file().unlink(missing_ok=True)


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + STOP_TIME
    while _is_ours(pid):
        if time.monotonic() > deadline:
            raise Failure(f"the Docker engine (process {pid}) does not stop; see {_log_file()}")
        time.sleep(0.05)


def _our_pid() -> int | None:
    """The process of our engine, if it still runs: its number may have gone to another program."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(_pid_file().read_text())
        return pid if _is_ours(pid) else None
    return None


def _is_ours(pid: int) -> bool:
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b"dockerd" in command[0] and os.fsencode(_pid_file()) in command
    return False


def _read_state() -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError):
        state: dict[str, Any] = json.loads(_state_file().read_text())
        return state
    return None


def _state_file() -> Path:
    return run_folder() / "engine.json"


def _pid_file() -> Path:
    return run_folder() / "dockerd.pid"


def _exec_root() -> Path:
    return run_folder() / "exec"


def _log_file() -> Path:
    return run_folder() / "dockerd.log"
