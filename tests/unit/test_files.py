"""Archives: what goes into containers, and what is let out of them."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tcunit.errors import CopyError
from tcunit.files import Incoming, content_of, packed, unpack, unpacking
from tcunit.request import Copy


class FolderTest(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))


class PackTest(FolderTest):
    """What goes in."""

    def members(self, *copies: Copy, root: str = "/") -> dict[str, tarfile.TarInfo]:
        with packed(copies, root) as file, tarfile.open(fileobj=file) as archive:
            return {each.name: each for each in archive.getmembers()}

    def test_bytes(self) -> None:
        """They become a file of root's that all may read, or as asked for."""
        found = self.members(Copy(b"ab", "/x/y"), Copy(b"", "/z", 0o600, 1, 2))
        self.assertEqual(["x/y", "z"], list(found))
        y, z = found.values()
        self.assertEqual((2, 0o644, 0, 0, ""), (y.size, y.mode, y.uid, y.gid, y.uname))
        self.assertEqual((0, 0o600, 1, 2), (z.size, z.mode, z.uid, z.gid))

    def test_below_a_mount(self) -> None:
        """Names are relative to the folder that the archive is unpacked in."""
        self.assertEqual(["y"], list(self.members(Copy(b"", "/x/y"), root="/x")))

    def test_file(self) -> None:
        """It keeps its own mode, and its name where the destination is a folder."""
        file = self.folder / "run.sh"
        file.write_text("x")
        file.chmod(0o750)
        (self.folder / "link").symlink_to("run.sh")
        found = self.members(
            Copy(file, "/a"), Copy(file, "/b/", 0o640), Copy(self.folder / "link", "/c/")
        )
        expected = {"a": 0o750, "b/run.sh": 0o640, "c/link": 0o750}
        self.assertEqual(expected, {name: each.mode for name, each in found.items()})
        self.assertTrue(found["c/link"].isfile())
        self.assertEqual({(0, 0)}, {(each.uid, each.gid) for each in found.values()})

    def test_tree(self) -> None:
        """What it holds goes into the destination, links as links; the destination stays itself."""
        (self.folder / "sub/empty").mkdir(parents=True)
        (self.folder / "sub/file").write_text("x")
        (self.folder / "link").symlink_to("sub/file")
        (self.folder / "away").symlink_to("/etc/passwd")
        for destination, prefix in (("/a", "a/"), ("/a/", "a/"), ("/", "")):
            with self.subTest(destination=destination):
                found = self.members(Copy(self.folder, destination))
                names = ["away", "link", "sub", "sub/empty", "sub/file"]
                self.assertEqual([prefix + name for name in names], sorted(found))
                self.assertEqual("sub/file", found[f"{prefix}link"].linkname)
                self.assertEqual("/etc/passwd", found[f"{prefix}away"].linkname)

    def test_hard_links(self) -> None:
        """They stay links within a tree; what is copied twice is two files, each with its mode."""
        (self.folder / "tree").mkdir()
        (self.folder / "tree/a").write_text("x")
        (self.folder / "tree/b").hardlink_to(self.folder / "tree/a")
        file = self.folder / "tree/a"
        found = self.members(
            Copy(self.folder / "tree", "/t"), Copy(file, "/c", 0o600), Copy(file, "/d", 0o644)
        )
        self.assertEqual("t/a", found["t/b"].linkname)
        modes = {name: each.mode for name, each in found.items() if each.isreg()}
        self.assertEqual({"c": 0o600, "d": 0o644}, {key: modes.get(key) for key in "cd"})

    def test_mode_of_a_tree(self) -> None:
        """Folders that may be listed may be entered; then the destination gets it, too."""
        (self.folder / "sub").mkdir()
        (self.folder / "sub/file").write_text("x")
        found = self.members(Copy(self.folder, "/a", 0o640, uid=7))
        expected = {"a": 0o750, "a/sub": 0o750, "a/sub/file": 0o640}
        self.assertEqual(expected, {name: each.mode for name, each in found.items()})
        self.assertEqual({7}, {each.uid for each in found.values()})

    def test_empty_tree(self) -> None:
        """An empty folder is copied as one."""
        self.assertEqual(["a"], list(self.members(Copy(self.folder, "/a"))))

    def test_not_there(self) -> None:
        """The error names the path."""
        with self.assertRaisesRegex(CopyError, "none: No such file"):
            packed([Copy(self.folder / "none", "/a")])


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> Iterator[bytes]:
    """An archive in small pieces."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for info, content in members:
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    whole = buffer.getvalue()
    return (whole[start : start + 700] for start in range(0, len(whole), 700))


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """A file in an archive, or something else by its ``type``."""
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def folder(name: str, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """A folder in an archive."""
    return member(name, type=tarfile.DIRTYPE, **{"mode": 0o755, **fields})


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    """A link in an archive."""
    return member(name, type=kind, linkname=to)


class UnpackTest(FolderTest):
    """What comes out."""

    def unpack(self, *members: tuple[tarfile.TarInfo, bytes], source: str = "/srv/top") -> Path:
        target = self.folder / "out"
        with unpacking(archive(*members)) as opened:
            unpack(opened, source, target)
        return target

    def test_file(self) -> None:
        """It gets the path that was given, or its name in a folder that exists."""
        self.unpack(member("top", b"hello", mode=0o6777))
        out = self.folder / "out"
        self.assertEqual((b"hello", 0o755), (out.read_bytes(), stat.S_IMODE(out.stat().st_mode)))
        with unpacking(archive(member("top", b"x"))) as opened:
            unpack(opened, "/srv/top", self.folder)
        self.assertEqual(b"x", (self.folder / "top").read_bytes())
        with unpacking(archive(member("top", b"y"))) as opened:
            unpack(opened, "/srv/top", self.folder / "new/deep/file")
        self.assertEqual(b"y", (self.folder / "new/deep/file").read_bytes())

    def test_tree(self) -> None:
        """What it holds goes into the destination; a folder that forbids writing is no obstacle."""
        out = self.unpack(
            folder("top/"), folder("top/sub", mode=0o555), member("top/sub/file", b"x"),
            member("top/topping", b"y"),
        )  # fmt: skip
        self.assertEqual(b"x", (out / "sub/file").read_bytes())
        self.assertEqual(b"y", (out / "topping").read_bytes())

    def test_links_within(self) -> None:
        """A link that leads to something in the tree leads there, whichever way it is written."""
        out = self.unpack(
            folder("top"), folder("top/sub"), member("top/sub/file", b"x"),
            link("top/relative", "sub/file"), link("top/sub/up", "../sub/file"),
            link("top/absolute", "/srv/top/sub/file"), link("top/sub/self", "/srv/top"),
            link("top/hard", "top/sub/file", tarfile.LNKTYPE),
        )  # fmt: skip
        for name in ("relative", "sub/up", "absolute", "hard"):
            with self.subTest(name=name):
                self.assertEqual(b"x", (out / name).read_bytes())
        self.assertEqual(out.resolve(), (out / "sub/self").resolve())
        self.assertFalse((out / "hard").is_symlink())

    def test_hard_links_again(self) -> None:
        """A second copy takes the place of the first."""
        for content in (b"x", b"y"):
            hard = link("top/hard", "top/file", tarfile.LNKTYPE)
            out = self.unpack(
                folder("top"), member("top/file", content), hard, member("top/last", content)
            )
            self.assertEqual(content, (out / "hard").read_bytes())
            self.assertEqual(2, (out / "hard").stat().st_nlink)

    def test_hard_links_to_what_is_left_out(self) -> None:
        """They are left out, too."""
        with self.assertLogs("tcunit", "WARNING") as logged:
            out = self.unpack(
                folder("top"), member("top/pipe", type=tarfile.FIFOTYPE),
                link("top/hard", "top/pipe", tarfile.LNKTYPE),
                link("top/self", "top/self", tarfile.LNKTYPE),
            )  # fmt: skip
        self.assertEqual([], list(out.iterdir()))
        self.assertIn("top/pipe, top/hard, top/self", logged.output[0])

    def test_what_leads_out_is_left_out(self) -> None:
        """Nothing is written and no link leads elsewhere; the log says what was left out."""
        with self.assertLogs("tcunit", "WARNING") as logged:
            out = self.unpack(
                folder("top"), member("top/../../evil", b"x"), link("top/etc", "/etc"),
                link("top/near", "/srv/topping"), link("top/up", "../.."),
                member("top/pipe", type=tarfile.FIFOTYPE), member("top/good", b"x"),
                member("top/null", type=tarfile.CHRTYPE),
                link("top/hard", "../evil", tarfile.LNKTYPE),
            )  # fmt: skip
        self.assertEqual(["good"], [each.name for each in out.iterdir()])
        self.assertEqual(["out"], [each.name for each in self.folder.iterdir()])
        for name in ("evil", "etc", "near", "up", "pipe", "null", "hard"):
            self.assertIn(f"/{name}", logged.output[0])

    def test_writing_through_a_link(self) -> None:
        """A link that was there before is no way out either."""
        (self.folder / "elsewhere").mkdir()
        (self.folder / "out").mkdir()
        (self.folder / "out/sub").symlink_to(self.folder / "elsewhere")
        with self.assertLogs("tcunit", "WARNING"):
            self.unpack(folder("top"), member("top/sub/file", b"x"))
        self.assertEqual([], os.listdir(self.folder / "elsewhere"))

    def test_something_else(self) -> None:
        """What is neither file nor folder is refused, and so is a stream that is cut off."""
        with self.assertRaisesRegex(CopyError, "neither a file nor a folder"):
            self.unpack(member("top", type=tarfile.FIFOTYPE))
        with unpacking(archive(folder("top"))) as opened:
            with self.assertRaisesRegex(CopyError, "^/srv/top is no file"):
                content_of(opened, "/srv/top")
        cut = b"".join(archive(member("top", b"x" * 5000)))[:3000]
        with self.assertRaisesRegex(CopyError, "cut off"), unpacking(iter([cut])) as opened:
            content_of(opened, "/srv/top")

    def test_not_writable(self) -> None:
        """The error names both ends."""
        (self.folder / "out").write_text("a file")
        with self.assertRaisesRegex(CopyError, r"/srv/top could not be written to \S+/out: "):
            self.unpack(folder("top"), member("top/a"))

    @given(st.lists(st.binary(max_size=9)), st.lists(st.integers(1, 5), min_size=1))
    def test_incoming(self, chunks: list[bytes], sizes: list[int]) -> None:
        """Whatever the pieces and however they are read, all bytes come in their order."""
        stream = io.BufferedReader(Incoming(iter(chunks)), buffer_size=4)
        found = b""
        while part := stream.read(sizes[len(found) % len(sizes)]):
            found += part
        self.assertEqual(b"".join(chunks), found)
