"""The documents tell the truth: their Python blocks run in order and their tests pass, and so do
the commands that they show.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import tcunit
import tcunit.modules
from tcunit import settings

from .documents import blocks_of, remove_warm_starts
from .helpers import ROOT, EngineTest

DOCS = ROOT / "docs"
OURS = {**{name: getattr(tcunit, name) for name in tcunit.__all__}, "modules": tcunit.modules}
# The README and the page about images have errors that must come, too, and that about Django has
# parts of a project: see test_readme and test_django.
ELSEWHERE = {"django.md", "images.md"}
# What the test command of the README does itself, and what the test of the wheel does.
BY_CI = ("python3 -m pip install tox", "pip install tcunit")


class DocsTest(EngineTest):
    """Runs the Python blocks of the pages, each page in a module of its own."""

    def test_blocks(self) -> None:
        """Every block runs, and every test that it defines passes."""
        pages = [page for page in DOCS.glob("*.md") if page.name not in ELSEWHERE]
        pages = [page for page in pages if blocks_of(page, "python")]
        self.assertGreater(len(pages), 5)
        self.enterContext(contextlib.chdir(ROOT))
        self.addCleanup(remove_warm_starts)
        for page in pages:
            module = types.ModuleType("page")
            with mock.patch.dict(sys.modules, page=module), mock.patch("builtins.print"):
                self.assertGreater(self.run_page(page, module), 0, page.name)

    def run_page(self, page: Path, module: types.ModuleType) -> int:
        """Run the blocks of a page; how many tests there were."""
        count = 0
        for block in blocks_of(page, "python"):
            with self.subTest(page=page.name, line=block.line):
                before = dict(vars(module))
                block.run(vars(module))
                new = [each for name, each in vars(module).items() if before.get(name) is not each]
                for each in new:
                    if isinstance(each, type) and each.__module__ == "page":
                        if unittest.TestLoader().getTestCaseNames(each):
                            count += self.assert_passes(each).testsRun
        return count


class CommandsTest(EngineTest):
    """Runs the shell blocks of the README and the pages, in a folder with some examples."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("django_project", "first", "measured", "shop"):
            shutil.copytree(ROOT / "examples" / name, self.folder / "examples" / name)
        (self.folder / "examples" / "__init__.py").touch()
        # What a command runs is not the question here, so it may be small.
        small = self.folder / "examples/first/test_first.py"
        shutil.copy(small, self.folder / "examples/shop/test_shop.py")
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        sources = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.environ = {**os.environ, "PATH": programs, "PYTHONPATH": sources}

    def test_commands(self) -> None:
        """Each ends well, and what runs tests runs some."""
        for document in (ROOT / "README.md", *DOCS.glob("*.md")):
            for block in blocks_of(document, "sh"):
                if not block.text.startswith(BY_CI):
                    with self.subTest(document=document.name, line=block.line):
                        self.run_commands(block.text)

    def run_commands(self, text: str) -> None:
        done = subprocess.run(
            ["bash", "-e", "-c", text],
            cwd=self.folder, env=self.environ, timeout=240, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.assertEqual(0, done.returncode, done.stdout)
        for none in ("Ran 0 tests", "NO TESTS RAN", "Found 0 test", "collected 0 items"):
            self.assertNotIn(none, done.stdout)
        self.assertEqual([], re.findall(r"\b(?:skipped|failed|errors?)=\d+", done.stdout))


class LinksTest(unittest.TestCase):
    """The pages' links lead somewhere."""

    def test_links(self) -> None:
        """Every file that a page links to is there, and so is the section in it."""
        for page in DOCS.glob("*.md"):
            for link in re.findall(r"\]\(([^):]+)\)", page.read_text("utf-8")):
                with self.subTest(page=page.name, link=link):
                    file, _, section = link.partition("#")
                    target = (page.parent / file).resolve() if file else page
                    self.assertTrue(target.is_file())
                    titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
                    anchors = [re.sub(r"[^\w -]", "", each).lower() for each in titles]
                    if section:
                        self.assertIn(section, [each.replace(" ", "-") for each in anchors])


class NamesTest(unittest.TestCase):
    """The table for those who come from testcontainers-python."""

    text = (DOCS / "testcontainers-python.md").read_text("utf-8")

    def test_names(self) -> None:
        """Each name on the left is the library's, and each on the right is ours."""
        table = self.text.partition("<!-- names -->")[2].partition("<!-- names, end -->")[0]
        rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| `")]
        self.assertGreater(len(rows), 30)
        for theirs, ours, differs in rows:
            with self.subTest(theirs=theirs.strip()):
                look_up(self.library(), theirs.strip(" `"))
                path = ours.strip(" `")
                found = look_up(OURS, path)
                owner = found if isinstance(found, type) else look_up(OURS, path.rpartition(".")[0])
                for name in re.findall(r"`(\w+)\(\)`", differs):
                    self.assertTrue(hasattr(owner, name), name)

    def library(self) -> dict[str, Any]:
        """The names of testcontainers-python."""
        from testcontainers import compose
        from testcontainers.community import postgres, redis
        from testcontainers.core import container, image, network, wait_strategies, waiting_utils

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from testcontainers.community import nginx
        found: dict[str, Any] = {}
        parts = (waiting_utils, wait_strategies, container, image, network, compose)
        for each in (*parts, postgres, redis, nginx):
            found.update(vars(each))
        return found

    def test_settings(self) -> None:
        """The settings that are said to be the same, and ours that are named, are there."""
        rows = self.text.partition("| environment variable or property")[2].splitlines()
        known = {
            name
            for each in vars(settings).values()
            if isinstance(each, settings.Setting)
            for name in each.variables
        }
        same = next(row for row in rows if "| the same" in row)
        named = re.findall(r"`(\w+)`", same.split("|")[1])
        self.assertGreater(len(named), 5)
        for name in [*named, *re.findall(r"`(TCUNIT_\w+)`", self.text)]:
            self.assertIn(name, known)


def look_up(names: dict[str, Any], path: str) -> Any:
    """What a dotted name means; raises where there is nothing."""
    first, *rest = path.split(".")
    found = names[first]
    for name in rest:
        found = getattr(found, name)
    return found
