"""Objects of testcontainers-python that are class attributes as they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..lifecycle.declared import Declared, adopts, declared
from ..network import Network
from .library import STANDS_FOR_IT, is_compose, is_foreign, is_idle, is_idle_network


def adopt_foreign(cls: type) -> None:
    """Declare what a class, or a base of it, has of such objects; those started are left alone."""
    taken: set[str] = set()
    for base in cls.__mro__:
        for name, value in list(vars(base).items()):
            if name not in taken and not name.startswith("__"):
                adopted = _adopted(value)
                if adopted is not value:
                    setattr(cls, name, adopted)
                    if isinstance(adopted, Declared):
                        adopted.__set_name__(base, name)
            taken.add(name)


def _adopted(value: Any) -> Any:
    """One declaration, or a list, tuple or dict of them; anything else as it is."""
    if isinstance(value, dict) and any(map(_has_declaration, value.values())):
        return {key: _adopted(each) for key, each in value.items()}
    if isinstance(value, list | tuple) and any(map(_has_declaration, value)):
        return type(value)(map(_adopted, value))
    return declared(value)


def _has_declaration(value: object) -> bool:
    return declared(value) is not value


@adopts
def _declaration_of(thing: Any) -> Declared | None:
    """The declaration of an object that was not started: others refer to the object by it."""
    if is_foreign(thing) and is_idle(thing):
        make: Callable[[], Declared] = partial(_container_of, thing)
    elif is_idle_network(thing):
        make = partial(Network, docker_network_kw=thing._docker_network_kw)
    elif is_compose(thing):
        make = partial(_stack_of, thing)
    else:
        return None
    found: Declared = vars(thing).get(STANDS_FOR_IT) or make()
    vars(thing)[STANDS_FOR_IT] = found
    return found


def _container_of(thing: Any) -> Declared:
    from .foreign import ForeignContainer  # which not everyone has

    return ForeignContainer(thing)


def _stack_of(thing: Any) -> Declared:
    from .compose import ForeignCompose  # which few have

    return ForeignCompose(thing)
