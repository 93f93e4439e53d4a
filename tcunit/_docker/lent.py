"""An engine's client, lent to a library that makes calls of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import docker


def lent(client: docker.DockerClient, before_call: Callable[[], object]) -> docker.DockerClient:
    """The same client, for somebody who may not close it.

    Args:
        before_call: is called before each call to the engine; what it raises ends the call.
    """
    import docker

    class Lent(docker.DockerClient):
        def __init__(self) -> None:
            """Open nothing."""

        def __getattribute__(self, name: str) -> Any:
            if name == "api":
                before_call()
                return client.api
            return super().__getattribute__(name)

        def close(self) -> None:
            """Leave it open: others use it."""

    return Lent()
