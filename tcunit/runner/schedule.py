"""Which worker runs what, and in which order it is reported. Pure.

Units are handed out in the order of the suite. A worker that runs one has the next ones reserved,
so that it can start their containers ahead; a worker that would be idle takes a reserved one away.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from .plan import Unit


class Schedule:
    """The units that wait, and those that are reserved.

    Args:
        workers: how many there are to be.
    """

    def __init__(self, units: Iterable[Unit], workers: int, lookahead: int) -> None:
        self.order = list(units)
        self._waiting = list(self.order)
        self._workers, self._lookahead = workers, lookahead
        self._reserved: dict[Hashable, list[Unit]] = {}

    @property
    def has_waiting(self) -> bool:
        """Whether there is something that is not reserved for a worker."""
        return bool(self._waiting)

    def next_for(self, worker: Hashable) -> tuple[Unit | None, list[Unit]]:
        """What a worker is to run now, if anything is left, and what it may expect after that."""
        own = self._reserved.setdefault(worker, [])
        if not own:
            own += self._waiting[:1] or self._taken_away()
            del self._waiting[:1]
        unit = own.pop(0) if own else None
        # What others will ask for in a moment is not to be started ahead here.
        spare = len(self._waiting) - max(self._workers - len(self._reserved), 0)
        more = min(self._lookahead - len(own), spare)
        if more > 0:
            own += self._waiting[:more]
            del self._waiting[:more]
        return unit, list(own)

    def _taken_away(self) -> list[Unit]:
        """The last unit of the longest reservation."""
        longest = max(self._reserved.values(), key=len)
        return [longest.pop()] if longest else []

    def lost(self, worker: Hashable, unit: Unit | None = None, rest: Unit | None = None) -> None:
        """A worker is gone: what was reserved for it waits again, and the rest of what it ran."""
        self._waiting[:0] = self._reserved.pop(worker, [])
        if unit is not None and rest is not None:
            self.order.insert(self.order.index(unit) + 1, rest)
            self._waiting.insert(0, rest)

    def cut_after(self, unit: Unit) -> list[Unit]:
        """Hand out nothing that comes after a unit; all of that, as a list."""
        late = self.order[self.order.index(unit) + 1 :]
        for units in (self._waiting, *self._reserved.values()):
            units[:] = [each for each in units if each not in late]
        return late

    def stop(self) -> None:
        """Hand out nothing more."""
        for units in (self._waiting, *self._reserved.values()):
            units.clear()
