"""Tests of how the engine's events come to who waits for them."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Mapping
from typing import Any
from unittest import mock

from tcunit.lifecycle.events import EventStream

ATTRIBUTES = {"name": "web"}


class EventStreamTest(unittest.TestCase):
    """A listener is told what happens to its container, by engines of any version."""

    def told(self, **more: Any) -> list[tuple[str, Mapping[str, str]]]:
        """What a listener for the container "1" was told of an event about it."""
        heard: list[tuple[str, Mapping[str, str]]] = []
        done = threading.Event()
        event = {"Action": "die", "Actor": {"ID": "1", "Attributes": ATTRIBUTES}, **more}
        last = {"Action": "end", "Actor": {"ID": "2"}}
        engine = mock.Mock(**{"events.return_value": mock.MagicMock()})
        engine.events.return_value.__iter__.return_value = [event, {"Type": "network"}, last]
        stream = EventStream(engine)
        with (
            stream.listening("1", lambda action, told: heard.append((action, told))),
            stream.listening("2", lambda *_: done.set()),
            stream.open(),
        ):
            self.assertTrue(done.wait(20))
        return heard

    def test_where_the_container_is_named(self) -> None:
        """Docker 29 names it in one place, an earlier one in two."""
        expected = [("die", ATTRIBUTES)]
        self.assertEqual(expected, self.told())
        self.assertEqual(expected, self.told(id="1", status="die", **{"from": "nginx"}))
