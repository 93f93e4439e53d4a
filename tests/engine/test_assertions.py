"""Each assertion passes where what it says is true, and fails for each reason that it can name.

The messages seen are the table in ``docs/assertions.md``; ``TCUNIT_WRITE_TABLE=1`` writes it anew.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import struct
import tarfile
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit import ContainerTestCase, DockerContainer, Network, wait
from tcunit._session import SESSION_LABEL, session_id
from tcunit.errors import DeclarationError, NotStarted, PortNotExposed
from tcunit.lifecycle.removal import removals
from tcunit.modules import NginxContainer
from tcunit.reach import Answer, Inside

from .helpers import ROOT, EngineTest, engine, needs_bridge, run_class, sleeper

DOCUMENT = ROOT / "docs" / "assertions.md"
WRITE = "TCUNIT_WRITE_TABLE"
HEAD = """# Assertions that fail

What each assertion of `ContainerTestCase` says when it fails, by reason: the first line of its
message. Where it helps, the state of the containers, their last log lines, and how they are reached
follow. The rows are written by `tests/engine/test_assertions.py`, from what it saw, and a test
fails where one is out of date.

| assertion | reason | message |
|---|---|---|
"""
VARYING = (
    (r"tcunit-[\w.-]+-[0-9a-f]{8}", "…"),
    (r"\d+\.\d+\.\d+\.\d+", "ADDRESS"),
    (r"ADDRESS:\d{5}\b", "ADDRESS:PORT"),
    (r"asked (once|\d+ times)", "asked N times"),
    (r"\b[\d.]+ s\b", "N s"),
    (r"in \d+ characters", "in N characters"),
    (r"(body: |/: )'<.*'", r"\1'…'"),
)

SHORT = 0.2
SOON = 4.0  # seconds: far below the limits that hold by default, with their slack

ECHO = """
import socket
service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
service.bind(("", 9999))
while True:
    text, sender = service.recvfrom(1024)
    if text != b"say nothing":
        service.sendto(text, sender)
"""


def row_of(assertion: str, reason: str, message: str) -> str:
    """A line of the table, without what is another one each time."""
    text = message.partition("\n")[0]
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return f"| `{assertion}` | {reason} | `{text.replace('|', chr(92) + '|')}` |"


def rows() -> list[str]:
    return [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]


class FailureTest(EngineTest, ContainerTestCase):
    """Compares failures with the table."""

    @contextlib.contextmanager
    def fails(self, assertion: str, reason: str, pattern: str) -> Iterator[None]:
        """Fail unless an assertion fails soon with a message, which stands in the table."""
        began = time.monotonic()
        with self.assertRaises(self.failureException) as caught:
            yield
        self.assertLess(time.monotonic() - began, SOON)
        message = str(caught.exception)
        self.assertRegex(message, pattern)
        row = row_of(assertion, reason, message)
        if os.environ.get(WRITE):
            write(row)
        hint = f"{DOCUMENT.name} is out of date: if this is right, run the test with {WRITE}=1"
        self.assertIn(row, rows(), hint)


def write(row: str) -> None:
    """Put a row in its place, instead of the one for the same assertion and reason."""
    key = row.rpartition(" | `")[0]
    others = [each for each in rows() if each.rpartition(" | `")[0] != key]
    wanted = shown()
    kept = [each for each in [*others, row] if key_of(each) in wanted]
    DOCUMENT.write_text(
        HEAD + "\n".join(sorted(kept, key=lambda each: wanted[key_of(each)])) + "\n"
    )


def key_of(row: str) -> tuple[str, str]:
    assertion, reason = row.split(" | ")[:2]
    return assertion.strip("| `"), reason


def shown() -> dict[tuple[str, str], int]:
    """The assertions and reasons that this file shows, each with its place."""
    calls = [
        node
        for node in ast.walk(ast.parse(Path(__file__).read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.fails"
    ]
    calls.sort(key=lambda call: call.lineno)
    pairs = [tuple(ast.literal_eval(each) for each in call.args[:2]) for call in calls]
    names = [assertion for assertion, _ in pairs]
    pairs.sort(key=lambda pair: names.index(pair[0]))
    return {pair: place for place, pair in enumerate(pairs)}  # type: ignore[misc]


class DocumentTest(unittest.TestCase):
    """The table is whole."""

    def test_rows(self) -> None:
        """It has each reason that is shown here, once, in this order, and no other."""
        self.assertEqual(list(shown()), [key_of(each) for each in rows()])


class AssertionsTest(FailureTest):
    """Containers on two networks, one of them dead, and one that nobody published."""

    net = Network()
    other = Network()
    inner = Network(internal=True)
    web = (
        DockerContainer("nginx:alpine")
        .with_network(net)
        .with_network_aliases("web")
        .with_exposed_ports(80, 81)
        .waiting_for(wait.for_http("/", port=80))
    )
    py = (
        DockerContainer("python:3.11-slim")
        .with_network(net, "py")
        .with_command(["python", "-c", ECHO])
        .with_exposed_ports("9999/udp", "9998/udp")
        .waiting_for(wait.for_running())
    )
    box = sleeper().with_network(net)
    bash = sleeper("postgres:16-alpine").with_network(net).waiting_for(wait.for_running())
    far = sleeper().with_network(other, "far")
    dead = (
        DockerContainer("alpine")
        .with_network(net)
        .with_command(["sh", "-c", "echo first; echo last words; exit 3"])
        .with_exposed_ports(80)
        .waiting_for(wait.for_exit(3))
    )
    hidden = NginxContainer("nginx:alpine").with_network(inner)
    checked = sleeper().with_kwargs(
        healthcheck={"test": ["CMD-SHELL", "test ! -e /sick || { echo 'not well'; exit 4; }"]}
    )

    # -- from the test ----------------------------------------------------------------------------

    def test_reachable(self) -> None:
        """A TCP service that answers is reachable, by each mode's address."""
        self.assertReachable(self.web, 80)
        self.assertReachable(self.web, "80/tcp")
        self.connection_mode = "docker_host"
        self.assertReachable(self.web, 80)

    @needs_bridge
    def test_not_reachable(self) -> None:
        """What is not reachable says whether it refused, is paused, ended, or has no address."""
        with self.fails("assertReachable", "nothing listens", "is not reachable: .* refused"):
            self.assertReachable(self.web, 81, timeout=SHORT)
        with self.fails("assertReachable", "it ended", r"(?s)exit code 3.*  \| last words"):
            self.assertReachable(self.dead, 80)
        with self.web.paused():
            with self.fails("assertReachable", "it is paused", "it is paused"):
                self.assertReachable(self.web, 80, timeout=SHORT)
        self.connection_mode = "docker_host"
        with self.fails("assertReachable", "not published", "no address in connection mode"):
            self.assertReachable(self.hidden, 80, timeout=SHORT)

    @needs_bridge
    def test_silent_peer(self) -> None:
        """A service whose packets are lost did not answer in time."""
        with self.web.slowed(loss=1):
            with self.fails("assertReachable", "no answer in time", "did not answer within"):
                self.assertReachable(self.web, 80, timeout=SHORT)

    def test_assert_not_reachable(self) -> None:
        """Whatever keeps a service from answering makes it not reachable."""
        self.assertNotReachable(self.web, 81, timeout=SHORT)
        self.assertNotReachable(self.dead, 80)
        with self.web.paused():
            self.assertNotReachable(self.web, 80, timeout=SHORT)
        with self.fails("assertNotReachable", "a service answers", "is reachable, at "):
            self.assertNotReachable(self.web, 80, timeout=SHORT)

    @needs_bridge
    def test_udp(self) -> None:
        """A UDP service is reachable where it answers the payload."""
        self.assertReachable(self.py, "9999/udp")
        self.assertReachable(self.py, "9999/udp", payload=b"tea")
        self.assertNotReachable(self.py, "9998/udp", timeout=SHORT)
        self.assertNotReachable(self.py, "9999/udp", timeout=SHORT, payload=b"say nothing")
        with self.fails("assertReachable", "UDP: nothing listens", "9998/udp: .*refused"):
            self.assertReachable(self.py, "9998/udp", timeout=SHORT)
        with self.fails("assertReachable", "UDP: no answer", "sent nothing back"):
            self.assertReachable(self.py, "9999/udp", timeout=SHORT, payload=b"say nothing")
        with self.fails("assertNotReachable", "UDP: a service answers", "is reachable, at "):
            self.assertNotReachable(self.py, "9999/udp")

    def test_http(self) -> None:
        """A page is known by its status and its body; the answer is returned."""
        answer = self.assertHTTP(self.web)
        self.assertEqual((200, True), (answer.status, b"nginx" in answer.body))
        self.assertHTTP(self.web, "/missing", status=404)
        self.assertHTTP(self.web, "/missing", status={200, 404}, body="(?i)not found")
        request = wait.HttpRequest("/", method="HEAD")
        self.assertEqual(b"", self.assertHTTP(self.web, request=request).body)

    @needs_bridge
    def test_http_fails(self) -> None:
        """A page that is not as wanted says what came instead."""
        with self.fails("assertHTTP", "another status", "status 404 and not 200; body"):
            self.assertHTTP(self.web, "/missing", timeout=SHORT)
        with self.fails("assertHTTP", "another body", "the body has no match for /tea/"):
            self.assertHTTP(self.web, body="tea", timeout=SHORT)
        with self.fails("assertHTTP", "nothing listens", "no answer: .*refused"):
            self.assertHTTP(self.web, port=81, timeout=SHORT)
        with self.fails("assertHTTP", "it ended", r"(?s)it does not run.*  \| last words"):
            self.assertHTTP(self.dead)
        with self.web.paused():
            with self.fails("assertHTTP", "it is paused", "it is paused"):
                self.assertHTTP(self.web, timeout=SHORT)

    # -- from inside ------------------------------------------------------------------------------

    def test_can_reach(self) -> None:
        """By alias, address and container; from images with nc only, with Python, with bash."""
        address = self.web.running.addresses()[0]
        for source in (self.box, self.py, self.bash):
            for target in ("web", address, self.web):
                with self.subTest(source=source.image, target=target):
                    self.assertCanReach(source, target, 80)

    def test_cannot_reach_for_a_reason(self) -> None:
        """Each of these images tells the same reasons."""
        for source in (self.box, self.py, self.bash):
            with self.subTest(source=source.image):
                self.refused(source)
                self.nameless(source)
                self.silent(source)
        self.assertCannotReach(self.box, "nowhere", 80, timeout=SHORT)

    def refused(self, source: DockerContainer) -> None:
        with self.named(source), self.fails("assertCanReach", "nothing listens", "refused the"):
            self.assertCanReach(source, self.web, 81, timeout=SHORT)
        with self.named(source):
            self.assertCannotReach(source, self.web, 81)

    def nameless(self, source: DockerContainer) -> None:
        with self.named(source), self.fails("assertCanReach", "no such name", "does not resolve"):
            self.assertCanReach(source, "nowhere", 80, timeout=SHORT)

    def silent(self, source: DockerContainer) -> None:
        unused = self.web.running.addresses()[0].rpartition(".")[0] + ".250"
        with self.named(source), self.fails("assertCanReach", "no answer", "not answer|routed"):
            self.assertCanReach(source, unused, 80, timeout=SHORT)

    @contextlib.contextmanager
    def named(self, source: DockerContainer) -> Iterator[None]:
        """Call a source by one name, so that one row of the table is right for all of them."""
        name, source.running.description = source.running.description, "box (alpine, …)"
        try:
            yield
        finally:
            source.running.description = name

    def test_wrong_network(self) -> None:
        """Containers without a common network do not reach each other, and a failure says so."""
        with self.fails("assertCanReach", "no common network", "they share no network: box "):
            self.assertCanReach(self.box, self.far, 80)
        with self.fails("assertCanReach", "the name is on another network", "does not resolve"):
            self.assertCanReach(self.box, "far", 80, timeout=SHORT)
        self.assertCannotReach(self.box, self.far, 80, timeout=SHORT)

    def test_states_inside(self) -> None:
        """A source or a target that has ended or is paused is said to be so."""
        with self.fails("assertCanReach", "the target ended", r"(?s)exit code 3.*\| last words"):
            self.assertCanReach(self.box, self.dead, 80)
        with self.fails("assertCanReach", "the source ended", r"(?s)exit code 3.*\| last words"):
            self.assertCanReach(self.dead, self.web, 80)
        self.assertCannotReach(self.box, self.dead, 80, timeout=SHORT)
        with self.web.paused():
            with self.fails("assertCanReach", "the target is paused", "web .* is paused"):
                self.assertCanReach(self.box, self.web, 80, timeout=SHORT)
            with self.fails("assertCanReach", "the source is paused", "web .* is paused"):
                self.assertCanReach(self.web, "py", 80, timeout=SHORT)

    def test_can_reach_after_all(self) -> None:
        """What can be reached fails ``assertCannotReach``; a dead source proves nothing."""
        with self.fails("assertCannotReach", "it can", r"can reach web .*accepted.*own tools"):
            self.assertCannotReach(self.box, self.web, 80)
        with self.fails("assertCannotReach", "the source ended", "does not run: exited"):
            self.assertCannotReach(self.dead, self.web, 80)

    def test_resolves(self) -> None:
        """A name resolves to its address on the network of both."""
        address = self.web.running.addresses()[0]
        for source in (self.box, self.py):
            with self.subTest(source=source.image):
                self.assertResolves(source, "web")
                self.assertResolves(source, "web", address)
        with self.fails("assertResolves", "to another address", "resolves to .*, not to 192.0.2.1"):
            self.assertResolves(self.box, "web", "192.0.2.1")
        with self.fails("assertResolves", "no such name", "nowhere does not resolve in box .* on "):
            self.assertResolves(self.box, "nowhere", timeout=SHORT)
        with self.fails("assertResolves", "the source ended", "does not run: exited"):
            self.assertResolves(self.dead, "web")

    def test_networks(self) -> None:
        """Two containers share a network, or they do not."""
        self.assertSameNetwork(self.box, self.web)
        self.assertIsolated(self.box, self.far)
        with self.fails("assertSameNetwork", "no common network", "they share no network: box"):
            self.assertSameNetwork(self.box, self.far)
        with self.fails("assertIsolated", "a common network", "box .* and web .* share tcunit-"):
            self.assertIsolated(self.box, self.web)

    # -- about its state --------------------------------------------------------------------------

    def test_running(self) -> None:
        """What runs is running; what is paused or has ended is not."""
        self.assertRunning(self.box)
        with self.fails("assertRunning", "it ended", r"(?s)exited, exit code 3.*\| last words"):
            self.assertRunning(self.dead)
        with self.box.paused():
            with self.fails("assertRunning", "it is paused", "does not run: paused"):
                self.assertRunning(self.box)

    def test_exited(self) -> None:
        """An end is known by its code; ``None`` takes any."""
        self.assertExited(self.dead, 3)
        self.assertExited(self.dead, None)
        with self.fails("assertExited", "another code", r"(?s)than 0: exited.*\| last words"):
            self.assertExited(self.dead)
        with self.fails("assertExited", "it runs", "still running"):
            self.assertExited(self.box, timeout=SHORT)

    def test_ready(self) -> None:
        """Any wait strategy can be asserted."""
        self.assertReady(self.web, wait.for_port(80))
        self.assertReady(self.box, wait.for_exec("true"))
        self.assertReady(self.box, wait.for_file("/etc"))
        with self.fails("assertReady", "not in time", "waiting for port 81/tcp.*refused"):
            self.assertReady(self.web, wait.for_port(81), timeout=SHORT)
        with self.fails("assertReady", "it ended", r"(?s)ended while waiting.*\| last words"):
            self.assertReady(self.dead, wait.for_port(80))

    def test_healthy(self) -> None:
        """The health check is run at once, and its words are shown."""
        self.assertHealthy(self.checked)
        self.checked.exec("touch /sick")
        with self.fails("assertHealthy", "its check fails", "ended with code 4: not well"):
            self.assertHealthy(self.checked, timeout=SHORT)
        self.checked.exec("rm /sick")
        with self.assertRaisesRegex(DeclarationError, "has no HEALTHCHECK"):
            self.assertHealthy(self.box)

    def test_logged(self) -> None:
        """A pattern is found in the log, also in that of a container that has ended."""
        self.assertHTTP(self.web, "/missing?milk", status=404)
        self.assertContainerLogged(self.web, r"GET /missing\?milk")
        self.assertContainerLogged(self.dead, "^last words$")
        self.assertContainerLogged(self.dead, "first|last", times=2, stream="stdout")
        self.assertNotContainerLogged(self.dead, "last words", stream="stderr")
        self.assertNotContainerLogged(self.web, "never")

    def test_logged_fails(self) -> None:
        """How often a pattern was seen is said; or the line that ought not to be there."""
        with self.fails("assertContainerLogged", "not in time", "/never/, asked .* seen 0 times"):
            self.assertContainerLogged(self.web, "never", timeout=SHORT)
        with self.fails("assertContainerLogged", "it ended before", "whole log has that 1 times"):
            self.assertContainerLogged(self.dead, "last", times=2)
        with self.fails("assertNotContainerLogged", "it did", "/last w/: 'last words'"):
            self.assertNotContainerLogged(self.dead, "last w")

    def test_logged_since_its_start(self) -> None:
        """After a restart, what was logged before does not count, but for the assertion of not."""
        with DockerContainer("alpine").with_command(
            ["sh", "-c", "test -e /again || echo once; touch /again; exec sleep 300"]
        ) as box:
            self.assertContainerLogged(box, "once")
            box.restart(timeout=0)
            with self.assertRaisesRegex(AssertionError, "seen 0 times"):
                self.assertContainerLogged(box, "once", timeout=SHORT)
            with self.assertRaisesRegex(AssertionError, "'once'"):
                self.assertNotContainerLogged(box, "once")

    def test_exec(self) -> None:
        """A command is known by its code and its output; the result is returned."""
        self.assertEqual(b"tea\n", self.assertExec(self.box, "echo tea", stdout="^tea$").stdout)
        self.assertExec(self.box, ["sh", "-c", "echo no >&2; exit 3"], code=3, stderr="no")
        with self.fails("assertExec", "another code", r"(?s)code 3 and not 0. It said:\nno"):
            self.assertExec(self.box, ["sh", "-c", "echo no; exit 3"])
        with self.fails(
            "assertExec", "another output", r"(?s)stdout has no match for /milk/:\ntea"
        ):
            self.assertExec(self.box, "echo tea", stdout="milk")
        with self.fails("assertExec", "it ended", r"(?s)does not run: exited.*\| last words"):
            self.assertExec(self.dead, "true")
        with self.box.paused():
            with self.fails("assertExec", "it is paused", "is paused"):
                self.assertExec(self.box, "true")

    def test_published(self) -> None:
        """A port is published on the engine's host, or it is not."""
        self.assertPublished(self.web, 80)
        self.assertNotPublished(self.web, 82)
        self.assertNotPublished(self.hidden, 80)
        with self.fails("assertPublished", "not published", "is not published; published: 8"):
            self.assertPublished(self.web, 82)
        with self.fails("assertPublished", "it ended", "published: none"):
            self.assertPublished(self.dead, 80)
        with self.fails("assertNotPublished", "published", r"is published on .*127\.0\.0\.1:\d+"):
            self.assertNotPublished(self.web, 80)

    def test_removed(self) -> None:
        """A container that somebody removed is said to be gone; nothing is proven about it."""
        with sleeper().with_network(self.net) as box:
            engine().remove_container(box.running.id)
            for assertion, asked in (
                ("assertPublished", lambda: self.assertPublished(box, 80)),
                ("assertNotPublished", lambda: self.assertNotPublished(box, 80)),
                ("assertSameNetwork", lambda: self.assertSameNetwork(box, self.web)),
                ("assertIsolated", lambda: self.assertIsolated(self.far, box)),
                ("assertRunning", lambda: self.assertRunning(box)),
                ("assertCannotReach", lambda: self.assertCannotReach(box, self.web, 80)),
            ):
                with self.subTest(assertion):
                    with self.assertRaisesRegex(AssertionError, "removed"):
                        asked()

    # -- what they share --------------------------------------------------------------------------

    def each_failing(self) -> dict[str, Callable[..., Any]]:
        """One failing call of each assertion, which takes further arguments."""
        return {
            "Reachable": lambda **kw: self.assertReachable(self.dead, 80, **kw),
            "NotReachable": lambda **kw: self.assertNotReachable(self.web, 80, **kw),
            "HTTP": lambda **kw: self.assertHTTP(self.dead, **kw),
            "CanReach": lambda **kw: self.assertCanReach(self.box, self.far, 80, **kw),
            "CannotReach": lambda **kw: self.assertCannotReach(self.box, self.web, 80, **kw),
            "Resolves": lambda **kw: self.assertResolves(self.dead, "web", **kw),
            "SameNetwork": lambda **kw: self.assertSameNetwork(self.box, self.far, **kw),
            "Isolated": lambda **kw: self.assertIsolated(self.box, self.web, **kw),
            "Ready": lambda **kw: self.assertReady(self.dead, wait.for_port(80), **kw),
            "Running": lambda **kw: self.assertRunning(self.dead, **kw),
            "Healthy": lambda **kw: self.sick(**kw),
            "Exited": lambda **kw: self.assertExited(self.dead, **kw),
            "ContainerLogged": lambda **kw: self.assertContainerLogged(self.dead, "no", **kw),
            "NotContainerLogged": lambda **kw: self.assertNotContainerLogged(
                self.dead, "last", **kw
            ),
            "Exec": lambda **kw: self.assertExec(self.box, "false", **kw),
            "Published": lambda **kw: self.assertPublished(self.dead, 80, **kw),
            "NotPublished": lambda **kw: self.assertNotPublished(self.web, 80, **kw),
        }

    def sick(self, **kw: Any) -> None:
        self.checked.exec("touch /sick")
        try:
            self.assertHealthy(self.checked, timeout=SHORT, **kw)
        finally:
            self.checked.exec("rm /sick")

    def test_every_assertion(self) -> None:
        """Every assertion of ours is shown here."""
        ours = {
            name.removeprefix("assert")
            for name in dir(ContainerTestCase)
            if name.startswith("assert") and not hasattr(unittest.TestCase, name)
        }
        shown_here = {f"assert{name}" for name in self.each_failing()}
        self.assertEqual(set(), ours - set(self.each_failing()) - {"NoLeaks"})
        self.assertEqual(set(), shown_here - {assertion for assertion, _ in shown()})

    def test_msg(self) -> None:
        """``msg`` comes after our own words; with ``longMessage = False``, alone."""
        for name, asked in self.each_failing().items():
            with self.subTest(name):
                with self.assertRaisesRegex(AssertionError, r"(?s)[a-z].* : no tea$"):
                    asked(msg="no tea")
        self.longMessage = False
        with self.assertRaisesRegex(AssertionError, "^no tea$"):
            self.assertRunning(self.dead, "no tea")

    def test_timeout(self) -> None:
        """``timeout`` bounds the wait: it is used up, and little more."""
        for name, asked in {
            "Reachable": lambda: self.assertReachable(self.web, 81, timeout=0.5),
            "HTTP": lambda: self.assertHTTP(self.web, port=81, timeout=0.5),
            "CanReach": lambda: self.assertCanReach(self.box, self.web, 81, timeout=0.5),
            "Ready": lambda: self.assertReady(self.web, wait.for_port(81), timeout=0.5),
            "Exited": lambda: self.assertExited(self.web, timeout=0.5),
            "Logged": lambda: self.assertContainerLogged(self.web, "never", timeout=0.5),
        }.items():
            with self.subTest(name):
                began = time.monotonic()
                with self.assertRaises(AssertionError):
                    asked()
                took = time.monotonic() - began
                self.assertGreater(took, 0.4)
                self.assertLess(took, 2.5)

    def test_passes_as_soon_as_it_is_true(self) -> None:
        """An assertion waits for what becomes true meanwhile."""
        script = "sleep 0.3; echo now; exec nc -l -p 80"
        with (
            DockerContainer("alpine")
            .with_network(self.net)
            .with_command(["sh", "-c", script]) as late
        ):
            self.assertCanReach(self.box, late, 80)
            self.assertContainerLogged(late, "now")

    # -- bad input --------------------------------------------------------------------------------

    def test_never_started(self) -> None:
        """Whatever is asserted about what was never started is an error that says so."""
        box: DockerContainer = sleeper().with_exposed_ports(80)
        for name, asked in {
            "Reachable": lambda: self.assertReachable(box, 80),
            "NotReachable": lambda: self.assertNotReachable(box, 80),
            "HTTP": lambda: self.assertHTTP(box),
            "CanReach": lambda: self.assertCanReach(box, self.web, 80),
            "CanReach it": lambda: self.assertCanReach(self.box, box, 80),
            "CannotReach": lambda: self.assertCannotReach(self.box, box, 80),
            "Resolves": lambda: self.assertResolves(box, "web"),
            "Isolated": lambda: self.assertIsolated(box, self.web),
            "SameNetwork": lambda: self.assertSameNetwork(self.web, box),
            "Running": lambda: self.assertRunning(box),
            "Exited": lambda: self.assertExited(box),
            "Logged": lambda: self.assertContainerLogged(box, "tea"),
            "NotLogged": lambda: self.assertNotContainerLogged(box, "tea"),
            "Exec": lambda: self.assertExec(box, "true"),
            "NotPublished": lambda: self.assertNotPublished(box, 80),
        }.items():
            with self.subTest(name):
                with self.assertRaisesRegex(NotStarted, r"alpine.* is not started.*self\.db"):
                    asked()

    def test_of_another_class(self) -> None:
        """A container of a class that does not run is not started, whatever runs here."""

        class Other(ContainerTestCase):
            db = sleeper()

        with self.assertRaisesRegex(NotStarted, r"db \(alpine\) is not started"):
            self.assertRunning(Other.db)

    def test_port_of_another_container(self) -> None:
        """A port that a container does not expose is an error that lists those it does."""
        for asked in (self.assertReachable, self.assertNotReachable):
            with self.assertRaisesRegex(PortNotExposed, "6379/tcp of web .*exposed: 80/tcp, 81"):
                asked(self.web, 6379)
        with self.assertRaisesRegex(PortNotExposed, "80/tcp of py"):
            self.assertHTTP(self.py)

    def test_patterns_and_words(self) -> None:
        """A pattern that does not compile, and a stream that is none, are errors at once."""
        for name, asked in {
            "Logged": lambda: self.assertContainerLogged(self.web, "("),
            "NotLogged": lambda: self.assertNotContainerLogged(self.web, "("),
            "Exec": lambda: self.assertExec(self.box, "true", stdout="("),
            "Exec stderr": lambda: self.assertExec(self.box, "true", stderr="("),
            "HTTP": lambda: self.assertHTTP(self.web, body="("),
        }.items():
            with self.subTest(name):
                with self.assertRaisesRegex(DeclarationError, r"'\(' is no regular expression"):
                    asked()
        with self.assertRaisesRegex(DeclarationError, "choose from both, stdout, stderr"):
            self.assertNotContainerLogged(self.web, "tea", stream="out")

    def test_udp_from_inside(self) -> None:
        """That a UDP port can be reached from inside cannot be told, and is an error."""
        for asked in (self.assertCanReach, self.assertCannotReach):
            with self.assertRaisesRegex(DeclarationError, "9999/udp: only TCP"):
                asked(self.box, self.py, "9999/udp")


class TracebackTest(EngineTest):
    """What a runner shows of a failure."""

    def test_last_line(self) -> None:
        """The traceback of a failure ends in the line of the test, for every assertion."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            def test_running(self) -> None:
                self.assertExited(self.box, timeout=0.1)  # one

            def test_logged(self) -> None:
                self.assertContainerLogged(self.box, "tea", timeout=0.1)  # two

            def test_can_reach(self) -> None:
                self.assertCanReach(self.box, "127.0.0.1", 80, timeout=0.1)  # three

        result = run_class(ShopTest)
        self.assertEqual((3, []), (len(result.failures), result.errors))
        lines = []
        for _, text in result.failures:
            found = re.findall(r'File "(.*)", line \d+, in (\w+)\n +(.*)', text)
            self.assertEqual([__file__], [name for name, _, _ in found], text)
            lines.append(found[-1][2].partition("  # ")[2])
        self.assertEqual(["one", "three", "two"], sorted(lines))


# -- an image without a shell ---------------------------------------------------------------------

PROGRAMS = {  # each waits for ever: pause() and ppoll() without an end
    "amd64": (62, bytes.fromhex("b822000000 0f05 ebf7")),
    "arm64": (183, bytes.fromhex("280980d2 010000d4 ffffff17")),
}


def program(machine: int, code: bytes) -> bytes:
    """An executable file that needs nothing but the kernel."""
    start, base = 120, 0x400000
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = start + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096)
    return ident + head + segment + code


def layer(name: str, content: bytes) -> bytes:
    """A root file system with one executable file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


class DistrolessTest(FailureTest):
    """Where the image has nothing but its program, a helper container asks."""

    net = Network()
    other = Network()
    web = NginxContainer("nginx:alpine").with_network(net, "web")
    far = NginxContainer("nginx:alpine").with_network(other)
    bare = DockerContainer("localhost/tcunit-distroless").with_network(net)

    @classmethod
    def setUpClass(cls) -> None:
        architecture = engine().version["Arch"]
        if architecture not in PROGRAMS:
            raise unittest.SkipTest(f"no program is here for {architecture}")
        api = engine().client.api
        labels = [f"LABEL {SESSION_LABEL}={session_id()}", 'ENTRYPOINT ["/wait"]']
        image = "localhost/tcunit-distroless"
        cls.addClassCleanup(engine().images.forget, image)
        cls.addClassCleanup(api.remove_image, image)
        cls.addClassCleanup(removals.finish)  # as long as a container has it, it cannot go
        content = layer("wait", program(*PROGRAMS[architecture]))
        api.import_image_from_data(content, repository=image, tag="latest", changes=labels)
        super().setUpClass()

    def test_has_no_shell(self) -> None:
        """There is no shell in it: what follows is asked by another container."""
        self.assertNotEqual(0, self.bare.exec(["sh", "-c", "true"]).exit_code)

    def test_can_reach(self) -> None:
        """By alias, address and container; the name resolves."""
        for target in ("web", self.web.running.addresses()[0], self.web):
            with self.subTest(target=target):
                self.assertCanReach(self.bare, target, 80)
        self.assertResolves(self.bare, "web", self.web.running.addresses()[0])

    def test_cannot_reach(self) -> None:
        """The reasons are the same, and one helper serves for the whole of an assertion."""
        with self.fails("assertCanReach", "asked by a helper", r"refused.*by a helper container"):
            self.assertCanReach(self.bare, self.web, 81, timeout=SHORT)
        self.assertCannotReach(self.bare, self.web, 81, timeout=SHORT)
        self.assertCannotReach(self.bare, self.far, 80, timeout=SHORT)
        with self.fails("assertCannotReach", "asked by a helper", "can reach web.*by a helper"):
            self.assertCannotReach(self.bare, self.web, 80)

    def test_a_gap_between_networks(self) -> None:
        """What answers only while an engine puts its rules in order is not reachable."""
        answers = [Answer(True, "it did", "chance"), Answer(False, "it does not", "chance")]
        with mock.patch.object(Inside, "connects", side_effect=answers) as asked:
            self.assertCannotReach(self.bare, "far", 80)
        self.assertEqual(2, asked.call_count)

    def test_file(self) -> None:
        """A file is seen without a shell, too."""
        self.assertReady(self.bare, wait.for_file("/wait"))
        with self.fails("assertReady", "no such file", "the file /tea, asked .* not there"):
            self.assertReady(self.bare, wait.for_file("/tea"), timeout=SHORT)
