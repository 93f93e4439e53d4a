"""Write the README's first example to a test module here: ``python tests/readme_example.py``."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
MODULE = Path("test_readme_example.py")


def main() -> None:
    """Write it."""
    first, *_ = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.M | re.S)
    MODULE.write_text(first, "utf-8")


if __name__ == "__main__":
    main()
