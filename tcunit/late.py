"""Values that are made when their container starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import DeclarationError
from .lifecycle.declared import Declared, Launch, owner_of


def made(who: str, what: str, value: Any, launch: Launch) -> Any:
    """A value itself, or what its callable makes of it now.

    A method of a declaration is called as that of its started copy.

    Raises:
        DeclarationError: it could not be made; says who wants it, and for what.
    """
    if not callable(value):
        return value
    try:
        return _rebound(value, launch)()
    except Exception as error:
        raise DeclarationError(
            f"{who}: {what} could not be made: {type(error).__name__}: {error}"
        ) from error


def _rebound(value: Callable[[], object], launch: Launch) -> Callable[[], object]:
    """A bound method of a declaration, as the method of its started copy."""
    owner = owner_of(value)
    if not isinstance(owner, Declared):
        return value
    method: Callable[[], object] = getattr(launch.resolve(owner), value.__name__)
    return method
