"""Values of settings that are known when containers run; writing them down starts nothing."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import DeclarationError
from ..lifecycle.declared import Declared

PLACEHOLDER = (
    "/only-the-test-runner-starts-it"  # no host name: nobody shall ask a name server for it
)


class Late(str):
    """A text that stands in a setting until the test runner puts the right value there.

    It is a text, so that where nobody does, what fails says why.
    """

    make: Callable[..., object]
    declarations: tuple[Declared, ...]

    def __deepcopy__(self, memo: object) -> Late:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


def late(make: Callable[..., object], *declarations: Declared, text: str = PLACEHOLDER) -> Any:
    """A setting's value that is made when containers run.

    ``late(lambda cache: f"{cache.get_connection_url()}?db=1", cache)``. A method of a declaration
    may also stand in the settings as it is.

    Args:
        make: called with the started containers, in the order of ``declarations``.
        text: what stands there before.
    """
    for each in declarations:
        if not isinstance(each, Declared):
            raise DeclarationError(f"late(…, {each!r}): only a declaration can be started")
    if not callable(make) or not declarations:
        raise DeclarationError(
            "late(make, declaration, …): give a function, and the declarations whose started "
            "containers it is called with"
        )
    value = Late(text)
    value.make, value.declarations = make, declarations
    return value


def database(
    container: Declared, engine: str = "django.db.backends.postgresql", **more: Any
) -> dict[str, Any]:
    """An entry of ``DATABASES`` for a container of a database.

    Args:
        container: has ``dbname``, ``username``, ``password`` and ``port``, as ``PostgresContainer``
            does.
        more: further keys, as in ``OPTIONS={…}``, ``TEST={…}``.
    """
    return {
        "ENGINE": engine,
        "NAME": late(lambda db: db.dbname, container),
        "USER": late(lambda db: db.username, container),
        "PASSWORD": late(lambda db: db.password, container),
        "HOST": late(lambda db: db.endpoint(db.port).host, container),
        "PORT": late(lambda db: str(db.endpoint(db.port).port), container, text="1"),
        **more,
    }


def as_late(value: object) -> Late | None:
    """A late value; a method of a declaration is one, too."""
    if isinstance(value, Late):
        return value
    if isinstance(value, types.MethodType) and isinstance(value.__self__, Declared):
        name = value.__name__
        made: Late = late(lambda started: getattr(started, name)(), value.__self__)
        return made
    return None


def late_values(value: object, path: str) -> Iterator[tuple[str, Late]]:
    """The late values in a setting, each with where it stands: ``DATABASES/default/HOST``."""
    found = as_late(value)
    if found is not None:
        yield path, found
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from late_values(each, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from late_values(each, f"{path}/{number}")


Undo = Callable[[], object]


def filled(value: Any, path: str, made: dict[str, object], undo: list[Undo]) -> Any:
    """A setting with what was made for it; dicts and lists are changed in place.

    They are in use already: Django's handlers hold those of ``DATABASES`` and ``CACHES``.

    Args:
        undo: is given what takes the changes back.
    """
    if path in made:
        return made[path]
    if isinstance(value, tuple):
        parts = tuple(filled(each, f"{path}/{n}", made, undo) for n, each in enumerate(value))
        return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
    if isinstance(value, dict | list):
        places = list(value.items() if isinstance(value, dict) else enumerate(value))
        for key, each in places:
            new = filled(each, f"{path}/{key}", made, undo)
            if new is not each:
                undo.append(_putting(value, key, each))
                value[key] = new
    return value


def _putting(holder: Any, key: Any, value: object) -> Undo:
    return lambda: holder.__setitem__(key, value)
