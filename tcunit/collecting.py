"""How a declaration collects its request: what the ``with_…`` methods of every theme share.

The rule: a value that makes no sense is refused where it is written, with what would do instead.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any, Self

from .errors import DeclarationError
from .lifecycle.declared import Declared
from .request import ContainerRequest, merged

_SIZE = r"(?i)(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?"
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class Collecting(Declared):
    """A declaration that is a request, and grows until it is sealed."""

    _request: ContainerRequest
    _prepared: ContainerRequest | None = None  # what it is for one start

    def _with(self, method: str, **changes: Any) -> Self:
        self._refuse_change(method)
        self._request = dataclasses.replace(self._request, **changes)
        return self

    def _with_options(self, method: str, **options: Any) -> Self:
        """Add options of the SDK: lists grow, dicts merge, others are replaced."""
        return self._with(method, options=merged(self._request.options, options))


def size_in_bytes(given: int | str, what: str) -> int:
    """A size such as ``"64m"`` in bytes; the units are powers of 1024.

    Raises:
        DeclarationError: it is none, or nothing.
    """
    found = re.fullmatch(_SIZE, given.strip()) if isinstance(given, str) else None
    if found:
        size = int(float(found[1]) * _UNITS[found[2].lower()])
    elif isinstance(given, int) and not isinstance(given, bool):
        size = given
    else:
        size = 0
    if size <= 0:
        raise DeclarationError(f"{what}: {given!r} is no size: give bytes, or a text as in '64m'")
    return size


def positive(given: float, what: str, *, or_zero: bool = False) -> float:
    """A number that is more than nothing.

    Raises:
        DeclarationError: it is not.
    """
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number or not math.isfinite(given) or given < 0 or (given == 0 and not or_zero):
        raise DeclarationError(f"{what}: {given!r} is no number {'>=' if or_zero else '>'} 0")
    return given


def whole(given: int, what: str, *, or_zero: bool = False) -> int:
    """A whole number that is more than nothing."""
    if not isinstance(given, int):
        raise DeclarationError(f"{what}: {given!r} is no whole number")
    return int(positive(given, what, or_zero=or_zero))


def permissions(given: int, what: str) -> int:
    """Permissions of a file, as in ``0o644``.

    Raises:
        DeclarationError: they are none; a decimal number is a frequent slip.
    """
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= 0o7777:
        raise DeclarationError(f"{what}: {given!r} are no permissions: write them as in 0o644")
    return given


def place_in_container(given: str, what: str) -> str:
    """An absolute path in a container.

    Raises:
        DeclarationError: it is relative, or leads upwards.
    """
    if not isinstance(given, str) or not given.startswith("/"):
        raise DeclarationError(f"{what}: {given!r}: the place in the container begins with '/'")
    if ".." in given.split("/"):
        raise DeclarationError(f"{what}: {given!r}: write the place in the container without '..'")
    return given


def words_of(given: str, what: str) -> str:
    """A text that says something."""
    if not isinstance(given, str) or not given.strip():
        raise DeclarationError(f"{what}: {given!r} says nothing: give a text")
    return given
