"""Names of images."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from tcunit.images import has_registry, with_prefix, with_tag

WORDS = st.text("abz019_-", min_size=1, max_size=12)
HUB_NAMES = st.lists(WORDS, min_size=1, max_size=3).map("/".join)
TAGS = st.text("abAB019_.-", min_size=1, max_size=8)
REGISTRIES = st.sampled_from(["ghcr.io", "localhost", "localhost:5000", "10.0.0.1:80", "host:443"])
DIGEST = "sha256:" + "a" * 64


class RegistryTest(unittest.TestCase):
    """Which registry a name means."""

    def test_examples(self) -> None:
        """The first part is a registry if it has a dot or a colon, or is localhost."""
        for name, expected in [
            ("redis", False),
            ("redis:7.2", False),
            ("library/redis:7.2", False),
            ("my.name", False),
            ("user/my.image:1.0", False),
            ("localhost", False),
            ("localhost/redis", True),
            ("localhost:5000/redis", True),
            ("ghcr.io/user/redis", True),
            ("quay.io/redis@" + DIGEST, True),
            ("redis@" + DIGEST, False),
            ("", False),
        ]:
            with self.subTest(name=name):
                self.assertEqual(expected, has_registry(name))

    @given(HUB_NAMES)
    def test_names_of_the_hub_have_none(self, name: str) -> None:
        """Names without a dot or colon in the first part mean the default registry."""
        self.assertFalse(has_registry(name))

    @given(REGISTRIES, HUB_NAMES)
    def test_a_registry_is_seen(self, registry: str, name: str) -> None:
        """A registry in front of any name is one."""
        self.assertTrue(has_registry(f"{registry}/{name}"))


class TagTest(unittest.TestCase):
    """The tag that Docker assumes."""

    def test_examples(self) -> None:
        """The port of a registry is no tag; a digest or an id needs none."""
        for name, expected in [
            ("redis", "redis:latest"),
            ("redis:7", "redis:7"),
            ("localhost:5000/redis", "localhost:5000/redis:latest"),
            ("localhost:5000/redis:7", "localhost:5000/redis:7"),
            ("redis@" + DIGEST, "redis@" + DIGEST),
            ("redis:7@" + DIGEST, "redis:7@" + DIGEST),
            (DIGEST, DIGEST),
        ]:
            with self.subTest(name=name):
                self.assertEqual(expected, with_tag(name))

    @given(HUB_NAMES, TAGS)
    def test_a_given_tag_stays(self, name: str, tag: str) -> None:
        """A name with a tag is left as it is, and a second reading changes nothing."""
        self.assertEqual(f"{name}:{tag}", with_tag(f"{name}:{tag}"))
        self.assertEqual(with_tag(name), with_tag(with_tag(name)))


class PrefixTest(unittest.TestCase):
    """The prefix for names that name no registry."""

    def test_examples(self) -> None:
        """It is put before names of the default registry only, with one slash between."""
        for name, prefix, expected in [
            ("redis", "", "redis"),
            ("redis", "mirror.local", "mirror.local/redis"),
            ("redis:7", "mirror.local/", "mirror.local/redis:7"),
            ("user/app", "mirror.local/hub//", "mirror.local/hub/user/app"),
            ("ghcr.io/user/app", "mirror.local", "ghcr.io/user/app"),
            ("localhost:5000/app", "mirror.local", "localhost:5000/app"),
            (DIGEST, "mirror.local", DIGEST),
        ]:
            with self.subTest(name=name, prefix=prefix):
                self.assertEqual(expected, with_prefix(name, prefix))

    @given(HUB_NAMES, REGISTRIES)
    def test_it_is_put_once(self, name: str, prefix: str) -> None:
        """A name that has got the prefix names a registry, so it gets no second one."""
        once = with_prefix(name, prefix)
        self.assertEqual((f"{prefix}/{name}", once), (once, with_prefix(once, prefix)))
