"""Things of other libraries that one can declare; none of these libraries is a dependency."""

from __future__ import annotations

import typing

from .adoption import adopt_foreign

if typing.TYPE_CHECKING:
    from .foreign import ForeignContainer
else:

    def __getattr__(name: str) -> type:
        """What not everyone needs, at its first use."""
        if name != "ForeignContainer":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .foreign import ForeignContainer

        globals()[name] = ForeignContainer
        return ForeignContainer


__all__ = ["ForeignContainer", "adopt_foreign"]
