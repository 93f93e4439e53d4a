"""What blocks, for coroutines: threads that are awaited to their end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import unittest
from collections.abc import Iterator

from tcunit.awaiting import in_thread, is_in_loop, settled, to_its_end, with_or_async_with
from tcunit.errors import DeclarationError

LIMIT = 20.0


class ToItsEndTest(unittest.IsolatedAsyncioTestCase):
    """A thread that is awaited is undone where its coroutine is cancelled."""

    def setUp(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.addCleanup(self.may_end.set)
        self.said: list[str] = []

    def do(self) -> str:
        self.begun.set()
        self.may_end.wait(LIMIT)
        self.said.append("done")
        return "result"

    def undo(self) -> None:
        self.said.append("undone")

    async def test_result(self) -> None:
        """It returns what the function returns, and nothing is undone."""
        self.may_end.set()
        self.assertEqual("result", await to_its_end(self.do, self.undo))
        self.assertEqual(["done"], self.said)

    async def test_error(self) -> None:
        """It raises what the function raises, and nothing is undone."""
        with self.assertRaises(ZeroDivisionError):
            await to_its_end(lambda: 1 // 0, self.undo)
        self.assertEqual([], self.said)

    async def test_cancelled(self) -> None:
        """Whoever cancels, and be it twice, waits for the thread; what it did is undone then."""
        task = asyncio.create_task(to_its_end(self.do, self.undo))
        await in_thread(self.begun.wait, LIMIT)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
            self.assertEqual([], self.said)
        self.may_end.set()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(["done", "undone"], self.said)

    async def test_cancelled_at_once(self) -> None:
        """What can be made to give up is told at once, and again at the end."""

        def give_up() -> None:
            self.undo()
            self.may_end.set()

        task = asyncio.create_task(to_its_end(self.do, give_up, at_once=True))
        await in_thread(self.begun.wait, LIMIT)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual("undone", self.said[0])
        self.assertEqual(["done", "undone", "undone"], sorted(self.said))

    async def test_cancelled_before_an_error(self) -> None:
        """What failed is not undone."""

        def fail() -> None:
            self.do()
            raise ValueError

        task = asyncio.create_task(to_its_end(fail, self.undo))
        await in_thread(self.begun.wait, LIMIT)
        task.cancel()
        self.may_end.set()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(["done"], self.said)


class WithOrAsyncWithTest(unittest.IsolatedAsyncioTestCase):
    """One context, for ``with`` and for ``async with``."""

    def setUp(self) -> None:
        self.said: list[object] = []

    @with_or_async_with
    def context(self) -> Iterator[str]:
        self.said.append(threading.current_thread())
        try:
            yield "it"
        except ValueError:
            self.said.append("error")
            raise
        finally:
            self.said.append(threading.current_thread())

    async def test_with(self) -> None:
        """By ``with``, everything is done in the same thread."""
        with self.context() as it:
            self.assertEqual("it", it)
        self.assertEqual([threading.current_thread()] * 2, self.said)

    async def test_async_with(self) -> None:
        """By ``async with``, nothing is done in the thread of the loop."""
        async with self.context() as it:
            self.assertEqual("it", it)
        self.assertEqual(2, len(self.said))
        self.assertNotIn(threading.current_thread(), self.said)

    async def test_error(self) -> None:
        """An error of the block comes to the context, and out of it, either way."""
        with self.assertRaises(ValueError), self.context():
            raise ValueError
        with self.assertRaises(ValueError):
            async with self.context():
                raise ValueError
        self.assertEqual(2, self.said.count("error"))

    async def test_cancelled_inside(self) -> None:
        """A task that is cancelled inside leaves the context in order."""
        inside = asyncio.Event()

        async def work() -> None:
            async with self.context():
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(2, len(self.said))

    async def test_exit_stack(self) -> None:
        """It is entered by the standard ways."""
        async with contextlib.AsyncExitStack() as stack:
            self.assertEqual("it", await stack.enter_async_context(self.context()))
        self.assertEqual("it", await self.enterAsyncContext(self.context()))


class SettledTest(unittest.IsolatedAsyncioTestCase):
    """What hooks return, coroutines or not."""

    @staticmethod
    async def hook() -> object:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    async def test_plain(self) -> None:
        """A value is itself."""
        self.assertEqual(3, settled(3, "reset"))

    async def test_in_the_loop_that_awaits(self) -> None:
        """From a thread that a loop awaits, a hook runs in that loop."""
        loop = await in_thread(lambda: settled(self.hook(), "reset"))
        self.assertIs(asyncio.get_running_loop(), loop)

    def test_without_a_loop(self) -> None:
        """Where there is no loop, it runs in one of its own."""
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(settled(self.hook(), "reset")))
        thread.start()
        thread.join()
        self.assertTrue(found[0].is_closed())  # type: ignore[attr-defined]

    async def test_cancelled(self) -> None:
        """A hook ends with the coroutine that waits for it, and so do those that would follow."""
        began, ended, later = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def hook() -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.set()

        async def one_more() -> None:
            await asyncio.sleep(0)
            later.set()

        def reset() -> None:
            try:
                settled(hook(), "reset")
            finally:
                settled(one_more(), "reset")

        task = asyncio.create_task(to_its_end(reset, lambda: None, at_once=True))
        await began.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertTrue(ended.is_set())
        self.assertFalse(later.is_set())

    async def test_in_the_way(self) -> None:
        """Where it would wait for itself, the error says how to call it."""
        self.assertTrue(is_in_loop())
        self.assertFalse(await in_thread(is_in_loop))
        with self.assertRaisesRegex(DeclarationError, r"await self\.in_thread\(self\.db\.reset\)"):
            settled(self.hook(), "self.db.reset")
