"""Scopes: how long a started thing lives, who shares it, and how its state is brought back."""

from __future__ import annotations

import time
import unittest
from typing import Any, ClassVar

import psycopg

from tcunit import ContainerTestCase, DockerContainer, Network, wait
from tcunit.errors import DeclarationError
from tcunit.modules import PostgresContainer, RedisContainer

from .helpers import (
    EngineTest,
    engine,
    left_over,
    problems,
    python,
    run_class,
    shell,
    sleeper,
)


class ScopeOfTestTest(EngineTest):
    """What lives for one test."""

    def test_anew_for_each(self) -> None:
        """Each test has a new one; what lives for the class is the same for all of them."""
        seen: list[tuple[str, str]] = []

        class ShopTest(ContainerTestCase):
            net = Network()
            web = sleeper().with_network(net)
            job = sleeper().with_network(net).depends_on(web).with_scope("test")

            def test_one(self) -> None:
                self.assertRunning(self.job)
                self.assertSameNetwork(self.job, self.web)
                seen.append((self.web.name, self.job.name))

            test_two = test_one

        self.assert_passes(ShopTest)
        webs, jobs = ({pair[index] for pair in seen} for index in (0, 1))
        self.assertEqual((1, 2), (len(webs), len(jobs)))

    def test_failing_start(self) -> None:
        """A failing start is the error of its test alone, and nothing of it is left."""
        left: list[list[str]] = []

        class ShopTest(ContainerTestCase):
            flag = 3
            web = sleeper()
            side = sleeper().with_scope("test")
            job = (
                DockerContainer("alpine")
                .with_command(["sh", "-c", lambda: f"echo no luck; exit {ShopTest.flag}"])
                .depends_on(side)
                .waiting_for(wait.for_exit())
                .with_scope("test")
            )

            def test_one(self) -> None:
                raise AssertionError("it runs without its container")

            def test_two(self) -> None:
                self.assertExited(self.job)

            def run(self, result: Any = None) -> Any:
                ShopTest.flag = 3 if self._testMethodName == "test_one" else 0
                try:
                    return super().run(result)
                finally:
                    left.append([name for name in left_over() if "ShopTest-web" not in name])

        error = self.assert_fails(ShopTest)
        self.assertRegex(error, r"ContainerDied: job .* exit code 3\n(.*\n)*.*\| no luck")
        self.assertEqual([left[0]] * 2, left)
        self.assertEqual([], [name for name in left[0] if "ShopTest" in name])

    def test_skipped(self) -> None:
        """For a test that is skipped by a decorator nothing is started."""

        class ShopTest(ContainerTestCase):
            job = shell("exit 3").waiting_for(wait.for_exit()).with_scope("test")

            @unittest.skip("no tea")
            def test_one(self) -> None: ...

        result = run_class(ShopTest)
        self.assertEqual(("", 1), (problems(result), len(result.skipped)))


class LongerTest(EngineTest):
    """What lives longer may not need what lives shorter."""

    def test_refused_with_the_class(self) -> None:
        """It is refused when the class is made, by both names and with what to do."""
        for longer, shorter in (("class", "test"), ("run", "class"), ("run", "test")):
            with self.subTest(longer=longer, shorter=shorter):
                web = sleeper().with_scope(shorter)
                with self.assertRaisesRegex(
                    DeclarationError,
                    rf"job lives for the {longer}, but needs web.*with_scope\('{longer}'\)",
                ):
                    type("ShopTest", (ContainerTestCase,), {
                        "web": web, "job": sleeper().depends_on(web).with_scope(longer),
                    })  # fmt: skip

    def test_network(self) -> None:
        """A network is such a need, too."""
        with self.assertRaisesRegex(DeclarationError, "web lives for the run, but needs net"):

            class ShopTest(ContainerTestCase):
                net = Network()
                web = sleeper().with_network(net).with_scope("run")

    def test_what_nobody_declared(self) -> None:
        """What only something undeclared refers to is found out at the start."""

        class ShopTest(ContainerTestCase):
            web = sleeper().depends_on(sleeper().depends_on(sleeper().with_scope("test")))

            def test_one(self) -> None: ...

        self.assertRegex(self.assert_fails(ShopTest), "alpine lives for the class, but needs alpi")

    def test_other_words(self) -> None:
        """A scope that is none is refused; so is one for a sealed declaration."""
        with self.assertRaisesRegex(DeclarationError, "'module' is no scope: choose from test, cl"):
            sleeper().with_scope("module")


RUN = """
import os, sys, time, unittest
from tcunit import ContainerTestCase, Network
from tcunit.modules import NginxContainer
from tests.engine.helpers import sleeper

NET = Network().with_scope("run")
WEB = NginxContainer("nginx:alpine").with_network(NET, "web").with_scope("run")

class Base(ContainerTestCase):
    net, web = NET, WEB
    own = sleeper().with_network(NET)

class One(Base):
    connection_mode = "docker_host"
    def test(self):
        self.assertEqual("127.0.0.1", self.web.get_container_host_ip())
        self.assertCanReach(self.own, "web", 80)
        print(self.web.name, self.net.name, self.own.name)

class Two(Base):
    connection_mode = "bridge_ip"
    def test(self):
        self.assertNotEqual("127.0.0.1", self.web.get_container_host_ip())
        self.assertReachable(self.web, 80)
        print(self.web.name, self.net.name, self.own.name)

def run(case):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    for _, text in [*result.errors, *result.failures]:
        print("failed", text)
    sys.stdout.flush()
"""

FORKED = """
run(One)
child = os.fork()
if not child:
    run(Two)
    sys.exit()
print("child", os.waitpid(child, 0)[1])
run(Two)
"""


class ScopeOfRunTest(EngineTest):
    """What lives for the whole run; each of these runs is a process of its own."""

    def run_of(self, script: str) -> list[list[str]]:
        process = python(RUN + script)
        with process:
            output, errors = process.communicate(timeout=60)
        self.assertEqual((0, ""), (process.returncode, errors))
        self.assertNotIn("failed", output)
        return [line.split() for line in output.splitlines()]

    def assert_gone(self, names: set[str]) -> None:
        """Fail unless nothing of these names is on the engine."""
        there = {each.name for each in engine().labelled("org.testcontainers.session-id")}
        self.assertEqual(set(), names & there)

    def test_shared(self) -> None:
        """Classes share it, each by its own connection mode; it is gone after the process."""
        one, two = self.run_of("run(One); run(Two)")
        self.assertEqual(one[:2], two[:2])
        self.assertNotEqual(one[2], two[2])
        self.assert_gone({*one, *two})

    def test_fork(self) -> None:
        """A forked child starts its own, and takes nothing from its parent."""
        one, two, child, again = self.run_of(FORKED)
        self.assertEqual(["child", "0"], child)
        self.assertEqual(set(), set(one) & set(two))
        self.assertEqual(one[:2], again[:2])
        self.assert_gone({*one, *two, *again})

    def test_died(self) -> None:
        """What has died in one class is started again for the next; a job that ended is not."""
        script = """
import logging
from tcunit import ComposeStack, wait
from tcunit.modules import RedisContainer
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s")

class Dying(ContainerTestCase):
    cache = RedisContainer().with_reset().with_scope("run")
    job = sleeper().with_command("true").waiting_for(wait.for_exit()).with_scope("run")
    failed = sleeper().with_command("false").waiting_for(wait.for_exit(1)).with_scope("run")
    stack = ComposeStack("tests/engine/compose/dying.yml", services=["other"]).with_scope("run")
    def test(self):
        self.assertReachable(self.cache, 6379)
        self.assertRunning(self.stack["other"])
        self.assertExited(self.job, 0)
        jobs = [each.get_wrapped_container() for each in (self.job, self.failed)]
        print(self.cache.get_container_id(), *[each.attrs["State"]["StartedAt"] for each in jobs])
        for each in (self.cache, self.stack["other"]):
            each.get_wrapped_container().kill()
            self.assertExited(each, 137)

class Next(Dying): pass
run(Dying); run(Next)
"""
        one, *warnings, two = self.run_of(script)
        self.assertEqual(one, two)
        self.assertEqual(3, len(one))
        self.assertEqual(["WARNING", "WARNING"], [each[0] for each in warnings])
        self.assertEqual(
            "(exited, exit code 137), and is started again", " ".join(warnings[0][-8:])
        )

    def test_died_with_what_it_needs(self) -> None:
        """What is needed is started again first, also where the next class does not declare it."""
        script = """
import logging, pathlib
from tcunit import ComposeStack, Network, wait
logging.basicConfig(stream=sys.stdout, format="%(message)s")
up = wait.for_log("up")
file = pathlib.Path("tests/engine/compose/order.yml")
backend = Network().with_scope("run")
db = sleeper().with_network(backend, "db").with_scope("run")
app = sleeper().with_command(["sh", "-c", "ping -c 1 db && echo up && sleep 300"])
app.with_network(backend).depends_on(db).waiting_for(up).with_scope("run")
stack = ComposeStack(file).waiting_for("app", up).with_scope("run")
beside = sleeper().with_init().with_network_mode(db).with_scope("run")

class Dying(ContainerTestCase):
    beside, app, db, stack = beside, app, db, stack
    def test(self):
        for each in (self.app, self.db, self.stack["app"], self.stack["db"]):
            each.get_wrapped_container().kill()
            self.assertExited(each, 137)

class Next(ContainerTestCase):
    box = sleeper().depends_on(app, stack["app"])
    beside = beside
    def test(self):
        self.assertExec(self.beside, ["grep", "eth0", "/proc/net/dev"])
        print("done")
run(Dying); run(Next)
"""
        *died, done = self.run_of(script)
        self.assertEqual(["done"], done)
        names = [each[0] for each in died]
        for first, then in (("db", "app"), ("db", "beside"), ("stack.db", "stack.app")):
            self.assertLess(names.index(first), names.index(then))
        self.assertEqual(5, len(names))

    def test_failing_start(self) -> None:
        """One that cannot be started fails each class that declares it, and leaves nothing."""
        script = """
class Bad(ContainerTestCase):
    job = sleeper("no-such-image-of-ours").with_scope("run")
    def test(self): ...
for _ in range(2):
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Bad).run(result)
    print(len(result.errors), result.testsRun)
from tests.engine.helpers import left_over
print(left_over())
"""
        self.assertEqual([["1", "0"], ["1", "0"], ["[]"]], self.run_of(script))


# -- bringing the state back ----------------------------------------------------------------------

OF_THE_SERVER = b"""
CREATE ROLE app LOGIN;
CREATE ROLE guest LOGIN;
ALTER DATABASE test OWNER TO app;
ALTER DATABASE test SET timezone TO 'Asia/Tokyo';
ALTER ROLE guest IN DATABASE test SET search_path TO "$user", shop;
ALTER DATABASE test CONNECTION LIMIT 17;
COMMENT ON DATABASE test IS 'the shop''s';
GRANT CREATE ON DATABASE test TO guest WITH GRANT OPTION;
REVOKE CONNECT ON DATABASE test FROM PUBLIC;
"""
KEPT = """
SELECT current_setting('timezone'), datdba::regrole::text, datconnlimit,
    shobj_description(oid, 'pg_database'),
    (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = oid),
    (SELECT array_agg(setconfig::text ORDER BY setrole) FROM pg_db_role_setting
        WHERE setdatabase = oid),
    datacl::text,
    (SELECT array_agg(deptype::text || refobjid::regrole::text ORDER BY refobjid) FROM pg_shdepend
        WHERE classid = 'pg_database'::regclass AND objid = oid)
FROM pg_database WHERE datname = 'test'
"""


class ResetTest(EngineTest, ContainerTestCase):
    """Each test finds the state with which tests begin, whatever the one before has done."""

    db = PostgresContainer(
        username="te st", password="pa ss'\"$", dbname="o\"dd 'na;me"
    ).with_reset()
    plain = PostgresContainer(dbname="postgres").with_reset()
    cache = RedisContainer().with_reset()
    locked = RedisContainer(password="pa ss'\"$ é").with_reset()
    hooks: ClassVar[list[str]] = []
    box = sleeper().with_reset(lambda box: ResetTest.hooks.append(box.name))

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for each in (cls.db, cls.plain):
            with cls.connected(each) as connection:
                connection.execute("CREATE TABLE item (name text)")
                connection.execute("INSERT INTO item VALUES ('tea')")

    @classmethod
    def connected(cls, db: PostgresContainer) -> psycopg.Connection[Any]:
        return psycopg.connect(db.get_connection_url(), connect_timeout=5)

    def items(self, db: PostgresContainer) -> list[str]:
        with self.connected(db) as connection:
            return [row[0] for row in connection.execute("SELECT name FROM item ORDER BY name")]

    def redis(self, cache: RedisContainer, *words: str) -> str:
        login = ["-a", cache.password, "--no-auth-warning"] if cache.password else []
        return self.assertExec(cache, ["redis-cli", *login, *words]).stdout.decode().strip()

    def check(self) -> None:
        """See the first state, change it, and leave a connection open."""
        for db in (self.db, self.plain):
            self.assertEqual(["tea"], self.items(db))
            connection = self.connected(db)
            self.addCleanup(connection.close)
            connection.execute("INSERT INTO item VALUES ('milk')")
            connection.execute("CREATE TABLE IF NOT EXISTS other (name text)")
            connection.commit()
            self.assertEqual(["milk", "tea"], self.items(db))
        for cache in (self.cache, self.locked):
            self.assertEqual("", self.redis(cache, "get", "tea"))
            self.assertEqual("OK", self.redis(cache, "set", "tea", "250"))

    def test_one(self) -> None:
        """A test changes what it finds."""
        self.check()

    def test_two(self) -> None:
        """The next test finds the first state again, and the hook was called with the container."""
        self.check()
        self.assertEqual([self.box.name], ResetTest.hooks[:1])

    def test_snapshot_by_hand(self) -> None:
        """``snapshot()`` takes the present state as the one that ``reset()`` goes back to."""
        db = self.running(PostgresContainer())
        with self.connected(db) as connection:
            connection.execute("CREATE TABLE item (name text)")
        db.snapshot()
        with self.connected(db) as connection:
            connection.execute("INSERT INTO item VALUES ('milk')")
        db.reset()
        self.assertEqual([], self.items(db))
        with self.connected(db) as connection:
            connection.execute("INSERT INTO item VALUES ('cake')")
        db.snapshot()
        db.reset()
        self.assertEqual(["cake"], self.items(db))

    def test_what_the_server_keeps(self) -> None:
        """A database has its owner, rights, settings and comment again, which no copy of it has."""
        db = self.running(PostgresContainer().with_init_scripts(OF_THE_SERVER))
        assert isinstance(db, PostgresContainer)

        def kept() -> list[Any]:
            with self.connected(db) as connection:
                return connection.execute(KEPT).fetchall()

        first = kept()
        self.assertEqual(("Asia/Tokyo", "app", 17, "the shop's", 2), first[0][:5])
        db.snapshot()
        with self.connected(db) as connection:
            connection.execute("ALTER DATABASE test RESET ALL")
            connection.execute("ALTER DATABASE test CONNECTION LIMIT 3")
            connection.execute("REVOKE ALL ON DATABASE test FROM guest")
            connection.execute("COMMENT ON DATABASE test IS 'another'")
            connection.execute("ALTER DATABASE test OWNER TO test")
        for _ in range(2):
            db.reset()
            self.assertEqual(first, kept())

    def test_faster_than_a_new_one(self) -> None:
        """Bringing the state back takes less time than a new container."""
        for container, fresh in ((self.db, PostgresContainer()), (self.cache, RedisContainer())):
            with self.subTest(container.label):
                began = time.monotonic()
                self.running(fresh)
                start = time.monotonic() - began
                began = time.monotonic()
                container.reset()
                self.assertLess(time.monotonic() - began, start)

    def test_no_way_back(self) -> None:
        """A container that knows no way back says what to use."""
        with sleeper() as box:
            with self.assertRaisesRegex(DeclarationError, r"with_reset\(hook\)"):
                box.reset()

    def test_no_secret(self) -> None:
        """A reset that fails names the container, and shows no password."""
        with self.cache.stopped(), self.assertRaises(Exception) as caught:
            self.cache.reset()
        self.assertIn("cache", str(caught.exception))
        with self.locked.stopped(), self.assertRaises(Exception) as caught:
            self.locked.reset()
        self.assertNotIn("pa ss", str(caught.exception))


class SqlTest(EngineTest):
    """``wait.for_sql`` asks through any driver of the DB-API."""

    def test_ready(self) -> None:
        """A start returns when the query succeeds; a query without rows will do."""
        for query in ("SELECT 1", "CREATE TEMPORARY TABLE item (name text)"):
            with self.subTest(query):
                db = PostgresContainer().waiting_for(wait.for_sql(connect, query, port=5432))
                with self.running(db), connect(*db.endpoint(5432)) as connection:
                    self.assertEqual((2,), connection.execute("SELECT 1 + 1").fetchone())

    def test_not_ready(self) -> None:
        """What the driver says is the reason, without the password."""
        db = self.running(PostgresContainer())
        case = ContainerTestCase()
        for query, reason in (
            ("SELECT 1 FROM item", "UndefinedTable: .*item"),
            ("SELEC", "Syntax"),
        ):
            with self.assertRaisesRegex(AssertionError, f"'{query}' to succeed.*{reason}"):
                case.assertReady(db, wait.for_sql(connect, query, port=5432), timeout=0.3)
        with self.assertRaises(AssertionError) as caught:
            wrong = wait.for_sql(
                lambda host, port: connect(host, port, password="secret"), port=5432
            )
            case.assertReady(db, wrong, timeout=0.3)
        self.assertRegex(str(caught.exception), "OperationalError: ")
        self.assertNotIn("secret", str(caught.exception))

    def test_mistakes(self) -> None:
        """A mistake in the code is raised at once; a port must be known."""
        db = self.running(PostgresContainer().with_exposed_ports(5432))
        with self.assertRaises(NameError):
            db.await_ready(wait.for_sql(lambda host, port: no_such_name))  # type: ignore[name-defined]  # noqa: F821
        db.await_ready(wait.for_sql(connect))
        with sleeper() as box:
            with self.assertRaisesRegex(DeclarationError, r"exposes none.*wait\.for_sql\(connect"):
                box.await_ready(wait.for_sql(connect))


def connect(host: str, port: int, password: str = "test") -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=host, port=port, user="test", password=password, dbname="test", connect_timeout=2
    )


class FileTest(EngineTest):
    """``wait.for_file`` asks the engine."""

    def test_ready(self) -> None:
        """A start returns when the file is there, and not before."""
        box = shell("sleep 0.3; touch /tmp/ready; exec sleep 300")
        self.running(box.waiting_for(wait.for_file("/tmp/ready")))
        self.assertEqual(0, box.exec("ls /tmp/ready").exit_code)

    def test_volume(self) -> None:
        """A file on a volume is seen, and so is one whose name has blanks and other signs."""
        box = shell("mkdir -p '/data/a b'; touch '/data/a b/ü?&'; exec sleep 300")
        box.with_kwargs(volumes=["/data"])
        self.running(box.waiting_for(wait.for_file("/data/a b/ü?&")))

    def test_relative(self) -> None:
        """A path must begin at the root."""
        with self.assertRaisesRegex(DeclarationError, "'ready' is no path from the root: .*/ready"):
            wait.for_file("ready")
