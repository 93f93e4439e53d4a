"""How long after a service is ready a wait returns, by strategy.

Each container becomes ready after some tenths of a second and logs the moment; the figure is the
time from there to the return of ``start()``. testcontainers-python's is beside it where it has such
a strategy; it asks once a second. A negative figure means that it returned before the service was
ready: that is its wait for a port, satisfied by the engine's proxy, which accepts at once.

Aim: a median below 10 ms, but for waits that must run a command in the container, which costs the
engine some 60 ms.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .common import BARE_PEER, TCUNIT, Figures, Row, image, in_turns, main, one_run, present, row

ROUNDS = 9
PATIENCE = 20.0
IMAGE = "python:3.11-slim"
PROGRAM = """
import http.server, os, random, socket, sys, time
time.sleep(random.uniform(0.3, 0.6))
if {kind!r} in ("port", "http"):
    handler = http.server.BaseHTTPRequestHandler
    handler.do_GET = lambda self: (self.send_response(200), self.end_headers())
    server = http.server.HTTPServer(("", 8000), handler)
if {kind!r} in ("exec", "file", "health"):
    open("/ready", "w").close()
os.write(1, b"ready at %.6f\\n" % time.time())
if {kind!r} == "exit":
    os._exit(0)
if {kind!r} in ("port", "http"):
    server.serve_forever()
time.sleep(300)
"""
TEST = ["test", "-e", "/ready"]
HEALTH = {"test": ["CMD", *TEST], "interval": 1_000_000_000}
KINDS = ("log", "port", "http", "exit", "file", "exec", "health")
SLOW = ("exec", "health")  # a command must be run in the container


def delay(container: Any, logs: Callable[[], bytes]) -> Figures:
    """Milliseconds from ready to the return of a start, which begins now."""
    with container:
        returned = time.time()
        deadline = returned + PATIENCE
        while not (found := re.search(rb"ready at ([\d.]+)", logs())):
            if time.time() > deadline:
                raise SystemExit("the container never became ready")
            time.sleep(0.02)  # it returned too early
        return {"delay": 1000 * (returned - float(found[1]))}


def of_tcunit(kind: str) -> Figures:
    """One start with tcunit."""
    from tcunit import DockerContainer, wait

    ways: dict[str, Callable[[], Any]] = {
        "log": lambda: wait.for_log("ready at"),
        "port": lambda: wait.for_port(8000),
        "http": lambda: wait.for_http("/", port=8000),
        "exit": wait.for_exit,
        "file": lambda: wait.for_file("/ready"),
        "exec": lambda: wait.for_exec(TEST),
        "health": wait.for_healthcheck,
    }
    container = DockerContainer(IMAGE).with_command(["python3", "-c", PROGRAM.format(kind=kind)])
    container.with_exposed_ports(8000).waiting_for(ways[kind]())
    if kind == "health":
        container.with_kwargs(healthcheck=HEALTH)
    return delay(container, lambda: container.get_logs()[0])


def of_peer(kind: str) -> Figures:
    """One start with testcontainers-python."""
    from testcontainers.core import wait_strategies as wait
    from testcontainers.core.container import DockerContainer

    ways: dict[str, Callable[[], Any]] = {
        "log": lambda: wait.LogMessageWaitStrategy("ready at"),
        "port": lambda: wait.PortWaitStrategy(8000),
        "http": lambda: wait.HttpWaitStrategy(8000, "/"),
        "exec": lambda: wait.ExecWaitStrategy(TEST),
        "health": wait.HealthcheckWaitStrategy,
    }
    container = DockerContainer(image(IMAGE)).with_exposed_ports(8000).waiting_for(ways[kind]())
    container.with_command(["python3", "-c", PROGRAM.format(kind=kind)])
    if kind == "health":
        container.with_kwargs(healthcheck=HEALTH)
    return delay(container, lambda: container.get_logs()[0])


CONTENDERS = {TCUNIT: of_tcunit, BARE_PEER: of_peer}
OF_PEER = ("log", "port", "http", "exec", "health")


def measure(options: argparse.Namespace) -> list[Row]:
    """One row a strategy."""
    rows = []
    for kind in ("port",) if options.small else KINDS:
        names = present(CONTENDERS if kind in OF_PEER else (TCUNIT,))
        asked = {"kind": kind}
        found = in_turns(names, options.rounds, lambda name, a=asked: one_run(__name__, name, a))
        made = row(
            f"ready → returned, {kind}", found, "delay", unit="ms", also=(),
            most=None if kind in SLOW else 10.0,
        )  # fmt: skip
        rows.append(replace(made, ratios={}))
    return rows


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
