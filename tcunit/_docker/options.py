"""Options of the SDK, checked by name before they are passed on."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ..errors import DeclarationError

Json = dict[str, Any]


def parameters(call: Callable[..., Any]) -> frozenset[str]:
    """The names of what a call of the SDK takes."""
    return frozenset(inspect.signature(call).parameters)


def refuse_unknown(options: Mapping[str, Any], known: frozenset[str], kind: str) -> None:
    """Refuse an option that the SDK does not know, and name the nearest that it does."""
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise DeclarationError(f"the Docker SDK has no {kind} option {name!r}{hint}")


@cache
def _option_names() -> tuple[frozenset[str], frozenset[str]]:
    from docker.api.container import ContainerApiMixin
    from docker.types import HostConfig

    host = set(inspect.signature(HostConfig.__init__).parameters) - {"self", "version"}
    create = set(inspect.signature(ContainerApiMixin.create_container).parameters) - {"self"}
    create -= {"runtime"}  # there the engine takes no notice of it
    return frozenset(host), frozenset(create)


def split_options(options: Mapping[str, Any]) -> tuple[Json, Json]:
    """Part options into those of the host configuration and those of the container itself.

    Raises:
        DeclarationError: the SDK knows no such option; names the nearest it knows.
    """
    host, create = _option_names()
    refuse_unknown(options, host | create, "container")
    return (
        {name: value for name, value in options.items() if name in host},
        {name: value for name, value in options.items() if name in create},
    )


def env_file(path: str) -> dict[str, str]:
    """The variables in a file, as ``docker run --env-file`` reads it.

    Raises:
        DeclarationError: it cannot be read, or has a line that is none.
    """
    from docker.errors import DockerException
    from docker.utils import parse_env_file

    try:
        found: dict[str, str] = parse_env_file(path)
    except DockerException:
        # The SDK's message shows the line, which may hold a password.
        raise DeclarationError(
            f"the environment file {path} has a line without '=': write each as NAME=value"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"the environment file {path} cannot be read: {error}") from error
    found = {name.removeprefix("\ufeff"): value for name, value in found.items()}
    if any(name.split() != [name] for name in found):
        raise DeclarationError(
            f"the environment file {path} has a line with no name, or a space, before its '=': "
            f"write each as NAME=value, without 'export'"
        )
    return found
