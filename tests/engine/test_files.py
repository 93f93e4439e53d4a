"""Files copied into containers and out of them, before and after their start."""

from __future__ import annotations

import os
import shutil
import tempfile
import unittest
from pathlib import Path

from tcunit import ContainerTestCase, DockerContainer, Volume, wait
from tcunit.errors import CopyError, DeclarationError, StartError
from tests.engine.helpers import EngineTest, events, left_over, shell, sleeper

FILES = Path(tempfile.gettempdir(), f"tcunit-test-files-{os.getpid()}")


def setUpModule() -> None:
    """Make a tree on this machine."""
    unittest.addModuleCleanup(shutil.rmtree, FILES, ignore_errors=True)
    (FILES / "sub/empty").mkdir(parents=True)
    (FILES / "sub/word").write_text("hello\n")
    (FILES / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (FILES / "run.sh").chmod(0o755)
    (FILES / "link").symlink_to("sub/word")


class Source(DockerContainer):
    """A container that knows something only when it runs."""

    def told(self) -> bytes:
        """Its id."""
        return self.get_container_id().encode()


class BeforeTest(ContainerTestCase, EngineTest):
    """What is declared to be copied in is there when the command starts."""

    source = Source("alpine").with_command("sleep 300")
    box = (
        shell("cat /etc/told /srv/tree/link && /srv/tree/run.sh && sleep 300")
        .with_copy_into_container(b"told\n", "/etc/told")
        .with_copy_into_container(FILES, "/srv/tree")
        .with_copy_into_container(FILES / "run.sh", "/new/folder/")
        .with_copy_into_container(b"x", "/srv/secret", 0o600, uid=70, gid=71)
        .with_copy_into_container(FILES / "sub", "/srv/owned", 0o640, uid=70)
        .with_copy_into_container(source.told, "/srv/late")
        .with_copy_into_container(b"x", "/var/run/through-a-link")
        .with_copy_into_container(b"x", "/data/in-a-volume")
        .with_volume_mapping(Volume(), "/data", "rw")
        .waiting_for(wait.for_log("ran"))
    )
    fixed = (
        sleeper()
        .with_read_only_root()
        .with_volume_mapping(Volume(), "/data", "rw")
        .with_copy_into_container(b"config", "/data/etc/config")
    )

    def stat(self, path: str) -> str:
        """Owner, group, permissions and kind of a file."""
        done = self.box.exec(["stat", "-c", "%u:%g %a %F", path])
        return done.output.decode().strip()

    def test_content(self) -> None:
        """Bytes, trees and links were there in time."""
        self.assertEqual(b"told\nhello\nran\n", self.box.get_logs()[0])

    def test_modes_and_owners(self) -> None:
        """Files keep their modes and become root's, unless something else is asked for."""
        for path, expected in {
            "/etc/told": "0:0 644 regular file",
            "/srv/tree/run.sh": "0:0 755 regular file",
            "/srv/tree/sub/empty": "0:0 755 directory",
            "/srv/tree/link": "0:0 777 symbolic link",
            "/new/folder": "0:0 755 directory",
            "/new/folder/run.sh": "0:0 755 regular file",
            "/srv/secret": "70:71 600 regular file",
            "/srv/owned": "70:0 750 directory",
            "/srv/owned/word": "70:0 640 regular file",
            "/tmp": "0:0 1777 directory",
        }.items():
            with self.subTest(path=path):
                self.assertEqual(expected, self.stat(path))

    def test_late_content(self) -> None:
        """A callable is called when what it belongs to has started."""
        self.assertEqual(self.source.told(), self.box.read_file("/srv/late"))

    def test_through_links_and_into_volumes(self) -> None:
        """Folders of the image that are links stay what they are; mounts take files."""
        self.assertEqual(b"x", self.box.read_file("/run/through-a-link"))
        self.assertIn("symbolic link", self.stat("/var/run"))
        self.assertEqual(b"x", self.box.read_file("/data/in-a-volume"))

    def test_read_only_root(self) -> None:
        """The volumes of a container with a read-only root take files all the same."""
        self.assertEqual(b"config", self.fixed.exec("cat /data/etc/config").output)
        self.assertNotEqual(0, self.fixed.exec("touch /new").exit_code)
        with self.assertRaisesRegex(CopyError, "read-only"):
            self.fixed.copy_into_container(b"x", "/new")


class LaterTest(ContainerTestCase, EngineTest):
    """Copying to and from a container that exists."""

    box = sleeper()
    memory = (
        sleeper().with_tmpfs_mount("/memory").with_volume_mapping(Volume(), "/memory/data", "rw")
    )

    def setUp(self) -> None:
        super().setUp()
        self.out = Path(self.enterContext(tempfile.TemporaryDirectory()), "out")

    def test_there_and_back(self) -> None:
        """A tree comes back as it was."""
        self.box.copy_into_container(FILES, "/there")
        self.box.copy_from_container("/there", self.out)
        self.assertEqual("hello\n", (self.out / "sub/word").read_text())
        self.assertEqual("sub/word", os.readlink(self.out / "link"))
        self.assertEqual([], os.listdir(self.out / "sub/empty"))
        self.assertTrue(os.access(self.out / "run.sh", os.X_OK))
        self.assertEqual(os.getuid(), (self.out / "sub/word").stat().st_uid)

    def test_file(self) -> None:
        """One file becomes one file; many do not overwrite each other."""
        self.box.copy_into_container(b"\0\xff" * 100_000, "/large")
        self.box.copy_from_container("/large", self.out)
        self.assertEqual(b"\0\xff" * 100_000, self.out.read_bytes())
        self.assertEqual(b"\0\xff" * 100_000, self.box.read_file("/large"))
        self.box.copy_into_container(lambda: FILES / "sub/word", "/made", 0o600)
        self.assertEqual(b"hello\n", self.box.read_file("/made"))

    def test_links(self) -> None:
        """A link that is asked for is followed; absolute ones in a tree lead to their copies."""
        script = (
            "mkdir -p /links/sub && echo hi >/links/sub/file && ln -s /links/sub/file /links/one "
            "&& ln -s /links /first && ln -s /first/one /second && ln -s /etc /links/etc "
            "&& ln /links/sub/file /links/hard && mkfifo /links/pipe"
        )
        self.assertEqual(0, self.box.exec(["sh", "-c", script]).exit_code)
        self.assertEqual(b"hi\n", self.box.read_file("/second"))
        with self.assertLogs("tcunit", "WARNING") as logged:
            self.box.copy_from_container("/first", self.out)
        self.assertEqual({"hard", "one", "sub"}, set(os.listdir(self.out)))
        self.assertEqual("sub/file", os.readlink(self.out / "one"))
        self.assertEqual("hi\n", (self.out / "hard").read_text())
        for name in ("links/etc", "links/pipe"):
            self.assertIn(name, logged.output[0])

    def test_not_there(self) -> None:
        """The error says what is missing, and where."""
        for path in ("/none", "/none/below", "/etc/passwd/below"):
            with (
                self.subTest(path=path),
                self.assertRaisesRegex(CopyError, f"box .*{path}|{path}.* box "),
            ):
                self.box.read_file(path)
        with self.assertRaisesRegex(CopyError, "/etc in box .* is no file"):
            self.box.read_file("/etc")
        with self.assertRaisesRegex(CopyError, "/none: No such file"):
            self.box.copy_into_container(Path("/none"), "/there")
        with self.assertRaisesRegex(DeclarationError, "begins with '/'"):
            self.box.read_file("etc/passwd")

    def test_in_memory(self) -> None:
        """What is copied to a tmpfs mount would be lost: the error says so, and what to do."""
        self.assertEqual(0, self.memory.exec(["sh", "-c", "echo x > /memory/x"]).exit_code)
        for copy in (
            lambda: self.memory.copy_into_container(b"x", "/memory/y"),
            lambda: self.memory.copy_from_container("/memory", self.out),
            lambda: self.memory.read_file("/memory/x"),
        ):
            with self.assertRaisesRegex(CopyError, r"memory .* is on the tmpfs mount /memory, wh"):
                copy()
        self.memory.copy_into_container(b"x", "/memory/data/x")
        self.assertEqual(b"x", self.memory.read_file("/memory/data/x"))

    def test_a_file_never_replaces_a_folder(self) -> None:
        """The engine would remove the folder with all that is in it, and does not."""
        with self.assertRaisesRegex(CopyError, "cannot overwrite directory"):
            self.box.copy_into_container(b"x", "/etc")
        self.assertIn(b"root", self.box.read_file("/etc/passwd"))

    def test_ended(self) -> None:
        """A container that has ended is read all the same."""
        job = self.running(shell("echo done >/result").waiting_for(wait.for_exit()))
        self.assertEqual(b"done\n", job.read_file("/result"))
        job.stop()


class RefusedTest(EngineTest):
    """A start that cannot be given its files."""

    def test_source_is_missing(self) -> None:
        """Nothing was created; the error names the container and the path."""
        container = sleeper().with_name(f"tcunit-test-none-{os.getpid()}")
        container.with_copy_into_container(Path("/none"), "/there")
        with self.assertRaisesRegex(CopyError, "^alpine: with_copy_into_container: /none: No such"):
            container.start()
        self.assertEqual([], events(f"tcunit-test-none-{os.getpid()}", 0))
        self.assertEqual([], left_over())

    def test_late_content_of_another_kind(self) -> None:
        """A callable that gives a text is refused by the place that it is for."""
        container = sleeper().with_copy_into_container(lambda: "text", "/there")
        with self.assertRaisesRegex(DeclarationError, "/there came as a str: give bytes or a Pat"):
            container.start()

    def test_refused_by_the_engine(self) -> None:
        """What was created is removed, and the advice names the method."""
        container = sleeper().with_copy_into_container(b"x", "/etc")
        with self.assertRaisesRegex(StartError, r"cannot overwrite.*with_copy_into_container\(\)"):
            container.start()
        self.assertEqual([], left_over())
