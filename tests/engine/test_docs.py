"""The pages in ``docs`` tell the truth: their Python blocks run in order, and their tests pass."""

from __future__ import annotations

import sys
import types
import unittest
from pathlib import Path
from unittest import mock

from .documents import blocks_of
from .helpers import ROOT, EngineTest

PAGES = ("asyncio.md",)


class DocsTest(EngineTest):
    """Runs the Python blocks of the pages, each page in a module of its own."""

    def test_blocks(self) -> None:
        """Every block runs, and every test that it defines passes."""
        for name in PAGES:
            module = types.ModuleType("page")
            with mock.patch.dict(sys.modules, page=module), mock.patch("builtins.print"):
                self.assertGreater(self.run_page(ROOT / "docs" / name, module), 0, name)

    def run_page(self, page: Path, module: types.ModuleType) -> int:
        """Run the blocks of a page; how many tests there were."""
        count = 0
        for block in blocks_of(page, "python"):
            with self.subTest(page=page.name, line=block.line):
                before = dict(vars(module))
                block.run(vars(module))
                new = [each for name, each in vars(module).items() if before.get(name) is not each]
                for each in new:
                    if isinstance(each, type) and issubclass(each, unittest.TestCase):
                        if each.__module__ == "page":
                            count += self.assert_passes(each).testsRun
        return count
