"""The hash of a declaration."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any

from tcunit.errors import DeclarationError
from tcunit.fingerprint import (
    OF_NO_CONSEQUENCE,
    TOLD_OTHERWISE,
    content_of,
    fingerprint,
    parts_of,
)
from tcunit.ports import Port
from tcunit.request import ContainerRequest


class FingerprintTest(unittest.TestCase):
    """Values decide, and nothing else."""

    def test_same_values_same_hash(self) -> None:
        """Order in a dict, and whether a sequence is a list or a tuple, make no difference."""
        one = fingerprint("x", env={"A": "1", "B": "2"}, command=["a", "b"], more=None)
        two = fingerprint("x", more=None, command=("a", "b"), env={"B": "2", "A": "1"})
        self.assertEqual(one, two)
        self.assertRegex(one, "^[0-9a-f]{32}$")

    def test_other_values_other_hash(self) -> None:
        """No two of these are taken for the same."""
        parts: list[dict[str, Any]] = [
            {"a": "1"}, {"a": 1}, {"a": True}, {"a": None}, {"a": ["1"]}, {"b": "1"}, {},
            {"a": {"1": "2"}}, {"a": {"2": "1"}}, {"a": [["1"], []]}, {"a": [[], ["1"]]},
            {"a": Port(80)}, {"a": Port(81)}, {"a": Port(80, "udp")}, {"a": b"1"}, {"a": ""},
        ]  # fmt: skip
        hashes = {fingerprint("x", **each) for each in parts}
        self.assertEqual(len(parts), len(hashes))

    def test_what_has_no_value(self) -> None:
        """It is refused by its type, whoever holds it."""
        wrong: list[Any] = [object(), print, [lambda: "x"], {"a": open}]
        for value in wrong:
            with self.subTest(value=value):
                with self.assertRaisesRegex(DeclarationError, "^db cannot be known again"):
                    fingerprint("db", part=value)


class RequestTest(unittest.TestCase):
    """What of a request counts."""

    def test_every_field_has_been_thought_of(self) -> None:
        """A new field counts by itself, and this list says that somebody looked at it.

        A field that names files of ours as text would have to be told with their contents.
        """
        known = TOLD_OTHERWISE | OF_NO_CONSEQUENCE | {"name", "copies", "host_ports"}
        self.assertEqual(known, {each.name for each in dataclasses.fields(ContainerRequest)})

    def test_name_and_options(self) -> None:
        """They count; how to wait does not."""
        asked = ContainerRequest("redis")
        plain = fingerprint("x", **parts_of(asked, {"mem_limit": "1g"}))
        named = dataclasses.replace(asked, name="n")
        self.assertNotEqual(plain, fingerprint("x", **parts_of(named, {"mem_limit": "1g"})))
        self.assertNotEqual(plain, fingerprint("x", **parts_of(asked, {"mem_limit": "2g"})))
        other = dataclasses.replace(asked, dependencies=(object(),))
        self.assertEqual(plain, fingerprint("x", **parts_of(other, {"mem_limit": "1g"})))


class ContentTest(unittest.TestCase):
    """Files and folders that a container may only read."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name) / "top"
        (self.top / "below").mkdir(parents=True)
        (self.top / "below" / "file").write_text("tea")

    def _hash(self, *binds: str) -> str:
        return fingerprint("x", **parts_of(ContainerRequest("redis"), {"binds": binds}))

    def test_changes(self) -> None:
        """Contents, names, permissions and links count; times do not."""
        file = self.top / "below" / "file"
        seen = [content_of(self.top)]
        changes = [
            lambda: file.write_text("milk"),
            lambda: file.chmod(0o600),
            lambda: file.rename(self.top / "file"),
            lambda: (self.top / "empty").mkdir(),
            lambda: (self.top / "link").symlink_to("file"),
            lambda: ((self.top / "link").unlink(), (self.top / "link").symlink_to("below")),
            lambda: os.mkfifo(self.top / "pipe"),
        ]
        for number, change in enumerate(changes):
            with self.subTest(number=number):
                change()
                self.assertNotIn(content_of(self.top), seen)
                seen.append(content_of(self.top))
        os.utime(self.top / "file", (1, 1))
        self.assertEqual(seen[-1], content_of(self.top))

    def test_where_a_name_ends(self) -> None:
        """A name and the content beside it are never taken for one another."""
        hashes = set()
        for name, text in [("ab", "c"), ("a", "bc"), ("abc", "")]:
            folder = self.top / f"in-{name}"
            folder.mkdir()
            (folder / name).write_text(text)
            hashes.add(content_of(folder))
        self.assertEqual(3, len(hashes))

    def test_mounted_read_only(self) -> None:
        """What the container could change itself counts by its path alone, and so does a volume."""
        before = [self._hash(f"{self.top}:/data:{mode}") for mode in ("ro", "rw", "ro,z")]
        volume = self._hash("volume:/data:ro")
        (self.top / "below" / "file").write_text("milk")
        after = [self._hash(f"{self.top}:/data:{mode}") for mode in ("ro", "rw", "ro,z")]
        same = [one == other for one, other in zip(before, after, strict=True)]
        self.assertEqual([False, True, False], same)
        self.assertEqual(volume, self._hash("volume:/data:ro"))

    def test_mount_of_the_sdk(self) -> None:
        """A mount given as an option counts like any other."""
        mount = {"Type": "bind", "Source": str(self.top), "Target": "/x", "ReadOnly": True}

        def found() -> str:
            parts = parts_of(ContainerRequest("redis"), {"mounts": [mount]})
            return fingerprint("x", **parts)

        before = found()
        (self.top / "below" / "file").write_text("milk")
        self.assertNotEqual(before, found())

    def test_not_there(self) -> None:
        """A path of a remote engine counts by its name."""
        self.assertEqual("", content_of(self.top / "nowhere"))
        self.assertNotEqual(self._hash("/nowhere/a:/b:ro"), self._hash("/nowhere/c:/b:ro"))
