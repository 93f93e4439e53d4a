"""What the doctor finds: what is fine, what is good to know, and a problem with its remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...masking import MASK, Secrets

OK, NOTE, PROBLEM = "ok", "note", "problem"

_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    A problem says what to do about it. Whatever is told, what looks like a secret is masked.
    """

    topic: str
    told: str
    state: str = OK
    do: str = ""

    def __post_init__(self) -> None:
        for name in ("told", "do"):
            object.__setattr__(self, name, without_secrets(getattr(self, name)))


def without_secrets(text: str) -> str:
    """A text with stars for who is named in a URL, and for what looks like a secret."""
    return Secrets().mask(_USER.sub(rf"\1{MASK}@", text))
