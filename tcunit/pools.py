"""Address ranges for networks: those that the engine gives out, or small ones cut from our own.

An engine has some thirty ranges. When it has none left, what dead sessions have left is removed,
removals that are under way get time to end, and the create is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._docker import Engine
from .errors import EngineError
from .lifecycle.removal import removals
from .reapers.dead import remove_dead
from .settings import SUBNETS, Settings

if TYPE_CHECKING:
    from ipaddress import IPv4Network

PREFIX_LENGTH = 26  # 61 containers and a gateway
PATIENCE = 3.0
PAUSE = 0.1

_EXHAUSTED = (
    "could not find an available",  # "… non-overlapping IPv4 address pool among the defaults"
    "all predefined address pools have been fully subnetted",
)
_OVERLAP = "ool overlaps with other one"


class NoAddresses(EngineError):
    """No address range is left for a network."""


def create_network(
    engine: Engine,
    name: str,
    labels: Mapping[str, str],
    request: Mapping[str, Any],
    settings: Settings,
    check: Callable[[], None],
) -> str:
    """Create a network with an address range of its own; returns its id.

    Args:
        check: called before each try; raises when there is to be no further one.

    Raises:
        NoAddresses: no range is left; names the setting that gives more.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        check()
        try:
            return _create(engine, name, labels, request, settings)
        except NoAddresses:
            if time.monotonic() >= deadline:
                raise
        removals.finish(complain=False)
        remove_dead(engine)
        time.sleep(PAUSE)


def _create(
    engine: Engine,
    name: str,
    labels: Mapping[str, str],
    request: Mapping[str, Any],
    settings: Settings,
) -> str:
    own = settings.get(SUBNETS)
    if own is None or "ipam" in request or request.get("driver") != "bridge":
        return _with_pool_of_engine(engine, name, labels, request)
    for subnet in _free(own, engine.subnets()):
        ipam = {"Driver": "default", "Config": [{"Subnet": str(subnet)}]}
        try:
            return engine.create_network(name, labels, {**request, "ipam": ipam})
        except EngineError as error:
            if _OVERLAP not in str(error):
                raise  # otherwise somebody else has taken it in between
    raise NoAddresses(
        f"creating the network {name}: no subnet is free in {own}, which TCUNIT_SUBNETS names: "
        f"name a larger range, or remove networks that nobody uses ('python -m tcunit clean' "
        f"lists what dead sessions left)"
    )


def _with_pool_of_engine(
    engine: Engine, name: str, labels: Mapping[str, str], request: Mapping[str, Any]
) -> str:
    try:
        return engine.create_network(name, labels, dict(request))
    except EngineError as error:
        if not any(sign in str(error) for sign in _EXHAUSTED):
            raise
        raise NoAddresses(
            f"{error}. Give tcunit a range of its own with TCUNIT_SUBNETS, as in "
            f"TCUNIT_SUBNETS=10.123.0.0/16, or remove networks that nobody uses ('python -m "
            f"tcunit clean' lists what dead sessions left)"
        ) from error


def _free(own: IPv4Network, taken: list[str]) -> Iterator[IPv4Network]:
    """The subnets of a range that overlap with no network, beginning anywhere."""
    import random
    from ipaddress import IPv4Network, ip_network

    others = [each for each in map(ip_network, taken) if isinstance(each, IPv4Network)]
    subnets = list(own.subnets(new_prefix=max(PREFIX_LENGTH, own.prefixlen)))
    start = random.randrange(len(subnets))
    for subnet in subnets[start:] + subnets[:start]:
        if not any(subnet.overlaps(other) for other in others):
            yield subnet
