"""Class fixtures that start before their class's turn, for a runner that knows what comes next.

The rule: nothing is different but the time. A class starts ahead only where that runs no code of
its user's, takes nothing that exists only once (a port or a name of the host, a volume, a range of
addresses), and needs nothing that the class does not declare itself. When its turn comes, what was
started is used only if the declarations, the settings and the mounted files are what they were, and
if everything still runs. Otherwise it is removed, and the class starts as it would have without; so
does one whose early start has failed, and its error, if it comes again, is the usual one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from typing import Any

from .. import timings
from ..log import debug
from ..request import ContainerRequest
from ..settings import Settings
from ..wait import WaitStrategy
from .declared import Declared, owner_of
from .fixture import ClassFixture
from .ledger import ledger
from .references import declarations_of

HOUSE = __name__.partition(".")[0]
PAUSE = 0.05

# What may be asked for in a start ahead, beyond what is checked. All else waits for its turn.
PLAIN = (
    "image", "command", "env", "exposed", "service_ports", "bound", "on_all_interfaces",
    "attachments", "aliases", "network_mode", "dependencies", "mounts", "tmpfs", "labels",
    "platform", "pull_policy", "options", "wait", "reset", "measured",
)  # fmt: skip


# -- what may start ahead --------------------------------------------------------------------------


def why_not_ahead(asked: ContainerRequest, resolve: Callable[[Any], Any]) -> str:
    """Why what a container is asked to be must wait for its class's turn; empty if it need not."""
    return (
        _runs_foreign_code(asked, resolve)
        or _takes_what_exists_once(asked)
        or _asks_for_more(asked)
    )


def _runs_foreign_code(asked: ContainerRequest, resolve: Callable[[Any], Any]) -> str:
    for value in asked.late_values():
        owner = resolve(owner_of(value))
        if not isinstance(owner, Declared):
            return "has a late value that is not a method of a declaration"
        if owner.scope == "run":
            return f"has a late value of {owner.label}, which another class uses now"
    if asked.wait is not None and _calls_foreign_code(asked.wait):
        return "has a wait strategy with code of its own"
    return ""


def is_foreign(function_or_class: Any) -> bool:
    """Whether tcunit did not write it."""
    return str(function_or_class.__module__).partition(".")[0] != HOUSE


def _calls_foreign_code(strategy: WaitStrategy) -> bool:
    """Whether a wait strategy, or one inside of it, calls what tcunit did not write."""
    if is_foreign(type(strategy)):
        return True
    for value in vars(strategy).values():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, WaitStrategy):
                if _calls_foreign_code(each):
                    return True
            elif callable(each):
                return True
    return False


def _takes_what_exists_once(asked: ContainerRequest) -> str:
    if not asked.is_apart:
        return "has a fixed name or port, writes to a mount, or uses a network made elsewhere"
    for mount in asked.mounts:
        source = mount.source if isinstance(mount.source, str) else ""
        is_file = os.path.isabs(source) and os.path.isfile(source)
        if mount.mode != "ro" or not is_file:
            return "mounts something else than a file of this machine, by absolute path, to read"
    return ""


def _asks_for_more(asked: ContainerRequest) -> str:
    more = [each.name for each in fields(asked) if each.name not in PLAIN]
    found = [name for name in more if getattr(asked, name)]
    found += ["binds"] * ("binds" in asked.options)
    return f"asks for {', '.join(found)}" if found else ""


def file_stamps(asked: ContainerRequest) -> object:
    """What tells whether the mounted files are what they were."""
    return [_stamp(str(mount.source)) for mount in asked.mounts]


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return path, found.st_ino, found.st_size, found.st_mtime_ns


# -- starting ahead --------------------------------------------------------------------------------


def _basis(cls: type, fixture: ClassFixture, settings: Settings) -> dict[str, object]:
    """All that a start of a class rests on; the same objects mean the same start."""
    return {
        "settings": settings.seen(),
        "connection mode": getattr(cls, "connection_mode", None),
        "declarations": [(name, _Same(each)) for name, each in declarations_of(cls).items()],
        "files": fixture.sources(),
    }


@dataclass
class _Same:
    """Equal to what holds the very same object."""

    held: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.held is other.held


class EarlyStart:
    """One class's fixture, started by a thread; after another one's, if there is one."""

    def __init__(self, cls: type, fixture: ClassFixture, settings: Settings, after: Any) -> None:
        self._cls, self.fixture = cls, fixture
        self._basis = _basis(cls, fixture, settings)
        self._after: EarlyStart | None = after
        self._life: dict[Declared, object] = {}
        self._is_given_up = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._work, name=f"tcunit-ahead-{cls.__name__}", daemon=True
        )
        self._thread.start()

    def _work(self) -> None:
        try:
            after, self._after = self._after, None
            if after is not None:
                after._thread.join()
            if not self._is_given_up:
                self.fixture.start_ahead()
                self._life = self._lives(as_seen=True)
        except BaseException as error:  # shown by the class's own start, if it comes again
            self._error = error

    def _lives(self, *, as_seen: bool = False) -> dict[Declared, object]:
        things = [thing for thing in self.fixture.things() if thing.scope == "class"]
        return {thing: thing.life(as_seen=as_seen) for thing in things}

    def why_unusable(self, settings: Settings) -> str:
        """Why the class must start anew, asked when its turn has come; empty if it need not."""
        now = _basis(self._cls, self.fixture, settings)
        if changed := [name for name, value in self._basis.items() if value != now[name]]:
            return f"what it rests on has changed: {', '.join(changed)}"
        self._thread.join()
        if self._error is not None:
            return f"it failed: {self._error}"
        try:
            lives = self._lives()
        except Exception as error:
            return f"its containers could not be looked at: {error}"
        died = [thing.label for thing, life in self._life.items() if lives.get(thing) != life]
        return f"{', '.join(died)} did not stay as started" if died else ""

    def discard(self) -> None:
        """Give it up, and have removed what it has started."""
        self._is_given_up = True
        while self._thread.is_alive():
            self.fixture.give_up()
            self._thread.join(PAUSE)  # what it begins in between is given up then
        self.fixture.discard()


@dataclass
class Ahead:
    """What this process has started for classes whose turn has not come."""

    _starts: dict[type, EarlyStart] = field(default_factory=dict)

    def begin(self, cls: type) -> None:
        """Start a class's fixture in the background, after those begun before; if it may."""
        if cls in self._starts or getattr(cls, "__unittest_skip__", False):
            return
        settings = Settings(dict(os.environ))  # a test may change it while this start goes on
        try:
            settings.seen()
            fixture = ClassFixture(cls, settings)
            reason = fixture.why_not_ahead()
        except Exception as error:  # raised again by the class's own start
            reason = str(error)
        if reason:
            debug("%s is not started ahead: %s", cls.__qualname__, reason)
            return
        ledger.expect_signals()  # the creates are in threads, where no handler can be set
        before = [*self._starts.values()]
        self._starts[cls] = EarlyStart(cls, fixture, settings, before[-1] if before else None)

    def take(self, cls: type, settings: Settings) -> ClassFixture | None:
        """The started fixture of a class whose turn has come; ``None`` if there is none to use."""
        if cls not in self._starts:
            return None
        with timings.spent("start-up", timings.name_of(cls)):
            reason = self._starts[cls].why_unusable(settings)
        early = self._starts.pop(cls)
        if not reason:
            return early.fixture
        debug("what was started ahead for %s is discarded: %s", cls.__qualname__, reason)
        early.discard()
        return None

    def keep_only(self, classes: Collection[type]) -> None:
        """Discard what was started for other classes."""
        for cls in [each for each in self._starts if each not in classes]:
            self._starts[cls].discard()
            del self._starts[cls]

    def abandon(self) -> None:
        """In a forked child: all of it is the parent's."""
        self._starts.clear()


ahead = Ahead()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ahead.abandon)
