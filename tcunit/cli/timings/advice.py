"""What the timings say: which things a class waited for, and what could be saved, and how.

Everything here is pure. What is saved is worked out from the graph: the start is laid out again
without the thing in question, where everything else takes as long as it did.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from .recorded import Case, Run, Start

LEAST = 0.1  # seconds that an advice must save
LEAST_SHARE = 0.01  # of the whole run
LATE = 0.1  # seconds after its turn, from which on a start counts as queued


@dataclass(frozen=True)
class Advice:
    """What to do, and about how many seconds it saves."""

    saves: float
    text: str


def starts_of(case: Case) -> list[Start]:
    """The starts that a class waited for as a whole, one a thing."""
    waited = [each for each in case.own.spans if each.phase == "start-up" and not each.what]
    if not waited:
        return []
    began, ended = waited[0].began, max(each.ended for each in waited)
    first = {
        lane.thing: start
        for lane in case.things
        if lane.scope != "test"
        for start in lane.starts[:1]
    }
    return [each for each in first.values() if began <= each.began and each.began < ended]


def critical(case: Case) -> list[Start]:
    """The chain of starts that decided how long the class waited, the first one first."""
    starts = starts_of(case)
    if not starts:
        return []
    chain = [max(starts, key=lambda start: start.ready)]
    while before := _before(chain[0], starts):
        chain.insert(0, max(before, key=lambda start: start.ready))
    return chain


def _before(start: Start, starts: Iterable[Start]) -> list[Start]:
    """Those that a start had to wait for: what it needs, or what is shared and starts first."""
    needed = [each for each in starts if each.lane.thing in start.lane.needs]
    if needed or start.lane.scope == "run":
        return needed
    shared = [each for each in starts if each.lane.scope == "run"]
    return [each for each in shared if each.ready <= start.began]


def length(
    starts: Collection[Start],
    ready: Collection[str] = (),
    without: tuple[str, str] = ("", ""),
) -> float:
    """How long a set takes to start, laid out anew.

    Args:
        ready: the things that are there already.
        without: a thing, and one that it needs, for which it does not wait here.
    """
    by_name = {start.lane.thing: start for start in starts}
    ends: dict[str, float] = {}

    def end(name: str) -> float:
        if name not in ends:
            start = by_name[name]
            needs = [each for each in start.lane.needs if each in by_name]
            waits = [end(each) for each in needs if (name, each) != without]
            ends[name] = 0.0 if name in ready else max(waits, default=0.0) + start.seconds
        return ends[name]

    return max(map(end, by_name), default=0.0)


def advice_for(run: Run) -> list[Advice]:
    """What could be done, the most useful first."""
    found: dict[str, float] = {}
    for each in (*_share(run), *_keep(run), *_unchain(run), *_pull(run), *_widen(run)):
        found[each.text] = found.get(each.text, 0.0) + each.saves  # the same in several processes
    least = max(LEAST, LEAST_SHARE * run.seconds)
    useful = [Advice(saves, text) for text, saves in found.items() if saves >= least]
    return sorted(useful, key=lambda each: -each.saves)


def _share(run: Run) -> Iterator[Advice]:
    """Things that several classes start for themselves."""
    places: dict[tuple[str, str, str, str], list[Case]] = {}
    for case in run.cases:
        for start in starts_of(case):
            lane = start.lane
            if lane.scope == "class":
                key = (case.process, lane.thing, lane.kind, lane.image)
                places.setdefault(key, []).append(case)
    groups: dict[tuple[int, ...], list[str]] = {}
    for (_, thing, *_rest), cases in places.items():
        groups.setdefault(tuple(map(id, cases)), []).append(thing)
    by_id = {id(case): case for case in run.cases}
    for ids, things in groups.items():
        sharing = [by_id[each] for each in ids]
        saves = sum(_shorter(starts_of(case), things) for case in sharing[1:])
        if len(sharing) > 1:
            where = f" of {sharing[0].process}" if sharing[0].process else ""
            yield Advice(saves, (
                f"{_listed(things)} {'are' if len(things) > 1 else 'is'} started anew by each of "
                f"{len(sharing)} classes{where}: declare once, in a base class, "
                f"with_scope(\"run\"), and with_reset() where tests change the state"
            ))  # fmt: skip


def _shorter(starts: Collection[Start], ready: Collection[str]) -> float:
    return length(starts) - length(starts, ready)


def _keep(run: Run) -> Iterator[Advice]:
    """Things that are started anew for each test."""
    for case in run.cases:
        things = [lane for lane in case.things if lane.scope == "test" and len(lane.starts) > 1]
        if not things:
            continue
        spent = [
            sum(span.seconds for span in case.own.spans if span.what and span.phase == phase)
            for phase in ("start-up", "tear-down")
        ]
        times = max(len(lane.starts) for lane in things)
        names = _listed([lane.thing for lane in things])
        yield Advice(sum(spent) * (times - 1) / times, (
            f"{case.title} starts {names} anew for each of {times} tests: leave "
            f"with_scope(\"test\") away, and let with_reset() bring the state back"
        ))  # fmt: skip


def _unchain(run: Run) -> Iterator[Advice]:
    """Things on the critical path that wait for another by choice."""
    for case in run.cases:
        starts, chain = starts_of(case), critical(case)
        for before, after in pairwise(chain):
            name, lane = before.lane.thing, after.lane
            if name not in lane.needs or name in lane.insists:
                continue
            yield Advice(length(starts) - length(starts, without=(lane.thing, name)), (
                f"{case.title} starts {lane.thing} only when {name} is ready: if {lane.thing} can "
                f"wait for {name} by itself, leave depends_on({name}) away"
            ))  # fmt: skip


def _pull(run: Run) -> Iterator[Advice]:
    """Images that were pulled."""
    longest: dict[str, float] = {}
    for case in run.cases:
        for lane in case.things:
            spans = [span.seconds for span in lane.spans if span.phase == "pull"]
            longest[lane.image] = max([longest.get(lane.image, 0.0), *spans])
    pulled = {image: spent for image, spent in longest.items() if spent >= LEAST and image}
    if pulled:
        yield Advice(max(pulled.values()), (
            f"the run waited for {_listed(sorted(pulled))} to be pulled: keep images between runs, "
            f"or pull them while something else is prepared"
        ))  # fmt: skip


def _widen(run: Run) -> Iterator[Advice]:
    """Starts whose turn had come, but which waited for another to end."""
    for case in run.cases:
        starts = starts_of(case)
        late = [(start.began - _turn(start, starts), start) for start in starts]
        queued = [each for each in late if each[0] > LATE]
        if queued:
            yield Advice(max(queued, key=lambda each: each[0])[0], (
                f"{len(queued)} things of {case.title} waited for their turn: try a larger "
                f"TCUNIT_START_WIDTH"
            ))  # fmt: skip


def _turn(start: Start, starts: Collection[Start]) -> float:
    needed = [each.ready for each in _before(start, starts)]
    same = [each.began for each in starts if each.lane.scope == start.lane.scope]
    return max(needed, default=min(same))


def _listed(names: list[str]) -> str:
    """Names in a sentence; those of many are left out."""
    if len(names) > 5:
        names = [*names[:4], f"{len(names) - 4} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
