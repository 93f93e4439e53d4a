"""While the tests of one class run, the containers of the next ones start.

How that is done without a difference for the tests is the matter of :mod:`tcunit.lifecycle.ahead`;
here is when. At most ``width`` fixtures exist beside that of the class that runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..lifecycle.ahead import ahead
from ..lifecycle.references import declarations_of
from ..mixins.containers import ContainersMixin


class Lookahead:
    """Starts the fixtures of the classes that come next; is told whose turn it is.

    Args:
        width: how many classes to look ahead.
    """

    def __init__(self, width: int, turns: Sequence[type] = ()) -> None:
        self._width = width
        self.expect(turns)

    def expect(self, turns: Sequence[type]) -> None:
        """From now on, these classes come in this order."""
        self._turns, self._next, self._current = turns, 0, type(None)

    def reached(self, cls: type) -> None:
        """A class has been set up, and its first test begins."""
        if cls is self._current:
            return
        self._current = cls
        try:
            self._next = self._turns.index(cls, self._next) + 1
        except ValueError:  # a suite that has an order of its own
            return
        coming = self._coming()
        ahead.keep_only(coming)
        for each in coming:
            if self._is_free(each):
                ahead.begin(each)

    def close(self) -> None:
        """Remove what was started and is not used."""
        ahead.keep_only(())

    def _coming(self) -> list[type]:
        """Those of the next classes that declare something, each once."""
        coming = self._turns[self._next : self._next + self._width]
        return [cls for cls in dict.fromkeys(coming) if _starts_something(cls)]

    def _is_free(self, cls: type) -> bool:
        """Whether nothing but its own set-up comes before a class's containers."""
        module = cls.__module__
        is_new = module != self._current.__module__
        return not (is_new and hasattr(sys.modules.get(module), "setUpModule"))


def _starts_something(cls: type) -> bool:
    is_skipped = getattr(cls, "__unittest_skip__", False)
    return issubclass(cls, ContainersMixin) and not is_skipped and bool(declarations_of(cls))
