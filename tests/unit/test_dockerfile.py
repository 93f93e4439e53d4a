"""What a Dockerfile starts from."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from tcunit.dockerfile import Base, bases, needs_buildkit, renamed

STAGES = """\
# escape=\\
ARG VERSION=16
ARG BASE="debian:bookworm" SLIM
FROM golang:1.22 AS build
FROM --platform=linux/arm64 postgres:${VERSION}-alpine as db
COPY --from=build /app /app
COPY --chown=1:1 --from=nginx:alpine /etc/nginx /etc/nginx
FROM build AS test
FROM scratch
COPY --from=0 /app /app
FROM \\
    $BASE
"""


class BasesTest(unittest.TestCase):
    """The images that have to be there."""

    def names(self, text: str, target: str | None = None, **args: str) -> list[str]:
        """Their names."""
        return [each.name for each in bases(text, args, target)]

    def test_stages(self) -> None:
        """Stages and ``scratch`` are none; the rest is named once, with its variables resolved."""
        expected = ["golang:1.22", "postgres:16-alpine", "nginx:alpine", "debian:bookworm"]
        self.assertEqual(expected, self.names(STAGES))
        self.assertEqual(Base("postgres:16-alpine", "linux/arm64"), bases(STAGES, {})[1])

    def test_target(self) -> None:
        """What comes after the target is not needed; it is named by its name or its number."""
        for target, count in [("build", 1), ("0", 1), ("DB", 3), ("1", 3), ("test", 3), ("4", 4)]:
            with self.subTest(target=target):
                self.assertEqual(count, len(self.names(STAGES, target)))

    def test_arguments(self) -> None:
        """A build argument wins over the default; one that the Dockerfile does not know does not
        count, and a name that comes to nothing is left to the builder.
        """
        for text, args, expected in [
            ("ARG A=x\nFROM $A", {}, ["x"]),
            ("ARG A=x\nFROM $A", {"A": "y"}, ["y"]),
            ("ARG A\nFROM a:$A", {"A": "y"}, ["a:y"]),
            ("FROM $A", {"A": "y"}, []),
            ("ARG A=x\nARG B=$A-b\nFROM a:${B}", {"A": "y"}, ["a:y-b"]),
            ("ARG A\nFROM ${A:-x}", {}, ["x"]),
            ("ARG A=y\nFROM a${A:+:x}", {}, ["a:x"]),
            ("ARG A='x'\nFROM \"$A\"", {}, ["x"]),
        ]:
            with self.subTest(text=text, args=args):
                self.assertEqual(expected, self.names(text, **args))

    def test_only_instructions_count(self) -> None:
        """Not what comments, continued lines and here-documents hold."""
        for text in (
            "FROM a\n# FROM b\n",
            "FROM a\nRUN x \\\nFROM b\n",
            "FROM a\nRUN x \\\n# a comment\nFROM b\n",
            "FROM a\nRUN <<EOF\nFROM b\nEOF\n",
            "# escape=`\nFROM a\nRUN x `\nFROM b\n",
            "from a\nCOPY --from=$x b /b\n",
        ):
            with self.subTest(text=text):
                self.assertEqual(["a"], self.names(text))
        self.assertEqual(["a", "b"], self.names("FROM a\nRUN <<EOF\nx\nEOF\nFROM b\n"))
        for line in ("RUN cat <<<word", "RUN echo $((1<<n))", "RUN echo 'a <<n'"):
            self.assertEqual(["a", "b"], self.names(f"FROM a\n{line}\nFROM b\n"))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Whatever it is, nothing is raised, and where no name changes, neither does the text."""
        bases(text, {})
        self.assertEqual(text, renamed(text, {}, lambda name: name))


class RenamedTest(unittest.TestCase):
    """The same Dockerfile with other names."""

    def test_stages(self) -> None:
        """Every name is replaced where it stands, and nothing else is touched."""
        expected = (
            STAGES.replace("golang:1.22", "m/golang:1.22")
            .replace("postgres:${VERSION}-alpine", "m/postgres:16-alpine")
            .replace("=nginx", "=m/nginx")
            .replace("$BASE", "m/debian:bookworm")
        )
        self.assertEqual(expected, renamed(STAGES, {}, lambda name: f"m/{name}"))

    def test_arguments(self) -> None:
        """The name is the one that the arguments give."""
        found = renamed("ARG A=x\nFROM $A AS a\n", {"A": "y"}, lambda name: f"m/{name}")
        self.assertEqual("ARG A=x\nFROM m/y AS a\n", found)


class BuildKitTest(unittest.TestCase):
    """What only BuildKit knows."""

    def test_examples(self) -> None:
        """Its flags and here-documents, and no word of them elsewhere."""
        for text, expected in [
            ("RUN --mount=type=cache,target=/c true", True),
            ("RUN --network=none true", True),
            ("COPY --link a b", True),
            ("COPY --chown=1 --chmod=600 a b", True),
            ("ADD --checksum=sha256:1 http://x /x", True),
            ("RUN <<EOF\ntrue\nEOF", True),
            ("COPY <<a.txt /a.txt\nx\na.txt", True),
            ("RUN cat a >b <<-'EOF' && true\nx\nEOF", True),
            ("RUN sh 3<<EOF\nx\nEOF", True),
            ("RUN echo --mount=1", False),
            ("RUN echo $((1<<n))", False),
            ('RUN echo "a <<n"', False),
            ("RUN cat <<<x", False),
            ("# RUN --mount=x", False),
            ("COPY --from=a --chown=1 a b", False),
            ("LABEL x='<<EOF'", False),
        ]:
            with self.subTest(text=text):
                self.assertEqual(expected, needs_buildkit(f"FROM a\n{text}\n"))

    def test_target(self) -> None:
        """What comes after the stage that is built makes no difference."""
        text = "FROM a AS One\nRUN true\nFROM One AS two\nRUN <<EOF\nx\nEOF\nFROM a\n"
        for target, expected in [("one", False), ("0", False), ("two", True), ("1", True)]:
            with self.subTest(target=target):
                self.assertEqual(expected, needs_buildkit(text, target))
        self.assertTrue(needs_buildkit(text))
