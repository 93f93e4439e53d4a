"""Sums over a run: for its head line, and for the tables."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .phases import COLUMNS
from .recorded import Case, Lane, Run

PARTS = {
    "start-up": ("start-up", "connect"),
    "tests": ("tests",),
    "tear-down": ("tear-down",),
}
"""What the time of classes is divided into; the rest is "other"."""


@dataclass(frozen=True)
class Row:
    """A thing in the table: what each phase of it took."""

    case: Case
    lane: Lane
    columns: dict[str, float]

    @property
    def total(self) -> float:
        """What all of it took, tests not counted."""
        return sum(self.columns.values())


def rows_of(run: Run) -> list[Row]:
    """Every thing, the most costly first."""
    rows = [
        Row(case, lane, {name: lane.total(*phases) for name, phases in COLUMNS.items()})
        for case in run.cases
        for lane in case.things
    ]
    return sorted(rows, key=lambda row: -row.total)


def parts_of(case: Case) -> dict[str, float]:
    """What a class spent on each part."""
    return {name: case.own.total(*phases) for name, phases in PARTS.items()}


def parts_of_run(run: Run) -> dict[str, float]:
    """What all classes together spent on each part, and what their processes did otherwise."""
    parts = dict.fromkeys(PARTS, 0.0)
    for case in run.cases:
        for name, spent in parts_of(case).items():
            parts[name] += spent
    parts["other"] = max(_lifetimes(run) - sum(parts.values()), 0.0)
    return parts


def _lifetimes(run: Run) -> float:
    """How long the processes worked, taken together."""
    found: dict[str, tuple[float, float]] = {}
    for case in run.cases:
        spans = [span for lane in case.lanes for span in lane.spans]
        began, ended = found.get(case.process, (spans[0].began, spans[0].ended))
        found[case.process] = (
            min(began, *(span.began for span in spans)),
            max(ended, *(span.ended for span in spans)),
        )
    return sum(ended - began for began, ended in found.values())


def contents(run: Run) -> str:
    """What a run was made of, and when it began."""
    classes = [case for case in run.cases if case.name]
    things = [lane for case in run.cases for lane in case.things if lane.kind]
    numbers = [
        _many(sum(case.tests for case in classes), "test"),
        _many(len({case.name for case in classes}), "class", "classes"),
        _many(sum(lane.kind != "Network" for lane in things), "container"),
        _many(sum(lane.kind == "Network" for lane in things), "network"),
        _many(run.processes, "process", "processes"),
    ]
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.began))
    return f"{', '.join(numbers)}; began {began}"


def _many(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
