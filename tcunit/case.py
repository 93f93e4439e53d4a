"""The test case that people inherit. It is made of its mixins and adds nothing."""

from __future__ import annotations

from .mixins.assertions import ContainerAssertionsMixin
from .mixins.connection import ConnectionMixin
from .mixins.containers import ContainersMixin
from .mixins.coverage import CoverageMixin
from .mixins.failure_logs import FailureLogsMixin
from .mixins.leaks import LeakCheckMixin


class ContainerTestCase(
    FailureLogsMixin,
    ContainersMixin,
    LeakCheckMixin,
    CoverageMixin,
    ConnectionMixin,
    ContainerAssertionsMixin,
):
    """A test case whose class attributes are containers and networks.

    They start before the first test of the class, side by side and in the order of their
    dependencies, and are gone after the last one::

        class CacheTest(ContainerTestCase):
            cache = RedisContainer("redis:alpine")

            def test_cache(self):
                host, port = self.endpoint(self.cache, 6379)
    """
