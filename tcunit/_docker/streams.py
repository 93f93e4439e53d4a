"""Long calls to the engine, which answer line by line: they can be given up at any moment."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from ..errors import StartCancelled
from .refusals import translated

Json = dict[str, Any]

PAUSE = 0.1  # how often it is looked whether to go on, in seconds


class Stream:
    """What the engine tells bit by bit, until it ends or is closed.

    The SDK closes its socket for that. If it has just ended by itself, its connection would have
    been given back by then and be another request's, so this one's is given back to nobody.

    Args:
        given: the SDK's stream, of which nothing was read yet.
    """

    def __init__(self, given: Any) -> None:
        self._given, self._answer = given, given._response.raw
        self._answer._pool = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._given)

    def close(self) -> None:
        """End it, also from another thread than the one that reads; no error if it has ended."""
        with contextlib.suppress(Exception):
            # The SDK cannot close what comes through an ssh, which this stream has for itself.
            ssh = getattr(self._answer._fp.fp, "channel", None)
            (self._given if ssh is None else ssh).close()
        with contextlib.suppress(Exception):
            self._answer.close()


@contextlib.contextmanager
def given_up_with(is_cancelled: Callable[[], bool], end: Callable[[], object]) -> Iterator[None]:
    """End something when a start is given up meanwhile, from another thread.

    Raises:
        StartCancelled: that has happened; whatever else was raised by it is not.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(PAUSE):
            if is_cancelled():
                with contextlib.suppress(Exception):  # it ended by itself just now
                    end()
                return

    watcher = threading.Thread(target=watch, name="tcunit-watch", daemon=True)
    watcher.start()
    try:
        yield
    except Exception:
        refuse_cancelled(is_cancelled)
        raise
    finally:
        done.set()
        watcher.join()
    refuse_cancelled(is_cancelled)


def refuse_cancelled(is_cancelled: Callable[[], bool]) -> None:
    """Raise StartCancelled, if that is so."""
    if is_cancelled():
        raise StartCancelled("it was given up, because the start was given up") from None


@contextlib.contextmanager
def posted(
    api: Any,
    path: str,
    what: str,
    *,
    params: Mapping[str, Any],
    headers: Mapping[str, str],
    data: IO[bytes] | None = None,
    is_cancelled: Callable[[], bool] = bool,
) -> Iterator[Iterator[Json]]:
    """Ask the engine for something that takes long; gives the lines of its answer.

    The SDK's own calls for this stop at two minutes without a word, or cannot be given up.
    """
    import docker.errors
    import requests
    from docker.types import CancellableStream
    from docker.utils.json_stream import json_stream

    url = f"{api.base_url}/v{api.api_version}/{path}"
    sent = {"params": dict(params), "headers": dict(headers), "data": data}
    with translated(what):
        answer = _answer(lambda: api.post(url, stream=True, timeout=None, **sent), is_cancelled)
        lines: Any = json_stream(answer.iter_content(None))
        with contextlib.closing(Stream(CancellableStream(lines, answer))) as stream:
            try:
                answer.raise_for_status()
            except requests.HTTPError as error:
                docker.errors.create_api_error_from_http_exception(error)
            with given_up_with(is_cancelled, stream.close):
                yield lines


def _answer(ask: Callable[[], Any], is_cancelled: Callable[[], bool]) -> Any:
    """The engine's answer, which may begin late; who gives up before that need not wait for it."""
    done, given_up = threading.Event(), threading.Event()
    answers: list[Any] = []

    def work() -> None:
        try:
            answers.append(ask())
        except BaseException as error:
            answers.append(error)
        done.set()
        if given_up.is_set():
            _close(answers[0])

    threading.Thread(target=work, name="tcunit-ask", daemon=True).start()
    while not done.wait(PAUSE):
        if is_cancelled():
            given_up.set()
            if done.is_set():
                _close(answers[0])
            refuse_cancelled(is_cancelled)
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0]


def _close(answer: Any) -> None:
    """Hang up, by which the engine learns that nobody wants it any more."""
    if not isinstance(answer, BaseException):
        with contextlib.suppress(Exception):
            answer.close()
