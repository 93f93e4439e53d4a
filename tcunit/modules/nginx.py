"""nginx."""

from __future__ import annotations

from typing import Any, Self

from ..connection import ConnectionMode, Endpoint
from ..container import DockerContainer
from ..docker_image import DockerImage
from ..errors import DeclarationError
from ..ports import Port, PortLike
from ..storage import Content
from ..wait import PortWaitStrategy, for_http, for_port
from ._server import add_certificate

CONTENT = "/usr/share/nginx/html"
SITES = "/etc/nginx/conf.d"
CERTIFICATE = "/etc/nginx/tls"
# The directives outside of the server hold for all sites; the first site of a port is its default,
# and this one's file comes last.
TLS_SITE = """\
ssl_certificate {certificate};
ssl_certificate_key {key};
server {{
    listen {port} ssl;
    location / {{
        root {content};
        index index.html index.htm;
    }}
}}
"""


class NginxContainer(DockerContainer):
    """An nginx that serves its welcome page, or what it is given."""

    def __init__(
        self, image: str | DockerImage = "nginx:alpine", port: PortLike = 80, **kwargs: Any
    ) -> None:
        super().__init__(image, **kwargs)
        self.port = port
        self._tls_port: Port | None = None
        self._with_service_ports(port)
        if self._request.wait is None:
            self.waiting_for(for_port(port))

    def with_content(self, content: Content, place: str = "/") -> Self:
        """Serve a file, or what a folder holds, beside what is there.

        Args:
            content: a path of ours, or bytes.
            place: the path in the site; bytes need one of their own, as in ``"/prices.json"``.
        """
        if not isinstance(place, str) or not place.startswith("/"):
            raise DeclarationError(f"with_content: {place!r}: the path in the site begins with '/'")
        return self.with_copy_into_container(content, CONTENT + place, 0o644)

    def with_config(self, config: Content) -> Self:
        """Use another main configuration file, in place of the image's ``nginx.conf``."""
        return self.with_copy_into_container(config, "/etc/nginx/nginx.conf", 0o644)

    def with_site(self, config: Content, name: str = "default") -> Self:
        """Add a file with ``server`` blocks; one named ``default`` replaces the image's own site.

        Args:
            config: a path of ours, or bytes.
        """
        if not isinstance(name, str) or not name or "/" in name:
            raise DeclarationError(f"with_site: {name!r} is no name of a file")
        return self.with_copy_into_container(config, f"{SITES}/{name}.conf", 0o644)

    def with_tls(self, certificate: Content, key: Content, port: PortLike = 443) -> Self:
        """Serve over HTTPS, too, on a port of its own; :meth:`get_url` then begins with ``https``.

        Sites of :meth:`with_site` that ``listen 443 ssl`` use this certificate as well.

        Args:
            certificate: in PEM, with those that it is signed by; a path of ours, or bytes.
            key: its private key, in PEM, without a passphrase.
        """
        self._refuse_change("with_tls")
        number = Port.parse(port)
        paths = add_certificate(self, certificate, key, CERTIFICATE)
        site = TLS_SITE.format(
            certificate=paths[0], key=paths[1], port=number.number, content=CONTENT
        )
        self.with_site(site.encode(), "zz-tcunit-tls")
        self._tls_port = number
        if isinstance(self._request.wait, PortWaitStrategy):
            anything = range(100, 600)
            self.waiting_for(for_http("/", number, status=anything, tls=True, verify=False))
        return self._with_service_ports(self.port, number)

    def get_url(self, path: str = "", *, mode: ConnectionMode | str | None = None) -> str:
        """The URL of a page, from here."""
        return self._url(self.endpoint(self._tls_port or self.port, mode), path)

    def get_internal_url(self, path: str = "") -> str:
        """The same for other containers on its network."""
        return self._url(self.internal_endpoint(self._tls_port or self.port), path)

    def _url(self, endpoint: Endpoint, path: str) -> str:
        scheme = "https" if self._tls_port else "http"
        return f"{scheme}://{endpoint}/{path.lstrip('/')}"
