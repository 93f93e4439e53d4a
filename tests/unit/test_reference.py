"""The API reference is what the code says; ``TCUNIT_WRITE_TABLE=1`` writes it anew."""

from __future__ import annotations

import os
import unittest

import tcunit
from tcunit import errors, modules, wait
from tests.reference import OF_THE_LIFECYCLE, PAGE, page


class ReferenceTest(unittest.TestCase):
    """``docs/reference.md``."""

    def test_is_up_to_date(self) -> None:
        """It is what would be written now."""
        text = page()
        if os.environ.get("TCUNIT_WRITE_TABLE"):
            PAGE.write_text(text, "utf-8")
        is_same = text == PAGE.read_text("utf-8")
        self.assertTrue(is_same, "docs/reference.md is out of date: python -m tests.reference")

    def test_has_every_public_name(self) -> None:
        """All of ``__all__``, and each with a text."""
        entries = dict(each.split("\n", 1) for each in page().split("\n### ")[1:])
        names = {*tcunit.__all__, *modules.__all__, *wait.__all__} - {
            "__version__",
            "errors",
            "wait",
        }
        tree = {name for name in vars(errors) if name in errors.__doc__ and name[0].isupper()}
        self.assertGreater(len(tree), 15)
        self.assertLessEqual(names | tree - {"Sequence", "Any"}, set(entries))
        empty = [name for name, text in entries.items() if len(text.strip().splitlines()) < 1]
        self.assertEqual([], empty)

    def test_what_is_left_out(self) -> None:
        """What the class fixture calls is no part of it, and each name of that list exists."""
        self.assertEqual(set(), OF_THE_LIFECYCLE - set(dir(tcunit.DockerContainer)))
