"""What goes away by itself when it is tried again, and how often it is tried."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import EngineError
from ..log import warn
from ..masking import Secrets
from .refusals import NotThere
from .streams import PAUSE, refuse_cancelled

T = TypeVar("T")

DELAYS = (0.5, 1.0, 2.0)  # before the second try, the third and the fourth, in seconds

_FOR_GOOD = re.compile(
    r"not found|manifest unknown|denied|unauthorized|no basic auth|authentication required"
    r"|invalid reference|no matching manifest|no such host",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"\b50[0234]\b|internal server error|bad gateway|service unavailable|gateway time-?out"
    r"|connection reset|broken pipe|\bEOF\b|timed? ?out|deadline exceeded"
    r"|toomanyrequests|too many requests|\b429\b|server misbehaving|temporary failure"
    r"|remote end closed|connection aborted",
    re.IGNORECASE,
)


def is_passing(error: EngineError) -> bool:
    """Whether what was refused may well be granted a moment later."""
    if isinstance(error, NotThere):
        return False
    # What was asked for comes first, and a name may hold any word.
    said = str(error).partition(": ")[2]
    return not _FOR_GOOD.search(said) and bool(_PASSING.search(said))


def persistently(action: Callable[[], T], is_cancelled: Callable[[], bool]) -> T:
    """Do something again while it fails with what is passing, four times at most."""
    for number, delay in enumerate(DELAYS, 2):
        try:
            return action()
        except EngineError as error:
            if not is_passing(error):
                raise
            import random

            delay *= random.uniform(0.8, 1.2)  # those who failed together do not come together
            warn(
                "%s; trying again in %.1f s (try %d of %d)",
                Secrets().mask(str(error)), delay, number, len(DELAYS) + 1,
            )  # fmt: skip
        _pause(delay, is_cancelled)
    return action()


def _pause(seconds: float, is_cancelled: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        refuse_cancelled(is_cancelled)
        time.sleep(min(PAUSE, left))
