"""Names of images: which registry a name means, and the prefix for those that name none.

The rule for "has a registry" is Docker's: the first part, if there is more than one, holds a dot
or a colon, or is ``localhost``.
"""

from __future__ import annotations


def has_registry(name: str) -> bool:
    """Whether an image name says which registry it comes from."""
    first, slash, _ = name.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def with_tag(name: str) -> str:
    """The name with the tag that Docker would assume (``:latest``) if it has none."""
    last = name.rpartition("/")[2]
    return name if ":" in last or "@" in name else f"{name}:latest"


def with_prefix(name: str, prefix: str) -> str:
    """The name under a prefix, if it names no registry of its own."""
    if not prefix or has_registry(name) or name.startswith("sha256:"):
        return name
    return f"{prefix.rstrip('/')}/{name}"


def short_name(name: str) -> str:
    """The last word of a name, without registry, path, tag and digest."""
    return name.rpartition("/")[2].partition(":")[0].partition("@")[0]
