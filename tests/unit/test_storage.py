"""What is declared about files, mounts and volumes."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

from tcunit import ContainerTestCase, DockerContainer, Volume
from tcunit._docker import env_file
from tcunit.errors import DeclarationError, NotStarted
from tcunit.lifecycle.references import omitted
from tcunit.request import Copy, Mount


class MountTest(unittest.TestCase):
    """Bind mounts and volumes."""

    def test_many_of_one_path(self) -> None:
        """One path of the host can be mounted at several places."""
        container = DockerContainer("a", volumes=[("/a", "/b", "rw"), ("/a", "/c", "ro")])
        container.with_volume_mapping("/a", "/d")
        found = [(each.source, each.target, each.mode) for each in container._request.mounts]
        self.assertEqual([("/a", "/b", "rw"), ("/a", "/c", "ro"), ("/a", "/d", "ro")], found)

    def test_what_is_a_volume(self) -> None:
        """A bare name is one; what was given as a path is none, also without a slash."""
        for source, expected in [
            ("data", True), ("a.b-c_d", True), ("/data", False), ("./data", False),
            (".", False), ("..", False), ("~/data", False), ("a/b", False),
            (Path("data"), False), (Path("/data"), False), (Path("~/data"), False),
        ]:  # fmt: skip
            with self.subTest(source=source):
                container = DockerContainer("a").with_volume_mapping(source, "/x")
                (mount,) = container._request.mounts
                self.assertIs(expected, mount.is_volume)

    def test_form(self) -> None:
        """The engine gets the long form, which makes no folder, where that can say it."""
        expected = {"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}
        self.assertEqual(expected, Mount("/a", "/b", "ro").as_mount())
        self.assertIsNone(Mount("/a", "/b", "rw,z").as_mount())
        self.assertEqual("/a:/b:rw,z", Mount("/a", "/b", "rw,z").bind())
        self.assertEqual("made:/b:rw", Mount(Volume(), "/b", "rw").bind("made"))

    def test_wrong(self) -> None:
        """What cannot be mounted, and what is no mode, is refused with what can be."""
        wrong: list[Any] = ["", None, 5, b"/a", omitted, Volume]
        for source in wrong:
            with self.subTest(source=source), self.assertRaisesRegex(DeclarationError, "give a pa"):
                DockerContainer("a").with_volume_mapping(source, "/b")
        modes: list[Any] = ["", "r", "RO", "ro,rw", "rw,", None, "ro;z"]
        for mode in modes:
            with self.subTest(mode=mode), self.assertRaisesRegex(DeclarationError, "is no mode"):
                DockerContainer("a").with_volume_mapping("/a", "/b", mode)
        with self.assertRaisesRegex(DeclarationError, r"without '\.\.'"):
            DockerContainer("a").with_volume_mapping("/a", "/b/../c")

    def test_one_place_for_two(self) -> None:
        """Two mounts at one place are refused when the class exists, by the place."""
        for second in (
            DockerContainer("a").with_volume_mapping("/a", "/x").with_volume_mapping("/b", "/x/"),
            DockerContainer("a").with_volume_mapping("/a", "/x").with_tmpfs_mount("/x"),
        ):
            with self.assertRaisesRegex(DeclarationError, "^db: /x is the place of two mounts"):
                type("Shop", (ContainerTestCase,), {"db": second})

    def test_tmpfs(self) -> None:
        """Sizes and permissions are checked, and go to the engine in its words."""
        container = DockerContainer("a").with_tmpfs_mount("/a", "10%", mode=0o700)
        container.with_tmpfs_mount("/b/", 1024).with_tmpfs_mount("/c", mode=0o1777)
        expected = {"/a": "size=10%,mode=700", "/b": "size=1024", "/c": "mode=1777"}
        self.assertEqual(expected, container._request.tmpfs)
        sizes: list[Any] = ["", "0", "0%", "101%", "much", -1, 1.5]
        for size in sizes:
            with self.subTest(size=size), self.assertRaisesRegex(DeclarationError, "no size"):
                DockerContainer("a").with_tmpfs_mount("/a", size)
        modes: list[Any] = [-1, 0o10000, "755", True]
        for mode in modes:
            with self.subTest(mode=mode), self.assertRaisesRegex(DeclarationError, "0o644"):
                DockerContainer("a").with_tmpfs_mount("/a", mode=mode)
        with self.assertRaisesRegex(DeclarationError, "begins with"):
            DockerContainer("a").with_tmpfs_mount("a")


class VolumeTest(unittest.TestCase):
    """Volumes as declarations."""

    def test_it_is_needed(self) -> None:
        """A container needs the volumes that it mounts, and cannot do without one."""
        data = Volume()
        container = DockerContainer("a").with_volume_mapping(data, "/data")
        self.assertEqual([data], list(container.needs()))
        self.assertEqual([data], list(container.insists_on()))

    def test_before_it_exists(self) -> None:
        """It has no name yet; the error says how to use it."""
        with self.assertRaisesRegex(NotStarted, "the volume is not started"):
            _ = Volume().name

    def test_wrong_names(self) -> None:
        """What is no name of a volume is refused; for a path the error says what to use."""
        wrong: list[Any] = ["", "/data", "a b", "-a", 5]
        for name in wrong:
            with self.subTest(name=name), self.assertRaisesRegex(DeclarationError, "a path is"):
                Volume(name)
        with self.assertRaisesRegex(DeclarationError, "reserved"):
            Volume(labels={"org.testcontainers": "x"})


class CopyTest(unittest.TestCase):
    """What is to be copied in."""

    def test_collected(self) -> None:
        """Copies add up, with their modes and owners."""
        container = DockerContainer("a").with_copy_into_container(b"x", "/a", 0o600, uid=1, gid=2)
        container.with_copy_into_container(Path("b"), "/b/")
        expected = (Copy(b"x", "/a", 0o600, 1, 2), Copy(Path("b"), "/b/"))
        self.assertEqual(expected, container._request.copies)

    def test_late_content(self) -> None:
        """What gives the content is a late value, and whose method it is a dependency."""
        other = DockerContainer("b")
        container = DockerContainer("a").with_copy_into_container(other.get_container_id, "/a")
        self.assertEqual([other], list(container.insists_on()))

    def test_wrong(self) -> None:
        """Each slip has its own advice."""
        mistakes: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
            (("text", "/a"), {}, r"give Path\(…\), or encode it"),
            ((None, "/a"), {}, "a NoneType cannot be copied"),
            ((b"x", "a"), {}, "begins with '/'"),
            ((b"x", "/a/"), {}, "the whole path of their file"),
            ((b"x", "/a/../b"), {}, "without"),
            ((b"x", "/a", 0o100644), {}, "write them as in 0o644"),
            ((b"x", "/a", "644"), {}, "write them as in 0o644"),
            ((b"x", "/a"), {"uid": -1}, "uid and gid"),
            ((b"x", "/a"), {"gid": "postgres"}, "uid and gid"),
        ]
        for arguments, named, expected in mistakes:
            with self.subTest(arguments), self.assertRaisesRegex(DeclarationError, expected):
                DockerContainer("a").with_copy_into_container(*arguments, **named)

    def test_where_nothing_can_be_copied(self) -> None:
        """A tmpfs mount would hide it, and a read-only root takes nothing outside of mounts."""
        for place in ("/memory", "/memory/a"):
            hidden = DockerContainer("a").with_tmpfs_mount("/memory")
            hidden.with_copy_into_container(b"x", place)
            with self.assertRaisesRegex(DeclarationError, "on a tmpfs mount, which hides"):
                hidden.check()
        fixed = DockerContainer("a").with_read_only_root().with_volume_mapping("data", "/d", "rw")
        fixed.with_copy_into_container(b"x", "/d/a").check()
        with self.assertRaisesRegex(DeclarationError, "/data/a on a read-only root: mount it"):
            fixed.with_copy_into_container(b"x", "/data/a").check()


class EnvFileTest(unittest.TestCase):
    """Files with environment variables."""

    def setUp(self) -> None:
        self.file = Path(self.enterContext(tempfile.TemporaryDirectory()), "test.env")

    def test_syntax(self) -> None:
        """The value is the rest of the line, as it stands; comments and empty lines are none."""
        self.file.write_text("# one\nA=1\n\nB=a b # c\nC='quoted'\nD=\nE=x=y\n")
        expected = {"A": "1", "B": "a b # c", "C": "'quoted'", "D": "", "E": "x=y"}
        self.assertEqual(expected, env_file(str(self.file)))
        self.file.write_text("\ufeffA=1\n", "utf-8")  # as some editors write it
        self.assertEqual({"A": "1"}, env_file(str(self.file)))

    def test_wrong(self) -> None:
        """The error names the file, and shows no value."""
        with self.assertRaisesRegex(DeclarationError, r"test\.env cannot be read: .*No such file"):
            env_file(str(self.file))
        self.file.write_text("s3cret\n")
        with self.assertRaisesRegex(DeclarationError, r"test\.env has a line without") as caught:
            env_file(str(self.file))
        self.assertNotIn("s3cret", str(caught.exception))
        for line in ("export A=s3cret", "=s3cret", "A =s3cret"):
            self.file.write_text(f"B=1\n{line}\n")
            with self.subTest(line), self.assertRaisesRegex(DeclarationError, "'export'") as caught:
                env_file(str(self.file))
            self.assertNotIn("s3cret", str(caught.exception))
        wrong: list[Any] = ["", None, 5]
        for path in wrong:
            with self.subTest(path=path), self.assertRaisesRegex(DeclarationError, "is no path"):
                DockerContainer("a").with_env_file(path)
