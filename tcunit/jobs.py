"""Several jobs at once, in plain threads: executors refuse to work when the interpreter ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable


def side_by_side(jobs: Iterable[Callable[[], object]], width: int | None = None) -> list[Exception]:
    """Do some jobs, and return their errors when all are done.

    Args:
        width: how many at a time; by default all.
    """
    waiting, errors = deque(jobs), list[Exception]()

    def work() -> None:
        while waiting:
            try:
                job = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                job()
            except Exception as error:
                errors.append(error)

    # One of them is done here: a single one needs no thread.
    threads = [
        threading.Thread(target=work, name="tcunit-job", daemon=True)
        for _ in range(min(len(waiting), width or len(waiting)) - 1)
    ]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    return errors
