"""Things of other libraries that one can declare; none of these libraries is a dependency."""

from .adoption import adopt_foreign
from .foreign import ForeignContainer

__all__ = ["ForeignContainer", "adopt_foreign"]
