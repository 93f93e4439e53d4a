"""The suite with tcunit: the services are declared in the base class, once."""

from __future__ import annotations

import os

from tcunit import ContainerTestCase, Network
from tcunit.modules import NginxContainer, PostgresContainer, RedisContainer

from .suite_tests import Address, classes_of

SCOPE = os.environ.get("BENCHMARK_SCOPE", "class")
net = Network().with_scope(SCOPE)


class Base(ContainerTestCase):
    """Three services on one network; with the scope ``run`` they are reset between tests."""

    net = net
    db = (
        PostgresContainer("postgres:16-alpine")
        .with_server_options(fsync=None)
        .with_network(net)
        .with_scope(SCOPE)
    )
    cache = RedisContainer("redis:alpine").with_network(net).with_scope(SCOPE)
    web = NginxContainer("nginx:alpine").with_network(net).with_scope(SCOPE)

    if SCOPE == "run":
        db, cache = db.copy().with_reset(), cache.copy().with_reset()

    def addresses(self) -> tuple[Address, Address, Address]:
        """Where they are."""
        return self.db.endpoint(5432), self.cache.endpoint(6379), self.web.endpoint(80)


globals().update(classes_of(Base, __name__))
