"""A test process that comes to an end of some kind: ``python -m tests.engine.dying WAY NET``.

It has two containers, one of them with an anonymous volume, and a network. Before it ends, it
prints what it has on the engine, and puts decoys beside it that nobody may remove. ``NET`` names
the one net of clean-up that is left on: ``class``, ``exit``, ``guard``, ``ryuk``, or ``all``.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

from tcunit import ContainerTestCase, DockerContainer, Network
from tcunit._docker import Engine, find_engine
from tcunit._session import NAME_LABEL, OWN_LABEL, SESSION_LABEL, own, session_id
from tcunit.lifecycle.ledger import ledger
from tcunit.lifecycle.startup import StartSet
from tcunit.reapers import status
from tcunit.reapers.sweep import left_by, ryuk_name

WAY, NET = sys.argv[1:] if __name__ == "__main__" else ("", "")
IMAGE = "tcunit.local/alpine:latest"


# -- what it tells ---------------------------------------------------------------------------------


def tell() -> None:
    """Print what this session has, with the volumes that no label marks."""
    engine = find_engine()
    wait_for_ryuk()
    mine = left_by(engine, session_id())
    containers = [each.id for each in mine if each.kind == "container"]
    mounts = [mount for each in containers for mount in engine.inspect(each)["Mounts"]]
    volumes = [mount["Name"] for mount in mounts if mount["Type"] == "volume"]
    told: dict[str, Any] = {
        "session": session_id(),
        "containers": containers,
        "networks": [each.id for each in mine if each.kind == "network"],
        "volumes": volumes,
        "decoys": decoys(engine, next(each.name for each in mine)),
    }
    print(json.dumps(told), flush=True)


def wait_for_ryuk() -> None:
    """Wait until Ryuk is armed, where it is to be."""
    deadline = time.monotonic() + 30
    while (
        status().get("ryuk", "").startswith("not armed: starting") and time.monotonic() < deadline
    ):
        time.sleep(0.01)


def decoys(engine: Engine, name: str) -> list[tuple[str, str]]:
    """Make what looks like ours and is not: kinds and names."""
    mine = session_id()
    near = {
        "session": {SESSION_LABEL: "0" * 32, NAME_LABEL: "?"},
        "longer": {SESSION_LABEL: f"{mine}0", NAME_LABEL: "?"},
        "shorter": {SESSION_LABEL: mine[:-1], NAME_LABEL: "?"},
        "name": {SESSION_LABEL: mine, NAME_LABEL: "another"},
        "nameless": {SESSION_LABEL: mine},
        "key": {f"{SESSION_LABEL}s": mine, NAME_LABEL: "?"},
        "stranger": {NAME_LABEL: name},
        "own": {OWN_LABEL: own(mine, f"{name}0"), NAME_LABEL: "?"},
    }
    made = []
    for what, labels in near.items():
        decoy = f"decoy-{mine[:8]}-{what}"
        marked = {key: decoy if value == "?" else value for key, value in labels.items()}
        engine.client.api.create_volume(decoy, labels=marked)
        made.append(("volume", decoy))
        if what == "name":
            engine.client.api.create_container(IMAGE, name=decoy, labels=marked)
            made.append(("container", decoy))
    return made


# -- how it ends -----------------------------------------------------------------------------------


def interrupt() -> None:
    """Press Ctrl-C, as it reaches the main thread."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2 if threading.current_thread() is threading.main_thread() else 0)


def interrupt_twice() -> None:
    """Press Ctrl-C once more when the clean-up has begun."""
    remove = Engine.remove_container

    def interrupted(self: Engine, container: str, volumes: bool = True) -> None:
        Engine.remove_container = remove  # type: ignore[method-assign]
        interrupt()

    Engine.remove_container = interrupted  # type: ignore[method-assign]
    interrupt()


def terminate() -> None:
    """Be asked to end."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)


def crash() -> None:
    """Crash in C."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def kill() -> None:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """Raise an error."""
    raise RuntimeError("set-up fails")


def lose_engine() -> None:
    """Have the engine go: the relay to it is in our parent, which closes it when we say so."""
    print("gone", flush=True)
    sys.stdin.readline()


def lose_ryuk() -> None:
    """Have Ryuk killed; when there is another one, be killed ourselves."""
    engine, name = find_engine(), ryuk_name(session_id())
    if "ryuk" in status():
        before = engine.inspect(name)["Id"]
        engine.client.api.kill(before)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not _is_another(engine, name, before):
            time.sleep(0.02)
    kill()


def _is_another(engine: Engine, name: str, before: str) -> bool:
    from tcunit.errors import EngineError

    try:
        return engine.inspect(name)["Id"] != before and "armed, at" in status()["ryuk"]
    except EngineError:
        return False


# What happens, and where: as the second container starts, at the end of setUpClass, in the test, or
# in tearDownClass.
WAYS: dict[str, tuple[str, Callable[[], object]]] = {
    "normal end": ("test", lambda: None),
    "setUpClass fails": ("set-up", fail),
    "SIGINT as containers start": ("start", interrupt),
    "SIGINT in setUpClass": ("set-up", interrupt),
    "SIGINT in a test": ("test", interrupt),
    "SIGINT in tearDownClass": ("tear-down", interrupt),
    "SIGINT twice": ("test", interrupt_twice),
    "SIGTERM": ("test", terminate),
    "sys.exit()": ("set-up", sys.exit),
    "os._exit()": ("test", lambda: os._exit(3)),
    "crash in C": ("test", crash),
    "SIGKILL": ("test", kill),
    "SIGKILL as containers start": ("start", kill),
    "SIGKILL after Ryuk was killed": ("test", lose_ryuk),
    "engine out of reach at the end": ("test", lose_engine),
}


def at(place: str) -> str:
    """Come to the end, if this is where."""
    where, end = WAYS[WAY]
    if place == where:
        tell()
        end()
    return place


class Dying(ContainerTestCase):
    net = Network()
    first = DockerContainer("redis:alpine").with_network(net)
    second = (
        DockerContainer("alpine:latest").with_command("sleep 300").with_network(net)
        .with_env("PLACE", lambda: at("start")).depends_on(first)
    )  # fmt: skip

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        at("set-up")

    @classmethod
    def tearDownClass(cls) -> None:
        at("tear-down")
        super().tearDownClass()

    def test(self) -> None:
        at("test")


def leave_on(net: str) -> None:
    """Switch off all nets but one; which reapers there are is a setting."""
    if net not in ("exit", "all"):
        atexit.register = lambda step, *a, **kw: step  # type: ignore[assignment]
        ledger.expect_signals = lambda: None  # type: ignore[method-assign]
    if net not in ("class", "all"):
        StartSet.stop = lambda self: None  # type: ignore[method-assign]


if __name__ == "__main__":
    leave_on(NET)
    unittest.main(argv=["dying"])
