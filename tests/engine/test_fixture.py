"""The class fixture: what a class declares runs for its tests, and nothing is left of it."""

from __future__ import annotations

import signal
import sys
import threading
import time
import unittest
from typing import Any, ClassVar
from unittest import mock

from parameterized import parameterized_class

from tcunit import ContainerTestCase, DockerContainer, Network, _session, omitted, wait
from tcunit._version import __version__
from tcunit.errors import (
    CycleError,
    NotStarted,
    SealedError,
    StartError,
    StartErrors,
)
from tcunit.modules import NginxContainer

from .helpers import (
    EngineTest,
    engine,
    environment,
    events,
    left_over,
    needs_bridge,
    page,
    problems,
    python,
    run_class,
    shell,
    sleeper,
    until,
)

NEVER = wait.for_log("never")
SEEN: dict[str, Any] = {}


class FixtureTest(EngineTest):
    """What tests of classes share: a place where inner tests leave what they saw."""

    def setUp(self) -> None:
        super().setUp()
        SEEN.clear()


class CopiesTest(FixtureTest):
    """A class runs copies of its declarations."""

    def test_attributes(self) -> None:
        """The attribute reads as the started copy while the class runs, else as the declaration."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            def test_reads(self) -> None:
                self.assertIs(self.box, type(self).box)
                self.assertEqual("running", self.box.status)
                SEEN["box"] = self.box

            def test_reads_again(self) -> None:
                self.assertEqual("running", self.box.status)

        declared = ShopTest.box
        self.assertFalse(declared.is_started)
        self.assertEqual(2, self.assert_passes(ShopTest).testsRun)
        self.assertIs(declared, ShopTest.box)
        self.assertIsNot(declared, SEEN["box"])
        self.assertFalse(declared.is_started)
        self.assertEqual("not_started", SEEN["box"].status)

    def test_each_class_has_its_own(self) -> None:
        """Classes that inherit a declaration start a container each; state is not inherited."""

        class Base(ContainerTestCase):
            box = sleeper()

            def test_box(self) -> None:
                SEEN[type(self).__name__] = self.box.get_container_id()
                for other in {Base, One, Two} - {type(self)}:
                    assert not other.box.is_started, other

        class One(Base):
            pass

        class Two(One):
            pass

        for case in (Base, One, Two):
            self.assert_passes(case)
        self.assertEqual(3, len(set(SEEN.values())))

    def test_a_class_runs_twice(self) -> None:
        """The same class can run again, with new containers."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            def test_box(self) -> None:
                SEEN[self.box.get_container_id()] = self.box.name

        self.assert_passes(ShopTest)
        self.assert_passes(ShopTest)
        self.assertEqual(2, len(SEEN))

    def test_sealed(self) -> None:
        """A declaration of a class, and its started copy, refuse changes; a copy takes them."""

        class ShopTest(ContainerTestCase):
            box = sleeper().with_env("A", "1")
            nodes = [sleeper()]

            def test_box(self) -> None:
                with self.assertRaises(SealedError):
                    self.box.with_env("A", "2")

        for declared in (ShopTest.box, ShopTest.nodes[0]):
            with self.assertRaisesRegex(SealedError, r"ShopTest\.(box|nodes-0) .*copy\(\)"):
                declared.with_env("A", "2")

        class OtherTest(ShopTest):
            box = ShopTest.box.copy().with_env("B", "2")

            def test_box(self) -> None:
                self.assertEqual({"A": "1", "B": "2"}, dict(self.box.env))

        self.assert_passes(ShopTest)
        self.assert_passes(OtherTest)

    def test_one_object_with_two_names(self) -> None:
        """A declaration that two attributes hold starts once."""

        class ShopTest(ContainerTestCase):
            box = sleeper()
            same = box

            def test_box(self) -> None:
                self.assertIs(self.box, self.same)
                self.assertEqual(1, len(left_over()))

        self.assert_passes(ShopTest)

    def test_parameterized_class(self) -> None:
        """Classes that ``parameterized_class`` makes have containers of their own."""
        module = sys.modules[__name__]
        before = set(vars(module))
        self.addCleanup(lambda: [delattr(module, n) for n in set(vars(module)) - before])

        @parameterized_class(("word",), [("one",), ("two",)])
        class Words(ContainerTestCase):
            word: ClassVar[str]
            box = sleeper().with_env("WORD", "same")

            def test_box(self) -> None:
                SEEN[self.word] = self.box.get_container_id()

        made = sorted(set(vars(module)) - before)
        for name in made:
            self.assert_passes(getattr(module, name))
        self.assertEqual({"one", "two"}, set(SEEN))
        self.assertEqual(2, len(set(SEEN.values())))


class ReferenceTest(FixtureTest):
    """A reference means the attribute that holds it in the running class."""

    def test_override(self) -> None:
        """References follow an override in a subclass, for networks, order and late values."""

        class Base(ContainerTestCase):
            net = Network()
            db = sleeper().with_network(net).with_env("IS", "base")
            app = sleeper().with_network(net).depends_on(db).with_env("DB", db.get_container_id)

            def test_app(self) -> None:
                said = self.app.exec(["sh", "-c", "echo $DB"]).stdout.decode().strip()
                self.assertEqual(self.db.get_container_id(), said)
                on = self.app.get_wrapped_container().attrs["NetworkSettings"]["Networks"]
                self.assertEqual([self.net.name], list(on))
                SEEN[type(self).__name__] = self.db.env["IS"]
                self.assertEqual(3, len(left_over()))

        class Sub(Base):
            net = Network(internal=True)
            db = Base.db.copy().with_env("IS", "sub")

        self.assert_passes(Base)
        self.assert_passes(Sub)
        self.assertEqual({"Base": "base", "Sub": "sub"}, SEEN)

    def test_dependency_left_out(self) -> None:
        """A dependency that a subclass leaves out, by ``omitted`` or ``None``, is dropped."""

        class Base(ContainerTestCase):
            cache = sleeper()
            app = sleeper().depends_on(cache)

            def test_app(self) -> None:
                self.assertEqual("running", self.app.status)
                self.assertEqual([self.app.name], left_over())

        class Without(Base):
            cache = omitted

        class WithNone(Base):
            cache = None  # type: ignore[assignment]

        self.assert_passes(Without)
        self.assert_passes(WithNone)

    def test_what_cannot_be_left_out(self) -> None:
        """A network, a container whose network is used, or a late value's must be there."""

        class Base(ContainerTestCase):
            net = Network()
            other = sleeper()
            app = sleeper().with_network(net)
            side = sleeper().with_network_mode(other)
            late = sleeper().with_env("URL", other.get_container_id)

            def test_app(self) -> None:
                raise AssertionError("nothing should have started")

        class NoNet(Base):
            net = omitted
            side = late = omitted

        class NoOther(Base):
            other = late = omitted

        class NoLate(Base):
            other = side = omitted

        with mock.patch.object(DockerContainer, "launch") as launch:
            self.assertRegex(
                self.assert_fails(NoNet), "DeclarationError: app: .*net, which was left out"
            )
            self.assertRegex(self.assert_fails(NoOther), "Error: side: .*other, which was left out")
            self.assertRegex(self.assert_fails(NoLate), "Error: late: .*other, which was left out")
        launch.assert_not_called()

    def test_clusters(self) -> None:
        """Members of a list or dict of declarations start, and read as their started copies."""

        class Base(ContainerTestCase):
            nodes = [sleeper(), sleeper()]
            named = {"a": sleeper(), "b": sleeper().with_env("IS", "b")}
            app = (
                sleeper()
                .depends_on(nodes)
                .with_env("FIRST", nodes[0].get_container_id)
                .with_env("B", named["b"].get_container_id)
            )

            def test_nodes(self) -> None:
                self.assertIsInstance(self.nodes, list)
                self.assertEqual(["a", "b"], list(self.named))
                every = [*self.nodes, *self.named.values()]
                self.assertEqual({"running"}, {each.status for each in every})
                said = self.app.exec(["sh", "-c", "echo $FIRST $B"]).stdout.decode().split()
                expected = [self.nodes[0].get_container_id(), self.named["b"].get_container_id()]
                self.assertEqual(expected, said)
                self.assertRegex(self.nodes[-1].name, r"^tcunit-.*-nodes-[01]-[0-9a-f]{8}$")
                self.assertRegex(self.named["a"].name, r"^tcunit-.*-named-a-[0-9a-f]{8}$")
                SEEN[type(self).__name__] = len(left_over())

        class Sub(Base):
            nodes = [sleeper()]

        self.assert_passes(Base)
        self.assert_passes(Sub)
        self.assertEqual({"Base": 5, "Sub": 4}, SEEN)
        self.assertFalse(Base.nodes[0].is_started)

    def test_declarations_of_a_plain_mixin(self) -> None:
        """Declarations, also clusters, of a base that is no test case count like others."""

        class Boxes:
            box = sleeper()
            nodes = [sleeper()]

        class ShopTest(Boxes, ContainerTestCase):
            def test_boxes(self) -> None:
                self.assertEqual(["running"] * 2, [self.box.status, self.nodes[0].status])

        self.assert_passes(ShopTest)

    def test_undeclared(self) -> None:
        """What is referenced but declared nowhere starts too, once, and is gone after."""
        net = Network()
        db = sleeper().with_network(net).with_network_aliases("db")

        class ShopTest(ContainerTestCase):
            one = sleeper().with_network(net).with_env("ID", db.get_container_id)
            two = sleeper().with_network(net).depends_on(db).with_env("ID", db.get_container_id)

            def test_all(self) -> None:
                self.assertEqual(4, len(left_over()))
                said = {each.exec(["sh", "-c", "echo $ID"]).stdout for each in (self.one, self.two)}
                (known,) = said
                aliases = engine().inspect(known.decode().strip())["NetworkSettings"]["Networks"]
                self.assertIn("db", next(iter(aliases.values()))["Aliases"])

        self.assert_passes(ShopTest)
        self.assertFalse(db.is_started or net.is_started)

    def test_already_started(self) -> None:
        """What runs already is used as it is, and lives on."""
        net, db = Network(), sleeper()
        self.addCleanup(net.remove)
        net.create()
        self.running(db)
        known = db.get_container_id()

        class ShopTest(ContainerTestCase):
            app = sleeper().with_network(net).depends_on(db).with_env("ID", db.get_container_id)

            def test_app(self) -> None:
                said = self.app.exec(["sh", "-c", "echo $ID"]).stdout.decode().strip()
                self.assertEqual(known, said)
                self.assertEqual(3, len(left_over()))

        self.assert_passes(ShopTest)
        self.assertEqual("running", db.status)
        self.assertEqual(known, db.get_container_id())
        self.assertEqual(sorted([net.name, db.name]), left_over())

    def test_network_mode_by_name(self) -> None:
        """``container:NAME`` of a declaration with that name waits for that one."""
        name = f"tcunit-test-{_session.session_id()[:8]}"

        class ShopTest(ContainerTestCase):
            side = sleeper().with_network_mode(f"container:{name}")
            main = sleeper().with_name(name)

            def test_side(self) -> None:
                mode = self.side.get_wrapped_container().attrs["HostConfig"]["NetworkMode"]
                self.assertEqual(f"container:{self.main.get_container_id()}", mode)

        self.assert_passes(ShopTest)


class OrderTest(FixtureTest):
    """Side by side where it can be, in order where it must be."""

    def test_side_by_side(self) -> None:
        """Containers that do not need each other start at the same time."""
        meet = threading.Barrier(3, timeout=30)  # breaks unless three starts are under way at once

        class ShopTest(ContainerTestCase):
            one = sleeper().with_env("N", meet.wait)
            two = sleeper().with_env("N", meet.wait)
            three = sleeper().with_env("N", meet.wait)

            def test_all(self) -> None:
                self.assertEqual(3, len(left_over()))

        self.assert_passes(ShopTest)

    def test_width(self) -> None:
        """A setting says how many start at a time at most."""
        at_once, most = [0], [0]

        class Slow(DockerContainer):
            def launch(self, launch: Any) -> None:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
                super().launch(launch)
                at_once[0] -= 1

        class ShopTest(ContainerTestCase):
            boxes = [Slow("alpine").with_command("sleep 300") for _ in range(3)]

            def test_all(self) -> None:
                pass

        with environment(TCUNIT_START_WIDTH="1"):
            self.assert_passes(ShopTest)
        self.assertEqual(1, most[0])

    def test_in_order(self) -> None:
        """What depends starts when the other is ready; all go in reverse, the network last."""

        class ShopTest(ContainerTestCase):
            app = sleeper()
            net = Network()
            db = (
                shell("sleep 0.3; touch /ready; echo ready; sleep 300")
                .with_network(net)
                .waiting_for(wait.for_log("ready"))
            )
            app = sleeper().with_network(net).depends_on(db).with_env(
                "READY", lambda: SEEN.setdefault("ready", db_is_ready())
            )  # fmt: skip

            def test_all(self) -> None:
                SEEN["names"] = [self.app.name, self.db.name, self.net.name]

        def db_is_ready() -> int:
            return int(ShopTest.db.exec("ls /ready").exit_code)

        began = time.time() - 1
        self.assert_passes(ShopTest)
        self.assertEqual(0, SEEN["ready"])
        app, db, net = SEEN["names"]
        happened = events("tcunit-ShopTest-", began)
        told = ("create", "start", "destroy")
        steps = [(what, name) for what, name in happened if what in told and name in SEEN["names"]]
        self.assertEqual(
            [("create", net), ("create", db), ("start", db), ("create", app), ("start", app),
             ("destroy", app), ("destroy", db), ("destroy", net)],
            steps,
        )  # fmt: skip

    def test_cycle(self) -> None:
        """Containers that wait for each other are refused by naming the loop."""

        class ShopTest(ContainerTestCase):
            box = sleeper()
            a = sleeper()
            b = sleeper().depends_on(a)
            c = sleeper().with_env("B", b.get_container_id)
            a.depends_on(c)

            def test_all(self) -> None:
                raise AssertionError("it has started")

        with mock.patch.object(DockerContainer, "launch") as launch:
            found = self.assert_fails(ShopTest)
        launch.assert_not_called()
        self.assertIn(CycleError.__name__, found)
        self.assertRegex(
            found, r"(a needs c needs b needs a|b needs a needs c needs b|c needs b.*)"
        )

    def test_cycle_that_an_override_breaks(self) -> None:
        """Whether there is a cycle is decided in the running class."""

        class Base(ContainerTestCase):
            a = sleeper()
            b = sleeper().depends_on(a)
            a.depends_on(b)

            def test_all(self) -> None:
                self.assertEqual("running", self.b.status)

        class Sub(Base):
            a = sleeper()

        self.assertIn("CycleError", self.assert_fails(Base))
        self.assert_passes(Sub)

    def test_lone_cycle(self) -> None:
        """A lone start refuses a cycle, too."""
        one, two = sleeper(), sleeper()
        one.depends_on(two.depends_on(one))
        with self.assertRaisesRegex(CycleError, "alpine needs alpine"):
            one.start()


class FailureTest(FixtureTest):
    """On a failure nothing is left, and every failure is reported."""

    def test_one_fails(self) -> None:
        """One failure undoes all, what it needs included, and is reported as itself."""

        class BrokenTest(ContainerTestCase):
            net = Network()
            db = sleeper().with_network(net)
            bad = shell("echo broken; exit 7").depends_on(db).waiting_for(NEVER)
            after = sleeper().depends_on(bad)

            def test_all(self) -> None:
                raise AssertionError("a test ran")

        began = time.time() - 1
        found = self.assert_fails(BrokenTest)
        self.assertIn("ContainerDied: bad ", found)
        self.assertIn("exit code 7", found)
        self.assertIn("| broken", found)
        self.assertEqual([], left_over())
        names = [
            name for action, name in events("tcunit-BrokenTest-", began) if action == "destroy"
        ]
        order = [name.split("-")[-2] for name in names]
        self.assertEqual(["bad", "db", "net"], order)

    def test_two_fail(self) -> None:
        """Every failure is reported, each with its name; what runs is undone."""
        meet = threading.Barrier(2, timeout=30)

        def fail() -> str:
            meet.wait()
            raise LookupError("no value")

        class ShopTest(ContainerTestCase):
            box = sleeper()
            one = sleeper().depends_on(box).with_env("A", fail)
            two = sleeper().depends_on(box).with_env("B", fail)

            def test_all(self) -> None:
                raise AssertionError("a test ran")

        found = self.assert_fails(ShopTest)
        self.assertIn(StartErrors.__name__, found)
        self.assertIn("one: the late value of A", found)
        self.assertIn("two: the late value of B", found)
        self.assertEqual([], left_over())

    def test_failure_ends_other_waits(self) -> None:
        """A failure ends the waits of the others at once, and only the failure is reported."""

        class ShopTest(ContainerTestCase):
            slow = sleeper().waiting_for(NEVER)
            bad = shell("exit 7").waiting_for(NEVER)

            def test_all(self) -> None:
                raise AssertionError("a test ran")

        began = time.monotonic()
        found = self.assert_fails(ShopTest)
        self.assertLess(time.monotonic() - began, 30)
        self.assertIn("exit code 7", found)
        self.assertNotIn("slow", found)

    def test_set_up_fails_after_super(self) -> None:
        """A ``setUpClass`` that fails after ``super()`` leaves nothing."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                SEEN["status"] = cls.box.status
                raise RuntimeError("the user's own")

            def test_box(self) -> None:
                raise AssertionError("a test ran")

        self.assertIn("RuntimeError: the user's own", self.assert_fails(ShopTest))
        self.assertEqual("running", SEEN["status"])
        self.assertEqual([], left_over())
        self.assertFalse(ShopTest.box.is_started)

    def test_skip_in_set_up(self) -> None:
        """A class skipped by its set-up leaves nothing; one skipped whole starts nothing."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                raise unittest.SkipTest("not today")

            def test_box(self) -> None:
                raise AssertionError("a test ran")

        result = run_class(ShopTest)
        self.assertEqual(["not today"], [reason for _, reason in result.skipped])
        self.assertEqual([], left_over())
        with mock.patch.object(DockerContainer, "launch") as launch:
            run_class(unittest.skip("never")(ShopTest))
        launch.assert_not_called()

    def test_failing_test(self) -> None:
        """A test that fails leaves nothing."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            def test_box(self) -> None:
                self.fail("on purpose")

        self.assertIn("on purpose", self.assert_fails(ShopTest))
        self.assertEqual([], left_over())

    def test_what_cannot_be_removed(self) -> None:
        """A clean-up that fails for one thing goes on with the others and is reported."""

        class Stubborn(DockerContainer):
            def release(self) -> None:
                super().release()
                raise StartError("I stay")

        class ShopTest(ContainerTestCase):
            net = Network()
            box = Stubborn("alpine").with_command("sleep 300").with_network(net)
            other = sleeper().with_network(net)

            def test_all(self) -> None:
                pass

        self.assertIn("CleanupError: I stay", self.assert_fails(ShopTest))
        self.assertEqual([], left_over())


class SetUpTest(FixtureTest):
    """The user's own set-up and tear-down."""

    def test_tear_down_class(self) -> None:
        """The user's ``tearDownClass`` and class cleanups still find the containers running."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            @classmethod
            def setUpClass(cls) -> None:
                super().setUpClass()
                cls.addClassCleanup(lambda: SEEN.update(cleanup=cls.box.exec("true").exit_code))

            @classmethod
            def tearDownClass(cls) -> None:
                SEEN["tear_down"] = cls.box.exec("true").exit_code

            def test_box(self) -> None:
                pass

        self.assert_passes(ShopTest)
        self.assertEqual({"tear_down": 0, "cleanup": 0}, SEEN)

    def test_set_up_without_super(self) -> None:
        """A ``setUpClass`` that forgot ``super()`` is told so, by name, at the first use."""

        class Forgetful(ContainerTestCase):
            box = sleeper()

            @classmethod
            def setUpClass(cls) -> None:
                pass

            def test_box(self) -> None:
                self.box.exec("true")

        found = self.assert_fails(Forgetful)
        self.assertIn(NotStarted.__name__, found)
        self.assertRegex(found, r"Forgetful\.setUpClass does not call super\(\)\.setUpClass\(\)")

    def test_run_without_a_suite(self) -> None:
        """A test that is run without its class's set-up says how to run it."""

        class ShopTest(ContainerTestCase):
            box = sleeper()

            def test_box(self) -> None:
                self.box.exec("true")

        result = unittest.TestResult()
        ShopTest("test_box").run(result)
        self.assertIn("run it through a TestSuite", problems(result))

    def test_no_declarations(self) -> None:
        """A class without declarations runs, and asks for no engine."""

        class PlainTest(ContainerTestCase):
            def test_nothing(self) -> None:
                pass

        with environment(DOCKER_HOST="unix:///nonexistent/docker.sock"):
            self.assert_passes(PlainTest)

    @needs_bridge
    def test_connection_mode(self) -> None:
        """The class's connection mode is that of its containers' look-ups, over the setting."""

        class ShopTest(ContainerTestCase):
            connection_mode = "docker_host"
            web = NginxContainer()

            def test_web(self) -> None:
                host, port = self.endpoint(self.web, 80)
                self.assertEqual(("127.0.0.1", self.web.mapped_port(80)), (host, port))
                self.assertEqual(port, self.web.get_exposed_port(80))
                self.assertEqual(host, self.web.get_container_host_ip())
                self.assertEqual(200, page(self.endpoint(self.web, 80)))
                self.assertEqual(80, self.endpoint(self.web, 80, "bridge_ip").port)

        with environment(TESTCONTAINERS_CONNECTION_MODE="gateway_ip"):
            self.assert_passes(ShopTest)

    def test_names_and_labels(self) -> None:
        """A resource's name says its class and attribute, and its labels whose it is."""

        class ShopTest(ContainerTestCase):
            backend = Network()
            db = sleeper().with_network(backend)

            def test_all(self) -> None:
                network = self.backend.get_wrapped_network().attrs
                SEEN["backend"] = (self.backend.name, network["Labels"])
                SEEN["db"] = (self.db.name, self.db.get_wrapped_container().labels)

        self.assert_passes(ShopTest)
        for attribute, (name, labels) in SEEN.items():
            with self.subTest(attribute=attribute):
                self.assertRegex(name, rf"^tcunit-ShopTest-{attribute}-[0-9a-f]{{8}}$")
                expected = {
                    "org.testcontainers": "true",
                    "org.testcontainers.session-id": _session.session_id(),
                    "org.testcontainers.lang": "python",
                    "org.testcontainers.version": __version__,
                    "org.testcontainers.name": name,
                }
                self.assertLessEqual(expected.items(), labels.items())

    def test_long_names(self) -> None:
        """A name keeps its attribute and its suffix, however long the class's name is."""

        class AVeryLongNameOfAClassThatTestsManyThingsOfAShopWithManyShelves(ContainerTestCase):
            db = sleeper()

            def test_all(self) -> None:
                SEEN["name"] = self.db.name

        case = AVeryLongNameOfAClassThatTestsManyThingsOfAShopWithManyShelves
        self.assert_passes(case)
        self.assertRegex(SEEN["name"], r"^tcunit-AVeryLong\w+-db-[0-9a-f]{8}$")
        self.assertLessEqual(len(SEEN["name"]), 63)

    def test_name_conflict(self) -> None:
        """A name that is taken is replaced by one with another suffix; its owner stays."""
        with sleeper() as holder:
            real = _session.resource_name
            names = [holder.name]

            def resource_name(owner: str, attribute: str) -> str:
                return names.pop() if names else real(owner, attribute)

            with mock.patch.object(_session, "resource_name", resource_name), sleeper() as other:
                self.assertNotEqual(holder.name, other.name)
                self.assertEqual([], names)
            self.assertEqual("running", holder.status)


class EndTest(FixtureTest):
    """The end of the process, and a machine without an engine."""

    def test_interrupt_in_a_start(self) -> None:
        """Ctrl-C during a start ends it at once and leaves nothing."""
        self._interrupt("slow = slow.waiting_for(wait.for_log('never'))", signal.SIGINT)

    def test_interrupt_in_a_test(self) -> None:
        """Ctrl-C during a test leaves nothing."""
        self._interrupt("", signal.SIGINT)

    def test_terminated_in_a_start(self) -> None:
        """SIGTERM during a start leaves nothing."""
        self._interrupt("slow = slow.waiting_for(wait.for_log('never'))", signal.SIGTERM)

    def _interrupt(self, change: str, number: signal.Signals) -> None:
        process = python(_ENDLESS.format(change=change))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        session = process.stdout.readline().strip()
        until(lambda: len(left_over(session)) >= 3, "the containers")
        if not change:
            self.assertEqual("in the test\n", process.stdout.readline())
        began = time.monotonic()
        process.send_signal(number)
        self.assertNotEqual(0, process.wait(timeout=60))
        self.assertLess(time.monotonic() - began, 30)
        self.assertEqual([], left_over(session))

    def test_no_engine(self) -> None:
        """Without an engine a class fails with one error that lists what was tried."""
        with environment(DOCKER_HOST="unix:///nonexistent/docker.sock"):
            found = self.assert_fails(_without_tests_that_run())
        self.assertIn("EngineNotFound: no Docker engine answered. Tried:", found)
        self.assertIn("DOCKER_HOST: unix:///nonexistent/docker.sock", found)

    def test_no_engine_skips(self) -> None:
        """Without an engine a class is skipped where that is asked for."""
        with environment(
            DOCKER_HOST="unix:///nonexistent/docker.sock", TCUNIT_WITHOUT_ENGINE="skip"
        ):
            result = run_class(_without_tests_that_run())
        self.assertEqual("", problems(result))
        self.assertEqual(1, len(result.skipped))
        self.assertIn("no Docker engine answered", result.skipped[0][1])


def _without_tests_that_run() -> type[ContainerTestCase]:
    class ShopTest(ContainerTestCase):
        box = sleeper()

        def test_box(self) -> None:
            raise AssertionError("a test ran")

    return ShopTest


_ENDLESS = """
import threading, unittest
from tcunit import ContainerTestCase, Network, wait
from tcunit._session import session_id
from tests.engine.helpers import sleeper

class Endless(ContainerTestCase):
    net = Network()
    box = sleeper().with_network(net)
    slow = sleeper().with_network(net)
    {change}

    def test_all(self):
        print("in the test", flush=True)
        threading.Event().wait(300)

print(session_id(), flush=True)
unittest.main(argv=["test"])
"""


if __name__ == "__main__":
    unittest.main()
