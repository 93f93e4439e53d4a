"""What ``TCUNIT_TIMINGS`` has written, read back: runs, classes, and a lane for each thing.

A file may hold several runs, one after the other. The processes of one run share a process group.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import TcunitError

STARTING = ("arm", "prepare", "pull", "create", "start", "wait")
"""The phases between the moment that a thing may begin and the one at which it is ready."""

CONTIGUOUS = 0.02  # seconds; what is too short to be written down leaves gaps


class NoTimings(TcunitError):
    """A file that holds no timings; the message says what to do."""


@dataclass(frozen=True)
class Span:
    """One phase, from one moment on, in seconds."""

    phase: str
    began: float
    seconds: float
    what: str = ""

    @property
    def ended(self) -> float:
        """The moment of its end."""
        return self.began + self.seconds


@dataclass
class Lane:
    """What happened to one thing for one class; without a name, to the class itself."""

    thing: str = ""
    kind: str = ""
    image: str = ""
    scope: str = "class"
    needs: frozenset[str] = frozenset()
    insists: frozenset[str] = frozenset()
    spans: list[Span] = field(default_factory=list)

    def total(self, *phases: str) -> float:
        """The seconds spent in some phases."""
        return sum(span.seconds for span in self.spans if span.phase in phases)

    @property
    def starts(self) -> list[Start]:
        """Its starts: phases without a gap, among them a create."""
        groups: list[list[Span]] = []
        for span in (each for each in self.spans if each.phase in STARTING):
            if groups and span.began - groups[-1][-1].ended < CONTIGUOUS:
                groups[-1].append(span)
            else:
                groups.append([span])
        return [
            Start(self, group[0].began, group[-1].ended)
            for group in groups
            if any(span.phase == "create" for span in group)
        ]

    @property
    def up(self) -> list[tuple[float, float]]:
        """From when to when it was ready for use."""
        ends = [span.began for span in self.spans if span.phase == "tear-down"]
        ready = [start.ready for start in self.starts]
        pairs = [(each, min((end for end in ends if end >= each), default=0.0)) for each in ready]
        return [(began, ended) for began, ended in pairs if ended]


@dataclass(frozen=True)
class Start:
    """One start of a thing."""

    lane: Lane
    began: float
    ready: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ready - self.began


@dataclass
class Case:
    """One class in one process, and what it started; without a name, what no class started."""

    name: str
    process: str
    own: Lane = field(default_factory=Lane)
    things: list[Lane] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Its name without its module."""
        return self.name.rpartition(".")[2] or "outside of classes"

    @property
    def lanes(self) -> list[Lane]:
        """All its lanes, its own before the others."""
        return [self.own, *self.things] if self.own.spans else self.things

    @property
    def began(self) -> float:
        """The moment of its first span."""
        return min(span.began for lane in self.lanes for span in lane.spans)

    @property
    def tests(self) -> int:
        """How many tests it ran."""
        return len({span.what for span in self.own.spans if span.phase == "tests"})


@dataclass
class Run:
    """The processes of one command."""

    cases: list[Case]
    processes: int

    @property
    def spans(self) -> list[Span]:
        """All there is."""
        return [span for case in self.cases for lane in case.lanes for span in lane.spans]

    @property
    def began(self) -> float:
        """The moment at which the first span begins."""
        return min(span.began for span in self.spans)

    @property
    def ended(self) -> float:
        """The moment at which the last span ends."""
        return max(span.ended for span in self.spans)

    @property
    def seconds(self) -> float:
        """How long it took, from the first thing that was measured to the last."""
        return self.ended - self.began


def read(path: Path) -> list[Run]:
    """The runs in a file, the oldest first.

    Raises:
        NoTimings: the file cannot be read, or is none of ours.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NoTimings(
            f"{path} cannot be read ({error}): name the file that TCUNIT_TIMINGS named"
        ) from error
    try:
        flushes = [json.loads(line) for line in text.splitlines() if line.strip()]
        runs = [_run(each) for each in _by_run(flushes)]
    except (ValueError, KeyError, TypeError) as error:
        raise NoTimings(
            f"{path} holds no timings of tcunit ({type(error).__name__}: {error}): name the file "
            f"that TCUNIT_TIMINGS named"
        ) from error
    found = sorted((run for run in runs if run.spans), key=lambda run: run.began)
    if not found:
        raise NoTimings(
            f"{path} holds no timings: run tests that start containers with TCUNIT_TIMINGS={path}"
        )
    return found


def _by_run(flushes: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for flush in flushes:
        found.setdefault(flush["group"], []).append(flush)
    return list(found.values())


def _run(flushes: Sequence[dict[str, Any]]) -> Run:
    cases: dict[tuple[str, str], Case] = {}
    lanes: dict[tuple[str, str, str], Lane] = {}
    pids = {flush["pid"] for flush in flushes}
    for flush in flushes:
        process = (flush["worker"] or f"process {flush['pid']}") if len(pids) > 1 else ""
        for facts in flush["things"]:
            _described(_lane(cases, lanes, facts["case"], process, facts["thing"]), facts)
        for phase, case, thing, began, seconds, what in flush["spans"]:
            lane = _lane(cases, lanes, case, process, thing)
            lane.spans.append(Span(phase, float(began), float(seconds), what))
    for lane in lanes.values():
        lane.spans.sort(key=lambda span: span.began)
    for case in cases.values():
        case.things = [lane for lane in case.things if lane.spans]
        case.things.sort(key=lambda lane: lane.spans[0].began)
    filled = [case for case in cases.values() if case.lanes]
    first: dict[str, float] = {}
    for case in filled:
        first[case.process] = min(case.began, first.get(case.process, case.began))
    filled.sort(key=lambda case: (first[case.process], case.process, not case.name, case.began))
    return Run(filled, len(pids))


def _lane(
    cases: dict[tuple[str, str], Case],
    lanes: dict[tuple[str, str, str], Lane],
    name: str,
    process: str,
    thing: str,
) -> Lane:
    case = cases.setdefault((process, name), Case(name, process))
    key = (process, name, thing)
    if key not in lanes:
        lanes[key] = Lane(thing) if thing else case.own
        if thing:
            case.things.append(lanes[key])
    return lanes[key]


def _described(lane: Lane, facts: dict[str, Any]) -> None:
    lane.kind, lane.image, lane.scope = facts["kind"], facts["image"], facts["scope"]
    lane.needs, lane.insists = frozenset(facts["needs"]), frozenset(facts["insists"])
