"""The report for other programs: lines with tabs, seconds as plain numbers.

What a line is about stands in its first column, so that ``grep ^thing`` takes the table of things.
"""

from __future__ import annotations

from collections.abc import Iterator

from .advice import advice_for, critical
from .phases import COLUMNS
from .recorded import Run
from .summary import PARTS, contents, parts_of, parts_of_run, rows_of


def lines(run: Run) -> Iterator[str]:
    """All lines of the report."""
    yield f"# {contents(run)}"
    yield _line("run", "seconds", *PARTS, "other")
    yield _line("run", run.seconds, *parts_of_run(run).values())
    for advice in advice_for(run):
        yield _line("advice", advice.saves, advice.text)
    yield _line("class", "seconds", *PARTS, "tests run", "name", "process")
    chains = {id(start.lane) for case in run.cases for start in critical(case)}
    for case in (each for each in run.cases if each.name):
        parts = parts_of(case)
        numbers = (sum(parts.values()), *parts.values())
        yield _line("class", *numbers, str(case.tests), case.name, case.process)
    yield _line("thing", "seconds", *COLUMNS, "critical", "scope", "name", "class", "process")
    for row in rows_of(run):
        lane, case = row.lane, row.case
        on_path = "critical" if id(lane) in chains else ""
        where = (on_path, lane.scope, lane.thing, case.name, case.process)
        yield _line("thing", row.total, *row.columns.values(), *where)


def _line(*cells: str | float) -> str:
    return "\t".join(each if isinstance(each, str) else f"{each:.3f}" for each in cells)
