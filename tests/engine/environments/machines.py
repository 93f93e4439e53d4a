"""Ways to the engine of this machine: by TCP and by SSH, and from a root without a file."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.stand_ins.system import can_install, install_missing, run

PATIENCE = 20.0


@contextlib.contextmanager
def by_tcp(engine: str) -> Iterator[str]:
    """A URL by which the engine's socket is reached over TCP, on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = [listener]
    threads: list[threading.Thread] = []

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(engine)
                connections.extend([near, far])
                for pair in ((near, far), (far, near)):
                    threads.append(threading.Thread(target=_pump, args=pair))
                    threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        for each in connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for each in connections:
            each.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


# -- ssh ------------------------------------------------------------------------------------------

_SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile {folder}/sshd.pid
PasswordAuthentication no
UsePAM no
StrictModes no
MaxStartups 100
MaxSessions 100
"""
_CLIENT = """\
Host 127.0.0.1
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  StrictHostKeyChecking accept-new
  LogLevel ERROR
"""


def can_ssh() -> bool:
    """Whether a server of our own can be started: as root, who may install it."""
    return os.geteuid() == 0 and can_install()


@contextlib.contextmanager
def by_ssh() -> Iterator[tuple[str, str]]:
    """A URL of this machine by SSH, and a folder for ``PATH`` whose ``ssh`` has the key for it."""
    install_missing(sshd="openssh-server", ssh="openssh-client", docker="docker.io")
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), _free_port()
        for key in ("key", "host_key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
        _write(folder / "sshd_config", _SERVER.format(port=port, folder=folder))
        _write(folder / "config", _CLIENT.format(folder=folder))
        _write(folder / "bin/ssh", f'#!/bin/sh\nexec /usr/bin/ssh -F {folder}/config "$@"\n')
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        log = folder / "sshd.log"
        server = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", str(folder / "sshd_config"), "-E", str(log)],
            stdin=subprocess.DEVNULL,
        )
        try:
            _await(port, server, log)
            yield f"ssh://root@127.0.0.1:{port}", str(folder / "bin")
        finally:
            server.terminate()
            server.wait(PATIENCE)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o700)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _await(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as it:
            if it.recv(3) == b"SSH":
                return
        time.sleep(0.01)
    raise AssertionError(f"sshd does not answer:\n{log.read_text() if log.exists() else ''}")


# -- a root of our own ----------------------------------------------------------------------------

_OTHER_ROOT = """
root=$1 do=$2; shift 2
mount -t tmpfs tmpfs "$root"
for each in /*; do
    if [ -L "$each" ]; then
        cp -d "$each" "$root/"
    elif [ -d "$each" ]; then
        mkdir "$root$each"
        mount --rbind "$each" "$root$each"
    fi
done
$do "$root/.dockerenv"
exec chroot "$root" "$@"
"""


@contextlib.contextmanager
def another_root(do: str) -> Iterator[list[str]]:
    """A command that runs another in a view of this machine with or without ``/.dockerenv``.

    Args:
        do: ``touch``, or ``rm -f``. Nothing is changed on the machine itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        unshared = ["unshare", "--mount", "--propagation", "private"]
        yield [*unshared, "sh", "-euc", _OTHER_ROOT, "sh", folder, do]
