"""The suite with testcontainers-python: the base class starts the services in ``setUpClass``."""

from __future__ import annotations

import unittest

from testcontainers.community.nginx import NginxContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.network import Network

from .common import image
from .suite_tests import Address, classes_of


class Base(unittest.TestCase):
    """Three services on one network."""

    @classmethod
    def setUpClass(cls) -> None:
        """Start them, one after the other."""
        net = Network().create()
        cls.addClassCleanup(net.remove)
        cls.db = PostgresContainer(image("postgres:16-alpine"), driver=None)
        cls.cache = RedisContainer(image("redis:alpine"))
        cls.web = NginxContainer(image("nginx:alpine"))
        for each in (cls.db, cls.cache, cls.web):
            cls.addClassCleanup(each.with_network(net).start().stop)

    def addresses(self) -> list[Address]:
        """Where they are."""
        services = {self.db: 5432, self.cache: 6379, self.web: 80}
        return [(c.get_container_host_ip(), c.get_exposed_port(p)) for c, p in services.items()]


globals().update(classes_of(Base, __name__))
