"""The images that the services of a stack use, there before Compose is called.

So one set of rules holds for every image: credentials, what is tried again, what is shown. What is
built is Compose's; so is what a file says to pull at its own times.
"""

from __future__ import annotations

import functools

from ..errors import StartCancelled
from ..fetching import fetched
from ..jobs import side_by_side
from ..lifecycle.declared import Launch
from .asked import Asked
from .model import Model

USUAL = (None, "", "missing", "if_not_present")


def pull(model: Model, asked: Asked, launch: Launch) -> None:
    """Pull what is missing, side by side; with the policy ``always``, what is there, too.

    Raises:
        ImageNotFound: one is not there, and cannot be pulled.
        StartCancelled: the start was given up meanwhile.
    """
    policy = asked.policy(launch.settings)
    if policy == "never":
        return
    made = model.made
    images = {
        (str(service["image"]), service.get("platform"))
        for service in model.services.values()
        if service.get("image")
        and str(service["image"]) not in made
        and (policy or service.get("pull_policy") in USUAL)
    }
    jobs = [functools.partial(_fetch, launch, *each, policy or "missing") for each in images]
    if errors := side_by_side(jobs):
        raise min(errors, key=lambda each: isinstance(each, StartCancelled))


def _fetch(launch: Launch, image: str, platform: str | None, policy: str) -> None:
    fetched(
        launch.engine, launch.settings, image, platform=platform, policy=policy,
        is_cancelled=launch.is_cancelled,
    )  # fmt: skip
