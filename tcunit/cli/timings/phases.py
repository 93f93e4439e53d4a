"""The phases, in the order of a life, with what each one means and how it is drawn."""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """A phase's meaning, the letter and the colour it has in a terminal."""

    meaning: str
    letter: str
    colour: str


PHASES = {
    "start-up": Look("the class waits for what it declares", "-", "grey50"),
    "connect": Look("the engine is looked for", "e", "grey70"),
    "arm": Look("the reapers are armed", "a", "grey70"),
    "prepare": Look("networks and values are looked up", "l", "grey70"),
    "pull": Look("the image is looked up, and pulled if it is missing", "p", "magenta"),
    "create": Look("the engine creates it", "c", "cyan"),
    "start": Look("the engine starts it", "s", "blue"),
    "wait": Look("it runs and is not ready yet", "w", "yellow"),
    "reset": Look("its state is brought back between tests", "r", "bright_magenta"),
    "tests": Look("tests run", "t", "green"),
    "tear-down": Look("it is removed", "d", "red"),
}

UP = "up"
"""Drawn as a thin line: a thing is ready, from its start to its tear-down."""

COLUMNS = {
    "pull": ("pull",),
    "create": ("create",),
    "start": ("start",),
    "wait": ("wait",),
    "reset": ("reset",),
    "tear-down": ("tear-down",),
    "other": ("arm", "prepare"),
}
"""The columns of the table of things, and the phases that are summed up in each."""


def seconds(value: float) -> str:
    """A time as people say it: ``1.24 s``, ``85 ms``."""
    if value >= 9.995:
        return f"{value:.1f} s"
    return f"{value:.2f} s" if value >= 0.9995 else f"{value * 1000:.0f} ms"
