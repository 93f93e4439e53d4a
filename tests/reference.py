"""The API reference, from signatures and docstrings: ``python -m tests.reference`` writes it.

What is public is in ``__all__``; the errors are all those of :mod:`tcunit.errors`. A class has the
members that it defines or takes from what is not public itself; what it takes from a public class
stands there.
"""

from __future__ import annotations

import enum
import inspect
import re
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import tcunit
from tcunit import errors, modules, wait
from tcunit.lifecycle.declared import Declared

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
HEAD = """\
# Reference

Every public name with its signature and what its docstring says. It is written from the code by
`python -m tests.reference`. The [README](../README.md) is the manual.
"""
# What the class fixture calls, and nobody else.
OF_THE_LIFECYCLE = frozenset({
    "before_test", "check", "fixed_ports", "insists_on", "is_apart", "is_shared", "kept",
    "known_as", "launch", "life", "needs", "place", "prepare", "release", "revive", "sources",
    "use_mode_of", "why_not_ahead",
})  # fmt: skip
ROLE = re.compile(r":(?:class|meth|func|mod|data):`[~.]*([^`]+)`")
SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$", re.MULTILINE)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, module, names in _chapters():
        parts.append(f"\n## {title}\n")
        parts += [_entry(name, getattr(module, name)) for name in names]
    return "".join(parts)


def _chapters() -> Iterator[tuple[str, ModuleType, list[str]]]:
    yield "tcunit", tcunit, [name for name in tcunit.__all__ if name not in LEFT_OUT]
    yield "tcunit.modules", modules, modules.__all__
    yield "tcunit.wait", wait, wait.__all__
    tree = [name for name, each in vars(errors).items() if _is_error(each)]
    yield "tcunit.errors", errors, tree


LEFT_OUT = ("__version__", "errors", "wait")  # the version is a text; the others have chapters


def _is_error(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, errors.TcunitError)


PUBLIC = {
    each
    for _, module, names in _chapters()
    for name in names
    if isinstance(each := getattr(module, name), type)
}


def _entry(name: str, thing: Any) -> str:
    if getattr(thing, "__name__", name) != name:
        return f"\n### {name}\n\nThe same as [{thing.__name__}](#{thing.__name__.lower()}).\n"
    if not isinstance(thing, type):
        shown = _code(f"{name}{_signature(thing)}") if callable(thing) else ""
        return f"\n### {name}\n\n{shown}{_text(thing)}"
    bases = [f"`{each.__name__}`" for each in thing.__bases__ if each in PUBLIC]
    made_of = f"A kind of {', '.join(bases)}.\n\n" if bases else ""
    is_plain = _is_error(thing) or "Mixin" in name or issubclass(thing, unittest.TestCase)
    shown = "" if is_plain else _code(f"{name}{_constructor(thing)}")
    members = "".join(_member(*each) for each in _members(thing))
    return f"\n### {name}\n\n{shown}{made_of}{_text(thing)}{members}"


def _constructor(cls: type) -> str:
    if issubclass(cls, enum.Enum):
        return f": {', '.join(each.name for each in cls)}"
    made = cls.__init__ if isinstance(cls.__init__, FunctionType) else cls.__new__
    return _signature(made) if isinstance(made, FunctionType) else "()"


# -- members --------------------------------------------------------------------------------------


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """What the class has beside what is told elsewhere, in the order of the source."""
    told = {name for each in cls.__mro__[1:] if each in PUBLIC for name in dir(each)}
    found: dict[str, Any] = {}
    for each in cls.__mro__:
        if each is cls or (each not in PUBLIC and each.__module__.startswith("tcunit")):
            for name, value in vars(each).items():
                is_new = each is cls or name not in told
                if is_new and not name.startswith("_") and _has_text(value):
                    found.setdefault(name, value)
    hidden = OF_THE_LIFECYCLE if issubclass(cls, Declared) else ()
    return ((name, value) for name, value in found.items() if name not in hidden)


def _has_text(value: object) -> bool:
    is_member = isinstance(value, FunctionType | property | classmethod | staticmethod)
    return is_member and bool(value.__doc__)


def _member(name: str, value: Any) -> str:
    if isinstance(value, property):
        shown = f"{name}: {value.fget.__annotations__.get('return', 'Any')}"
    else:
        shown = f"{name}{_signature(getattr(value, '__func__', value))}"
    return f"\n#### {name}\n\n{_code(shown)}{_text(value)}"


def _signature(function: Callable[..., Any]) -> str:
    """A signature with the annotations as they were written."""
    parts, kinds = [], inspect.Parameter
    is_named = False
    for each in inspect.signature(function).parameters.values():
        if each.name in ("self", "cls", "_cls"):
            continue
        stars = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(each.kind, "")
        if each.kind is kinds.KEYWORD_ONLY and not is_named:
            parts.append("*")
        is_named = is_named or stars == "*" or each.kind is kinds.KEYWORD_ONLY
        written = getattr(each.annotation, "__forward_arg__", each.annotation)
        kind = f": {written}" if written is not each.empty else ""
        default = f" = {_plain(each.default)}" if each.default is not each.empty else ""
        parts.append(f"{stars}{each.name}{kind}{default}")
    returned = getattr(function, "__annotations__", {}).get("return", "None")
    arrow = "" if returned in ("None", None) else f" -> {returned}"
    return f"({', '.join(parts)}){arrow}"


def _plain(default: object) -> str:
    if isinstance(default, type | FunctionType):
        return default.__name__
    return re.sub(r" at 0x[0-9a-f]+", "", repr(default)).replace("'", '"')


# -- text -----------------------------------------------------------------------------------------


def _code(text: str) -> str:
    if len(text) > 90:
        head, _, rest = text.partition("(")
        inside, _, end = rest.rpartition(")")
        lines = "".join(f"    {each},\n" for each in _split(inside))
        text = f"{head}(\n{lines}){end}"
    return f"```py\n{text}\n```\n\n"


def _split(parameters: str) -> list[str]:
    """Parameters one by one, at the commas that are in no bracket."""
    found, depth = [""], 0
    for character in parameters:
        depth += (character in "[(") - (character in "])")
        if character == "," and not depth:
            found.append("")
        else:
            found[-1] += character
    return [each.strip() for each in found]


def _text(thing: object) -> str:
    """A docstring as Markdown."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    lines = ROLE.sub(r"`\1`", text).replace("``", "`").splitlines()
    shown: list[str] = []
    is_list = False
    for line in lines:
        if found := SECTION.fullmatch(line):
            shown.append(f"**{found[1]}**\n")
            is_list = True
        elif is_list and line.startswith("    ") and not line.startswith("     "):
            name, colon, rest = line.strip().partition(": ")
            shown.append(f"- `{name}`: {rest}" if colon else f"- {line.strip()}")
        elif is_list and line.startswith("     "):
            shown.append(f"  {line.strip()}")
        else:
            is_list = is_list and not line
            shown.append(line)
    return "\n".join(shown).strip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
