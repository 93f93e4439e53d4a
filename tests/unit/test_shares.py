"""The locks of what processes share, on real files; and what cannot be shared."""

from __future__ import annotations

import os
import tempfile
import threading
import unittest
from typing import Any
from unittest import mock

from tcunit import ContainerTestCase, DockerContainer, Network, wait
from tcunit._session import NAME_LABEL, REUSE_LABEL, SESSION_LABEL, shared_labels, shared_name
from tcunit.errors import DeclarationError, SealedError
from tcunit.modules import PostgresContainer, RedisContainer
from tcunit.reapers import shares
from tcunit.reapers.shares import Record, domain, record_of, release, take_turn, turn_path


class OwnFolder(unittest.TestCase):
    """A test whose locks are in a folder of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        change = mock.patch.object(tempfile, "tempdir", folder.name)
        change.start()
        self.addCleanup(change.stop)

    def turn(self, declaration: str = "a") -> shares.Turn:
        """A turn that is to be had."""
        turn = take_turn(declaration, limit=0)
        assert turn is not None
        self.addCleanup(turn.end)
        return turn


class TurnTest(OwnFolder):
    """Who may do what, when."""

    def test_one_at_a_time(self) -> None:
        """The next one waits, and gets it as soon as the first one ends."""
        turn = self.turn()
        self.assertIsNone(take_turn("a", limit=0.05))
        self.turn("b")
        threading.Timer(0.05, turn.end).start()
        self.assertIsNotNone(after := take_turn("a", limit=20))
        after and after.end()

    def test_giving_up(self) -> None:
        """Who waits is asked again and again whether to go on."""
        turn = self.turn()
        with self.assertRaises(ZeroDivisionError):
            take_turn("a", lambda: 1 // 0)
        turn.end()

    def test_users(self) -> None:
        """Many use it; to be alone is for whom no other is left."""
        with self.turn() as turn:
            self.assertIsNotNone(alone := turn.alone())
            alone and release(alone)
            users = [turn.use(), turn.use()]
            self.assertIsNone(turn.alone())
            release(users[0])
            self.assertIsNone(turn.alone())
            release(users[1])
            self.assertIsNotNone(alone := turn.alone())
            alone and release(alone)

    def test_a_copy_in_a_child_is_no_user(self) -> None:
        """What is given back is given back, also where a child still has a copy of the file."""
        with self.turn() as turn:
            user = turn.use()
            copy = os.dup(user.fileno())  # as a child has it between its fork and its exec
            self.addCleanup(os.close, copy)
            release(user)
            self.assertIsNotNone(alone := turn.alone())
            alone and release(alone)

    def test_a_file_that_was_removed(self) -> None:
        """Who waited for a file that is gone by now takes the new one."""
        turn = self.turn()
        found: list[Any] = []
        waiting = threading.Thread(target=lambda: found.append(take_turn("a", limit=20)))
        waiting.start()
        turn.forget()
        turn.end()
        waiting.join()
        self.addCleanup(found[0].end)
        self.assertIsNone(take_turn("a", limit=0))


class RecordTest(OwnFolder):
    """What is written down of a share."""

    def test_it_is_read_by_the_next_one(self) -> None:
        """All of it comes back."""
        with self.turn() as turn:
            turn.record = Record("unix:///x", "1234", False, ["s"], True)
        self.assertEqual(turn.record, self.turn().record)
        self.assertIsNone(record_of("nobody"))

    def test_killed_in_the_middle(self) -> None:
        """A line that was cut off does not count, and the one before it does."""
        with self.turn() as turn:
            turn.record.ready = "1234"
        with turn_path("a").open("ab") as file:
            file.write(b'{"ready": "56')
        self.assertEqual("1234", self.turn().record.ready)

    def test_it_stays_small(self) -> None:
        """A file that many have written to is begun anew."""
        for number in range(300):
            with self.turn() as turn:
                turn.record.ready = f"{number}"
        self.assertLess(turn_path("a").stat().st_size, shares.LONG + 1000)
        self.assertEqual("299", self.turn().record.ready)

    def test_domain(self) -> None:
        """The same for all who see this folder, and another one elsewhere."""
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(domain())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([domain()] * 8, found)
        with tempfile.TemporaryDirectory() as other, mock.patch.object(tempfile, "tempdir", other):
            self.assertNotEqual(found[0], domain())


class LabelTest(unittest.TestCase):
    """What is shared belongs to no session."""

    def test_no_session(self) -> None:
        """No clean-up that goes by sessions finds it; its own name is in its labels."""
        name = shared_name("redis", "0123456789abcdef")
        self.assertEqual("tcunit-shared-redis-0123456789ab", name)
        labels = shared_labels(name, "0123456789abcdef", "")
        self.assertNotIn(SESSION_LABEL, labels)
        self.assertEqual((name, "0123456789abcdef"), (labels[NAME_LABEL], labels[REUSE_LABEL]))


class RefusalTest(unittest.TestCase):
    """What would harm other processes is refused, with what to do."""

    def test_reset(self) -> None:
        """Others would lose their data."""
        with self.assertRaisesRegex(DeclarationError, r"with_reuse\(\) and with_reset\(\) exclude"):
            RedisContainer().with_reset().with_reuse().check()
        for method in ("reset", "snapshot"):
            with self.assertRaisesRegex(DeclarationError, "other processes use it"):
                getattr(PostgresContainer().with_reuse(), method)()

    def test_scope(self) -> None:
        """What is shared is not started anew for each test."""
        with self.assertRaisesRegex(DeclarationError, r"with_scope\('test'\) exclude"):
            DockerContainer("a").with_scope("test").with_reuse().check()
        DockerContainer("a").with_scope("run").with_reuse().check()

    def test_job(self) -> None:
        """What ends cannot be used by others."""
        job = DockerContainer("a").waiting_for(wait.for_exit()).with_reuse()
        with self.assertRaisesRegex(DeclarationError, "is of no use later"):
            job.check()

    def test_state_outside(self) -> None:
        """A warm start keeps what is in the container; what is read only may be outside."""
        wrong = [
            DockerContainer("a").with_volume_mapping("/a", "/b", "rw"),
            DockerContainer("a").with_volume_mapping("volume", "/b", "ro"),
            DockerContainer("a").with_kwargs(volumes=["/a:/b"]),
            DockerContainer("a").with_kwargs(mounts=[{"Type": "volume", "Target": "/b"}]),
            DockerContainer("a").with_kwargs(volumes_from=["other"]),
        ]
        for number, container in enumerate(wrong):
            with self.subTest(number=number):
                with self.assertRaisesRegex(DeclarationError, "is outside of it"):
                    container.with_warm_start().check()
        for container in (
            DockerContainer("a").with_volume_mapping("/a", "/b"),
            DockerContainer("a").with_tmpfs_mount("/a"),
            DockerContainer("a").with_kwargs(volumes=["/a:/b:ro"]),
        ):
            container.with_warm_start().check()
        job = DockerContainer("a").waiting_for(wait.for_exit()).with_warm_start()
        with self.assertRaisesRegex(DeclarationError, r"leave with_warm_start\(\) away"):
            job.check()

    def test_needs(self) -> None:
        """A network, a dependency and a source of late values have to be shared, too."""
        net, db = Network(), DockerContainer("b")
        for container in (
            DockerContainer("a").with_network(net),
            DockerContainer("a").depends_on(db),
            DockerContainer("a").with_env("NAME", db.get_container_id),
            DockerContainer("a").with_network_mode(db),
        ):
            with self.assertRaisesRegex(DeclarationError, "one of them alone: give that"):

                class Shop(ContainerTestCase):
                    other, first = net, db
                    web = container.with_reuse()

    def test_override(self) -> None:
        """The attribute that wins in the end counts."""

        class Shop(ContainerTestCase):
            db = DockerContainer("b").with_reuse()
            web = DockerContainer("a").depends_on(db).with_reuse()

        with self.assertRaisesRegex(DeclarationError, "^web is shared .* needs db"):

            class OwnShop(Shop):
                db = DockerContainer("b")

    def test_a_network_says_so_before_its_class(self) -> None:
        """It is sealed like any declaration; a copy can still be changed."""

        class Shop(ContainerTestCase):
            net = Network()

        with self.assertRaises(SealedError):
            Shop.net.with_reuse()
        self.assertTrue(Shop.net.copy().with_reuse().is_shared)
        self.assertFalse(Shop.net.copy().with_reuse().with_reuse(False).is_shared)


class RunScopeTest(unittest.TestCase):
    """Workers of one suite share what lives for the run."""

    def test_which(self) -> None:
        """Not what is reset, and not what needs something that is not shared."""
        from tcunit import sharing

        db = RedisContainer().with_scope("run")
        app = DockerContainer("a").depends_on(db).with_scope("run")
        others = [
            RedisContainer(),
            RedisContainer().with_scope("run").with_reset(),
            RedisContainer().with_scope("run").with_network(Network().with_scope("run")),
        ]
        self.assertFalse(db.is_shared)
        with mock.patch.object(sharing, "_implied", []):
            sharing.share_run_scope()
            self.assertEqual([True, True], [db.is_shared, app.is_shared])
            self.assertEqual([False] * 3, [each.is_shared for each in others])
