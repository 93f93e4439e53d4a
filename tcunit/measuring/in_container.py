"""Runs in the container, as the ``sitecustomize`` of every Python there.

It starts the measurement by coverage's own hook for subprocesses, notes the process for
``ask_to_save``, and lets the image's own ``sitecustomize`` run. The program goes on in any case;
why it is not measured is written to a file. Nothing of tcunit can be imported here, and the Python
may be older than what tcunit needs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

TYPE_CHECKING = False  # without the module typing, which the program may not load
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from coverage import Coverage

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data")
SAVE = 60  # a real-time signal, which programs hardly use

_saving: list[Coverage] = []
_put_off: list[int] = []
_forking = threading.local()


def begin() -> None:
    """Measure this process, and its forks."""
    if not os.getenv("COVERAGE_PROCESS_START"):
        return
    import coverage

    _prefer_monitoring()
    coverage.Coverage.save = _undisturbed(coverage.Coverage.save)  # type: ignore[assignment, method-assign]
    coverage.process_startup()
    _sign_up()
    os.register_at_fork(before=_hold_ours, after_in_parent=_let_ours, after_in_child=_in_child)
    signal.signal(SAVE, _save_and_go_on)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _save_and_end)


def _prefer_monitoring() -> None:
    """Use ``sys.monitoring`` where the tracer in C was built for another Python or machine."""
    if sys.version_info < (3, 12):
        return
    try:
        import coverage.tracer  # noqa: F401
    except ImportError:
        os.environ.setdefault("COVERAGE_CORE", "sysmon")


def _undisturbed(save: Callable[[Coverage], None]) -> Callable[[Coverage], None]:
    """Put signals off while something is saved: another save inside it would spoil the file."""

    def save_and_see(self: Coverage) -> None:
        _saving.append(self)
        held = _one_of_each_file(self)
        try:
            save(self)
        finally:
            for ran, one in held:
                ran.add(one)
            _saving.pop()
        while _put_off and not _saving:
            os.kill(os.getpid(), _put_off.pop())

    return save_and_see


def _one_of_each_file(measured: Coverage) -> list[tuple[set[Any], Any]]:
    """What ran of each file so far, and one of it, which may well be saved twice.

    A save empties these sets, and coverage's tracer in Python (seen in 7.17) measures no further
    function of a file of which nothing is there, when it is called from that same file.
    """
    data = getattr(getattr(measured, "_collector", None), "data", {})
    return [(ran, next(iter(ran))) for ran in list(data.values()) if isinstance(ran, set) and ran]


def _sign_up() -> None:
    """Say that this process is measured, and which Python it runs."""
    del _saving[:], _put_off[:]  # of the process that it was forked off
    _note("process", sys.executable or "")


def _hold_ours() -> None:
    """Put our signals off while we fork: Python forgets those that a child gets at its beginning.

    A pool that ends as soon as it has its answers would wait for such a worker for ever.
    """
    ours = {SAVE: _save_and_go_on, signal.SIGTERM: _save_and_end}
    held = [number for number, handler in ours.items() if signal.getsignal(number) is handler]
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, held)


def _let_ours() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _in_child() -> None:
    _sign_up()
    _let_ours()


def _note(kind: str, text: str) -> None:
    try:
        with open(os.path.join(DATA, f"{kind}-{os.getpid()}"), "w") as file:
            file.write(text)
    except OSError:
        pass  # a file system that is full must not disturb the program


def _save() -> None:
    import coverage

    measured = coverage.Coverage.current()
    if measured is not None:
        measured.save()


def _save_and_go_on(number: int, frame: object) -> bool:
    if _saving:
        _put_off.append(number)
        return False
    try:
        _save()
    except Exception as error:
        _note("problem", f"the data could not be saved: {error!r}")
    _note("saved", "")
    return True


def _save_and_end(number: int, frame: object) -> None:
    """End by SIGTERM as it would without us; the first process, which the kernel spares, exits."""
    if not _save_and_go_on(number, frame):
        return
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def run_the_images_own() -> None:
    """Run the ``sitecustomize`` that this one hides."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    elsewhere = [each for each in sys.path if os.path.abspath(each) != HERE]
    spec = PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


try:
    begin()
except Exception as error:
    version = ".".join(map(str, sys.version_info[:3]))
    _note("problem", f"Python {version} could not begin: {type(error).__name__}: {error}")
run_the_images_own()
