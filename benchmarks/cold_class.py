"""How long a class with 1, 8 and 32 small containers takes until all are ready.

Each has a port that is published, and is waited for by it. The clock starts with ``setUpClass``,
when everything is imported, and before the engine is asked for anything; the container is Redis,
which listens some hundredths of a second after its start. ``gone`` in the remarks is what the
clean-up of the class takes (tcunit's goes on in the background), ``whole`` the whole process with
its imports and its end, and ``cpu`` the processor time of the test process between the clock's
start and "ready".

Aims: no more than 1.05 of the floor; of testcontainers-python's no more than 0.6 with 8 containers.
Ryuk, which testcontainers-python starts before its first container, is in its figure; the other one
is without it.
"""

from __future__ import annotations

import argparse
import unittest

from .common import (
    BARE_PEER,
    FLOOR,
    PEER,
    TCUNIT,
    Figures,
    Row,
    in_turns,
    main,
    one_run,
    present,
    row,
    run_class,
)

ROUNDS = 9
SIZES = (1, 8, 32)


def of_tcunit(size: int) -> Figures:
    """A class that declares its containers."""
    import docker  # noqa: F401  (paid before the clock, as by the others)

    from tcunit import ContainerTestCase, DockerContainer, wait

    def small() -> DockerContainer:
        container = DockerContainer("redis:alpine").with_exposed_ports(6379)
        return container.waiting_for(wait.for_port(6379))

    declared = {f"box{number}": small() for number in range(size)}
    return run_class(type("Cold", (ContainerTestCase,), {**declared, "test": nothing}))


def of_floor(size: int) -> Figures:
    """The floor."""
    from .floor import SMALL, Floor

    class Cold(unittest.TestCase):
        test = nothing

        @classmethod
        def setUpClass(cls) -> None:
            floor = Floor(size)
            cls.addClassCleanup(floor.remove)
            floor.start([SMALL] * size)

    return run_class(Cold)


def of_peer(size: int) -> Figures:
    """testcontainers-python, one after the other."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import PortWaitStrategy

    from .common import image

    class Cold(unittest.TestCase):
        test = nothing

        @classmethod
        def setUpClass(cls) -> None:
            for _ in range(size):
                container = DockerContainer(image("redis:alpine")).with_exposed_ports(6379)
                container.waiting_for(PortWaitStrategy(6379))
                cls.addClassCleanup(container.start().stop)

    return run_class(Cold)


def nothing(self: unittest.TestCase) -> None:
    """Test nothing."""


CONTENDERS = {TCUNIT: of_tcunit, FLOOR: of_floor, PEER: of_peer, BARE_PEER: of_peer}


def measure(options: argparse.Namespace) -> list[Row]:
    """One row a size."""
    rows = []
    for size in (1,) if options.small else SIZES:
        names = present((TCUNIT, FLOOR, BARE_PEER) if options.small else CONTENDERS)
        names = names[:2] if size > 8 else names  # the others take half a minute each
        asked = {"size": size}
        found = in_turns(names, options.rounds, lambda name, a=asked: one_run(__name__, name, a))
        aims = {FLOOR: 1.05, **({PEER: 0.6, BARE_PEER: 0.6} if size == 8 else {})}
        what = f"cold class, {size} container{'s' * (size > 1)}"
        rows.append(row(what, found, "ready", aims, also=("cpu", "gone", "whole")))
    return rows


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
