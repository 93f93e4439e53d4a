"""What images there are, and what the stand-ins for official ones are made of: data only.

Owns the names. The rule it keeps: a stand-in is the real server with the official image's contract
(environment, arguments, folders, ports, signals), but in the version that the distribution has.
Behind `postgres:16-alpine` there may well be PostgreSQL 15 on glibc.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PREFIX = "tcunit.local/"

# What a shell script and `docker exec` expect of any Debian image.
_USERLAND = (
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "sed",
    "util-linux",
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Official:
    """An image that a registry has, and the stand-in for it.

    The stand-in is made of packages, a folder with files, and instructions as in a Dockerfile.
    """

    name: str
    folder: str
    packages: tuple[str, ...]
    instructions: tuple[str, ...]
    other_tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Derived:
    """An image that exists nowhere else: its Dockerfile's folder, and the image it starts from."""

    name: str
    folder: str
    base: str


OFFICIAL = (
    Official(
        name="postgres:16-alpine",
        folder="postgres",
        packages=(*_USERLAND, "postgresql"),
        instructions=(
            f"ENV PATH=/usr/lib/postgresql/current/bin:{_PATH} LANG=C.UTF-8",
            "ENV PGDATA=/var/lib/postgresql/data",
            "VOLUME /var/lib/postgresql/data",
            "EXPOSE 5432",
            "STOPSIGNAL SIGINT",
            'ENTRYPOINT ["docker-entrypoint.sh"]',
            'CMD ["postgres"]',
        ),
        other_tags=("postgres:latest",),
    ),
    Official(
        name="python:3.11-slim",
        folder="python",
        packages=(*_USERLAND, "python3", "python-is-python3"),
        instructions=(f"ENV PATH={_PATH} LANG=C.UTF-8", 'CMD ["python3"]'),
    ),
    Official(
        name="redis:alpine",
        folder="redis",
        packages=(*_USERLAND, "redis-server"),
        instructions=(
            f"ENV PATH={_PATH}",
            "VOLUME /data",
            "WORKDIR /data",
            "EXPOSE 6379",
            'ENTRYPOINT ["docker-entrypoint.sh"]',
            'CMD ["redis-server"]',
        ),
        other_tags=("redis:latest",),
    ),
    Official(
        name="nginx:alpine",
        folder="nginx",
        packages=(*_USERLAND, "nginx"),
        instructions=(
            f"ENV PATH={_PATH}",
            "EXPOSE 80",
            "STOPSIGNAL SIGQUIT",
            'CMD ["nginx", "-g", "daemon off;"]',
        ),
        other_tags=("nginx:latest",),
    ),
    Official(
        name="testcontainers/ryuk:0.14.0",
        folder="ryuk",
        packages=(*_USERLAND, "python3"),
        instructions=(
            "LABEL org.testcontainers.ryuk=true",
            "EXPOSE 8080",
            'CMD ["/bin/ryuk"]',
        ),
    ),
    Official(
        name="testcontainers/sshd:1.3.0",
        folder="sshd",
        packages=(*_USERLAND, "openssh-server", "passwd"),
        instructions=(
            f"ENV PATH={_PATH} USERNAME=root PASSWORD=root",
            'ENTRYPOINT ["sh", "-c"]',
            'CMD ["echo ${USERNAME}:${PASSWORD} | chpasswd && exec /usr/sbin/sshd -D '
            '-o PermitRootLogin=yes -o GatewayPorts=yes"]',
        ),
    ),
    Official(
        name="docker:dind",
        folder="dind",
        packages=(*_USERLAND, "docker.io", "iptables", "mount", "procps"),
        instructions=(
            f"ENV PATH={_PATH} DOCKER_TLS_CERTDIR=/certs",
            "VOLUME /var/lib/docker",
            "EXPOSE 2375 2376",
            'ENTRYPOINT ["dockerd-entrypoint.sh"]',
        ),
    ),
    Official(
        name="registry:2",
        folder="registry",
        packages=(*_USERLAND, "docker-registry"),
        instructions=(
            f"ENV PATH={_PATH}",
            "VOLUME /var/lib/registry",
            "EXPOSE 5000",
            'ENTRYPOINT ["/entrypoint.sh"]',
            'CMD ["/etc/docker/registry/config.yml"]',
        ),
    ),
    Official(
        name="nicolaka/netshoot:v0.13",
        folder="netshoot",
        packages=(*_USERLAND, "iproute2", "iptables"),
        instructions=(f"ENV PATH={_PATH}", 'CMD ["bash"]'),
    ),
    Official(
        name="alpine:latest",
        folder="alpine",
        packages=("busybox",),
        instructions=(f"ENV PATH={_PATH}", 'CMD ["/bin/sh"]'),
    ),
)

DERIVED = (
    Derived(name="app:latest", folder="app", base="python:3.11-slim"),
    Derived(name="db:latest", folder="db", base="postgres:16-alpine"),
    Derived(name="redis:healthcheck", folder="redis_healthcheck", base="redis:alpine"),
)
