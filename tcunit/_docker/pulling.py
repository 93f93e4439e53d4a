"""Pulling one image: with credentials, several times where that may help, and for all to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import EngineError, ImageNotFound
from ..masking import Secrets
from ..progress import Layers, Task, board
from ..settings import Settings
from .auth import Credentials, credentials_for
from .refusals import translated
from .streams import posted
from .transient import persistently

if TYPE_CHECKING:
    import docker


def pull(
    client: docker.DockerClient,
    name: str,
    platform: str,
    settings: Settings,
    is_cancelled: Callable[[], bool],
) -> None:
    """Pull an image.

    Raises:
        ImageNotFound: it cannot be had; says why, without secrets.
        StartCancelled: it is not wanted any more.
    """
    with translated(f"pulling {name}"):
        from docker.auth import resolve_repository_name

        registry, _ = resolve_repository_name(name)
    credentials = credentials_for(registry, settings)

    def once() -> None:
        with board.task("pulling", "pulled", name) as task:
            _pull_once(client, name, platform, credentials, task, is_cancelled)

    try:
        persistently(once, is_cancelled)
    except EngineError as error:
        # Without the SDK's errors behind it, whose frames hold the credentials.
        said = Secrets().mask(str(error))
        hint = f" ({credentials.about})" if _is_denied(said) else ""
        if "server gave HTTP response to HTTPS client" in said:
            hint = " (it has no TLS: tell the engine that it is an insecure registry)"
        raise ImageNotFound(no_image(name, f"{said}{hint}")) from None


def no_image(name: str, reason: str) -> str:
    """What to say of an image that cannot be had."""
    return (
        f"the image {name} is not on the engine and cannot be pulled: {reason.rstrip('.')}. Check "
        f"the name and the tag; behind a registry mirror, set TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX."
    )


def _pull_once(
    client: docker.DockerClient,
    name: str,
    platform: str,
    credentials: Credentials,
    task: Task,
    is_cancelled: Callable[[], bool],
) -> None:
    repository, _, tag = name.rpartition("@" if "@" in name else ":")
    params = {"fromImage": repository, "tag": tag}
    params |= {"platform": platform} if platform else {}
    layers = Layers()
    with posted(
        client.api, "images/create", f"pulling {name}",
        params=params, headers=credentials.headers(), is_cancelled=is_cancelled,
    ) as lines:  # fmt: skip
        for line in lines:
            if "error" in line:
                raise EngineError(f"pulling {name}: {line['error']}")
            layers.note(line)
            task.at("", layers.done, layers.total)
    task.result = f"{layers.total / 1e6:.1f} MB" if layers.total else ""


def _is_denied(said: str) -> bool:
    said = said.lower()
    return any(word in said for word in ("denied", "unauthorized", "authentication", "basic auth"))
