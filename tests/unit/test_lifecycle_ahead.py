"""What may start before its class's turn, and what what was started rests on."""

from __future__ import annotations

import functools
import os
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit import ContainerTestCase, DockerContainer, Network, Volume, wait
from tcunit.lifecycle.ahead import PLAIN, _basis
from tcunit.lifecycle.fixture import ClassFixture
from tcunit.modules import NginxContainer, PostgresContainer, RedisContainer
from tcunit.request import ContainerRequest
from tcunit.settings import Settings
from tcunit.wait import WaitStrategy

FILE = str(Path(__file__))
ELSEWHERE = DockerContainer("elsewhere")


def docker() -> DockerContainer:
    """Some declaration."""
    return DockerContainer("image")


def reason(**attributes: Any) -> str:
    """Why a class with these attributes may not start ahead."""
    return ClassFixture(type("Shop", (ContainerTestCase,), attributes)).why_not_ahead()


class OwnWait(WaitStrategy):
    """A wait strategy of a user's."""

    def begin(self, target: Any) -> Callable[[], None]:
        """Ready at once."""
        return lambda: None

    def __str__(self) -> str:
        return "nothing"


class MayStartTest(unittest.TestCase):
    """A class starts ahead where nobody can tell."""

    def test_usual_classes(self) -> None:
        """Networks, dependencies, ready-made containers, late values of other declarations."""
        net = Network(internal=True)
        db = PostgresContainer().with_network(net, "db")
        web = NginxContainer().with_exposed_ports(80).with_bind_ports(81).depends_on(db)
        app = docker().with_env("URL", db.get_internal_url).with_tmpfs_mount("/tmp")
        app.with_kwargs(mem_limit="64m").with_volume_mapping(FILE, "/conf").with_network(net)
        app.waiting_for(wait.all_of(wait.for_log("x"), wait.any_of(wait.for_port(80))))
        job = docker().waiting_for(wait.for_exit()).with_network_mode(web)
        shared = RedisContainer().with_scope("run").with_reset()
        self.assertEqual("", reason(net=net, db=db, web=web, app=app, job=job, shared=shared))

    def test_what_lives_for_a_test(self) -> None:
        """It starts in its test anyway."""
        self.assertEqual("", reason(box=docker().with_name("box").with_scope("test")))

    def test_code_of_the_user(self) -> None:
        """It would run at another time than under unittest."""
        db = PostgresContainer()
        foreign: list[Callable[[], object]] = [
            lambda: "x",
            functools.partial(db.get_internal_url, "psycopg"),
            str,
        ]
        for value in foreign:
            with self.subTest(value=value):
                self.assertIn("late value", reason(box=docker().with_env("X", value), db=db))
                self.assertIn("late value", reason(box=docker().with_command(["x", value]), db=db))
        for strategy in (
            OwnWait(),
            wait.all_of(wait.for_log("x"), wait.any_of(OwnWait())),
            wait.for_http("/", port=80, predicate=lambda answer: True),
            wait.for_sql(lambda host, port: None, port=1),
        ):
            with self.subTest(strategy=strategy):
                self.assertIn("wait strategy", reason(box=docker().waiting_for(strategy)))

        for name in ("_configure", "launch"):
            made = type("Own", (DockerContainer,), {name: lambda self, *_: None})
            self.assertEqual("box is a Own, which starts by code of its own", reason(box=made("x")))
        plain = type("Own", (PostgresContainer,), {"port_name": lambda self: "x"})
        self.assertEqual("", reason(box=plain()))

    def test_late_value_of_what_is_shared(self) -> None:
        """Its addresses are in the mode of the class that runs now."""
        db = PostgresContainer().with_scope("run")
        box = docker().with_env("URL", db.get_connection_url)
        self.assertIn("another class uses now", reason(box=box, db=db))

    def test_what_exists_once(self) -> None:
        """This class may have it still, or its tests may."""
        for box, why in {
            docker().with_name("box"): "fixed name or port",
            docker().with_bind_ports(80, 8080): "fixed name or port",
            docker().with_network("a-network"): "made elsewhere",
            docker().with_network_mode("host"): "made elsewhere",
            docker().with_kwargs(pid_mode="host"): "made elsewhere",
            docker().with_volume_mapping(FILE, "/conf", "rw"): "writes to a mount",
            docker().with_volume_mapping("data", "/data"): "writes to a mount",
            docker().with_volume_mapping("/", "/host"): "mounts",
            docker().with_volume_mapping(os.path.relpath(FILE), "/conf"): "mounts",
            docker().with_volume_mapping(f"{FILE}.none", "/conf"): "mounts",
            docker().with_kwargs(volumes=["data:/data:ro"]): "asks for binds",
        }.items():
            with self.subTest(why=why):
                self.assertRegex(reason(box=box), f"^box .*{why}")
        data = Volume()
        box = docker().with_volume_mapping(data, "/data", "rw")
        self.assertIn("mounts something else", reason(box=box, data=data))
        for net in (Network(subnet="10.5.0.0/24"), Network(options={"a": "b"})):
            self.assertIn("net has a fixed address range or driver options", reason(net=net))

    def test_what_is_declared_elsewhere(self) -> None:
        """Somebody else may start or stop it in between."""
        self.assertIn("does not declare", reason(box=docker().depends_on(ELSEWHERE)))

    def test_whatever_comes_later(self) -> None:
        """Each part of a request is known to be harmless, is checked, or waits for its turn."""
        known = set(ContainerRequest.__dataclass_fields__)
        waits = {"copies", "env_files", "host_ports", "name", "reuse", "warm"}
        self.assertEqual(waits, known - set(PLAIN))
        self.assertLessEqual(set(PLAIN), known)


class BasisTest(unittest.TestCase):
    """What was started is used only if all that it rests on is the same."""

    def setUp(self) -> None:
        file = tempfile.NamedTemporaryFile("w", delete=False)
        self.addCleanup(os.unlink, file.name)
        self.addCleanup(file.close)
        self.file = file
        box = docker().with_volume_mapping(file.name, "/conf")
        self.cls: Any = type("Shop", (ContainerTestCase,), {"box": box, "boxes": [docker()]})

    def assert_changed_by(self, change: Callable[[], object], *what: str) -> None:
        """A change is seen, in nothing else than these."""
        fixture = ClassFixture(self.cls)
        before = _basis(self.cls, fixture, Settings(dict(os.environ)))
        change()
        after = _basis(self.cls, fixture, Settings())
        self.assertEqual(set(what), {name for name in before if before[name] != after[name]})

    def test_nothing(self) -> None:
        """The same class is the same, and what its tests need not care for."""
        self.assert_changed_by(lambda: None)
        with mock.patch.dict(os.environ):
            self.assert_changed_by(lambda: os.environ.update(DATABASE_URL="x"))

    def test_settings(self) -> None:
        """Variables that decide how and where something starts."""
        for name in ("TESTCONTAINERS_CONNECTION_MODE", "DOCKER_HOST", "DOCKER_CERT_PATH",
                     "TCUNIT_START_TIMEOUT", "RYUK_CONTAINER_IMAGE"):  # fmt: skip
            with self.subTest(name=name), mock.patch.dict(os.environ):
                os.environ.pop(name, None)

                def change(name: str = name) -> None:
                    os.environ[name] = "5"

                self.assert_changed_by(change, "settings")

    def test_connection_mode(self) -> None:
        """The class's own mode."""
        self.assert_changed_by(
            lambda: setattr(self.cls, "connection_mode", "docker_host"), "connection mode"
        )

    def test_declarations(self) -> None:
        """Another object under a name, a further name, one less; also in a cluster."""
        twin = self.cls.box.copy()
        for change in (
            lambda: setattr(self.cls, "box", twin),
            lambda: setattr(self.cls, "more", docker()),
            lambda: setattr(self.cls, "more", None),
            lambda: setattr(self.cls, "boxes", [docker()]),
        ):
            self.assert_changed_by(change, "declarations")

    def test_files(self) -> None:
        """A mounted file that is another by now."""
        self.assert_changed_by(lambda: print("x", file=self.file, flush=True), "files")
