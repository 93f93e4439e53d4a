"""What the engine says of images, and what it lists, as values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class ImageInfo:
    """What an image declares, as far as it matters for a start."""

    id: str
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resource:
    """Something on an engine: a ``container``, ``network``, ``volume`` or ``image``."""

    kind: str
    id: str
    name: str
    labels: Mapping[str, str]


def containers(listed: Iterable[Json]) -> Iterator[Resource]:
    """Containers, by the first of their names."""
    for each in listed:
        name = (each["Names"] or [""])[0].lstrip("/")
        yield Resource("container", each["Id"], name, each.get("Labels") or {})


def networks(listed: Iterable[Json]) -> Iterator[Resource]:
    """Networks."""
    for each in listed:
        yield Resource("network", each["Id"], each["Name"], each.get("Labels") or {})


def volumes(listed: Iterable[Json]) -> Iterator[Resource]:
    """Volumes, whose names are their ids."""
    for each in listed:
        yield Resource("volume", each["Name"], each["Name"], each.get("Labels") or {})


def images(listed: Iterable[Json]) -> Iterator[Resource]:
    """Images, once for each of their names."""
    for each in listed:
        for tag in each.get("RepoTags") or ():
            name = tag.removesuffix(":latest")
            yield Resource("image", each["Id"], name, each.get("Labels") or {})


def fits(image: Json, platform: str) -> bool:
    """Whether the engine's answer about an image is about one for a platform."""
    system, _, rest = platform.partition("/")
    architecture = rest.partition("/")[0]
    return image.get("Os") == system and architecture in ("", image.get("Architecture"))
