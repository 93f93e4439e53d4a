"""An image by its declared name: under the name it gets here, there by the pull policy.

Everything that starts a container asks here, Ryuk and the helpers included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from ._docker import Engine, ImageInfo
from .images import resolved_name
from .log import warn
from .settings import PULL_POLICY, Settings

_RUNS_AS_WELL = {("amd64", "386"), ("arm64", "arm")}
_warned: set[str] = set()


def fetched(
    engine: Engine,
    settings: Settings,
    name: str,
    *,
    platform: str | None = None,
    policy: str = "",
    is_cancelled: Callable[[], bool] = bool,
) -> ImageInfo:
    """An image that is on the engine, with the name to use it by.

    Args:
        policy: ``always``, ``missing`` or ``never``; by default what the settings say.

    Raises:
        ImageNotFound: it is not there, and cannot or must not be pulled.
        SettingError: a setting about images is wrong, or the substitution hook.
    """
    wanted = resolved_name(name, settings)
    found = engine.images.get(
        wanted, settings, platform=platform, policy=policy or settings.get(PULL_POLICY),
        is_cancelled=is_cancelled,
    )  # fmt: skip
    warn_of_emulation(engine, found)
    return dataclasses.replace(found, name=wanted)


def warn_of_emulation(engine: Engine, image: ImageInfo) -> None:
    """Say once of an image that it is for another processor than the engine's."""
    own, its = engine.version.get("Arch") or "", image.architecture
    if not own or not its or own == its or (own, its) in _RUNS_AS_WELL or image.id in _warned:
        return
    _warned.add(image.id)
    warn(
        "The image %s is for %s, and the engine runs on %s: it is emulated, which is slow, or does "
        "not start at all. An image for both, or with_platform('linux/%s'), avoids that.",
        image.name, its, own, own,
    )  # fmt: skip
