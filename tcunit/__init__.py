"""unittest base classes and mixins for tests that need real containers.

The house, from the ground up. A module imports only from lines above its own, never from this
facade, and only ``_docker`` imports the Docker SDK; ``tests/test_layers.py`` reads the law here.

    _version  errors          the version; the exception tree
    settings                  every environment variable and property, read on demand
    ports  images             "443/tcp" and its like; names of images
    log                       the logger
    jobs                      several jobs at once
    timings                   where the time of a run goes, written down
    masking                   secrets, kept out of what is written down
    dockerfile                what a Dockerfile starts from
    progress                  what a pull or a build shows while it lasts
    wait                      the one waiting loop, and one file per strategy
    _session                  session id, names and labels
    awaiting                  what blocks, for coroutines
    _docker                   the only file that imports the Docker SDK
    fetching                  an image by its declared name, there by the pull policy
    connection                modes and endpoints: the pure resolver
    facts                     what can be known about where we run, for the resolver
    reapers                   who removes what a killed process left
    measured                  which code in a container counts for coverage
    inspected                 what the engine's answer about a container says
    addressed                 where a container on the engine answers
    request  running          what is asked for (frozen); what you get
    measuring                 coverage of the Python that runs in containers
    fingerprint               the hash of a whole declaration
    lifecycle                 order, events, ledger, starting and stopping sets of things
    sharing                   one container or network for several processes and runs
    recipe                    what an image is to be built from
    building                  images built from a Dockerfile, once for the same content
    docker_image              what users declare of them
    pools                     address ranges for networks
    evidence                  what a failing test shows of its containers
    reach                     whether one container reaches another, asked from inside
    network  volume           networks; volumes
    files                     what is copied into containers and out of them, as archives
    relay                     connections passed on to a port of loopback
    tunnel                    the same from afar, by SSH
    sidecar                   a container from which a tunnel leads here
    host_ports                ports of the test process, for containers
    host_access               how one container meets this process
    collecting                how a declaration collects its request
    storage  limits           the with_… methods about files; about limits, rights, the process
    options                   the other with_… methods
    late                      values that are made when their container starts
    attaching                 its networks, and the ports that are published for it
    advice                    what the engine said when it refused one, and what to do about it
    create_options            what the engine is given to create one
    launching                 from a request to a container that runs
    warm                      starting from a state that was kept
    in_use                    what a started container is asked: addresses, commands, logs
    faults                    containers paused, stopped, killed, cut off, slowed for a while
    copying                   files copied into a container that exists, and out of it
    container                 what users declare and start
    modules                   ready-made containers
    compose                   stacks of services that Docker Compose makes
    adapters                  things of other libraries that one can declare
    mixins                    class fixture, connection, assertions: what a test class inherits
    case                      ContainerTestCase: reads as the whole story
    async_case                its asyncio twin
    django                    settings that refer to containers, and the runner that starts them
    runner                    python -m tcunit run: unittest's program, which looks ahead
    cli                       what can be done from the command line
    __main__                  python -m tcunit
"""

from __future__ import annotations

import typing

from . import errors, wait
from ._version import __version__
from .case import ContainerTestCase
from .connection import ConnectionMode, Endpoint, using_connection_mode
from .container import DockerContainer, GenericContainer
from .docker_image import DockerImage
from .images import set_image_substitution
from .lifecycle.references import omitted
from .mixins.assertions import ContainerAssertionsMixin
from .mixins.connection import ConnectionMixin
from .mixins.containers import ContainersMixin
from .mixins.coverage import CoverageMixin
from .mixins.each_mode import each_connection_mode
from .mixins.failure_logs import FailureLogsMixin
from .mixins.leaks import LeakCheckMixin
from .network import Network
from .volume import Volume

if typing.TYPE_CHECKING:
    from .async_case import AsyncContainerTestCase
    from .compose import ComposeStack
    from .host_ports import expose_host_port
else:

    def __getattr__(name: str) -> object:
        """What not everyone needs, at its first use: one has to import asyncio."""
        rooms = {
            "AsyncContainerTestCase": "async_case",
            "ComposeStack": "compose",
            "expose_host_port": "host_ports",
        }
        if name not in rooms:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = globals()[name] = getattr(import_module(f".{rooms[name]}", __name__), name)
        return found


__all__ = [
    # what a test class inherits
    "AsyncContainerTestCase",
    "ConnectionMixin",
    "ContainerAssertionsMixin",
    "ContainerTestCase",
    "ContainersMixin",
    "CoverageMixin",
    "FailureLogsMixin",
    "LeakCheckMixin",
    # what it declares
    "ComposeStack",
    "DockerContainer",
    "DockerImage",
    "GenericContainer",
    "Network",
    "Volume",
    "omitted",
    "wait",
    # what images are called
    "set_image_substitution",
    # how it reaches them
    "ConnectionMode",
    "Endpoint",
    "each_connection_mode",
    "expose_host_port",
    "using_connection_mode",
    # what may go wrong
    "errors",
    # the package itself
    "__version__",
]
