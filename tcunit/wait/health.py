"""Waiting for the image's health check, asked at once and not after the engine's first interval."""

from __future__ import annotations

from ..errors import DeclarationError
from .base import Probe, WaitStrategy, WaitTarget
from .command import LONGEST_COMMAND


class HealthcheckWaitStrategy(WaitStrategy):
    """Ready when the container is healthy.

    The engine runs the HEALTHCHECK for the first time after one interval, which often is 30 s. So
    the same command is run at once, and again until it succeeds or the engine says "healthy".
    """

    def begin(self, target: WaitTarget) -> Probe:
        """Read the health check's command."""
        test = list(target.healthcheck)
        if not test:
            raise DeclarationError(
                f"{target.description} has no HEALTHCHECK: declare one with "
                f"with_kwargs(healthcheck={{'test': [...]}}), or wait for something else"
            )
        command = ["/bin/sh", "-c", *test[1:]] if test[0] == "CMD-SHELL" else test[1:]

        def probe() -> str | None:
            try:
                result = target.exec(command, timeout=LONGEST_COMMAND)
            except TimeoutError:
                return f"the health check did not end within {LONGEST_COMMAND:g} s"
            if result.exit_code == 0 or target.state().health == "healthy":
                return None
            said = result.output.decode(errors="replace").strip().rpartition("\n")[2]
            return f"the health check ended with code {result.exit_code}: {said}"

        return probe

    def __str__(self) -> str:
        return "its health check"
