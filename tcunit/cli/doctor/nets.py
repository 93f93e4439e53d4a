"""Whether the reapers can be armed: they are, for a moment, and are gone when this returns.

Ryuk is not pulled for that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..._docker import Engine
from ...images import resolved_name
from ...reapers import Reapers
from ...settings import REAPERS, RYUK_DISABLED, RYUK_IMAGE, Settings
from .finding import NOTE, OK, PROBLEM, Finding

PATIENCE = 30.0
PAUSE = 0.02
STARTING = "not armed: starting"


def reapers(engine: Engine, settings: Settings) -> Iterator[Finding]:
    """Each net that is chosen, and whether it could be armed; a problem if none could."""
    chosen = settings.find(REAPERS)
    image = resolved_name(settings.get(RYUK_IMAGE), settings)
    told: dict[str, str] = {}
    if "ryuk" in chosen.value and not settings.get(RYUK_DISABLED) and not engine.images.has(image):
        told["ryuk"] = f"not tried: its image {image} is not there yet"
    found = {**armed(engine, settings, without=tuple(told)), **told}
    is_any = any(each.startswith("armed") for each in found.values())
    for name, said in sorted(found.items()):
        yield Finding("reapers", f"{name}: {said}", OK if said.startswith("armed") else NOTE)
    if not is_any:
        source = "by default" if chosen.is_default else f"by {chosen.source}"
        names = ", ".join(chosen.value) or "none"
        yield Finding(
            "reapers",
            f"what a killed process leaves is removed by nobody ({names} chosen {source})",
            PROBLEM, "unset TCUNIT_REAPERS, so that the guard is armed",
        )  # fmt: skip


def armed(engine: Engine, settings: Settings, without: tuple[str, ...]) -> dict[str, str]:
    """What each net says of itself, once it has tried."""
    names = [name for name in settings.get(REAPERS) if name not in without]
    environ = {**settings.environ, REAPERS.variables[0]: ",".join(names) or "none"}
    nets = Reapers()
    try:
        nets.arm(engine, Settings(environ, settings.properties_file))
        nets.proceed()
        deadline = time.monotonic() + PATIENCE
        while STARTING in (found := nets.status()).values() and time.monotonic() < deadline:
            time.sleep(PAUSE)
        return found
    finally:
        nets.disarm(is_clean=True)
