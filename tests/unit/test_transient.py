"""Which refusals are passing, and how often something is tried again."""

from __future__ import annotations

import itertools
import unittest
from unittest import mock

from tcunit._docker import NotThere, transient
from tcunit._docker.transient import is_passing, persistently
from tcunit.errors import EngineError, StartCancelled
from tcunit.log import warn

PASSING = (
    "received unexpected HTTP status: 503 Service Unavailable",
    'Get "https://a.example/v2/": net/http: TLS handshake timeout',
    'Get "https://a.example/v2/": dial tcp 10.0.0.1:443: i/o timeout',
    'Get "http://127.0.0.1:5000/v2/": EOF',
    "read tcp 10.0.0.2:41000->10.0.0.1:443: read: connection reset by peer",
    "net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
    "toomanyrequests: You have reached your pull rate limit",
    "lookup a.example on 127.0.0.53:53: server misbehaving",
)
FOR_GOOD = (
    "manifest for a.example/timeout:latest not found: manifest unknown: manifest unknown",
    "pull access denied for tea, repository does not exist or may require 'docker login'",
    "unauthorized: authentication required",
    'Get "https://a.example/v2/": no basic auth credentials',
    "invalid reference format",
    "no matching manifest for linux/amd64 in the manifest list entries",
    "lookup a.example on 127.0.0.53:53: no such host",
    "dial tcp 127.0.0.1:5000: connect: connection refused",
    "no space left on device",
)


def error(said: str) -> EngineError:
    """An error about an image whose name has signs of both kinds."""
    return EngineError(f"pulling not-found/eof-503-timeout:denied: {said}")


class PassingTest(unittest.TestCase):
    """What goes away by itself."""

    def test_examples(self) -> None:
        """The words of engines and registries; the image's name makes no difference."""
        for said in PASSING:
            with self.subTest(said=said):
                self.assertTrue(is_passing(error(said)))
        for said in FOR_GOOD:
            with self.subTest(said=said):
                self.assertFalse(is_passing(error(said)))

    def test_kinds(self) -> None:
        """What the engine says is not there stays so."""
        self.assertFalse(is_passing(NotThere(f"pulling x: {PASSING[0]}")))


class PersistentlyTest(unittest.TestCase):
    """Trying again."""

    def setUp(self) -> None:
        self.enterContext(mock.patch.object(transient, "DELAYS", (0.0, 0.0, 0.0)))
        self.tries = 0

    def failing(self, times: int, said: str) -> None:
        """Fail some times."""
        self.tries += 1
        if self.tries <= times:
            raise error(said)

    def test_until_it_works(self) -> None:
        """It is tried up to four times, and each further try is told of in one line."""
        for times in range(4):
            self.tries = 0
            with self.subTest(times=times), self.assertLogs("tcunit") as logs:
                warn("begin")
                persistently(lambda times=times: self.failing(times, PASSING[0]), bool)
                self.assertEqual(times + 1, self.tries)
                self.assertEqual(times, sum("trying again" in line for line in logs.output))

    def test_until_the_limit(self) -> None:
        """After the fourth time it is the error."""
        with self.assertLogs("tcunit"), self.assertRaisesRegex(EngineError, "503"):
            persistently(lambda: self.failing(9, PASSING[0]), bool)
        self.assertEqual(4, self.tries)

    def test_for_good(self) -> None:
        """What would never work is tried once."""
        for said in FOR_GOOD:
            self.tries = 0
            with self.assertNoLogs("tcunit"), self.assertRaises(EngineError):
                persistently(lambda said=said: self.failing(9, said), bool)
            self.assertEqual(1, self.tries)

    def test_no_secret_in_the_log(self) -> None:
        """A password in what was refused is not written down."""
        said = "https://me:correct-horse@a.example: 503 Service Unavailable"
        with self.assertLogs("tcunit") as logs:
            persistently(lambda: self.failing(1, said), bool)
        self.assertIn("https://me:***@a.example", logs.output[0])

    def test_given_up(self) -> None:
        """Who gives up need not wait for the next try."""
        asked = itertools.count()
        with mock.patch.object(transient, "DELAYS", (60.0,)):
            with self.assertLogs("tcunit"), self.assertRaises(StartCancelled):
                persistently(lambda: self.failing(9, PASSING[0]), lambda: next(asked) > 0)
        self.assertEqual(1, self.tries)
