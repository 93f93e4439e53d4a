"""Sharing between processes and runs: one container or network for all that declare the same.

What is shared is found again by the hash of its whole declaration, which is in its name and in a
label. It belongs to no session. To enter is to be its user, by a lock that the kernel gives back
when this process dies; the last user removes it, or keeps it for the next run where the setting
allows that. Nothing that is shared may need what is not.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import IO

from . import _session
from ._docker import Engine
from .errors import DeclarationError, EngineError, StartCancelled, StartError
from .lifecycle.declared import Declared, Launch
from .lifecycle.ledger import Entry, ledger
from .reapers.shares import (
    Share,
    Turn,
    discard,
    domain,
    leave,
    make_room,
    record_of,
    release,
    take_turn,
)
from .reapers.sweep import is_named
from .settings import REUSE, Settings

NO_PLACE = "with_reuse() needs a place for its locks"


class Shared(Entry):
    """This process's part in a share; to remove it is to leave it, and the last one removes it.

    Args:
        label: how messages call it.
        place: where it was declared; what was made earlier of that declaration goes first.
    """

    def __init__(self, engine: Engine, share: Share, label: str, place: str = "") -> None:
        super().__init__(engine, share.kind, share.name)
        self.share, self.label, self._place = share, label, place
        self._hold: IO[bytes] | None = None
        self._turn: Turn | None = None
        self._is_over = False

    @property
    def labels(self) -> dict[str, str]:
        """The labels that it has on the engine."""
        return _session.shared_labels(self.name, self.share.hash, self._place)

    def enter(self, launch: Launch, fits: Callable[[str], bool]) -> bool:
        """Become a user; whether it is there already.

        It is not returned to others before :meth:`ready` is called. One that is there, but dead or
        never finished, is removed first.

        Args:
            fits: whether what has this id is there and can be used.

        Raises:
            StartError: it cannot be used, and others do.
            StartCancelled: the start was given up meanwhile.
        """
        ledger.share(self, self.share)
        try:
            turn = take_turn(self.share.hash, lambda: launch.admit(self.label))
            assert turn is not None  # without a limit
            self._turn = turn
            if self._is_over:
                turn.end()
                raise StartCancelled(f"{self.label} was not started, because the process ends")
            self._hold = turn.use()
        except OSError as error:
            raise StartError(f"{self.label}: {NO_PLACE}: {error}") from error
        if turn.record.ready and fits(turn.record.ready):
            self.id = turn.record.ready
            self.ready()
            return True
        self._make_room(turn)
        return False

    def ready(self) -> None:
        """Let others use it, too."""
        if self._turn is not None:
            self._turn.record.ready, self._turn.record.making = self.id, False
            self._turn.end()
            self._turn = None

    def failed(self) -> None:
        """Do not keep it for the next run, also if it was kept from an earlier one."""
        self.share = dataclasses.replace(self.share, keep=False)

    def remove(self) -> None:
        """Leave; the last one removes it, or keeps it for the next run."""
        self._is_over = True
        turn, self._turn = self._turn, None
        if self._hold is None:
            if turn is not None:
                turn.end()
            return
        release(self._hold)
        leave(self.engine, self.share, turn)
        self._hold = None

    def _make_room(self, turn: Turn) -> None:
        """Remove what is there and cannot be used, and what was made of an earlier declaration."""
        assert self._hold is not None  # we are a user, and in our turn
        release(self._hold)
        is_free = make_room(self.engine, self.share, turn)
        self._hold = turn.use()
        if not is_free:
            raise StartError(
                f"{self.label}: {self.name}, which other processes use now, is not there or does "
                f"not run any more: end those processes ('python -m tcunit ps' shows it), and the "
                f"next one makes a new one"
            )
        remove_earlier(self.engine, self._place, self.share.hash)


def share_of(
    kind: str, stem: str, declaration: str, settings: Settings, name: str | None = None
) -> Share:
    """What a declaration with this hash is called and how it ends."""
    called = name or _session.shared_name(stem, declaration)
    return Share(kind, called, declaration, keep=settings.get(REUSE))


def where_shared(engine: Engine, label: str) -> dict[str, str]:
    """Who can share at all: those with the same engine and the same locks."""
    try:
        return {"engine": engine.url, "domain": domain()}
    except OSError as error:
        raise StartError(f"{label}: {NO_PLACE}: {error}") from error


def remove_earlier(engine: Engine, place: str, declaration: str) -> None:
    """Remove what was made of the same declaration before it was changed, if nobody uses it."""
    if not place:
        return
    for each in engine.labelled(f"{_session.PLACE_LABEL}={place}"):
        other = each.labels.get(_session.REUSE_LABEL, "")
        if not is_named(each) or other in ("", declaration) or record_of(other) is None:
            continue
        if (turn := take_turn(other, limit=0)) is not None:
            with turn, contextlib.suppress(EngineError):
                discard(engine, Share(each.kind, each.name, other), turn)


def check_shared(graph: Mapping[Declared, Iterable[Declared]]) -> None:
    """Refuse what is shared but needs what is not."""
    for thing, needed in graph.items():
        for each in needed:
            refuse_unshared(thing, each)


def refuse_unshared(thing: Declared, needed: object) -> None:
    """Refuse one need of what is shared that belongs to one process alone."""
    if thing.is_shared and isinstance(needed, Declared) and not needed.is_shared:
        raise DeclarationError(
            f"{thing.label} is shared with other processes, but needs {needed.label}, which "
            f"belongs to one of them alone: give that one with_reuse(), too"
        )


_implied: list[bool] = []


def share_run_scope() -> None:
    """Share what lives for the run with other processes that do the same, where that is safe.

    For worker processes that run the classes of one suite. From now on, a container with scope
    ``run`` counts as declared ``with_reuse()``, unless it is reset between tests or needs something
    that is not shared; networks are shared only if they say so.
    """
    _implied[:] = [True]


def is_run_scope_shared() -> bool:
    """Whether :func:`share_run_scope` was called."""
    return bool(_implied)
