"""What all that stands for an object of another library has: that object, and its attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

from ..errors import NotReady, StartError, TcunitError
from ..lifecycle.declared import Declared
from ..running import RunningContainer, not_started

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


def raise_ours(
    error: Exception,
    what: str,
    why_ended: Callable[[], TcunitError | None],
    running: RunningContainer | None,
) -> NoReturn:
    """Raise in the place of another library's error ours that it came from, or one that tells it.

    Args:
        what: what failed.
        why_ended: the error for a container that ended, if it has.
        running: whose log is shown.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TcunitError):
            raise cause from None
        cause = cause.__cause__
    if reason := why_ended():
        raise reason from error
    kind = NotReady if isinstance(error, TimeoutError) else StartError
    tail = running.log_tail() if running is not None else ""
    raise kind(f"{what}: {type(error).__name__}: {error}{tail}") from error
