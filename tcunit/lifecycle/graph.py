"""The order of a start: what may begin when what it needs is ready. Pure.

The sorting itself is the standard library's :mod:`graphlib`; this adds names to its errors.
"""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ..errors import CycleError

Node = TypeVar("Node")


def in_order(
    needs: Mapping[Node, Iterable[Node]], name: Callable[[Node], str]
) -> graphlib.TopologicalSorter[Node]:
    """A sorter that hands out what may start; refuses a cycle.

    Raises:
        CycleError: names the loop.
    """
    sorter = graphlib.TopologicalSorter(needs)
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        # graphlib lists the loop from the needed to the needing; people read it the other way.
        loop = " needs ".join(name(node) for node in reversed(error.args[1]))
        raise CycleError(
            f"these wait for each other and could never start: {loop}. Take out one depends_on()."
        ) from None
    return sorter


def one_by_one(needs: Mapping[Node, Iterable[Node]]) -> Iterable[Node]:
    """All of them, what is needed before what needs it."""
    return graphlib.TopologicalSorter(needs).static_order()


def reversed_needs(needs: Mapping[Node, Iterable[Node]]) -> dict[Node, list[Node]]:
    """The same graph for stopping: what is needed waits for all that need it."""
    turned: dict[Node, list[Node]] = {node: [] for node in needs}
    for node, needed in needs.items():
        for each in needed:
            turned.setdefault(each, []).append(node)
    return turned
