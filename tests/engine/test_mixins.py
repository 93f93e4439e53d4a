"""The mixins on test cases that are not ours: a plain one, an asynchronous one, and Django's."""

from __future__ import annotations

import unittest
from typing import Any, ClassVar

import django
from django.conf import settings
from parameterized import parameterized, parameterized_class

from tcunit import (
    ConnectionMixin,
    ContainerAssertionsMixin,
    ContainersMixin,
    ContainerTestCase,
    DockerContainer,
    Network,
    wait,
)
from tcunit.errors import DeclarationError, SettingError
from tcunit.modules import NginxContainer, RedisContainer

from .helpers import (
    EngineTest,
    environment,
    left_over,
    needs_bridge,
    page,
    run_class,
    sleeper,
)

if not settings.configured:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.contenttypes"],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        ROOT_URLCONF=__name__,
        USE_TZ=True,
    )
    django.setup()

from django.db import connection
from django.test import SimpleTestCase, TestCase

urlpatterns: list[object] = []
SEEN: dict[str, Any] = {}


class PlainTest(EngineTest):
    """On ``unittest.TestCase`` and what derives from it."""

    def setUp(self) -> None:
        super().setUp()
        SEEN.clear()

    def test_containers(self) -> None:
        """The class fixture works on a plain test case, whose own set-up runs after it."""

        class Plain(unittest.TestCase):
            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                SEEN["set up with"] = cls.box.status  # type: ignore[attr-defined]

        class ShopTest(ContainersMixin, Plain):
            box = sleeper()

            def test_box(self) -> None:
                self.assertEqual("running", self.box.status)
                self.assertFalse(hasattr(self, "assertReachable"))

        self.assert_passes(ShopTest)
        self.assertEqual({"set up with": "running"}, SEEN)
        self.assertEqual([], left_over())

    def test_each_mixin_alone(self) -> None:
        """Connection and assertions work without the class fixture, for lone containers."""
        web = self.running(NginxContainer())

        class ConnectionTest(ConnectionMixin, unittest.TestCase):
            connection_mode = "docker_host"

            def test_endpoint(self) -> None:
                self.assertEqual(web.endpoint(80, "docker_host"), self.endpoint(web, 80))
                self.assertEqual(200, page(self.endpoint(web, 80)))

        class AssertionTest(ContainerAssertionsMixin, unittest.TestCase):
            def test_reachable(self) -> None:
                self.assertReachable(web, 80)

        self.assert_passes(ConnectionTest)
        self.assert_passes(AssertionTest)

    def test_wrong_mode(self) -> None:
        """A connection mode that is none is refused when the class is made, on any test case."""
        with self.assertRaisesRegex(SettingError, r"Wrong\.connection_mode has the value 'host'"):

            class Wrong(ConnectionMixin, unittest.TestCase):
                connection_mode = "host"

    def test_parameterized(self) -> None:
        """Parameterised tests, and classes, find their containers."""
        before = set(globals())
        self.addCleanup(lambda: [globals().pop(name) for name in set(globals()) - before])

        @parameterized_class([{"word": "one"}])
        class Words(ContainersMixin, unittest.TestCase):
            word: ClassVar[str]
            box = sleeper()

            @parameterized.expand([("a",), ("b",)])
            def test_word(self, letter: str) -> None:
                SEEN[self.word + letter] = self.box.status

        for name in sorted(set(globals()) - before):
            self.assert_passes(globals()[name])
        self.assertEqual({"onea": "running", "oneb": "running"}, SEEN)

    def test_asynchronous(self) -> None:
        """The class fixture works on ``IsolatedAsyncioTestCase``."""

        class ShopTest(ContainersMixin, unittest.IsolatedAsyncioTestCase):
            box = sleeper()

            async def test_box(self) -> None:
                self.assertEqual("running", self.box.status)

        self.assert_passes(ShopTest)

    def test_shadowing(self) -> None:
        """A declaration that would hide what the test case calls so is refused there, too."""
        with self.assertRaisesRegex(DeclarationError, r"ShopTest\.run would hide"):

            class ShopTest(ContainersMixin, unittest.TestCase):
                run = sleeper()  # type: ignore[assignment]


class DjangoTest(EngineTest):
    """On Django's test cases."""

    def setUp(self) -> None:
        super().setUp()
        SEEN.clear()

    def test_simple_test_case(self) -> None:
        """``SimpleTestCase`` keeps what it does: it refuses queries, and its client works."""

        class ShopTest(ContainersMixin, ConnectionMixin, ContainerAssertionsMixin, SimpleTestCase):
            cache = RedisContainer()

            def test_cache(self) -> None:
                self.assertReachable(self.cache, 6379)
                self.assertEqual(404, self.client.get("/").status_code)
                with self.assertRaisesMessage(AssertionError, "not allowed"):
                    connection.cursor()

        self.assert_passes(ShopTest)

    def test_test_case(self) -> None:
        """``TestCase`` keeps its transactions; ``setUpTestData`` finds the containers running."""
        connection.ensure_connection()
        self.addCleanup(connection.close)
        with connection.cursor() as cursor:
            cursor.execute("create table words (word text)")

        class ShopTest(ContainerTestCase, TestCase):
            box = sleeper()

            @classmethod
            def setUpTestData(cls) -> None:
                SEEN["set up with"] = cls.box.status

            def test_one(self) -> None:
                self._insert()

            def test_two(self) -> None:
                self._insert()

            def _insert(self) -> None:
                with connection.cursor() as cursor:
                    cursor.execute("insert into words values ('one')")
                    cursor.execute("select count(*) from words")
                    self.assertEqual((1,), cursor.fetchone())

        self.assertEqual(2, self.assert_passes(ShopTest).testsRun)
        self.assertEqual({"set up with": "running"}, SEEN)
        self.assertEqual([], left_over())

    def test_set_up_that_fails(self) -> None:
        """If Django's part of the set-up fails, nothing is left."""

        class ShopTest(ContainerTestCase, TestCase):
            box = sleeper()

            @classmethod
            def setUpTestData(cls) -> None:
                raise RuntimeError("no data")

            def test_box(self) -> None:
                raise AssertionError("a test ran")

        self.addCleanup(connection.close)
        self.assertIn("RuntimeError: no data", self.assert_fails(ShopTest))
        self.assertEqual([], left_over())


class ReachTest(EngineTest, ContainerAssertionsMixin):
    """``assertReachable`` and ``assertNotReachable``, on a test case of one's own."""

    web: ClassVar[DockerContainer]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.web = DockerContainer("nginx:alpine").with_exposed_ports(80, 443)
        cls.addClassCleanup(cls.web.stop)
        cls.web.start()

    @needs_bridge
    def test_reachable(self) -> None:
        """In every mode, a port where a service answers is reachable, and no other."""
        for mode in ("bridge_ip", "gateway_ip", "docker_host"):
            with self.subTest(mode=mode), environment(TESTCONTAINERS_CONNECTION_MODE=mode):
                self.assertReachable(self.web, 80)
                self.assertNotReachable(self.web, 443)
                with self.assertRaisesRegex(AssertionError, "port 443/tcp .*is not reachable"):
                    self.assertReachable(self.web, 443, timeout=0.1)
                with self.assertRaisesRegex(AssertionError, "port 80/tcp .*is reachable"):
                    self.assertNotReachable(self.web, 80)

    @needs_bridge
    def test_why_not(self) -> None:
        """The failure says why: the address, the connection mode with its reason, the state."""
        with self.assertRaises(AssertionError) as caught:
            self.assertReachable(self.web, 443, "the shop is shut", timeout=0.1)
        text = str(caught.exception)
        self.assertIn("Connection refused", text)
        self.assertIn("onnection mode", text)
        self.assertIn("bridge_ip", text)
        self.assertIn("running", text)
        self.assertIn("the shop is shut", text)

    def test_reachable_soon(self) -> None:
        """``assertReachable`` waits for a service that comes a little later."""
        late = "import http.server as h, time; time.sleep(0.4); h.test(port=8000)"
        server = self.running(
            DockerContainer("python:3.11-slim")
            .with_command(["python", "-c", late])
            .with_exposed_ports(8000)
            .waiting_for(wait.for_running())
        )
        self.assertReachable(server, 8000, timeout=20)

    def test_what_ended(self) -> None:
        """A container that has ended is not reachable, and the failure has its state and log."""
        job = self.running(
            DockerContainer("alpine")
            .with_command(["sh", "-c", "echo done here; exit 3"])
            .with_exposed_ports(80)
            .waiting_for(wait.for_exit(3))
        )
        self.assertNotReachable(job, 80)
        with self.assertRaisesRegex(AssertionError, r"(?s)exit code 3.*\| done here"):
            self.assertReachable(job, 80, timeout=0.1)

    def test_traceback(self) -> None:
        """The traceback of a failure ends in the user's own line."""
        web = self.web

        class ShopTest(ContainerAssertionsMixin, unittest.TestCase):
            def test_web(self) -> None:
                self.assertReachable(web, 443, timeout=0.1)  # the user's own line

        result = run_class(ShopTest)
        ((_, text),) = result.failures
        before = text.partition("AssertionError")[0]
        self.assertIn("# the user's own line", before)
        self.assertNotIn("assertions.py", before)

    def test_network_in_a_mixin(self) -> None:
        """A connection mode of the class holds for its assertions."""

        class ShopTest(ContainerTestCase):
            connection_mode = "docker_host"
            net = Network()
            web = NginxContainer().with_network(net)

            def test_web(self) -> None:
                with self.assertRaisesRegex(AssertionError, "at 127.0.0.1:|at localhost:"):
                    self.assertNotReachable(self.web, 80)

        self.assert_passes(ShopTest)


if __name__ == "__main__":
    unittest.main()
