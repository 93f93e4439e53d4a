"""What all that stands for an object of another library has: that object, and its attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from ..lifecycle.declared import Declared
from ..running import not_started

T = TypeVar("T")


class Adapting(Declared, Generic[T]):
    """A declaration that starts an object of another library."""

    _foreign: Any = None

    @property
    def foreign(self) -> T:
        """The library's own object; raises NotStarted before the start."""
        if self._foreign is None:
            raise not_started(self.label, self.scope)
        found: T = self._foreign
        return found

    def __getattr__(self, name: str) -> Any:
        foreign = None if name.startswith("_") else vars(self).get("_foreign")
        if foreign is not None:
            return getattr(foreign, name)
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r} of its own; those of what it adapts "
            f"can be read when that is started"
        )


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it came from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__
