"""``doctor``: looks at everything that tests with containers depend on, and says what to do.

One line for each finding, with its state first: ``ok``, ``note`` or ``problem``. It creates nothing
but the reapers, which it arms for a moment.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..._docker import Engine
from ...errors import TcunitError
from ...settings import Settings
from .capacity import disk, images, leftovers, networks
from .finding import NOTE, OK, PROBLEM, Finding
from .nets import reapers
from .surroundings import about_engine, addresses, engines, installation, settings_in_use

COLOURS = {OK: "green", NOTE: "yellow", PROBLEM: "bold red"}


def add(commands: Any) -> None:
    """Declare the command and its options."""
    what = "look at the engine, the settings and the reapers, and say what to do about problems"
    parser = commands.add_parser("doctor", help=what, description=what.capitalize() + ".")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is found; 1 if there is a problem."""
    with _quiet():
        return _report(examine(Settings()), as_json=options.json)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what is logged: it is found out here as well."""
    log = logging.getLogger("tcunit")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _report(found: Iterable[Finding], *, as_json: bool) -> int:
    if as_json:
        findings = list(found)
        told = {"ok": not _problems(findings), "findings": [vars(each) for each in findings]}
        print(json.dumps(told, indent=2))
    elif sys.stdout.isatty():
        findings = _coloured(found)
    else:
        findings = []
        for each in found:
            print(line(each), flush=True)
            findings.append(each)
    return 1 if _problems(findings) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything that is looked at, one after the other."""
    yield from installation()
    yield from settings_in_use(settings)
    engine: Engine | None = None
    for each in _safely("engine", lambda: engines(settings)):
        if isinstance(each, Engine):
            engine = each
        else:
            yield each
    if engine is not None:
        yield from _of(engine, settings)


def _of(engine: Engine, settings: Settings) -> Iterator[Finding]:
    checks: dict[str, Callable[[], Iterable[Finding]]] = {
        "engine": lambda: about_engine(engine),
        "connection": lambda: addresses(engine, settings),
        "leftovers": lambda: leftovers(engine),
        "reapers": lambda: reapers(engine, settings),
        "images": lambda: images(engine, settings),
        "disk": lambda: disk(engine, settings),
        "networks": lambda: networks(engine, settings),
    }
    for topic, check in checks.items():
        yield from _safely(topic, check)


def _safely(topic: str, check: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """What a check finds; that it cannot be made is a finding, too."""
    try:
        yield from check()
    except TcunitError as error:
        yield Finding(topic, f"this cannot be looked at: {error}", PROBLEM,
                      "see what the other lines say")  # fmt: skip


def _problems(findings: Iterable[Finding]) -> list[Finding]:
    return [each for each in findings if each.state == PROBLEM]


def line(finding: Finding) -> str:
    """A finding as one line."""
    remedy = f": {finding.do}" if finding.do else ""
    told = " ".join(f"{finding.told.rstrip('.')}{remedy}".split())
    return f"{finding.state:<8}{finding.topic:<12}{told}"


def _coloured(found: Iterable[Finding]) -> list[Finding]:
    """Print each finding as it comes, for who looks at a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, findings, topic = Console(highlight=False), [], ""
    for each in found:
        findings.append(each)
        if each.topic != topic:
            topic = each.topic
            console.print(topic, style="bold")
        told = Text(each.told.rstrip("."))
        if each.do:
            told.append(f"\n→ {each.do}", "bold")
        row = Table.grid(padding=(0, 1))
        row.add_row("", Text(f"{each.state:<7}", COLOURS[each.state]), told)
        console.print(row)
    problems = len(_problems(findings))
    console.print(f"{problems} problem{'s' * (problems != 1)}" if problems else "all is fine",
                  style="bold red" if problems else "bold green")  # fmt: skip
    return findings
