"""What blocks, for coroutines: threads that are awaited, and contexts for ``async with``.

The rule: a coroutine that is cancelled goes on only when its thread has ended and what that thread
did is undone. ``asyncio`` is imported only where it is used.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from . import timings
from .errors import DeclarationError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

__unittest = True  # runners leave these frames out


class _Awaiting:
    """A loop that awaits a thread, and the async hooks that the thread awaits in turn."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self._hooks: set[Task[Any]] = set()
        self._is_given_up = False

    async def run(self, hook: Awaitable[Any]) -> Any:
        """Await a hook, in the loop."""
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        self._hooks.add(task)
        try:
            if self._is_given_up:
                task.cancel()
            return await hook
        finally:
            self._hooks.discard(task)

    def give_up(self) -> None:
        """Cancel all hooks, those that are yet to come as well."""
        self._is_given_up = True
        for task in self._hooks:
            task.cancel()


_awaiting: ContextVar[_Awaiting | None] = ContextVar("tcunit_awaiting", default=None)
"""Who awaits this thread."""


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what blocks in a thread, while the loop goes on."""
    import asyncio

    awaiting = _Awaiting(asyncio.get_running_loop())
    return await _called(awaiting, lambda: function(*args, **kwargs))


async def _called(awaiting: _Awaiting, function: Callable[[], T]) -> T:
    import asyncio

    busy_for = timings.current()

    def call() -> T:
        _awaiting.set(awaiting)  # in the thread's own copy of the context
        with timings.acting_for(*busy_for):
            return function()

    return await asyncio.to_thread(call)


async def to_its_end(
    do: Callable[[], T], undo: Callable[[], object], *, at_once: bool = False
) -> T:
    """Call in a thread; where this is cancelled, the thread is waited for and undone.

    The async hooks that the thread waits for are cancelled, too: they may never end otherwise.

    Args:
        at_once: ``undo`` makes a ``do`` that is under way give up, and may be called twice.
    """
    import asyncio

    awaiting = _Awaiting(asyncio.get_running_loop())
    work = asyncio.ensure_future(_called(awaiting, do))
    try:
        await asyncio.wait([work])
    except asyncio.CancelledError:
        awaiting.give_up()
        if at_once:
            await _undisturbed(in_thread(undo))
        if await _undisturbed(work):
            await _undisturbed(in_thread(undo))
        raise
    return work.result()


async def _undisturbed(work: Awaitable[object]) -> bool:
    """Wait for something, whoever cancels this meanwhile; whether it worked."""
    import asyncio

    future = asyncio.ensure_future(work)
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])
    return not future.cancelled() and future.exception() is None


class WithOrAsyncWith(AbstractContextManager[T_co, None], AbstractAsyncContextManager[T_co, None]):
    """A context for ``with``, and for ``async with``, which does not block the loop."""

    def __init__(self, context: AbstractContextManager[T_co]) -> None:
        self._context = context

    def __enter__(self) -> T_co:
        return self._context.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._context.__exit__(kind, error, traceback)

    async def __aenter__(self) -> T_co:
        return await to_its_end(self.__enter__, lambda: self.__exit__(None, None, None))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await to_its_end(lambda: self.__exit__(kind, error, traceback), _nothing)


def with_or_async_with(
    function: Callable[P, Iterator[T]],
) -> Callable[P, WithOrAsyncWith[T]]:
    """``contextlib.contextmanager`` for contexts that are entered by ``async with``, too."""
    context = contextlib.contextmanager(function)

    @functools.wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> WithOrAsyncWith[T]:
        return WithOrAsyncWith(context(*args, **kwargs))

    return make


def settled(value: Any, advice: str) -> Any:
    """What a hook returned; of an async one, what it returns in the end.

    It runs in the loop that awaits this thread, and in a loop of its own where there is none.

    Args:
        advice: what to call from a coroutine, as in ``"self.db.reset"``.
    """
    if not inspect.isawaitable(value):
        return value
    import asyncio

    async def run() -> Any:
        return await value

    if is_in_loop():
        if inspect.iscoroutine(value):
            value.close()
        raise DeclarationError(
            f"an async hook cannot run while its loop stands still: call {advice} by "
            f"'await self.in_thread({advice})'"
        )
    awaiting = _awaiting.get()
    if awaiting is None:
        return asyncio.run(run())
    return asyncio.run_coroutine_threadsafe(awaiting.run(value), awaiting.loop).result()


def is_in_loop() -> bool:
    """Whether a loop stands still while this runs."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _nothing() -> None:
    """What there is to undo of an end."""
