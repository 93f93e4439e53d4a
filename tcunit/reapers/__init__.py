"""The third net of clean-up: who removes what a killed process left.

``guard`` is a local process that waits for our death; ``ryuk`` is the container that all
Testcontainers use. Both learn of a session before its first resource exists; they are chosen in
:func:`arm` and nowhere else. Neither ever touches a session that lives, nor a resource that lacks
the session's label or bears another name than its name label says. What processes share belongs to
no session: ``shares`` says who of its users removes it, and the guard acts for one that was killed.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Protocol

from .._docker import Engine
from ..settings import REAPERS, Settings
from .guard import Guard
from .lock import SessionLock
from .ryuk import Ryuk
from .shares import Share


class Reaper(Protocol):
    """What each net can be told."""

    name: str

    def arm(self, engine: Engine) -> None:
        """Take charge of this session on an engine; must return at once."""

    def announce(self, engine: Engine, kind: str, name: str) -> None:
        """A resource is about to be created."""

    def mark(self, name: str) -> None:
        """The create of a resource was answered."""

    def forget(self, name: str) -> None:
        """A resource is removed, or was never made."""

    def keep(self, name: str) -> None:
        """A resource is to outlive this process, and the net as well."""

    def share(self, engine: Engine, share: Share) -> None:
        """This process is about to use what others use, too; ends with :meth:`forget`."""

    def proceed(self) -> None:
        """What the tests wait for has started: whatever was put off for it can be done now."""

    def disarm(self) -> None:
        """The process ends in order. Whoever finds the session empty may go."""

    def abandon(self) -> None:
        """Let go without a word, in a forked child: all of it is the parent's."""

    def status(self) -> str:
        """Whether it is armed, and if not, why."""
        ...


@dataclass
class Reapers:
    """The nets of one process."""

    _nets: list[Reaper] | None = None
    _lock: SessionLock | None = None
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, engine: Engine, settings: Settings) -> None:
        """Arm what the settings name, once per process and engine."""
        with self._mutex:
            if self._nets is None:
                self._begin(settings)
            for net in self._nets or ():
                net.arm(engine)

    def _begin(self, settings: Settings) -> None:
        chosen = settings.get(REAPERS)
        self._lock = SessionLock.acquire()
        self._nets = []
        if "guard" in chosen:
            self._nets.append(Guard())
        if "ryuk" in chosen:
            # Its container is a resource that the guard has to know, too.
            self._nets.append(Ryuk(settings, self, at_once="guard" not in chosen))

    def announce(self, engine: Engine, kind: str, name: str) -> None:
        """Tell each net what is about to be created."""
        for net in self._nets or ():
            net.announce(engine, kind, name)

    def mark(self, name: str) -> None:
        """Tell each net that a create was answered."""
        for net in self._nets or ():
            net.mark(name)

    def forget(self, name: str) -> None:
        """Tell each net that something is gone."""
        for net in self._nets or ():
            net.forget(name)

    def keep(self, name: str) -> None:
        """Tell each net that something is to stay, however this process ends."""
        for net in self._nets or ():
            net.keep(name)

    def share(self, engine: Engine, share: Share) -> None:
        """Tell each net what this process is about to share."""
        for net in self._nets or ():
            net.share(engine, share)

    def proceed(self) -> None:
        """Tell each net that what the tests wait for has started."""
        for net in self._nets or ():
            net.proceed()

    def disarm(self, *, is_clean: bool) -> None:
        """End the nets of a process that ends in order, the guard last.

        Args:
            is_clean: nothing is left that a later sweep would have to know for a dead session's.
        """
        with self._mutex:
            for net in (self._nets or [])[::-1]:
                net.disarm()
            self._nets = None
            if self._lock is not None:
                self._lock.release(forget=is_clean)
                self._lock = None

    def status(self) -> dict[str, str]:
        """Each net's name, and whether it is armed; empty before the first resource."""
        return {net.name: net.status() for net in self._nets or ()}

    def abandon(self) -> None:
        """In a forked child: nothing of this is ours."""
        nets, self._nets = self._nets, None
        self._mutex = threading.Lock()
        for net in nets or ():
            net.abandon()
        if self._lock is not None:
            self._lock.abandon()
            self._lock = None


reapers = Reapers()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reapers.abandon)


def status() -> dict[str, str]:
    """Which nets are armed in this process: ``{"guard": "armed", "ryuk": "not armed: …"}``."""
    return reapers.status()
