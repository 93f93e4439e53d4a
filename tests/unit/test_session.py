"""Session id, names and labels."""

from __future__ import annotations

import re
import unittest
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tcunit import _session
from tcunit.errors import DeclarationError
from tcunit.request import NAME


class SessionTest(unittest.TestCase):
    """Whose resources these are."""

    def test_one_id_for_a_process(self) -> None:
        """The id stays the same within a process, and another process has another."""
        ours = _session.session_id()
        self.assertEqual(ours, _session.session_id())
        with mock.patch.dict(_session._sessions), mock.patch("os.getpid", return_value=-1):
            self.assertNotEqual(ours, _session.session_id())

    def test_our_labels_are_ours(self) -> None:
        """A resource is ours if it has our session's label and its own name in the name label."""
        labels = _session.labels("tcunit-a-1")
        self.assertTrue(_session.is_ours("tcunit-a-1", labels))

    def test_copied_labels_are_not_ours(self) -> None:
        """Another name, another session or a missing label: none of them is ours."""
        labels = _session.labels("a")
        for name, found in [
            ("b", labels),
            ("a", {**labels, _session.SESSION_LABEL: "another"}),
            ("a", {key: labels[key] for key in labels if key != _session.NAME_LABEL}),
            ("a", {key: labels[key] for key in labels if key != _session.SESSION_LABEL}),
            ("a", {}),
        ]:
            with self.subTest(name=name, found=found):
                self.assertFalse(_session.is_ours(name, found))

    def test_reserved_labels(self) -> None:
        """Labels of the namespace that clean-up goes by are refused; its neighbours are not."""
        for key in ("org.testcontainers", "org.testcontainers.session-id", "org.testcontainers.x"):
            with self.subTest(key=key), self.assertRaisesRegex(DeclarationError, re.escape(key)):
                _session.check_labels({"fine": "1", key: "x"})
        _session.check_labels({"org.testcontainersx": "1", "org": "2", "": "3"})


class ResourceNameTest(unittest.TestCase):
    """Names that say where a resource comes from."""

    def test_it_reads_as_its_origin(self) -> None:
        """Class and attribute are in it, in this order."""
        self.assertRegex(
            _session.resource_name("ShopTest", "db"), r"^tcunit-ShopTest-db-[0-9a-f]{8}$"
        )

    def test_a_part_may_be_missing(self) -> None:
        """No class, no attribute, or a name of a local class leave no double separators."""
        for owner, attribute, stem in [
            ("", "redis", "tcunit-redis"),
            ("Shop", "", "tcunit-Shop"),
            ("", "", "tcunit"),
            ("f.<locals>.Shop", "db", "tcunit-f-locals-Shop-db"),
        ]:
            with self.subTest(owner=owner, attribute=attribute):
                name = _session.resource_name(owner, attribute)
                self.assertRegex(name, rf"^{re.escape(stem)}-[0-9a-f]{{8}}$")

    @given(st.text(max_size=100), st.text(max_size=100))
    def test_every_name_is_one_for_the_engine_and_for_dns(self, owner: str, attr: str) -> None:
        """Whatever the parts are, it is a name for the engine, fits a DNS label and is new."""
        names = [_session.resource_name(owner, attr) for _ in range(2)]
        self.assertEqual(2, len(set(names)))
        for name in names:
            self.assertLessEqual(len(name), 63)
            self.assertIsNotNone(re.fullmatch(NAME, name))
