"""The reaper that all Testcontainers have: a Ryuk container on each engine that is used."""

from __future__ import annotations

import os
import threading

from .._docker import Engine
from ..settings import KEEP, RYUK_DISABLED, Settings
from .ryuk_client import NAME, START_TIMEOUT, RyukClient, Witness
from .shares import Share


class Ryuk:
    """The Ryuk containers of this process, one an engine."""

    name = NAME

    def __init__(self, settings: Settings, witness: Witness, *, at_once: bool) -> None:
        self._settings, self._witness = settings, witness
        self._at_once = at_once or os.getpid() == 1
        self._clients: dict[str, RyukClient] = {}
        self._lock = threading.Lock()

    def arm(self, engine: Engine) -> None:
        """Begin to start it, beside whatever else is starting."""
        with self._lock:
            if engine.url in self._clients or self._why_not():
                return
            client = self._clients[engine.url] = RyukClient(engine, self._settings, self._witness)
            if self._at_once:
                client.proceed()
            client.begin()
        if os.getpid() == 1:
            client.ready.wait(START_TIMEOUT)  # the guard ends with our container: wait for this one

    def _why_not(self) -> str:
        if self._settings.get(RYUK_DISABLED):
            return "disabled by a setting"
        if self._settings.get(KEEP):
            return "what is kept by TCUNIT_KEEP could not be exempt from it"
        return ""

    def announce(self, engine: Engine, kind: str, name: str) -> None:
        """A resource is about to be created: tell its labels."""
        if client := self._clients.get(engine.url):
            client.add(name)

    def mark(self, name: str) -> None:
        """Nothing: it is all the same to Ryuk."""

    def forget(self, name: str) -> None:
        """A resource is gone: a further Ryuk need not know it."""
        for client in list(self._clients.values()):
            client.drop(name)

    def keep(self, name: str) -> None:
        """Nothing: with that setting it is not armed."""

    def share(self, engine: Engine, share: Share) -> None:
        """What is shared has other users, of whom Ryuk knows nothing."""

    def proceed(self) -> None:
        """What the tests wait for has started: start it now, if it has not begun yet."""
        for client in list(self._clients.values()):
            client.proceed()

    def disarm(self) -> None:
        """Remove it where the session is empty; elsewhere leave it to do its work."""
        for client in self._clients.values():
            client.end()

    def abandon(self) -> None:
        """Close a forked child's copies of the connections."""
        for client in self._clients.values():
            client.abandon()
        self._clients.clear()

    def status(self) -> str:
        """Whether it answered, for each engine."""
        if reason := self._why_not():
            return f"not armed: {reason}"
        return "; ".join(client.status for client in self._clients.values()) or "not armed"
