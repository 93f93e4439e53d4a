"""What processes share: who may find or make it, who uses it, and who removes it.

A share has two files beside the locks of the sessions. One is its *turn*: held exclusively, for a
moment, by the one process that finds, makes or removes it, and its content is what is known of it.
The other is held shared by every process that uses it, for as long as it does, by the kernel's
word. Who gets that one exclusively, in its turn, knows that nobody else is left, and removes the
share or leaves it for the next run. Users and removers come in turns, so a share is never removed
from under somebody who has just found it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from .._docker import Engine, NotThere
from .._session import NAME_LABEL, REUSE_LABEL, session_id
from ..errors import StartError
from .lock import folder, is_alive, locked_file, unlock

PAUSE = 0.01
LATE = 1.0  # how long after its sender died a create may still succeed, in seconds
LEAVING = 10.0  # how long who leaves waits for the turn; who has it then, uses it or removes it
LONG = 10_000  # bytes of a record that is begun anew
DYING = 5.0  # how long the kernel may take to give back all locks of a process that was killed

CONTAINER = "container"


@dataclass(frozen=True)
class Share:
    """Something that processes share.

    Attributes:
        kind: ``container`` or ``network``.
        name: its name on the engine.
        hash: of its whole declaration.
        keep: whether the last user leaves it for the next run.
    """

    kind: str
    name: str
    hash: str
    keep: bool = False


@dataclass
class Record:
    """What is known of a share: its id once it was ready, its users, and whether it is kept."""

    engine: str = ""
    ready: str = ""
    making: bool = False
    users: list[str] = field(default_factory=list)
    kept: bool = False

    @property
    def living_users(self) -> list[str]:
        """The sessions that use it now."""
        return [each for each in self.users if is_alive(each)]


class Turn:
    """The right to find, make or remove a share, which one process has at a time."""

    def __init__(self, declaration: str, file: IO[bytes]) -> None:
        self._hash, self._file = declaration, file
        self._gone = False
        self._saved = b""
        self.record = _read(file)

    def use(self) -> IO[bytes]:
        """Become a user, until the file that this returns is given back by :func:`release`."""
        deadline = time.monotonic() + DYING  # one that removed it may have been killed just now
        while (file := _hold(users_path(self._hash), shared=True)) is None:
            if time.monotonic() > deadline:
                raise StartError(f"{users_path(self._hash)} is locked against all use: remove it")
            time.sleep(PAUSE)
        self.record.users = [*self.record.living_users, session_id()]
        self.record.kept = False
        return file

    def alone(self, patience: float = 0.0) -> IO[bytes] | None:
        """Have it for oneself; ``None`` if somebody uses it."""
        deadline = time.monotonic() + patience
        while (file := _hold(users_path(self._hash), shared=False)) is None:
            if time.monotonic() >= deadline:
                return None
            time.sleep(PAUSE)
        return file

    def save(self) -> None:
        """Write down what is known: in a new line, because we may be killed in the middle of it."""
        import json

        line = json.dumps(asdict(self.record)).encode() + b"\n"
        if line == self._saved:
            return
        if self._file.tell() > LONG:
            self._file.truncate(0)
        self._file.write(line)
        self._file.flush()
        self._saved = line

    def forget(self) -> None:
        """Remove the files of a share that is no more."""
        self._gone = True
        for path in (users_path(self._hash), turn_path(self._hash)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def end(self) -> None:
        """Let the next one have its turn; does nothing the second time."""
        if self._file.closed:
            return
        if not self._gone:
            self.save()
        release(self._file)

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def take_turn(
    declaration: str, go_on: Callable[[], object] = lambda: None, limit: float = float("inf")
) -> Turn | None:
    """Wait for the turn of a share; ``None`` if it did not come within a limit in seconds.

    Args:
        go_on: called again and again; raises when there is no more use in waiting.

    Raises:
        OSError: there is no place for the files.
    """
    file = hold(turn_path(declaration).name, go_on, limit)
    return Turn(declaration, file) if file is not None else None


# -- leaving ---------------------------------------------------------------------------------------


def leave(engine: Engine, share: Share, turn: Turn | None = None) -> None:
    """Go, having given back the users' lock; the last one removes the share, or keeps it.

    Raises:
        EngineError: it could not be removed.
    """
    turn = turn or take_turn(share.hash, limit=LEAVING)
    if turn is None:
        return
    with turn:
        _strike(turn.record, session_id())
        discard(engine, share, turn)


def leave_for(engine: Engine, share: Share, session: str) -> None:
    """Go in the place of a process that was killed; the kernel may still be closing its files."""
    deadline = time.monotonic() + DYING
    while time.monotonic() < deadline:
        if (turn := take_turn(share.hash, limit=DYING)) is not None:
            with turn:
                _strike(turn.record, session)
                if discard(engine, share, turn):
                    return
        time.sleep(PAUSE * 5)


def discard(engine: Engine, share: Share, turn: Turn) -> bool:
    """Remove a share that nobody uses, unless it is to be kept; whether nobody uses it."""
    if (alone := turn.alone()) is None:
        return False
    try:
        if share.keep and turn.record.ready:
            turn.record.kept = True
        else:
            _remove(engine, share, turn.record)
            turn.forget()
    finally:
        release(alone)
    return True


def make_room(engine: Engine, share: Share, turn: Turn) -> bool:
    """Remove what there is of a share that is to be made anew; false if somebody uses it."""
    # The locks of one that was killed while it made this may still be there for a moment.
    if (alone := turn.alone(DYING if turn.record.making else 0.0)) is None:
        return False
    try:
        _remove(engine, share, turn.record)
        turn.record.engine = engine.url
        turn.record.ready, turn.record.making = "", True
        turn.save()
    finally:
        release(alone)
    return True


def _strike(record: Record, session: str) -> None:
    if session in record.users:
        record.users.remove(session)


def _remove(engine: Engine, share: Share, record: Record) -> None:
    """Remove it by the id that was written down, else by its name if it bears its labels."""
    deadline = time.monotonic() + (LATE if record.making else 0.0)
    found = record.ready or find(engine, share)
    while not found and time.monotonic() < deadline:
        time.sleep(PAUSE * 5)
        found = find(engine, share)
    if found:
        engine.remove(share.kind, found)


def find(engine: Engine, share: Share) -> str:
    """The id of what has a share's name and labels; empty if there is no such thing."""
    try:
        if share.kind == CONTAINER:
            info = engine.inspect(share.name)
            labels = info["Config"].get("Labels") or {}
        else:
            info = engine.inspect_network(share.name)
            labels = info.get("Labels") or {}
    except NotThere:
        return ""
    ours = (labels.get(REUSE_LABEL), labels.get(NAME_LABEL)) == (share.hash, share.name)
    return str(info["Id"]) if ours else ""


# -- files -----------------------------------------------------------------------------------------


def turn_path(declaration: str) -> Path:
    """The file that is held by whoever has a turn."""
    return folder() / f"{declaration}.share"


def users_path(declaration: str) -> Path:
    """The file that users hold."""
    return folder() / f"{declaration}.users"


def record_of(declaration: str) -> Record | None:
    """What is known of a share now; ``None`` if this machine has no file of it."""
    try:
        with turn_path(declaration).open("rb") as file:
            return _read(file)
    except OSError:
        return None


def domain() -> str:
    """The name of all processes that see the same locks: no others can share anything.

    Raises:
        OSError: there is no place for the files.
    """
    path = folder() / "domain"
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)  # what looks as if nobody used it may be swept from a temporary folder
        return path.read_text()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_name(os.urandom(16).hex())
    new.write_text(new.name)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink()
    return path.read_text()


def _read(file: IO[bytes]) -> Record:
    import json

    file.seek(0)
    for line in reversed(file.read().splitlines(keepends=True)):
        with contextlib.suppress(ValueError, TypeError):  # its writer was killed in the middle
            return Record(**json.loads(line))
    return Record()


_held: set[IO[Any]] = set()


def _hold(path: Path, *, shared: bool) -> IO[bytes] | None:
    file = locked_file(path, shared=shared)
    if file is not None:
        _held.add(file)
    return file


def hold(
    name: str,
    go_on: Callable[[], object] = lambda: None,
    limit: float = float("inf"),
    *,
    shared: bool = False,
) -> IO[bytes] | None:
    """Wait for a lock on a file; ``None`` if it did not come within a limit in seconds.

    Args:
        name: of its file.
        go_on: called again and again; raises when there is no more use in waiting.
        shared: have it together with others who share it; else nobody else has it.

    Raises:
        OSError: there is no place for the file.
    """
    deadline = time.monotonic() + limit
    while True:
        go_on()
        if (file := _hold(folder() / name, shared=shared)) is not None:
            return file
        if time.monotonic() >= deadline:
            return None
        time.sleep(PAUSE)


def release(file: IO[bytes], *, forget: bool = False) -> None:
    """Give back a lock, without its file if that is to go; no error if that was done before."""
    _held.discard(file)
    if file.closed:
        return
    if forget:
        with contextlib.suppress(OSError):
            os.unlink(file.name)
    unlock(file)


def release_shared(file: IO[bytes]) -> None:
    """Give back a lock that others may have, too; its file goes with the last of them."""
    release(file)
    with contextlib.suppress(OSError):
        if (alone := _hold(Path(file.name), shared=False)) is not None:
            release(alone, forget=True)


def _abandon() -> None:
    """In a forked child: the locks are its parent's, and live on in it."""
    while _held:
        _held.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)
