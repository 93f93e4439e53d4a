"""What a failing test shows of its containers: a note for its report, and files.

Everything is asked for side by side and within one limit of time; what cannot be had is said in its
place. Nothing here raises an error for what an engine or a disk did.
"""

from __future__ import annotations

import contextvars
import functools
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._docker import Engine, NotThere
from .errors import EngineError, TcunitError
from .inspected import Json, bindings_of, state_of
from .masking import Secrets
from .running import RunningContainer

LIMIT = 5.0  # seconds for everything
LONGEST_LINE = 300
LONGEST_NAME = 100
CLOCKS_AGREE = 0.25  # seconds; below it, a difference does not matter

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\^_])")


@dataclass(frozen=True)
class Look:
    """What to look for.

    Attributes:
        since: when the test began, in seconds since the epoch, by the clock of this process.
        lines: how many lines of each log to show.
        folder: where to write whole logs and the engine's answers.
    """

    since: float
    lines: int
    folder: Path | None = None


def evidence(containers: Sequence[tuple[str, RunningContainer]], look: Look) -> str:
    """What containers are and have logged, as a paragraph for each, and how they are reached.

    Args:
        containers: each with the name that its files are to have.
    """
    names = distinct([safe_name(name) for name, _ in containers])
    running = [each for _, each in containers]
    ahead = _once(functools.partial(clock_ahead, running[0].engine))

    def tell(each: RunningContainer, name: str) -> str:
        return _paragraph(each, look, look.since + ahead(), name)

    asked = [functools.partial(tell, *pair) for pair in zip(running, names, strict=True)]
    asked.append(functools.partial(_modes, running))
    titles = [*(each.description for each in running), "connection mode"]
    answers = side_by_side(asked, LIMIT)
    return "\n".join(
        answer if answer is not None else f"{title}: no answer within {LIMIT:g} s"
        for title, answer in zip(titles, answers, strict=True)
    )


# -- one container --------------------------------------------------------------------------------


def _paragraph(running: RunningContainer, look: Look, since: float, name: str) -> str:
    try:
        info = running.engine.inspect(running.id)
    except NotThere:
        return f"{running.description}: removed"
    except EngineError as error:
        return f"{running.description}: the engine does not say: {error}"
    secrets = Secrets.of(info)
    lines = [f"{running.description}: {state_of(info)}", *_where(running, info)]
    log = _LogTail(running, secrets, look.lines)
    lines += log.lines(since, is_running=state_of(info).running) if look.lines else []
    if look.folder is not None:
        lines += _write(running, info, secrets, look.folder / name)
    return secrets.mask("\n  ".join(lines))


def _where(running: RunningContainer, info: Json) -> list[str]:
    """Its addresses: its own on each network, and those that its ports are published on."""
    if running.host_of is not None:
        return [f"in the network of {running.host_of.description}"]
    settings = info.get("NetworkSettings") or {}
    networks = (settings.get("Networks") or {}).values()
    own = [found for each in networks for key in ("IPAddress", "GlobalIPv6Address")
           if (found := each.get(key))]  # fmt: skip
    if (info.get("HostConfig") or {}).get("NetworkMode") == "host":
        own = ["the addresses of the engine's host"]
    published: dict[str, list[str]] = {}
    for port, binding in bindings_of(settings.get("Ports") or {}):
        published.setdefault(str(port), []).append(f"{binding.host_ip}:{binding.host_port}")
    ports = [f"{port} published at {', '.join(where)}" for port, where in published.items()]
    return [f"address: {'; '.join([', '.join(own) or 'none', *ports])}"]


@dataclass(frozen=True)
class _LogTail:
    """The last lines that a container logged, without its secrets."""

    running: RunningContainer
    secrets: Secrets
    count: int

    def lines(self, since: float, *, is_running: bool) -> list[str]:
        """Those since a time; of a container that has ended, else its very last ones."""
        try:
            if found := self._ask(since=since):
                return self._listed("logged since this test began", found)
            if not is_running and (found := self._ask()):
                return self._listed("logged nothing since this test began, but before", found)
        except EngineError as error:
            return [f"its log cannot be read: {error}"]
        return ["logged nothing since this test began"]

    def _ask(self, since: float | None = None) -> list[str]:
        logged = self.running.engine.logs(self.running.id, tail=self.count + 1, since=since)
        text = _ESCAPE.sub("", logged.decode(errors="replace")).rstrip()
        return self.secrets.mask(text).splitlines()

    def _listed(self, title: str, found: Sequence[str]) -> list[str]:
        more = f" (the last {self.count} lines)" if len(found) > self.count else ""
        shown = [f"| {printable(line)}" for line in found[-self.count :]]
        return [f"{title}{more}:", *shown]


def printable(line: str) -> str:
    """A line of a log as it can be shown anywhere: no colours, no control characters, not long."""
    line = _ESCAPE.sub("", line).expandtabs(4)
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


def _write(running: RunningContainer, info: Json, secrets: Secrets, stem: Path) -> list[str]:
    """Write the whole log and the engine's answer; says what could not be written."""
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        import json

        text = json.dumps(secrets.mask_info(info), indent=2, ensure_ascii=False)
        stem.with_name(f"{stem.name}.json").write_text(f"{text}\n", "utf-8")
        log = running.engine.logs(running.id, timestamps=True).decode(errors="replace")
        stem.with_name(f"{stem.name}.log").write_text(secrets.mask(log), "utf-8")
    except (EngineError, OSError) as error:
        return [f"its files could not be written: {error}"]
    return []


def _modes(containers: Sequence[RunningContainer]) -> str:
    """The connection mode and its reason, once for all containers that have the same."""
    found: dict[str, list[str]] = {}
    for each in containers:
        try:
            decision = each.decision()
            text = f"{decision.mode.value} ({decision.rule}: {decision.reason})"
        except TcunitError as error:
            text = f"not known: {error}"
        found.setdefault(text, []).append(each.description.partition(" (")[0])
    if len(found) == 1:
        return f"connection mode: {next(iter(found))}"
    return "\n".join(f"connection mode of {', '.join(who)}: {text}" for text, who in found.items())


# -- time -----------------------------------------------------------------------------------------


def clock_ahead(engine: Engine) -> float:
    """How far the engine's clock is ahead of ours, in seconds; 0 where they agree or it is mute.

    It was read at some time between the question and the answer, so it is ahead by this at least.
    """
    before = time.time()
    try:
        theirs = engine.time()
    except EngineError:
        return 0.0
    least, most = theirs - time.time(), theirs - before
    return 0.0 if least <= CLOCKS_AGREE and most >= -CLOCKS_AGREE else least


def side_by_side(jobs: Sequence[Callable[[], str]], limit: float) -> list[str | None]:
    """The answers of some jobs, each in a thread; ``None`` for those that are not done in time.

    An error is an answer, too. The connection mode in use holds in the threads as well.

    Args:
        limit: for all of them, in seconds.
    """
    answers: list[str | None] = [None] * len(jobs)

    def do(number: int) -> None:
        try:
            answers[number] = jobs[number]()
        except Exception as error:
            answers[number] = f"could not be found out: {type(error).__name__}: {error}"

    deadline = time.monotonic() + limit
    threads = [
        threading.Thread(
            target=contextvars.copy_context().run, args=(do, number), name="tcunit-evidence",
            daemon=True,
        )
        for number in range(len(jobs))
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return list(answers)


def _once(find: Callable[[], float]) -> Callable[[], float]:
    """A question that several threads ask and that is answered once."""
    lock, found = threading.Lock(), list[float]()

    def ask() -> float:
        with lock:
            if not found:
                found.append(find())
            return found[0]

    return ask


# -- names ----------------------------------------------------------------------------------------


def safe_name(text: str) -> str:
    """A text as the name of a file or folder, anywhere; a long one loses its middle."""
    name = re.sub(r"[^A-Za-z0-9_.=-]+", "-", text).strip("-. ") or "test"
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}--{name[1 - half :]}"


def distinct(names: Sequence[str]) -> list[str]:
    """Names of which no two are the same, also where upper and lower case are."""
    taken: set[str] = set()
    found = []
    for name in names:
        number, chosen = 1, name
        while chosen.lower() in taken:
            number += 1
            chosen = f"{name}-{number}"
        taken.add(chosen.lower())
        found.append(chosen)
    return found


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder that was not there, numbered if that name is taken."""
    parent.mkdir(parents=True, exist_ok=True)
    stem, number = safe_name(name), 1
    while True:
        folder = parent.absolute() / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder
