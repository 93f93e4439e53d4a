"""Files of containers, which the engine takes and gives as tar archives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from .refusals import refuse_answer, translated

if TYPE_CHECKING:
    import docker

CHUNK = 1 << 16
SYMLINK = 1 << 27  # in a mode, as the language Go has them


class Archives:
    """The engine's calls about files; a container need not run, nor have a shell."""

    client: docker.DockerClient
    is_podman: Any

    def has_path(self, container: str, path: str) -> bool:
        """Whether there is a file or a folder in a container."""
        api = self.client.api
        with translated(f"looking for {path} in {container}"):
            answer = api.head(self._url(container), params={"path": path}, timeout=api.timeout)
            is_ending = answer.status_code == 500 and self.is_podman  # what it says of such a one
            if not answer.ok and answer.status_code != 404 and not is_ending:
                answer.raise_for_status()
            return bool(answer.ok)

    def put_archive(self, container: str, folder: str, archive: IO[bytes]) -> None:
        """Unpack a tar archive in a folder of a container.

        No folder takes the place of a file, nor a file that of a folder.
        """
        api = self.client.api
        asked = {"path": folder, "noOverwriteDirNonDir": "true"}
        with translated(f"copying into {container}"):
            refuse_answer(
                api.put(self._url(container), params=asked, data=archive, timeout=api.timeout)
            )

    @contextlib.contextmanager
    def get_archive(self, container: str, path: str) -> Iterator[tuple[Iterator[bytes], str]]:
        """What a path in a container leads to, as a tar archive in pieces, and the path of that."""
        with translated(f"copying {path} out of {container}"), contextlib.ExitStack() as stack:
            answer = stack.enter_context(self._get(container, path))
            stat = _stat(answer)
            if stat["mode"] & SYMLINK and stat["linkTarget"] != path:
                path = stat["linkTarget"]
                answer = stack.enter_context(self._get(container, path))
            yield answer.iter_content(CHUNK), path

    @contextlib.contextmanager
    def _get(self, container: str, path: str) -> Iterator[Any]:
        api, asked = self.client.api, {"path": path}
        url = self._url(container)
        with api.get(url, params=asked, stream=True, timeout=api.timeout) as answer:
            refuse_answer(answer)
            yield answer

    def _url(self, container: str) -> str:
        api = self.client.api
        return f"{api.base_url}/v{api.api_version}/containers/{container}/archive"


def _stat(answer: Any) -> dict[str, Any]:
    """What the engine says of the path itself: ``mode``, ``linkTarget``, …"""
    from docker.utils import decode_json_header

    found: dict[str, Any] = decode_json_header(answer.headers["x-docker-container-path-stat"])
    return found
