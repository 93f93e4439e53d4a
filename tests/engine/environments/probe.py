"""The program that runs inside an environment: what tcunit says there, and whether it is true.

It starts nginx and redis on a network of their own, runs a test for each mode, and prints one JSON
object (see :mod:`tests.engine.environments.report`). It needs tcunit and the standard library.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import sys
import unittest
from typing import Any

from tcunit import (  # fmt: skip
    ConnectionMode,
    ContainerTestCase,
    DockerContainer,
    Network,
    each_connection_mode,
    wait,
)
from tcunit._docker import find_engine
from tcunit.connection import Endpoint
from tcunit.errors import NoAddress, TcunitError
from tcunit.facts import Surroundings, own_container_ids
from tcunit.settings import Settings

TIMEOUT = 2.0
BRIEF = 0.7  # seconds; for an address that the resolver does not vouch for
SEEN: dict[str, Any] = {}


def ask_nginx(endpoint: Endpoint, timeout: float = TIMEOUT) -> str:
    """The first page of a web server."""
    connection = http.client.HTTPConnection(*endpoint, timeout=timeout)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def ask_redis(endpoint: Endpoint, timeout: float = TIMEOUT) -> str:
    """What redis says to PING."""
    with socket.create_connection(endpoint, timeout) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).decode().strip()


SERVICES = {"web": (80, ask_nginx, "nginx"), "cache": (6379, ask_redis, "+PONG")}


def listens(port: int) -> wait.WaitStrategy:
    """A wait that asks inside the container, for where nothing of it can be reached."""
    return wait.for_exec(["sh", "-c", f"grep -q ':{port:04X} 0*:0000 0A' /proc/net/tcp*"])


def reachability(network: str, also: str, blind: bool) -> type[ContainerTestCase]:
    """The test class, on a network of its own or on one that exists."""

    class Reachability(ContainerTestCase):
        """Every service by every mode."""

        if not network:
            backend = Network()
        web = DockerContainer("nginx:alpine").with_network(network or backend)
        web.with_exposed_ports(80)
        cache = DockerContainer("redis:alpine").with_network(network or backend)
        cache.with_exposed_ports(6379)
        if also:
            web.with_network(also)
            cache.with_network(also)
        if blind:
            web.waiting_for(listens(80))
            cache.waiting_for(listens(6379))

        @each_connection_mode
        def test_web(self) -> None:
            """The page comes."""
            self.assertReachable(self.web, 80)
            self.assertIn("nginx", ask_nginx(self.endpoint(self.web, 80)))

        @each_connection_mode
        def test_cache(self) -> None:
            """The answer comes."""
            self.assertReachable(self.cache, 6379)
            self.assertEqual("+PONG", ask_redis(self.endpoint(self.cache, 6379)))

        def test_report(self) -> None:
            """Tell everything."""
            running = self.web.running
            SEEN["network"] = running.network_facts()._asdict()  # type: ignore[union-attr]
            SEEN["container"] = {"ip": running.facts().ip, "gateway": running.facts().gateway}
            SEEN["default"] = running.decision().mode.value
            SEEN["rule"] = running.decision().rule
            SEEN["explained"] = running.explain(80)
            SEEN["modes"] = {mode.value: told(self, mode) for mode in ConnectionMode}

    return Reachability


def told(case: Any, mode: ConnectionMode) -> dict[str, Any]:
    """What the resolver says of a mode, and what comes of it."""
    found: dict[str, Any] = {"why_not": case.web.running.why_not(mode)}
    for name, (port, ask, expected) in SERVICES.items():
        container: DockerContainer = getattr(case, name)
        found[name] = {"explained": container.explain(port, mode)}
        try:
            endpoint = container.endpoint(port, mode)
        except NoAddress as error:
            found[name]["problem"] = str(error)
            continue
        found[name].update(host=endpoint.host, port=endpoint.port, is_own=endpoint.port == port)
        if is_ours(endpoint, found["why_not"], container):
            timeout = TIMEOUT if found["why_not"] is None else BRIEF
            found[name]["problem"] = problem(ask, endpoint, timeout, expected)
            found[name]["answers"] = found[name]["problem"] is None
    return found


def is_ours(endpoint: Endpoint, why_not: str | None, container: DockerContainer) -> bool:
    """Whether an address is a container's, a bridge's or loopback for certain."""
    where = container.running.surroundings.facts
    return why_not is None or where.is_local or endpoint.host.startswith("127.")


def problem(ask: Any, endpoint: Endpoint, timeout: float, expected: str) -> str | None:
    """Why a service does not answer as it should; ``None`` if it does."""
    try:
        answer = ask(endpoint, timeout)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    return None if expected in answer else f"answered {answer[:80]!r}"


def run(case: type[ContainerTestCase]) -> None:
    """Run the class's tests and note how they ended."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    SEEN["tests"] = {
        "run": result.testsRun,
        "skipped": {test.id().rpartition(".")[2]: reason for test, reason in result.skipped},
        "failed": [text for _, text in [*result.errors, *result.failures]],
    }


def note_surroundings(when: str = "") -> None:
    """Note where we are, as tcunit sees it."""
    around = Surroundings(find_engine(), Settings())
    SEEN[f"engine{when}"] = around.facts._asdict()
    SEEN[f"own_networks{when}"] = around._own_networks


def main() -> None:
    """Look around, run the tests, and print what was seen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", default="", help="use this network, and make none")
    parser.add_argument("--also", default="", help="use this network, besides one of its own")
    parser.add_argument("--blind", action="store_true", help="nothing can be reached from here")
    parser.add_argument("--look", action="store_true", help="look around and start nothing")
    parser.add_argument("--hold", action="store_true", help="start, say so, and wait")
    asked = parser.parse_args()
    SEEN["ids"] = own_container_ids()
    SEEN["dockerenv"] = os.path.exists("/.dockerenv")
    try:
        note_surroundings()
        if asked.hold:
            hold(reachability(asked.network, asked.also, asked.blind))
        elif not asked.look:
            run(reachability(asked.network, asked.also, asked.blind))
        note_surroundings("_after")
    except TcunitError as error:
        SEEN["error"] = f"{type(error).__name__}: {error}"
    json.dump(SEEN, sys.stdout)


def hold(case: Any) -> None:
    """Start what the class declares, tell what became of it, and wait to be killed."""
    case.setUpClass()
    names = [case.web.name, case.cache.name]
    told = {"pid": os.getpid(), "network": case.backend.name, "containers": names}
    print(json.dumps(told), flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
