"""Declarations that are started without a class: by a call, by ``with`` or by ``async with``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self, TypeVar

from .._docker import find_engine
from ..awaiting import to_its_end
from ..settings import Settings
from .declared import Declared, Launch
from .fixture import check_fixed_ports, launch_for
from .ledger import ledger
from .references import graph_of
from .startup import StartSet

T = TypeVar("T")


def launch_alone() -> Launch:
    """A start that belongs to no class; finds the engine, or raises EngineNotFound."""
    settings = Settings()
    return launch_for(find_engine(settings), settings, "", _itself)


class StartsAlone(Declared):
    """What can be started with what it depends on, and stopped with what its start has started."""

    _set: StartSet | None

    def start(self) -> Self:
        """Start it, and before it what it depends on; returns when it is ready.

        Raises:
            DeclarationError: what was declared cannot work.
            EngineNotFound: no engine answered.
            StartError: it could not be started; nothing of it is left.
        """
        if self.is_started:
            return self
        graph = graph_of([self], _itself)
        check_fixed_ports(graph)
        launch = launch_alone()
        # stop() gives it up from now on
        self._set = starting = StartSet(graph, launch, launch.settings)
        try:
            starting.start()
        except BaseException:
            self._set = None
            raise
        return self

    @abstractmethod
    def stop(self) -> None:
        """Remove it, and what its start has started; no error if it is not there."""

    def _end(self) -> None:
        """Undo what a start of its own has done; without one, let go of itself."""
        starting, self._set = self._set, None
        if starting is not None:
            starting.stop()
        else:
            self.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await _entered(self.start, self.stop, at_once=True)

    async def __aexit__(self, *_: object) -> None:
        await to_its_end(self.stop, self.stop)


class CreatesAlone(Declared):
    """What needs nothing, and is there as soon as it is created."""

    def create(self) -> Self:
        """Create it now; :meth:`remove` or the end of the process removes it."""
        if not self.is_started:
            launch = launch_alone()
            try:
                self.launch(launch)
            except BaseException:
                self.release()
                raise
        return self

    def remove(self) -> None:
        """Remove it, if it is there and ours."""
        self.release()

    def __enter__(self) -> Self:
        return self.create()

    def __exit__(self, *_: object) -> None:
        self.remove()

    async def __aenter__(self) -> Self:
        return await _entered(self.create, self.remove)

    async def __aexit__(self, *_: object) -> None:
        await to_its_end(self.remove, self.remove)


async def _entered(do: Callable[[], T], undo: Callable[[], None], *, at_once: bool = False) -> T:
    ledger.expect_signals()  # it is done in a thread, where no handler can be set
    return await to_its_end(do, undo, at_once=at_once)


def _itself(reference: Any) -> Any:
    return reference
