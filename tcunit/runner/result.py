"""The result that is printed: unittest's own, which also takes what another process has told."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

__unittest = True


class Told(tuple[Any, ...]):
    """In the place of what ``sys.exc_info()`` returns: an error that was formatted elsewhere."""

    text = ""


class Result(unittest.TextTestResult):
    """unittest's text result.

    Attributes:
        on_start: told the class of each test that begins.
    """

    on_start: Callable[[type], None] | None = None

    def startTest(self, test: unittest.TestCase) -> None:
        """A test begins, so that its class has been set up."""
        if self.on_start is not None:
            self.on_start(type(test))
        super().startTest(test)

    def _exc_info_to_string(self, err: Any, test: Any) -> str:
        # All that is printed of an error is made here, and nowhere by public means.
        if isinstance(err, Told):
            return err.text
        text: str = super()._exc_info_to_string(err, test)  # type: ignore[misc]
        return text
