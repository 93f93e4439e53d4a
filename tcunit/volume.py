"""Volumes that users declare or name.

A volume that this process made has our labels and is removed by it. One that was there before is
somebody else's: it is used and left alone. Which of the two it is, the answer to the create says.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _session
from ._docker import Engine
from .errors import DeclarationError, EngineError, StartError
from .lifecycle.alone import CreatesAlone
from .lifecycle.declared import Launch
from .lifecycle.ledger import VOLUME, Entry, ledger
from .request import NAME
from .running import not_started


class Volume(CreatesAlone):
    """A volume for some containers, removed at the end with what is in it.

    Args:
        name: a fixed name; by default it has one of its own. If a volume of that name exists
            already, that one is used, and not removed.
        driver: the volume driver.
        options: the driver's options.
        labels: further labels.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        driver: str = "local",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        if name is not None and (not isinstance(name, str) or not re.fullmatch(NAME, name)):
            raise DeclarationError(
                f"{name!r} is no name of a volume: letters, digits and _.- only; a path is mounted "
                f"with with_volume_mapping(path, …)"
            )
        _session.check_labels(labels or {})
        self._name = name
        self._labels = dict(labels or {})
        self._options: dict[str, Any] = {"driver": driver, "driver_opts": dict(options or {})}
        self._reset()

    def __repr__(self) -> str:
        return f"<Volume {self._hold.name if self._hold else self._attribute or self._name or ''}>"

    def _reset(self) -> None:
        self._hold: Hold | None = None
        self._is_started = False

    @property
    def is_started(self) -> bool:
        """Whether it exists on the engine."""
        return self._is_started

    @property
    def label(self) -> str:
        """How messages call it."""
        return self._attribute or self._name or "volume"

    @property
    def name(self) -> str:
        """Its name on the engine."""
        if self._hold is None or not self._is_started:
            raise not_started(f"the volume {self._attribute}".rstrip())
        return self._hold.name

    @property
    def was_there(self) -> bool:
        """Whether it existed before, and so is not removed."""
        return bool(self.name) and self._hold is not None and self._hold.entry is None

    # -- alone ------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Remove it, unless it existed before."""
        super().remove()

    # -- in a set ---------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Nothing is left to settle."""

    @property
    def is_apart(self) -> bool:
        """It is, unless its name is fixed."""
        return self._name is None

    def needs(self) -> Iterable[Any]:
        """Nothing."""
        return ()

    def launch(self, launch: Launch) -> None:
        """Create it, or take the one that has its name."""
        owner = launch.owner or self._declared_in
        name = self._name or _session.resource_name(owner, self._attribute or "volume")
        launch.admit(self.label)
        self._hold = Hold(launch.engine, name)
        self._hold.take(self._labels, self._options)
        self._is_started = True

    def release(self) -> None:
        """Remove it, if it was made here and nobody else here uses it."""
        hold, self._hold, self._is_started = self._hold, None, False
        if hold is not None:
            hold.let_go()

    def kept(self) -> Iterable[Entry]:
        """What stays on the engine when it is kept: itself, if it was made here."""
        return self._hold.kept() if self._hold is not None else []


@dataclass(eq=False)
class Hold:
    """One use of a volume; the last one in this process ends the volume that the first one made."""

    engine: Engine
    name: str
    entry: Entry | None = None

    def take(self, labels: Mapping[str, str], options: Mapping[str, Any]) -> None:
        """Create the volume, unless it is there.

        Raises:
            StartError: the engine refused it.
        """
        with _holds.lock:
            users = _holds.of(self)
            if users:
                self.entry = users[0].entry
            else:
                self._create({**labels, **_session.labels(self.name)}, options)
            users.append(self)

    def _create(self, labels: Mapping[str, str], options: Mapping[str, Any]) -> None:
        try:
            with ledger.creating(self.engine, VOLUME, self.name) as self.entry:
                found = self.engine.create_volume(self.name, labels, options)
                self.entry.id = self.name
        except EngineError as error:
            raise StartError(f"the volume {self.name} could not be created: {error}") from error
        if not _session.is_ours(self.name, found):
            ledger.forget(self.entry)
            self.entry = None

    def let_go(self) -> None:
        """End this use."""
        with _holds.lock:
            users = _holds.of(self)
            if self in users:
                users.remove(self)
            if self.entry is not None and not users:
                ledger.remove(self.entry)

    def keep(self) -> None:
        """Let the volume stay on the engine, whoever else here uses it."""
        with _holds.lock:
            if self.entry is not None:
                ledger.keep(self.entry)
            for user in [self, *_holds.of(self)]:
                user.entry = None

    def kept(self) -> list[Entry]:
        """The volume, if it was made here."""
        return [self.entry] if self.entry is not None and self.entry.id else []


@dataclass
class Holds:
    """Who uses which volume, in this process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    _users: dict[tuple[str, str], list[Hold]] = field(default_factory=dict)

    def of(self, hold: Hold) -> list[Hold]:
        """The users of the same volume."""
        return self._users.setdefault((hold.engine.url, hold.name), [])

    def abandon(self) -> None:
        """In a forked child: all of it is the parent's."""
        self.lock = threading.Lock()
        self._users.clear()


_holds = Holds()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_holds.abandon)
