"""A database, a cache and a web server on one network of their own."""

from http.client import HTTPConnection

import psycopg
import redis

from tcunit import ContainerTestCase, DockerContainer, Network, each_connection_mode
from tcunit.modules import NginxContainer, PostgresContainer, RedisContainer


class ShopTest(ContainerTestCase):
    """Prices live in PostgreSQL and are cached in Redis."""

    backend = Network()
    db = PostgresContainer("postgres:16-alpine").with_network(backend).with_network_aliases("db")
    cache = RedisContainer("redis:alpine").with_network(backend).with_network_aliases("cache")
    web = (
        NginxContainer("nginx:alpine")
        .with_network(backend)
        .with_network_aliases("web")
        .depends_on(db, cache)
    )
    shell = DockerContainer("alpine").with_command("sleep infinity").with_network(backend)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()  # from here on, everything runs and is ready
        with psycopg.connect(cls.db.get_connection_url()) as connection:
            connection.execute("CREATE TABLE price (item text PRIMARY KEY, cents int)")
            connection.execute("INSERT INTO price VALUES ('tea', 250), ('cake', 390)")

    def test_database(self):
        with psycopg.connect(self.db.get_connection_url()) as connection:
            connection.execute("UPDATE price SET cents = 260 WHERE item = 'tea'")
        with psycopg.connect(self.db.get_connection_url()) as connection:
            row = connection.execute("SELECT cents FROM price WHERE item = 'tea'").fetchone()
        self.assertEqual((260,), row)

    def test_cache(self):
        host, port = self.endpoint(self.cache, 6379)
        with redis.Redis(host, port, decode_responses=True) as client:
            client.set("cake", 390, ex=60)
            self.assertEqual("390", client.get("cake"))

    def test_web_page(self):
        connection = HTTPConnection(*self.endpoint(self.web, 80), timeout=5)
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        self.assertIn(b"Welcome to nginx!", connection.getresponse().read())

    def test_aliases(self):
        for alias, port in [("db", 5432), ("cache", 6379), ("web", 80)]:
            with self.subTest(alias=alias):
                code, output = self.shell.exec(f"nc -z -w 5 {alias} {port}")[:2]
                self.assertEqual(0, code, output)

    @each_connection_mode
    def test_reachable(self):
        for container, port in [(self.db, 5432), (self.cache, 6379), (self.web, 80)]:
            self.assertReachable(container, port)
