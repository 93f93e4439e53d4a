"""Tests that are coroutines: their loop goes on, whatever is waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import unittest
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from tcunit import (
    AsyncContainerTestCase,
    ContainerTestCase,
    DockerContainer,
    Network,
    each_connection_mode,
    wait,
)
from tcunit.errors import DeclarationError, StartError
from tcunit.modules import NginxContainer, RedisContainer

from .helpers import EngineTest, left_over, needs_bridge, run_class, shell, sleeper, until

# A web server that fetches the page that the path names: /HOST:PORT/…
RELAY = """
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import urlopen
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        with urlopen("http:/" + self.path, timeout=10) as answer:
            body = answer.read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
HTTPServer(("", 8000), Handler).serve_forever()
"""
REGISTER = "from urllib.request import urlopen; print(urlopen('http://{}', timeout=20).read())"


def never_ready() -> DockerContainer:
    """A container that nobody could wait for to its end."""
    return sleeper().waiting_for(wait.for_log("never"))


async def redis(container: DockerContainer, *words: str) -> str:
    """Say something to Redis, by asyncio alone."""
    reader, writer = await asyncio.open_connection(*container.endpoint(6379))
    writer.write(" ".join(words).encode() + b"\r\n")
    answer = await reader.readline()
    if answer[:1] == b"$" and answer != b"$-1\r\n":
        answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer.decode().strip()


@asynccontextmanager
async def hello_server(host: str) -> AsyncIterator[str]:
    """A web server in this loop that says hello; its host and port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, host, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{host}:{port}"


class LoopTest(EngineTest, AsyncContainerTestCase):
    """Assertions, endpoints, faults and hooks in a loop."""

    flushed: ClassVar[list[object]] = []

    async def flush(cache: RedisContainer) -> None:  # type: ignore[misc]
        """The hook of ``with_reset``: a coroutine."""
        await redis(cache, "FLUSHALL")
        LoopTest.flushed.append(asyncio.get_running_loop())

    net = Network()
    web = NginxContainer("nginx:alpine").with_network(net, "web")
    cache = RedisContainer("redis:alpine").with_network(net, "cache").with_reset(flush)
    relay = (
        DockerContainer("python:3.11-slim")
        .with_command(["python", "-u", "-c", RELAY])
        .with_network(net)
        .with_exposed_ports(8000)
        .waiting_for(wait.for_port(8000))
    )
    box = sleeper().with_network(net).with_scope("test")

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.assertEqual("running", self.box.status)

    async def test_endpoint(self) -> None:
        """A coroutine connects to an endpoint."""
        reader, writer = await asyncio.open_connection(*self.endpoint(self.cache, 6379))
        writer.write(b"PING\r\n")
        self.assertEqual(b"+PONG\r\n", await reader.readline())
        writer.close()
        await writer.wait_closed()

    @needs_bridge
    async def test_server_in_the_same_loop(self) -> None:
        """What needs this loop to answer is asserted; a failure says where that blocks it."""
        async with hello_server(self.net.gateway) as here:
            await self.in_thread(self.assertReachable, self.relay, 8000)
            page = await self.in_thread(
                self.assertHTTP, self.relay, f"/{here}", port=8000, body="hello"
            )
            self.assertEqual(b"hello", page.body)
            with self.assertLogs("asyncio"):  # it complains, too
                with self.assertRaisesRegex(AssertionError, r"stood still .*in_thread\(self\."):
                    self.assertHTTP(self.relay, f"/{here}", port=8000, timeout=0.5)
                await asyncio.sleep(0)

    async def test_several_at_once(self) -> None:
        """Assertions wait side by side."""
        await asyncio.gather(
            self.in_thread(self.assertReachable, self.web, 80),
            self.in_thread(self.assertCanReach, self.box, "cache", 6379),
            self.in_thread(self.assertResolves, self.box, "web"),
        )

    async def check_reset(self) -> None:
        """Find nothing of other tests, and leave something; the hook ran in the loop of a test."""
        self.assertEqual("$-1", await redis(self.cache, "GET", "tea"))
        await redis(self.cache, "SET", "tea", "250")
        if LoopTest.flushed:
            self.assertIs(asyncio.get_running_loop(), LoopTest.flushed[-1])

    async def test_reset_1(self) -> None:
        """An async hook brings the state back, in the loop of the test."""
        await self.check_reset()

    async def test_reset_2(self) -> None:
        """The other of the two finds it so, in whichever order they run."""
        await self.check_reset()

    async def test_reset_by_hand(self) -> None:
        """A coroutine resets in a thread; where it would wait for itself, an error says how."""
        await redis(self.cache, "SET", "tea", "250")
        with self.assertRaisesRegex(DeclarationError, r"in_thread\(self\.cache\.reset\)"):
            self.cache.reset()
        await self.in_thread(self.cache.reset)
        self.assertIs(asyncio.get_running_loop(), LoopTest.flushed[-1])
        self.assertEqual("$-1", await redis(self.cache, "GET", "tea"))

    async def test_fault(self) -> None:
        """A fault is undone at the end of an ``async with``."""
        async with self.cache.paused() as same:
            self.assertIs(self.cache, same)
            self.assertEqual("paused", self.cache.status)
        self.assertEqual("+PONG", await redis(self.cache, "PING"))
        async with self.cache.killed():
            await self.in_thread(self.assertExited, self.cache, 137)
        self.assertEqual("+PONG", await redis(self.cache, "PING"))
        async with self.net.partitioned([self.box], [self.web]):
            await self.in_thread(self.assertCannotReach, self.box, "web", 80, timeout=0.3)
        await self.in_thread(self.assertCanReach, self.box, "web", 80)

    async def test_fault_and_cancel(self) -> None:
        """A task that is cancelled in a fault leaves it undone."""
        inside = asyncio.Event()

        async def work() -> None:
            async with self.cache.paused():
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual("+PONG", await redis(self.cache, "PING"))

    async def test_alone(self) -> None:
        """Networks and containers are contexts for ``async with``."""
        async with Network() as network, sleeper().with_network(network) as box:
            self.assertEqual("running", box.status)
            names = {network.name, box.name}
            self.assertLessEqual(names, set(left_over()))
        self.assertTrue(names.isdisjoint(left_over()))

    async def test_cancelled_start(self) -> None:
        """A task that is cancelled while a container starts leaves nothing of it."""
        before = set(left_over())
        task = asyncio.create_task(never_ready().__aenter__())
        await self.in_thread(until, lambda: set(left_over()) - before, "the container")
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(before, set(left_over()))

    def test_not_a_coroutine(self) -> None:
        """A plain test of the class has everything, too."""
        self.assertEqual("running", self.box.status)
        self.assertReachable(self.web, 80)


class ScopeTest(EngineTest):
    """What lives for one test starts in ``asyncSetUp``."""

    @needs_bridge
    def test_loop_goes_on(self) -> None:
        """A server that ``asyncSetUp`` has put into the loop answers while a container starts."""
        seen: list[str] = []

        class CallBackTest(AsyncContainerTestCase):
            net = Network()
            client = (
                DockerContainer("python:3.11-slim")
                .with_network(net)
                .with_command(["python", "-c", lambda: REGISTER.format(CallBackTest.here)])
                .waiting_for(wait.for_exit())
                .with_scope("test")
            )
            here: ClassVar[str]

            async def asyncSetUp(self) -> None:
                server = hello_server(self.net.gateway)
                CallBackTest.here = await self.enterAsyncContext(server)
                await super().asyncSetUp()

            async def test_called_back(self) -> None:
                await self.in_thread(self.assertContainerLogged, self.client, "b'hello'")
                seen.append(self.client.name)

        self.assert_passes(CallBackTest)
        self.assertEqual(1, len(seen))

    def test_lives_for_the_test(self) -> None:
        """It is there until the last clean-up that the test has registered, and then gone."""
        seen: list[str] = []

        class EachTest(AsyncContainerTestCase):
            box = sleeper().with_scope("test")

            async def note(self) -> None:
                seen.append(f"{self.box.status} {self.box.name}")

            async def test_one(self) -> None:
                self.addAsyncCleanup(self.note)
                await self.note()

            async def test_two(self) -> None:
                self.addAsyncCleanup(self.note)

            @classmethod
            def tearDownClass(cls) -> None:
                assert not cls.box.is_started
                super().tearDownClass()

        self.assert_passes(EachTest)
        self.assertEqual(["running"] * 3, [each.split()[0] for each in seen])
        self.assertEqual(2, len(set(seen)))

    def test_without_super(self) -> None:
        """An ``asyncSetUp`` that does not call its base class's says so; one that may not, may."""

        class ForgetfulTest(AsyncContainerTestCase):
            box = sleeper().with_scope("test")

            async def asyncSetUp(self) -> None:
                pass

            async def test_it(self) -> None:
                pass

        error = self.assert_fails(ForgetfulTest)
        self.assertIn("ForgetfulTest: what lives for one test is not started", error)
        self.assertIn("add 'await super().asyncSetUp()'", error)

        class NothingToDoTest(ForgetfulTest):
            box = sleeper()

        self.assert_passes(NothingToDoTest)

    def test_too_early(self) -> None:
        """``setUp`` comes before ``asyncSetUp``, which the error says."""

        class EarlyTest(AsyncContainerTestCase):
            box = sleeper().with_scope("test")

            def setUp(self) -> None:
                self.box.exec("true")

            async def test_it(self) -> None:
                pass

        self.assertRegex(self.assert_fails(EarlyTest), r"from 'await super\(\)\.asyncSetUp\(\)' on")

    def test_failed_start(self) -> None:
        """A test whose container does not start fails with its reason, and the next one runs."""

        class DeadTest(AsyncContainerTestCase):
            box = shell("exit 3").waiting_for(wait.for_log("never")).with_scope("test")
            other = sleeper().with_scope("test")

            async def test_it(self) -> None:
                raise AssertionError("it did not start")

        error = self.assert_fails(DeadTest)
        self.assertIn("ContainerDied: box (alpine, tcunit-", error)
        for more in ("it did not start", "things could not be started"):
            self.assertNotIn(more, error)

    def test_interrupt(self) -> None:
        """Ctrl-C while a container starts for a test ends the run, and nothing of it is left."""
        before = set(left_over())

        class SlowTest(AsyncContainerTestCase):
            box = never_ready().with_scope("test")

            async def test_it(self) -> None:
                pass

        def interrupt() -> None:
            until(lambda: set(left_over()) - before, "the container")
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt).start()
        with self.assertRaises(KeyboardInterrupt):
            run_class(SlowTest)
        self.assertEqual(before, set(left_over()))
        SlowTest.doClassCleanups()


class OtherMixinsTest(EngineTest):
    """The connection mode and the evidence of a failure reach coroutines."""

    def test_each_connection_mode(self) -> None:
        """All of a test that is made for a mode is in this mode: its set-up, threads, clean-up."""
        seen: dict[str, set[str]] = {}

        class ModeTest(AsyncContainerTestCase):
            web = NginxContainer("nginx:alpine")

            def note(self) -> None:
                seen.setdefault(self._testMethodName, set()).add(str(self.web.endpoint(80)))

            def setUp(self) -> None:
                self.note()

            async def asyncSetUp(self) -> None:
                self.note()
                await super().asyncSetUp()

            @each_connection_mode
            async def test_web(self) -> None:
                self.addCleanup(self.note)
                self.note()
                await self.in_thread(self.note)
                await asyncio.create_task(self.in_a_task())
                await self.in_thread(self.assertReachable, self.web, 80)

            async def in_a_task(self) -> None:
                self.note()

        result = self.assert_passes(ModeTest)
        ran = result.testsRun - len(result.skipped)
        self.assertEqual([1] * ran, [len(each) for each in seen.values()], seen)
        self.assertEqual(ran, len(set.union(*seen.values())), seen)

    def test_failure(self) -> None:
        """A failure has its note, and its traceback ends in the line of the coroutine."""

        class FailingTest(AsyncContainerTestCase):
            box = shell("echo here I am; sleep 300").waiting_for(wait.for_log("here"))
            cache = RedisContainer("redis:alpine").with_reset(_refuse)

            async def test_reachable(self) -> None:
                await self.in_thread(self.assertReachable, self.cache, 6379)
                async with self.cache.paused():
                    await self.in_thread(self.assertReachable, self.cache, 6379, timeout=0.2)

            async def test_then_reset(self) -> None:
                pass

        result = run_class(FailingTest)
        (_, failure), (_, error) = *result.failures, *result.errors
        lines = [line.strip() for line in failure.splitlines()]
        places = [number for number, line in enumerate(lines) if line.startswith("File ")]
        self.assertIn("in test_reachable", lines[places[-1]])
        self.assertIn("is paused", failure)
        for text in (failure, error):
            self.assertRegex(text, r"tcunit: containers of \S*FailingTest\nbox \(alpine, ")
        self.assertIn("ZeroDivisionError", error)

    def test_plain_case(self) -> None:
        """An async hook works in a plain test case, too, in a loop of its own."""
        loops: list[Any] = []

        async def hook(box: DockerContainer) -> None:
            loops.append(asyncio.get_running_loop())

        class PlainTest(ContainerTestCase):
            box = sleeper().with_reset(hook)

            def test_one(self) -> None:
                pass

            test_two = test_one

        self.assert_passes(PlainTest)
        self.assertEqual([True], [each.is_closed() for each in loops])


async def _refuse(container: DockerContainer) -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError


class StartErrorsTest(EngineTest, unittest.IsolatedAsyncioTestCase):
    """Containers alone, in a loop of a plain test case."""

    async def test_failed_start(self) -> None:
        """An ``async with`` raises what the start raises, and leaves nothing."""
        with self.assertRaises(StartError):
            async with shell("exit 3").waiting_for(wait.for_log("never")):
                self.fail("it did not start")
