"""Images built from a Dockerfile: once for the same content, whoever asks.

What a build makes is known by a digest of all that goes into it: the files, the Dockerfile, its
arguments, and the images that it starts from. An image that is kept has that digest in its name
and is found again by the next run. One that is not belongs to this session, as a container does,
and goes when the process ends; another session makes one of its own from it, which takes a moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from . import _session
from ._docker import ImageInfo
from ._docker.builders import (
    Job,
    build_classic,
    build_with_buildkit,
    name_of_builder,
    why_no_buildkit,
)
from ._docker.context import Context
from ._session import ALIAS_LABEL, CONTENT_LABEL, SOURCE_LABEL
from .dockerfile import bases, has_heredoc, needs_buildkit, renamed
from .errors import BuildFailed, DeclarationError, EngineError
from .fetching import fetched, warn_of_emulation
from .images import resolved_name
from .lifecycle.declared import Launch
from .lifecycle.ledger import IMAGE, ledger
from .lifecycle.removal import removals
from .progress import board
from .reapers.lock import locked
from .recipe import Built, Recipe

SHORT = 16  # digits of a digest that a name shows


class Builds:
    """What this process has built, by content."""

    def __init__(self) -> None:
        self._built: dict[tuple[Any, ...], Built] = {}
        self._locks: dict[tuple[Any, ...], threading.Lock] = {}

    def get(self, recipe: Recipe, label: str, launch: Launch) -> Built:
        """The image of a recipe; it is built if this content never was."""
        plan = Plan(recipe, label, launch)
        key = (launch.engine.url, plan.content, recipe.keep, recipe.tag)
        with self._locks.setdefault(key, threading.Lock()):
            launch.admit(label)
            found = self._built.get(key)
            if found is None or found.is_removed:
                with locked(f"build-{plan.content[:2]}", lambda: launch.admit(label)):
                    found = self._built[key] = plan.made()
        return found

    def remove(self, built: Built) -> None:
        """Remove an image from its engine."""
        built.is_removed = True
        removals.finish(complain=False)  # of containers that use it
        if built.entry is not None:
            ledger.remove(built.entry)
        else:
            built.engine.images.remove(built.info.name)


builds = Builds()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: builds.__init__())  # type: ignore[misc]


class Plan:
    """One build: what is known before it, and how its image comes about."""

    def __init__(self, recipe: Recipe, label: str, launch: Launch) -> None:
        self._recipe, self._label, self._launch = recipe, label, launch
        self._engine, self._images = launch.engine, launch.engine.images
        with self._readable():
            self._context = Context(*recipe.places())
            self._text = self._context.text()
        base_ids = [each.id for each in self._bases()]
        self._renamed = renamed(
            self._text, recipe.args, lambda name: resolved_name(name, launch.settings)
        )
        with self._readable():
            self.content = _digest(
                self._context.digest(), self._renamed, base_ids, *recipe.options()
            )

    def made(self) -> Built:
        """The image: found on the engine, made from another session's, or built."""
        recipe = self._recipe
        self._refuse_taken()
        kept = None if recipe.no_cache else self._kept()
        if kept is not None and (recipe.keep or not recipe.tag):
            built = Built(self._engine, kept)
        elif recipe.keep:
            built = self._made_to_keep()
        else:
            built = self._made_for_session()
        if recipe.tag:
            self._images.tag(built.info.id, recipe.tag)
        warn_of_emulation(self._engine, built.info)
        return built

    @property
    def _kept_name(self) -> str:
        return f"{self._recipe.repository}:{self.content[:SHORT]}"

    def _kept(self) -> ImageInfo | None:
        """The image that an earlier run has kept."""
        found = self._images.inspect(self._kept_name)
        is_same = found is not None and found.labels.get(CONTENT_LABEL) == self.content
        return found if is_same else None

    def _made_to_keep(self) -> Built:
        name = self._kept_name
        source = _digest(str(self._recipe.places()[0]), *self._recipe.options())
        older = self._images.labelled(f"{SOURCE_LABEL}={source}")
        labels = {SOURCE_LABEL: source, CONTENT_LABEL: self.content}
        self._build(name, labels | self._alias())
        for each in older:
            if each.name != name:
                with contextlib.suppress(EngineError):  # a container uses it
                    self._images.remove(each.name)
        return Built(self._engine, self._info(name))

    def _made_for_session(self) -> Built:
        name = f"{self._recipe.repository}:{self.content[:SHORT]}-{uuid.uuid4().hex[:8]}"
        labels = {CONTENT_LABEL: self.content, **self._alias(), **_session.labels(name)}
        entry = None
        try:
            with ledger.creating(self._engine, IMAGE, name) as entry:
                if not any(self._adopted(each, name, labels) for each in self._same_content()):
                    self._build(name, labels)
                info = self._info(name)
                entry.id = info.id
        except BaseException:
            if entry is not None:
                ledger.remove(entry)
            raise
        return Built(self._engine, info, entry)

    def _same_content(self) -> list[str]:
        if self._recipe.no_cache:
            return []
        found = self._images.labelled(f"{CONTENT_LABEL}={self.content}")
        # One without a name is a step on the way: Podman's builder gives those the labels, too.
        return [each.id for each in found if each.name != each.id]

    def _adopted(self, image: str, name: str, labels: Mapping[str, str]) -> bool:
        """Whether an image of the same content could be made ours, by other labels."""
        import io
        import tarfile

        text = f"FROM {image}\n".encode()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        archive.seek(0)
        job = Job(name, archive, "Dockerfile", labels, is_cancelled=self._launch.is_cancelled)
        try:
            with board.task("building", "found", self._label) as task:
                build_classic(self._engine, job, task)
        except EngineError:
            return False  # its session has ended and removed it just now
        return True

    def _build(self, name: str, labels: Mapping[str, str]) -> None:
        recipe, engine, settings = self._recipe, self._engine, self._launch.settings
        reason = why_no_buildkit(engine, settings)
        # Podman's own builder knows much of what BuildKit does.
        lacking = "" if engine.is_podman else reason
        if lacking and needs_buildkit(self._text, recipe.target):
            # From Docker 23 on the classic builder takes a heredoc, and leaves out what is in it.
            raise BuildFailed(self._failure("it was not begun", lacking))
        if reason and recipe.secrets:
            raise BuildFailed(
                self._failure(f"secrets need BuildKit, which is not used: {reason}", "")
            )
        with self._readable(), contextlib.closing(self._context.pack(self._renamed)) as archive:
            job = Job(
                name, archive, self._context.dockerfile, labels, recipe.target, recipe.args,
                recipe.platform, recipe.no_cache, self._launch.is_cancelled,
                recipe.secrets,
            )  # fmt: skip
            try:
                with board.task("building", "built", self._label) as task:
                    task.result = f"with {name_of_builder(engine, reason)}"
                    if reason:
                        build_classic(engine, job, task)
                    else:
                        build_with_buildkit(engine, job, task, settings)
            except EngineError as error:
                raise BuildFailed(self._failure(str(error), lacking)) from None

    def _failure(self, said: str, lacking: str) -> str:
        message = f"{self._label} ({self._recipe.path}) could not be built: {said}"
        return "\n".join(filter(None, [message, self._advice(said, lacking)]))

    def _advice(self, said: str, lacking: str) -> str:
        """What to do about a Dockerfile that the builder does not know all of."""
        is_beyond = needs_buildkit(self._text, self._recipe.target)
        if self._engine.is_podman:
            return is_beyond * (
                "This Dockerfile may have more of BuildKit's language than this Podman's builder "
                "knows: write it without here-documents and the like, or update Podman."
            )
        if lacking and ("BuildKit" in said or is_beyond):
            return (
                f"This Dockerfile needs BuildKit, which is not used: {lacking}. Install the docker "
                f"command line with its buildx plugin, or write the Dockerfile without what only "
                f"BuildKit knows."
            )
        if "unknown instruction" in said and has_heredoc(self._text):
            return (
                f"This Dockerfile has a heredoc, which an engine knows from version 23 on; this "
                f"one is {self._engine.version.get('Version')}. Update it, or begin the Dockerfile "
                f"with '# syntax=docker/dockerfile:1', which is pulled."
            )
        return ""

    def _bases(self) -> Iterator[ImageInfo]:
        """The images that it starts from, which are there afterwards."""
        recipe, launch = self._recipe, self._launch
        for each in bases(self._text, recipe.args, recipe.target):
            yield fetched(
                self._engine, launch.settings, each.name,
                platform=each.platform or recipe.platform, policy=recipe.pull_policy,
                is_cancelled=launch.is_cancelled,
            )  # fmt: skip

    def _info(self, name: str) -> ImageInfo:
        found = self._images.inspect(name)
        if found is None:
            raise BuildFailed(f"{self._label}: the builder made no image that is called {name}")
        return found

    def _alias(self) -> dict[str, str]:
        return {ALIAS_LABEL: self._recipe.tag or ""}

    def _refuse_taken(self) -> None:
        """Refuse a tag that an image has which was not built here."""
        tag = self._recipe.tag
        taken = self._images.inspect(tag) if tag else None
        if taken is not None and not taken.labels.get(CONTENT_LABEL):
            raise DeclarationError(
                f"{self._label}: the tag {tag} belongs to an image that tcunit did not build: give "
                f"another one, or leave it away"
            )

    @contextlib.contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, UnicodeDecodeError) as error:
            raise DeclarationError(
                f"{self._label}: the build's context cannot be read: {error}. Correct that, or "
                f"name the file in .dockerignore"
            ) from error


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
