"""Which declarations a class has, and what their references mean there.

A reference means the attribute that holds it, as the running class sees it: an override wins, and
what was left out is ``omitted``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..errors import DeclarationError
from .declared import Declared
from .scopes import run_scope


class Omitted:
    """What a subclass writes to leave a declaration of its base class out: ``cache = omitted``."""

    def __repr__(self) -> str:
        return "omitted"


omitted: Any = Omitted()


class Cluster:
    """Several declarations in a list, tuple or dict that is a class attribute."""

    def __init__(self, members: list[Declared] | tuple[Declared, ...] | dict[Any, Declared]):
        self.members = members

    def items(self) -> list[tuple[str, Declared]]:
        """The members, each with the name it has in the cluster."""
        pairs = self.members.items() if isinstance(self.members, dict) else enumerate(self.members)
        return [(str(key), member) for key, member in pairs]

    def __get__(self, instance: object, owner: type) -> Any:
        members = [member.__get__(instance, owner) for _, member in self.items()]
        if isinstance(self.members, dict):
            return dict(zip(self.members, members, strict=True))
        return type(self.members)(members)


def cluster_of(value: object) -> Cluster | None:
    """A cluster, if a class attribute is a list, tuple or dict of nothing but declarations."""
    if isinstance(value, Cluster):
        return value
    if not isinstance(value, list | tuple | dict) or not value:
        return None
    members = list(value.values() if isinstance(value, dict) else value)
    others = [each for each in members if not isinstance(each, Declared)]
    if not others:
        return Cluster(value)
    if len(others) < len(members):
        raise DeclarationError(
            f"a {type(value).__name__} of declarations holds {others[0]!r}, which is none: keep "
            f"other things in an attribute of their own"
        )
    return None


def settle_clusters(cls: type) -> None:
    """Make the clusters of a class and of its bases readable as their started copies."""
    for base in cls.__mro__[::-1]:
        for name, value in list(base.__dict__.items()):
            cluster = None if name.startswith("__") else cluster_of(value)
            if cluster is None or cluster is value or not _wins(cls, base, name):
                continue
            for key, member in cluster.items():
                member.__set_name__(base, f"{name}-{key}")
            setattr(cls, name, cluster)


def _wins(cls: type, base: type, name: str) -> bool:
    return next(each for each in cls.__mro__ if name in each.__dict__) is base


def declarations_of(cls: type) -> dict[str, Declared]:
    """The declarations that a class has in the end, by attribute, those of its bases first."""
    found: dict[str, Declared] = {}
    for base in cls.__mro__[::-1]:
        for name, value in base.__dict__.items():
            for old in [key for key in found if key.partition("-")[0] == name]:
                del found[old]
            found.update(_named(name, value))
    return found


def _named(name: str, value: object) -> Iterator[tuple[str, Declared]]:
    if isinstance(value, Declared):
        yield name, value
    elif not name.startswith("__") and (cluster := cluster_of(value)):
        for key, member in cluster.items():
            yield f"{name}-{key}", member


class References:
    """Finds what a reference means in one class.

    Args:
        replicas: the copy that the class starts, by attribute.
    """

    def __init__(self, cls: type, replicas: Mapping[str, Declared]):
        self._replicas = dict(replicas)
        self._attributes: dict[int, str] = {}
        self._undeclared: dict[int, Declared] = {}
        self._kept: list[object] = []  # ids stay good only while their objects live
        for base in cls.__mro__:
            for name, value in base.__dict__.items():
                for attribute, declaration in _named(name, value):
                    self._attributes.setdefault(id(declaration), attribute)

    def resolve(self, reference: Any) -> Any:
        """What a reference means: a started copy, ``omitted``, or itself if it already runs."""
        if not isinstance(reference, Declared):
            return reference
        declared = self.resolve_declared(reference)
        if declared is not reference:
            return declared
        if reference.is_started or reference in self._replicas.values():
            return reference
        if id(reference) not in self._undeclared:
            self._kept.append(reference)
            self._undeclared[id(reference)] = copy_for(reference, "")
        return self._undeclared[id(reference)]

    def resolve_declared(self, reference: Any) -> Any:
        """What a reference to a declaration of the class means; other things are themselves."""
        attribute = self._attributes.get(id(reference))
        return reference if attribute is None else self._replicas.get(attribute, omitted)


def graph_of(
    things: Iterable[Declared], resolve: Callable[[Any], Any]
) -> dict[Declared, list[Declared]]:
    """What needs what, among some things and all that they refer to and that does not run yet."""
    graph: dict[Declared, list[Any]] = {}
    waiting = list(things)
    while waiting:
        thing = waiting.pop(0)
        if thing in graph:
            continue
        thing.prepare()
        _refuse_left_out(thing, resolve)
        graph[thing] = [resolve(each) for each in thing.needs()]
        waiting += [
            each for each in graph[thing] if isinstance(each, Declared) and not each.is_started
        ]
    by_name = {thing.known_as: thing for thing in graph if thing.known_as}
    return {thing: _nodes(needed, graph, by_name) for thing, needed in graph.items()}


def declared_graph(cls: type, declared: Mapping[str, Declared]) -> dict[Declared, list[Declared]]:
    """What needs what among the declarations of a class, as far as it is known before a start."""
    resolve = References(cls, declared).resolve_declared
    graph = {}
    for thing in declared.values():
        needed = [resolve(each) for each in thing.needs()]
        graph[thing] = [each for each in needed if isinstance(each, Declared)]
    return graph


def _refuse_left_out(thing: Declared, resolve: Callable[[Any], Any]) -> None:
    for each in thing.insists_on():
        if resolve(each) is omitted:
            raise DeclarationError(
                f"{thing.label}: it cannot do without {each.label}, which was left out of this "
                f"class: declare another one in its place, or leave {thing.label} out, too"
            )


def _nodes(
    needed: list[Any], graph: Mapping[Declared, Any], by_name: Mapping[str, Declared]
) -> list[Declared]:
    found = [by_name.get(each) if isinstance(each, str) else each for each in needed]
    nodes = [each for each in found if isinstance(each, Declared) and each in graph]
    return list(dict.fromkeys(nodes))


def copy_for(declaration: Declared, attribute: str) -> Declared:
    """The copy that a class starts; of what lives for the run, the one that all classes share."""
    if declaration.scope == "run":
        return run_scope.copy_of(declaration, attribute)
    return declaration._replica(attribute)
