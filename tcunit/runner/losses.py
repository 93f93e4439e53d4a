"""What is reported of a worker that died, and what of its unit can still run. Pure."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any
from unittest.util import strclass

from ..errors import WorkerDied
from .plan import Unit
from .replay import Event, Reference


@dataclass
class Progress:
    """How far a worker has come in its unit, by what it told."""

    begun: list[int] = field(default_factory=list)
    running: Reference | None = None

    def note(self, event: Event) -> None:
        """Follow what is told."""
        if event[0] == "startTest":
            self.running = event[1]
            if isinstance(event[1], int):
                self.begun.append(event[1])
        elif event[0] == "stopTest":
            self.running = None


def loss_of(unit: Unit, progress: Progress, end: str) -> tuple[list[Event], Unit | None]:
    """What is reported, and what can still run, of a unit whose worker has died.

    Args:
        end: how the worker ended, as in ``ended with exit code 3``.
    """
    running, begun = progress.running, progress.begun
    place = running if isinstance(running, int) else (begun[-1] + 1 if begun else 0)
    cls = type(unit.tests[min(place, len(unit.tests) - 1)])
    rest, after = unit.rest_after(cls)
    left = len([number for number in range(place, after) if number not in begun])
    where, told = _where(unit, place, cls)
    if running is not None:
        where, told = "in the middle of this test", running
    more = f"; after it, {tests(left)} not run" if left else ""
    events: list[Event] = [("addError", told, error_text(f"the process {end} {where}{more}"))]
    if running is not None:
        events.append(("stopTest", told))
    return events, rest


def _where(unit: Unit, place: int, cls: type) -> tuple[str, Reference]:
    name = strclass(cls)
    if place >= len(unit.tests):
        return f"after the last test of {name}", f"tearDownClass ({name})"
    if place == 0 or type(unit.tests[place - 1]) is not cls:
        return f"before the first test of {name}", f"setUpClass ({name})"
    return f"between two tests of {name}", name


def tests(number: int) -> str:
    """How many tests were, as a sentence begins."""
    return f"{number} test was" if number == 1 else f"{number} tests were"


def error_text(message: str) -> str:
    """An error as it prints where nothing was raised here."""
    error: Any = WorkerDied(message)
    return "".join(traceback.format_exception_only(error))
