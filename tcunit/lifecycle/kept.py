"""What a failed class leaves up with ``TCUNIT_KEEP=on-failure``: how to get in, how to clean up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._docker import Engine
from .ledger import CONTAINER, IMAGE, NETWORK, VOLUME, Entry

SOURCES_OF_THE_CLIENT = ("DOCKER_HOST", "DOCKER_CONTEXT", "context in ")
USUAL = "unix:///var/run/docker.sock"


def ways_in(entries: Sequence[Entry]) -> list[str]:
    """The commands by which one looks into the kept containers."""
    return [
        command
        for each in _parts(entries)
        if each.kind == CONTAINER
        for docker in [_docker(each.engine)]
        for command in (f"{docker} exec -it {each.name} sh", f"{docker} logs {each.name}")
    ]


def way_out(entries: Sequence[Entry]) -> str:
    """The command that removes what was kept, containers first."""
    parts = []
    verbs = {CONTAINER: "rm -fv", NETWORK: "network rm", VOLUME: "volume rm", IMAGE: "rmi"}
    for kind, verb in verbs.items():
        names = [each.name for each in _parts(entries) if each.kind == kind]
        if names:
            parts.append(f"{_docker(entries[0].engine)} {verb} {' '.join(names)}")
    return "; ".join(parts)


def announcement(owner: str, entries: Sequence[Entry]) -> str:
    """What is said of a class whose containers stay up."""
    lines = [f"tcunit: {owner} failed; with TCUNIT_KEEP=on-failure this stays up. To look in:"]
    lines += [f"  {command}" for command in ways_in(entries)]
    return "\n".join([*lines, "To clean up:", f"  {way_out(entries)}"])


def _parts(entries: Sequence[Entry]) -> Iterator[Entry]:
    for each in entries:
        yield from each.parts


def _docker(engine: Engine) -> str:
    """The client's command; with the engine's address where the client would not find it."""
    knows = engine.source.startswith(SOURCES_OF_THE_CLIENT) or engine.url == USUAL
    return "docker" if knows else f"docker -H {engine.url}"
