"""nginx."""

from __future__ import annotations

from typing import Any

from ..container import DockerContainer
from ..docker_image import DockerImage
from ..ports import PortLike
from ..wait import for_port


class NginxContainer(DockerContainer):
    """An nginx that serves its welcome page, or what is mounted into it."""

    def __init__(
        self, image: str | DockerImage = "nginx:alpine", port: PortLike = 80, **kwargs: Any
    ) -> None:
        super().__init__(image, **kwargs)
        self.port = port
        self._with_service_ports(port)
        self.waiting_for(for_port(port))

    def get_url(self, path: str = "") -> str:
        """The URL of a page, from here."""
        return self.url(self.port, path)
