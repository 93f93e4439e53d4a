"""The images of an engine: what they declare, whether they are there, pulling and removing them.

The rule: once per run, and one pull for each image, whoever asks; pulls of different images run
side by side.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._session import ALIAS_LABEL, NAME_LABEL
from ..errors import ImageNotFound
from ..images import has_digest, is_id, with_tag, without_default_registry
from ..settings import Settings
from .refusals import NotThere, translated
from .resources import Resource
from .streams import refuse_cancelled

if TYPE_CHECKING:
    import docker
    from docker.models.images import Image as SdkImage

Json = dict[str, Any]

LISTING_TIMEOUT = 5.0
Key = tuple[str, str]
"""An image's name with its tag, and the platform that is asked for."""


@dataclass(frozen=True)
class ImageInfo:
    """What an image declares, as far as it matters for a start, and the name it was found by."""

    id: str
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    name: str = ""
    architecture: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    env: tuple[str, ...] = ()


class Images:
    """The images of one engine, as this process knows them."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client
        self._known: dict[Key, ImageInfo] = {}
        self._pulled: set[Key] = set()
        self._locks: dict[Key, threading.Lock] = {}

    def get(
        self,
        name: str,
        settings: Settings,
        *,
        platform: str | None = None,
        policy: str = "missing",
        is_cancelled: Callable[[], bool] = bool,
    ) -> ImageInfo:
        """What an image declares; it is pulled by the policy, once for all who ask.

        Args:
            policy: ``always`` pulls it once in this run, ``missing`` where it is not there,
                ``never`` not at all.

        Raises:
            ImageNotFound: it is not there, and cannot or must not be pulled.
            StartCancelled: the start was given up meanwhile.
        """
        key = _key(name, platform)
        with self._locks.setdefault(key, threading.Lock()):
            refuse_cancelled(is_cancelled)
            renew = policy == "always" and key not in self._pulled and not is_id(name)
            if key not in self._known or renew:
                present = self.inspect(*key)
                if present is None or (renew and not has_digest(name)):
                    present = self._pulled_anew(key, settings, policy, is_cancelled)
                self._known[key] = present
            return self._known[key]

    def has(self, name: str) -> bool:
        """Whether an image is there, so that it need not be pulled."""
        return self.inspect(*_key(name, None)) is not None

    def forget(self, name: str, platform: str | None = None) -> None:
        """Ask again for an image the next time, because it was removed in between."""
        self._known.pop(_key(name, platform), None)

    def inspect(self, name: str, platform: str = "") -> ImageInfo | None:
        """What an image declares; ``None`` if it is not there, or only for another platform."""
        try:
            with translated(f"looking for the image {name}"):
                found: Json = self._client.api.inspect_image(name)  # type: ignore[no-untyped-call]
        except NotThere:
            return None
        if platform and not _fits(found, platform):
            return None
        config = found.get("Config") or {}
        return ImageInfo(
            found["Id"], tuple(config.get("ExposedPorts") or ()),
            tuple(config.get("Volumes") or ()), name, found.get("Architecture") or "",
            config.get("Labels") or {}, tuple(config.get("Env") or ()),
        )  # fmt: skip

    def labelled(self, label: str) -> list[Resource]:
        """The images that have a label, with or without ``=value``.

        One is called by the name in its label, if it bears that, else by any of its names.
        """
        return [
            Resource("image", each["Id"], _called(each), each["Labels"] or {})
            for each in self.listed(label)
        ]

    def listed(self, label: str) -> list[Json]:
        """What the engine lists of the images that have a label.

        Podman lists nothing when one of its images, anybody's, goes away meanwhile: asked again.
        """
        deadline = time.monotonic() + LISTING_TIMEOUT
        while True:
            try:
                with translated(f"listing images with the label {label}"):
                    found: list[Json] = self._client.api.images(filters={"label": label})
                return found
            except NotThere:
                if time.monotonic() > deadline:
                    raise

    def tag(self, image: str, name: str) -> None:
        """Give an image a further name."""
        repository, _, tag = with_tag(name).rpartition(":")
        with translated(f"tagging {image} as {name}"):
            self._client.api.tag(image, repository, tag)

    def remove(self, name: str, *, force: bool = False) -> None:
        """Take away an image's name and its alias; with the last one goes the image.

        No error if it is not there. Without ``force``, one that a container uses is refused.
        """
        found = self.inspect(name)
        if found is None:
            return
        self._known = {key: each for key, each in self._known.items() if each.id != found.id}
        alias = found.labels.get(ALIAS_LABEL)
        other = self.inspect(alias) if alias else None
        names = [alias] if alias and other and other.id == found.id else []
        for each in [*names, name]:
            with contextlib.suppress(NotThere), translated(f"removing the image {each}"):
                self._client.api.remove_image(each, force=force)

    def sdk(self, image: str) -> SdkImage:
        """The SDK's own object for an image."""
        with translated(f"looking at the image {image}"):
            return self._client.images.get(image)

    def _pulled_anew(
        self, key: Key, settings: Settings, policy: str, is_cancelled: Callable[[], bool]
    ) -> ImageInfo:
        name, platform = key
        if is_id(name):
            raise ImageNotFound(f"the engine has no image with the id {name}, and no id is pulled")
        if policy == "never":
            raise ImageNotFound(
                f"the image {name} is not on the engine, and the pull policy is 'never': pull, "
                f"load or build it before, or let it be pulled (with_pull_policy('missing'), "
                f"TCUNIT_PULL_POLICY=missing)"
            )
        from .pulling import no_image, pull  # which a run with all its images does without

        pull(self._client, name, platform, settings, is_cancelled)
        self._pulled.add(key)
        found = self.inspect(name, platform)
        if found is None:
            raise ImageNotFound(no_image(name, f"what was pulled is not for {platform}"))
        return found


def _key(name: str, platform: str | None) -> Key:
    return name if is_id(name) else with_tag(name), platform or ""


def _called(listed: Json) -> str:
    names = listed.get("RepoTags") or []
    label = (listed.get("Labels") or {}).get(NAME_LABEL)
    short = {*names, *map(without_default_registry, names)}
    is_borne = label in short or f"{label}:latest" in short
    return str(label if is_borne else (names or [listed["Id"]])[0])


def _fits(image: Json, platform: str) -> bool:
    system, _, rest = platform.partition("/")
    architecture = rest.partition("/")[0]
    return image.get("Os") == system and architecture in ("", image.get("Architecture"))
