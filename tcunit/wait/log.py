"""Waiting for a line in the log."""

from __future__ import annotations

import re

from ..errors import DeclarationError
from .base import Probe, WaitStrategy, WaitTarget

STREAMS = {"both": (True, True), "stdout": (True, False), "stderr": (False, True)}


class LogMessageWaitStrategy(WaitStrategy):
    """Ready when a pattern was logged, as often as asked, since this start of the container.

    Args:
        pattern: a regular expression, searched line by line (``^`` and ``$`` match at lines).
        times: how often it must occur.
        stream: ``"stdout"``, ``"stderr"`` or ``"both"`` together.
    """

    def __init__(self, pattern: str | re.Pattern[str], times: int = 1, stream: str = "both"):
        self.pattern = compiled(pattern, re.MULTILINE)
        if times < 1:
            raise DeclarationError(f"times={times}: a line is waited for at least once")
        streams_of(stream)
        self.times, self.stream = times, stream

    def begin(self, target: WaitTarget) -> Probe:
        """Begin to follow the log."""

        def probe() -> str | None:
            text = target.log_so_far(*streams_of(self.stream))
            seen = self.count(text)
            return None if seen >= self.times else f"seen {seen} times in {len(text)} characters"

        return probe

    def count(self, text: str) -> int:
        """How often it occurs."""
        return sum(1 for _ in self.pattern.finditer(text))

    def __str__(self) -> str:
        times = f" {self.times} times" if self.times > 1 else ""
        return f"the log line /{self.pattern.pattern}/{times}"


def compiled(pattern: str | re.Pattern[str], flags: int = 0) -> re.Pattern[str]:
    """A pattern, ready to be searched for; the flags are for those that are not compiled yet."""
    if isinstance(pattern, re.Pattern):
        return pattern
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise DeclarationError(
            f"{pattern!r} is no regular expression ({error}): use re.escape() for plain text"
        ) from error


def streams_of(stream: str) -> tuple[bool, bool]:
    """Whether stdout and stderr are meant."""
    if stream not in STREAMS:
        raise DeclarationError(f"stream={stream!r}: choose from {', '.join(STREAMS)}")
    return STREAMS[stream]
