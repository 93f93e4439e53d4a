"""The session: whose resources these are, and how they are named and labelled.

A session belongs to one process: a forked child gets one of its own as soon as it asks. Nothing is
ever removed that lacks our session's label or bears another name than its name label says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ._version import __version__
from .errors import DeclarationError

LABEL_ROOT = "org.testcontainers"
SESSION_LABEL = f"{LABEL_ROOT}.session-id"
NAME_LABEL = f"{LABEL_ROOT}.name"
OWN_LABEL = f"{LABEL_ROOT}.tcunit.own"  # both in one
REUSE_LABEL = f"{LABEL_ROOT}.reuse-hash"
PLACE_LABEL = f"{LABEL_ROOT}.reuse-place"
WARM_LABEL = f"{LABEL_ROOT}.warm-start"
CONTENT_LABEL = f"{LABEL_ROOT}.tcunit.content"
SOURCE_LABEL = f"{LABEL_ROOT}.tcunit.source"
ALIAS_LABEL = f"{LABEL_ROOT}.tcunit.alias"
PROJECT_LABEL = "com.docker.compose.project"  # Compose's own, on all that it creates
LONGEST_NAME = 63  # of a DNS label, because a container's name is one

_OF_SERVICE = r"-\d+|-run-[0-9a-f]+"

_sessions: dict[int, str] = {}


def session_id() -> str:
    """The id of this process's session."""
    return _sessions.setdefault(os.getpid(), os.urandom(16).hex())


def labels(name: str) -> dict[str, str]:
    """The labels of a resource of this session."""
    session = session_id()
    return {**_common_labels(name), SESSION_LABEL: session, OWN_LABEL: own(session, name)}


def own(session: str, name: str) -> str:
    """Session and name in one label's value, for who looks for both.

    Asked for two labels, Podman lists volumes that have only one of them.
    """
    return f"{session}/{name}"


def shared_labels(name: str, declaration: str, place: str) -> dict[str, str]:
    """The labels of a resource that belongs to no session, because processes share it.

    Args:
        declaration: the hash of what was declared.
        place: where it was declared first; empty if that is not known.
    """
    where = {PLACE_LABEL: place} if place else {}
    return {**_common_labels(name), REUSE_LABEL: declaration, **where}


def _common_labels(name: str) -> dict[str, str]:
    return {
        LABEL_ROOT: "true",
        NAME_LABEL: name,
        f"{LABEL_ROOT}.lang": "python",
        f"{LABEL_ROOT}.version": __version__,
    }


def is_ours(name: str, found: Mapping[str, str]) -> bool:
    """Whether labels say that a resource is this session's and was not only copied from one."""
    return found.get(SESSION_LABEL) == session_id() and bears_its_name(name, found)


def bears_its_name(name: str, found: Mapping[str, str]) -> bool:
    """Whether a resource has the name that its labels say, which a copy of its labels has not.

    The containers of a Compose service share their labels: their names are the service's and a
    number.
    """
    own = found.get(NAME_LABEL)
    if own is None or not found.get(PROJECT_LABEL):
        return own == name
    own, name = own.replace("_", "-"), name.replace("_", "-")  # Compose has used both
    return own == name or (
        name.startswith(own) and bool(re.fullmatch(_OF_SERVICE, name[len(own) :]))
    )


def check_labels(given: Mapping[str, str]) -> None:
    """Refuse labels in the namespace by which resources are found again."""
    for key in given:
        if key == LABEL_ROOT or key.startswith(f"{LABEL_ROOT}."):
            raise DeclarationError(
                f"the label {key!r} is reserved, because clean-up goes by it: choose a name "
                f"outside {LABEL_ROOT}"
            )


def resource_name(owner: str, attribute: str, longest: int = LONGEST_NAME) -> str:
    """A new name that says where a resource comes from: ``tcunit-ShopTest-db-3f2a9c1e``."""
    return _named(owner, attribute, os.urandom(4).hex(), longest)


def shared_name(stem: str, declaration: str) -> str:
    """The name of what processes share, the same for all of them: ``tcunit-shared-redis-3f2a…``."""
    return _named("shared", stem, declaration[:12])


def _named(owner: str, attribute: str, suffix: str, longest: int = LONGEST_NAME) -> str:
    owner, attribute = (
        re.sub(r"[^a-zA-Z0-9_]+", "-", word).strip("-") for word in (owner, attribute)
    )
    longest -= len(suffix) + 1
    # A long class name gives way to the attribute's, which tells more of two resources.
    room = max(longest - len(f"tcunit--{attribute}"), 0)
    stem = "-".join(filter(None, ["tcunit", owner[:room].rstrip("-"), attribute]))
    return f"{stem[:longest]}-{suffix}"
