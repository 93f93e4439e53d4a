"""Finding the engine: what was named, else the usual places; one client per process.

A client is shared by the threads of a process and never crosses a fork.
"""

from __future__ import annotations

import copy
import os
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import EngineError, EngineNotFound
from ..settings import DOCKER_CONTEXT, DOCKER_HOST, Settings, home
from .engine import Engine
from .refusals import translated

if TYPE_CHECKING:
    from docker.tls import TLSConfig

Json = dict[str, Any]

POOL_SIZE = 64
REQUEST_TIMEOUT = 120
ANY_VERSION = "1.24"  # stands in until the engine has said its own
# The newest version of the API that these calls were seen to work with. A newer engine speaks it,
# too; in its own, answers may lack what we read.
TRIED_VERSION = "1.45"


class Candidate(NamedTuple):
    """A place where an engine may be: where that was said, its URL, or why there is none."""

    source: str
    url: str
    tls: TLSConfig | None = None
    problem: str = ""


_engines: dict[tuple[int, str, int], Engine] = {}
_finding = threading.Lock()


def find_engine(settings: Settings | None = None) -> Engine:
    """The engine that the settings name, or the first that answers; one client per process.

    In this order: ``DOCKER_HOST``, the properties ``docker.host`` and ``tc.host``, the active
    context, the usual sockets. One that was named is the only one tried.

    Raises:
        EngineNotFound: lists each place that was tried, and why it failed.
    """
    tried = []
    for candidate in candidates(settings or Settings()):
        problem = candidate.problem
        if not problem:
            try:
                return connected(candidate)
            except EngineError as error:
                problem = str(error)
        tried.append(f"  {candidate.source}: {candidate.url or '(no address)'}: {problem}")
    raise EngineNotFound(
        "no Docker engine answered. Tried:\n" + "\n".join(tried) + "\n"
        "Start Docker, or name the engine in DOCKER_HOST (as in unix:///path/to/docker.sock or "
        "tcp://host:2375). Set TCUNIT_WITHOUT_ENGINE=skip to skip such tests instead."
    )


def candidates(settings: Settings) -> Sequence[Candidate]:
    """Where an engine may be, the places that were named before those that are usual."""
    found = settings.find(DOCKER_HOST)
    if not found.is_default:
        return [_named(found.source, found.value, settings)]
    name, source = active_context(settings)
    if name not in ("", "default"):
        return [_of_context(name, source)]
    return [
        Candidate("usual socket", url, problem="" if _is_there(url) else "not there")
        for url in usual_sockets(settings)
    ]


def usual_sockets(settings: Settings) -> Sequence[str]:
    """The sockets of a usual installation, of Docker Desktop and of a rootless engine."""
    if sys.platform == "win32":
        return ["npipe:////./pipe/docker_engine"]
    runtime = settings.environ.get("XDG_RUNTIME_DIR")
    paths = [Path("/var/run/docker.sock")]
    paths += [Path(runtime) / "docker.sock"] if runtime else []
    paths += [home() / ".docker/run/docker.sock", home() / ".docker/desktop/docker.sock"]
    paths += [Path(f"/run/user/{os.getuid()}/docker.sock")]
    return [f"unix://{path}" for path in dict.fromkeys(paths)]


def _is_there(url: str) -> bool:
    return not url.startswith("unix://") or Path(url.removeprefix("unix://")).exists()


def _named(source: str, url: str, settings: Settings) -> Candidate:
    if "://" not in url:
        return Candidate(source, url, problem="no URL: write unix:///path or tcp://host:port")
    if not settings.environ.get("DOCKER_TLS_VERIFY") or not url.startswith(("tcp:", "https:")):
        return Candidate(source, url)
    from docker.errors import TLSParameterError
    from docker.tls import TLSConfig

    folder = Path(settings.environ.get("DOCKER_CERT_PATH") or home() / ".docker")
    cert, key, ca = (str(folder / name) for name in ("cert.pem", "key.pem", "ca.pem"))
    try:
        return Candidate(source, url, TLSConfig(client_cert=(cert, key), ca_cert=ca, verify=True))
    except TLSParameterError as error:
        return Candidate(source, url, problem=f"TLS files in {folder}: {error}")


def active_context(settings: Settings) -> tuple[str, str]:
    """The name of Docker's context, empty where none is chosen, and where that is said."""
    if name := settings.get(DOCKER_CONTEXT):
        return name, "DOCKER_CONTEXT"
    path = settings.docker_config_file
    import json

    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError):
        return "", ""
    current = config.get("currentContext") if isinstance(config, dict) else None
    return str(current or ""), f"context in {path}"


def _of_context(name: str, source: str) -> Candidate:
    from docker.context import ContextAPI

    place = f"{source} ({name})"
    try:
        context = ContextAPI.get_context(name)
    except Exception as error:
        return Candidate(place, "", problem=f"the context cannot be read: {error}")
    if context is None or not context.Host:
        return Candidate(place, "", problem="there is no such context; see 'docker context ls'")
    return Candidate(place, context.Host, context.TLSConfig)


def connected(candidate: Candidate) -> Engine:
    """The engine in a place; raises EngineError where none answers."""
    key = (os.getpid(), candidate.url, id(candidate.tls) if candidate.tls else 0)
    with _finding:
        if key not in _engines:
            _engines[key] = _connect(candidate)
        return _engines[key]


def _connect(candidate: Candidate) -> Engine:
    import docker

    _knock(candidate.url)
    with translated("asking for its version"):
        try:
            client = docker.DockerClient(
                base_url=candidate.url,
                tls=_sole_authority(candidate.tls, candidate.url) if candidate.tls else False,
                timeout=REQUEST_TIMEOUT,
                use_ssh_client=candidate.url.startswith("ssh://"),
                max_pool_size=POOL_SIZE,
                version=ANY_VERSION,
            )
        except (ValueError, TypeError, AttributeError):  # from the SDK's reading of the file
            raise EngineError(
                "Docker's configuration, config.json in DOCKER_CONFIG or ~/.docker, cannot be "
                "used: each entry in its 'auths' has user:password in base64 as 'auth'"
            ) from None
        if candidate.url.startswith("unix://"):
            _keep_connections(client)
        # Left to itself, the SDK asks for this and throws all but the number away.
        version: Json = client.api.version(api_version=False)
        if "ApiVersion" not in version:
            raise EngineError("asking for its version: what answers there is no Docker engine")
        client.api._version = spoken_version(version)  # type: ignore[attr-defined]
    engine = Engine(candidate.url, candidate.source, client, version, tls=candidate.tls)
    engine.ask_ahead()
    return engine


def spoken_version(version: Json) -> str:
    """The version of the API to speak: none that is newer than what was tried, where it can be."""
    from docker.utils import version_lt

    newest: str = version["ApiVersion"]
    oldest: str = version.get("MinAPIVersion") or ANY_VERSION
    wanted = newest if version_lt(newest, TRIED_VERSION) else TRIED_VERSION
    return oldest if version_lt(wanted, oldest) else wanted


def _keep_connections(client: Any) -> None:
    """Let all requests to a unix socket share a pool, and read no proxies for each.

    The SDK has a pool for each URL there, so that nearly every request opens a connection.
    """
    adapter = client.api.get_adapter(client.api.base_url)
    pool = adapter.get_connection(client.api.base_url)
    adapter.get_connection = lambda url, proxies=None: pool
    client.api.trust_env = False


def _sole_authority(tls: TLSConfig, url: str) -> TLSConfig:
    """TLS whose authority REQUESTS_CA_BUNDLE and its like do not replace; proxies hold."""
    import requests.utils

    def configure(client: Any) -> None:
        tls.configure_client(client)
        client.proxies = dict(requests.utils.get_environ_proxies(url.replace("tcp:", "https:", 1)))
        client.trust_env = False

    own = copy.copy(tls)
    own.configure_client = configure  # type: ignore[method-assign]
    return own


def _knock(url: str) -> None:
    """Refuse a unix socket where nobody listens: the SDK would leave its own end open."""
    if not url.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(url.removeprefix("unix://"))
        except OSError as error:
            raise EngineError(f"connecting: {error.strerror or error}") from error


def connect_as(description: Json) -> Engine:
    """Connect to the engine that another process described."""
    tls = description["tls"]
    if tls is not None:
        from docker.tls import TLSConfig

        cert = tuple(tls["cert"]) if tls["cert"] else None
        tls = TLSConfig(client_cert=cert, ca_cert=tls["ca"], verify=tls["verify"])
    return _connect(Candidate(description["source"], description["url"], tls))


def _after_fork() -> None:
    """A child has no engine and no lock of its parent's: sockets must not be shared."""
    global _finding
    _finding = threading.Lock()
    _engines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
