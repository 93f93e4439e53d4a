"""At which start width more threads stop helping.

``TCUNIT_START_WIDTH`` says how many containers a set starts at once. Here a class with 32 small
containers starts at widths from 1 to 32; the figure is the time until all are ready, and the ratio
is that over the best width's.
"""

from __future__ import annotations

import argparse
import statistics

from . import cold_class
from .common import TCUNIT, Row, in_turns, main, one_run, quartiles

ROUNDS = 3
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)


def measure(options: argparse.Namespace) -> list[Row]:
    """One row a width."""
    widths, size = ((1,), 1) if options.small else (WIDTHS, 32)

    def at(width: str) -> dict[str, float]:
        return one_run(cold_class.__name__, TCUNIT, {"size": size}, TCUNIT_START_WIDTH=width)

    found = in_turns(map(str, widths), options.rounds, at)
    times = {width: [each["ready"] for each in runs] for width, runs in found.items()}
    medians = {width: statistics.median(values) for width, values in times.items()}
    best = min(medians.values())
    return [
        Row(
            f"{size} containers, start width {width}",
            {TCUNIT: median},
            {"the best": median / best},
            spread={TCUNIT: quartiles(times[width])},
        )
        for width, median in medians.items()
    ]


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
