"""Documents whose code is run: their fenced blocks, and how one of them is executed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcunit._session import PLACE_LABEL
from tcunit.warm import remove_warm, warm_images

from .helpers import engine

MODULES = ("readme", "page")  # in which their blocks are run
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and where its first line stands."""

    language: str
    text: str
    document: Path
    line: int

    def run(self, names: dict[str, Any]) -> None:
        """Execute it as it stands; tracebacks show its lines in the document."""
        padded = "\n" * (self.line - 1) + self.text
        exec(compile(padded, str(self.document), "exec", dont_inherit=True), names)


def blocks_of(document: Path, *languages: str) -> list[Block]:
    """The blocks of a document in some languages, in its order."""
    text = document.read_text("utf-8")
    return [
        Block(found[1], found[2], document, text.count("\n", 0, found.start(2)) + 1)
        for found in FENCED.finditer(text)
        if found[1] in languages
    ]


def remove_warm_starts() -> None:
    """Remove the images that the documents' warm starts have made and that nobody uses.

    Two of the same declaration share one image, which the last to use it can remove.
    """
    for image in warm_images(engine()):
        if image.labels.get(PLACE_LABEL, "").partition(".")[0] in MODULES:
            remove_warm(engine(), image)
