"""Removing what a session left on an engine.

What a listing shows may not be removable yet, and a create that was under way may appear after the
first listing. So a sweep looks again until nothing has been seen for a while.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Collection, Iterator, Sequence

from .._docker import KINDS, Engine, Resource
from .._session import LABEL_ROOT, NAME_LABEL, SESSION_LABEL, bears_its_name
from ..errors import EngineError
from ..jobs import side_by_side

QUIET = 0.5
UNANSWERED = 5.0
LIMIT = 120.0
PAUSE, LONG_PAUSE = 0.05, 1.0
WIDTH = 8  # how many are removed at once

RYUK_OF_LABEL = f"{LABEL_ROOT}.ryuk-of"


def ryuk_name(session: str) -> str:
    """The name of a session's Ryuk container."""
    return f"testcontainers-ryuk-{session}"


def left_by(engine: Engine, session: str) -> list[Resource]:
    """What a session has on an engine, those things only that bear the name of their label."""
    return [each for each in engine.labelled(f"{SESSION_LABEL}={session}") if is_named(each)]


def is_named(resource: Resource) -> bool:
    """Whether a resource bears the name of its label, which a copy of its labels does not."""
    return bears_its_name(resource.name, resource.labels)


def name_told(resource: Resource) -> str:
    """The name under which a resource was announced: that of its label, if it has one."""
    return resource.labels.get(NAME_LABEL, resource.name)


def ryuks_of(engine: Engine, session: str = "") -> list[Resource]:
    """The Ryuk containers of a session of tcunit, or of all sessions."""
    found = engine.labelled(f"{RYUK_OF_LABEL}={session}" if session else RYUK_OF_LABEL)
    return [
        each
        for each in found
        if each.kind == "container" and each.name == ryuk_name(each.labels[RYUK_OF_LABEL])
    ]


def remove_all(engine: Engine, resources: Sequence[Resource]) -> list[tuple[Resource, EngineError]]:
    """Remove resources, containers first; returns those that could not be removed yet, and why."""
    left: list[tuple[Resource, EngineError]] = []

    def try_to_remove(resource: Resource) -> None:
        try:
            remove(engine, resource)
        except EngineError as error:
            left.append((resource, error))

    for kind in KINDS:
        these = [each for each in resources if each.kind == kind]
        jobs = [functools.partial(try_to_remove, each) for each in these]
        if errors := side_by_side(jobs, WIDTH):
            raise errors[0]
    return left


def patiently(connect: Callable[[], Engine]) -> Engine | None:
    """Connect to an engine that may be restarting; ``None`` after two minutes of trying."""
    for _ in _tries():
        with contextlib.suppress(EngineError):
            return connect()
    return None


def _tries() -> Iterator[None]:
    """Tries for two minutes: one soon after the other, then at a tenth of the time that went by.

    What is gone for good, an engine or what it will not remove, costs others little by that.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < LIMIT:
        yield
        time.sleep(min(max(PAUSE, waited / 10), LONG_PAUSE))


def sweep(
    engine: Engine, session: str, unanswered: Collection[str] = (), kept: Collection[str] = ()
) -> list[Resource]:
    """Remove all that a dead session left; returns what is left after two minutes of trying.

    Its Ryuk goes last, when nothing is left that it could be needed for.

    Args:
        unanswered: names whose create was under way; they are looked out for longer.
        kept: names of what is to stay.
    """
    awaited = set(unanswered)
    quiet_since = time.monotonic()
    seen: list[Resource] = []
    for _ in _tries():
        try:
            seen = [each for each in left_by(engine, session) if name_told(each) not in kept]
            ryuks = [] if seen else ryuks_of(engine, session)
        except EngineError:  # the engine may be restarting
            continue
        awaited -= {name_told(each) for each in [*seen, *ryuks]}
        if seen:
            remove_all(engine, seen)
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since >= (UNANSWERED if awaited else QUIET):
            seen = [each for each, _ in remove_all(engine, ryuks)]
            if not seen:
                return []
    return seen


def remove(engine: Engine, resource: Resource) -> None:
    """Remove a resource; an image that somebody else's container uses only loses its name."""
    name = resource.name if resource.kind == "image" else resource.id
    engine.remove(resource.kind, name, force=True)
