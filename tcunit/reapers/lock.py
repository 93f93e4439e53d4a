"""Locks on files, and the session's: held for as long as its process lives, by the kernel's word.

Anyone can ask whether a session lives: a lock that can be taken belongs to a dead one; one that
does not exist may belong to another machine, so nothing is known of it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from .._session import session_id

_FIRST_BYTE, _BYTES = 1 << 30, 1 << 20  # on Windows a locked byte cannot be read by others
PAUSE = 0.05


class SessionLock:
    """The lock of this process's session."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path, self._file = path, file

    @classmethod
    def acquire(cls) -> SessionLock | None:
        """Take the lock of this session; ``None`` where no file can be made."""
        path = lock_path(session_id())
        with contextlib.suppress(OSError):
            file = locked_file(path)
            return cls(path, file) if file is not None else None
        return None

    def release(self, *, forget: bool) -> None:
        """Give it back, because the session is over; its file stays unless it is to be forgotten.

        A file that nobody has locked tells everyone that the session is dead.
        """
        if forget:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._file.close()

    def abandon(self) -> None:
        """Close a forked child's copy without giving back its parent's lock."""
        self._file.close()


@contextlib.contextmanager
def locked(name: str, still_wanted: Callable[[], object]) -> Iterator[None]:
    """Do something in one process of this user at a time; without files, do it all the same.

    Args:
        name: one of few, because its file stays.
        still_wanted: called while another process does it; raises where there is to be no more
            waiting.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder().mkdir(mode=0o700, exist_ok=True)
            file = stack.enter_context((folder() / name).open("ab"))
            while not _try(file):
                still_wanted()
                time.sleep(PAUSE)
        yield


def folder() -> Path:
    """Where this user's locks are."""
    import tempfile

    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"tcunit-{user}"


def lock_path(session: str) -> Path:
    """The lock file of a session."""
    return folder() / f"{session}.lock"


def is_alive(session: str) -> bool | None:
    """Whether a session lives; ``None`` where this machine has no lock of it."""
    try:
        file = lock_path(session).open("rb+")
    except OSError:
        return None
    with file:
        return not _try(file)


def locked_file(path: Path, *, shared: bool = False) -> IO[bytes] | None:
    """A file, made if it is missing, with a lock on it; ``None`` where somebody else's forbids it.

    Raises:
        OSError: no file can be made there.
    """
    path.parent.mkdir(mode=0o700, exist_ok=True)
    while True:
        file = path.open("a+b")
        taken = _try(file, shared=shared)
        # Whoever sweeps may have removed the file before it was locked.
        if taken and _is_file(path, file):
            return file
        file.close()
        if not taken:
            return None


def unlock(file: IO[bytes]) -> None:
    """Give a lock back, also where a child that is being forked has a copy of the file."""
    if os.name != "nt":
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
    file.close()


def _is_file(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _try(file: IO[bytes], *, shared: bool = False) -> bool:
    try:
        if os.name == "nt":
            import msvcrt
            import random

            # It has no shared locks: who shares takes one byte of many, who does not takes all.
            file.seek(_FIRST_BYTE + (random.randrange(_BYTES) if shared else 0))
            count = 1 if shared else _BYTES
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, count)  # type: ignore[attr-defined]
        else:
            import fcntl

            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(file.fileno(), kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
