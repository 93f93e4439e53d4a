"""Mounts, volumes and environment files on a real engine; what is made is removed by every net."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from docker.errors import NotFound

from tcunit import ContainerTestCase, DockerContainer, Volume, wait
from tcunit._session import NAME_LABEL, SESSION_LABEL, session_id
from tcunit.errors import DeclarationError, EngineError, StartError
from tcunit.reapers.sweep import left_by
from tests.engine.helpers import EngineTest, engine, left_over, shell, sleeper, until
from tests.engine.test_reapers import Told

NAME = f"tcunit-test-volume-{os.getpid()}"


def exists(volume: str) -> bool:
    """Whether the engine has a volume."""
    try:
        engine().client.volumes.get(volume)
    except NotFound:
        return False
    return True


class DeclaredTest(ContainerTestCase, EngineTest):
    """Volumes of a class."""

    shared = Volume(labels={"mine": "1"})
    writer = (
        shell("echo hello >/data/word && echo up && sleep 300")
        .with_volume_mapping(shared, "/data", "rw")
        .waiting_for(wait.for_log("up"))
    )
    reader = (
        sleeper().with_volume_mapping(shared, "/in").with_volume_mapping(shared, "/again")
        .with_volume_mapping(Volume(), "/own", "rw").depends_on(writer)
    )  # fmt: skip

    def test_shared(self) -> None:
        """Two containers see one volume; the one that may not write cannot."""
        self.assertEqual(b"hello\n", self.reader.exec("cat /in/word").output)
        self.assertEqual(b"hello\n", self.reader.exec("cat /again/word").output)
        self.assertNotEqual(0, self.reader.exec("touch /in/new").exit_code)
        self.assertEqual(0, self.reader.exec("touch /own/new").exit_code)

    def test_names_and_labels(self) -> None:
        """It has our labels and a name that says where it comes from, beside the user's labels."""
        labels = engine().client.volumes.get(self.shared.name).attrs["Labels"]
        self.assertRegex(self.shared.name, "^tcunit-DeclaredTest-shared-[0-9a-f]{8}$")
        self.assertEqual(
            ("1", session_id(), self.shared.name),
            (labels["mine"], labels[SESSION_LABEL], labels[NAME_LABEL]),
        )
        self.assertFalse(self.shared.was_there)
        inline = {each.name for each in left_by(engine(), session_id()) if each.kind == "volume"}
        self.assertEqual({self.shared.name}, {each for each in inline if "shared" in each})
        self.assertEqual(2, len(inline))


class VolumeTest(EngineTest):
    """Who makes a volume removes it, and nobody else."""

    def test_named_by_a_mapping(self) -> None:
        """A name that is not known is made with our labels, and goes with the last who uses it."""
        first, second = (sleeper().with_volume_mapping(NAME, "/data", "rw") for _ in range(2))
        self.running(first)
        self.assertEqual([NAME, first.name], sorted(left_over(), key=lambda each: each != NAME))
        self.running(second)
        first.exec("touch /data/file")
        first.stop()
        self.assertEqual(0, second.exec("ls /data/file").exit_code)
        second.stop()
        self.assertFalse(exists(NAME))

    def test_one_that_was_there(self) -> None:
        """A volume of the user's is used and left, whether it was mapped or declared."""
        theirs = engine().client.volumes.create(NAME)
        self.addCleanup(theirs.remove)
        for source in (NAME, Volume(NAME)):
            with self.subTest(source=source):
                with sleeper().with_volume_mapping(source, "/data", "rw") as container:
                    self.assertEqual(0, container.exec("touch /data/file").exit_code)
                self.assertTrue(exists(NAME))
        with Volume(NAME) as volume:
            self.assertTrue(volume.was_there)
        self.assertTrue(exists(NAME))

    def test_kept_on_demand(self) -> None:
        """``stop(delete_volume=False)`` leaves the volume that the mapping named."""
        container = self.running(sleeper().with_volume_mapping(NAME, "/data", "rw"))
        self.addCleanup(engine().remove_volume, NAME)
        container.stop(delete_volume=False)
        self.assertTrue(exists(NAME))
        engine().remove_volume(NAME)

    def test_alone(self) -> None:
        """It works without a class, too; the name it had is another one the next time."""
        volume = Volume()
        names = []
        for _ in range(2):
            with volume:
                names.append(volume.name)
                self.assertTrue(exists(volume.name))
            self.assertFalse(exists(names[-1]))
        self.assertEqual(2, len(set(names)))

    def test_in_use(self) -> None:
        """One that somebody else uses cannot be removed: an error names both."""
        volume = Volume().create()
        name, api = volume.name, engine().client.api
        stranger = api.create_container(
            "tcunit.local/alpine", host_config=api.create_host_config(binds=[f"{name}:/x"])
        )["Id"]
        self.addCleanup(engine().remove_volume, name)
        self.addCleanup(engine().remove_container, stranger)
        with self.assertRaisesRegex(EngineError, f"removing the volume {name}: .*{stranger}"):
            volume.remove()
        engine().remove_container(stranger)
        engine().remove_volume(name)

    def test_refused(self) -> None:
        """What the engine refuses is an error by the volume's name; nothing is left."""
        with self.assertRaisesRegex(StartError, f"the volume {NAME} could not be created: .*wrong"):
            Volume(NAME, options={"wrong": "x"}).create()
        self.assertEqual([], left_over())

    def test_a_start_that_fails(self) -> None:
        """Volumes of a container that cannot start are gone, too."""
        with self.assertRaises(StartError):
            DockerContainer("alpine").with_command("/none").with_volume_mapping(NAME, "/x").start()
        self.assertFalse(exists(NAME))

    def test_in_two_scopes(self) -> None:
        """A name that lives for the test and for the class is removed after the longer one."""

        class Shop(ContainerTestCase):
            long = sleeper().with_volume_mapping(NAME, "/data", "rw")
            short = sleeper().with_volume_mapping(NAME, "/data", "rw").with_scope("test")

            def test_a(self) -> None:
                self.short.exec("touch /data/file")

            def test_b(self) -> None:
                self.assertEqual(0, self.short.exec("ls /data/file").exit_code)

        self.assert_passes(Shop)
        self.assertFalse(exists(NAME))


_VOLUMES = f"""
from tcunit import Volume
theirs = find_engine().create_volume("{NAME}-theirs", {{}}, {{}})
made = DockerContainer("alpine").with_command("sleep 300")
made.with_volume_mapping("{NAME}-named", "/a", "rw").with_volume_mapping(Volume(), "/b", "rw")
made.with_volume_mapping("{NAME}-theirs", "/c", "rw").start()
"""


class KilledTest(EngineTest):
    """A process that is killed leaves no volume of its own, and every one of the user's."""

    def volumes_after(self, net: str, script: str = "") -> None:
        self.addCleanup(engine().remove_volume, f"{NAME}-theirs")
        told = Told(self, _VOLUMES + script + "say()\nsys.stdin.read()", TCUNIT_REAPERS=net)
        told.hear()
        mine = [each for each in left_by(engine(), told.session) if each.kind == "volume"]
        self.assertEqual(2, len(mine), mine)
        told.kill()
        until(lambda: not left_by(engine(), told.session), "everything to be removed")
        self.assertEqual(
            [False, False, True],
            [exists(each) for each in (*(v.name for v in mine), f"{NAME}-theirs")],
        )

    def test_guard(self) -> None:
        """The guard removes them."""
        self.volumes_after("guard")

    def test_ryuk(self) -> None:
        """Ryuk removes them."""
        self.volumes_after("ryuk", "wait_for_ryuk()\n")

    def test_exit(self) -> None:
        """The end of a process that stops nothing removes them."""
        self.addCleanup(engine().remove_volume, f"{NAME}-theirs")
        told = Told(self, _VOLUMES + "say()", TCUNIT_REAPERS="none")
        told.hear()
        self.assertEqual(0, told.process.wait(60))
        self.assertEqual([], left_by(engine(), told.session))
        self.assertTrue(exists(f"{NAME}-theirs"))


class MountTest(EngineTest):
    """Mounts of one container."""

    def test_all_of_them(self) -> None:
        """One path at several places, memory with its limits, a mount in the short form."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        Path(folder, "word").write_text("hello\n")
        box = self.running(
            DockerContainer("alpine", volumes=[(folder, "/a", "ro"), (folder, "/b", "rw")])
            .with_command("sleep 300")
            .with_volume_mapping(folder, "/c", "ro,rprivate")
            .with_tmpfs_mount("/memory", 1 << 20, mode=0o750)
        )
        done = box.exec("cat /a/word /b/word /c/word")
        self.assertEqual(b"hello\n" * 3, done.output)
        self.assertEqual(
            [1, 0, 1], [box.exec(["sh", "-c", f"touch /{x}/n"]).exit_code for x in "abc"]
        )
        self.assertEqual(b"750\n", box.exec("stat -c %a /memory").output)
        filled = box.exec(["sh", "-c", "head -c 2000000 /dev/zero >/memory/full"])
        self.assertNotEqual(0, filled.exit_code)
        self.assertEqual(b"1048576\n", box.exec("stat -c %s /memory/full").output)
        box.stop()

    def test_path_that_is_missing(self) -> None:
        """It is refused and not made: a folder of root's would be left on the engine's host."""
        with self.assertRaisesRegex(StartError, r"bind source path does not exist: /none.*Check"):
            sleeper().with_volume_mapping("/none", "/a").start()
        self.assertFalse(Path("/none").exists())


class EnvFileTest(EngineTest):
    """Environment files."""

    def test_order(self) -> None:
        """A later file wins over an earlier one, and a single variable over all files."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "one").write_text("A=1\nB=1\nC=1\n")
        (folder / "two").write_text("B=2\nC=2\n")
        box = self.running(
            sleeper().with_env("C", 3).with_env_file(folder / "one").with_env_file(folder / "two")
        )
        self.assertEqual(b"1 2 3\n", box.exec(["sh", "-c", "echo $A $B $C"]).output)
        box.stop()

    def test_missing(self) -> None:
        """It is read at the start only; the error names it."""
        with self.assertRaisesRegex(DeclarationError, "file /none cannot be read"):
            sleeper().with_env_file("/none").start()


_FAILS = f"""
import unittest
from tcunit import ContainerTestCase, Volume
class Shop(ContainerTestCase):
    data = Volume()
    db = (DockerContainer("alpine").with_command("sleep 300")
          .with_volume_mapping(data, "/a").with_volume_mapping("{NAME}", "/b"))
    def test_fails(self):
        self.fail()
unittest.main(exit=False)
say()
"""


class KeepTest(EngineTest):
    """What a failed class leaves up."""

    def test_volumes_stay(self) -> None:
        """They stay with their containers, and the command to clean up names them."""
        told = Told(self, _FAILS, TCUNIT_KEEP="on-failure")
        told.hear()
        error = told.process.communicate()[1]
        kept = {each.name for each in left_by(engine(), told.session) if each.kind == "volume"}
        commands = re.findall(r"docker\S*(?: -H \S+)? volume rm (.+)$", error, re.MULTILINE)
        self.assertEqual([kept], [set(each.split()) for each in dict.fromkeys(commands)], error)
        self.assertIn(NAME, kept)
        self.assertEqual(2, len(kept))
