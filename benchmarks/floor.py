"""The floor: what can be had by hand, with nothing between the script and the Docker SDK.

It promises the least that tcunit promises, too: everything is labelled, each port is published as
one does by hand (on all interfaces), a container counts as started when its service answers (asked
from 1 ms on, up to every 10 ms, at the container's own address, where no proxy answers in its
place), and it is removed with its anonymous volumes in the end. It makes one request each to
create, start, inspect and remove, in a thread per container, over a client whose pool is as wide as
there are threads. It undoes nothing when something fails, knows no other way to reach a container,
and leaves everything behind when it is killed.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

import docker
from docker.utils import kwargs_from_env

from .common import image

LABELS = {"benchmark": f"floor-{os.getpid()}"}
PATIENCE = 60.0

Ask = Callable[[str], bool]
"""Asks a container's address once whether its service is there."""


@dataclass(frozen=True)
class Wanted:
    """A container to be started."""

    image: str
    port: int
    ask: Ask
    env: Mapping[str, str] = field(default_factory=dict)
    alias: str = ""


class Floor:
    """Containers started and removed side by side."""

    def __init__(self, width: int) -> None:
        self.api: Any = docker.APIClient(
            **kwargs_from_env(), timeout=120, max_pool_size=max(width, 1)
        )
        self.network = ""
        self.containers: list[str] = []
        self.addresses: dict[int, str] = {}

    def create_network(self) -> None:
        """Create the network that the containers will be on."""
        name = f"floor-{uuid.uuid4().hex[:12]}"
        self.api.create_network(name, driver="bridge", labels=LABELS)
        self.network = name

    def start(self, wanted: Iterable[Wanted]) -> None:
        """Start containers and return when all are ready."""
        side_by_side(self._start, list(enumerate(wanted)))

    def _start(self, asked: tuple[int, Wanted]) -> None:
        number, wanted = asked
        api, port = self.api, wanted.port
        more: dict[str, Any] = {"network_mode": self.network} if self.network else {}
        host = api.create_host_config(port_bindings={port: None}, **more)
        on = {}
        if self.network:
            endpoint = api.create_endpoint_config(aliases=[wanted.alias])
            on = {"networking_config": api.create_networking_config({self.network: endpoint})}
        container = api.create_container(
            image(wanted.image), ports=[port], host_config=host, labels=LABELS,
            environment=dict(wanted.env), name=f"floor-{uuid.uuid4().hex[:12]}", **on,
        )["Id"]  # fmt: skip
        self.containers.append(container)
        api.start(container)
        networks = api.inspect_container(container)["NetworkSettings"]["Networks"]
        self.addresses[number] = address = networks[self.network or "bridge"]["IPAddress"]
        wait_until(lambda: wanted.ask(address))

    def remove(self) -> None:
        """Remove everything."""
        side_by_side(
            lambda each: self.api.remove_container(each, v=True, force=True), self.containers
        )
        if self.network:
            self.api.remove_network(self.network)
        self.containers = []


def side_by_side(action: Callable[[Any], object], things: list[Any]) -> None:
    """Do something with each thing in a thread of its own; raises the first failure."""
    errors: list[BaseException] = []

    def work(thing: Any) -> None:
        try:
            action(thing)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(thing,)) for thing in things]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def wait_until(is_ready: Callable[[], bool]) -> None:
    """Ask from 1 ms on, and every 10 ms in the end."""
    deadline, pause = time.monotonic() + PATIENCE, 0.001
    while not is_ready():
        if time.monotonic() > deadline:
            raise TimeoutError("a container of the floor did not become ready")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.01)


def listens(port: int) -> Ask:
    """Whether somebody listens."""

    def ask(host: str) -> bool:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return True
        except OSError:
            return False

    return ask


def answers(port: int, question: bytes, is_right: Callable[[bytes], bool]) -> Ask:
    """Whether a question is answered rightly."""

    def ask(host: str) -> bool:
        try:
            with socket.create_connection((host, port), timeout=1) as connection:
                connection.sendall(question)
                return is_right(connection.recv(1024))
        except OSError:
            return False

    return ask


def serves(port: int) -> Ask:
    """Whether a page is served."""

    def ask(host: str) -> bool:
        connection = HTTPConnection(host, port, timeout=1)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    return ask


LOGIN = b"\0\0\0\x21\0\3\0\0user\0test\0database\0test\0\0"  # the first message to PostgreSQL

SMALL = Wanted("redis:alpine", 6379, listens(6379))
APPLICATION = (
    Wanted(
        "postgres:16-alpine", 5432, answers(5432, LOGIN, lambda text: text[:1] == b"R"),
        dict.fromkeys(("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"), "test"), alias="db",
    ),
    Wanted("redis:alpine", 6379, answers(6379, b"PING\r\n", lambda text: text[:5] == b"+PONG"),
           alias="cache"),
    Wanted("nginx:alpine", 80, serves(80), alias="web"),
)  # fmt: skip
