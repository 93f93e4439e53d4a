"""How long PostgreSQL takes to be ready, cold and warm: ``python benchmarks/warm.py [N] [--json]``.

One cold and one warm start after the other, N times, and the medians. Aim: a warm start within 0.35
of a cold one. The image of the warm starts is made before, and removed at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tcunit.errors import EngineError
from tcunit.modules import PostgresContainer
from tcunit.warm import own_tag, remove_warm, warm_images

MARK = uuid.uuid4().hex  # so that no image of an earlier run is found


def ready_after(*, warm: bool) -> float:
    """Seconds from ``start()`` to ready, once."""
    container = PostgresContainer().with_env("MARK", MARK).with_warm_start(warm)
    began = time.perf_counter()
    with container:
        return time.perf_counter() - began


def remove_image() -> None:
    """Remove the image that this run has made."""
    container = PostgresContainer().with_env("MARK", MARK).with_warm_start()
    with container:
        engine, name = container.running.engine, container.running.info["Config"]["Image"]
    with contextlib.suppress(EngineError):
        for each in warm_images(engine):
            if own_tag(each) == name:
                remove_warm(engine, each)


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", nargs="?", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    first = ready_after(warm=True)
    try:
        pairs = [(ready_after(warm=False), ready_after(warm=True)) for _ in range(options.times)]
    finally:
        remove_image()
    cold, warm = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(warm / cold for cold, warm in pairs)
    if options.json:
        print(json.dumps({"cold": cold, "warm": warm, "first": first, "ratio": ratio}))
        return
    print(f"cold {cold:.2f} s, warm {warm:.2f} s: {ratio:.2f} (aim: 0.35)")
    print(f"the first one, which is saved: {first:.2f} s")


if __name__ == "__main__":
    main()
