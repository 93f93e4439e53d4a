"""Waiting for an answer over HTTP."""

from __future__ import annotations

import base64
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tcunit import wait
from tcunit.errors import DeclarationError, NotReady
from tcunit.ports import Port
from tcunit.wait import HttpAnswer, wait_until_ready
from tcunit.wait.base import ProbeAddress
from tcunit.wait.http import HttpRequest

from .in_memory import Target, free_port, listening


class Handler(BaseHTTPRequestHandler):
    """Answers with the status that the path names, and notes what was asked."""

    server: Server

    def answer(self) -> None:
        """One answer."""
        length = int(self.headers.get("Content-Length", 0))
        self.server.asked.append((self.command, self.path, self.headers, self.rfile.read(length)))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("X-Version", "7")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"up and running")

    do_GET = do_POST = do_HEAD = answer

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


class Server(ThreadingHTTPServer):
    """A server that plays its statuses, the last one for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = [200]
        self.asked: list[tuple[str, str, Any, bytes]] = []


class HttpCase(unittest.TestCase):
    """With a server on loopback."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = cls.enterClassContext(Server())
        thread = threading.Thread(target=cls.server.serve_forever, args=(0.005,))
        thread.start()
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(cls.server.shutdown)

    def setUp(self) -> None:
        self.server.asked.clear()
        self.server.statuses = [200]
        host, port = self.server.server_address[:2]
        self.target = Target(
            exposed_ports=[Port(80)], address=ProbeAddress(str(host), port, direct=True)
        )

    def ask(self, strategy: wait.HttpWaitStrategy) -> str | None:
        """Why the server is not ready."""
        return strategy.begin(self.target)()


class HttpTest(HttpCase):
    """A real server on loopback."""

    def test_which_statuses_count(self) -> None:
        """By default all from 200 to 399; else the one or those that were given."""
        for options, ready, not_ready in [
            ({}, (200, 204, 302, 399), (400, 404, 500, 503)),
            ({"status": 404}, (404,), (200, 403)),
            ({"status": {200, 401}}, (200, 401), (204, 403)),
            ({"status": range(500, 504)}, (500, 503), (200, 504)),
        ]:
            given: dict[str, Any] = options
            for status in (*ready, *not_ready):
                with self.subTest(options=given, status=status):
                    self.server.statuses = [status]
                    expected = None if status in ready else f"answered with status {status}"
                    self.assertEqual(expected, self.ask(wait.for_http("/", **given)))

    def test_it_waits(self) -> None:
        """It asks until the status is right."""
        self.server.statuses = [503, 404, 200]
        wait_until_ready(self.target, wait.for_http("/health"), 60)
        self.assertEqual(["/health"] * 3, [path for _, path, _, _ in self.server.asked])

    def test_predicate(self) -> None:
        """A further condition sees status, headers in lower case, and body."""
        seen: list[HttpAnswer] = []

        def is_second(answer: HttpAnswer) -> bool:
            seen.append(answer)
            return len(seen) == 2

        strategy = wait.for_http("/", predicate=is_second)
        self.assertEqual("status 200, but the predicate is not true yet", self.ask(strategy))
        self.assertIsNone(self.ask(strategy))
        self.assertEqual((200, b"up and running"), (seen[0].status, seen[0].body))
        self.assertEqual("7", seen[0].headers["x-version"])

    def test_the_predicate_comes_after_the_status(self) -> None:
        """An answer with a wrong status is none that the predicate has to understand."""
        self.server.statuses = [500]
        strategy = wait.for_http("/", predicate=lambda answer: self.fail("it was asked"))
        self.assertEqual("answered with status 500", self.ask(strategy))

    def test_the_request(self) -> None:
        """Method, path with query, headers and body are sent as given."""
        strategy = wait.for_http(
            "/a%20b?q=1", method="POST", headers={"X-Token": "t", "Accept": "*/*"}, body=b"{}"
        )
        self.assertIsNone(self.ask(strategy))
        method, path, headers, body = self.server.asked[0]
        self.assertEqual(("POST", "/a%20b?q=1", b"{}"), (method, path, body))
        self.assertEqual(("t", "*/*"), (headers["X-Token"], headers["Accept"]))
        self.assertIsNone(headers["Authorization"])

    def test_head(self) -> None:
        """An answer without a body is one."""
        self.assertIsNone(self.ask(wait.for_http("/", method="HEAD")))
        self.assertEqual("HEAD", self.server.asked[0][0])

    def test_basic_auth(self) -> None:
        """User and password are sent, also with a colon and other letters than ASCII's."""
        for user, password in [("admin", "secret"), ("me", "a:b"), ("ü", "ß")]:
            with self.subTest(user=user):
                self.server.asked.clear()
                self.assertIsNone(self.ask(wait.for_http("/", basic_auth=(user, password))))
                scheme, _, token = self.server.asked[0][2]["Authorization"].partition(" ")
                sent = base64.b64decode(token).decode()
                self.assertEqual(("Basic", f"{user}:{password}"), (scheme, sent))

    def test_which_port(self) -> None:
        """The port that was given, else the only TCP port that is exposed."""
        self.target.exposed_ports = [Port(8080), Port(53, "udp")]
        self.assertIsNone(self.ask(wait.for_http("/")))
        self.assertIsNone(self.ask(wait.for_http("/", port="9090/tcp")))
        self.assertEqual([Port(8080), Port(9090)], self.target.asked_for)

    def test_no_port_or_several(self) -> None:
        """Then it must be said which; the error lists what is exposed."""
        for ports, known in [
            ([], "none"),
            ([Port(53, "udp")], "none"),
            ([Port(80), Port(81)], "80/tcp, 81/tcp"),
        ]:
            self.target.exposed_ports = ports
            with (
                self.subTest(ports=ports),
                self.assertRaisesRegex(DeclarationError, f"web exposes {known}: say which port"),
            ):
                self.ask(wait.for_http("/"))

    def test_no_tls(self) -> None:
        """A server that speaks no TLS is no HTTPS server; the reason is no exception."""
        self.assertIn("SSL", self.ask(wait.for_http("/", tls=True)) or "")


class NoHttpTest(unittest.TestCase):
    """What answers, but not over HTTP."""

    def reason(self, address: ProbeAddress, **request: Any) -> str:
        """Why a strategy is not ready at an address."""
        strategy = wait.for_http("/", port=80)
        strategy.request = HttpRequest(**request)
        return strategy.begin(Target(address=address))() or ""

    def test_nothing_listens(self) -> None:
        """The reason has the address."""
        port = free_port()
        reason = self.reason(ProbeAddress("127.0.0.1", port, direct=True))
        self.assertRegex(reason, rf"^127\.0\.0\.1:{port}: .*Connection refused")

    def test_no_answer_in_time(self) -> None:
        """One that accepts and says nothing does not hang the wait."""
        with listening() as server:
            host, port = server.getsockname()
            reason = self.reason(ProbeAddress(host, port, direct=True), timeout=0.02)
        self.assertEqual(f"{host}:{port} did not answer within 0.02 s", reason)

    def test_other_protocols(self) -> None:
        """Closing at once and answers that are no HTTP are reasons, and no errors."""
        for said, expected in [(b"", "closed connection"), (b"-ERR hello\r\n", "ERR hello")]:
            with self.subTest(said=said), listening() as server:
                host, port = server.getsockname()

                def answer(server: Any = server, said: bytes = said) -> None:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(said)

                thread = threading.Thread(target=answer)
                thread.start()
                self.addCleanup(thread.join)
                reason = self.reason(ProbeAddress(host, port, direct=True))
                self.assertRegex(reason, rf"^{host}:{port}: .*{expected}")

    def test_an_error_without_words(self) -> None:
        """Its name is the reason then."""

        class Silent(HttpRequest):
            def send(self, host: str, port: int) -> HttpAnswer:
                raise ConnectionResetError

        strategy = wait.for_http("/", port=80)
        strategy.request = Silent()
        reason = strategy.begin(Target(address=ProbeAddress("h", 1, direct=True)))()
        self.assertEqual("h:1: ConnectionResetError", reason)


class HttpTextTest(unittest.TestCase):
    """How it reads, and what is refused."""

    def test_text(self) -> None:
        """Scheme, method, path and port; no query, because that may hold a secret."""
        for strategy, expected in [
            (wait.for_http("/"), "HTTP GET /"),
            (wait.for_http("/a?token=secret", port=80), "HTTP GET /a on port 80"),
            (wait.for_http("/", method="POST", tls=True), "HTTPS POST /"),
        ]:
            self.assertEqual(expected, str(strategy))

    def test_no_secret_in_messages(self) -> None:
        """Neither password nor headers get into an error."""
        strategy = wait.for_http(
            "/?s3cret", port=80, basic_auth=("me", "s3cret"), headers={"X": "s3cret"}
        )
        address = ProbeAddress("127.0.0.1", free_port(), direct=True)
        with self.assertRaises(NotReady) as caught:
            wait_until_ready(Target(address=address), strategy, 0.001)
        self.assertNotIn("s3cret", str(caught.exception))

    def test_a_path_begins_with_a_slash(self) -> None:
        """Another one is refused with the right one."""
        with self.assertRaisesRegex(DeclarationError, "'/health'"):
            wait.for_http("health")
