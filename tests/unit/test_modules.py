"""What the ready-made containers make of their options, before anything is started."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

from tcunit import DockerContainer, Network
from tcunit.errors import DeclarationError, SealedError
from tcunit.modules import NginxContainer, PostgresContainer, RedisContainer
from tcunit.wait import for_log

ROOT = Path(__file__).parents[2]


def command(container: DockerContainer) -> object:
    """The command that a start would use."""
    container.prepare()
    assert container._prepared is not None
    return container._prepared.command


def files(container: DockerContainer) -> dict[str, object]:
    """What a start would copy in, by its place."""
    container.prepare()
    assert container._prepared is not None
    return {each.destination: each.source for each in container._prepared.copies}


class CommandTest(unittest.TestCase):
    """Commands are made of options, when they are complete."""

    def test_postgres(self) -> None:
        """Not durable by default; True and False in the server's words; None takes one away."""
        self.assertEqual(("postgres", "-c", "fsync=off"), command(PostgresContainer()))
        db = PostgresContainer().with_server_options(jit=False, fsync=None, max_connections=5)
        self.assertEqual(("postgres", "-c", "jit=off", "-c", "max_connections=5"), command(db))
        self.assertIsNone(command(PostgresContainer().with_server_options(fsync=None)))
        config = db.with_config_file(b"x")
        self.assertIn("config_file=/etc/postgresql/tcunit.conf", str(command(config)))

    def test_redis(self) -> None:
        """No command without options; words apart, and an empty one where there is none."""
        self.assertIsNone(command(RedisContainer()))
        cache = RedisContainer(password="a b").with_server_options(save="60 1", hz=20, notify="")
        expected = ("redis-server", "--requirepass", "a b", "--save", "60", "1", "--hz", "20")
        self.assertEqual((*expected, "--notify", ""), command(cache))
        tls = str(command(RedisContainer(port=7000).with_tls(b"c", b"k")))
        self.assertIn("'--port', '0', '--tls-port', '7000'", tls)

    def test_copies_are_apart(self) -> None:
        """A copy that is varied leaves what it was copied from as it was."""
        cache = RedisContainer().with_server_options(hz=20)
        cache.copy().with_server_options(hz=30).with_acl_user("a", "b")
        self.assertEqual(("redis-server", "--hz", "20"), command(cache))
        self.assertEqual({}, files(cache))

    def test_a_command_of_ones_own(self) -> None:
        """It wins over what is only a default, and is refused where it would undo an option."""
        self.assertEqual("postgres -c x=1", command(PostgresContainer(command="postgres -c x=1")))
        self.assertEqual("redis-server", command(RedisContainer().with_command("redis-server")))
        for container in (
            PostgresContainer(command="postgres").with_server_options(jit=False),
            PostgresContainer(command="postgres").with_config_file(b""),
            RedisContainer(password="s3cret-word").with_command("redis-server --hz 20"),
            RedisContainer(command="redis-server").with_tls(b"c", b"k"),
        ):
            with self.assertRaisesRegex(DeclarationError, "with_server_options") as raised:
                container.prepare()
            self.assertNotIn("s3cret-word", str(raised.exception))

    def test_a_wait_of_ones_own(self) -> None:
        """It holds, whatever the options."""
        mine = for_log("up")
        for container in (
            RedisContainer(wait=mine).with_tls(b"c", b"k"),
            NginxContainer().waiting_for(mine).with_tls(b"c", b"k"),
            PostgresContainer(wait=mine),
        ):
            self.assertIs(mine, container._request.wait)


class FilesTest(unittest.TestCase):
    """What is copied in."""

    def test_scripts(self) -> None:
        """They sort in the order given, extensions before them; folders keep their names."""
        db = PostgresContainer().with_init_scripts(Path("b.sql"), b"SELECT 1", Path("a.sql.gz"))
        db.with_extensions('od"d', "hstore").with_init_scripts(Path("folder"))
        found = files(db)
        places = [each.rpartition("/")[2] for each in sorted(found)]
        expected = ["", "000-extensions-003.sql", "100-b.sql", "101-script.sql", "102-a.sql.gz"]
        self.assertEqual(expected, places)
        sql = found["/docker-entrypoint-initdb.d/000-extensions-003.sql"]
        self.assertIn(b'CREATE EXTENSION IF NOT EXISTS "od""d" CASCADE;\n', sql)

    def test_accounts(self) -> None:
        """The file has hashes of the passwords; the command has none of them."""
        cache = RedisContainer(password="s3cret-word").with_acl_user(
            "reader", "other-word", "+@read"
        )
        lines = str(files(cache)["/usr/local/etc/redis/tcunit.acl"], "ascii").splitlines()
        self.assertRegex(lines[0], r"^user default on #[0-9a-f]{64} ~\* &\* \+@all$")
        self.assertRegex(lines[1], r"^user reader on #[0-9a-f]{64} \+@read$")
        self.assertNotRegex(f"{lines}{command(cache)}{cache!r}", "s3cret-word|other-word")

    def test_mistakes(self) -> None:
        """What makes no sense is refused where it is written."""
        for mistake in (
            lambda: PostgresContainer().with_extensions(""),
            lambda: PostgresContainer().with_server_options(**{"a b": 1}),
            lambda: RedisContainer().with_server_options(hz=[1]),  # type: ignore[arg-type]
            lambda: RedisContainer().with_acl_user("a b", "c"),
            lambda: RedisContainer().with_acl_user("default", "c"),
            lambda: RedisContainer().with_tls("-----BEGIN", b"k"),  # type: ignore[arg-type]
            lambda: NginxContainer().with_content(b"x", "tea"),
            lambda: NginxContainer().with_site(b"x", "a/b"),
        ):
            self.assertRaises(DeclarationError, mistake)

    def test_sealed(self) -> None:
        """Once its class exists, none of these methods changes a declaration."""

        class Shop:
            db, cache, web = PostgresContainer(), RedisContainer(), NginxContainer()

        for change in (
            lambda: Shop.db.with_extensions("x"),
            lambda: Shop.db.with_init_scripts(b""),
            lambda: Shop.db.with_server_options(a=1),
            lambda: Shop.db.with_config_file(b""),
            lambda: Shop.db.with_tls(b"", b""),
            lambda: Shop.cache.with_server_options(a=1),
            lambda: Shop.cache.with_config_file(b""),
            lambda: Shop.cache.with_acl_user("a", "b"),
            lambda: Shop.cache.with_tls(b"", b""),
            lambda: Shop.web.with_content(b"", "/a"),
            lambda: Shop.web.with_config(b""),
            lambda: Shop.web.with_site(b""),
            lambda: Shop.web.with_tls(b"", b""),
        ):
            self.assertRaises(SealedError, change)
        self.assertEqual(("postgres", "-c", "fsync=off"), command(Shop.db.copy()))
        self.assertIsNone(command(Shop.cache.copy()))


class UrlTest(unittest.TestCase):
    """URLs for other containers, which are known before the start."""

    def test_postgres(self) -> None:
        """The driver is the constructor's if none is given; parameters are quoted."""
        db = PostgresContainer(driver="asyncpg").with_network(Network(), "db")
        login = "://test:test@db:5432/test"
        self.assertEqual(f"postgresql+asyncpg{login}", db.get_internal_url())
        self.assertEqual(f"postgresql+psycopg{login}", db.get_internal_url("psycopg"))
        found = db.get_internal_url(driver=None, sslmode="require", application_name="a b&c")
        self.assertEqual(f"postgresql{login}?sslmode=require&application_name=a%20b%26c", found)

    def test_redis(self) -> None:
        """The password of the user that is named; one that is unknown is an error."""
        cache = RedisContainer(password="p/w").with_network(Network(), "cache")
        self.assertEqual("redis://:p%2Fw@cache:6379/2", cache.get_internal_url(2))
        cache.with_acl_user("reader", "other").with_tls(b"c", b"k")
        expected = "rediss://reader:other@cache:6379/0"
        self.assertEqual(expected, cache.get_internal_url(username="reader"))
        cache.with_acl_user("visitor", "", "+ping")
        expected = "rediss://visitor:@cache:6379/0"
        self.assertEqual(expected, cache.get_internal_url(username="visitor"))
        with self.assertRaisesRegex(DeclarationError, "'writer'.*it has reader"):
            cache.get_internal_url(username="writer")

    def test_nginx(self) -> None:
        """HTTPS where there is a certificate."""
        web = NginxContainer().with_network(Network(), "web")
        self.assertEqual("http://web:80/tea", web.get_internal_url("/tea"))
        web.with_tls(b"c", b"k", port="8443/tcp")
        self.assertEqual("https://web:8443/", web.get_internal_url())


class TemplateTest(unittest.TestCase):
    """The template in the documents is the one that the type checker sees."""

    def test_template(self) -> None:
        """It is there word for word, and short."""
        document = (ROOT / "docs" / "modules.md").read_text("utf-8")
        checked = (ROOT / "tests" / "type_checks" / "own_module.py").read_text("utf-8")
        blocks = re.findall(r"^```python\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
        templates = [each for each in blocks if "class FileServerContainer" in each]
        self.assertEqual(1, len(templates))
        self.assertIn(templates[0], checked)
        self.assertLessEqual(len(templates[0].splitlines()), 30)
