"""What a user's own type checker says of code with tcunit; nothing of this is run.

A type that is worse than stated here fails ``assert_type``; an ignored error that is none any more
is one itself.
"""

from __future__ import annotations

from typing import Self, assert_type

from tcunit import (
    AsyncContainerTestCase,
    ComposeStack,
    ConnectionMode,
    ContainerTestCase,
    DockerContainer,
    Endpoint,
    GenericContainer,
    Network,
    each_connection_mode,
    using_connection_mode,
    wait,
)
from tcunit.adapters import ForeignContainer
from tcunit.compose import ComposeNetwork, ComposeService
from tcunit.modules import NginxContainer, PostgresContainer, RedisContainer


class QueueContainer(DockerContainer):
    """A container of one's own keeps its type through every ``with_…``."""

    def __init__(self, image: str = "queue:3") -> None:
        super().__init__(image)
        self.with_exposed_ports(5672).waiting_for(wait.for_port(5672))

    def with_vhost(self, name: str) -> Self:
        """An option of one's own."""
        return self.with_env("VHOST", name)


class ShopTest(ContainerTestCase):
    """Attributes read as what was declared."""

    connection_mode = ConnectionMode.DOCKER_HOST

    backend = Network()
    db = PostgresContainer("postgres:16-alpine").with_network(backend, "db")
    cache = RedisContainer().with_network(backend).with_network_aliases(["cache", "redis"])
    queue = QueueContainer().with_vhost("shop").with_env("LIMIT", 3).depends_on(db)
    worker = DockerContainer("worker").with_env("DB", db.get_connection_url)
    workers = [worker.copy(), worker.copy()]
    web = GenericContainer("nginx").with_bind_ports("443/tcp", 8443).waiting_for(wait.for_http("/"))

    stack = ComposeStack("compose.yml", env={"DB": db.get_connection_url, "NET": backend})
    page = stack["page"].waiting_for(wait.for_port(80))

    def test_types(self) -> None:
        assert_type(self.backend, Network)
        assert_type(self.db, PostgresContainer)
        assert_type(self.cache, RedisContainer)
        assert_type(self.queue, QueueContainer)
        assert_type(self.queue.copy().with_env("A", "b"), QueueContainer)
        assert_type(self.workers, list[DockerContainer])
        assert_type(self.web, DockerContainer)
        assert_type(self.stack.waiting_for("page", wait.for_port(80)), ComposeStack)
        assert_type(self.stack["page"], ComposeService)
        assert_type(self.stack.network("front"), ComposeNetwork)
        assert_type(self.page, ComposeService)
        assert_type(self.db.get_connection_url(), str)
        assert_type(self.queue.get_exposed_port(5672), int)
        assert_type(self.queue.get_container_host_ip(), str)
        assert_type(self.queue.exec("true").exit_code, int)
        assert_type(self.queue.exec(["id", "-u"]).stdout, bytes)
        code, output = self.queue.exec("true")
        assert_type(code, int)
        assert_type(output, bytes)
        assert_type(self.endpoint(self.db, 5432), Endpoint)
        host, port = self.endpoint(self.db, 5432)
        assert_type(host, str)
        assert_type(port, int)

    def test_assertions(self) -> None:
        self.assertReachable(self.web, 443)
        self.assertCanReach(self.web, "db", 5432, timeout=3)
        self.assertReady(self.web, wait.all_of(wait.for_log("up"), wait.for_port(443)))
        with self.cache.paused():
            self.assertNotReachable(self.cache, 6379, msg="so")
        with self.backend.partitioned([self.db], [self.cache]):
            pass

    @each_connection_mode
    def test_modes(self) -> None:
        with using_connection_mode("gateway_ip"):
            self.assertPublished(self.web, 443)

    def test_mistakes(self) -> None:
        self.assertReachable("web", 443)  # type: ignore[arg-type]
        self.db.with_env(1, "x")  # type: ignore[arg-type]
        self.db.with_network(8080)  # type: ignore[arg-type]
        self.endpoint(self.backend, 80)  # type: ignore[arg-type]
        DockerContainer()  # type: ignore[call-arg]
        wait.for_port("x", until=3)  # type: ignore[call-arg]


class LoopTest(AsyncContainerTestCase):
    """Coroutines see the same types."""

    cache = RedisContainer()

    async def test_types(self) -> None:
        async with self.cache.paused() as cache, Network() as network:
            assert_type(cache, RedisContainer)
            assert_type(network, Network)
        result = await self.in_thread(self.assertExec, self.cache, ["redis-cli", "ping"], code=0)
        assert_type(result.stdout, bytes)
        await self.in_thread(self.assertReachable, self.cache, 6379, timeout=2)
        await self.in_thread(self.assertReachable, self.cache, until=2)  # type: ignore[call-arg]


class Theirs:
    """A class of another library."""


def foreign() -> None:
    """What is adapted keeps its type."""
    assert_type(ForeignContainer(Theirs).with_env("A", "b").foreign, Theirs)
    assert_type(ForeignContainer(lambda: Theirs()).foreign, Theirs)
    assert_type(ForeignContainer(Theirs()).foreign, Theirs)


def alone() -> None:
    """Containers without a test case."""
    with Network() as network, NginxContainer().with_network(network) as nginx:
        assert_type(nginx, NginxContainer)
        assert_type(nginx.endpoint(80), Endpoint)
    assert_type(RedisContainer().start(), RedisContainer)
