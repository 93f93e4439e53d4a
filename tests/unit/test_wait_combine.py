"""Waits made of waits, and the default one."""

from __future__ import annotations

import time
import unittest

from tcunit import wait
from tcunit.errors import ContainerDied, DeclarationError, NotReady
from tcunit.ports import Port
from tcunit.wait import (
    AllOf,
    AnyOf,
    DefaultWaitStrategy,
    ExecResult,
    HealthcheckWaitStrategy,
    PortWaitStrategy,
    RunningWaitStrategy,
    wait_until_ready,
)
from tcunit.wait.base import ProbeAddress

from .in_memory import ENDED, Scripted, Target, free_port, listening


class AllOfTest(unittest.TestCase):
    """Ready when every strategy was."""

    def test_each_is_asked_until_its_own_success(self) -> None:
        """What was ready once is not asked again."""
        fast, slow = Scripted(None, "not again"), Scripted("no", "no", None)
        wait_until_ready(Target(), AllOf(fast, slow), 60)
        self.assertEqual((1, 3), (fast.asked, slow.asked))

    def test_the_message_has_what_is_missing(self) -> None:
        """The first missing strategy is named with its reason; what was ready is not."""
        strategy = AllOf(Scripted(None, name="one"), Scripted("not yet", name="two"))
        with self.assertRaises(NotReady) as caught:
            wait_until_ready(Target(), strategy, 0.01)
        self.assertIn("waiting for all_of(one, two)", str(caught.exception))
        self.assertIn("the last time: two: not yet\n", str(caught.exception))

    def test_an_inner_limit(self) -> None:
        """A part that has a limit of its own ends the whole wait when that is over."""
        hasty = Scripted("no", name="hasty").with_startup_timeout(0.01)
        began = time.monotonic()
        with self.assertRaises(NotReady) as caught:
            wait_until_ready(Target(), AllOf(Scripted("no"), hasty), 60)
        self.assertLess(time.monotonic() - began, 30)
        expected = (
            "web was not ready within 0.01 s: waiting for hasty, the last time: no\n(the log)"
        )
        self.assertEqual(expected, str(caught.exception))

    def test_an_inner_limit_that_was_kept(self) -> None:
        """A part that was ready in its time limits the others no more."""
        hasty = Scripted(None).with_startup_timeout(1e-9)
        slow = Scripted("no", "no", None)
        wait_until_ready(Target(), AllOf(hasty, slow), 60)
        self.assertEqual(3, slow.asked)

    def test_one_strategy_serves_many_waits(self) -> None:
        """What one wait has seen means nothing to the next."""
        inner = Scripted(None)
        strategy = AllOf(inner)
        for expected in (1, 2):
            wait_until_ready(Target(), strategy, 60)
            self.assertEqual(expected, inner.asked)


class AnyOfTest(unittest.TestCase):
    """Ready as soon as one strategy is."""

    def test_the_first_is_enough(self) -> None:
        """Each is asked in turn until one is ready."""
        never, second = Scripted("no"), Scripted("no", None)
        wait_until_ready(Target(), AnyOf(never, second), 60)
        self.assertEqual((2, 2), (never.asked, second.asked))

    def test_the_message_has_every_reason(self) -> None:
        """Each strategy is named with its reason."""
        strategy = AnyOf(Scripted("a", name="one"), Scripted("b", name="two"))
        with self.assertRaisesRegex(NotReady, "the last time: one: a; two: b\n"):
            wait_until_ready(Target(), strategy, 0.01)

    def test_an_inner_limit_drops_the_part_only(self) -> None:
        """When one part's time is over, the others go on without it."""
        hasty = Scripted("no").with_startup_timeout(1e-9)
        slow = Scripted("no", "no", None)
        wait_until_ready(Target(), AnyOf(hasty, slow), 60)
        self.assertEqual((1, 3), (hasty.asked, slow.asked))

    def test_the_limit_of_a_part_of_a_part(self) -> None:
        """A combined part whose time is over is dropped, too."""
        for combined in (AllOf, AnyOf):
            with self.subTest(combined=combined.__name__):
                hasty = combined(Scripted("no").with_startup_timeout(1e-9))
                slow = Scripted("no", "no", None)
                wait_until_ready(Target(), AnyOf(hasty, slow), 60)
                self.assertEqual(3, slow.asked)

    def test_every_inner_limit_is_over(self) -> None:
        """When no part is left, the last one is the error, before the general limit."""
        parts = [Scripted("no", name=name).with_startup_timeout(1e-9) for name in ("one", "two")]
        with self.assertRaisesRegex(NotReady, "waiting for two, the last time: no"):
            wait_until_ready(Target(), AnyOf(*parts), 60)

    def test_ready_in_the_last_moment(self) -> None:
        """An answer that is yes counts, however late."""
        wait_until_ready(Target(), AnyOf(Scripted(None).with_startup_timeout(1e-9)), 60)


class CombinedTest(unittest.TestCase):
    """What both have in common."""

    def test_limit(self) -> None:
        """Its own limit, else the longest of its parts', who have the default if none."""
        quick = Scripted(None).with_startup_timeout(1)
        long = Scripted(None).with_startup_timeout(100)
        plain = Scripted(None)
        for kind in (AllOf, AnyOf):
            for strategy, expected in [
                (kind(quick), 1),
                (kind(quick, plain), 60),
                (kind(quick, plain, long), 100),
                (kind(quick, long).with_startup_timeout(5), 5),
                (kind(quick, kind(long)), 100),
            ]:
                with self.subTest(strategy=strategy, kind=kind.__name__):
                    self.assertEqual(expected, strategy.limit(60))

    def test_at_least_one_part(self) -> None:
        """An empty one is refused."""
        for kind, name in [(wait.all_of, "all_of"), (wait.any_of, "any_of")]:
            with self.assertRaisesRegex(DeclarationError, rf"{name}\(\) needs at least one"):
                kind()

    def test_text(self) -> None:
        """It reads as it is written."""
        strategy = wait.all_of(wait.for_port(80), wait.any_of(wait.for_running(), wait.for_exit()))
        expected = "all_of(port 80/tcp, any_of(the container to run, its end with exit code 0))"
        self.assertEqual(expected, str(strategy))

    def test_with_the_end_of_the_container(self) -> None:
        """A part that waits for the end makes the whole outlive the container."""
        target = Target(states=[ENDED], stdout="done\n")
        for kind in (wait.all_of, wait.any_of):
            wait_until_ready(target, kind(wait.for_log("done"), wait.for_exit(3)), 60)
        slow = Scripted("no", "no", None)
        wait_until_ready(target, wait.all_of(slow, wait.for_exit(3)), 60)
        self.assertEqual(3, slow.asked)
        with self.assertRaises(ContainerDied):
            wait_until_ready(target, wait.all_of(wait.for_log("never")), 60)


class DefaultTest(unittest.TestCase):
    """What "ready" means where nothing was said."""

    def choice(self, target: Target) -> str:
        """The strategy that is chosen, as it reads."""
        return str(DefaultWaitStrategy._choose(target))

    def test_choice(self) -> None:
        """Health check, then the image's own ports, then any exposed one, then running."""
        web, admin, dns = Port(80), Port(8080), Port(53, "udp")
        health = ["CMD", "true"]
        for expected, target in [
            (str(HealthcheckWaitStrategy()), Target(healthcheck=health)),
            (
                str(HealthcheckWaitStrategy()),
                Target(healthcheck=health, exposed_ports=[web], image_ports=[web]),
            ),
            (
                str(AllOf(PortWaitStrategy(80))),
                Target(exposed_ports=[web, admin], image_ports=[web]),
            ),
            (
                str(AllOf(PortWaitStrategy(80), PortWaitStrategy(8080))),
                Target(exposed_ports=[web, admin, dns], image_ports=[admin, web, dns]),
            ),
            (
                str(AnyOf(PortWaitStrategy(80), PortWaitStrategy(8080))),
                Target(exposed_ports=[web, admin], image_ports=[Port(443)]),
            ),
            (str(AnyOf(PortWaitStrategy(80))), Target(exposed_ports=[web, dns])),
            (str(RunningWaitStrategy()), Target(exposed_ports=[dns], image_ports=[dns])),
            (str(RunningWaitStrategy()), Target(image_ports=[web])),
            (str(RunningWaitStrategy()), Target()),
        ]:
            with self.subTest(expected=expected):
                self.assertEqual(expected, self.choice(target))

    def test_it_waits_by_its_choice(self) -> None:
        """A health check is run, a port is asked, and a running container is ready."""
        healthy = Target(healthcheck=["CMD", "true"], results=[ExecResult(0, b"")])
        wait_until_ready(healthy, DefaultWaitStrategy(), 10)
        self.assertEqual([["true"]], [command for command, _ in healthy.commands])
        with listening() as server:
            address = ProbeAddress(*server.getsockname(), direct=True)
            web = Target(exposed_ports=[Port(80)], address=address)
            wait_until_ready(web, DefaultWaitStrategy(), 10)
        self.assertEqual([Port(80)], web.asked_for)
        wait_until_ready(Target(), DefaultWaitStrategy(), 10)

    def test_its_message(self) -> None:
        """Where it fails, the message says that nothing was declared, and which port is missing."""
        address = ProbeAddress("127.0.0.1", free_port(), direct=True)
        target = Target(exposed_ports=[Port(80)], address=address)
        with self.assertRaises(NotReady) as caught:
            wait_until_ready(target, DefaultWaitStrategy(), 0.01)
        self.assertIn("no strategy was declared", str(caught.exception))
        self.assertIn("port 80/tcp: 127.0.0.1:", str(caught.exception))
