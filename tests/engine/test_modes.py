"""Connection modes in tests: each of them, who may choose one, and what a failure says."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from parameterized import parameterized, parameterized_class

from tcunit import (
    ConnectionMixin,
    ConnectionMode,
    ContainersMixin,
    ContainerTestCase,
    DockerContainer,
    Network,
    each_connection_mode,
    using_connection_mode,
    wait,
)
from tcunit.errors import DeclarationError, EngineNotFound, SettingError
from tcunit.settings import Settings

from .helpers import ROOT, EngineTest, environment, needs_bridge, page, problems, run_class

MODES = [mode.value for mode in ConnectionMode]
SEEN: dict[str, Any] = {}


def web() -> DockerContainer:
    """A web server whose port is published."""
    return DockerContainer("nginx:alpine").with_exposed_ports(80)


def names(*cases: type) -> list[str]:
    """The tests of some classes, as a loader finds them."""
    loader = unittest.TestLoader()
    return [f"{case.__name__}.{name}" for case in cases for name in loader.getTestCaseNames(case)]


def made(stem: str) -> list[type]:
    """The classes of this module that decorators have made, in the order of their names."""
    module = vars(sys.modules[__name__])
    return [module[name] for name in sorted(module) if name.startswith(f"{stem}_")]


# Decorators of classes make classes in the module, so these are on its top level. ``load_tests``
# keeps loaders from them: the tests below run them.


@each_connection_mode
class EachClass(ContainerTestCase):
    """A class for each mode."""

    web = web()

    def test_page(self) -> None:
        """The page comes."""
        SEEN[self.id().rpartition(f"{__name__}.")[2]] = self.endpoint(self.web, 80)
        assert page(self.endpoint(self.web, 80)) == 200


@parameterized_class([{"size": "small"}, {"size": "large"}])
@each_connection_mode
class ModesFirst(ContainerTestCase):
    """A class for each mode and each parameter."""

    web = web()
    size = ""

    def test_page(self) -> None:
        """The page comes."""
        SEEN[f"{self.size} {self.connection_mode}"] = page(self.endpoint(self.web, 80))


@each_connection_mode
@parameterized_class([{"size": "small"}, {"size": "large"}])
class ParametersFirst(ContainerTestCase):
    """The same the other way round."""

    web = web()
    size = ""

    def test_page(self) -> None:
        """The page comes."""
        SEEN[f"{self.size} {self.connection_mode}"] = page(self.endpoint(self.web, 80))


def load_tests(
    loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None
) -> unittest.TestSuite:
    """All but the classes that the tests run themselves."""
    own = (EachClass, ModesFirst, ParametersFirst)
    kept = [suite for suite in tests if not any(isinstance(test, own) for test in suite)]  # type: ignore[union-attr]
    return unittest.TestSuite(kept)


class ModesTest(EngineTest):
    """What tests of classes share."""

    def setUp(self) -> None:
        super().setUp()
        SEEN.clear()


@needs_bridge
class EachModeTest(ModesTest):
    """``@each_connection_mode``."""

    def test_method(self) -> None:
        """A method becomes one for each mode, with its name, and addresses are in that mode."""

        class ShopTest(ContainerTestCase):
            web = web()

            @each_connection_mode
            def test_shop(self) -> None:
                """The shop is open."""
                host, port = self.endpoint(self.web, 80)
                assert (host, port) == (
                    self.web.get_container_host_ip(),
                    self.web.get_exposed_port(80),
                )
                SEEN[self._testMethodName] = (host, page(self.endpoint(self.web, 80)))
                SEEN["ip"], SEEN["gateway"] = (
                    self.web.running.facts().ip,
                    self.web.running.facts().gateway,
                )
                SEEN["doc"] = self.shortDescription()

            def test_other(self) -> None:
                pass

        self.assertEqual(
            ["test_other", *sorted(f"test_shop_{mode}" for mode in MODES)],
            [name.partition(".")[2] for name in names(ShopTest)],
        )
        self.assertEqual(4, self.assert_passes(ShopTest).testsRun)
        self.assertEqual((SEEN["ip"], 200), SEEN["test_shop_bridge_ip"])
        self.assertEqual((SEEN["gateway"], 200), SEEN["test_shop_gateway_ip"])
        self.assertEqual(("127.0.0.1", 200), SEEN["test_shop_docker_host"])
        self.assertEqual("The shop is open.", SEEN["doc"])

    def test_inherited_method(self) -> None:
        """A subclass inherits the tests; an override of the method replaces all of them."""

        class BaseTest(ContainerTestCase):
            web = web()

            @each_connection_mode
            def test_shop(self) -> None:
                SEEN[self._testMethodName] = page(self.endpoint(self.web, 80))

        class SubTest(BaseTest):
            pass

        self.assertEqual(3, self.assert_passes(SubTest).testsRun)
        self.assertEqual({f"test_shop_{mode}": 200 for mode in MODES}, SEEN)

    def test_class(self) -> None:
        """A class becomes one for each mode; itself it has no tests any more."""
        self.assertEqual([], names(EachClass))
        expected = [f"EachClass_{mode}" for mode in sorted(MODES)]
        self.assertEqual(expected, [case.__name__ for case in made("EachClass")])
        for case in made("EachClass"):
            self.assertEqual(1, self.assert_passes(case).testsRun)
        self.assertEqual([f"{name}.test_page" for name in expected], sorted(SEEN))
        self.assertEqual("127.0.0.1", SEEN["EachClass_docker_host.test_page"].host)

    def test_with_parameterized_expand(self) -> None:
        """Below ``parameterized.expand``, modes and parameters multiply."""

        class ShopTest(ContainerTestCase):
            web = web()

            @parameterized.expand([("tea",), ("milk",)])
            @each_connection_mode
            def test_buy(self, what: str) -> None:
                SEEN[f"{what} {self.endpoint(self.web, 80).host}"] = self._testMethodName

        stems = ["test_buy_0_tea", "test_buy_1_milk"]
        expected = [f"{stem}_{mode}" for stem in stems for mode in sorted(MODES)]
        self.assertEqual(expected, [name.partition(".")[2] for name in names(ShopTest)])
        self.assertEqual(6, self.assert_passes(ShopTest).testsRun)
        self.assertEqual(sorted(expected), sorted(SEEN.values()))

    def test_above_parameterized_expand(self) -> None:
        """The other order cannot work, and says which one does."""
        with self.assertRaisesRegex(DeclarationError, r"below @parameterized\.expand"):

            class ShopTest(ContainerTestCase):
                @each_connection_mode
                @parameterized.expand([("tea",)])
                def test_buy(self, what: str) -> None:
                    pass

    @parameterized.expand([("ModesFirst",), ("ParametersFirst",)])
    def test_with_parameterized_class(self, stem: str) -> None:
        """Above and below ``parameterized_class``, modes and parameters multiply."""
        cases = [case for case in made(stem) if names(case)]
        self.assertEqual(6, len(names(*cases)), names(*cases))
        self.assertEqual([], names(vars(sys.modules[__name__])[stem]))
        for case in cases:
            self.assertRegex(case.__name__, rf"^{stem}_[01]\w*_({'|'.join(MODES)})$")
            self.assert_passes(case)
        expected = {f"{size} {mode}": 200 for size in ("small", "large") for mode in MODES}
        self.assertEqual(expected, SEEN)

    def test_async(self) -> None:
        """A coroutine is awaited, in its mode, and so is what sets it up."""

        class ShopTest(ContainerTestCase, unittest.IsolatedAsyncioTestCase):
            web = web()

            async def asyncSetUp(self) -> None:
                self.early = self.endpoint(self.web, 80)

            @each_connection_mode
            async def test_shop(self) -> None:
                await asyncio.sleep(0)
                endpoint = self.endpoint(self.web, 80)
                assert endpoint == self.early == self.web.endpoint(80)
                SEEN[self._testMethodName] = await asyncio.to_thread(page, endpoint)
                SEEN[endpoint.host] = True

            @parameterized.expand([("tea",)])
            @each_connection_mode
            async def test_buy(self, what: str) -> None:
                SEEN[f"{what} {self.endpoint(self.web, 80).host}"] = True

        self.assertEqual(6, self.assert_passes(ShopTest).testsRun)
        self.assertEqual({f"test_shop_{mode}" for mode in MODES},
                         {name for name in SEEN if name.startswith("test_")})  # fmt: skip
        self.assertEqual(3, sum(name.startswith("tea ") for name in SEEN))

    def test_without_the_mixin(self) -> None:
        """A class that cannot expand its methods says so."""

        class ShopTest(ContainersMixin):
            @each_connection_mode
            def test_shop(self) -> None:
                pass

        self.assertIn("does not inherit ConnectionMixin", self.assert_fails(ShopTest))

    def test_pytest(self) -> None:
        """pytest finds and runs the same tests."""
        source = """
            from parameterized import parameterized
            from tcunit import ContainerTestCase, DockerContainer, each_connection_mode

            class ShopTest(ContainerTestCase):
                web = DockerContainer("nginx:alpine").with_exposed_ports(80)

                @parameterized.expand([("tea",)])
                @each_connection_mode
                def test_buy(self, what):
                    self.assertReachable(self.web, 80)

            @each_connection_mode
            class PageTest(ContainerTestCase):
                web = DockerContainer("nginx:alpine").with_exposed_ports(80)

                def test_page(self):
                    self.assertReachable(self.web, 80)
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "test_shop.py")
            file.write_text(textwrap.dedent(source))
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-v", "-W", "error", "-p", "no:cacheprovider"],
                env={**os.environ, "PYTHONPATH": str(ROOT), "TCUNIT_REAPERS": "guard"},
                cwd=folder, capture_output=True, text=True, timeout=90,
            )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        passed = set(re.findall(r"::(\S+) PASSED", done.stdout))
        expected = {f"ShopTest::test_buy_0_tea_{mode}" for mode in MODES}
        self.assertEqual(expected | {f"PageTest_{mode}::test_page" for mode in MODES}, passed)


def unreachable_class(**attributes: Any) -> type[ContainerTestCase]:
    """A class on an internal network: only its bridge leads there."""

    class ShopTest(ContainerTestCase):
        backend = Network(internal=True)
        outer = Network()
        web = DockerContainer("nginx:alpine").with_network(backend).with_network(outer)
        web.with_exposed_ports(80)

        @each_connection_mode
        def test_shop(self) -> None:
            SEEN[self._testMethodName] = page(self.endpoint(self.web, 80))

    return ShopTest


@needs_bridge
class ImpossibleModeTest(ModesTest):
    """Modes that cannot work here."""

    reason = r"cannot work here: web: the network .* is internal, so no port is published"

    def test_skipped(self) -> None:
        """They are skipped with the resolver's reason; those that can work run."""
        result = self.assert_passes(unreachable_class())
        self.assertEqual({"test_shop_bridge_ip": 200}, SEEN)
        skipped = {test.id().rpartition("_shop_")[2]: reason for test, reason in result.skipped}
        self.assertEqual({"gateway_ip", "docker_host"}, set(skipped))
        for mode, reason in skipped.items():
            self.assertRegex(reason, f"^connection mode {mode} {self.reason}")

    def test_required(self) -> None:
        """Those in ``TCUNIT_REQUIRE_MODES`` fail, with the same reason."""
        with environment(TCUNIT_REQUIRE_MODES="bridge_ip, DOCKER_HOST"):
            result = run_class(unreachable_class())
        self.assertEqual({"test_shop_bridge_ip": 200}, SEEN)
        self.assertEqual([], result.errors)
        ((failed, text),) = result.failures
        self.assertTrue(failed.id().endswith("test_shop_docker_host"))
        self.assertRegex(text, f"connection mode docker_host {self.reason}")
        self.assertIn("TCUNIT_REQUIRE_MODES says it must", text)
        self.assertEqual(
            ["gateway_ip"], [t.id().rpartition("_shop_")[2] for t, _ in result.skipped]
        )

    def test_required_and_unknown(self) -> None:
        """An unknown mode in the variable is an error that names it."""
        with environment(TCUNIT_REQUIRE_MODES="bridge"):
            text = problems(run_class(unreachable_class()))
        self.assertIn("environment variable TCUNIT_REQUIRE_MODES has the value 'bridge'", text)


@needs_bridge
class PrecedenceTest(ModesTest, ContainerTestCase):
    """Who may choose a mode, and who wins."""

    web = web()

    def mode(self, properties: str = "", **environ: str) -> str:
        """The mode that this test gets, with some settings."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, ".testcontainers.properties")
            file.write_text(properties)
            around = self.web.running.surroundings
            with mock.patch.object(around, "settings", Settings(environ, file)):
                host = self.endpoint(self.web, 80).host
                self.assertEqual(host, self.web.endpoint(80).host)
        facts = self.web.running.facts()
        hosts = {facts.ip: "bridge_ip", facts.gateway: "gateway_ip", "127.0.0.1": "docker_host"}
        return hosts[host]

    def test_each_wins_over_the_next(self) -> None:
        """Context manager, class attribute, environment, property, default."""
        file, variable = "connection.mode = gateway_ip", "TESTCONTAINERS_CONNECTION_MODE"
        self.assertEqual("bridge_ip", self.mode())
        self.assertEqual("gateway_ip", self.mode(file))
        self.assertEqual("docker_host", self.mode(file, **{variable: "docker_host"}))
        with mock.patch.object(type(self), "connection_mode", "gateway_ip"):
            self.assertEqual("gateway_ip", self.mode(file, **{variable: "docker_host"}))
            with using_connection_mode("docker_host"):
                self.assertEqual("docker_host", self.mode(file))
                endpoint = self.endpoint(self.web, 80, "bridge_ip")
                self.assertEqual((self.web.running.facts().ip, 80), endpoint)

    def test_properties_of_java(self) -> None:
        """The properties are read as Java reads them: escapes, comments, continuation lines."""
        for text in (
            "# comment\n! another\nconnection.mode:gateway_ip\n",
            "connection.mode = gate\\\n    way_ip\n",
            "connection\\u002emode=gateway\\u005fip",
            "connection.mode gateway_ip",
        ):
            with self.subTest(text=text):
                self.assertEqual("gateway_ip", self.mode(text))

    def test_threads_and_tasks(self) -> None:
        """A mode in use is this thread's or task's own."""
        hosts: dict[str, str] = {}

        def look(mode: str) -> None:
            with using_connection_mode(mode):
                hosts[mode] = self.web.get_container_host_ip()

        async def look_up(mode: str) -> None:
            with using_connection_mode(mode):
                await asyncio.sleep(0)
                assert hosts[mode] == self.endpoint(self.web, 80).host

        async def all_at_once() -> None:
            await asyncio.gather(*map(look_up, MODES))

        with using_connection_mode("docker_host"):
            threads = [threading.Thread(target=look, args=(mode,)) for mode in MODES]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            asyncio.run(all_at_once())
            self.assertEqual("127.0.0.1", self.web.get_container_host_ip())
        self.assertEqual(3, len(set(hosts.values())))
        self.assertEqual(hosts["bridge_ip"], self.web.get_container_host_ip())

    def test_explained(self) -> None:
        """The rule that won, those passed over, and every fact; in a test and without one."""
        text = self.explain_connection(self.web, 80)
        ip = self.web.running.facts().ip
        self.assertTrue(text.startswith(f"port 80/tcp of {self.web.running.description}: {ip}:80 "))
        for words in (
            "(connection mode bridge_ip)",
            "because of: the network's bridge is here",
            "passed over: connection_mode of the test case: not set",
            "passed over: environment and properties: not set",
            "engine: reached by unix",
            "network: bridge, gateway",
            f"container: address {ip}, 80/tcp on",
            "published ports listen on: loopback and the network's gateway",
        ):
            self.assertIn(words, text)
        self.assertEqual(text, self.web.explain(80))
        with using_connection_mode("docker_host"):
            text = self.explain_connection(self.web, 80)
        self.assertIn("because of: using_connection_mode(): it was asked for", text)
        with mock.patch.object(type(self), "connection_mode", "gateway_ip"):
            text = self.explain_connection(self.web, 80)
        self.assertIn("(connection mode gateway_ip)", text)

    def test_explained_in_a_failure(self) -> None:
        """A failure of ``assertReachable`` has the same text."""

        box = self.running(
            DockerContainer("python:3.11-slim")
            .with_command(["python", "-u", "-m", "http.server", "81"])
            .with_exposed_ports(80, 81)
            .waiting_for(wait.for_port(81))
        )
        for mode in MODES:
            with self.subTest(mode=mode), using_connection_mode(mode):
                with self.assertRaises(AssertionError) as caught:
                    self.assertReachable(box, 80, timeout=0.3)
                self.assertIn(self.explain_connection(box, 80), str(caught.exception))


@needs_bridge
class WrongSettingTest(EngineTest, ContainerTestCase):
    """Bad input, from each source."""

    web = web()

    def settings(self, properties: str | bytes = "", **environ: str) -> Settings:
        """Settings from a file and an environment of a test's own."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        file = Path(folder, ".testcontainers.properties")
        file.write_bytes(properties if isinstance(properties, bytes) else properties.encode())
        return Settings(environ, file)

    def assert_refused(self, settings: Settings, *words: str) -> None:
        """Fail unless a container's address is refused with some words."""
        with (
            mock.patch.object(self.web.running.surroundings, "settings", settings),
            self.assertRaises(SettingError) as caught,
        ):
            self.web.endpoint(80)
        for each in words:
            self.assertIn(each, str(caught.exception))

    def test_unknown_mode(self) -> None:
        """The source and the values that are allowed are named."""
        allowed = "bridge_ip, gateway_ip, docker_host"
        settings = self.settings(TESTCONTAINERS_CONNECTION_MODE="bridge")
        self.assert_refused(
            settings, "environment variable TESTCONTAINERS_CONNECTION_MODE", "'bridge'", allowed
        )
        settings = self.settings("connection.mode=hots")
        file = str(settings.properties_file)
        self.assert_refused(settings, "property connection.mode in", file, "'hots'", allowed)

    def test_unknown_mode_in_code(self) -> None:
        """The class, the call or the context manager is named, and the nearest mode."""
        with self.assertRaisesRegex(SettingError, r"ShopTest\.connection_mode .*'bridge_ip'\?"):

            class ShopTest(ConnectionMixin):
                connection_mode = "bridge-ip"

        with (
            self.assertRaisesRegex(SettingError, r"^using_connection_mode\(\) .*'docker_host'\?"),
            using_connection_mode("dockerhost"),
        ):
            self.fail("not reached")
        with self.assertRaisesRegex(SettingError, "the call.*'gateway_ip'\\?"):
            self.web.endpoint(80, "gateway")

    def test_properties(self) -> None:
        """A file that cannot be read names itself and says what to do."""
        settings = self.settings("connection.mode = \\uZZZZ")
        self.assert_refused(settings, str(settings.properties_file), "is no Java properties file")
        settings = self.settings(b"connection.mode = \xff\xfe")
        self.assert_refused(settings, str(settings.properties_file), "cannot be read", "remove it")
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.assert_refused(Settings({}, Path(folder)), folder, "cannot be read")

    @parameterized.expand([("tcp://box",), ("box:2375",), ("me@box",), ("box/path",)])
    def test_host_override(self, text: str) -> None:
        """A scheme or a port in a host override is refused, from each source."""
        words = (repr(text), "without scheme and port")
        for name in ("TC_HOST", "TESTCONTAINERS_HOST_OVERRIDE"):
            with environment(**{name: text}), self.assertRaises(SettingError) as caught:
                self.running(web())
            for each in (f"environment variable {name}", *words):
                self.assertIn(each, str(caught.exception))

    def test_host_override_that_is_right(self) -> None:
        """A name or an address alone is taken, and the ports listen on all interfaces."""
        with environment(TESTCONTAINERS_HOST_OVERRIDE="localhost"):
            box = self.running(web())
        self.assertEqual("localhost", box.endpoint(80, "docker_host").host)
        self.assertEqual(200, page(box.endpoint(80, "docker_host")))
        self.assertIn("TESTCONTAINERS_HOST_OVERRIDE names its host localhost", box.explain(80))


class WrongEngineTest(EngineTest):
    """Engines that are not there."""

    def assert_not_found(self, *words: str, **environ: str) -> None:
        """Fail unless a start says which engine was tried and why it failed."""
        with environment(**environ), self.assertRaises(EngineNotFound) as caught:
            self.running(DockerContainer("alpine"))
        for each in words:
            self.assertIn(each, str(caught.exception))

    def test_nowhere(self) -> None:
        """Each place has its own reason."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        for url, reason in [
            (f"unix://{folder}/no.sock", "No such file or directory"),
            ("tcp://127.0.0.1:1", "Connection refused"),
            ("localhost:2375", "no URL: write unix:///path or tcp://host:port"),
        ]:
            with self.subTest(url=url):
                self.assert_not_found(f"DOCKER_HOST: {url}: ", reason, DOCKER_HOST=url)

    def test_no_fallback(self) -> None:
        """An engine that was named is the only one tried."""
        with (
            environment(DOCKER_HOST="tcp://127.0.0.1:1"),
            self.assertRaises(EngineNotFound) as caught,
        ):
            self.running(DockerContainer("alpine"))
        self.assertNotIn("usual socket", str(caught.exception))

    def test_tls_material_is_missing(self) -> None:
        """The folder is named."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.assert_not_found(
            f"TLS files in {folder}",
            DOCKER_HOST="tcp://127.0.0.1:1",
            DOCKER_TLS_VERIFY="1",
            DOCKER_CERT_PATH=folder,
        )
