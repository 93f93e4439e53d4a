"""Kill test processes at random moments and see what is left: ``python benchmarks/chaos.py N``.

Each of the N runs is a class with three containers, two networks and an anonymous volume, killed
with SIGKILL at a moment between import and exit; where Ryuk is alone, between its ACK and the exit.
Prints how many left something after the guard, and after Ryuk, each of them alone, and the time
from the death until nothing is left. Aims: 0 left-overs in 200 runs, and with the guard 1 s
(median) on an idle machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tcunit._docker import Engine, Resource, find_engine  # noqa: E402
from tcunit.errors import EngineError  # noqa: E402
from tcunit.reapers.sweep import left_by, remove_all, ryuks_of  # noqa: E402

PATIENCE = 30.0
QUIET = {"guard": 1.5, "ryuk": 4.0}  # nothing may appear for so long after the last was gone
SCRIPT = """
import time, unittest
from tcunit import ContainerTestCase, DockerContainer, Network
from tcunit._session import session_id
from tcunit.reapers import status
from tcunit.settings import REAPERS, Settings

if Settings().get(REAPERS) == ("ryuk",):
    with Network():
        while "armed, at" not in status()["ryuk"]:
            time.sleep(0.01)
print(session_id(), flush=True)

def sleeper(image):
    return DockerContainer(image).with_command("sleep 60")

class Chaos(ContainerTestCase):
    front = Network()
    back = Network()
    store = sleeper("redis:alpine").with_network(back)
    app = sleeper("alpine:latest").with_network(back).with_network(front).depends_on(store)
    web = sleeper("alpine:latest").with_network(front)

    def test(self):
        pass

unittest.main(argv=["chaos"])
"""


def start(reapers: str) -> subprocess.Popen[str]:
    """Start one run."""
    environ = {
        "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX": "tcunit.local/", **os.environ,
        "TCUNIT_REAPERS": reapers, "RYUK_RECONNECTION_TIMEOUT": "500ms", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT], env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def whole_run() -> float:
    """How long a run takes that is not killed."""
    began = time.monotonic()
    process = start("guard")
    process.communicate()
    if process.returncode != 0:
        raise SystemExit("a run that is not killed fails; are the images there?")
    return time.monotonic() - began


def volumes_of(engine: Engine, resources: list[Resource]) -> set[str]:
    """The anonymous volumes of containers; no label marks them."""
    found: set[str] = set()
    for each in resources:
        if each.kind == "container":
            with contextlib.suppress(EngineError):
                mounts = engine.inspect(each.id)["Mounts"]
                found |= {mount["Name"] for mount in mounts if mount["Type"] == "volume"}
    return found


def still_there(engine: Engine, volumes: set[str]) -> list[Resource]:
    """Those of some volumes that exist."""
    there = {each["Name"] for each in engine.client.api.volumes()["Volumes"] or ()}
    return [Resource("volume", name, name, {}) for name in sorted(volumes & there)]


def killed_run(engine: Engine, reapers: str, moment: float) -> tuple[float, list[Resource], bool]:
    """One run: the time from death to clean, what is left after it, and whether there was any."""
    process = start(reapers)
    assert process.stdout
    session = process.stdout.readline().strip()
    volumes: set[str] = set()
    time.sleep(moment)  # the one sleep that is for luck: chance is what is tried
    process.kill()
    died = gone = time.monotonic()
    process.communicate()
    had_any = False
    while time.monotonic() - gone < QUIET[reapers]:
        left = left_by(engine, session)
        volumes |= volumes_of(engine, left)
        if left:
            had_any, gone = True, time.monotonic()
        if time.monotonic() - died > PATIENCE:
            break
        time.sleep(0.02)
    left = left_by(engine, session) + still_there(engine, volumes)
    remove_all(engine, left)
    remove_all(engine, ryuks_of(engine, session))
    return (gone - died if had_any else 0.0), left, had_any


def main() -> int:
    """Run them all and print what came out; 1 if something was left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=int, nargs="?", default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--reapers", choices=("guard", "ryuk"), default=None)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    engine = find_engine()
    length = whole_run()
    print(f"a whole run takes {length:.2f} s", flush=True)
    bad = 0
    for reapers in ("guard", "ryuk") if options.reapers is None else (options.reapers,):
        runs = [killed_run(engine, reapers, chance.uniform(0, length)) for _ in range(options.runs)]
        dirty = [left for _, left, _ in runs if left]
        times = [took for took, _, had_any in runs if had_any]
        bad += len(dirty)
        median = f"{statistics.median(times):.2f}" if times else "-"
        print(
            f"{reapers}: {len(dirty)} of {options.runs} runs left something; {len(times)} had "
            f"something when they died; from death to clean: median {median} s, "
            f"max {max(times, default=0):.2f} s",
            flush=True,
        )
        for left in dirty:
            print("  left:", ", ".join(f"{each.kind} {each.name}" for each in left))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
