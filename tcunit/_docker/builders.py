"""The two builders: BuildKit, by the docker command line, and the engine's classic builder.

BuildKit wants a session with its client, which the SDK does not speak; the docker command line
does, with its buildx plugin or (before version 23) by itself. Where that is not installed, or
``DOCKER_BUILDKIT=0`` asks for it, the classic builder does the work. On Podman, its own builder
does, by the call of the classic one.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import BuildFailed, EngineError
from ..masking import Secrets, is_secret
from ..progress import Task
from ..settings import BUILDKIT, Settings
from .refusals import NotThere, translated
from .streams import PAUSE, given_up_with, posted

if TYPE_CHECKING:
    from .engine import Engine

Json = dict[str, Any]

BUILDKIT_NAME, CLASSIC_NAME = "BuildKit", "the classic builder"
PODMAN_NAME = "Podman's own builder"
STEPS_TIMEOUT = 3.0
TAIL = 15  # lines of a failed build that its error shows
OWN_CLIENT_UNTIL = 23  # docker's major version from which BuildKit needs the buildx plugin

# A build must not outlive us, however we end: it is killed, with whatever it has started, when our
# end of the pipe closes. The command line of Docker 20.10 does not end for less.
_WITH_US = """
exec 3<&0
archive=$1; shift
"$@" <"$archive" 3<&- &
build=$!
{ cat <&3; kill -KILL 0; } >/dev/null 2>&1 &
watcher=$!
wait "$build"; code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"""


# As Docker says it, and Podman.
_IMAGE_OF_STEP = re.compile(r"-{2,3}> ([0-9a-f]{11,12})")
_FROM_STEP = re.compile(r"(?:\[\d+/\d+\] )?Step \d+/\d+ ?: FROM ", re.IGNORECASE)
_CACHED_STEP = re.compile(r"-{2,3}> Using cache(?: [0-9a-f]+)?")


@dataclass(frozen=True)
class Job:
    """One build."""

    name: str
    archive: IO[bytes] = field(repr=False)
    dockerfile: str
    labels: Mapping[str, str]
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict, repr=False)
    platform: str | None = None
    no_cache: bool = False
    is_cancelled: Callable[[], bool] = bool
    secrets: Mapping[str, str | Path] = field(default_factory=dict, repr=False)

    def mask(self, text: str) -> str:
        """A text without secrets, and the values of arguments that are secret by their name."""
        return self._secrets.mask(text)

    @functools.cached_property
    def _secrets(self) -> Secrets:
        found = {value for name, value in self.args.items() if is_secret(name)}
        for each in self.secrets.values():
            text = each if isinstance(each, str) else each.read_text(errors="replace")
            found |= {text.strip(), *(line.strip() for line in text.splitlines())}
        return Secrets(frozenset(value for value in found if any(map(str.isalnum, value))))

    @property
    def environment(self) -> dict[str, str]:
        """What goes to the builder where others cannot read it."""
        passed = {name: value for name, value in self.args.items() if _by_environment(name)}
        texts = {_variable(n): each for n, each in self.secrets.items() if isinstance(each, str)}
        return {**passed, **texts}


def why_no_buildkit(engine: Engine, settings: Settings) -> str:
    """Why the classic builder is used; empty where BuildKit is.

    Raises:
        EngineError: ``DOCKER_BUILDKIT=1`` asks for it, and it cannot be had.
    """
    wanted = settings.get(BUILDKIT)
    if wanted is False:
        return "DOCKER_BUILDKIT=0 asks for the classic builder"
    reason = "it is Podman, whose own builder does the work" if engine.is_podman else ""
    reason = reason or (
        "the engine is one for Windows" if engine.version["Os"] == "windows" else ""
    )
    reason = reason or _why_not(_program(settings), engine.has_containerd_store)
    if reason and wanted:
        raise EngineError(
            f"DOCKER_BUILDKIT=1 asks for BuildKit, which cannot be used: {reason}. Unset it to "
            f"build without"
        )
    return reason


def name_of_builder(engine: Engine, why_no_buildkit: str) -> str:
    """How the builder is called that does the work."""
    if engine.is_podman:
        return PODMAN_NAME
    return CLASSIC_NAME if why_no_buildkit else BUILDKIT_NAME


def _program(settings: Settings) -> str | None:
    return shutil.which("docker", path=settings.environ.get("PATH"))


@functools.cache
def _why_not(program: str | None, has_containerd_store: bool) -> str:
    if program is None:
        return "the docker command line is not installed"
    with contextlib.suppress(OSError, ValueError, IndexError):
        version = _output(program, "--version").split()[2].strip(",")
        if int(version.partition(".")[0]) < OWN_CLIENT_UNTIL:
            own = f"the docker command line is {version}, which has no client for an engine with"
            return f"{own} containerd's image store" if has_containerd_store else ""
    with contextlib.suppress(OSError):
        if _output(program, "buildx", "version"):
            return ""
    return "the docker command line has no buildx plugin"


def _output(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def build_classic(engine: Engine, job: Job, task: Task) -> None:
    """Build by the engine's own call."""
    params: Json = {
        "t": job.name, "dockerfile": job.dockerfile, "rm": True, "forcerm": True,
        "nocache": job.no_cache, "labels": json.dumps(dict(job.labels)),
        "buildargs": json.dumps(dict(job.args)), "version": "1",
    }  # fmt: skip
    params |= {"target": job.target} if job.target else {}
    params |= {"platform": job.platform} if job.platform else {}
    said = _Said(job, task)
    try:
        with posted(
            engine.client.api, "build", f"building {job.name}", params=params,
            headers={"Content-Type": "application/tar"}, data=job.archive,
            is_cancelled=job.is_cancelled,
        ) as lines:  # fmt: skip
            for line in lines:
                if "error" in line:
                    raise BuildFailed(said.failure(str(line["error"])))
                said.hear(str(line.get("stream") or ""))
    except BaseException:
        _remove_steps(engine, said.steps)
        raise


def _remove_steps(engine: Engine, steps: list[str]) -> None:
    """Remove what a failed build made; its last container may be there for a moment yet."""
    deadline = time.monotonic() + STEPS_TIMEOUT
    for image in reversed(steps):
        while True:
            try:
                with translated(f"removing the image {image}"):
                    engine.client.api.remove_image(image, noprune=True)
            except NotThere:
                break
            except EngineError:
                if time.monotonic() > deadline:  # somebody else builds on it
                    return
                time.sleep(PAUSE)
            else:
                break


def build_with_buildkit(engine: Engine, job: Job, task: Task, settings: Settings) -> None:
    """Build by the docker command line."""
    said = _Said(job, task)
    command = [_program(settings) or "docker", *_arguments(engine, job)]
    with _running(command, job) as process:
        with given_up_with(job.is_cancelled, _stdin(process).close):
            for line in process.stdout or ():
                said.hear(line)
            code = process.wait()
            if code:
                raise BuildFailed(said.failure(f"docker build ended with exit code {code}"))


class _Said:
    """What a builder says: shown as it comes, and at the end of an error."""

    def __init__(self, job: Job, task: Task) -> None:
        self._job, self._task = job, task
        self._tail: deque[str] = deque(maxlen=TAIL)
        self.steps: list[str] = []  # images that the classic builder has made of single steps
        self._is_made = False

    def hear(self, text: str) -> None:
        for line in filter(str.strip, text.splitlines()):
            if found := _IMAGE_OF_STEP.fullmatch(line.strip()):
                self.steps += [found[1]] if self._is_made else []
            else:
                is_old = _FROM_STEP.match(line) or _CACHED_STEP.fullmatch(line.strip())
                self._is_made = not is_old
            self._tail.append(self._job.mask(line.rstrip()))
            self._task.at(self._tail[-1].strip())

    def failure(self, reason: str) -> str:
        lines = "\n".join(f"  | {line}" for line in self._tail)
        return f"{self._job.mask(reason).strip()}\nWhat the builder said last:\n{lines}"


def _arguments(engine: Engine, job: Job) -> list[str]:
    flags = ["--progress=plain", "--tag", job.name, "--file", job.dockerfile]
    for name, value in job.labels.items():
        flags += ["--label", f"{name}={value}"]
    for name, value in job.args.items():
        flags += ["--build-arg", name if _by_environment(name) else f"{name}={value}"]
    for name, secret in job.secrets.items():
        source = f"env={_variable(name)}" if isinstance(secret, str) else f"src={secret.absolute()}"
        flags += ["--secret", ",".join(map(_quoted, (f"id={name}", source)))]
    flags += ["--target", job.target] if job.target else []
    flags += ["--platform", job.platform] if job.platform else []
    flags += ["--no-cache"] if job.no_cache else []
    return [*_connection(engine), "build", *flags, "-"]


def _by_environment(name: str) -> bool:
    """Whether the value can go where others cannot read it; a variable of ours is not replaced.

    Those of proxies and of the command line itself it would follow, on its way to the engine.
    """
    own = name.startswith(("DOCKER_", "BUILDX_", "BUILDKIT_")) or name.lower().endswith("_proxy")
    return name not in os.environ and not own


def _variable(secret: str) -> str:
    """The variable by which a secret goes to the builder."""
    return f"TCUNIT_SECRET_{secret.encode().hex()}"


def _quoted(field: str) -> str:
    """A field of an option that is read as a line of CSV."""
    return '"' + field.replace('"', '""') + '"' if set(field) & set(',"') else field


def _connection(engine: Engine) -> list[str]:
    flags = ["--host", engine.url]
    if (tls := engine.tls) is not None:
        flags += ["--tlsverify" if tls.verify else "--tls"]
        flags += ["--tlscacert", tls.ca_cert] if tls.ca_cert else []
        flags += ["--tlscert", tls.cert[0], "--tlskey", tls.cert[1]] if tls.cert else []
    return flags


@contextlib.contextmanager
def _running(command: list[str], job: Job) -> Iterator[subprocess.Popen[str]]:
    """The command with the archive for its input; it ends with us."""
    # An image with attestations is an index in containerd's store, another one for each build.
    ours = {"DOCKER_BUILDKIT": "1", "BUILDX_BUILDER": "default",
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}  # fmt: skip
    process = subprocess.Popen(
        ["sh", "-c", _WITH_US, "sh", job.archive.name, *command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", env={**os.environ, **job.environment, **ours},
        start_new_session=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(OSError):
                _stdin(process).close()


def _stdin(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdin is not None
    return process.stdin
