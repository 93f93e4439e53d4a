"""``ps``: lists what tcunit has on the engine: of which session, how old, and who shares it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .._docker import Engine, Resource, find_engine
from ..reapers.dead import SharedRemains, all_remains, all_shared

TITLES = ("NAME", "KIND", "STATE", "AGE", "OF")
_WORDS = {True: "lives", False: "dead", None: "unknown here"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def add(commands: Any) -> None:
    """Declare the command."""
    what = "list what tcunit has on the engine, and who uses it"
    parser = commands.add_parser("ps", help=what, description=what.capitalize() + ".")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a table, or that there is nothing."""
    lines = list(rows(find_engine()))
    if lines:
        print("\n".join(table([TITLES, *lines])))
    else:
        print("nothing is there")
    return 0


def rows(engine: Engine) -> Iterator[Sequence[str]]:
    """What there is, that of one session together, and what is shared at the end."""
    now = engine.time()
    for remains in all_remains(engine):
        of = f"session {remains.session[:8]} ({_WORDS[remains.is_alive]})"
        for each in remains.resources:
            yield _row(each, now, of)
    for shared in all_shared(engine):
        yield _row(shared.resource, now, f"shared ({use_of(shared)})")


def use_of(shared: SharedRemains) -> str:
    """Who uses what is shared."""
    if shared.record is None:
        return "unknown: it has no lock on this machine"
    users = len(set(shared.record.living_users))
    if users:
        return f"used by {users} session{'s' * (users > 1)}"
    return "kept for the next run" if shared.record.kept else "used by nobody"


def table(lines: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines with their columns below each other."""
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        words = (word.ljust(width) for word, width in zip(line, widths, strict=True))
        yield "  ".join(words).rstrip()


def age(seconds: float) -> str:
    """A time in its largest unit."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "0 s"


def _row(resource: Resource, now: float, of: str) -> Sequence[str]:
    old = age(now - resource.created) if resource.created else ""
    return resource.name, resource.kind, resource.state, old, of
