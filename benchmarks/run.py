"""What looking ahead and workers save: ``python benchmarks/run.py [CLASSES] [TIMES] [--json]``.

A suite of some classes, three tests of 50 ms each, every class with Redis and nginx of its own, by
``python -m unittest`` and by ``python -m tcunit run``, in turn. Seconds, medians, and ratios to
unittest's. The aim: at most the time of the tests or of the starts, whichever is more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUITE = """
import time
from tcunit import ContainerTestCase
from tcunit.modules import NginxContainer, RedisContainer

class Base(ContainerTestCase):
    cache = RedisContainer("redis:alpine")
    web = NginxContainer("nginx:alpine")

    def test_1(self):
        self.assertReachable(self.web, 80)
        time.sleep(0.05)

    test_2 = test_3 = test_1

for number in range({classes}):
    name = f"Class{{number}}"
    globals()[name] = type(name, (Base,), {{"__module__": __name__}})
del Base
"""
WAYS = {
    "unittest": ["unittest"],
    "tcunit run --lookahead 0": ["tcunit", "run", "--lookahead", "0"],
    "tcunit run": ["tcunit", "run"],
    "tcunit run --lookahead 2": ["tcunit", "run", "--lookahead", "2"],
    "tcunit run -j 2": ["tcunit", "run", "-j", "2"],
    "tcunit run -j 4": ["tcunit", "run", "-j", "4"],
}


def seconds(words: list[str], folder: str) -> float:
    """How long one run takes."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, check=True, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    return time.monotonic() - began


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("classes", nargs="?", type=int, default=20)
    parser.add_argument("times", nargs="?", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_suite.py").write_text(SUITE.format(classes=options.classes))
        for _ in range(options.times):
            for way, words in WAYS.items():
                found[way].append(seconds(words, folder))
    medians = {way: statistics.median(each) for way, each in found.items()}
    if options.json:
        print(json.dumps(medians))
        return
    for way, median in medians.items():
        print(f"{way:>25}: {median:6.1f} s  {median / medians['unittest']:.2f}")


if __name__ == "__main__":
    main()
