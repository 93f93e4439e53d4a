"""Several jobs at once, in plain threads: executors refuse to work when the interpreter ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable


def side_by_side(jobs: Iterable[Callable[[], object]], width: int | None = None) -> list[Exception]:
    """Do some jobs, and return their errors when all are done.

    Where no more threads can be had, those that there are do all of them.

    Args:
        width: how many at a time; by default all.
    """
    waiting, errors = deque(jobs), list[Exception]()

    def work() -> None:
        while True:
            try:
                job = waiting.popleft()
            except IndexError:
                return
            try:
                job()
            except Exception as error:
                errors.append(error)

    # One of them is done here: a single one needs no thread.
    threads = list[threading.Thread]()
    for _ in range(min(len(waiting), width or len(waiting)) - 1):
        thread = threading.Thread(target=work, name="tcunit-job", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # a Python 3.12 that ends starts none, nor does a limit of processes
            break
        threads.append(thread)
    work()
    for thread in threads:
        thread.join()
    return errors
