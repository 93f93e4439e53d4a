"""Tear-down in the background, and where it waits."""

from __future__ import annotations

import tempfile
import time
import unittest
from collections.abc import Callable
from unittest import mock

from tcunit import ContainerTestCase, DockerContainer, Network, Volume
from tcunit.lifecycle import removal

from .helpers import EngineTest, engine, environment, events, free_port, problems, sleeper

PATIENCE = 60.0


class TearDownTest(EngineTest):
    """What a class had is removed beside the tests of the next one, unless those could notice."""

    def seen_by_the_next(self, make: Callable[[], DockerContainer]) -> bool:
        """Whether a class's container is still there when the next class begins."""
        seen: list[bool] = []
        ids: list[str] = []

        class FirstTest(ContainerTestCase):
            net = Network()
            box = make()

            def test_it(self) -> None:
                ids.append(self.box.get_container_id())

        class SecondTest(ContainerTestCase):
            box = sleeper()

            @classmethod
            def setUpClass(cls) -> None:
                found = engine().labelled("org.testcontainers")
                seen.append(ids[0] in [each.id for each in found])
                super().setUpClass()

            def test_it(self) -> None:
                self.assertRunning(self.box)

        load = unittest.defaultTestLoader.loadTestsFromTestCase
        result = unittest.TestResult()
        # Nothing is begun within this lull but by the next start.
        with mock.patch.object(removal, "LULL", PATIENCE):
            unittest.TestSuite([load(FirstTest), load(SecondTest)]).run(result)
            removal.removals.finish()
        self.assertEqual("", problems(result))
        self.assertEqual(2, result.testsRun)
        return seen[0]

    def test_in_the_background(self) -> None:
        """The next class does not wait, and starts first; then all is removed."""
        before = time.time()
        self.assertTrue(self.seen_by_the_next(sleeper))
        found = [
            (what, name.rpartition("-")[0])
            for what, name in events("tcunit-", before)
            if "-box-" in name
        ]
        first, second = "tcunit-FirstTest-box", "tcunit-SecondTest-box"
        self.assertLess(found.index(("start", second)), found.index(("destroy", first)))
        self.assertIn(("destroy", second), found)

    def test_asked_to_wait(self) -> None:
        """With the setting, a class is gone before the next one begins."""
        with environment(TCUNIT_TEAR_DOWN="wait"):
            self.assertFalse(self.seen_by_the_next(sleeper))

    def test_what_others_could_notice(self) -> None:
        """A fixed port or name, a place to write to and the host's network are free again."""
        with tempfile.TemporaryDirectory() as folder:
            for make in (
                lambda: nginx().with_bind_ports(80, free_port()),
                lambda: sleeper().with_name("tcunit-FirstTest-fixed"),
                lambda: sleeper().with_volume_mapping(folder, "/data", "rw"),
                lambda: sleeper().with_volume_mapping("tcunit-FirstTest-fixed", "/data"),
                lambda: sleeper().with_volume_mapping(Volume("tcunit-FirstTest-fixed"), "/data"),
                lambda: sleeper().with_host_port_access(),
                lambda: sleeper().with_network_mode("host"),
            ):
                with self.subTest(make=make):
                    self.assertFalse(self.seen_by_the_next(make))

    def test_what_nobody_notices(self) -> None:
        """What is only read, or a volume of its own, does not make the next class wait."""
        with tempfile.TemporaryDirectory() as folder:
            for make in (
                lambda: sleeper().with_volume_mapping(folder, "/data"),
                lambda: sleeper().with_volume_mapping(Volume(), "/data", "rw"),
            ):
                with self.subTest(make=make):
                    self.assertTrue(self.seen_by_the_next(make))

    def test_what_lives_longer(self) -> None:
        """A container that works on one of the whole run is gone when the next class begins."""
        shared = sleeper().with_scope("run")
        self.addCleanup(lambda: shared_copy(shared).stop())
        self.assertFalse(self.seen_by_the_next(lambda: sleeper().depends_on(shared)))


def nginx() -> DockerContainer:
    """A server that is ready when its port answers."""
    return DockerContainer("nginx:alpine")


def shared_copy(declaration: DockerContainer) -> DockerContainer:
    """The copy that lives for the run."""
    from tcunit.lifecycle.scopes import run_scope

    copy = run_scope.copy_of(declaration, "")
    assert isinstance(copy, DockerContainer)
    return copy
