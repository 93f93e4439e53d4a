"""A class with up to 100 small containers: does the time grow in proportion, and the memory little?

The same class as in ``benchmarks.cold_class``, with 25, 50 and 100 containers; ``rss`` is the most
memory that the test process had, the SDK and the interpreter included. The last row is the time per
container with the most over that with the fewest: 1 is linear.

Aim: no more than 1.1 of the floor, in time.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from . import cold_class
from .common import FLOOR, TCUNIT, Figures, Row, in_turns, main, one_run, row

ROUNDS = 3
SIZES = (25, 50, 100)


def measure(options: argparse.Namespace) -> list[Row]:
    """Two rows a size, and one for the growth."""
    rows, per_container = [], {}
    sizes = (1,) if options.small else SIZES
    for size in sizes:
        asked = {"size": size}
        found = in_turns(
            (TCUNIT, FLOOR),
            options.rounds,
            lambda name, a=asked: one_run(cold_class.__name__, name, a),
        )
        per_container[size] = {name: _median(runs, "ready") / size for name, runs in found.items()}
        what, also = f"{size} containers in one class", ("cpu", "gone")
        rows.append(row(what, found, "ready", {FLOOR: 1.1}, also=also))
        rows.append(row(f"{what}: memory", found, "rss", unit="MB", also=()))
    few, most = per_container[sizes[0]], per_container[sizes[-1]]
    growth = {name: most[name] / few[name] for name in most}
    what = f"time per container, {sizes[-1]} ÷ {sizes[0]} containers"
    return [*rows, Row(what, growth, unit="")]


def _median(runs: Sequence[Figures], figure: str) -> float:
    return statistics.median(each[figure] for each in runs)


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
