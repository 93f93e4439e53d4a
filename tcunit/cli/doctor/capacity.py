"""What the engine has left: disk, address ranges, images; and what dead sessions left on it."""

from __future__ import annotations

import ipaddress
import shutil
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from ..._docker import Engine
from ...facts import Surroundings
from ...images import resolved_name
from ...pools import PREFIX_LENGTH
from ...reapers.dead import all_remains
from ...settings import IMAGE_PREFIX, NET_TOOLS_IMAGE, RYUK_DISABLED, RYUK_IMAGE, SUBNETS, Settings
from .finding import NOTE, OK, PROBLEM, Finding

LEAST_DISK = 2 * 2**30
FEW_NETWORKS = 4
MORE_ROOM = (
    "set TCUNIT_SUBNETS to a range that is free, as in TCUNIT_SUBNETS=10.123.0.0/16, or remove "
    "networks that nobody uses: 'python -m tcunit clean'"
)

# Where the engine's configuration names none.
DEFAULT_POOLS = (
    *((f"172.{number}.0.0/16", 16) for number in range(17, 32)),
    ("192.168.0.0/16", 20),
)


def disk(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """The room on the disk where the engine has its images."""
    root = Path(str(engine.info.get("DockerRootDir") or ""))
    free = free_on(root) if Surroundings(engine, settings).engine_is_here else None
    if free is None:
        yield Finding("disk", f"the room in {root} of the engine's machine is not known here")
        return
    told = f"{free / 2**30:.1f} GiB are free in {root}"
    if free < LEAST_DISK:
        yield Finding("disk", told, PROBLEM,
                      "remove images that nobody uses: 'docker image prune'")  # fmt: skip
    else:
        yield Finding("disk", told)


def free_on(path: Path) -> int | None:
    """How many bytes are free in a folder's file system; ``None`` where it cannot be asked."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def networks(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """About how many networks can still be created."""
    taken = [each for each in map(ipaddress.ip_network, engine.subnets()) if each.version == 4]
    used = [each for each in taken if isinstance(each, IPv4Network)]
    own = settings.get(SUBNETS)
    if own is not None:
        size = max(PREFIX_LENGTH, own.prefixlen)
        yield _room(f"in {own}, which TCUNIT_SUBNETS names", left(own, size, used),
                    "name a larger range in TCUNIT_SUBNETS")  # fmt: skip
    elif engine.is_podman:
        yield Finding("networks", f"{len(used)} address ranges are in use; Podman takes further "
                                  "ones as it needs them")  # fmt: skip
    else:
        free = sum(left(base, size, used) for base, size in pools_of(engine.info))
        yield _room("in the engine's address pools", free, MORE_ROOM)


def _room(where: str, free: int, do: str) -> Finding:
    told = f"there is room for about {free} more {'network' if free == 1 else 'networks'} {where}"
    if not free:
        return Finding("networks", told, PROBLEM, do)
    return Finding("networks", told, NOTE if free < FEW_NETWORKS else OK)


def pools_of(info: Mapping[str, Any]) -> list[tuple[IPv4Network, int]]:
    """The engine's address pools, each with the prefix length of the networks cut from it."""
    named = [(each["Base"], each["Size"]) for each in info.get("DefaultAddressPools") or ()]
    pools = [(ipaddress.ip_network(base), int(size)) for base, size in named or DEFAULT_POOLS]
    return [(base, size) for base, size in pools if isinstance(base, IPv4Network)]


def left(base: IPv4Network, size: int, taken: Iterable[IPv4Network]) -> int:
    """How many subnets of a size fit into a range beside those that are taken."""
    if size < base.prefixlen:
        return 0
    step = 2 ** (32 - size)
    first, last = int(base.network_address), int(base.broadcast_address)
    gone: set[int] = set()
    for each in taken:
        begins = max(int(each.network_address), first)
        ends = min(int(each.broadcast_address), last)
        if begins <= ends:
            gone.update(range((begins - first) // step, (ends - first) // step + 1))
    whole: int = (last - first + 1) // step
    return whole - len(gone)


def images(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """The prefix of images, and whether the images are there that tcunit itself needs."""
    prefix = settings.find(IMAGE_PREFIX)
    if not prefix.is_default:
        yield Finding("images", f"those that name no registry get the prefix {prefix.value}, from "
                                f"{prefix.source}")  # fmt: skip
    helpers = [(NET_TOOLS_IMAGE, "to slow or cut networks")]
    if not settings.get(RYUK_DISABLED):
        helpers.insert(0, (RYUK_IMAGE, "for Ryuk"))
    for setting, purpose in helpers:
        name = resolved_name(settings.get(setting), settings)
        is_there = engine.images.has(name)
        told = "is there" if is_there else "is not there yet, and is pulled when it is needed"
        yield Finding("images", f"{name}, {purpose}, {told}", OK if is_there else NOTE)


def leftovers(engine: Engine) -> Iterator[Finding]:
    """What dead sessions have left, and what belongs to sessions of which nothing is known."""
    found = all_remains(engine)
    for remains in found:
        names = _listed([f"{each.kind} {each.name}" for each in remains.resources])
        session = remains.session[:12]
        if remains.is_alive is False:
            yield Finding("leftovers", f"the dead session {session} has left {names}", PROBLEM,
                          "remove it: 'python -m tcunit clean'")  # fmt: skip
        elif remains.is_alive is None:
            yield Finding("leftovers", f"the session {session}, which has no lock on this machine, "
                                       f"has {names}; 'python -m tcunit clean --force' removes "
                                       f"that, if it is not in use elsewhere", NOTE)  # fmt: skip
    if alive := [each for each in found if each.is_alive]:
        number = sum(len(each.resources) for each in alive)
        yield Finding("leftovers", f"sessions that live: {len(alive)}, with resources: {number}")
    if not found:
        yield Finding("leftovers", "nothing is left of any session")


def _listed(names: list[str], most: int = 5) -> str:
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])
