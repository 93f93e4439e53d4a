"""The engine's events about our containers: one subscription per process, while a wait needs it.

A wait never depends on an event alone: it asks again by itself, so that a lost subscription costs
time and no correctness.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping

from .._docker import Engine, Stream
from .._session import SESSION_LABEL, session_id
from ..errors import EngineError

Listener = Callable[[str, Mapping[str, str]], None]
"""Is told an action ("die", "health_status: healthy") and the engine's attributes of it."""


class EventStream:
    """Passes the engine's container events on to who listens for a container's id."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._lock = threading.Lock()
        self._listeners: dict[str, Listener] = {}
        self._users = 0
        self._stream: Stream | None = None
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Keep the subscription for a while; the last user ends it."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._thread = threading.Thread(
                    target=self._read, name="tcunit-events", daemon=True
                )
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                thread = self._close() if not self._users else None
            if thread is not None:
                thread.join(timeout=5)

    @contextlib.contextmanager
    def listening(self, container: str, listener: Listener) -> Iterator[None]:
        """Call a listener with each event about a container."""
        self._listeners[container] = listener
        try:
            yield
        finally:
            self._listeners.pop(container, None)

    def _read(self) -> None:
        filters = {"type": "container", "label": f"{SESSION_LABEL}={session_id()}"}
        try:
            stream = self._engine.events(filters)
        except EngineError:
            return  # the waits ask by themselves
        with self._lock:
            self._stream = stream
            if not self._users:
                self._close()
        with contextlib.suppress(Exception):  # closed from another thread, or the engine is gone
            for event in stream:
                # Docker 29 leaves out the container's id elsewhere.
                actor = event.get("Actor") or {}
                if listener := self._listeners.get(actor.get("ID", "")):
                    listener(str(event.get("Action", "")), actor.get("Attributes") or {})

    def _close(self) -> threading.Thread | None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        return self._thread


_streams: dict[tuple[int, int], EventStream] = {}


def stream_of(engine: Engine) -> EventStream:
    """The process's event stream of an engine."""
    return _streams.setdefault((os.getpid(), id(engine)), EventStream(engine))
