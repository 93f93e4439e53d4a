"""The three tests that every class of the benchmark ``benchmarks.suite`` has, whoever runs it."""

from __future__ import annotations

import os
import unittest
from collections.abc import Callable, Sequence
from http.client import HTTPConnection

import psycopg
import redis

CLASSES = int(os.environ.get("BENCHMARK_CLASSES", "20"))
Address = tuple[str, int]


class ShopTests:
    """Each test writes or reads by a real client."""

    addresses: Callable[[], Sequence[Address]]
    """Where PostgreSQL, Redis and nginx are."""

    def test_page(self) -> None:
        """nginx serves its page."""
        page = HTTPConnection(*self.addresses()[2], timeout=5)
        page.request("GET", "/")
        assert b"Welcome" in page.getresponse().read()
        page.close()

    def test_key(self) -> None:
        """Redis is empty, and keeps what it is given."""
        with redis.Redis(*self.addresses()[1]) as client:
            assert not client.keys()
            client.set("tea", 250)
            assert client.get("tea") == b"250"

    def test_row(self) -> None:
        """PostgreSQL has no table of that name, and keeps what it is given."""
        host, port = self.addresses()[0]
        login = {"user": "test", "password": "test", "dbname": "test"}
        with psycopg.connect(host=host, port=port, **login) as connection:
            connection.execute("CREATE TABLE price (item text, cents int)")
            connection.execute("INSERT INTO price VALUES ('tea', 250)")
            assert connection.execute("TABLE price").fetchall() == [("tea", 250)]


def classes_of(base: type[unittest.TestCase], module: str) -> dict[str, type[unittest.TestCase]]:
    """The test classes: all alike, as those of a suite with a common base are."""
    names = [f"Shop{number:02}Test" for number in range(CLASSES)]
    return {name: type(name, (base, ShopTests), {"__module__": module}) for name in names}
