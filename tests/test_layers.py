"""The law of the house: a module imports only from lines above its own."""

from __future__ import annotations

import ast
import re
import unittest
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "tcunit"


def the_law() -> dict[str, int]:
    """Each room's line, as it stands in the docstring of the facade."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text())) or ""
    lines = [line for line in docstring.splitlines() if line.startswith("    ")]
    rooms = [re.split(r"\s{3,}", line.strip())[0].split() for line in lines]
    return {room: number for number, names in enumerate(rooms) for room in names}


def room_of(module: Path) -> str:
    """The first name below the package."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(module: Path) -> list[tuple[int, str]]:
    """What a module imports: the line, and a room of the house or ``docker``."""
    found: list[tuple[int, str]] = []
    depth = len(module.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name.split(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            # The guard is run as a file, so it names the package; the law is the same.
            parts = (node.module or "").split(".")
            found.append((node.lineno, ".".join(parts[:2]) if parts[0] == "tcunit" else parts[0]))
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module.split(".")[0]] if node.module else [a.name for a in node.names]
            found += [(node.lineno, f"tcunit.{name}") for name in names]
    return found


def offences(module: Path, law: dict[str, int]) -> list[str]:
    """What a module imports against the law."""
    room, wrong = room_of(module), []
    for line, name in imports_of(module):
        below = name.startswith("tcunit.") and law[name.removeprefix("tcunit.")] >= law[room]
        inside = name == f"tcunit.{room}"
        if (below and not inside) or name == "tcunit" or (name == "docker" and room != "_docker"):
            wrong.append(f"{module.relative_to(PACKAGE.parent)}:{line} imports {name}")
    return wrong


def is_for_types_only(module: Path, offence: str) -> bool:
    """Whether an import stands below ``if TYPE_CHECKING:``, where it costs nothing."""
    line = int(offence.split(":")[1].split()[0])
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return node.lineno < line <= (node.end_lineno or 0)
    return False


class LayersTest(unittest.TestCase):
    """Every module keeps the law."""

    def setUp(self) -> None:
        self.law = the_law()
        self.modules = [m for m in PACKAGE.rglob("*.py") if m != PACKAGE / "__init__.py"]

    def test_every_room_has_its_line(self) -> None:
        """A module without a place in the list, and a line without a module, are found."""
        self.assertEqual(sorted(self.law), sorted({room_of(m) for m in self.modules}))

    def test_imports_point_upwards(self) -> None:
        """No module imports a later room, the facade, or the SDK outside ``_docker``."""
        wrong = [
            offence
            for module in self.modules
            for offence in offences(module, self.law)
            if not (offence.endswith(" docker") and is_for_types_only(module, offence))
        ]
        self.assertEqual([], wrong)

    def test_an_offence_is_seen(self) -> None:
        """The check itself can fail: a law that is turned round is broken by many modules."""
        turned = {room: -line for room, line in self.law.items()}
        self.assertIn("imports tcunit.errors", " ".join(offences(PACKAGE / "settings.py", turned)))
