"""What the builds of a stack are to start from."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

from tcunit.compose.bases import changed_builds
from tcunit.compose.model import Model


def prefixed(image: str) -> str:
    """What an image is called here."""
    return image if "/" in image else f"here/{image}"


class ChangedBuildsTest(unittest.TestCase):
    """Dockerfiles under the names that images have here."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def changed(self, build: dict[str, Any], **environ: str) -> dict[str, Any] | None:
        """What a build is to do otherwise, with the Dockerfile's text for its path."""
        model = Model("project", {"web": {"build": build}, "db": {"image": "postgres"}})
        with changed_builds(model, prefixed, environ) as builds:
            found = builds.get("web")
            if found is not None and "dockerfile" in found:
                copy = Path(found["dockerfile"])
                beside = sorted(path.name for path in copy.parent.iterdir())
                found = {"text": copy.read_text(), "beside": beside}
        return found

    def test_file(self) -> None:
        """A copy takes its place, with what it ignores; it is gone afterwards."""
        (self.folder / "Dockerfile").write_text("FROM alpine\nCOPY --from=tools/x /a /b\n")
        build = {"context": str(self.folder), "dockerfile": "Dockerfile"}
        text = "FROM here/alpine\nCOPY --from=tools/x /a /b\n"
        self.assertEqual({"text": text, "beside": ["Dockerfile"]}, self.changed(build))
        ignore = "Dockerfile.dockerignore"
        (self.folder / ignore).write_text("*.log\n")
        self.assertEqual({"text": text, "beside": ["Dockerfile", ignore]}, self.changed(build))
        with changed_builds(Model("x", {"web": {"build": build}}), prefixed, {}) as builds:
            copy = Path(builds["web"]["dockerfile"])
            self.assertTrue(copy.is_file())
        self.assertFalse(copy.parent.exists())

    def test_inline(self) -> None:
        """One that stands in the Compose file, whose dollars Compose doubles."""
        build = {"context": ".", "dockerfile_inline": "FROM alpine\nRUN echo $$PATH\n"}
        self.assertEqual(
            {"dockerfile_inline": "FROM here/alpine\nRUN echo $PATH\n"}, self.changed(build)
        )

    def test_arguments(self) -> None:
        """They are the Compose file's, or the process's where it only names them."""
        text = "ARG A=alpine\nARG B=x\nFROM $A\nFROM $B\n"
        for args, environ, wanted in (
            ({}, {}, ("here/alpine", "here/x")),
            ({"A": "redis", "B": None}, {"B": "my/y"}, ("here/redis", "$B")),
            ({"A": "a$$b", "B": None}, {}, ("here/a$b", "here/x")),
        ):
            with self.subTest(args=args):
                build = {"dockerfile_inline": text, "args": args}
                a, b = wanted
                self.assertEqual(
                    {"dockerfile_inline": f"ARG A=alpine\nARG B=x\nFROM {a}\nFROM {b}\n"},
                    self.changed(build, **environ),
                )

    def test_left_alone(self) -> None:
        """Where nothing changes, and what cannot be read, is Compose's alone."""
        (self.folder / "Dockerfile").write_text("FROM my/base AS first\nFROM first\n")
        (self.folder / "Named").write_text("FROM base\n")
        (self.folder / "Binary").write_bytes(b"FROM alpine\xff\n")
        context = str(self.folder)
        for build in (
            {"context": context},
            {"context": context, "dockerfile": "Named", "additional_contexts": {"base": "./x"}},
            {"context": context, "dockerfile": "Binary"},
            {"context": context, "dockerfile": "none"},
            {"context": "https://example.com/repository.git"},
        ):
            with self.subTest(build=build):
                self.assertIsNone(self.changed(build))


if __name__ == "__main__":
    unittest.main()
