"""The asyncio twin of the test case: the same story, told to a loop.

Its class fixture starts before there is a loop. What lives for one test starts in ``asyncSetUp``,
in a thread that the loop awaits.
"""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from . import timings
from .awaiting import in_thread, to_its_end
from .case import ContainerTestCase
from .connection import using_connection_mode
from .errors import NotStarted
from .lifecycle.declared import FIXTURE
from .lifecycle.fixture import ClassFixture
from .mixins.each_mode import mode_of

P = ParamSpec("P")
T = TypeVar("T")

__unittest = True


class AsyncContainerTestCase(ContainerTestCase, unittest.IsolatedAsyncioTestCase):
    """A :class:`ContainerTestCase` for tests that are coroutines.

    What waits, such as most assertions, blocks: a coroutine calls it by :meth:`in_thread`. Faults,
    containers and networks are contexts for ``async with``, too::

        class CacheTest(AsyncContainerTestCase):
            cache = RedisContainer("redis:alpine")

            async def test_cache(self):
                reader, writer = await asyncio.open_connection(*self.endpoint(self.cache, 6379))
                async with self.cache.paused():
                    await self.in_thread(self.assertNotReachable, self.cache, 6379)
    """

    _tcunit_begun = False

    def __init__(self, methodName: str = "runTest") -> None:
        self._testMethodName = methodName
        mode = mode_of(self)
        # unittest runs all of a test in the context of this moment.
        with using_connection_mode(mode) if mode else contextlib.nullcontext():
            super().__init__(methodName)

    async def asyncSetUp(self) -> None:
        """Start what lives for this test, and bring back the state of what is reset.

        The loop goes on meanwhile, with whatever was put into it before this is called.
        """
        fixture: ClassFixture | None = vars(type(self)).get(FIXTURE)
        if fixture is not None and fixture.is_renewed:
            self._tcunit_begun = True
            self.addAsyncCleanup(self._tcunit_end, fixture)
            with timings.spent("start-up", what=self._testMethodName):
                await to_its_end(fixture.begin_test, fixture.end_test, at_once=True)
        await super().asyncSetUp()

    async def _tcunit_end(self, fixture: ClassFixture) -> None:
        """Remove what lives for this test, after all clean-up that was registered later."""
        with timings.spent("tear-down", what=self._testMethodName):
            await to_its_end(fixture.end_test, fixture.end_test)

    @staticmethod
    async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what blocks in a thread while the loop goes on, and return what it returns.

        ``await self.in_thread(self.assertReachable, self.web, 80)``. If this is cancelled, the
        thread goes on to its end.
        """
        return await in_thread(function, *args, **kwargs)

    def _tcunit_begin(self, fixture: ClassFixture) -> None:
        """Leave it to ``asyncSetUp``, and see to it that it is called."""
        if not fixture.is_renewed:
            return
        set_up, self._tcunit_begun = type(self).asyncSetUp, False

        async def checked() -> None:
            await set_up(self)
            if not self._tcunit_begun:
                raise NotStarted(
                    f"{type(self).__qualname__}: what lives for one test is not started, and what "
                    f"is reset was not, because asyncSetUp() does not call its base class's: add "
                    f"'await super().asyncSetUp()'"
                )

        vars(self)["asyncSetUp"] = checked
