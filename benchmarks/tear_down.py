"""What the tear-down of a class costs the next one.

Two classes with 8 small containers each, run by unittest. The first row is the time from the end of
the first class's last test to the moment when the first container of the second class is asked for;
the other one is the time to the first test of the second class, which shows what a tear-down that
goes on behind it costs there. The floor removes its containers side by side and waits for that.

Aim: no more than 0.1 of the floor's.
"""

from __future__ import annotations

import argparse
import time
import unittest
from typing import Any

from .common import FLOOR, PEER, TCUNIT, Figures, Row, image, in_turns, main, one_run, present, row

ROUNDS = 9


class Marks:
    """When what happened for the first time."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def set(self, what: str) -> None:
        """It happens now."""
        self.at.setdefault(what, time.perf_counter())

    def watch(self) -> None:
        """Mark the first create of a container after the first class's last test."""
        from requests.adapters import HTTPAdapter

        send = HTTPAdapter.send

        def marking(adapter: Any, request: Any, *args: Any, **kw: Any) -> Any:
            if "/containers/create" in request.path_url and "tested" in self.at:
                # A reaper's container, which may start behind the tests, is not the class's.
                if "ryuk" not in request.path_url:
                    self.set("created")
            return send(adapter, request, *args, **kw)

        HTTPAdapter.send = marking  # type: ignore[method-assign]


def two_classes(base: type[unittest.TestCase], declared: list[dict[str, Any]]) -> Figures:
    """Run two classes of a base, one after the other."""
    marks = Marks()
    marks.watch()

    def last(self: unittest.TestCase) -> None:
        marks.set("tested")

    def first(self: unittest.TestCase) -> None:
        marks.set("ready")

    classes = [
        type(name, (base,), {**more, "test": test, "__module__": __name__})
        for name, test, more in zip(("Ending", "Next"), (last, first), declared, strict=True)
    ]
    suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, classes))
    result = unittest.TestResult()
    suite.run(result)
    for _, trace in result.errors + result.failures:
        raise SystemExit(trace)
    ended = marks.at["tested"]
    return {"gap": marks.at["created"] - ended, "next ready": marks.at["ready"] - ended}


def of_tcunit(size: int) -> Figures:
    """Classes that declare their containers."""
    from tcunit import ContainerTestCase, DockerContainer, wait

    def declared() -> dict[str, Any]:
        boxes = [DockerContainer("redis:alpine").with_exposed_ports(6379) for _ in range(size)]
        return {f"box{n}": box.waiting_for(wait.for_port(6379)) for n, box in enumerate(boxes)}

    return two_classes(ContainerTestCase, [declared(), declared()])


def of_floor(size: int) -> Figures:
    """The floor, with one client for both."""
    from .floor import SMALL, Floor

    floor = Floor(size)

    class Base(unittest.TestCase):
        @classmethod
        def setUpClass(cls) -> None:
            cls.addClassCleanup(floor.remove)
            floor.start([SMALL] * size)

    return two_classes(Base, [{}, {}])


def of_peer(size: int) -> Figures:
    """testcontainers-python."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import PortWaitStrategy

    class Base(unittest.TestCase):
        @classmethod
        def setUpClass(cls) -> None:
            for _ in range(size):
                container = DockerContainer(image("redis:alpine")).with_exposed_ports(6379)
                container.waiting_for(PortWaitStrategy(6379))
                cls.addClassCleanup(container.start().stop)

    return two_classes(Base, [{}, {}])


CONTENDERS = {TCUNIT: of_tcunit, FLOOR: of_floor, PEER: of_peer}


def measure(options: argparse.Namespace) -> list[Row]:
    """Two rows."""
    size, names = (1, (TCUNIT, FLOOR)) if options.small else (8, CONTENDERS)
    asked = {"size": size}
    found = in_turns(present(names), options.rounds, lambda name: one_run(__name__, name, asked))
    return [
        row("from the last test to the next class's first create", found, "gap", {FLOOR: 0.1},
            also=()),
        row("from the last test to the next class's first test", found, "next ready", also=()),
    ]  # fmt: skip


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
