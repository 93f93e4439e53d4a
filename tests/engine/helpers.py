"""What the tests on an engine share: nothing may be left, running a class, asking a server."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit import DockerContainer, DockerImage
from tcunit._docker import Engine, find_engine
from tcunit._session import SESSION_LABEL, session_id
from tcunit.connection import Endpoint
from tcunit.lifecycle.removal import removals

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds; far more than anything here takes


@functools.cache
def engine() -> Engine:
    """The engine that all tests use, whatever a test sets later."""
    return find_engine()


def left_over(session: str = "") -> list[str]:
    """The names of all that a session has but its images, by default of our own."""
    if not session:
        removals.finish()
    found = engine().labelled(f"{SESSION_LABEL}={session or session_id()}")
    # Images stay until the process ends.
    return sorted(each.name for each in found if each.kind != "image")


class EngineTest(unittest.TestCase):
    """A test that leaves nothing on the engine, whatever its outcome."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.addClassCleanup(_refuse_left_over, left_over())

    def setUp(self) -> None:
        super().setUp()
        # Registered first, it runs last.
        self.addCleanup(_refuse_left_over, left_over())

    def running(self, container: DockerContainer) -> DockerContainer:
        """Start a container that ends with this test."""
        self.addCleanup(container.stop)
        return container.start()

    def assert_passes(self, case: type[unittest.TestCase]) -> unittest.TestResult:
        """Run a test class and fail unless all its tests, of which there are some, pass."""
        result = run_class(case)
        self.assertEqual("", problems(result))
        self.assertGreater(result.testsRun, 0)
        return result

    def assert_fails(self, case: type[unittest.TestCase]) -> str:
        """Run a test class, fail unless it has exactly one error, and return that."""
        result = run_class(case)
        found = [text for _, text in [*result.errors, *result.failures]]
        self.assertEqual(1, len(found), problems(result))
        return found[0]


def _refuse_left_over(before: list[str]) -> None:
    more = sorted(set(left_over()) - set(before))
    if more:
        raise AssertionError(f"left on the engine: {more}")


def sleeper(image: str | DockerImage = "alpine") -> DockerContainer:
    """A container that does nothing for a while."""
    return DockerContainer(image).with_command("sleep 300")


def shell(script: str, image: str = "alpine") -> DockerContainer:
    """A container that runs a shell script."""
    return DockerContainer(image).with_command(["sh", "-c", script])


def web_server(port: int, address: str = "0.0.0.0") -> DockerContainer:
    """A container with a web server whose image declares no port."""
    return DockerContainer("python:3.11-slim").with_command(
        ["python", "-u", "-m", "http.server", str(port), "--bind", address]
    )


# -- running test classes -------------------------------------------------------------------------


def run_class(case: type[unittest.TestCase]) -> unittest.TestResult:
    """Run a test class as a runner would, with its class fixture; returns when all is removed."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    result = unittest.TestResult()
    suite.run(result)
    removals.finish()
    return result


def problems(result: unittest.TestResult) -> str:
    """All that went wrong in a run, as text."""
    return "\n".join(text for _, text in [*result.errors, *result.failures])


def python(script: str, **environ: str) -> subprocess.Popen[str]:
    """Start a Python script that can import tcunit and the helpers."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


# -- conditions -----------------------------------------------------------------------------------


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition, and return what it said; fails when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE:g} s for {what}")
        time.sleep(0.01)
    return answer


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for a while."""
    with mock.patch.dict(os.environ, variables):
        yield


needs_bridge = unittest.skipUnless(
    sys.platform == "linux" and Path("/var/run/docker.sock").exists(),
    "the engine's bridges are not on this machine",
)


# -- addresses ------------------------------------------------------------------------------------


def page(endpoint: Endpoint, path: str = "/") -> int:
    """The status with which a web server answers."""
    connection = http.client.HTTPConnection(*endpoint, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of this machine that nobody uses now, outside of what is handed out at random."""
    for number in range(20000 + os.getpid() % 5000, 32000):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", number))
            except OSError:
                continue
            return number
    raise AssertionError("no port is free")


def listening_on(port: int) -> set[str]:
    """The IPv4 and IPv6 addresses of this machine on which a TCP port listens."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, _, number = local.partition(":")
            if state == "0A" and int(number, 16) == port:
                found.add(_address(address))
    return found


def _address(text: str) -> str:
    words = [bytes.fromhex(text[start : start + 8])[::-1] for start in range(0, len(text), 8)]
    packed = b"".join(words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def events(prefix: str, since: float) -> list[tuple[str, str]]:
    """What happened on the engine to what has a name that begins so: pairs of action and name."""
    stream = engine().client.api.events(since=since, until=time.time() + 0.001, decode=True)
    with contextlib.closing(stream):
        found = [(each["Action"], each["Actor"]["Attributes"].get("name", "")) for each in stream]
    return [(action, name) for action, name in found if name.startswith(prefix)]
