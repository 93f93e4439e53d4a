"""Files as ``TCUNIT_TIMINGS`` writes them, with times that tests choose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGAN = 1_800_000_000.0

Spans = list[tuple[str, str, str, float, float, str]]


def flush(
    spans: Spans, things: list[dict[str, Any]], *, pid: int = 7, group: int = 7, worker: str = ""
) -> str:
    """One line of a file; the spans' times count from the run's beginning."""
    moved = [[phase, case, thing, BEGAN + at, spent, what]
             for phase, case, thing, at, spent, what in spans]  # fmt: skip
    return json.dumps(
        {"tcunit": "0", "pid": pid, "group": group, "worker": worker, "began": BEGAN,
         "things": things, "spans": moved}
    )  # fmt: skip


def thing(
    case: str, name: str, *needs: str, scope: str = "class", kind: str = "DockerContainer",
    image: str = "alpine", insists: tuple[str, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    """What was noted of a thing."""
    return {"case": case, "thing": name, "kind": kind, "image": image, "scope": scope,
            "needs": list(needs), "insists": list(insists)}  # fmt: skip


def one_start(case: str, name: str, at: float, create: float, start: float, wait: float) -> Spans:
    """The spans of one start without a gap."""
    return [
        ("create", case, name, at, create, ""),
        ("start", case, name, at + create, start, ""),
        ("wait", case, name, at + create + start, wait, ""),
    ]


def shop(case: str = "shop.ShopTest", at: float = 0.0) -> tuple[Spans, list[dict[str, Any]]]:
    """A class of ten seconds: a network, a database, a cache, and a web server that needs both."""
    spans = [
        ("connect", case, "", at, 0.5, ""),
        ("start-up", case, "", at + 0.5, 5.5, ""),
        ("create", case, "net", at + 0.5, 0.5, ""),
        *one_start(case, "db", at + 1, 0.5, 0.5, 3.0),
        *one_start(case, "cache", at + 1, 0.25, 0.5, 0.25),
        *one_start(case, "web", at + 5, 0.25, 0.5, 0.25),
        ("tests", case, "", at + 6, 1.0, "test_first"),
        ("tests", case, "", at + 7, 1.0, "test_second"),
        ("tear-down", case, "", at + 8, 2.0, ""),
        ("tear-down", case, "web", at + 8, 0.5, ""),
        ("tear-down", case, "db", at + 8.5, 1.0, ""),
        ("tear-down", case, "cache", at + 8.5, 0.5, ""),
        ("tear-down", case, "net", at + 9.5, 0.5, ""),
    ]
    things = [
        thing(case, "net", kind="Network", image=""),
        thing(case, "db", "net", image="postgres", insists=("net",)),
        thing(case, "cache", "net", image="redis", insists=("net",)),
        thing(case, "web", "net", "db", "cache", image="nginx", insists=("net",)),
    ]
    return spans, things


def written(path: Path, *lines: str) -> Path:
    """A file with these lines."""
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
