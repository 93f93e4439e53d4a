"""What it costs to be armed: ``python benchmarks/armed.py [N]``.

Starts a class with one container in fresh processes, with the reapers and without, in turns, and
prints the ratio of the medians of ``setUpClass``. Aim: 1.02 at most.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import time, unittest
from tcunit import ContainerTestCase, DockerContainer
from tcunit._docker import find_engine

class Armed(ContainerTestCase):
    box = DockerContainer("redis:alpine")

    @classmethod
    def setUpClass(cls):
        find_engine()
        began = time.perf_counter()
        super().setUpClass()
        print(time.perf_counter() - began, flush=True)

    def test(self):
        pass

unittest.main(argv=["armed"])
"""


def seconds(reapers: str) -> float:
    """How long the start of a class takes."""
    environ = {
        "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX": "tcunit.local/", **os.environ,
        "TCUNIT_REAPERS": reapers, "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environ, text=True, check=True, capture_output=True
    )
    return float(done.stdout)


def main() -> None:
    """Measure in turns and print the ratios."""
    times: dict[str, list[float]] = {"none": [], "guard": [], "guard,ryuk": []}
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 15):
        for reapers, found in times.items():
            found.append(seconds(reapers))
    base = statistics.median(times["none"])
    for reapers, found in times.items():
        ratio = statistics.median(found) / base
        print(f"{reapers}: median {statistics.median(found):.3f} s, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
