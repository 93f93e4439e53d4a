"""``tcunit run``: what stays together, who runs what, and what is told of a worker that dies."""

from __future__ import annotations

import sys
import types
import unittest
from collections import Counter
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tcunit.runner.losses import Progress, loss_of
from tcunit.runner.plan import Unit, id_of, keys_of, turns_of, units_of
from tcunit.runner.schedule import Schedule


def case(name: str, tests: int = 1, module: str = "plain_module") -> Any:
    """A test class."""
    methods = {f"test_{n}": lambda self: None for n in range(tests)}
    return type(name, (unittest.TestCase,), {**methods, "__module__": module})


def suite_of(*classes: type[unittest.TestCase]) -> unittest.TestSuite:
    """All tests of some classes."""
    load = unittest.defaultTestLoader.loadTestsFromTestCase
    return unittest.TestSuite([load(each) for each in classes])


def names(unit: Unit | None) -> list[str]:
    """The names of a unit's tests, short."""
    return [] if unit is None else [f"{type(t).__name__}.{id_of(t)[-1]}" for t in unit.tests]


class OwnWay(unittest.TestSuite):
    """A suite that does something before its tests."""

    def run(self, result: Any, debug: bool = False) -> Any:
        """Only that it is here matters."""
        return super().run(result, debug)


class OnlyMore(unittest.TestSuite):
    """A suite that runs as any other does."""

    more = 1


class WithModule(unittest.TestCase):
    """There is a module that has a set-up."""

    def setUp(self) -> None:
        module = types.ModuleType("set_up_module")
        module.setUpModule = lambda: None  # type: ignore[attr-defined]
        patch = mock.patch.dict(sys.modules, {"set_up_module": module})
        patch.start()
        self.addCleanup(patch.stop)


class UnitsTest(WithModule):
    """The parts of a suite that can run in different processes."""

    def test_classes(self) -> None:
        """One for each class, in order; one whose tests are apart has several turns."""
        a, b = case("A", 2), case("B")
        suite = unittest.TestSuite([suite_of(a, b), OnlyMore([a("test_1"), a("test_1")])])
        self.assertEqual(
            [["A.0", "A.1"], ["B.0"], ["A.1", "A.1"]], [names(each) for each in units_of(suite)]
        )
        self.assertEqual([a, b, a], turns_of(suite))

    def test_modules_with_a_set_up(self) -> None:
        """Their classes stay together, also with suites of such a module between them."""
        a, b, c = (case(name, module="set_up_module") for name in "ABC")
        other = case("Other")
        suite = unittest.TestSuite([suite_of(a), OwnWay([b("test_0")]), suite_of(c, other)])
        self.assertEqual(
            [["A.0", "B.0", "C.0"], ["Other.0"]], [names(each) for each in units_of(suite)]
        )
        self.assertIsInstance(list(units_of(suite)[0].suite())[1], OwnWay)

    def test_suites_with_a_way_of_their_own(self) -> None:
        """Such a one stays whole; it is called as it is."""
        a, b = case("A"), case("B")
        whole = OwnWay([suite_of(a), suite_of(b)])
        units = units_of(unittest.TestSuite([suite_of(a), whole, OwnWay(), suite_of(b)]))
        self.assertEqual([["A.0"], ["A.0", "B.0"], ["B.0"]], [names(each) for each in units])
        self.assertEqual([whole], list(units[1].suite()))

    def test_keys(self) -> None:
        """Each test has one of its own, the same wherever the same tests are found."""
        a = case("A")
        tests = [a("test_0"), a("test_0"), unittest.FunctionTestCase(len)]
        keys = list(keys_of(tests, Counter()))
        self.assertEqual([(tests[0].id(), 0), (tests[0].id(), 1), (tests[2].id(), 0)], keys)


class ScheduleTest(unittest.TestCase):
    """Who runs what."""

    def units(self, number: int) -> list[Unit]:
        """Some units with a test each."""
        return units_of(suite_of(*(case(f"T{n}") for n in range(number))))

    def test_in_order(self) -> None:
        """Each worker gets the first that is free, and expects the next."""
        units = self.units(6)
        schedule = Schedule(units, workers=2, lookahead=1)
        self.assertEqual((units[0], [units[1]]), schedule.next_for("a"))
        self.assertEqual((units[2], [units[3]]), schedule.next_for("b"))
        self.assertEqual((units[1], [units[4]]), schedule.next_for("a"))
        self.assertEqual((units[4], [units[5]]), schedule.next_for("a"))
        self.assertFalse(schedule.has_waiting)

    def test_nobody_is_idle(self) -> None:
        """What is only reserved is taken away by who has nothing else to do."""
        units = self.units(3)
        schedule = Schedule(units, workers=2, lookahead=1)
        self.assertEqual((units[0], [units[1]]), schedule.next_for("a"))
        self.assertEqual((units[2], []), schedule.next_for("b"))
        self.assertEqual((units[1], []), schedule.next_for("b"))
        self.assertEqual((None, []), schedule.next_for("a"))

    def test_no_reservation_of_what_others_ask_for(self) -> None:
        """Where there are as many units as workers, each gets one, and expects nothing."""
        units = self.units(2)
        schedule = Schedule(units, workers=2, lookahead=1)
        self.assertEqual([(units[0], []), (units[1], [])], [*map(schedule.next_for, "ab")])

    def test_a_worker_is_lost(self) -> None:
        """What was reserved for it, and the rest of what it ran, are the next to run."""
        units = self.units(5)
        schedule = Schedule(units, workers=1, lookahead=1)
        self.assertEqual((units[0], [units[1]]), schedule.next_for("a"))
        rest = Unit(units[0].tests, units[0].keys)
        schedule.lost("a", units[0], rest)
        self.assertEqual([units[0], rest, *units[1:]], schedule.order)
        self.assertEqual((rest, [units[1]]), schedule.next_for("b"))

    def test_cut(self) -> None:
        """Nothing after a failure is begun; what comes before it is."""
        units = self.units(5)
        schedule = Schedule(units, workers=1, lookahead=2)
        schedule.next_for("a")
        self.assertEqual(units[2:], schedule.cut_after(units[1]))
        self.assertEqual((units[1], []), schedule.next_for("a"))
        self.assertEqual((None, []), schedule.next_for("a"))
        self.assertFalse(schedule.has_waiting)

    @given(st.integers(0, 12), st.integers(1, 4), st.integers(0, 3), st.data())
    def test_each_once(self, number: int, workers: int, lookahead: int, data: Any) -> None:
        """Whoever asks when, whoever dies when: each unit is handed out exactly once."""
        units = self.units(number)
        schedule = Schedule(units, workers, lookahead)
        given_out: list[Unit] = []
        living = set(range(workers))
        while living:
            worker = data.draw(st.sampled_from(sorted(living)))
            if data.draw(st.integers(0, 9)) == 0 and len(living) > 1:
                schedule.lost(worker)
                living.remove(worker)
                continue
            unit, coming = schedule.next_for(worker)
            self.assertLessEqual(len(coming), lookahead)
            self.assertFalse(set(coming) & set(given_out))
            if unit is None:
                living.remove(worker)
                if not living and schedule.has_waiting:
                    living.add(workers)  # somebody is hired
                    workers += 1
            else:
                given_out.append(unit)
        self.assertEqual(set(units), set(given_out))
        self.assertEqual(len(units), len(given_out))


class LossTest(WithModule):
    """What is told of a worker that died, by how far it had come."""

    def setUp(self) -> None:
        super().setUp()
        a, b, c = (case(name, 3, module="set_up_module") for name in "ABC")
        [self.unit] = units_of(suite_of(a, b, c))

    def loss(self, begun: int, is_running: bool) -> tuple[Any, str, list[str]]:
        """The place, the text and the rest, when that many tests have begun."""
        progress = Progress()
        for number in range(begun):
            progress.note(("startTest", number))
            if number < begun - 1 or not is_running:
                progress.note(("addSuccess", number))
                progress.note(("stopTest", number))
        events, rest = loss_of(self.unit, progress, "ended with exit code 3")
        self.assertEqual("addError", events[0][0])
        self.assertEqual(is_running, events[1:] == [("stopTest", begun - 1)])
        return events[0][1], events[0][2], names(rest)

    def test_in_a_test(self) -> None:
        """The test has the error; the next classes go on."""
        place, text, rest = self.loss(4, is_running=True)
        self.assertEqual(3, place)
        self.assertRegex(text, r"WorkerDied: the process ended with exit code 3 in the middle of "
                               r"this test; after it, 2 tests were not run\n$")  # fmt: skip
        self.assertEqual(["C.0", "C.1", "C.2"], rest)

    def test_between_tests(self) -> None:
        """The class has it."""
        place, text, rest = self.loss(2, is_running=False)
        self.assertEqual("set_up_module.A", place)
        self.assertIn("between two tests of set_up_module.A; after it, 1 test was not run", text)
        self.assertEqual("B.0", rest[0])

    def test_between_classes(self) -> None:
        """Its set-up has it, or after the last one its tear-down."""
        for begun, where, rest in ((0, "setUpClass (set_up_module.A)", 6),
                                   (3, "setUpClass (set_up_module.B)", 3),
                                   (9, "tearDownClass (set_up_module.C)", 0)):  # fmt: skip
            with self.subTest(begun=begun):
                found, _, left = self.loss(begun, is_running=False)
                self.assertEqual((where, rest), (found, len(left)))

    def test_of_a_suite_with_a_way_of_its_own(self) -> None:
        """Nothing of it can go on elsewhere."""
        [self.unit] = units_of(OwnWay([suite_of(case("A"), case("B"))]))
        self.assertEqual([], self.loss(1, is_running=True)[2])
