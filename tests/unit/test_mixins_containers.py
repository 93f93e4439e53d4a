"""The class fixture: what is refused at class creation, and what a class does without an engine."""

from __future__ import annotations

import os
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

from tcunit import ConnectionMode, ContainersMixin, ContainerTestCase, DockerContainer, Network
from tcunit.errors import DeclarationError, EngineNotFound, NotStarted, PortError, SettingError
from tcunit.lifecycle.references import declarations_of

from .in_memory import free_port


def docker() -> DockerContainer:
    """Some declaration."""
    return DockerContainer("image")


def case(**attributes: Any) -> type[ContainerTestCase]:
    """A test class with these attributes."""
    return type("Shop", (ContainerTestCase,), attributes)


def run(cls: type[unittest.TestCase]) -> unittest.TestResult:
    """Run the tests of a class, with its set-up, as a runner does."""
    return unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(unittest.TestResult())


class ClassCreationTest(unittest.TestCase):
    """What cannot work is refused before there is a class."""

    def test_names_of_test_case(self) -> None:
        """A declaration that would hide an attribute of TestCase is refused by our own error."""
        for name in ("id", "run", "debug", "fail", "setUp", "setUpClass", "subTest", "maxDiff",
                     "assertEqual", "countTestCases", "failureException"):  # fmt: skip
            for value in (docker(), Network(), [docker()], {"a": docker()}):
                with self.subTest(name=name, value=value):
                    with self.assertRaises(DeclarationError) as caught:
                        case(**{name: value})
                    self.assertIs(DeclarationError, type(caught.exception))
                    text = str(caught.exception)
                    self.assertRegex(text, rf"Shop\.{name} would hide what \S*TestCase calls")
                    self.assertIn("give the declaration another name", text)

    def test_names_of_our_own(self) -> None:
        """The few names that the case itself claims are refused, too."""
        for name in ("endpoint", "assertReachable", "assertCanReach"):
            with self.subTest(name=name), self.assertRaisesRegex(DeclarationError, "would hide"):
                case(**{name: docker()})

    def test_names_in_a_plain_mixin_class(self) -> None:
        """Where the declaration stands makes no difference."""
        plain = type("Plain", (), {"debug": docker()})
        with self.assertRaisesRegex(DeclarationError, r"Shop\.debug would hide"):
            type("Shop", (plain, ContainerTestCase), {})

    def test_usual_names(self) -> None:
        """Names that a TestCase does not have are free."""
        names = ["db", "cache", "web", "network", "container", "image", "name", "port", "url"]
        shop = case(**{name: docker() for name in names})
        self.assertEqual(names, list(declarations_of(shop)))

    def test_one_fixed_port(self) -> None:
        """Two declarations cannot have one port of the host; the error names both and the port."""
        with self.assertRaisesRegex(DeclarationError, "a and b both want port 8080/tcp") as caught:
            case(a=docker().with_bind_ports(80, 8080), b=docker().with_bind_ports(81, "8080"))
        self.assertIn("with_exposed_ports()", str(caught.exception))

    def test_one_fixed_port_with_a_base_or_in_a_list(self) -> None:
        """Inherited ones and members of lists count."""
        base = case(a=docker().with_bind_ports(80, 8080))
        with self.assertRaisesRegex(DeclarationError, "a and b both want"):
            type("Sub", (base,), {"b": docker().with_bind_ports(80, 8080)})
        nodes = [docker().with_bind_ports(80, 8080) for _ in range(2)]
        with self.assertRaisesRegex(DeclarationError, "nodes-0 and nodes-1 both want"):
            case(nodes=nodes)

    def test_fixed_ports_that_differ(self) -> None:
        """Other numbers, other protocols, overridden ones and random ones do not clash."""
        base = case(
            a=docker().with_bind_ports("53/tcp", 53).with_exposed_ports(80),
            b=docker().with_bind_ports("53/udp", 53).with_exposed_ports(80),
            c=docker().with_bind_ports(53, 54).with_bind_ports(54),
            d=docker().with_bind_ports(54),
        )
        sub = type("Sub", (base,), {"a": docker().with_bind_ports("53/tcp", 53)})
        again = type("Again", (sub,), {"a": None, "e": docker().with_bind_ports(1, 53)})
        self.assertEqual({"b", "c", "d", "e"}, set(declarations_of(again)))

    def test_a_request_that_cannot_work(self) -> None:
        """Each is refused by the name of its attribute."""
        wrong: list[tuple[Callable[[], DockerContainer], type[DeclarationError]]] = [
            (lambda: docker().with_network_aliases("x"), DeclarationError),
            (lambda: docker().with_name("a b"), DeclarationError),
            (lambda: DockerContainer(""), DeclarationError),
            (lambda: docker().with_network_mode("host").with_exposed_ports(80), PortError),
            (
                lambda: docker().with_network(Network(internal=True)).with_exposed_ports(80),
                PortError,
            ),
        ]
        for number, (make, kind) in enumerate(wrong):
            for value, label in [(make(), "db"), ([docker(), make()], "db-1")]:
                with self.subTest(number=number, label=label):
                    with self.assertRaisesRegex(kind, f"^{label}: "):
                        case(db=value)

    def test_connection_mode(self) -> None:
        """A wrong mode is refused by the name of the class; a right one may be text."""
        with self.assertRaisesRegex(SettingError, r"^Shop\.connection_mode has the value 'bridge'"):
            case(connection_mode="bridge")
        for mode in (None, "docker_host", ConnectionMode.GATEWAY_IP):
            self.assertIs(mode, case(connection_mode=mode).connection_mode)


class SetUpTest(unittest.TestCase):
    """What a class says that was not set up."""

    def test_a_class_without_declarations(self) -> None:
        """It needs no engine, and its own set-up is called."""
        calls = []

        class Mixin(unittest.TestCase):
            @classmethod
            def setUpClass(cls) -> None:
                calls.append("set up")
                super().setUpClass()

        class Plain(ContainersMixin, Mixin):
            def test(self) -> None:
                calls.append("test")

        with mock.patch.dict(os.environ, {"DOCKER_HOST": f"tcp://127.0.0.1:{free_port()}"}):
            result = run(Plain)
        self.assertTrue(result.wasSuccessful(), result)
        self.assertEqual(["set up", "test"], calls)

    def test_super_was_forgotten(self) -> None:
        """The first use of a declaration says so, by the name of the class that forgot it."""
        errors: list[str] = []

        class Base(ContainerTestCase):
            db = docker()

            @classmethod
            def setUpClass(cls) -> None:
                pass

        class Shop(Base):
            nodes = [docker()]

            def test_attribute(self) -> None:
                try:
                    self.db  # noqa: B018
                except NotStarted as error:
                    errors.append(str(error))

            def test_cluster(self) -> None:
                try:
                    self.nodes  # noqa: B018
                except NotStarted as error:
                    errors.append(str(error))

        result = run(Shop)
        self.assertTrue(result.wasSuccessful(), result.errors)
        for error, name in zip(errors, ["db", "nodes-0"], strict=True):
            self.assertRegex(error, rf"Shop\.{name} is not started, because \S*Base\.setUpClass ")
            self.assertIn("does not call super().setUpClass()", error)

    def test_run_without_a_suite(self) -> None:
        """A test that is run alone has had no set-up of its class, and says how to run it."""

        class Shop(ContainerTestCase):
            db = docker()

            def test(self) -> None:
                self.db  # noqa: B018

        result = unittest.TestResult()
        Shop("test").run(result)
        ((_, text),) = result.errors
        self.assertIn("run it through a TestSuite or a test runner", text)

    def test_outside_of_a_test(self) -> None:
        """Before and after, an instance reads the declaration itself."""

        class Shop(ContainerTestCase):
            db = docker()

            def test(self) -> None:
                pass

        test = Shop("test")
        declared = Shop.__dict__["db"]
        self.assertIs(declared, test.db)
        test.run(unittest.TestResult())
        self.assertEqual([declared, declared], [test.db, Shop.db])


class WithoutEngineTest(unittest.TestCase):
    """A class with declarations where no engine answers."""

    def result(self, **environ: str) -> unittest.TestResult:
        """The result of a class of two tests."""

        class Shop(ContainerTestCase):
            db = docker()

            def test_one(self) -> None:
                raise AssertionError("it ran")

            test_two = test_one

        host = f"tcp://127.0.0.1:{free_port()}"
        with mock.patch.dict(os.environ, {"DOCKER_HOST": host, **environ}):
            os.environ.pop("TCUNIT_WITHOUT_ENGINE", None)
            os.environ.update(environ)
            return run(Shop)

    def test_it_fails(self) -> None:
        """By default that is an error of the class, once, with everything that was tried."""
        result = self.result()
        self.assertEqual((0, 1, 0), (result.testsRun, len(result.errors), len(result.skipped)))
        self.assertIn("no Docker engine answered. Tried:\n  DOCKER_HOST: ", result.errors[0][1])
        self.assertIn(EngineNotFound.__name__, result.errors[0][1])

    def test_it_is_skipped(self) -> None:
        """Who sets TCUNIT_WITHOUT_ENGINE=skip gets a skip with the same reason."""
        result = self.result(TCUNIT_WITHOUT_ENGINE="skip")
        self.assertEqual((0, 0, 1), (result.testsRun, len(result.errors), len(result.skipped)))
        self.assertIn("no Docker engine answered", result.skipped[0][1])

    def test_a_wrong_setting(self) -> None:
        """A wrong value there is an error and no skip."""
        result = self.result(TCUNIT_WITHOUT_ENGINE="ignore")
        self.assertEqual((1, 0), (len(result.errors), len(result.skipped)))
        self.assertIn("TCUNIT_WITHOUT_ENGINE has the value 'ignore'", result.errors[0][1])
