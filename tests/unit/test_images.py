"""Names of images."""

from __future__ import annotations

import unittest
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tcunit.errors import SettingError
from tcunit.images import (
    has_registry,
    resolved_name,
    set_image_substitution,
    with_prefix,
    with_tag,
)
from tcunit.settings import Settings

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
            ("docker.io/library/redis", True),
            ("[::1]:5000/redis", True),
            ("Registry/redis", True),
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


class SubstitutionTest(unittest.TestCase):
    """The hook that every name goes through."""

    def setUp(self) -> None:
        self.addCleanup(set_image_substitution, None)

    def resolved(self, name: str, **environ: str) -> str:
        """What a name becomes."""
        return resolved_name(name, Settings(environ, Path("/nonexistent")))

    def test_none(self) -> None:
        """Without one, a name only gets the prefix."""
        self.assertEqual("redis", self.resolved("redis"))
        prefix = {"TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX": "mirror.local"}
        self.assertEqual("mirror.local/redis", self.resolved("redis", **prefix))

    def test_by_a_setting(self) -> None:
        """It is imported by its name, methods of classes included."""
        for hook in (f"{__name__}:mirrored", f"{__name__}:Hooks.mirrored"):
            with self.subTest(hook=hook):
                found = self.resolved("redis:7", TCUNIT_IMAGE_SUBSTITUTION=hook)
                self.assertEqual("ghcr.io/mirror/redis:7", found)

    def test_by_code(self) -> None:
        """One that is set holds instead of the setting, until it is taken away."""
        setting = {"TCUNIT_IMAGE_SUBSTITUTION": f"{__name__}:mirrored"}
        set_image_substitution(lambda name: f"{name}-slim")
        self.assertEqual("redis-slim", self.resolved("redis", **setting))
        set_image_substitution(None)
        self.assertEqual("ghcr.io/mirror/redis", self.resolved("redis", **setting))
        with self.assertRaisesRegex(SettingError, "'redis' is no substitution hook"):
            set_image_substitution("redis")  # type: ignore[arg-type]

    def test_the_prefix_comes_after(self) -> None:
        """The hook sees the declared name; the prefix comes before what names no registry then."""
        prefix = {"TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX": "mirror.local"}
        seen: list[str] = []
        for result, expected in [("tea", "mirror.local/tea"), ("ghcr.io/tea", "ghcr.io/tea")]:
            set_image_substitution(lambda name, result=result: seen.append(name) or result)
            self.assertEqual(expected, self.resolved("redis", **prefix))
        self.assertEqual(["redis", "redis"], seen)

    def test_wrong_ones(self) -> None:
        """An error names the hook, where it was set, and what is wrong with it."""
        for hook, expected in [
            ("mirrored", "'mirrored' of TCUNIT_IMAGE_SUBSTITUTION: write it as 'package.module:f"),
            ("no.such:hook", "cannot be imported: ModuleNotFoundError: No module named 'no'"),
            (f"{__name__}:no_such", "cannot be imported: AttributeError: "),
            (f"{__name__}:DIGEST", "is a str: name a function"),
            (f"{__name__}:failing", "failing' of TCUNIT_IMAGE_SUBSTITUTION failed for 'redis': Z"),
            (f"{__name__}:forgetful", "gave None for 'redis': it must return an image's name"),
        ]:
            with self.subTest(hook=hook), self.assertRaisesRegex(SettingError, expected):
                self.resolved("redis", TCUNIT_IMAGE_SUBSTITUTION=hook)


def mirrored(name: str) -> str:
    """A hook."""
    return f"ghcr.io/mirror/{name}"


class Hooks:
    """A place for hooks."""

    mirrored = staticmethod(mirrored)


def failing(name: str) -> str:
    """A hook that has an error."""
    return name[: 1 // 0]


def forgetful(name: str) -> None:
    """A hook without a return."""


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
            ("a" * 64, "mirror.local", "a" * 64),
            ("docker.io/library/redis", "mirror.local", "docker.io/library/redis"),
            ("localhost/redis", "mirror.local", "localhost/redis"),
        ]:
            with self.subTest(name=name, prefix=prefix):
                self.assertEqual(expected, with_prefix(name, prefix))

    @given(HUB_NAMES, REGISTRIES)
    def test_it_is_put_once(self, name: str, prefix: str) -> None:
        """A name that has got the prefix names a registry, so it gets no second one."""
        once = with_prefix(name, prefix)
        self.assertEqual((f"{prefix}/{name}", once), (once, with_prefix(once, prefix)))
