"""Warm starts: a service whose first start is slow is initialised once, and starts from there.

Its state is kept as a local image whose tag is the hash of the declaration and of the base image.
The rule: an image with that tag is whole. It is made of a container that was ready and was then
stopped in order, by one process at a time, and gets its tag in the last step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ._docker import Engine
from ._docker.saved import (
    SavedImage,
    add_volumes,
    commit,
    is_filled,
    saved_images,
)
from ._session import PLACE_LABEL, WARM_LABEL
from .errors import EngineError, StartError
from .fingerprint import content_of, fingerprint, parts_of, read_only_paths
from .images import short_name, without_default_registry
from .inspected import state_of
from .launching import Launching
from .lifecycle.declared import Launch
from .lifecycle.events import stream_of
from .lifecycle.ledger import ledger
from .log import warn
from .reapers.shares import hold, release, release_shared
from .request import Attachment, ContainerRequest
from .running import RunningContainer
from .settings import START_TIMEOUT
from .wait import DefaultWaitStrategy, wait_until_ready

REPOSITORY = "tcunit-warm"
STOP_TIMEOUT = 60
KILLED = 137
TRIES = 3  # at making an image that others remove before it is used
ELSEWHERE = ("ports", "port_bindings", "labels", "network_mode")  # not part of the state


class WarmStart:
    """What one declaration starts from.

    Args:
        place: where it was declared; images of an earlier form of it are removed.
    """

    def __init__(self, launch: Launch, label: str, stem: str, place: str) -> None:
        self._launch, self._label, self._stem, self._place = launch, label, stem, place

    @contextlib.contextmanager
    def image(
        self, asked: ContainerRequest, base: str, options: dict[str, Any], base_id: str
    ) -> Iterator[str]:
        """The image to start from, which is made if it is not there; the base where it cannot be.

        No other process of this machine removes it within the context.

        Args:
            base: the name of the image that was declared.
            options: what the engine is to be given, late values made.
            base_id: that image's id.

        Raises:
            StartError: it could not be initialised, or what is mounted cannot be seen from here.
        """
        self._refuse_unseen(options)
        declaration = fingerprint(
            self._label, image=base_id, wait=_told(asked),
            **parts_of(
                dataclasses.replace(asked, name=None),
                {name: value for name, value in options.items() if name not in ELSEWHERE},
            ),
        )  # fmt: skip
        name = f"{REPOSITORY}/{short_name(asked.image)}:{declaration}"
        has = self._launch.engine.images.has
        for _ in range(TRIES):
            with self._locked(declaration, shared=True):
                if has(name):
                    yield name
                    return
            if name not in _cold:
                with self._locked(declaration):
                    if not has(name) and not self._make(asked, base_id, options, name):
                        _cold.add(name)
            if name in _cold:
                yield base
                return
        raise StartError(f"{self._label}: {name} was made and removed again, {TRIES} times")

    def _refuse_unseen(self, options: dict[str, Any]) -> None:
        """What is mounted is part of what was declared, so its content has to be known."""
        is_local = self._launch.surroundings.facts.is_local
        for path in read_only_paths(options):
            if not is_local or not content_of(Path(path)):
                raise StartError(
                    f"{self._label}: with_warm_start() has to know what is in {path}, which cannot "
                    f"be seen from here: leave it away, or copy that into an image"
                )

    @contextlib.contextmanager
    def _locked(self, declaration: str, *, shared: bool = False) -> Iterator[None]:
        """Keep others away: from removing it (shared), from making it, too. Not without files."""
        file = None
        with contextlib.suppress(OSError):
            go_on = functools.partial(self._launch.admit, self._label)
            file = hold(_lock_name(declaration), go_on, shared=shared)
        try:
            yield
        finally:
            if file is not None and shared:
                release_shared(file)
            elif file is not None:
                release(file, forget=True)

    def _make(self, asked: ContainerRequest, base: str, options: dict[str, Any], name: str) -> bool:
        launch = dataclasses.replace(self._launch)
        request = dataclasses.replace(
            _without_shared_names(asked, launch), warm=False, reuse=False, reset=False, name=None,
            labels={}, bound=tuple((port, None) for port, _ in asked.bound),
            env=options["environment"], command=options.get("command"),
        )  # fmt: skip
        first = Launching(
            request, launch, f"{self._label} (its first start)", launch.owner, f"{self._stem}-first"
        )
        try:
            running = first.run()
            _await(running, asked)
            if not _stopped(running):
                warn(
                    "%s starts cold: it does not end within %d s of being asked to, and a state "
                    "that was cut off is not kept. Leave with_warm_start() away.",
                    running.description, STOP_TIMEOUT,
                )  # fmt: skip
                return False
            if filled := _filled_on_podman(running):
                warn(
                    "%s starts cold: Podman does not tell who owns the files in its volume %s. Let "
                    "it keep them elsewhere, or leave with_warm_start() away.",
                    running.description, filled,
                )  # fmt: skip
                return False
            self._save(running, base, name)
        finally:
            if first.entry is not None:
                ledger.remove(first.entry)
        return True

    def _save(self, running: RunningContainer, base: str, name: str) -> None:
        """Make the image; one without a tag is what an earlier process was killed with."""
        engine, declaration = running.engine, name.rpartition(":")[2]
        where = {PLACE_LABEL: self._place} if self._place else {}
        labels = {WARM_LABEL: declaration, **where}
        try:
            if not running.image.volumes:
                commit(engine, running.id, base, name, labels)
            else:
                bare = commit(engine, running.id, base, "", labels)
                if not add_volumes(engine, running.id, running.image.volumes, bare, name):
                    engine.images.tag(bare, name)
        except EngineError as error:
            raise StartError(f"{running.description}: its state cannot be kept: {error}") from error
        finally:
            _remove_earlier(engine, declaration, self._place)


_cold: set[str] = set()  # what this process has tried in vain


def _filled_on_podman(running: RunningContainer) -> str:
    """The first volume of its image that holds something, where it cannot be kept.

    Podman says of all files that it gives out that they are those of the container's user.
    """
    if not running.engine.is_podman:
        return ""
    volumes = running.image.volumes
    return next((each for each in volumes if is_filled(running.engine, running.id, each)), "")


def _told(asked: ContainerRequest) -> str:
    """How it is waited for: what is kept is the state in which it was ready."""
    strategy = asked.wait or DefaultWaitStrategy()
    return f"{type(strategy).__qualname__} {strategy}"


def _without_shared_names(asked: ContainerRequest, launch: Launch) -> ContainerRequest:
    """The same without aliases on networks where other processes have the real one."""
    attachments = [
        Attachment(each.network)
        if getattr(launch.resolve(each.network), "is_shared", False)
        else Attachment(each.network, (*asked.aliases, *each.aliases))
        for each in asked.attachments
    ]
    return dataclasses.replace(asked, aliases=(), attachments=tuple(attachments))


def _await(running: RunningContainer, asked: ContainerRequest) -> None:
    limit = running.surroundings.settings.get(START_TIMEOUT)
    events = stream_of(running.engine)
    try:
        with events.open(), events.listening(running.id, running.notice):
            wait_until_ready(running, asked.wait or DefaultWaitStrategy(), limit)
    finally:
        running.stop_following()


def _stopped(running: RunningContainer) -> bool:
    """Ask it to end; whether it did so by itself."""
    running.engine.stop(running.id, STOP_TIMEOUT)
    return state_of(running.refresh()).exit_code != KILLED


# -- what there is ---------------------------------------------------------------------------------


def warm_images(engine: Engine) -> list[SavedImage]:
    """The images that warm starts have made: with the tag that says so, or with none yet."""
    found = saved_images(engine, WARM_LABEL)
    return [each for each in found if not each.tags or own_tag(each)]


def own_tag(image: SavedImage) -> str:
    """The tag that a warm start gave an image; empty if it has none."""
    end = f":{image.labels[WARM_LABEL]}"
    names = map(without_default_registry, image.tags)
    ours = [name for name in names if name.startswith(f"{REPOSITORY}/") and name.endswith(end)]
    return ours[0] if ours else ""


def remove_warm(engine: Engine, image: SavedImage) -> bool:
    """Remove an image that no container and no process uses or makes; whether it is gone."""
    lock = None
    with contextlib.suppress(OSError):
        lock = hold(_lock_name(image.labels[WARM_LABEL]), limit=0)
        if lock is None:
            return False
    try:
        return _remove(engine, image)
    finally:
        if lock is not None:
            release(lock, forget=True)


def _remove_earlier(engine: Engine, declaration: str, place: str) -> None:
    """Remove what was made of the same declaration before it was changed, and what was not ended.

    The lock of this one is ours.
    """
    for each in warm_images(engine):
        is_ours = each.labels[WARM_LABEL] == declaration
        if is_ours and not each.tags:
            _remove(engine, each)
        elif place and not is_ours and each.labels.get(PLACE_LABEL) == place:
            remove_warm(engine, each)


def _remove(engine: Engine, image: SavedImage) -> bool:
    try:
        engine.images.remove(own_tag(image) or image.id)
    except EngineError:  # a container uses it
        return False
    return True


def _lock_name(declaration: str) -> str:
    return f"{declaration}.warm"
