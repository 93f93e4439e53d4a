"""How long a started thing lives: for a test, for its class, or for the whole run of the process.

What is shared by the run starts with the first class that declares it, and is removed when the
process ends. What lives longer may not need what lives shorter.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterable, Mapping

from ..errors import DeclarationError
from ..settings import Settings
from .declared import SCOPES, Declared, Launch
from .startup import StartSet

Graph = Mapping[Declared, Iterable[Declared]]


@dataclasses.dataclass
class RunScope:
    """What the classes of this process share."""

    _copies: dict[int, tuple[Declared, Declared]] = dataclasses.field(default_factory=dict)
    _sets: list[StartSet] = dataclasses.field(default_factory=list)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def copy_of(self, declaration: Declared, attribute: str) -> Declared:
        """The one copy of a declaration that all classes share."""
        with self._lock:
            pair = (declaration, declaration._replica(attribute))
            return self._copies.setdefault(id(declaration), pair)[1]

    def start(self, graph: Graph, launch: Launch, settings: Settings) -> None:
        """Start those that do not run yet; they stay until :meth:`stop`, or the process's end."""
        with self._lock:
            missing = part_of(graph, [each for each in graph if not each.is_started])
            if missing:
                # A launch of its own: a class that gives up its own starts does not end these.
                starting = StartSet(missing, dataclasses.replace(launch), settings)
                starting.start()
                self._sets.append(starting)

    def stop(self) -> None:
        """Remove everything, because the run is over; what is kept stays."""
        with self._lock, contextlib.ExitStack() as stack:
            for each in self._sets:
                stack.callback(each.stop)
            self._sets.clear()

    def abandon(self) -> None:
        """In a forked child: all of it is the parent's."""
        self._copies.clear()
        self._sets.clear()
        self._lock = threading.Lock()


run_scope = RunScope()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=run_scope.abandon)


def part_of(graph: Graph, things: Iterable[Declared]) -> dict[Declared, list[Declared]]:
    """The part of a graph that is about some things, without what is outside of it."""
    wanted = set(things)
    return {
        thing: [each for each in needed if each in wanted]
        for thing, needed in graph.items()
        if thing in wanted
    }


def of_scope(graph: Graph, scope: str) -> dict[Declared, list[Declared]]:
    """The part of a graph that lives as long as a scope."""
    return part_of(graph, [thing for thing in graph if thing.scope == scope])


def check_scopes(graph: Graph) -> None:
    """Refuse what lives longer than something that it needs."""
    for thing, needed in graph.items():
        for each in needed:
            if SCOPES.index(thing.scope) > SCOPES.index(each.scope):
                raise DeclarationError(
                    f"{thing.label} lives for the {thing.scope}, but needs {each.label}, which "
                    f"lives for the {each.scope} only: give that one with_scope('{thing.scope}')"
                )
