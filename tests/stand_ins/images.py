"""The images that tests and examples name, under one prefix of their own.

Owns the tags `tcunit.local/…`. The rule it keeps: an official image that is here or can be pulled
is only tagged; a stand-in is built for one that cannot be had, and again only when its recipe has
changed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests

from tests.stand_ins import rootfs
from tests.stand_ins.recipes import DERIVED, FOLDER, OFFICIAL, PREFIX, Derived, Official
from tests.stand_ins.system import Failure, can_install, locked, say

LABEL = "tcunit.local.recipe"
# Enough for a registry to say that it has an image, and short enough to find out that there is no
# way to one.
REGISTRY_ANSWERS_IN = 10


def make_available(client: docker.DockerClient) -> None:
    """Have every image, in its present form, under our prefix."""
    if not Images(client).lacking():
        return
    with locked("images"):
        # Somebody else may have built them while we waited.
        images = Images(client)
        images.complete_official()
        images.complete_derived()
        # What a changed recipe has left behind has no name any more.
        client.images.prune(filters={"dangling": True, "label": LABEL})


class Images:
    """What images of ours the engine has, and how it gets the others."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client
        self._recipes: dict[str, str | None] = {}
        self._ids: dict[str, str] = {}
        self._look()

    def lacking(self) -> list[Official | Derived]:
        """The images that are missing or made by a recipe that has changed since."""
        return [*self._lacking_official(), *self._lacking_derived()]

    def complete_official(self) -> None:
        """Tag, pull or build what is lacking of the official images."""
        lacking = [image for image in self._lacking_official() if not self._tag_local(image)]
        if lacking and self._registry_answers(lacking[0]):
            lacking = [image for image in lacking if not self._pull(image)]
        if lacking:
            self._build_stand_ins(lacking)
        self._look()

    def complete_derived(self) -> None:
        """Build what is lacking of the images that exist nowhere else."""
        for image in self._lacking_derived():
            self._build(
                PREFIX + image.name, self._derived_recipe(image), path=str(FOLDER / image.folder)
            )

    def _look(self) -> None:
        # A star stands for no slash, and some names have one.
        names = [PREFIX + "*", PREFIX + "*/*"]
        for listed in self._client.api.images(filters={"reference": names}):
            for tag in listed["RepoTags"] or ():
                self._recipes[tag] = (listed["Labels"] or {}).get(LABEL)
                self._ids[tag] = listed["Id"]

    def _lacking_official(self) -> list[Official]:
        return [
            image
            for image in OFFICIAL
            if not all(self._is_current(image, name) for name in (image.name, *image.other_tags))
        ]

    def _is_current(self, image: Official, name: str) -> bool:
        # The official image itself carries no label of ours, and is never out of date.
        tag = PREFIX + name
        return tag in self._ids and self._recipes[tag] in (None, rootfs.fingerprint(image))

    def _lacking_derived(self) -> list[Derived]:
        return [
            image
            for image in DERIVED
            if self._recipes.get(PREFIX + image.name) != self._derived_recipe(image)
        ]

    def _derived_recipe(self, image: Derived) -> str:
        return f"{rootfs.folder_digest(image.folder)} from {self._ids.get(PREFIX + image.base)}"

    def _tag_local(self, image: Official) -> bool:
        with contextlib.suppress(docker.errors.ImageNotFound):
            self._tag(self._client.images.get(image.name).id, image)
            return True
        return False

    def _registry_answers(self, image: Official) -> bool:
        """Whether a registry can be reached by the engine, for it is the engine that pulls."""
        api = self._client.api
        url = f"{api.base_url}/v{api.api_version}/distribution/{image.name}/json"
        with contextlib.suppress(requests.RequestException):
            return bool(api.get(url, timeout=REGISTRY_ANSWERS_IN).ok)
        return False

    def _pull(self, image: Official) -> bool:
        say(f"pulling {image.name}")
        with contextlib.suppress(docker.errors.APIError, requests.RequestException):
            self._tag(self._client.images.pull(image.name).id, image)
            return True
        return False

    def _build_stand_ins(self, images: list[Official]) -> None:
        names = ", ".join(image.name for image in images)
        if not can_install():
            raise Failure(
                f"these images are not here and cannot be pulled: {names}. Load or pull them (as "
                "root on Debian or Ubuntu, stand-ins are built from the distribution's packages)"
            )
        started = time.monotonic()
        rootfs.prepare()
        say(f"building stand-in images for {names}")
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda image: self._build_stand_in(image, Path(folder)), images))
        say(f"built stand-in images in {time.monotonic() - started:.0f} s")

    def _build_stand_in(self, image: Official, folder: Path) -> None:
        tarball = folder / f"{image.folder}.tar"
        rootfs.build(image, tarball)
        answer = self._client.api.import_image(str(tarball)).strip()
        tarball.unlink()
        last = json.loads(answer.splitlines()[-1])
        if "error" in last:
            raise Failure(f"the engine did not take the stand-in for {image.name}: {last['error']}")
        # An import takes only some of the instructions, a build all of them.
        dockerfile = "\n".join([f"FROM {last['status']}", *image.instructions]).encode()
        self._build(PREFIX + image.name, rootfs.fingerprint(image), fileobj=io.BytesIO(dockerfile))
        self._tag(PREFIX + image.name, image)

    def _build(self, tag: str, recipe: str, **source: Any) -> None:
        try:
            self._client.images.build(**source, tag=tag, labels={LABEL: recipe}, rm=True)
        except (docker.errors.BuildError, docker.errors.APIError) as error:
            raise Failure(f"the image {tag} cannot be built: {error}") from error

    def _tag(self, source: str | None, image: Official) -> None:
        for name in (image.name, *image.other_tags):
            repository, tag = (PREFIX + name).rsplit(":", 1)
            self._client.api.tag(source, repository, tag)
