"""How long a suite of 20 classes with three tests each takes, from the command to its end.

All classes have a base that declares PostgreSQL, Redis and nginx on one network; their tests write
and read by real clients, and fail where a table or a key of another test is there. Measured:

* tcunit with scope ``run``: the services start once and are reset between tests;
* tcunit with scope ``class``, under ``python -m tcunit run --lookahead 1``, and with ``-j 2``: each
  class gets services of its own (under ``python -m unittest`` where there is no such runner yet,
  which the row's name says);
* the floor and testcontainers-python, which start them in the base's ``setUpClass``.

Aims, as parts of testcontainers-python's time: 0.15 with scope ``run``, 0.5 with scope ``class``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from .common import (
    FLOOR,
    PEER,
    ROOT,
    TCUNIT,
    Figures,
    Row,
    environment,
    in_turns,
    main,
    present,
    row,
    run,
)

ROUNDS = 3
UNITTEST = ("-m", "unittest", "-q")
AHEAD = ("-m", "tcunit", "run", "-q", "--lookahead", "1")
SHARED, AHEAD_J2 = "scope run", "-j 2"


def has_runner() -> bool:
    """Whether ``python -m tcunit run`` is there."""
    command = [sys.executable, "-m", "tcunit", "run", "--help"]
    found = subprocess.run(command, cwd=ROOT, env=environment(TCUNIT), capture_output=True)
    return found.returncode == 0


def measure(options: argparse.Namespace) -> list[Row]:
    """One row for each way to run tcunit's suite."""
    runner = has_runner()
    module = "benchmarks.suite_of_tcunit"
    ways: dict[str, tuple[Sequence[str], str]] = {
        SHARED: ((*UNITTEST, module), "run"),
        TCUNIT: ((*(AHEAD if runner else UNITTEST), module), "class"),
        FLOOR: ((*UNITTEST, "benchmarks.suite_of_floor"), ""),
        PEER: ((*UNITTEST, "benchmarks.suite_of_peer"), ""),
    }
    if runner:
        ways[AHEAD_J2] = ((*AHEAD, "-j", "2", module), "class")
    classes = 1 if options.small else 20
    names = (SHARED,) if options.small else present(ways)

    def once(name: str) -> Figures:
        command, scope = ways[name]
        return run(command, name, BENCHMARK_CLASSES=str(classes), BENCHMARK_SCOPE=scope)

    found = in_turns(names, options.rounds, once)
    how = {
        SHARED: "scope `run`, reset between tests",
        TCUNIT: f"scope `class`, {'`tcunit run --lookahead 1`' if runner else '`unittest`'}",
        AHEAD_J2: "scope `class`, `tcunit run --lookahead 1 -j 2`",
    }
    return [
        row(
            f"suite of {classes} classes, {how[name]}",
            {TCUNIT: found[name], **{each: found[each] for each in (FLOOR, PEER) if each in found}},
            "whole",
            {PEER: 0.15 if name == SHARED else 0.5},
            also=(),
        )
        for name in how
        if name in found
    ]


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
