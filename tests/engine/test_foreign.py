"""Containers of testcontainers-python in a class of ours: started, reached and removed as ours."""

from __future__ import annotations

import os
import signal
import warnings
from typing import ClassVar
from unittest import mock

import psycopg
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer as LibraryContainer
from testcontainers.core.container import Reaper
from testcontainers.core.labels import SESSION_ID
from testcontainers.core.network import Network as LibraryNetwork
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tcunit import ContainerTestCase, Network, each_connection_mode, wait
from tcunit._session import NAME_LABEL, SESSION_LABEL, session_id
from tcunit.adapters import ForeignContainer
from tcunit.errors import (
    ContainerDied,
    DeclarationError,
    ImageNotFound,
    NotReady,
    StartError,
)

from .helpers import (
    EngineTest,
    engine,
    left_over,
    problems,
    python,
    run_class,
    shell,
    sleeper,
    until,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # one of the library's own
    from testcontainers.community.nginx import NginxContainer


class Advertising(LibraryContainer):
    """Somebody's own subclass, of the kind that KafkaContainer is.

    Its command waits for a script, which is put there after the start, because it must know the
    address at which the test reaches the service.
    """

    stops: ClassVar[list[str]] = []

    def __init__(self, image: str = "python:3.11-slim", port: int = 8000) -> None:
        super().__init__(image)
        self.port = port
        self.with_exposed_ports(port)
        self.with_command("sh -c 'until [ -s /start.sh ]; do sleep 0.05; done; sh /start.sh'")

    def get_bootstrap_server(self) -> str:
        """The address that is advertised."""
        return f"{self.get_container_host_ip()}:{self.get_exposed_port(self.port)}"

    def start(self) -> Advertising:
        super().start()
        serve = f"exec python -u -m http.server {self.port} --directory /srv"
        script = f"mkdir -p /srv\necho {self.get_bootstrap_server()} >/srv/where\n{serve}\n"
        self.copy_into_container(script.encode(), "/start.sh", 0o755)
        strategy = LogMessageWaitStrategy("Serving HTTP").with_poll_interval(0.05)
        strategy.with_startup_timeout(20).wait_until_ready(self)
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        Advertising.stops.append(self.get_wrapped_container().name or "")
        super().stop(force, delete_volume)


def quick(container: LibraryContainer, message: str = "never") -> LibraryContainer:
    """Let a container of the library wait for a line, and look for it often."""
    return container.waiting_for(LogMessageWaitStrategy(message).with_poll_interval(0.05))


class ModulesTest(EngineTest, ContainerTestCase):
    """PostgreSQL, Redis and Nginx of the library, beside one of ours."""

    net = Network()
    db = ForeignContainer(PostgresContainer, "postgres:16-alpine", driver=None)
    db.with_network(net, "db")
    cache = RedisContainer("redis:alpine").with_network(net).with_network_aliases("cache")
    web = ForeignContainer(lambda: NginxContainer("nginx:alpine")).with_network(net).depends_on(db)
    box = (
        sleeper()
        .with_network(net)
        .with_env("URL", lambda: ModulesTest.db.get_connection_url())
        .depends_on(db)
    )

    @each_connection_mode
    def test_addresses(self) -> None:
        """In every mode, the library's own methods and ours give the same address, and it works."""
        url = self.db.get_connection_url()
        self.assertIn(f"@{self.endpoint(self.db, 5432)}/", url)
        with psycopg.connect(url, connect_timeout=5) as connection:
            self.assertEqual((2,), connection.execute("SELECT 1 + 1").fetchone())
        host, port = self.endpoint(self.cache, 6379)
        self.assertEqual(host, self.cache.foreign.get_container_host_ip())
        self.assertEqual(port, self.cache.foreign.get_exposed_port(6379))
        with self.cache.get_client() as client:
            self.assertTrue(client.ping())
        self.assertReachable(self.web, 80)

    def test_assertions(self) -> None:
        """Assertions take them like any container."""
        self.assertHTTP(self.web, "/", body="nginx")
        self.assertCanReach(self.box, "cache", 6379)
        self.assertCanReach(self.web, self.db, 5432)
        self.assertPublished(self.db, 5432)
        self.assertExec(self.db, ["psql", "-U", "test", "-c", "SELECT 1"])
        self.assertContainerLogged(self.db, "database system is ready")
        self.assertReady(self.cache, wait.for_port(6379))

    def test_late_value(self) -> None:
        """A container of ours is given an address of theirs when that is ready."""
        said = self.assertExec(self.box, 'sh -c "echo $URL"').stdout.decode().strip()
        self.assertEqual(self.db.get_connection_url(), said)

    def test_faults(self) -> None:
        """Faults are made and undone; after a restart, the library's addresses are right, too."""
        with self.cache.paused():
            self.assertEqual("paused", self.cache.status)
        with self.net.partitioned([self.box], [self.web]):
            self.assertCannotReach(self.box, "web", 80, timeout=0.3)
        self.cache.restart()
        with self.cache.get_client() as client:
            self.assertTrue(client.ping())

    def test_ours(self) -> None:
        """They are of our session, by our names; the library has started no Ryuk of its own."""
        for name in ("db", "cache", "web"):
            container = getattr(self, name)
            labels = engine().inspect(container.get_container_id())["Config"]["Labels"]
            self.assertEqual(session_id(), labels[SESSION_LABEL])
            self.assertEqual(container.name, labels[NAME_LABEL])
            self.assertTrue(container.name.startswith(f"tcunit-ModulesTest-{name}-"))
        self.assertIsNone(Reaper._instance)
        self.assertFalse(testcontainers_config.ryuk_disabled)
        self.assertEqual([], engine().labelled(f"{SESSION_LABEL}={SESSION_ID}"))

    def test_the_object_itself(self) -> None:
        """It is at hand, and what it does not have is an error of its own."""
        self.assertIsInstance(self.db.foreign, PostgresContainer)
        self.assertEqual(("test", 5432), (self.db.dbname, self.db.port))
        with self.assertRaisesRegex(
            AttributeError, "'PostgresContainer' object has no .*'nothing'"
        ):
            self.db.nothing  # noqa: B018


class SubclassTest(EngineTest):
    """Somebody's own subclass, and what each class does with it."""

    def test_advertises_our_address(self) -> None:
        """What asks for its own address while it starts is told ours; its own stop() is called."""
        seen: list[str] = []

        class BrokerTest(ContainerTestCase):
            net = Network()
            broker = ForeignContainer(Advertising).with_network(net, "broker")

            def test_where(self) -> None:
                where = self.assertHTTP(self.broker, "/where", port=8000).body.decode().strip()
                self.assertEqual(str(self.endpoint(self.broker, 8000)), where)
                self.assertEqual(self.broker.get_bootstrap_server(), where)
                seen.append(f"{self.broker.name} {where}")

        class GatewayTest(BrokerTest):
            connection_mode = "gateway_ip"

        for case in (BrokerTest, GatewayTest):
            self.assert_passes(case)
        names, addresses = zip(*(each.split() for each in seen), strict=True)
        self.assertLessEqual(set(names), set(Advertising.stops))
        self.assertEqual(2, len(set(addresses)), addresses)

    def test_copies(self) -> None:
        """Each class starts one copy of an object, wherever it has it; it stays as it was."""
        original = quick(LibraryContainer("alpine"), "ready").with_env("A", "1")
        original.with_command(["sh", "-c", "echo ready; sleep 300"])
        names: list[str] = []

        class Plain:
            boxes = (original,)

        class FirstTest(Plain, ContainerTestCase):
            box = original

            def test_it(self) -> None:
                self.box.foreign.env["B"] = "2"
                names.extend([self.box.name, self.boxes[0].name])
                self.assertExec(self.box, 'sh -c "test $A = 1"')

        class SecondTest(FirstTest):
            pass

        for case in (FirstTest, SecondTest):
            self.assert_passes(case)
        self.assertEqual([names[0], names[0], names[2], names[2]], names)
        self.assertNotEqual(names[0], names[2])
        self.assertTrue(names[0].startswith("tcunit-FirstTest-box-"), names)
        self.assertIsNone(original._container)
        self.assertEqual({"A": "1"}, original.env)
        self.assertIsInstance(Plain.boxes[0], LibraryContainer)

    def test_started_object(self) -> None:
        """One that somebody has started is left to them; a factory may not make such a one."""
        theirs = LibraryContainer("alpine")
        theirs._container = engine  # type: ignore[assignment]

        class TheirsTest(ContainerTestCase):
            box = theirs

        self.assertIs(theirs, TheirsTest.box)
        with self.assertRaisesRegex(DeclarationError, "and is one that is started already"):
            ForeignContainer(lambda: theirs).start()

    def test_network_of_ours(self) -> None:
        """An object may be put on a network of ours by its own means, alone and in a list."""

        class NetworkTest(ContainerTestCase):
            net = Network()
            one = LibraryContainer("alpine", command="sleep 300", network=net)  # type: ignore[arg-type]
            two = LibraryContainer("alpine").with_command("sleep 300")
            boxes = [one, two.with_network(net).with_network_aliases("two")]  # type: ignore[arg-type]

            def test_resolves(self) -> None:
                self.assertResolves(self.boxes[0], "two")
                self.assertSameNetwork(*self.boxes)

        self.assert_passes(NetworkTest)

    def test_references_to_an_object(self) -> None:
        """Ours refer to an object itself, and a network of the library counts as one of ours."""

        class ReferringTest(ContainerTestCase):
            net = LibraryNetwork()
            cache = RedisContainer("redis:alpine").with_network(net).with_network_aliases("cache")
            box = (
                sleeper()
                .with_network(net)  # type: ignore[arg-type]
                .depends_on(cache)  # type: ignore[arg-type]
                .with_env("CACHE", cache.get_container_host_ip)
            )

            def test_it(self) -> None:
                self.assertCanReach(self.box, "cache", 6379)
                address = self.cache.running.addresses()[0]  # type: ignore[attr-defined]
                self.assertExec(self.box, ["sh", "-c", "echo $CACHE"], stdout=f"^{address}$")
                self.assertTrue(self.net.name.startswith("tcunit-"))

        class OtherTest(ContainerTestCase):
            cache = vars(ReferringTest)["cache"]
            net = Network()

            def test_it(self) -> None:
                self.assertReachable(self.cache, 6379)

        class OverridingTest(ReferringTest):
            net = Network(internal=True)  # type: ignore[assignment]

        for case in (ReferringTest, OtherTest, OverridingTest):
            with self.subTest(case=case.__name__):
                self.assert_passes(case)

    def test_scopes(self) -> None:
        """They live for a test, are reset by a hook, and start alone."""
        hooks: list[str] = []

        class ScopeTest(ContainerTestCase):
            box = ForeignContainer(LibraryContainer, "alpine", command="sleep 300")
            box.with_scope("test")
            other = ForeignContainer(LibraryContainer, "alpine", command="sleep 300")
            other.with_reset(lambda other: hooks.append(other.foreign.status))

            def test_one(self) -> None:
                assert self.box.status == "running"

            test_two = test_one

        self.assert_passes(ScopeTest)
        self.assertEqual(1, len(hooks))
        with ForeignContainer(LibraryContainer, "alpine", command="sleep 300") as box:
            self.assertEqual("running", box.status)
            self.assertEqual((b"", b""), box.foreign.get_logs())
        self.assertEqual("not_started", box.status)


class TroubleTest(EngineTest):
    """What goes wrong is said at once, in our words, and leaves nothing."""

    def test_it_dies(self) -> None:
        """One that ends while it waits for itself ends the wait, with its log."""
        box = LibraryContainer("alpine").with_command(["sh", "-c", "echo no config; exit 3"])
        with self.assertRaisesRegex(
            ContainerDied, r"exit code 3\nIts last log lines:\n.*no config"
        ):
            ForeignContainer(quick(box)).start()

    def test_it_is_not_ready(self) -> None:
        """Its own time limit is ours, and the log is shown."""
        box = LibraryContainer("alpine").with_command(["sh", "-c", "echo slow; sleep 300"])
        strategy = LogMessageWaitStrategy("never").with_startup_timeout(1).with_poll_interval(0.1)
        with self.assertRaisesRegex(NotReady, r"own start\(\) failed: TimeoutError(.*\n)+.* slow"):
            ForeignContainer(box.waiting_for(strategy)).start()

    def test_it_raises(self) -> None:
        """What its own methods raise is the cause of our error."""

        class Broken(LibraryContainer):
            def _configure(self) -> None:
                raise ZeroDivisionError("mine")

        with self.assertRaisesRegex(StartError, r"own start\(\) failed: ZeroDivisionError: mine"):
            ForeignContainer(Broken, "alpine").start()

    def test_wrong_image(self) -> None:
        """An image that is not to be had is our error, too."""
        with self.assertRaisesRegex(ImageNotFound, "nowhere/nothing"):
            ForeignContainer(LibraryContainer, "tcunit.local/nowhere/nothing:1").start()

    def test_wrong_factory(self) -> None:
        """What makes something else is refused."""
        with self.assertRaisesRegex(DeclarationError, r"should be a container of .* and is 'web'"):
            ForeignContainer(lambda: "web").start()

    def test_given_up(self) -> None:
        """A start that another one's failure ends does not wait for the library."""

        class GivenUpTest(ContainerTestCase):
            slow = quick(LibraryContainer("alpine").with_command("sleep 300"))
            dead = shell("exit 3").waiting_for(wait.for_log("never")).depends_on(sleeper())

            def test_it(self) -> None: ...

        error = self.assert_fails(GivenUpTest)
        self.assertIn("ContainerDied: dead", error)
        self.assertNotIn("TimeoutError", error)  # with which the library ends it after 120 s

    def test_its_stop_fails(self) -> None:
        """A stop() that fails is told, and the container is removed all the same."""

        class Stubborn(LibraryContainer):
            def stop(self, force: bool = True, delete_volume: bool = True) -> None:
                raise ZeroDivisionError("mine")

        class StubbornTest(ContainerTestCase):
            box = ForeignContainer(Stubborn, "alpine", command="sleep 300")

            def test_it(self) -> None: ...

        self.assertIn("box: its own stop() failed: ZeroDivisionError: mine",
                      self.assert_fails(StubbornTest))  # fmt: skip

    def test_evidence(self) -> None:
        """A failure shows its state and log."""

        class FailingTest(ContainerTestCase):
            box = LibraryContainer("alpine").with_command(["sh", "-c", "sleep 300"])

            def test_it(self) -> None:
                self.box.exec(["sh", "-c", "echo so it goes >/proc/1/fd/1"])
                self.fail()

        text = problems(run_class(FailingTest))
        self.assertRegex(text, r"\nbox \(alpine, tcunit-\S+\): running\n")
        self.assertIn("  | so it goes\n", text)

    def test_environment(self) -> None:
        """``DOCKER_HOST`` is after a start what it was before."""
        for before in ({}, {"DOCKER_HOST": engine().url}):
            with mock.patch.dict(os.environ, before):
                if not before:
                    os.environ.pop("DOCKER_HOST", None)
                now = dict(os.environ)
                with mock.patch("testcontainers.core.docker_client.get_docker_host",
                                return_value=engine().url):  # fmt: skip
                    with ForeignContainer(LibraryContainer, "alpine", command="sleep 300"):
                        self.assertEqual(now, dict(os.environ))

    def test_kill_9(self) -> None:
        """After a kill, the reapers remove it."""
        script = (
            "from testcontainers.core.container import DockerContainer\n"
            "from tcunit._session import session_id\n"
            "from tcunit.adapters import ForeignContainer\n"
            "ForeignContainer(DockerContainer, 'alpine', command='sleep 300').start()\n"
            "print(session_id(), flush=True)\n"
            "import signal\nsignal.pause()"
        )
        process = python(script)
        self.addCleanup(process.communicate)
        assert process.stdout is not None
        session = process.stdout.readline().strip()
        self.assertEqual(1, sum("alpine" in each for each in left_over(session)), session)
        process.send_signal(signal.SIGKILL)
        until(lambda: not left_over(session), "the reapers")
