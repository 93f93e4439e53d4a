"""What the engine's answer about a container says: its state, and where its ports are published."""

from __future__ import annotations

from typing import Any

from .connection import Binding
from .ports import Port
from .wait.base import ContainerState

Json = dict[str, Any]

_STATUS = {"stopped": "exited"}  # Podman's word for one that has ended and is not tidied up yet


def state_of(info: Json) -> ContainerState:
    """The state in the engine's answer about a container."""
    state = info.get("State") or {}
    status = state.get("Status", "unknown")
    return ContainerState(
        status=_STATUS.get(status, status),
        running=bool(state.get("Running")),
        exit_code=int(state.get("ExitCode", 0)),
        oom_killed=bool(state.get("OOMKilled")),
        error=state.get("Error") or "",
        health=(state.get("Health") or {}).get("Status", ""),
        restarts=int(info.get("RestartCount") or 0),
        finished_at=_seconds(state.get("FinishedAt", "")),
    )


def started_at(info: Json) -> float:
    """When it was started last, in seconds since the epoch; 0 if it never was."""
    return _seconds((info.get("State") or {}).get("StartedAt", ""))


def _seconds(text: str) -> float:
    """A time as the engine writes it, in seconds since the epoch; 0 if it never was."""
    if not text or text.startswith("0001"):
        return 0.0
    from datetime import datetime

    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def bindings_of(ports: Json) -> list[tuple[Port, Binding]]:
    """The published addresses in the engine's answer about a container, each with its port."""
    return [
        (Port.parse(name), Binding(each["HostIp"], int(each["HostPort"])))
        for name, found in ports.items()
        for each in found or ()
        if each.get("HostPort", "").isdecimal()
    ]
