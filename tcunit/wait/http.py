"""Waiting for an answer over HTTP or HTTPS."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DeclarationError
from ..ports import Port, PortLike
from .base import Probe, WaitStrategy, WaitTarget

if TYPE_CHECKING:
    from http.client import HTTPConnection


@dataclass(frozen=True)
class HttpAnswer:
    """What a server answered: status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HttpRequest:
    """What is asked, but for the host."""

    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    tls: bool = False
    verify: bool = True
    timeout: float = 1.0

    def send(self, host: str, port: int) -> HttpAnswer:
        """Ask a server once; raises ``OSError`` where it does not answer, or not in HTTP."""
        from http.client import HTTPException  # not at the top: few need it, and it is large

        connection = self._connection(host, port)
        try:
            connection.request(self.method, self.path, self.body, dict(self.headers))
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return HttpAnswer(response.status, headers, response.read())
        except HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def _connection(self, host: str, port: int) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        if not self.tls:
            return HTTPConnection(host, port, timeout=self.timeout)
        import ssl

        context = ssl.create_default_context() if self.verify else ssl._create_unverified_context()
        return HTTPSConnection(host, port, timeout=self.timeout, context=context)


class HttpWaitStrategy(WaitStrategy):
    """Ready when the server answers as asked.

    Args:
        path: what to ask for, with its query.
        port: the container's port; by default the only TCP port that is exposed.
        status: the statuses that count as ready; by default all from 200 to 399.
        predicate: a further condition on the :class:`HttpAnswer`.
        method, headers, body, basic_auth: the request. ``basic_auth`` is (user, password).
        tls, verify: ask over HTTPS, and whether the certificate must be a trusted one.
    """

    def __init__(
        self,
        path: str = "/",
        port: PortLike | None = None,
        *,
        status: int | Collection[int] = range(200, 400),
        predicate: Callable[[HttpAnswer], bool] | None = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        basic_auth: tuple[str, str] | None = None,
        tls: bool = False,
        verify: bool = True,
    ) -> None:
        if not path.startswith("/"):
            raise DeclarationError(f"the path {path!r} of a URL begins with a slash: '/{path}'")
        self.port = None if port is None else Port.parse(port)
        self.status = {status} if isinstance(status, int) else status
        self.predicate = predicate
        sent = dict(headers or {})
        if basic_auth is not None:
            import base64

            token = base64.b64encode(":".join(basic_auth).encode()).decode()
            sent["Authorization"] = f"Basic {token}"
        self.request = HttpRequest(path, method, tuple(sent.items()), body, tls, verify)

    def begin(self, target: WaitTarget) -> Probe:
        """Choose the port and ask at the best address from here."""
        port = self.port or only_port(target, "wait.for_http('/', port=8080)")

        def probe() -> str | None:
            host, number, _ = target.probe_address(port)
            try:
                answer = self.request.send(host, number)
            except TimeoutError:
                return f"{host}:{number} did not answer within {self.request.timeout:g} s"
            except OSError as error:
                return f"{host}:{number}: {str(error) or type(error).__name__}"
            return self._why_not(answer)

        return probe

    def _why_not(self, answer: HttpAnswer) -> str | None:
        if answer.status not in self.status:
            return f"answered with status {answer.status}"
        try:
            fits = self.predicate is None or self.predicate(answer)
        except Exception as error:  # of a page that is not what it will be, yet
            return (
                f"status {answer.status}, but the predicate raised {type(error).__name__}: {error}"
            )
        if not fits:
            return f"status {answer.status}, but the predicate is not true yet"
        return None

    def __str__(self) -> str:
        scheme = "https" if self.request.tls else "http"
        port = f" on port {self.port.number}" if self.port else ""
        return f"{scheme.upper()} {self.request.method} {self.request.path.partition('?')[0]}{port}"


def only_port(target: WaitTarget, example: str) -> Port:
    """The one TCP port that a container exposes; the error for another number has an example."""
    ports = [port for port in target.exposed_ports if port.protocol == "tcp"]
    if len(ports) != 1:
        known = ", ".join(map(str, ports)) or "none"
        raise DeclarationError(
            f"{target.description} exposes {known}: say which port to ask, as in {example}"
        )
    return ports[0]
