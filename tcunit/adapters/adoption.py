"""Objects of testcontainers-python that are class attributes as they are."""

from __future__ import annotations

from typing import Any

from .foreign import ForeignContainer
from .library import is_foreign, is_idle


def adopt_foreign(cls: type) -> None:
    """Declare what a class, or a base of it, has of such objects; those started are left alone."""
    taken: set[str] = set()
    for base in cls.__mro__:
        for name, value in list(vars(base).items()):
            if name not in taken and not name.startswith("__"):
                adopted = _adopted(value)
                if adopted is not value:
                    setattr(cls, name, adopted)
                    if isinstance(adopted, ForeignContainer):
                        adopted.__set_name__(base, name)
            taken.add(name)


def _adopted(value: Any) -> Any:
    """One declaration, or a list, tuple or dict of them; anything else as it is."""
    if isinstance(value, dict) and any(map(is_foreign, value.values())):
        return {key: _adopted(each) for key, each in value.items()}
    if isinstance(value, list | tuple) and any(map(is_foreign, value)):
        return type(value)(map(_adopted, value))
    return ForeignContainer(value) if is_foreign(value) and is_idle(value) else value
