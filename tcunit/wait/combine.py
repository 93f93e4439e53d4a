"""Waits made of waits, and the wait of a container that declares none."""

from __future__ import annotations

import time

from ..errors import DeclarationError, NotReady
from .base import Probe, WaitStrategy, WaitTarget
from .command import RunningWaitStrategy
from .health import HealthcheckWaitStrategy
from .port import PortWaitStrategy


class _Combined(WaitStrategy):
    name = ""

    def __init__(self, *strategies: WaitStrategy):
        if not strategies:
            raise DeclarationError(f"{self.name}() needs at least one wait strategy")
        self.strategies = strategies
        self.outlives_container = any(each.outlives_container for each in strategies)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.strategies))})"

    def limit(self, default: float) -> float:
        """Its own limit, else the longest of its strategies', because they run side by side."""
        return self.timeout or max(each.limit(default) for each in self.strategies)

    def _begin_each(self, target: WaitTarget) -> dict[WaitStrategy, Probe]:
        return {each: each.begin(target) for each in self.strategies}


class AllOf(_Combined):
    """Ready when every strategy was, each from its own success on; they share one deadline."""

    name = "all_of"

    def begin(self, target: WaitTarget) -> Probe:
        """Begin all of them at once."""
        missing, began = self._begin_each(target), time.monotonic()

        def probe() -> str | None:
            reasons = []
            for strategy, ask in list(missing.items()):
                answer = ask()
                if answer is None:
                    del missing[strategy]
                    continue
                if _is_late(strategy, began):
                    raise NotReady(_late(target, strategy, answer))
                reasons.append(f"{strategy}: {answer}")
            return reasons[0] if reasons else None

        return probe


class AnyOf(_Combined):
    """Ready as soon as one strategy is."""

    name = "any_of"

    def begin(self, target: WaitTarget) -> Probe:
        """Begin all of them at once."""
        probes, began = self._begin_each(target), time.monotonic()

        def probe() -> str | None:
            reasons = []
            for strategy, ask in list(probes.items()):
                try:
                    answer = ask()
                    if answer is not None and _is_late(strategy, began):
                        raise NotReady(_late(target, strategy, answer))
                except NotReady:
                    del probes[strategy]
                    if not probes:
                        raise
                    continue
                if answer is None:
                    return None
                reasons.append(f"{strategy}: {answer}")
            return "; ".join(reasons)

        return probe


class DefaultWaitStrategy(WaitStrategy):
    """What "ready" means where nothing was said.

    The first that applies: the image's HEALTHCHECK; those exposed ports that the image itself
    declares; at least one of the ports that were exposed; that the container runs.
    """

    def begin(self, target: WaitTarget) -> Probe:
        """Choose by what the image declares."""
        return self._choose(target).begin(target)

    @staticmethod
    def _choose(target: WaitTarget) -> WaitStrategy:
        if target.healthcheck:
            return HealthcheckWaitStrategy()
        exposed = [port for port in target.exposed_ports if port.protocol == "tcp"]
        if declared := [PortWaitStrategy(port) for port in exposed if port in target.image_ports]:
            return AllOf(*declared)
        if exposed:
            return AnyOf(*map(PortWaitStrategy, exposed))
        return RunningWaitStrategy()

    def __str__(self) -> str:
        return "its health check or ports (no strategy was declared)"


def _is_late(strategy: WaitStrategy, began: float) -> bool:
    return strategy.timeout is not None and time.monotonic() - began > strategy.timeout


def _late(target: WaitTarget, strategy: WaitStrategy, reason: str) -> str:
    return (
        f"{target.description} was not ready within {strategy.timeout:g} s: waiting for "
        f"{strategy}, the last time: {reason}{target.log_tail()}"
    )
