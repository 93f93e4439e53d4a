"""A shop must go on selling when its cache is cut off, and use it again when it is back."""

from tcunit import ContainerTestCase, DockerContainer, Network, wait
from tcunit.modules import RedisContainer

SHOP = r"""
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import create_connection

def price_in_cache(item):
    with create_connection(("cache", 6379), timeout=0.3) as cache:
        cache.sendall(b"GET %s\r\n" % item)
        return cache.recv(100).split(b"\r\n")[1] + b" cents, from the cache"

class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            answer = price_in_cache(b"tea")
        except OSError:
            answer = b"250 cents, from the books"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

HTTPServer(("", 8000), Shop).serve_forever()
"""


class CutOffTest(ContainerTestCase):
    """Each fault lasts for its ``with`` block, whatever happens inside."""

    backend = Network()
    cache = RedisContainer("redis:alpine").with_network(backend, "cache")
    shop = (
        DockerContainer("python:3.11-slim")
        .with_network(backend)
        .with_command(["python", "-c", SHOP])
        .with_exposed_ports(8000)
        .depends_on(cache)
        .waiting_for(wait.for_http("/"))
    )

    def setUp(self):
        self.assertExec(self.cache, "redis-cli set tea 250", stdout="OK")
        self.assertHTTP(self.shop, port=8000, body="250 cents, from the cache")

    def test_cache_hangs(self):
        with self.cache.paused():
            self.assertHTTP(self.shop, port=8000, body="250 cents, from the books")
        self.assertHTTP(self.shop, port=8000, body="from the cache")

    def test_network_is_cut(self):
        with self.backend.partitioned([self.shop], [self.cache]):
            self.assertCannotReach(self.shop, "cache", 6379)
            self.assertHTTP(self.shop, port=8000, body="250 cents, from the books")
        self.assertHTTP(self.shop, port=8000, body="from the cache")

    def test_packets_are_lost(self):
        with self.cache.slowed(loss=0.2):
            self.assertHTTP(self.shop, port=8000, body="250 cents, from the")
