"""testcontainers-python, seen from outside: whether it is there, what its objects are, their parts.

It is never imported before one of its objects is to be started, and nothing of it is changed: what
is replaced are parts of the one object that is started.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DeclarationError

OLDEST = (4, 9)
INSTALL = "install it with: pip install 'tcunit[testcontainers]'"
CONTAINERS = "testcontainers.core.container"
NETWORKS = "testcontainers.core.network"
COMPOSE = "testcontainers.compose.compose"

STANDS_FOR_IT = "_tcunit_declaration"
"""The attribute of an object that has the declaration which stands for it."""

_one_at_a_time = threading.Lock()


def check_library() -> None:
    """Refuse to go on without testcontainers-python, or with one that is too old."""
    try:
        importlib.import_module(CONTAINERS)
    except ImportError as error:
        raise DeclarationError(
            f"testcontainers-python is needed to start one of its containers, but {error}: "
            f"{INSTALL}"
        ) from error
    from importlib.metadata import version as version_of

    version = version_of("testcontainers")
    numbers = [int(word) for word in version.split(".")[:2] if word.isdecimal()]
    if tuple(numbers) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise DeclarationError(
            f"testcontainers-python {version} is too old to be adapted, {oldest} is the oldest "
            f"that can be: {INSTALL}"
        )


def is_foreign(value: object) -> bool:
    """Whether something is a container of testcontainers-python."""
    module = sys.modules.get(CONTAINERS)
    return module is not None and isinstance(value, module.DockerContainer)


def is_idle(container: Any) -> bool:
    """Whether a container of the library was not started."""
    return container._container is None


def is_idle_network(value: Any) -> bool:
    """Whether something is a network of testcontainers-python that was not created."""
    module = sys.modules.get(NETWORKS)
    return module is not None and isinstance(value, module.Network) and value._network is None


def is_compose(value: Any) -> bool:
    """Whether something is a ``DockerCompose`` of testcontainers-python."""
    module = sys.modules.get(COMPOSE)
    return module is not None and isinstance(value, module.DockerCompose)


def twin_of(thing: Any) -> Any:
    """A copy of an object of the library that can be started beside it."""
    twin = copy.copy(thing)
    vars(twin).pop(STANDS_FOR_IT, None)
    own = {
        name: copy.copy(value)
        for name, value in vars(twin).items()
        if type(value) in (dict, list, set)
    }
    vars(twin).update(own)
    return twin


def copied_by(container: Any) -> dict[str, str]:
    """The files and folders here that it copies in before its start, by their place in it."""
    specs = getattr(container, "_transferable_specs", ())  # since 4.14 there
    return {
        f"{place.rstrip('/')}/{source.name}" if source.is_dir() else place: str(source.absolute())
        for source, place, *_ in specs
        if isinstance(source, Path)
    }


@contextlib.contextmanager
def making() -> Iterator[None]:
    """Let an object of the library be made; it would leave ``DOCKER_HOST`` set."""
    with _one_at_a_time:
        before = os.environ.get("DOCKER_HOST")
        try:
            yield
        finally:
            if before is None:
                os.environ.pop("DOCKER_HOST", None)
            else:
                os.environ["DOCKER_HOST"] = before


def without_prefix(image: str) -> str:
    """An image's name as it was written, before the library put its prefix there."""
    config = importlib.import_module("testcontainers.core.config").testcontainers_config
    prefix = getattr(config, "hub_image_name_prefix", "")  # since 4.15 there
    return str(image).removeprefix(prefix)


class Unreaped(str):
    """An image's name that counts as Ryuk's own, and nothing else is different.

    The library starts its Ryuk, once for the process, before any image that is ``!=`` Ryuk's. Ours
    watches this container already, and the library's setting is not ours to change.
    """

    def __ne__(self, other: object) -> bool:
        config = importlib.import_module("testcontainers.core.config").testcontainers_config
        return other != config.ryuk_image and super().__ne__(other)


def network_given(given: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    """The network and the aliases in what the library passes on to the SDK."""
    network = given.get("network")
    config = (given.get("networking_config") or {}).get(network) or {}
    return network, tuple(config.get("Aliases") or ())
