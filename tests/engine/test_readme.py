"""The README and the page about images tell the truth.

The Python blocks run in their order, in one module. The test classes that a block defines must
pass, unless a ``text`` block comes next: then they must fail with just that text, where only the
suffix of names may differ.
"""

from __future__ import annotations

import re
import sys
import types
import unittest
from itertools import pairwise
from unittest import mock

from tcunit import settings

from .documents import Block, blocks_of, remove_warm_starts
from .helpers import ROOT, EngineTest, problems, run_class

README = ROOT / "README.md"
COMMANDS = (
    "python3 -m pip install tox && tox run -e example",
    "python3 -m pip install tox && tox run",
)
SUFFIX = re.compile(r"-[0-9a-f]{8}\b")


class ReadmeTest(EngineTest):
    """Runs the README's Python blocks."""

    document = README
    least = 6

    def setUp(self) -> None:
        super().setUp()
        self.module = types.ModuleType("readme")
        self.enterContext(mock.patch.dict(sys.modules, readme=self.module))
        self.addCleanup(remove_warm_starts)
        self.enterContext(mock.patch("builtins.print"))

    def test_blocks(self) -> None:
        """Every block does what it shows."""
        blocks = blocks_of(self.document, "python", "text")
        self.assertGreaterEqual(len(blocks), self.least)
        last = Block("", "", self.document, 0)
        for block, following in pairwise([*blocks, last]):
            if block.language == "python":
                with self.subTest(line=block.line):
                    self.run_block(block, following)

    def run_block(self, block: Block, following: Block) -> None:
        classes = self.classes_of(block)
        results = [run_class(each) for each in classes]
        text = "\n".join(map(problems, results))
        if following.language == "text":
            self.assertIn(SUFFIX.sub("-…", following.text), SUFFIX.sub("-…", text))
            return
        self.assertEqual("", text)
        for case, result in zip(classes, results, strict=True):
            self.assertGreater(result.testsRun, 0, case)

    def classes_of(self, block: Block) -> list[type[unittest.TestCase]]:
        """Run a block, and return the test classes that it defines."""
        names = vars(self.module)
        before = dict(names)
        block.run(names)
        new = [value for name, value in names.items() if before.get(name) is not value]
        return [each for each in new if isinstance(each, type) and each.__module__ == "readme"]


class ImagesTest(ReadmeTest):
    """Runs the blocks of the page about images."""

    document = ROOT / "docs" / "images.md"
    least = 4


def rows_of(text: str) -> list[list[str]]:
    """The first two cells of a table's rows."""
    return [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `")]


class ReadmeTextTest(unittest.TestCase):
    """Compares the README's text with what it speaks of."""

    def setUp(self) -> None:
        self.text = README.read_text("utf-8")

    def test_first_page(self) -> None:
        """The first page has the code, then how to install it, then the two commands."""
        first_page = self.text.partition("\n## ")[0]
        wanted = ["```python\n", "pip install tcunit\n", *(f"```sh\n{each}\n" for each in COMMANDS)]
        places = [first_page.find(each) for each in wanted]
        self.assertNotIn(-1, places)
        self.assertEqual(sorted(places), places)

    def test_settings(self) -> None:
        """The page's table has every setting with all of its names, and no others."""
        known = {
            (each.variables, each.properties)
            for each in vars(settings).values()
            if isinstance(each, settings.Setting)
        }
        page = (ROOT / "docs" / "settings.md").read_text("utf-8")
        told = {tuple(tuple(re.findall("`(.+?)`", each)) for each in row) for row in rows_of(page)}
        self.assertEqual(known, told)
        here = self.text.partition("\n## Settings\n")[2].partition("\n## ")[0]
        named = [re.findall(r"`(\w+)", first)[0] for first, _ in rows_of(here)]
        self.assertGreater(len(named), 5)
        self.assertLessEqual(set(named), {name for variables, _ in known for name in variables})

    def test_links(self) -> None:
        """Every file, and every section, that it links to is there."""
        links = re.findall(r"\]\(([^):]+)\)", self.text)
        self.assertGreater(len(links), 1)
        titles = re.findall(r"^#+ (.+)$", self.text, re.MULTILINE)
        anchors = {"#" + re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in titles}
        lost = [each for each in links if each not in anchors and not (ROOT / each).is_file()]
        self.assertEqual([], lost)
        pages = {f"docs/{each.name}" for each in (ROOT / "docs").glob("*.md")}
        self.assertEqual(set(), pages - set(links))
