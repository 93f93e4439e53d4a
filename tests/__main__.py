"""Run all tests: each module in a process of its own, several side by side.

``python -W error -m tests [MODULE or PACKAGE…]``. The runner under test is unittest's own, so each
module is run by ``python -m unittest``; most of a module's time is spent waiting for an engine.
What a module printed is shown when it has failed, and its time in any case. What the engine has at
the end and had not at the beginning is a failure, too, unless others have used it meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import docker

HERE = Path(__file__).resolve().parent
LIMIT = 1800.0
PATIENCE = 30.0
# Those that take longest begin first.
FIRST = (
    "engine.environments", "engine.test_docs", "engine.test_reapers", "engine.test_ends",
    "engine.test_sidecar", "engine.test_faults", "engine.test_examples", "engine.test_building",
)  # fmt: skip


class Outcome(NamedTuple):
    """How one module ended."""

    module: str
    code: int
    output: str
    seconds: float

    @property
    def count(self) -> int:
        """How many tests it ran."""
        found = re.search(r"^Ran (\d+) tests? in", self.output, re.MULTILINE)
        return int(found[1]) if found else 0

    @property
    def skipped(self) -> int:
        """How many tests it skipped."""
        found = re.search(r"skipped=(\d+)", self.output)
        return int(found[1]) if found else 0


def modules() -> list[str]:
    """All test modules, the longest first."""
    found = [
        ".".join(path.relative_to(HERE.parent).with_suffix("").parts)
        for path in HERE.rglob("test_*.py")
    ]
    return sorted(found, key=lambda name: (not name.startswith(_first()), name))


def named(names: list[str]) -> list[str]:
    """The test modules of these names, and those in packages of these names."""
    known, found = modules(), []
    for name in names:
        these = [each for each in known if each == name or each.startswith(f"{name}.")]
        if not these:
            sys.exit(f"{name}: there is no such test module, nor a package with any")
        found += these
    return found


def _first() -> tuple[str, ...]:
    return tuple(f"tests.{name}" for name in FIRST)


def run(module: str) -> Outcome:
    """Run one module by unittest, with the warnings that were asked for here."""
    warnings = [word for option in sys.warnoptions for word in ("-W", option)]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *warnings, "-m", "unittest", module],
        cwd=HERE.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=LIMIT,
    )
    return Outcome(module, done.returncode, done.stdout, time.monotonic() - began)


def side_by_side(names: list[str], width: int) -> Iterator[Outcome]:
    """Run modules, some at a time, and hand out each as it ends."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put(run(name))
            except Exception as error:
                ended.put(Outcome(name, 1, f"{type(error).__name__}: {error}\n", LIMIT))

    for _ in range(width):
        threading.Thread(target=work, daemon=True).start()
    for _ in names:
        yield ended.get()


def on_the_engine() -> set[str]:
    """All that the engine has, but for the images that the tests keep."""
    from tests.stand_ins.recipes import PREFIX

    client = docker.from_env()
    with contextlib.closing(client):
        api: Any = client.api
        images = [each.get("RepoTags") or [each["Id"]] for each in api.images()]
        return {
            *(f"container {name}" for each in api.containers(all=True) for name in each["Names"]),
            *(f"network {each['Name']}" for each in api.networks()),
            *(f"volume {each['Name']}" for each in api.volumes()["Volumes"] or ()),
            *(f"image {tag}" for tags in images for tag in tags if not tag.startswith(PREFIX)),
        }


def left_since(before: set[str]) -> set[str]:
    """What is there and was not before; reapers are given time to end their work."""
    deadline = time.monotonic() + PATIENCE
    if any(each.startswith("container ") for each in before):
        return set()  # others use this engine
    while (left := on_the_engine() - before) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def main(names: list[str]) -> int:
    """Run the modules that are named, or all of them; 0 where every one has passed."""
    # What runs in the background ignores Ctrl-C, and hands that on to processes that test it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began, outcomes, before = time.monotonic(), list[Outcome](), on_the_engine()
    for outcome in side_by_side(named(names) or modules(), (os.cpu_count() or 1) + 1):
        outcomes.append(outcome)
        word = "ok" if outcome.code == 0 else "FAILED"
        line = f"{outcome.module}: {outcome.count} tests in {outcome.seconds:.1f} s, {word}"
        print(line if outcome.code == 0 else f"{line}\n{outcome.output}", flush=True)
    failed = [each.module for each in outcomes if each.code]
    if left := left_since(before):
        print("These are left on the engine:", *sorted(left), sep="\n  ")
        failed.append("something is left")
    total, skipped = (
        sum(getattr(each, what) for each in outcomes) for what in ("count", "skipped")
    )
    print(f"\nRan {total} tests in {time.monotonic() - began:.1f}s\n")
    print(f"FAILED ({', '.join(failed)})" if failed else f"OK (skipped={skipped})")
    return 1 if failed or not total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
