"""How many requests the engine gets for each container, and which.

Every request of the process is counted where it leaves the Docker SDK. What is asked once a run
(version, image, network, events) is listed apart. Measured with three small containers that have a
port, and with the reference document's application; neither wait has to ask the engine.

Aim: for each container one request to create, start, inspect and remove it, and no other.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from . import application, cold_class
from .common import BARE_PEER, FLOOR, TCUNIT, Figures, Row, main, one_run, present

ROUNDS = 1
NEEDED = ("POST create", "POST start", "GET json", "DELETE")


@dataclass(frozen=True)
class Request:
    """One request, and what was answered if it was a create."""

    method: str
    path: str
    answer: str = ""


class Counting:
    """Notes each request of this process while it is open."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __enter__(self) -> Counting:
        from requests.adapters import HTTPAdapter

        self._send = send = HTTPAdapter.send

        def counted(adapter: Any, request: Any, *args: Any, **kw: Any) -> Any:
            answer = send(adapter, request, *args, **kw)
            is_create = request.path_url.partition("?")[0].endswith("/create")
            text = answer.text if is_create and answer.ok else ""
            self.requests.append(Request(request.method, unquote(request.path_url), text))
            return answer

        HTTPAdapter.send = counted  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        from requests.adapters import HTTPAdapter

        HTTPAdapter.send = self._send  # type: ignore[method-assign]

    def by_resource(self) -> dict[str, list[str]]:
        """The requests about each container and network by its name; all others as ``""``."""
        names: dict[str, str] = {}
        for each in self.requests:
            if each.answer:
                found = re.search(r"[?&]name=([^&]+)", each.path)
                made = json.loads(each.answer)["Id"]
                kind = "network" if "/networks/" in each.path else "container"
                names[made] = f"{kind} {found[1] if found else made[:12]}"
        listed: dict[str, list[str]] = {"": [], **{name: [] for name in names.values()}}
        for each in self.requests:
            listed[_owner(each, names)].append(brief(each))
        return listed


def _owner(request: Request, names: dict[str, str]) -> str:
    if request.answer:
        return names[json.loads(request.answer)["Id"]]
    for resource, name in names.items():
        if resource in request.path or name.partition(" ")[2] in request.path:
            return name
    return ""


def brief(request: Request) -> str:
    """A request without version, ids and arguments."""
    path = re.sub(r"^/v[\d.]+", "", request.path.partition("?")[0])
    path = re.sub(r"^/(containers|networks)/([0-9a-f]{64}|create)", _kept, path)
    return f"{request.method} {path.lstrip('/')}".strip()


def _kept(found: re.Match[str]) -> str:
    return "create" if found[2] == "create" else ""


def counted(contender: Callable[..., Figures], **arguments: Any) -> Figures:
    """Run something and list its requests."""
    with Counting() as counting:
        contender(**arguments)
    listed = counting.by_resource()
    lines = [f"    {name or 'once a run'}: {', '.join(made)}" for name, made in listed.items()]
    containers = [
        made
        for name, made in listed.items()
        if name.startswith("container ") and "ryuk" not in name
    ]
    beyond = [Counter(made) - Counter(NEEDED) for made in containers]
    return {
        "requests": sum(map(len, containers)) / len(containers),
        "beyond": sum(each.total() for each in beyond) / len(containers),
        "once": len(listed[""]),
        "listed": "\n".join(lines),
    }


def _counter(of: Callable[..., Figures]) -> Callable[..., Figures]:
    return lambda **arguments: counted(of, **arguments)


SETS: dict[str, tuple[dict[str, Any], Any]] = {
    "three small containers": ({"size": 3}, cold_class.CONTENDERS),
    "the document's application": ({}, application.CONTENDERS),
}
CONTENDERS = {
    f"{name} of {what}": _counter(of)
    for what, (_, contenders) in SETS.items()
    for name, of in contenders.items()
}
TITLES = {
    "requests": "requests a container",
    "beyond": "beyond create, start, inspect, remove",
    "once": "requests once a run",
}


def measure(options: argparse.Namespace) -> list[Row]:
    """Three rows for each set of containers, with the requests as the remark."""
    rows = []
    for what, (arguments, _) in list(SETS.items())[: 1 if options.small else None]:
        names = present((TCUNIT, FLOOR) if options.small else (TCUNIT, FLOOR, BARE_PEER))
        # Removals in the background would come after the count.
        found = {
            name: one_run(__name__, f"{name} of {what}", arguments, TCUNIT_TEAR_DOWN="wait")
            for name in names
        }
        lists = "\n".join(f"  {name}:\n{each['listed']}" for name, each in found.items())
        for figure, title in TITLES.items():
            rows.append(
                Row(
                    f"{what}: {title}",
                    {name: float(each[figure]) for name, each in found.items()},
                    unit="",
                    most=0.0 if figure == "beyond" else None,
                    remark=lists.lstrip() if figure == "requests" else "",
                )
            )
    return rows


if __name__ == "__main__":
    main(__doc__, ROUNDS, measure)
