"""The set of a test class, from its set-up to its clean-up.

What a class runs are copies; a declaration is never started by a class.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .. import timings
from .._docker import Engine, find_engine
from ..errors import DeclarationError
from ..facts import Surroundings
from ..settings import CONNECTION_MODE, KEEP, TEAR_DOWN, Settings
from .declared import FIXTURE, MEASURED, Declared, Launch
from .graph import in_order, one_by_one
from .kept import announcement
from .ledger import Entry, is_worker, ledger
from .references import (
    References,
    copy_for,
    declarations_of,
    graph_of,
    settle_clusters,
)
from .removal import removals
from .scopes import check_scopes, of_scope, run_scope
from .startup import StartSet

__unittest = True  # runners leave these frames out


class ClassFixture:
    """The started copies of a class's declarations, from its set-up to its clean-up.

    Raises:
        DeclarationError: something declared cannot work; nothing was created yet.
    """

    def __init__(self, cls: type, settings: Settings | None = None):
        settle_clusters(cls)
        self._cls = cls
        self._settings = settings or Settings()
        declared = declarations_of(cls)
        self._started: dict[int, Declared] = {}  # one copy, however many attributes hold it
        for name, each in declared.items():
            self._started.setdefault(id(each), copy_for(each, name))
        replicas = {name: self._started[id(each)] for name, each in declared.items()}
        references = References(cls, replicas)
        self._resolve = references.resolve
        self._graph = graph_of(replicas.values(), references.resolve)
        in_order(self._graph, lambda thing: thing.label)
        check_scopes(self._graph)
        check_fixed_ports(self._graph)
        self._launch: Launch | None = None
        self._set: StartSet | None = None
        self._test_set: StartSet | None = None
        self._kept: dict[Entry, None] = {}

    def started(self, declaration: Declared) -> Declared:
        """The class's copy of a declaration."""
        return self._started.get(id(declaration), declaration)

    def things(self) -> list[Declared]:
        """Everything that it starts, those included that no attribute holds, and their parts."""
        started = [thing for thing in self._graph if thing.is_started]
        return [*started, *(part for thing in started for part in thing.parts())]

    def start(self) -> None:
        """Start everything that the class declares, or take over what was started ahead.

        Raises:
            EngineNotFound: no engine answered; nothing was tried.
            StartError: something could not be started; nothing is left of the rest.
        """
        if not self._graph:
            return
        if self._launch is not None and self._launch.is_ahead:
            self._launch.is_ahead = False
            self._settings.environ = os.environ  # and no longer what it was at the start
            setattr(self._cls, FIXTURE, self)
            self._share(self._launch)
            return
        with self._starting():
            launch, starting = self._prepare(keep_on_failure=bool(self._settings.get(KEEP)))
            setattr(self._cls, FIXTURE, self)
            self._share(launch)
            starting.start()

    def start_ahead(self) -> None:
        """Start everything before the class's turn, to be taken over by :meth:`start`.

        Until then no attribute shows it. What it raises is nobody's error yet.
        """
        with self._starting():
            launch, starting = self._prepare(keep_on_failure=False)
            launch.is_ahead = True
            run_scope.start(of_scope(self._graph, "run"), launch, self._settings)
            starting.start()

    def give_up(self) -> None:
        """Let :meth:`start_ahead` fail, in whose thread nothing is left then."""
        if self._set is not None:
            self._set.give_up()

    def discard(self) -> None:
        """Remove, in the background, what :meth:`start_ahead` has started and nobody takes over."""
        if self._set is not None:
            removals.take(self._cls.__qualname__, self._set.stop)

    def _starting(self) -> AbstractContextManager[None]:
        timings.begin(self._settings)
        return timings.spent("start-up", timings.name_of(self._cls))

    def _prepare(self, *, keep_on_failure: bool) -> tuple[Launch, StartSet]:
        with timings.spent("connect"):
            engine = find_engine(self._settings)
        owner = self._cls.__qualname__.rpartition("<locals>.")[2]
        launch = launch_for(engine, self._settings, owner, self._resolve)
        launch.mode_of_case = lambda: getattr(self._cls, "connection_mode", None)
        launch.measured = getattr(self._cls, MEASURED, None)
        things = of_scope(self._graph, "class")
        starting = StartSet(things, launch, self._settings, keep_on_failure=keep_on_failure)
        self._launch, self._set = launch, starting
        return launch, starting

    def _share(self, launch: Launch) -> None:
        """Start what lives for the run and does not run, and use it in the class's mode."""
        shared = of_scope(self._graph, "run")
        for each in self._running_before():
            each.revive()
        run_scope.start(shared, launch, self._settings)
        for each in shared:
            each.use_mode_of(launch.mode_of_case)

    def _running_before(self) -> list[Declared]:
        """What it uses that runs for the run already, what is needed first."""
        graph: dict[Declared, list[Declared]] = {}
        waiting = list(self._graph)
        while waiting:
            thing = waiting.pop()
            if thing not in graph:
                needed = [*self._graph.get(thing, ()), *map(self._resolve, thing.needs())]
                graph[thing] = [each for each in needed if isinstance(each, Declared)]
                waiting += graph[thing]
        return [each for each in one_by_one(graph) if each.scope == "run" and each.is_started]

    def sources(self) -> object:
        """What its start takes from files of this machine; another value if that has changed."""
        return [thing.sources() for thing in self._graph]

    def why_not_ahead(self) -> str:
        """Why it may not start before its class's turn; empty if it may."""
        own = set(self._started.values())
        for thing in self._graph:
            needed = [self._resolve(each) for each in thing.needs()]
            if any(isinstance(each, Declared) and each not in own for each in [thing, *needed]):
                return f"{thing.label} is, or needs, something that the class does not declare"
            if thing.scope != "test" and (reason := thing.why_not_ahead(self._resolve)):
                return f"{thing.label} {reason}"
        return ""

    @property
    def has_test_work(self) -> bool:
        """Whether there may be something to do before each test."""
        return self._launch is not None

    @property
    def is_renewed(self) -> bool:
        """Whether something is started, or brought back, for each test."""
        return any(each.scope == "test" or each.is_reset for each in self._graph)

    def begin_test(self) -> None:
        """Bring back the state of what is reset, and start what lives for one test."""
        for thing in self._graph:
            if thing.is_started:
                with timings.spent("reset", thing=thing.label):
                    thing.before_test()
        short = of_scope(self._graph, "test")
        if short and self._launch is not None:
            launch = dataclasses.replace(self._launch)
            self._test_set = StartSet(short, launch, self._settings)
            self._test_set.start()

    def end_test(self) -> None:
        """Remove what lives for one test."""
        ending, self._test_set = self._test_set, None
        if ending is not None:
            ending.stop()

    def keep_on_failure(self) -> Sequence[Entry]:
        """Take note that a test failed: with ``TCUNIT_KEEP=on-failure``, everything stays up.

        Returns:
            What stays; also for a start that failed.
        """
        if self._set is None or not self._settings.get(KEEP):
            return ()
        for starting in (self._set, self._test_set):
            if starting is not None:
                starting.keep()
                self._kept.update(dict.fromkeys(starting.kept))
        for thing in of_scope(self._graph, "run"):
            for entry in thing.kept():
                if entry not in self._kept:
                    ledger.keep(entry)
                    self._kept[entry] = None
        return list(self._kept)

    def stop(self) -> None:
        """Stop and remove what is not kept; the attributes read as declarations again.

        What nothing else could notice is removed in the background.

        Raises:
            CleanupError: some of it, or of what an earlier class had, could not be removed.
        """
        if self._cls.__dict__.get(FIXTURE) is self:
            delattr(self._cls, FIXTURE)
        if self._set is None:
            return
        with timings.spent("tear-down", timings.name_of(self._cls)):
            if self._may_linger(self._set):
                removals.take(self._cls.__qualname__, self._set.stop)
            else:
                self._set.stop()
        timings.flush()
        if kept := [*self._kept] or self._set.kept:
            print(announcement(self._cls.__qualname__, kept), file=sys.stderr)
        removals.complain()

    def _may_linger(self, ending: StartSet) -> bool:
        """Whether a set may be removed in the background: not where a pool ends us at any time."""
        wanted = self._settings.get(TEAR_DOWN) == "background"
        return wanted and ending.is_apart and not is_worker()


def launch_for(
    engine: Engine, settings: Settings, owner: str, resolve: Callable[[Any], Any]
) -> Launch:
    """What the starts of one set have in common; a wrong setting is noticed here already."""
    settings.get(CONNECTION_MODE)
    timings.begin(settings)
    return Launch(engine, Surroundings(engine, settings), settings, owner, resolve)


def check_fixed_ports(things: Iterable[Declared]) -> None:
    """Refuse two declarations with one fixed port of the host."""
    taken: dict[tuple[int, str], Declared] = {}
    for thing in things:
        for port in thing.fixed_ports:
            other = taken.setdefault(port, thing)
            if other is not thing:
                raise DeclarationError(
                    f"{other.label} and {thing.label} both want port {port[0]}/{port[1]} of the "
                    f"host: leave one to chance with with_exposed_ports()"
                )
