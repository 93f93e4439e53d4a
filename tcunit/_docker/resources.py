"""What the engine lists, as values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]

KINDS = ("container", "network", "volume", "image")
"""In the order in which they can be removed: what comes first uses what comes later."""


class Resource(NamedTuple):
    """Something on an engine, of one of the :data:`KINDS`.

    ``created`` is in seconds since the epoch, by the engine's clock; 0 where it does not say.
    """

    kind: str
    id: str
    name: str
    labels: Mapping[str, str]
    state: str = ""
    created: float = 0.0


def containers(listed: Iterable[Json]) -> Iterator[Resource]:
    """Containers, by the first of their names."""
    for each in listed:
        yield Resource(
            "container", each["Id"], (each["Names"] or [""])[0].lstrip("/"),
            each.get("Labels") or {}, each.get("State") or "", float(each.get("Created") or 0),
        )  # fmt: skip


def networks(listed: Iterable[Json]) -> Iterator[Resource]:
    """Networks."""
    for each in listed:
        created = _seconds(each.get("Created"))
        labels = each.get("Labels") or {}
        yield Resource("network", each["Id"], each["Name"], labels, created=created)


def volumes(listed: Iterable[Json]) -> Iterator[Resource]:
    """Volumes, whose names are their ids."""
    for each in listed:
        created = _seconds(each.get("CreatedAt"))
        labels = each.get("Labels") or {}
        yield Resource("volume", each["Name"], each["Name"], labels, created=created)


def _seconds(text: object) -> float:
    """A time as an engine writes it, in seconds since the epoch; 0 where it is none."""
    from datetime import datetime

    try:
        # Nine digits after the point are more than Python takes.
        moment = datetime.fromisoformat(re.sub(r"\.\d+", "", str(text)))
        return float(moment.timestamp())
    except ValueError:
        return 0.0
