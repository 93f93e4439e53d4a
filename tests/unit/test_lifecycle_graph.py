"""The order of a start."""

from __future__ import annotations

import unittest
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tcunit.errors import CycleError
from tcunit.lifecycle.graph import in_order, reversed_needs

Graph = dict[int, list[int]]
ACYCLIC = st.lists(st.sets(st.integers(0, 9)), max_size=10).map(
    lambda needs: {node: sorted(n for n in each if n < node) for node, each in enumerate(needs)}
)


def order(needs: Graph) -> list[list[int]]:
    """What may start together, step by step."""
    sorter = in_order(needs, str)
    steps = []
    while sorter.is_active():
        steps.append(sorted(sorter.get_ready()))
        sorter.done(*steps[-1])
    return steps


class OrderTest(unittest.TestCase):
    """What may begin when."""

    def test_examples(self) -> None:
        """What needs nothing begins at once; the rest as soon as what it needs is done."""
        examples: list[tuple[Graph, list[list[int]]]] = [
            ({}, []),
            ({1: [], 2: []}, [[1, 2]]),
            ({1: [2], 2: [3], 3: []}, [[3], [2], [1]]),
            ({1: [2, 3], 2: [4], 3: [4], 4: []}, [[4], [2, 3], [1]]),
            ({1: [2, 2], 2: []}, [[2], [1]]),
        ]
        for needs, expected in examples:
            with self.subTest(needs=needs):
                self.assertEqual(expected, order(needs))

    @given(ACYCLIC)
    def test_every_need_comes_before(self, needs: Graph) -> None:
        """Everything is handed out once, after all that it needs, and no step later than that."""
        step_of = {node: n for n, step in enumerate(order(needs)) for node in step}
        self.assertEqual(set(needs), set(step_of))
        for node, needed in needs.items():
            expected = max((step_of[each] + 1 for each in needed), default=0)
            self.assertEqual(expected, step_of[node])


class CycleTest(unittest.TestCase):
    """Loops cannot start."""

    def test_the_loop_is_named_in_reading_order(self) -> None:
        """Who needs whom stands from left to right, and the loop closes."""
        for needs, loops in [
            ({"a": ["a"]}, ["a needs a"]),
            ({"a": ["b"], "b": ["a"]}, ["a needs b needs a", "b needs a needs b"]),
            (
                {"web": ["db"], "db": ["seed"], "seed": ["web"], "cache": []},
                [
                    "web needs db needs seed needs web",
                    "db needs seed needs web needs db",
                    "seed needs web needs db needs seed",
                ],
            ),
        ]:
            with self.subTest(needs=needs):
                with self.assertRaises(CycleError) as caught:
                    in_order(needs, str)
                expected = [
                    f"these wait for each other and could never start: {loop}. "
                    f"Take out one depends_on()."
                    for loop in loops
                ]
                self.assertIn(str(caught.exception), expected)

    def test_names(self) -> None:
        """The names are those that the caller gives."""
        with self.assertRaisesRegex(CycleError, "<1> needs <1>"):
            in_order({1: [1]}, lambda node: f"<{node}>")

    @given(ACYCLIC.filter(bool), st.data())
    def test_every_link_of_the_named_loop_exists(self, needs: Graph, data: st.DataObject) -> None:
        """Whatever the loop is, each "needs" of the message is one of the graph."""
        last = max(needs)
        first = data.draw(st.sampled_from(sorted(needs)))
        needs = {node: [*needed] for node, needed in needs.items()}
        needs[first].append(last)
        needs[last].append(first)
        with self.assertRaises(CycleError) as caught:
            in_order(needs, str)
        loop = str(caught.exception).partition("start: ")[2].partition(".")[0].split(" needs ")
        self.assertEqual(loop[0], loop[-1])
        for node, needed in pairwise(loop):
            self.assertIn(int(needed), needs[int(node)])


class ReversedTest(unittest.TestCase):
    """The order of a stop."""

    def test_example(self) -> None:
        """What is needed waits for all that need it."""
        needs = {"web": ["db", "cache"], "db": ["net"], "cache": ["net"], "net": []}
        expected = {"web": [], "db": ["web"], "cache": ["web"], "net": ["db", "cache"]}
        self.assertEqual(expected, reversed_needs(needs))

    def test_what_is_only_needed(self) -> None:
        """A node that stands for no key of the graph is in the turned one."""
        self.assertEqual({"a": [], "b": ["a"]}, reversed_needs({"a": ["b"]}))

    @given(ACYCLIC)
    def test_twice_is_the_same(self, needs: Graph) -> None:
        """Turning it twice gives the same graph."""
        twice = reversed_needs(reversed_needs(needs))
        self.assertEqual(needs, {node: sorted(each) for node, each in twice.items()})
