"""A Compose project of ours: the calls that make it, and its entry in the ledger.

Compose only makes. What it made is removed by us, as everything is: by the labels that are on it,
with calls to the engine, so that the removal is the same in every net and needs no file.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .._docker import Resource
from .._session import PROJECT_LABEL, is_ours
from ..errors import ComposeError, EngineError, StartCancelled
from ..lifecycle.ledger import LATE, PAUSE, Entry
from ..log import debug
from ..masking import Secrets
from ..reapers.sweep import remove_all
from .cli import Compose
from .command import Command
from .model import Model, secrets_of

LAST_LINES = 20
CONFIG_LIMIT = 60.0  # seconds
_PROGRESS = re.compile(
    r"^\s*(Container|Network|Volume|Image)\s+\S+\s+(\w+ing|Created|Started|Built|Pulled|Healthy"
    r"|Running|Exited|Skipped)\s*(\d[\d.]*s)?\s*$"
)


@dataclass(frozen=True)
class Calls:
    """The calls to Compose's command about one project.

    Args:
        files: the user's.
        options: for the command itself, as ``--profile``.
        services: those to start, with what they depend on; none means all.
        given: the variables that the test sets.
        environ: the whole environment of the command.
        env_files: those that have further variables, as far as they are there.
    """

    compose: Compose
    label: str
    project: str
    files: Sequence[Path]
    options: Sequence[str]
    services: Sequence[str]
    given: Mapping[str, str]
    environ: Mapping[str, str]
    env_files: Sequence[Path] = ()

    def words(self) -> list[str]:
        """The command with all that names the project."""
        files = [word for each in self.files for word in ("-f", str(each))]
        fixed = ["--ansi", "never", "--project-name", self.project]
        return [*self.compose.words, *fixed, *self.options, *files]

    def model(self) -> Model:
        """What the files mean; raises ComposeError with what Compose says is wrong with them."""
        words = [*self.words(), "config", "--format", "json", *self.services]
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, env=dict(self.environ),
                timeout=CONFIG_LIMIT,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ComposeError(f"{self.label}: {self.compose} cannot be run: {error}") from error
        said = done.stderr.decode(errors="replace")
        secrets = self.secrets(Model(self.project))
        if done.returncode != 0:
            raise ComposeError(self._failed("config", done.returncode, said, secrets))
        if said.strip():
            debug("%s: %s", self.label, secrets.mask(said.strip()))
        return Model.read(self.project, done.stdout.decode())

    def up(self, further: str, options: Sequence[str]) -> Command:
        """The command that creates and starts everything; not run yet."""
        detached = [] if "--no-start" in options else ["--detach"]
        words = [*self.words(), "-f", "-", "up", *detached, *options, *self.services]
        return Command(words, self.environ, further)

    def secrets(self, model: Model) -> Secrets:
        """What must not be shown of what Compose says."""
        of_files = [pair for each in self.env_files for pair in variables_in(each)]
        return secrets_of([*of_files, *self.given.items()], self.environ, model)

    def why_failed(self, command: Command, model: Model) -> str:
        """What to say of an ``up`` that failed."""
        return self._failed("up", command.code, command.said, self.secrets(model))

    def _failed(self, verb: str, code: int, said: str, secrets: Secrets) -> str:
        lines = [line.rstrip() for line in secrets.mask(said).splitlines()]
        lines = [line for line in lines if line and not _PROGRESS.match(line)][-LAST_LINES:]
        shown = "\n".join(f"  | {line}" for line in lines) or "  | (it said nothing)"
        files = ", ".join(map(str, self.files))
        return (
            f"{self.label}: '{self.compose} {verb}' failed (exit code {code}) for {files}:\n{shown}"
        )


@dataclass(eq=False)
class ProjectEntry(Entry):
    """Everything that Compose makes for a project, as one entry of the ledger.

    Attributes:
        told: the names that the labels have.
        images: those to remove at the end.
        command: the ``up`` that makes it.
        made: what is known to be there, each thing by itself.
    """

    told: Sequence[str] = ()
    images: Sequence[str] = ()
    command: Command | None = None
    made: Sequence[Entry] = ()
    is_over: bool = False

    def begin(self, command: Command) -> None:
        """Take note of the command that is run next; after the removal, none is."""
        self.command = command
        if self.is_over:
            command.cut()

    @property
    def names(self) -> Sequence[str]:
        """The names by which the reapers are to know its parts."""
        return self.told

    @property
    def parts(self) -> Sequence[Entry]:
        """What Compose has made, each thing by itself."""
        return self.made

    def remove(self) -> None:
        """Remove all that is there of it; what an ``up`` that was cut makes late, too.

        Raises:
            EngineError: some of it could not be removed; names all of that.
        """
        self.is_over = True
        if self.command is not None:
            self.command.cut()
        self.take_leave()
        was_cut = self.command is not None and self.command.was_cut
        deadline = time.monotonic() + (LATE if was_cut else 0.0)
        while True:
            if left := remove_all(self.engine, self.found()):
                raise EngineError("; ".join(str(error) for _, error in left))
            if time.monotonic() >= deadline:
                break
            time.sleep(PAUSE)
        for image in self.images:
            with contextlib.suppress(EngineError):  # somebody else uses it
                self.engine.images.remove(image)

    def found(self) -> list[Resource]:
        """What is there of it."""
        found = self.engine.labelled(f"{PROJECT_LABEL}={self.name}")
        return [each for each in found if is_ours(each.name, each.labels)]


def variables_in(file: Path) -> Iterator[tuple[str, str]]:
    """The variables in a file that Compose reads, each with its value; none if it is not there."""
    text = ""
    with contextlib.suppress(OSError):
        text = file.read_text("utf-8", errors="replace")
    for found in re.finditer(r"^\s*(?:export\s+)?([\w.-]+)\s*[=:](.*)", text, re.MULTILINE):
        value = found[2].strip()
        inner = re.match(r"([\"'])(.*?)\1|(.*?)(?:\s+#.*)?$", value)
        yield found[1], (inner[2] or inner[3] or "" if inner else value)


def run_up(command: Command, calls: Calls, model: Model, is_cancelled: Callable[[], bool]) -> None:
    """Run an ``up`` to its end.

    Raises:
        ComposeError: it failed.
        StartCancelled: it is not wanted any more; what it made may be half done.
    """
    try:
        command.run(is_cancelled)
    except OSError as error:
        raise ComposeError(f"{calls.label}: {calls.compose} cannot be run: {error}") from error
    if command.was_cut:
        raise StartCancelled(f"{calls.label} was not started, because the start was given up")
    if command.code != 0:
        raise ComposeError(calls.why_failed(command, model))
