"""What a Dockerfile starts from: the images in its ``FROM`` and ``COPY --from``. Pure.

It reads no more than that needs, and what it does not understand it leaves to the builder, which
has the better message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_GAP = r"(?:[ \t]|[\\`][ \t]*\r?\n)+"
_FROM = re.compile(
    rf"\s*FROM{_GAP}(?P<flags>(?:--\S+{_GAP})*)(?P<image>[^\s\\]\S*)(?:{_GAP}AS{_GAP}(?P<stage>\S+))?",
    re.IGNORECASE,
)
_COPY_FROM = re.compile(
    rf"\s*(?:COPY|ADD){_GAP}(?:--\S+{_GAP})*?--from=(?P<image>\S+)", re.IGNORECASE
)
_ARG = re.compile(r"([A-Za-z_]\w*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^}]*))?\})")
_PLATFORM = re.compile(r"--platform=(\S+)", re.IGNORECASE)
_ESCAPE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*$", re.IGNORECASE)
# As BuildKit has it: a word that begins so, not one within quotes or arithmetic.
_HEREDOC = re.compile(
    r"(?:RUN|COPY|ADD)\b(?:[^\"']|\"[^\"]*\"|'[^']*')*?\s\d*<<-?[\"']?([A-Za-z_][\w.]*)",
    re.IGNORECASE,
)
_NEEDS_BUILDKIT = re.compile(
    rf"\s*(?:RUN{_GAP}--(?:mount|network|security)\b|(?:COPY|ADD){_GAP}(?:--\S+{_GAP})*?"
    rf"--(?:link|chmod|exclude|parents|checksum)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Base:
    """An image that a build starts from or copies from; the platform is empty if none is named."""

    name: str
    platform: str = ""


def bases(text: str, args: Mapping[str, str], target: str | None = None) -> list[Base]:
    """The images that a build needs to be there, each once.

    Args:
        args: build arguments, which win over the defaults of the ``ARG`` before the first ``FROM``.
        target: the stage to build; later ones need nothing.
    """
    found: dict[Base, None] = {}
    for each in _uses(text, args, target):
        found[Base(each.name, each.platform)] = None
    return list(found)


def renamed(text: str, args: Mapping[str, str], name_of: Callable[[str], str]) -> str:
    """The same Dockerfile with its images under other names."""
    changes = [(use.start, use.end, name_of(use.name)) for use in _uses(text, args, None)
               if name_of(use.name) != use.name]  # fmt: skip
    for start, end, name in reversed(changes):
        text = text[:start] + name + text[end:]
    return text


def needs_buildkit(text: str, target: str | None = None) -> bool:
    """Whether it has syntax that only BuildKit knows, up to the stage that is built."""
    return has_heredoc(text, target) or any(
        _NEEDS_BUILDKIT.match(words) for _, words in _reached(text, target)
    )


def has_heredoc(text: str, target: str | None = None) -> bool:
    """Whether a command or a file is written in it as a document of its own (``<<EOF``)."""
    return any(_HEREDOC.match(words.lstrip()) for _, words in _reached(text, target))


@dataclass(frozen=True)
class _Use:
    """An image's name, its variables resolved, and where it stands in the text."""

    name: str
    platform: str
    start: int
    end: int


def _uses(text: str, args: Mapping[str, str], target: str | None) -> Iterator[_Use]:
    known: dict[str, str] = {}
    stages: list[str] = []
    for start, words in _reached(text, target):
        if found := _FROM.match(words):
            yield from _base(found, start, known, stages)
            stages.append((found["stage"] or "").lower())
        elif found := _COPY_FROM.match(words):
            name = found["image"]
            if not name.isdecimal() and name.lower() not in stages and "$" not in name:
                yield _Use(name, "", start + found.start("image"), start + found.end("image"))
        elif not stages:
            known.update(_arguments(words, args, known))


def _reached(text: str, target: str | None) -> Iterator[tuple[int, str]]:
    """The instructions up to the end of the target's stage."""
    name, number = "", -1
    for start, words in _instructions(text):
        if found := _FROM.match(words):
            if target is not None and number >= 0 and target.lower() in (name, str(number)):
                return
            name, number = (found["stage"] or "").lower(), number + 1
        yield start, words


def _base(
    found: re.Match[str], start: int, known: Mapping[str, str], stages: list[str]
) -> Iterator[_Use]:
    name = _filled(found["image"], known)
    if not name or name.lower() in ("scratch", *filter(None, stages)):
        return
    given = _PLATFORM.search(found["flags"])
    platform = _filled(given[1], known) if given else ""
    yield _Use(name, platform, start + found.start("image"), start + found.end("image"))


def _arguments(words: str, args: Mapping[str, str], known: Mapping[str, str]) -> Mapping[str, str]:
    """What an ``ARG`` declares, each with its value."""
    keyword, _, rest = words.strip().partition(" ")
    if keyword.upper() != "ARG":
        return {}
    pairs = {name: _filled(value.strip("\"'"), known) for name, value in _ARG.findall(rest)}
    return {name: args.get(name, value) for name, value in pairs.items()}


def _filled(word: str, known: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        plain, name, operator, otherwise = found.groups()
        value = known.get(plain or name, "")
        if operator == "-":
            return value or otherwise
        if operator == "+":
            return otherwise if value else ""
        return value

    return _VARIABLE.sub(value, word.strip("\"'"))


def _instructions(text: str) -> Iterator[tuple[int, str]]:
    """Each instruction as it is written, with its place: continued lines in one."""
    first = text.splitlines()[0] if text else ""
    escape = found[1] if (found := _ESCAPE.match(first)) else "\\"
    start = place = 0
    held, end_of_heredoc = "", ""
    for line in text.splitlines(keepends=True):
        at, place = place, place + len(line)
        words = line.strip()
        if end_of_heredoc:
            end_of_heredoc = "" if words == end_of_heredoc else end_of_heredoc
            continue
        if words.startswith("#") or not words:
            held += line if held else ""
            continue
        start = start if held else at
        held += line
        if words.endswith(escape):
            continue
        yield start, held
        if heredoc := _HEREDOC.match(held.lstrip()):
            end_of_heredoc = heredoc[1]
        held = ""
    if held:
        yield start, held
