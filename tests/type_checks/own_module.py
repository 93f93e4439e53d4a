"""The template of ``docs/modules.md``, and what the type checker says of those who use it."""

import typing
from typing import Any, Self

from tcunit import DockerContainer, wait


class FileServerContainer(DockerContainer):
    """Python's own web server, which serves files."""

    def __init__(self, image: str = "python:3.11-slim", port: int = 8000, **kwargs: Any) -> None:
        super().__init__(image, **kwargs)
        self.port = port
        self.with_exposed_ports(port)
        self.with_command(["python", "-u", "-m", "http.server", str(port), "-d", "/srv"])
        self.waiting_for(wait.for_http("/", port=port))

    def with_page(self, name: str, content: bytes) -> Self:
        """Serve a page."""
        return self.with_copy_into_container(content, f"/srv/{name}")

    def get_url(self, path: str = "") -> str:
        """The URL of a page, from here."""
        return self.url(self.port, path)

    def get_internal_url(self, path: str = "") -> str:
        """The same for other containers on its network."""
        return f"http://{self.internal_endpoint(self.port)}/{path}"


def users() -> None:
    """Its own type stays through every option."""
    server = FileServerContainer().with_page("a", b"").with_env("A", 1)
    typing.assert_type(server, FileServerContainer)
    typing.assert_type(server.start().get_url("a"), str)
    server.with_page("a", "text")  # type: ignore[arg-type]
