"""Names of images: which registry a name means, and what a declared name becomes.

The rule for "has a registry" is Docker's: the first part, if there is more than one, holds a dot,
a colon or a capital, or is ``localhost``. What is declared goes through the substitution hook, if
there is one, and then under the prefix, if it names no registry; so does every image that tcunit
itself needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .errors import DeclarationError, SettingError
from .settings import IMAGE_PREFIX, IMAGE_SUBSTITUTION, PULL_POLICIES, Settings

Substitution = Callable[[str], str]

_ID = r"(?:sha256:)?[0-9a-f]{64}"
_substitution: Substitution | None = None


def has_registry(name: str) -> bool:
    """Whether an image name says which registry it comes from."""
    first, slash, _ = name.partition("/")
    return bool(slash) and (
        "." in first or ":" in first or first == "localhost" or first != first.lower()
    )


def is_id(name: str) -> bool:
    """Whether it is no name but the whole id of an image."""
    return re.fullmatch(_ID, name) is not None


def has_digest(name: str) -> bool:
    """Whether it names contents that cannot change."""
    return "@sha256:" in name


def with_tag(name: str) -> str:
    """The name with the tag that Docker would assume (``:latest``) if it has none."""
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in name else f"{name}:latest"


def with_prefix(name: str, prefix: str) -> str:
    """The name under a prefix, if it names no registry of its own."""
    if not prefix or has_registry(name) or is_id(name) or name.startswith("sha256:"):
        return name
    return f"{prefix.rstrip('/')}/{name}"


def short_name(name: str) -> str:
    """The last word of a name, without registry, path, tag and digest."""
    return name.rpartition("/")[2].partition(":")[0].partition("@")[0]


def check_pull_policy(policy: str) -> None:
    """Refuse what is no pull policy; an empty one means that of the settings."""
    if policy and policy not in PULL_POLICIES:
        raise DeclarationError(
            f"{policy!r} is no pull policy: choose from {', '.join(PULL_POLICIES)}"
        )


def without_default_registry(name: str) -> str:
    """A name without what Podman puts before one that names no registry."""
    for start in ("docker.io/library/", "docker.io/", "localhost/"):
        if name.startswith(start):
            return name.removeprefix(start)
    return name


def resolved_name(name: str, settings: Settings) -> str:
    """The name that an image is looked for by: substituted, then under the prefix.

    Raises:
        SettingError: the substitution hook cannot be had, or did not give a name.
    """
    return with_prefix(_substituted(name, settings), settings.get(IMAGE_PREFIX))


def set_image_substitution(hook: Substitution | None) -> None:
    """Have every image's name go through a hook, Ryuk's included: it takes a name and returns one.

    It takes the place of the one that ``TCUNIT_IMAGE_SUBSTITUTION`` names; ``None`` takes it away.
    """
    global _substitution
    if hook is not None and not callable(hook):
        raise SettingError(f"{hook!r} is no substitution hook: give a callable that takes a name")
    _substitution = hook


def _substituted(name: str, settings: Settings) -> str:
    hook, source = _hook(settings)
    if hook is None:
        return name
    try:
        result = hook(name)
    except Exception as error:
        raise SettingError(
            f"{source} failed for {name!r}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(result, str) or not result or result.split() != [result]:
        raise SettingError(f"{source} gave {result!r} for {name!r}: it must return an image's name")
    return result


def _hook(settings: Settings) -> tuple[Substitution | None, str]:
    """The hook that holds now, and how messages call it."""
    if _substitution is not None:
        called = getattr(_substitution, "__qualname__", repr(_substitution))
        return _substitution, f"the image substitution {called}"
    found = settings.find(IMAGE_SUBSTITUTION)
    if not found.value:
        return None, ""
    source = f"the image substitution {found.value!r} of {found.source}"
    return _imported(found.value, source), source


def _imported(path: str, source: str) -> Substitution:
    import importlib

    module, colon, attribute = path.partition(":")
    if not colon or not module or not attribute:
        raise SettingError(f"{source}: write it as 'package.module:function'")
    try:
        found = importlib.import_module(module)
        for word in attribute.split("."):
            found = getattr(found, word)
    except Exception as error:
        raise SettingError(
            f"{source} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not callable(found):
        raise SettingError(f"{source} is a {type(found).__name__}: name a function")
    hook: Substitution = found
    return hook
