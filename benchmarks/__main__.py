"""All benchmarks, one table: ``python -m benchmarks [NAME…] [--rounds N] [--small] [--json]``.

The table is Markdown, as ``docs/performance.md`` has it; the progress goes to stderr.
"""

from __future__ import annotations

import importlib
import os
import sys

from .common import Row, parser, show

NAMES = (
    "cold_class", "application", "suite", "tear_down", "waits", "imports", "round_trips", "many",
    "width",
)  # fmt: skip


def main() -> None:
    """Measure all that are named, by default all, and print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("names", nargs="*", choices=NAMES, default=NAMES, metavar="NAME")
    options = arguments.parse_args()
    given = options.rounds
    rows: list[Row] = []
    for name in options.names:
        module = importlib.import_module(f"{__package__}.{name}")
        options.rounds = given or (1 if options.small else module.ROUNDS)
        load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
        print(f"{name} (load of the machine: {load})", file=sys.stderr)
        rows += module.measure(options)
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
