"""The build context: which files a build sees, and when two are the same."""

from __future__ import annotations

import os
import tarfile
import tempfile
import unittest
from pathlib import Path

from tcunit._docker.context import FROM_OUTSIDE, Context

DOCKERFILE = "FROM alpine\n"


class ContextCase(unittest.TestCase):
    """With a folder to build from."""

    def setUp(self) -> None:
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory())) / "app"
        self.write({"Dockerfile": DOCKERFILE})

    def write(self, files: dict[str, str], root: Path | None = None) -> None:
        """Write files, each with its text."""
        for name, text in files.items():
            file = (root or self.root) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def context(self, dockerfile: str = "Dockerfile") -> Context:
        """The folder as a context."""
        return Context(self.root, self.root / dockerfile)

    def packed(self, context: Context, text: str = DOCKERFILE) -> dict[str, str]:
        """What is in the archive: the files, each with its text."""
        with context.pack(text) as archive, tarfile.open(fileobj=archive) as tar:
            files = [each for each in tar.getmembers() if each.isfile()]
            self.assertEqual(len(files), len({each.name for each in files}))
            return {each.name: str(tar.extractfile(each).read(), "utf-8") for each in files}


class FilesTest(ContextCase):
    """What a build sees."""

    def test_ignored(self) -> None:
        """What the ignore file names is left out, but for its exceptions and the Dockerfile."""
        self.write({"a.py": "", "b.log": "", "keep.log": "", ".env": "", "sub/c.log": "",
                    "sub/d.py": "", "build/x": "",
                    ".dockerignore": "# no logs\n**/*.log\n!keep.log\n.env\nbuild\nDockerfile\n",
                    })  # fmt: skip
        expected = [".dockerignore", "Dockerfile", "a.py", "keep.log", "sub/d.py"]
        self.assertEqual(expected, sorted(self.packed(self.context())))

    def test_own_ignore_file(self) -> None:
        """One that is named after the Dockerfile holds in place of the folder's."""
        self.write({"a": "", "b": "", ".dockerignore": "a\n", "other/Dockerfile": DOCKERFILE,
                    "other/Dockerfile.dockerignore": "b\nother\n"})  # fmt: skip
        found = self.packed(self.context("other/Dockerfile"))
        self.assertEqual({"a", "Dockerfile", "other/Dockerfile", ".dockerignore"}, set(found))
        self.assertIn("b\n", found[".dockerignore"])
        self.assertNotIn("b", self.context("other/Dockerfile").files())

    def test_dockerfile_from_outside(self) -> None:
        """It is added under a name that the build itself does not see."""
        outside = self.root.parent / "Other"
        outside.write_text(DOCKERFILE)
        context = Context(self.root, outside)
        found = self.packed(context)
        self.assertEqual(DOCKERFILE, found[context.dockerfile])
        self.assertIn(context.dockerfile, found[".dockerignore"].splitlines())

    def test_dockerfile_behind_links(self) -> None:
        """It is where it really is: "..", links to it and links to its folder are followed."""
        (self.root.parent / "Other").write_text(DOCKERFILE)
        (self.root / "file").symlink_to("../Other")
        (self.root / "folder").symlink_to("..")
        (self.root / "here").symlink_to("Dockerfile")
        for name, expected in (
            ("../Other", FROM_OUTSIDE),
            ("file", FROM_OUTSIDE),
            ("folder/Other", FROM_OUTSIDE),
            ("here", "Dockerfile"),
            ("../app/Dockerfile", "Dockerfile"),
        ):
            with self.subTest(name):
                context = self.context(name)
                self.assertEqual(expected, context.dockerfile)
                self.assertEqual(DOCKERFILE, self.packed(context)[expected])

    def test_names_in_no_encoding(self) -> None:
        """A file or a link's end may have a name that is no UTF-8."""
        name = os.fsdecode(b"caf\xe9")
        self.write({name: "x"})
        (self.root / "link").symlink_to(name)
        self.assertIn(name, self.packed(self.context()))
        before = self.context().digest()
        (self.root / name).rename(self.root / os.fsdecode(b"caf\xe8"))
        self.assertNotEqual(before, self.context().digest())

    def test_other_text(self) -> None:
        """The Dockerfile in the archive has the text that is given."""
        self.assertEqual("FROM x\n", self.packed(self.context(), "FROM x\n")["Dockerfile"])

    def test_links(self) -> None:
        """A link stays one, wherever it leads."""
        (self.root / "link").symlink_to("/nowhere")
        with self.context().pack(DOCKERFILE) as archive, tarfile.open(fileobj=archive) as tar:
            self.assertEqual("/nowhere", tar.getmember("link").linkname)


class DigestTest(ContextCase):
    """When two contexts are the same."""

    def test_what_counts(self) -> None:
        """Texts, names, modes, links and the ignore file."""
        self.write({"a": "x", "sub/b": "y"})
        (self.root / "link").symlink_to("a")
        seen = {self.context().digest()}
        for change in (
            lambda: self.write({"a": "z"}),
            lambda: (self.root / "a").rename(self.root / "c"),
            lambda: (self.root / "c").chmod(0o755),
            lambda: ((self.root / "link").unlink(), (self.root / "link").symlink_to("c")),
            lambda: (self.root / "empty").mkdir(),
            lambda: self.write({".dockerignore": "sub"}),
        ):
            change()
            digest = self.context().digest()
            self.assertNotIn(digest, seen)
            seen.add(digest)

    def test_what_does_not(self) -> None:
        """Times, the folder's own place, and what is left out."""
        self.write({"a": "x", ".dockerignore": "out"})
        before = self.context().digest()
        os.utime(self.root / "a", (0, 0))
        self.write({"out": "z"})
        self.assertEqual(before, self.context().digest())
        self.root = self.root.rename(self.root.parent / "moved")
        self.assertEqual(before, self.context().digest())
