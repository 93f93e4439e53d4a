"""Addresses for an engine of our own.

Owns the choice of its pool and the routing rules around it. The rule it keeps: a packet for a
network of containers that is gone never leaves the machine. That is done by policy rules, not by
unreachable routes: an engine refuses a subnet that a route already covers.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from tests.stand_ins.system import Failure, run

# Each holds 256 networks of 256 addresses; they are tried in this order.
CANDIDATES = [IPv4Network(f"10.{second}.0.0/16") for second in (*range(213, 255), *range(128, 213))]
# Where engines with no pool of their own, such as those inside containers, put their networks.
ENGINES_DEFAULT = IPv4Network("172.16.0.0/12")
# After the table of the machine's own addresses (0) and before the main table (32766).
SPECIFIC_ROUTES_ONLY, NOTHING_ELSE = "31212", "31213"


def choose_pool(taken: Iterable[IPv4Network]) -> IPv4Network:
    """The first candidate that overlaps none of the networks in use."""
    in_use = list(taken)
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(network) for network in in_use):
            return candidate
    raise Failure("no private range of addresses is free for the engine; start an engine yourself")


def networks_in_use() -> list[IPv4Network]:
    """Every network that this machine has a route, an address or a name server in."""
    return [*_routes(), *_own_networks(), *_name_servers()]


def to_close_off(pool: IPv4Network, taken: Iterable[IPv4Network]) -> list[str]:
    """The ranges that must not be reached beyond the machine.

    The pool, and the engines' default range unless the machine has an address or a route there.
    """
    default_is_ours = not any(ENGINES_DEFAULT.overlaps(network) for network in taken)
    return [str(pool), *([str(ENGINES_DEFAULT)] if default_is_ours else [])]


def close_off(ranges: Iterable[str]) -> None:
    """Let packets for these ranges follow specific routes, as a bridge's, and else go nowhere."""
    for range_ in ranges:
        run("ip", "-4", "rule", "add", *_specific_routes_only(range_))
        run("ip", "-4", "rule", "add", *_nothing_else(range_))


def open_again(ranges: Iterable[str]) -> None:
    """Undo `close_off`, as far as it came."""
    for range_ in ranges:
        for rule in (_nothing_else(range_), _specific_routes_only(range_)):
            with contextlib.suppress(Failure):
                run("ip", "-4", "rule", "del", *rule)


def remove_bridges(pool: str) -> None:
    """Remove the bridges that an engine leaves when it stops; it makes them anew when it starts."""
    for link in _links():
        own = [entry["local"] for entry in link["addr_info"] if entry.get("family") == "inet"]
        if any(IPv4Address(address) in IPv4Network(pool) for address in own):
            with contextlib.suppress(Failure):
                run("ip", "link", "del", link["ifname"])


def _specific_routes_only(range_: str) -> tuple[str, ...]:
    return (
        "to",
        range_,
        "lookup",
        "main",
        "suppress_prefixlength",
        "0",
        "priority",
        SPECIFIC_ROUTES_ONLY,
    )


def _nothing_else(range_: str) -> tuple[str, ...]:
    return "to", range_, "unreachable", "priority", NOTHING_ELSE


def _routes() -> Iterator[IPv4Network]:
    routes: list[dict[str, Any]] = json.loads(
        run("ip", "-4", "-j", "route", "show", "table", "all") or "[]"
    )
    for route in routes:
        if route["dst"] != "default":
            yield IPv4Network(route["dst"], strict=False)


def _own_networks() -> Iterator[IPv4Network]:
    for link in _links():
        for address in link["addr_info"]:
            if address.get("family") == "inet":
                yield IPv4Network(f"{address['local']}/{address['prefixlen']}", strict=False)


def _links() -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = json.loads(run("ip", "-j", "address") or "[]")
    return [link for link in links if "ifname" in link and "addr_info" in link]


def _name_servers() -> Iterator[IPv4Network]:
    # They are often private addresses beyond the default route, which closing off their range would
    # cut.
    with contextlib.suppress(OSError):
        for line in Path("/etc/resolv.conf").read_text().splitlines():
            words = line.split()
            if words[:1] == ["nameserver"]:
                with contextlib.suppress(ValueError, IndexError):
                    yield IPv4Network(words[1])
