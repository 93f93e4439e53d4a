"""Faults are made, and undone whatever happens; what cannot be is refused and leaves nothing."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from docker.errors import APIError

from tcunit import ContainerTestCase, DockerContainer, Network, faults, wait
from tcunit.errors import ContainerDied, FaultError, NotStarted
from tcunit.modules import NginxContainer, RedisContainer
from tcunit.reach import beside

from .helpers import (
    PATIENCE,
    EngineTest,
    engine,
    needs_bridge,
    page,
    python,
    shell,
    sleeper,
)

SHORT = 0.2
# In seconds: less than a container that must be waited for takes to stop. A fault takes a tenth.
SOON = 9.0

SLOW_SERVER = "sleep 0.4; exec python -m http.server 8000"

Fault = Callable[[], AbstractContextManager[Any]]


class FaultTest(EngineTest, ContainerTestCase):
    """A web server, a cache and a shell on one network."""

    net = Network()
    web = NginxContainer("nginx:alpine").with_network(net, "web")
    cache = RedisContainer("redis:alpine").with_network(net, "cache")
    box = sleeper().with_network(net, "box")

    def each_fault(self) -> dict[str, Fault]:
        """Every fault, ready to be made."""
        return {
            "paused": self.web.paused,
            "stopped": self.web.stopped,
            "killed": self.web.killed,
            "disconnected": self.web.disconnected,
            "slowed": lambda: self.web.slowed(loss=1),
            "partitioned": lambda: self.net.partitioned([self.web], [self.box]),
        }

    def assert_whole(self) -> None:
        """Fail unless everything is as it was, at once and without any waiting."""
        self.assertEqual(200, page(self.web.endpoint(80)))
        self.assertEqual(200, page(self.web.endpoint(80, "docker_host")))
        self.assertCanReach(self.box, "web", 80)

    def assert_no_rules(self, *containers: DockerContainer) -> None:
        """Fail unless nothing is changed in the containers' network namespaces."""
        script = "iptables -S | grep -v ^-P; tc qdisc show | grep -v noqueue"
        for each in containers or (self.web,):
            with beside(each.running, "NET_ADMIN") as helper:
                self.assertEqual(b"", helper.exec(["sh", "-c", script]).output)


class EachFaultTest(FaultTest):
    """What a fault does, and that it is over at its end."""

    def test_paused(self) -> None:
        """A paused service does not answer, and goes on where it was."""
        before = self.web.running.info["State"]["StartedAt"]
        with self.web.paused() as same:
            self.assertIs(self.web, same)
            self.assertEqual("paused", self.web.status)
            self.assertNotReachable(self.web, 80, timeout=SHORT)
        self.assert_whole()
        self.assertEqual(before, self.web.running.info["State"]["StartedAt"])

    def test_pausing_takes_several_tries(self) -> None:
        """What could not be frozen on a busy machine is tried again; another error is told."""
        api = engine().client.api
        busy = APIError(
            "500 Server Error", explanation="OCI runtime pause failed: unable to freeze"
        )
        answers = [busy, busy, mock.DEFAULT]
        with mock.patch.object(api, "pause", wraps=api.pause, side_effect=answers) as pause:
            with self.web.paused():
                self.assertEqual("paused", self.web.status)
        self.assertEqual(3, pause.call_count)
        wrong = APIError("500 Server Error", explanation="no freezer")
        with mock.patch.object(api, "pause", side_effect=wrong) as pause:
            with self.assertRaisesRegex(FaultError, "could not be paused: .*no freezer"):
                self.web.paused().__enter__()
        self.assertEqual(1, pause.call_count)

    def test_stopped(self) -> None:
        """A stopped container ends in order, and is started again."""
        with self.cache.stopped():
            self.assertExited(self.cache, 0)
            self.assertNotReachable(self.cache, 6379)
            self.assertContainerLogged(self.cache, "(?i)bye|exit")
        self.assertReachable(self.cache, 6379, timeout=0)

    def test_killed(self) -> None:
        """A killed container ends by the signal, and is started again."""
        with self.web.killed():
            self.assertExited(self.web, 137)
        self.assert_whole()
        with self.web.killed("SIGQUIT"):
            self.assertExited(self.web, 0)
        self.assert_whole()

    def test_killed_by_what_it_ignores(self) -> None:
        """A signal that does not end it, or is none, is an error; it runs on."""
        with mock.patch.object(faults, "END_TIMEOUT", SHORT):
            with self.assertRaisesRegex(FaultError, "did not end within 0.2 s of SIGUSR2.*SIGKILL"):
                with self.box.killed("SIGUSR2"):
                    self.fail("it was not killed")
        with self.assertRaisesRegex(FaultError, "(?i)web .* could not be killed.*signal.*TEA"):
            with self.web.killed("TEA"):
                self.fail("it was not killed")
        self.assert_whole()

    def test_restart(self) -> None:
        """A restart gives a new start, and addresses that are right at once."""
        before = self.web.running.info["State"]["StartedAt"]
        self.web.restart()
        self.assertNotEqual(before, self.web.running.info["State"]["StartedAt"])
        self.assert_whole()

    def test_disconnected(self) -> None:
        """A container that was cut off has its alias again, and its new address is known."""
        before = self.web.running.addresses()
        with self.web.disconnected():
            self.running(sleeper().with_network(self.net))  # takes the address that is free now
            self.assertIsolated(self.web, self.box)
            self.assertNotReachable(self.web, 80, timeout=SHORT)
            self.assertRunning(self.web)
        self.assertNotEqual(before, self.web.running.addresses())
        self.assertResolves(self.box, "web", self.web.running.addresses()[0])
        self.assert_whole()

    def test_disconnected_from_one_of_two(self) -> None:
        """Which of several networks to cut must be said; the other is not touched."""
        with Network() as other:
            with sleeper().with_network(self.net).with_network(other, "far") as far:
                with self.assertRaisesRegex(FaultError, "say which of its networks"):
                    far.disconnected()
                with far.disconnected(other):
                    self.assertSameNetwork(far, self.box)
                    self.assertEqual(1, len(far.running.addresses()))
                self.assertEqual(2, len(far.running.addresses()))

    @needs_bridge
    def test_slowed_by_rate(self) -> None:
        """With a rate, data takes as long as it must, and not before or after."""
        self.web.exec("dd if=/dev/zero of=/usr/share/nginx/html/data bs=1000 count=100")
        free = self.seconds()
        with self.web.slowed(rate="1mbit"):
            slow = self.seconds()
        self.assertGreater(slow, 0.5)  # 100 kB at 125 kB/s, but for the bucket's 16 kB
        self.assertLess(free, 0.5)
        self.assertLess(self.seconds(), 0.5)
        self.assert_no_rules()

    def seconds(self) -> float:
        began = time.monotonic()
        with urllib.request.urlopen(self.web.url(80, "data"), timeout=10) as answer:
            self.assertEqual(100_000, len(answer.read()))
        return time.monotonic() - began

    @needs_bridge
    def test_slowed_by_loss(self) -> None:
        """With all packets lost nobody answers, inside or outside."""
        with self.web.slowed(loss=1):
            self.assertNotReachable(self.web, 80, timeout=SHORT)
            self.assertCannotReach(self.box, self.web, 80, timeout=SHORT)
        self.assert_whole()
        self.assert_no_rules()

    def test_slowed_by_latency(self) -> None:
        """A latency is kept, or the error says that the kernel has no netem; nothing is left."""
        try:
            with self.web.slowed(latency=0.3):
                began = time.monotonic()
                page(self.web.endpoint(80))
                self.assertGreater(time.monotonic() - began, 0.3)
        except FaultError as error:
            self.assertRegex(str(error), "web .* could not be slowed: .* no netem: rate= and loss=")
        self.assert_no_rules()

    def test_partitioned(self) -> None:
        """Sides do not reach each other, members of a side do, and the test reaches all."""
        with self.net.partitioned([self.web], [self.cache, self.box]):
            self.assertCannotReach(self.box, "web", 80, timeout=SHORT)
            self.assertCannotReach(self.web, self.cache, 6379, timeout=SHORT)
            self.assertCanReach(self.box, "cache", 6379)
            self.assertReachable(self.web, 80)
            self.assertReachable(self.cache, 6379)
        self.assertCanReach(self.web, self.cache, 6379)
        self.assert_whole()

    def test_three_sides(self) -> None:
        """Of three sides, none reaches another."""
        with self.net.partitioned([self.web], [self.cache], [self.box]):
            self.assertCannotReach(self.box, self.cache, 6379, timeout=SHORT)
            self.assertCannotReach(self.box, self.web, 80, timeout=SHORT)
            self.assertCannotReach(self.web, self.cache, 6379, timeout=SHORT)
        self.assert_no_rules(self.web, self.cache, self.box)

    def test_time(self) -> None:
        """No fault takes seconds to make or to undo."""
        for name, fault in self.each_fault().items():
            with self.subTest(name):
                began = time.monotonic()
                with fault():
                    pass
                self.assertLess(time.monotonic() - began, SOON)


class UndoneTest(FaultTest):
    """Faults are undone whatever happens inside."""

    def test_exception(self) -> None:
        """An exception inside comes out as it is, and everything is as before."""
        for name, fault in self.each_fault().items():
            with self.subTest(name):
                with self.assertRaisesRegex(ZeroDivisionError, "^no tea$"):
                    with fault():
                        raise ZeroDivisionError("no tea")
                self.assert_whole()
        self.assert_no_rules(self.web, self.box)

    def test_ready_again(self) -> None:
        """At the end the service is ready again, before the next line runs."""
        server = DockerContainer("python:3.11-slim").with_command(["sh", "-c", SLOW_SERVER])
        self.running(server.with_exposed_ports(8000).waiting_for(wait.for_http("/")))
        for fault in (server.killed, lambda: server.stopped(timeout=0)):
            with fault():
                self.assertExited(server, None)
            self.assertEqual(200, page(server.endpoint(8000)))

    def test_not_ready_again(self) -> None:
        """A container that does not come back is an error with its last words."""
        script = "test ! -e /again || { echo lost; exit 5; }; touch /again; exec sleep 300"
        box = self.running(shell(script).waiting_for(wait.for_file("/again")))
        with self.assertRaisesRegex(ContainerDied, r"(?s)ended while waiting.*code 5.*\| lost"):
            with box.killed():
                box.await_ready = mock.Mock(wraps=lambda: DockerContainer.await_ready(box, GONE))
        self.assertEqual("exited", box.status)

    def test_interrupt(self) -> None:
        """Ctrl-C inside, and in the midst of the undoing, leaves everything as before."""
        process = python(INTERRUPTED, TCUNIT_REAPERS="none")
        with process:
            output, errors = process.communicate(timeout=120)
        self.assertEqual("", errors)
        told = output.split()
        self.assertEqual(7, len(told), output)
        self.assertEqual({"whole"}, {each.partition(":")[2] for each in told}, output)


GONE = wait.for_file("/never")

INTERRUPTED = """
import os, signal, threading, time, unittest
from tests.engine.test_faults import FaultTest

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)  # cut short

def later():
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

class Case(FaultTest):
    def test(self):
        for name, fault in self.each_fault().items():
            self.check(name, fault, interrupt)
        self.check("undoing", self.web.stopped, later)
        self.assert_no_rules(self.web, self.box)

    def check(self, name, fault, then):
        try:
            with fault():
                then()
            print(f"{name}:no-interrupt")
        except KeyboardInterrupt:
            self.assertReachable(self.web, 80)
            self.assert_whole()
            print(f"{name}:whole")

result = unittest.TestResult()
unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
for _, text in [*result.errors, *result.failures]:
    print(text)
"""


class RefusedTest(FaultTest):
    """What cannot be, is an error; nothing of it is left in place."""

    def test_two_at_once(self) -> None:
        """A second fault on the same container is refused, on another one it is not."""
        with self.web.paused():
            for name, fault in self.each_fault().items():
                with self.subTest(name):
                    with self.assertRaisesRegex(FaultError, "web .* is paused already: end that"):
                        with fault():
                            self.fail("two faults at once")
            with self.cache.paused():
                self.assertEqual("paused", self.cache.status)
            self.assertEqual("paused", self.web.status)
        self.assertReachable(self.cache, 6379)
        self.assert_whole()

    def test_two_threads(self) -> None:
        """Of two threads that make a fault at the same time, one is refused."""
        first, refused = threading.Event(), threading.Event()
        errors: list[Exception] = []

        def disturb() -> None:
            try:
                with self.web.paused():
                    first.set()
                    refused.wait(PATIENCE)
            except FaultError as error:
                errors.append(error)
                refused.set()

        threads = [threading.Thread(target=disturb) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(PATIENCE)
        self.assertTrue(first.is_set())
        self.assertRegex(" ".join(map(str, errors)), "^web .* is paused already: [^:]*$")
        self.assert_whole()

    def test_dead(self) -> None:
        """A fault on a container that has ended is refused at once, with its last words."""
        dead = shell("echo last words; exit 3").with_network(self.net).waiting_for(wait.for_exit(3))
        self.running(dead)
        for fault in (
            dead.paused,
            dead.stopped,
            dead.killed,
            dead.disconnected,
            lambda: dead.slowed(loss=1),
            lambda: self.net.partitioned([dead], [self.web]),
        ):
            with self.assertRaisesRegex(FaultError, r"(?s)not run: exited.*code 3.*\| last words"):
                with fault():
                    self.fail("a fault on a dead container")
        self.assert_whole()

    def test_never_started(self) -> None:
        """A fault on what was never started is refused."""
        for fault in (sleeper().paused, sleeper().killed, lambda: sleeper().slowed(loss=1)):
            with self.assertRaises(NotStarted):
                with fault():
                    self.fail("a fault on nothing")

    def test_removed_inside(self) -> None:
        """A container that somebody removed cannot be brought back; one that we stopped may go."""
        for name in ("paused", "stopped", "disconnected", "slowed"):
            with self.subTest(name), sleeper().with_network(self.net) as box:
                options = {"loss": 1} if name == "slowed" else {}
                options |= {"timeout": 0} if name == "stopped" else {}
                with self.assertRaisesRegex(FaultError, f"was removed while it was {name}"):
                    with getattr(box, name)(**options):
                        engine().remove_container(box.running.id)
                with self.assertRaisesRegex(FaultError, "does not run: removed"):
                    with box.paused():
                        self.fail("a fault on nothing")
        box = sleeper().start()
        with box.paused():
            box.stop()
        self.assertEqual("not_started", box.status)

    def test_ended_inside(self) -> None:
        """A container that ended during a fault is told with its exit code."""
        with sleeper().with_network(self.net) as box:
            with self.assertRaisesRegex(ContainerDied, "exited, exit code 137"):
                with box.slowed(loss=1):
                    engine().kill(box.running.id, "SIGKILL")

    def test_wrong_words(self) -> None:
        """Numbers and words that mean nothing are refused before anything is done."""
        for options in (
            {},
            {"loss": 1.1},
            {"loss": -0.1},
            {"loss": float("nan")},
            {"latency": -1},
            {"jitter": float("nan")},
            {"rate": "fast"},
            {"rate": "1mbit; reboot"},
        ):
            with self.subTest(options=options):
                with self.assertRaisesRegex(FaultError, "give latency= or jitter= in seconds"):
                    self.web.slowed(**options)  # type: ignore[arg-type]

    def test_wrong_sides(self) -> None:
        """Sides must be two at least, not empty, apart from each other, and of the network."""
        web, box = self.web, self.box
        for sides in ([], [[web]], [[web], []], [[web], [web, box]], [web, box], [["web"], [box]]):
            with self.subTest(sides=sides):
                with self.assertRaisesRegex(FaultError, "give at least two sides"):
                    with self.net.partitioned(*sides):  # type: ignore[arg-type]
                        self.fail("no such sides")
        with sleeper() as far:
            with self.assertRaisesRegex(FaultError, "is not on tcunit-.*, but on bridge: leave it"):
                with self.net.partitioned([self.web], [far]):
                    self.fail("it is elsewhere")
        self.assert_whole()

    def test_wrong_network(self) -> None:
        """A container is not cut off a network that it is not on."""
        with Network() as other:
            with self.assertRaisesRegex(FaultError, "say which of its networks to cut"):
                self.web.disconnected(other)
        with sleeper() as box:
            with self.assertRaisesRegex(FaultError, "is on no network of its own"):
                box.disconnected()

    def test_network_of_the_host(self) -> None:
        """The network of the engine's host is never disturbed."""
        for mode, place in (("host", "the engine's host's network"), ("none", "no network")):
            with self.subTest(mode), sleeper().with_network_mode(mode) as box:
                with self.assertRaisesRegex(FaultError, f"cannot be slowed, because .* {place}"):
                    with box.slowed(loss=1):
                        self.fail("it was slowed")
