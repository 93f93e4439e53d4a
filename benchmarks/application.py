"""How long the reference document's application takes until real clients can work with it.

PostgreSQL, Redis and nginx on one network of their own. The clock starts with ``setUpClass``, when
everything is imported, and stops when a query, a PING and a page were answered; the clients are the
same for all. PostgreSQL's first start (``initdb``) is most of it.

Aim: no more than 1.05 of the floor.
"""

from __future__ import annotations

import argparse
import unittest
from http.client import HTTPConnection

import psycopg
import redis

from .common import (
    BARE_PEER,
    FLOOR,
    PEER,
    TCUNIT,
    Figures,
    Row,
    in_turns,
    main,
    one_run,
    present,
    row,
    run_class,
)

ROUNDS = 9
Address = tuple[str, int]


def use(db: Address, cache: Address, web: Address) -> None:
    """Ask each service once, as a test would."""
    login = {"user": "test", "password": "test", "dbname": "test"}
    with psycopg.connect(host=db[0], port=db[1], **login) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with redis.Redis(*cache) as client:
        assert client.ping()
    page = HTTPConnection(*web, timeout=5)
    page.request("GET", "/")
    assert b"Welcome" in page.getresponse().read()
    page.close()


def of_tcunit() -> Figures:
    """A class that declares it."""
    import docker  # noqa: F401  (paid before the clock, as by the others)

    from tcunit import ContainerTestCase, Network
    from tcunit.modules import NginxContainer, PostgresContainer, RedisContainer

    class Application(ContainerTestCase):
        net = Network()
        db = (
            PostgresContainer("postgres:16-alpine")
            .with_server_options(fsync=None)
            .with_network(net)
            .with_network_aliases("db")
        )
        cache = RedisContainer("redis:alpine").with_network(net).with_network_aliases("cache")
        web = NginxContainer("nginx:alpine").with_network(net).with_network_aliases("web")

        def test(self) -> None:
            use(self.db.endpoint(5432), self.cache.endpoint(6379), self.web.endpoint(80))

    return run_class(Application)


def of_floor() -> Figures:
    """The floor."""
    from .floor import APPLICATION, Floor

    class Application(unittest.TestCase):
        @classmethod
        def setUpClass(cls) -> None:
            cls.floor = Floor(len(APPLICATION))
            cls.addClassCleanup(cls.floor.remove)
            cls.floor.create_network()
            cls.floor.start(APPLICATION)

        def test(self) -> None:
            use(*((self.floor.addresses[i], each.port) for i, each in enumerate(APPLICATION)))

    return run_class(Application)


def of_peer() -> Figures:
    """testcontainers-python, one after the other."""
    from testcontainers.community.nginx import NginxContainer
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.community.redis import RedisContainer
    from testcontainers.core.network import Network

    from .common import image

    class Application(unittest.TestCase):
        @classmethod
        def setUpClass(cls) -> None:
            net = Network().create()
            cls.addClassCleanup(net.remove)
            cls.db = PostgresContainer(image("postgres:16-alpine"), driver=None)
            cls.cache = RedisContainer(image("redis:alpine"))
            cls.web = NginxContainer(image("nginx:alpine"))
            for name, each in {"db": cls.db, "cache": cls.cache, "web": cls.web}.items():
                each.with_network(net).with_network_aliases(name)
                cls.addClassCleanup(each.start().stop)

        def test(self) -> None:
            both = ((self.db, 5432), (self.cache, 6379), (self.web, 80))
            use(*((each.get_container_host_ip(), each.get_exposed_port(p)) for each, p in both))

    return run_class(Application)


CONTENDERS = {TCUNIT: of_tcunit, FLOOR: of_floor, PEER: of_peer, BARE_PEER: of_peer}


def measure(options: argparse.Namespace) -> list[Row]:
    """One row."""
    names = (TCUNIT, FLOOR) if options.small else CONTENDERS
    found = in_turns(present(names), options.rounds, lambda name: one_run(__name__, name, {}))
    also = ("cpu", "gone", "whole")
    return [row("the document's application", found, "ready", {FLOOR: 1.05}, also=also)]


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
