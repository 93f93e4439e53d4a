"""What sessions have left on an engine, and which of them are dead for certain.

A lock that nobody holds belongs to a dead session. Of a session without a lock on this machine
nothing is known: it may live on another one, or in a container.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .._docker import Engine, Resource
from .._session import SESSION_LABEL
from .lock import folder, is_alive, lock_path
from .sweep import RYUK_OF_LABEL, is_named, remove_all, ryuks_of


@dataclass
class Remains:
    """What one session has on an engine, and whether it lives; ``None``: nobody here knows."""

    session: str
    is_alive: bool | None
    resources: list[Resource] = field(default_factory=list)


def all_remains(engine: Engine) -> list[Remains]:
    """What each session of tcunit has on an engine, its Ryuk included."""
    found: dict[str, Remains] = {}
    for session, resource in _owned(engine):
        if session not in found:
            found[session] = Remains(session, is_alive(session))
        found[session].resources.append(resource)
    return [found[session] for session in sorted(found)]


def _owned(engine: Engine) -> Iterator[tuple[str, Resource]]:
    for resource in engine.labelled(SESSION_LABEL):
        if is_named(resource):
            yield resource.labels[SESSION_LABEL], resource
    for ryuk in ryuks_of(engine):
        yield ryuk.labels[RYUK_OF_LABEL], ryuk


def remove_remains(engine: Engine, remains: Remains) -> list[Resource]:
    """Remove what a session left, unless it lives; returns what could not be removed."""
    if is_alive(remains.session):
        return remains.resources
    left = remove_all(engine, remains.resources)
    if not left:
        lock_path(remains.session).unlink(missing_ok=True)
    return left


def remove_dead(engine: Engine) -> None:
    """Remove what sessions left that are dead for certain."""
    for remains in all_remains(engine):
        if remains.is_alive is False:
            remove_remains(engine, remains)


def remove_stale_locks(engine: Engine) -> None:
    """Remove the locks of dead sessions that have nothing on an engine."""
    kept = {remains.session for remains in all_remains(engine)}
    for path in folder().glob("*.lock"):
        if path.stem not in kept and is_alive(path.stem) is False:
            path.unlink(missing_ok=True)
