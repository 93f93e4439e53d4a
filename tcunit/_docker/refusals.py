"""What the engine refuses, in words of ours: the SDK's errors stay in this folder."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from ..errors import EngineError

# Podman answers 500 about what somebody removes while it looks; the cause comes last.
_GONE = r": (no such (container|volume)|network not found|image not known)$"
# What Podman says when it cannot unpack begins with two thousand characters of its own state.
_STATE_OF_COPIER = r"error during bulk transfer for copier\.request\{.*\}: (?=copier: )"


class NameTaken(EngineError):
    """Another container or network has this name."""


class NotThere(EngineError):
    """The engine knows no such resource."""


class Unanswered(EngineError):
    """The engine gave no answer: it may have done what it was asked for, or may do it yet."""


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the SDK's errors into ours, with what was being done and what the engine said."""
    import docker.errors
    import requests.exceptions

    try:
        yield
    except docker.errors.NotFound as error:
        raise NotThere(f"{what}: {_said(error)}") from error
    except docker.errors.APIError as error:
        raise _kind_of(error)(f"{what}: {_said(error)}") from error
    except requests.exceptions.RequestException as error:
        raise Unanswered(f"{what}: {_root(error)}") from error
    except docker.errors.DockerException as error:
        raise EngineError(f"{what}: {_root(error)}") from error


def refuse_answer(answer: Any) -> None:
    """Raise the SDK's error for an answer that is one."""
    import docker.errors
    import requests.exceptions

    try:
        answer.raise_for_status()
    except requests.exceptions.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)


def _said(error: Any) -> str:
    return re.sub(_STATE_OF_COPIER, "", str(error.explanation or error))


def _kind_of(error: Any) -> type[EngineError]:
    if _is_name_conflict(error):
        return NameTaken
    return NotThere if error.status_code == 500 and re.search(_GONE, _said(error)) else EngineError


def _is_name_conflict(error: Any) -> bool:
    text = _said(error)
    if error.status_code == 500:  # from Podman; an address may be in use, too
        return "that name is already in use" in text or "network already exists" in text
    return error.status_code == 409 and ("already in use" in text or "already exists" in text)


def _root(error: BaseException) -> str:
    """The operating system's word, where the SDK has wrapped it several times."""
    inner: BaseException | None = error
    seen: set[int] = set()
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return str(error)
