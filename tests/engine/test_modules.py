"""The ready-made containers with the options that users set, asked by the services' own clients."""

from __future__ import annotations

import gzip
import json
import ssl
import tempfile
import urllib.request
from pathlib import Path

import psycopg
import redis
import trustme

from tcunit import ContainerTestCase, DockerContainer, Network
from tcunit.errors import ContainerDied
from tcunit.masking import Secrets
from tcunit.modules import NginxContainer, PostgresContainer, RedisContainer

from .helpers import EngineTest, engine

PASSWORD = "p@ss/w%rd 'x\":"
AUTHORITY = trustme.CA()
LEAF = AUTHORITY.issue_cert("localhost", "127.0.0.1", "db", "cache", "web")
CERTIFICATE = b"".join(each.bytes() for each in LEAF.cert_chain_pems)
KEY = LEAF.private_key_pem.bytes()
CA = AUTHORITY.cert_pem.bytes()

SITE = b"""
server {
    listen 80;
    listen 443 ssl;
    location /status { default_type text/plain; return 200 "of the site\\n"; }
    location / { root /usr/share/nginx/html; }
}
"""
FETCH = """
import os, ssl, urllib.request
context = ssl.create_default_context(cafile="/ca.pem")
print(urllib.request.urlopen(os.environ["URL"] + "status", context=context, timeout=20).read())
"""


def in_files(folder: Path) -> list[Path]:
    """Scripts of each kind that the image takes, in the order in which they must run."""
    (folder / "b.sql").write_text("CREATE TABLE told (number serial, word text);")
    (folder / "a.sql.gz").write_bytes(gzip.compress(b"INSERT INTO told (word) VALUES ('gz');"))
    script = 'psql -U "$POSTGRES_USER" -d shop -c "INSERT INTO told (word) VALUES (\'sh\')"\n'
    (folder / "c.sh").write_text(script)
    for each in folder.iterdir():
        each.chmod(0o644)
    return [folder / "b.sql", folder / "a.sql.gz", folder / "c.sh"]


class OptionsTest(EngineTest, ContainerTestCase):
    """One of each, with many options at once."""

    folder = tempfile.TemporaryDirectory()
    net = Network()
    db = (
        PostgresContainer(username="Ann Lee", password=PASSWORD, dbname="shop")
        .with_network(net, "db")
        .with_config_file(b"work_mem = '5MB'\nmax_connections = 30\n")
        .with_server_options(max_connections=20, log_connections=True)
        .with_init_scripts(*in_files(Path(folder.name)))
        .with_init_scripts(b"INSERT INTO told (word) VALUES (encode(digest('', 'md5'), 'hex'));")
        .with_extensions("pgcrypto", "hstore")
        .with_tls(CERTIFICATE, KEY)
        .with_copy_into_container(CA, "/ca.pem")
        .with_reset()
    )
    cache = (
        RedisContainer(password=PASSWORD)
        .with_network(net, "cache")
        .with_config_file(b"maxmemory 32mb\nhz 20\n")
        .with_server_options(maxmemory="64mb", appendonly=True, save="60 1 30 100")
        .with_acl_user("reader", "read/only", "~cart:*", "+@read", "+ping")
        .with_acl_user("visitor", "", "+ping", "+acl|whoami")
        .with_tls(CERTIFICATE, KEY)
        .with_reset()
    )
    web = (
        NginxContainer()
        .with_network(net, "web")
        .with_content(b"<p>tea</p>", "/tea.html")
        .with_content(Path(folder.name), "/files")
        .with_site(SITE)
        .with_tls(CERTIFICATE, KEY)
    )
    client = (
        DockerContainer("python:3.11-slim")
        .with_network(net)
        .with_copy_into_container(CA, "/ca.pem")
        .with_env("URL", web.get_internal_url)
        .with_command("sleep 300")
    )

    @classmethod
    def setUpClass(cls) -> None:
        cls.addClassCleanup(cls.folder.cleanup)
        super().setUpClass()

    def show(self, name: str) -> str:
        """What PostgreSQL says of one of its settings."""
        with psycopg.connect(self.db.get_connection_url()) as connection:
            found = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        assert found is not None
        return str(found[0])

    def test_postgres_options(self) -> None:
        """An option wins over the configuration file, which holds; nothing waits for the disk."""
        names = ("max_connections", "work_mem", "log_connections", "fsync", "ssl")
        found = {name: self.show(name) for name in names}
        self.assertEqual(["20", "5MB", "on", "off", "on"], list(found.values()))

    def test_postgres_scripts(self) -> None:
        """Scripts of each kind ran in the order given, and after the extensions they need."""
        with psycopg.connect(self.db.get_connection_url(connect_timeout=20)) as connection:
            found = connection.execute("SELECT word FROM told ORDER BY number").fetchall()
            kinds = connection.execute("SELECT extname FROM pg_extension").fetchall()
        words = [word for (word,) in found]
        self.assertEqual(["gz", "sh", "d41d8cd98f00b204e9800998ecf8427e"], words)
        self.assertLess({"pgcrypto", "hstore"}, {name for (name,) in kinds})

    def test_postgres_tls(self) -> None:
        """Clients check the certificate, by name and authority; plain connections work, too."""
        ca = Path(self.folder.name, "ca.pem")
        ca.write_bytes(CA)
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        for sslmode, mode, secured in (
            ("verify-full", "docker_host", True),
            ("verify-ca", None, True),
            ("disable", None, False),
        ):
            with self.subTest(sslmode=sslmode):
                url = self.db.get_connection_url(sslmode=sslmode, sslrootcert=str(ca), mode=mode)
                with psycopg.connect(url) as connection:
                    self.assertEqual((secured,), connection.execute(query).fetchone())
        url = self.db.get_internal_url(sslmode="verify-full", sslrootcert="/ca.pem")
        result = self.db.exec(["psql", "-At", url, "-c", query])
        self.assertEqual((0, b"t\n"), (result.exit_code, result.output))

    def test_redis_options(self) -> None:
        """An option wins over the configuration file, which holds."""
        with redis.Redis.from_url(self.cache.get_connection_url(), ssl_cert_reqs="none") as client:
            found = client.config_get("maxmemory", "hz", "appendonly", "save")
        expected = {"maxmemory": "67108864", "hz": "20", "appendonly": "yes", "save": "60 1 30 100"}
        self.assertEqual(expected, found)

    def test_redis_users(self) -> None:
        """A user may do what its rules say, and nobody comes in without its password."""
        url = self.cache.get_connection_url(mode="docker_host", username="reader")
        ca = {"ssl_ca_data": CA.decode(), "ssl_check_hostname": True}
        with redis.Redis.from_url(url, **ca) as client:
            self.assertIsNone(client.get("cart:1"))
            for refused in (lambda: client.set("cart:1", "tea"), lambda: client.get("price")):
                self.assertRaises(redis.exceptions.NoPermissionError, refused)
        host, port = self.endpoint(self.cache, 6379)
        with redis.Redis(host, port, ssl=True, ssl_cert_reqs="none") as client:
            self.assertRaises(redis.exceptions.AuthenticationError, client.ping)
        with redis.Redis(host, port, password=PASSWORD) as client:
            self.assertRaises(redis.exceptions.ConnectionError, client.ping)

    def test_redis_user_without_password(self) -> None:
        """It is the one that its URL logs in, with the rights that it has."""
        url = self.cache.get_connection_url(username="visitor")
        with redis.Redis.from_url(url, ssl_cert_reqs="none") as client:
            self.assertEqual("visitor", client.acl_whoami())

    def test_reset(self) -> None:
        """Going back works with a password, TLS, accounts and extensions."""
        with redis.Redis.from_url(self.cache.get_connection_url(), ssl_cert_reqs="none") as client:
            client.set("tea", 250)
            self.cache.reset()
            self.assertEqual([], client.keys("*"))
        with psycopg.connect(self.db.get_connection_url()) as connection:
            connection.execute("DELETE FROM told")
        self.db.reset()
        with psycopg.connect(self.db.get_connection_url()) as connection:
            self.assertEqual((3,), connection.execute("SELECT count(*) FROM told").fetchone())

    def test_nginx(self) -> None:
        """Its content and its site, by HTTP and by HTTPS with a certificate that is checked."""
        context = ssl.create_default_context(cadata=CA.decode())
        for path, text in (
            ("tea.html", "<p>tea</p>"),
            ("/status", "of the site\n"),
            ("files/b.sql", "CREATE TABLE told (number serial, word text);"),
        ):
            secured = self.web.get_url(path, mode="docker_host")
            for url in (secured, self.web.url(80, path)):
                with self.subTest(url=url):
                    with urllib.request.urlopen(url, timeout=20, context=context) as answer:
                        self.assertEqual(text, answer.read().decode())
            self.assertTrue(secured.startswith("https://"), secured)

    def test_inside(self) -> None:
        """Another container reaches a service by the URL it was given, and checks its name."""
        result = self.client.exec(["python", "-c", FETCH])
        self.assertEqual((0, b"b'of the site\\n'\n"), (result.exit_code, result.output))

    def test_no_secret_is_shown(self) -> None:
        """Not in what is kept of a container as evidence, and not in its representation."""
        for each in (self.db, self.cache):
            info = engine().client.api.inspect_container(each.get_container_id())
            self.assertIn("Env", info["Config"])
            secrets = Secrets.of(info)
            shown = json.dumps(secrets.mask_info(info), ensure_ascii=False) + repr(each)
            shown += secrets.mask(b"".join(each.get_logs()).decode())
            for secret in (PASSWORD, "read/only"):
                self.assertNotIn(secret, shown)
                self.assertNotIn(json.dumps(secret)[1:-1], shown)


class PlainTest(EngineTest):
    """What is different without TLS and accounts, and what goes wrong."""

    def test_redis_password(self) -> None:
        """The password is asked for, and an option may have no value."""
        cache = self.running(RedisContainer(password=PASSWORD).with_server_options(save=""))
        assert isinstance(cache, RedisContainer)
        with redis.Redis.from_url(cache.get_connection_url(3)) as client:
            self.assertEqual({"save": ""}, client.config_get("save"))
            self.assertEqual(3, client.get_connection_kwargs()["db"])

    def test_nginx_tls_alone(self) -> None:
        """Without a site, the image's own content is there by HTTPS, too."""
        web = self.running(NginxContainer().with_tls(CERTIFICATE, KEY, port=8443))
        assert isinstance(web, NginxContainer)
        context = ssl.create_default_context(cadata=CA.decode())
        context.check_hostname = False
        with urllib.request.urlopen(web.get_url(), timeout=20, context=context) as answer:
            self.assertIn(b"Welcome to nginx!", answer.read())

    def test_nginx_config(self) -> None:
        """A main configuration in place of the image's."""
        config = b'events {}\nhttp { server { listen 80; return 200 "mine"; } }\n'
        web = self.running(NginxContainer().with_config(config))
        with urllib.request.urlopen(web.url(80), timeout=20) as answer:
            self.assertEqual(b"mine", answer.read())

    def test_errors(self) -> None:
        """The error has what the server said, and no password."""
        cache = RedisContainer(password="s3cret-word").with_server_options(no_such_thing=1)
        self.addCleanup(cache.stop)
        with self.assertRaisesRegex(ContainerDied, "no-such-thing") as raised:
            cache.start()
        self.assertNotIn("s3cret-word", str(raised.exception))
