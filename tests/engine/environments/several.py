"""A program that uses several engines at once; each has a web server with a page of its own.

Prints, for each engine that it is given, the server's own address and what answered where.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

from tcunit import ConnectionMode, DockerContainer
from tests.engine.environments.probe import ask_nginx


def web_server(page: str) -> DockerContainer:
    """A web server on the default bridge, where each engine has the same addresses."""
    script = f"echo {page} > /usr/share/nginx/html/index.html; exec nginx -g 'daemon off;'"
    return DockerContainer("nginx:alpine").with_command(["sh", "-c", script]).with_exposed_ports(80)


def asked(server: DockerContainer) -> dict[str, Any]:
    """What answers by default and in each mode that the resolver vouches for."""
    running = server.running
    modes = [mode for mode in ConnectionMode if running.why_not(mode) is None]
    return {
        "ip": running.facts().ip,
        "default": running.decision().mode,
        "pages": {mode: ask_nginx(server.endpoint(80, mode)).strip() for mode in modes},
        "page": ask_nginx(server.endpoint(80)).strip(),
    }


def main(urls: list[str]) -> None:
    """Start a server on each engine, then ask all of them."""
    with contextlib.ExitStack() as stack:
        servers = []
        for number, url in enumerate(urls):
            os.environ["DOCKER_HOST"] = url
            servers.append(stack.enter_context(web_server(f"page-{number}")))
        json.dump([asked(server) for server in servers], sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
