"""How long after a service is ready a wait returns: ``python benchmarks/waits.py [N] [--json]``.

Each container becomes ready after some tenths of a second and logs the moment; the figure is the
time from there to the return of ``start()``. Aim: a median below 10 ms, but for waits that must run
a command in the container, which costs the engine some 60 ms.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tcunit import DockerContainer, wait
from tcunit.wait import WaitStrategy

IMAGE = "python:3.11-slim"
PROGRAM = """
import http.server, os, random, socket, sys, time
time.sleep(random.uniform(0.3, 0.6))
server = socket.socket()
if {kind!r} in ("port", "http"):
    handler = http.server.BaseHTTPRequestHandler
    handler.do_GET = lambda self: (self.send_response(200), self.end_headers())
    server = http.server.HTTPServer(("", 8000), handler)
if {kind!r} in ("exec", "file"):
    open("/ready", "w").close()
os.write(1, b"ready at %.6f\\n" % time.time())
if {kind!r} == "exit":
    os._exit(0)
if {kind!r} in ("port", "http"):
    server.serve_forever()
time.sleep(300)
"""
WAITS: dict[str, Callable[[], WaitStrategy]] = {
    "log": lambda: wait.for_log("ready at"),
    "port": lambda: wait.for_port(8000),
    "http": lambda: wait.for_http("/", port=8000),
    "exit": lambda: wait.for_exit(),
    "file": lambda: wait.for_file("/ready"),
    "exec": lambda: wait.for_exec(["test", "-e", "/ready"]),
}


def delay(kind: str) -> float:
    """Seconds from ready to returned, once."""
    container = (
        DockerContainer(IMAGE)
        .with_command(["python3", "-c", PROGRAM.format(kind=kind)])
        .with_exposed_ports(8000)
        .waiting_for(WAITS[kind]())
    )
    with container:
        returned = time.time()
        found = re.search(rb"ready at ([\d.]+)", container.get_logs()[0])
        if found is None:
            raise RuntimeError(f"the wait {kind!r} returned before its container was ready")
        return returned - float(found[1])


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", nargs="?", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {kind: statistics.median(delay(kind) for _ in range(options.times)) for kind in WAITS}
    if options.json:
        print(json.dumps(found))
        return
    for kind, seconds in found.items():
        print(f"{kind:>5}: {seconds * 1000:6.1f} ms")


if __name__ == "__main__":
    main()
