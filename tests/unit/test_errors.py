"""The tree of errors."""

from __future__ import annotations

import pickle
import re
import unittest

from tcunit import errors


def tree() -> list[type[errors.TcunitError]]:
    """Every error of the module."""
    found = vars(errors).values()
    return [each for each in found if isinstance(each, type) and issubclass(each, Exception)]


class ErrorTreeTest(unittest.TestCase):
    """What callers may catch."""

    def test_each_survives_pickling(self) -> None:
        """Type and message are the same on the other side of a process boundary."""
        for kind in tree():
            if issubclass(kind, errors.StartErrors):
                continue
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                with self.subTest(kind=kind.__name__, protocol=protocol):
                    actual = pickle.loads(pickle.dumps(kind("what to do"), protocol))
                    self.assertEqual((kind, "what to do"), (type(actual), str(actual)))

    def test_a_group_survives_pickling_with_its_parts(self) -> None:
        """The group keeps its message, and each error inside its type and message."""
        group = errors.StartErrors("2 things", [errors.NotReady("a"), errors.ContainerDied("b")])
        actual = pickle.loads(pickle.dumps(group))
        self.assertEqual((errors.StartErrors, "2 things"), (type(actual), actual.message))
        inside = [(type(each), str(each)) for each in actual.exceptions]
        self.assertEqual([(errors.NotReady, "a"), (errors.ContainerDied, "b")], inside)

    def test_a_part_of_a_group_is_such_a_group(self) -> None:
        """``except*`` leaves a group of the same type."""
        group = errors.StartErrors("2 things", [errors.NotReady("a"), errors.ContainerDied("b")])
        matched, rest = group.split(errors.NotReady)
        self.assertEqual((errors.StartErrors, errors.StartErrors), (type(matched), type(rest)))
        assert rest is not None
        self.assertEqual(["b"], [str(each) for each in rest.exceptions])

    def test_the_usual_builtins_catch_them(self) -> None:
        """Who knows no tcunit catches ValueError, TimeoutError, LookupError or ExceptionGroup."""
        for kind, builtin in [
            (errors.SettingError, ValueError),
            (errors.PortError, ValueError),
            (errors.CycleError, ValueError),
            (errors.SealedError, ValueError),
            (errors.NotReady, TimeoutError),
            (errors.PortNotExposed, LookupError),
            (errors.StartErrors, ExceptionGroup),
        ]:
            with self.subTest(kind=kind.__name__):
                self.assertTrue(issubclass(kind, builtin))

    def test_the_drawing_is_the_tree(self) -> None:
        """The docstring draws every class, each below its first base."""
        path: list[str] = []
        drawn = {}
        for line in (errors.__doc__ or "").splitlines():
            if found := re.match(r"([│├└─ ]*)(\w+(?:Error|Errors|[A-Z]\w+))(?:\s{2,}|$)", line):
                depth = len(found[1]) // 4
                path[depth:] = [found[2]]
                drawn[found[2]] = path[depth - 1] if depth else "Exception"
        actual = {each.__name__: each.__bases__[0].__name__ for each in tree()}
        self.assertEqual(actual, drawn)
