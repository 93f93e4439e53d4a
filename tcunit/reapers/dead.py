"""What sessions have left on an engine, and which of them are dead for certain.

A lock that nobody holds belongs to a dead session. Of a session without a lock on this machine
nothing is known: it may live on another one, or in a container. The same holds for what processes
share, and for the locks of its users.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .._docker import Engine, Resource
from .._session import REUSE_LABEL, SESSION_LABEL
from ..errors import EngineError
from .lock import folder, is_alive, lock_path
from .shares import Record, Share, discard, record_of, take_turn
from .sweep import RYUK_OF_LABEL, is_named, remove_all, ryuks_of

TURN_LIMIT = 1.0  # who has it longer is making or using what it is about


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
    left = [each for each, _ in remove_all(engine, remains.resources)]
    if not left:
        lock_path(remains.session).unlink(missing_ok=True)
    return left


def remove_dead(engine: Engine) -> None:
    """Remove what sessions left that are dead for certain."""
    for remains in all_remains(engine):
        if remains.is_alive is False:
            remove_remains(engine, remains)
    for shared in all_shared(engine):
        if shared.record is not None and not shared.record.kept:
            remove_shared(engine, shared)


def remove_stale_locks(engine: Engine) -> None:
    """Remove the locks of dead sessions that have nothing on an engine."""
    kept = {remains.session for remains in all_remains(engine)}
    for path in folder().glob("*.lock"):
        if path.stem not in kept and is_alive(path.stem) is False:
            path.unlink(missing_ok=True)
    there = {shared.resource.labels[REUSE_LABEL] for shared in all_shared(engine)}
    for path in folder().glob("*.share"):
        if path.stem not in there:
            _forget_share(engine, path.stem)


def _forget_share(engine: Engine, declaration: str) -> None:
    """Remove the files of what was shared on this engine and is gone, unless somebody makes it."""
    if (turn := take_turn(declaration, limit=0)) is None:
        return
    with turn:
        alone = turn.alone() if turn.record.engine in (engine.url, "") else None
        if alone is not None:
            turn.forget()
            alone.close()


# -- shared ----------------------------------------------------------------------------------------


@dataclass
class SharedRemains:
    """Something that processes share, and what is known of it; ``None``: nothing, here."""

    resource: Resource
    record: Record | None


def all_shared(engine: Engine) -> list[SharedRemains]:
    """What processes share on an engine, containers before networks."""
    found = [each for each in engine.labelled(REUSE_LABEL) if is_named(each)]
    return [SharedRemains(each, record_of(each.labels[REUSE_LABEL])) for each in found]


def remove_shared(engine: Engine, shared: SharedRemains) -> bool:
    """Remove what nobody uses, also if it was kept for a next run; false if it is still there."""
    resource, declaration = shared.resource, shared.resource.labels[REUSE_LABEL]
    if shared.record is None:
        return not remove_all(engine, [resource])
    turn = take_turn(declaration, limit=TURN_LIMIT)
    if turn is None:
        return False
    with turn:
        try:
            return discard(engine, Share(resource.kind, resource.name, declaration), turn)
        except EngineError:
            return False
