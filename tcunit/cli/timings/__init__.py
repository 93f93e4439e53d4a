"""``timings``: draws what ``TCUNIT_TIMINGS`` has written, in the terminal or as a page.

Where standard output is no terminal, the same comes as lines with tabs, for other programs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from .recorded import NoTimings, Run, read


def add(commands: Any) -> None:
    """Declare the command and its options."""
    what = "show where the time of a run went, as TCUNIT_TIMINGS=FILE has written it"
    parser = commands.add_parser("timings", help=what, description=what.capitalize() + ".")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--html", type=Path, metavar="PAGE",
        help="write one page with a chart, which needs nothing else; '-' is standard output",
    )  # fmt: skip
    parser.add_argument(
        "--run", type=int, metavar="N", dest="number",
        help="which of several runs in the file: 1 is the first; by default the last",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="in a terminal, all classes")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw one run."""
    runs = read(options.file)
    chosen = _chosen(runs, options.number)
    if options.html is not None:
        _write(options.html, chosen)
    elif sys.stdout.isatty():
        from .terminal import draw

        draw(chosen, everything=options.all)
    else:
        from .plain import lines

        print("\n".join(lines(chosen)))
    if len(runs) > 1 and options.number is None:
        print(f"the last of {len(runs)} runs in {options.file}; --run N shows another",
              file=sys.stderr)  # fmt: skip
    return 0


def _chosen(runs: list[Run], number: int | None) -> Run:
    if number is None:
        return runs[-1]
    if not 1 <= number <= len(runs):
        raise NoTimings(f"there is no run {number}: --run takes a number from 1 to {len(runs)}")
    return runs[number - 1]


def _write(path: Path, chosen: Run) -> None:
    from .page import page

    text = page(chosen)
    if str(path) == "-":
        print(text)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise NoTimings(f"the page cannot be written to {path}: {error.strerror}") from error
    print(f"wrote {path}")
