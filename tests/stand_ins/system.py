"""The machine underneath: runs its tools, installs its packages, holds locks between processes.

Owns every call of a program of the machine. The rule it keeps: what goes wrong becomes one
`Failure` that says what to do.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Where administrators' tools live; not everybody's PATH has it.
PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)


class Failure(Exception):
    """A step that did not work out; its text is all that the user is told."""


def say(text: str) -> None:
    """Tell the user what is done, on standard error: standard output belongs to the command."""
    print(f"with_engine: {text}", file=sys.stderr, flush=True)


def run(*command: str) -> str:
    """Run a program and return its output.

    Raises:
        Failure: it did not end well; says how what it printed ends.
    """
    environment = os.environ | {
        "PATH": PATH,
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C.UTF-8",
    }
    program = shutil.which(command[0], path=PATH)
    if program is None:
        raise Failure(f"{command[0]} is not installed; install it and try again")
    done = subprocess.run(
        [program, *command[1:]],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise Failure(f"`{' '.join(command[:3])} …` failed:\n{tail(done.stderr or done.stdout)}")
    return done.stdout


def tail(text: str, lines: int = 15) -> str:
    """The last lines of a text, indented."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-lines:])


def can_install() -> bool:
    """Whether packages can be installed here: as root on Debian, Ubuntu or a relative of theirs."""
    release = os_release()
    return os.geteuid() == 0 and bool(
        {"debian", "ubuntu"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    )


@functools.cache
def os_release() -> dict[str, str]:
    """What the machine says about its distribution; empty where there is no such file."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def install_missing(**program_and_package: str) -> None:
    """Install the packages (values) whose programs (names) are not there."""
    missing = [
        package
        for program, package in program_and_package.items()
        if not shutil.which(program, path=PATH)
    ]
    if not missing:
        return
    say(f"installing {', '.join(missing)}")
    run("apt-get", "update", "-q")
    with services_kept_still():
        # Another package manager may be at work; it is waited for.
        run(
            "apt-get",
            "-o",
            "DPkg::Lock::Timeout=300",
            "install",
            "-q",
            "-y",
            "--no-install-recommends",
            *missing,
        )


@contextlib.contextmanager
def services_kept_still() -> Iterator[None]:
    """Keep packages from starting services, unless the machine has a policy of its own."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def run_folder() -> Path:
    """The folder for locks and state: the machine's for root, otherwise the user's own."""
    system = Path("/run")
    if os.geteuid() == 0 and system.is_dir():
        folder = system / "tcunit-tests"
    else:
        folder = Path(tempfile.gettempdir()) / f"tcunit-tests-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.geteuid():
        raise Failure(f"{folder} belongs to somebody else; remove it and try again")
    return folder


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock of which there is one; it ends with its process, however that ends."""
    with (run_folder() / f"{name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
