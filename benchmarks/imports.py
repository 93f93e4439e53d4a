"""What ``import tcunit`` costs beside ``import docker``.

Fresh interpreters import the one, the other, or nothing. The figure is the whole time of such a
process without that of the interpreter alone (which imported nothing) in the same round. In the
second row, all three have imported unittest before, as every test process has.

Aim: no more than 0.25 of ``import docker``.
"""

from __future__ import annotations

import argparse
import statistics

from .common import TCUNIT, Figures, Row, in_turns, main, quartiles, run

ROUNDS = 31
DOCKER = "import docker"
PROGRAMS = {"": "pass", TCUNIT: "import tcunit", DOCKER: "import docker"}


def measure(options: argparse.Namespace) -> list[Row]:
    """Two rows."""
    return [
        _measured(options.rounds, "", "`import tcunit`", {DOCKER: 0.25}),
        _measured(options.rounds, "import unittest; ", "`import tcunit` after `unittest`", {}),
    ]


def _measured(rounds: int, before: str, what: str, aims: dict[str, float]) -> Row:
    def once(name: str) -> Figures:
        return run(["-c", before + PROGRAMS[name]], name)

    found = in_turns(PROGRAMS, rounds, once)
    bare = [each["whole"] for each in found.pop("")]
    own = {
        name: [run["whole"] - nothing for run, nothing in zip(runs, bare, strict=True)]
        for name, runs in found.items()
    }
    medians = {name: statistics.median(values) for name, values in own.items()}
    return Row(
        what,
        medians,
        {DOCKER: medians[TCUNIT] / medians[DOCKER]},
        aims,
        spread={name: quartiles(values) for name, values in own.items()},
        remark=f"without either: {statistics.median(bare) * 1000:.0f} ms",
    )


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
