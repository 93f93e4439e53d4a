"""What the benchmarks share: each contender in a process of its own, in turns, and the table.

A benchmark module has ``CONTENDERS`` (functions by name, each of which returns named seconds) and
``measure(options)``, which returns the rows of the table. What a contender has to import it imports
before its clock starts.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import unittest
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TCUNIT, FLOOR, PEER, BARE_PEER = "tcunit", "floor", "testcontainers", "testcontainers without Ryuk"
PREFIX = "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX"
RYUK = "testcontainers/ryuk:0.14.0"
LIMIT = 900.0

Figures = dict[str, Any]
"""Seconds and other numbers by their names, and ``listed``, which is text."""


def image(name: str) -> str:
    """The full name of an image, for those that know no prefix."""
    return f"{os.environ.get('BENCHMARK_PREFIX', os.environ.get(PREFIX, ''))}{name}"


# -- one process -----------------------------------------------------------------------------------


class Clock:
    """The wall time and the processor time of this process between two moments."""

    def __enter__(self) -> Clock:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu


def run_class(cls: type[unittest.TestCase]) -> Figures:
    """Set a class up, run its test, and clean it up, as unittest does.

    ``ready`` is the time until the test has passed, ``cpu`` the processor time of this process in
    it, ``gone`` the time of the clean-up.
    """
    try:
        with Clock() as ready:
            cls.setUpClass()
            result = cls("test").run()
    except BaseException:
        cls.doClassCleanups()
        raise
    with Clock() as gone:
        cls.tearDownClass()
        cls.doClassCleanups()
    for _, trace in result.errors + result.failures if result else ():
        raise SystemExit(trace)
    for _, error, _ in cls.tearDown_exceptions:
        raise error
    return {"ready": ready.wall, "cpu": ready.cpu, "gone": gone.wall, "rss": memory()}


def memory() -> float:
    """The most memory that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def environment(contender: str) -> dict[str, str]:
    """What a contender's process is given.

    testcontainers-python puts the prefix before each image, its own Ryuk included, and then starts
    a Ryuk for that one, and so on until the stack is full; so it gets full names and no prefix. It
    is told to use the mapped port on this machine, as it does by default on a developer's own: its
    wait for a port is over there as soon as the engine's proxy accepts, while by the gateway's
    address, its choice inside of a container, it would ask again only after a second.
    """
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    peer = contender.partition(" of ")[0]
    if peer in (PEER, BARE_PEER):
        environ["BENCHMARK_PREFIX"] = environ.pop(PREFIX, "")
        environ["RYUK_CONTAINER_IMAGE"] = environ["BENCHMARK_PREFIX"] + RYUK
        environ["TESTCONTAINERS_CONNECTION_MODE"] = "docker_host"
        if peer == BARE_PEER:
            environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    return environ


def run(command: Sequence[str], contender: str, **variables: str) -> Figures:
    """Run a process; what it prints last are its figures, to which those of the process are added.

    ``whole`` is the time from its start to its end.
    """
    began = time.perf_counter()
    environ = {**environment(contender), **variables}
    process = subprocess.Popen(
        [sys.executable, *command], env=environ, cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = process.communicate(timeout=LIMIT)
    whole = time.perf_counter() - began
    if process.returncode != 0:
        raise SystemExit(f"{contender}: {' '.join(command)} ended with an error:\n{out}{err}")
    lines = out.splitlines()
    told: Figures = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return {**told, "whole": whole}


def one_run(module: str, contender: str, arguments: Mapping[str, Any], **variables: str) -> Figures:
    """Run a contender of a benchmark once."""
    if module == "__main__":
        module = sys.modules[module].__spec__.name  # type: ignore[union-attr]
    told = json.dumps({"module": module, "contender": contender, "arguments": dict(arguments)})
    return run(["-m", "benchmarks.contender", told], contender, **variables)


def in_turns(
    contenders: Iterable[str], rounds: int, measure: Callable[[str], Figures]
) -> dict[str, list[Figures]]:
    """Measure each contender once a round, every other round in the reverse order."""
    order = list(contenders)
    found: dict[str, list[Figures]] = {name: [] for name in order}
    for number in range(rounds):
        for name in order if number % 2 == 0 else order[::-1]:
            found[name].append(measure(name))
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def present(contenders: Iterable[str]) -> list[str]:
    """Those contenders that are installed."""
    has_peer = importlib.util.find_spec("testcontainers") is not None
    return [name for name in contenders if has_peer or name not in (PEER, BARE_PEER)]


# -- the table -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: what was measured.
        values: each contender's median.
        ratios: tcunit's figure over another's, the median of all rounds.
        aims: the highest ratio that is aimed for, by the other's name.
        most: the highest figure of tcunit's own that is aimed for.
        spread: each contender's quartiles.
        also: further medians (processor time and the like), by contender.
    """

    what: str
    values: Mapping[str, float]
    ratios: Mapping[str, float] = field(default_factory=dict)
    aims: Mapping[str, float] = field(default_factory=dict)
    most: float | None = None
    unit: str = "s"
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    also: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    remark: str = ""


def row(
    what: str,
    found: Mapping[str, Sequence[Figures]],
    figure: str,
    aims: Mapping[str, float] | None = None,
    *,
    also: Sequence[str] = ("cpu",),
    first: str = TCUNIT,
    **more: Any,
) -> Row:
    """The line for one figure of runs that were made in turns."""
    series = {name: [each[figure] for each in runs] for name, runs in found.items()}
    ratios = {
        name: statistics.median(a / b for a, b in zip(series[first], others, strict=True))
        for name, others in series.items()
        if name != first
    }
    return Row(
        what,
        {name: statistics.median(values) for name, values in series.items()},
        ratios,
        {name: aim for name, aim in (aims or {}).items() if name in series},
        spread={name: quartiles(values) for name, values in series.items()},
        also={
            name: {each: statistics.median(run[each] for run in runs) for each in also}
            for name, runs in found.items()
            if all(each in run for run in runs for each in also)
        },
        **more,
    )


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and the third."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def amount(value: float, unit: str) -> str:
    """A figure as people write it."""
    if unit == "s":
        return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"
    if unit == "ms":
        return f"{value:.1f} ms"
    return f"{value:.4g} {unit}".rstrip()


def markdown(rows: Sequence[Row]) -> str:
    """The table: what was measured, each contender's median, and the ratios with their aims."""
    names = list(dict.fromkeys(name for each in rows for name in each.values))
    names.sort(key=lambda name: (TCUNIT, FLOOR, PEER, BARE_PEER, name).index(name))
    others = [name for name in names if name != TCUNIT]
    head = ["", *names, *(f"÷ {name}" for name in others)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for each in rows:
        values = [amount(each.values[n], each.unit) if n in each.values else "" for n in names]
        if each.most is not None:
            values[0] += (
                f" ({verdict(each.values[TCUNIT], each.most)} {amount(each.most, each.unit)})"
            )
        ratios = []
        for name in others:
            text = f"{each.ratios[name]:.2f}" if name in each.ratios else ""
            if name in each.aims:
                text += f" ({verdict(each.ratios[name], each.aims[name])} {each.aims[name]:g})"
            ratios.append(text)
        lines.append([each.what, *values, *ratios])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def verdict(value: float, aim: float) -> str:
    """Whether an aim is met, in one sign."""
    return "✓ ≤" if value <= aim else "✗ ≤"


def remarks(rows: Sequence[Row]) -> str:
    """What is not in the table: quartiles, further figures and remarks."""
    lines = []
    for each in rows:
        lines.append(f"{each.what}:")
        for name, value in each.values.items():
            text = f"  {name}: {amount(value, each.unit)}"
            if name in each.spread:
                low, high = (amount(bound, each.unit) for bound in each.spread[name])
                text += f" ({low} … {high})"
            text += "".join(
                f", {key} {found * 1000:.0f} ms" if "cpu" in key else f", {key} {found:.4g}"
                for key, found in each.also.get(name, {}).items()
            )
            lines.append(text)
        if each.remark:
            lines.append(f"  {each.remark}")
    return "\n".join(lines)


# -- the command line ------------------------------------------------------------------------------


def parser(about: str | None) -> argparse.ArgumentParser:
    """The arguments that all benchmarks take."""
    found = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--rounds", type=int, help="how many runs of each contender")
    found.add_argument("--small", action="store_true", help="the smallest size there is")
    found.add_argument("--json", action="store_true", help="print all figures as JSON")
    return found


def main(
    about: str | None, rounds: int, measure: Callable[[argparse.Namespace], list[Row]]
) -> None:
    """Measure one thing and print it."""
    options = parser(about).parse_args()
    options.rounds = options.rounds or (1 if options.small else rounds)
    show(measure(options), as_json=options.json)


def show(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print what was measured."""
    if as_json:
        print(json.dumps([asdict(each) for each in rows], indent=1))
        return
    print(markdown(rows), end="\n\n")
    print(remarks(rows))
