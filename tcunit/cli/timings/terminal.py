"""The report in a terminal, with colours where it has them and letters where it has none."""

from __future__ import annotations

from itertools import groupby, pairwise

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .advice import advice_for, critical
from .phases import COLUMNS, PHASES, UP, seconds
from .recorded import Case, Lane, Run, Span
from .summary import contents, parts_of_run, rows_of

CLASSES = 8  # that are drawn where not all are asked for
ROWS = 12
LABEL = 26
BAR = "█"
LINE = "─"
STYLES = {**{name: look.colour for name, look in PHASES.items()}, UP: "grey50", "other": "grey37"}


def draw(run: Run, console: Console | None = None, *, everything: bool = False) -> None:
    """Print the whole report."""
    console = console or Console(highlight=False)
    parts = parts_of_run(run)
    console.print(Text.assemble((seconds(run.seconds), "bold"), f"  {contents(run)}"))
    console.print(_shares(parts, console))
    for advice in advice_for(run):
        saves = (f"saves about {seconds(advice.saves)}: ", "bold green")
        console.print(Text.assemble("→ ", saves, advice.text))
    console.print()
    cases = run.cases if everything else _costly(run)
    for case in cases:
        _draw_case(case, run, console)
    if left := len(run.cases) - len(cases):
        console.print(f"… and {left} more; --all shows them", style="dim")
    console.print(_legend(console))
    console.print()
    console.print(_table(run, everything=everything))


def _costly(run: Run) -> list[Case]:
    """The classes that took longest, in the order of the run."""
    by_cost = sorted(run.cases, key=lambda case: -sum(s.seconds for s in case.own.spans))
    chosen = {id(case) for case in by_cost[:CLASSES]}
    return [case for case in run.cases if id(case) in chosen]


def _shares(parts: dict[str, float], console: Console) -> Text:
    whole = sum(parts.values()) or 1.0
    bar = Text()
    for name, spent in parts.items():
        cells = round(spent / whole * (console.width - 1))
        bar.append(_cell(name, console) * cells, STYLES[name])
    bar.append("\n")
    for name, spent in parts.items():
        bar.append(_cell(name, console), STYLES[name])
        bar.append(f" {name} {seconds(spent)} ({spent / whole:.0%})   ")
    return bar


def _draw_case(case: Case, run: Run, console: Console) -> None:
    where = f" in {case.process}" if case.process else ""
    tests = f", {case.tests} tests" if case.name else ""
    began, ended = case.began, max(span.ended for lane in case.lanes for span in lane.spans)
    took = f"  {seconds(ended - began)}{tests}, from {seconds(began - run.began)} on{where}"
    console.print(Text.assemble((case.title, "bold"), (took, "dim")), no_wrap=True)
    path = {id(start.lane) for start in critical(case)}
    for lane in case.lanes:
        on_path = id(lane) in path
        label = Text(f"{'▸' if on_path else ' '} {lane.thing or 'the class'}")
        label.truncate(LABEL, overflow="ellipsis", pad=True)
        label.stylize("bold" if on_path else "")
        spent = sum(span.seconds for span in lane.spans)
        bar = _bar(lane, began, ended, console.width - LABEL - 10, console)
        console.print(Text.assemble(label, " ", bar, f" {seconds(spent):>8}"), no_wrap=True)


def _bar(lane: Lane, began: float, ended: float, width: int, console: Console) -> Text:
    """A lane: each cell has the phase that takes most of it."""
    bar = Text()
    step = (ended - began) / max(width, 1) or 1.0
    up = [Span(UP, start, end - start) for start, end in lane.up]
    edges = [began + number * step for number in range(max(width, 1) + 1)]
    phases = [
        _main_phase(lane.spans, left, right) or _main_phase(up, left, right)
        for left, right in pairwise(edges)
    ]
    for phase, cells in groupby(phases):
        cell = _cell(phase, console) if phase else " "
        bar.append(cell * len(list(cells)), STYLES[phase] if phase else "")
    return bar


def _main_phase(spans: list[Span], left: float, right: float) -> str:
    shares: dict[str, float] = {}
    for span in spans:
        if (inside := min(span.ended, right) - max(span.began, left)) > 0:
            shares[span.phase] = shares.get(span.phase, 0.0) + inside
    return max(shares, key=lambda phase: shares[phase]) if shares else ""


def _cell(phase: str, console: Console) -> str:
    if phase == UP:
        return LINE
    if console.color_system is None or console.no_color:
        return PHASES[phase].letter if phase in PHASES else "."
    return BAR


def _legend(console: Console) -> Text:
    legend = Text()
    for name in PHASES:
        legend.append(_cell(name, console), STYLES[name])
        legend.append(f" {name}  ")
    legend.append(LINE, STYLES[UP])
    legend.append(" up  ▸ critical path")
    return legend


def _table(run: Run, *, everything: bool) -> Table:
    table = Table(title="What each thing cost", title_justify="left", box=None, pad_edge=False)
    table.add_column("class")
    table.add_column("thing")
    for name in ("total", *COLUMNS):
        table.add_column(name, justify="right", style="bold" if name == "total" else "")
    rows = rows_of(run)
    for row in rows if everything else rows[:ROWS]:
        numbers = [seconds(each) if each else "" for each in (row.total, *row.columns.values())]
        table.add_row(row.case.title, row.lane.thing, *numbers)
    return table
