"""Every way for a test process to end, with one net of clean-up at a time.

What is found here is the table in ``docs/clean-up.md``; ``TCUNIT_WRITE_TABLE=1`` writes it anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tcunit._docker import Engine
from tcunit.reapers.lock import lock_path
from tcunit.reapers.sweep import left_by, remove_all, ryuks_of
from tests import NOTHING_RAN
from tests.engine.dying import WAYS
from tests.engine.helpers import PATIENCE, ROOT, engine, until
from tests.engine.relay import Relay

NETS = {
    "class": "the class's clean-up",
    "exit": "the process's exit",
    "guard": "the guard",
    "ryuk": "Ryuk",
}
DOCUMENT = ROOT / "docs" / "clean-up.md"
BEGIN, END = "<!-- the ends -->\n", "<!-- the ends, end -->\n"
AT_ONCE = 4
# Without a reaper it is all the same how often and at what moment a process is killed.
SAME = {
    (way, net): ("SIGKILL", net)
    for way in ("SIGKILL as containers start", "SIGKILL after Ryuk was killed")
    for net in ("class", "exit")
}


def exists(on: Engine, kind: str, name: str) -> bool:
    """Whether the engine has a resource."""
    path = {"container": f"/containers/{name}/json"}.get(kind, f"/{kind}s/{name}")
    api: Any = on.client.api
    status = api.get(f"{api.base_url}/v{api.api_version}{path}").status_code
    if status == 500 and on.is_podman:
        return True  # for a moment yet: it is being removed
    if status not in (200, 404):
        raise AssertionError(f"the engine says {status} about {kind} {name}")
    return bool(status == 200)


@dataclass
class End:
    """One process that ended in some way, and what came of what it had."""

    way: str
    net: str
    told: dict[str, Any] = field(default_factory=dict)
    code: int = 0
    errors: str = ""
    is_clean: bool = False
    lost_decoys: list[str] = field(default_factory=list)

    def run(self) -> End:
        """Let it end, wait until everything is gone or until nobody can remove it any more."""
        with tempfile.TemporaryDirectory(prefix="tcu") as folder:
            relay = Relay(Path(folder) / "e")
            try:
                self._end(relay)
                relay.close()
                relay.open()
                self._see()
            finally:
                relay.close()
                self._tidy()
        return self

    def _end(self, relay: Relay) -> None:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.engine.dying", self.way, self.net],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=ROOT, env={**os.environ, **self._environ(relay)},
        )  # fmt: skip
        assert process.stdout and process.stdin
        with process:
            for line in process.stdout:
                if line == "gone\n":
                    relay.close()
                    process.stdin.write("\n")
                    process.stdin.flush()
                else:
                    self.told = json.loads(line)
            self.errors = process.stderr.read() if process.stderr else ""
        self.code = process.returncode

    def _environ(self, relay: Relay) -> dict[str, str]:
        reapers = {"guard": "guard", "ryuk": "ryuk", "all": "guard,ryuk"}.get(self.net, "none")
        return {
            "DOCKER_HOST": relay.url,
            "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": "/var/run/docker.sock",
            "TCUNIT_REAPERS": reapers,
            "RYUK_RECONNECTION_TIMEOUT": "500ms",
        }

    def _see(self) -> None:
        if not (self.told.get("containers") and self.told["networks"] and self.told["volumes"]):
            raise AssertionError(f"{self.way}, {self.net}: {self.told} {self.code} {self.errors}")
        if self.net in ("class", "exit"):
            self.is_clean = not self.left()  # nobody is there who could still remove something
        else:
            with contextlib.suppress(AssertionError):
                until(lambda: not self.left(), f"{self.way}, {self.net} ({PATIENCE} s)")
            self.is_clean = not self.left()
        self.lost_decoys = [name for kind, name in self.told["decoys"] if not there(kind, name)]

    def left(self) -> list[str]:
        """What still is there, whether it was told of or appeared later."""
        told = [
            (kind, each)
            for kind in ("container", "network", "volume")
            for each in self.told[f"{kind}s"]
        ]
        late = [each.name for each in left_by(engine(), self.told["session"])]
        return late + [name for kind, name in told if there(kind, name)]

    def _tidy(self) -> None:
        session = self.told.get("session")
        if not session:
            return
        for kind, name in self.told["decoys"]:
            if kind == "container":
                engine().remove_container(name)
        for kind, name in self.told["decoys"]:
            if kind == "volume":
                engine().remove_volume(name)
        remove_all(engine(), left_by(engine(), session))
        remove_all(engine(), ryuks_of(engine(), session))
        lock_path(session).unlink(missing_ok=True)


def there(kind: str, name: str) -> bool:
    """Whether the engine has a resource."""
    return exists(engine(), kind, name)


class EndsTest(unittest.TestCase):
    """What is left of a test process, by how it ended and which net was on."""

    ends: dict[tuple[str, str], End]

    @classmethod
    def setUpClass(cls) -> None:
        cells = [End(way, net) for way in WAYS for net in NETS if (way, net) not in SAME]
        with ThreadPoolExecutor(AT_ONCE) as workers:
            cls.ends = {(end.way, end.net): end for end in workers.map(End.run, cells)}
        cls.ends |= {cell: cls.ends[other] for cell, other in SAME.items()}

    def test_the_table_says_what_happens(self) -> None:
        """The table in the documentation is what was found."""
        found = table(self.ends)
        text = DOCUMENT.read_text()
        before, _, rest = text.partition(BEGIN)
        written, _, after = rest.partition(END)
        if os.environ.get("TCUNIT_WRITE_TABLE"):
            DOCUMENT.write_text(f"{before}{BEGIN}{found}{END}{after}")
            return
        details = "\n".join(
            f"{end.way}, {end.net}: {end.is_clean}, exit code {end.code}\n{end.errors[-600:]}"
            for end in self.ends.values()
        )
        self.assertEqual(written, found, details if written != found else None)

    def test_each_end_is_covered(self) -> None:
        """For every end there is a net that leaves nothing, and both reapers are such nets."""
        for way in WAYS:
            for net in ("guard", "ryuk"):
                with self.subTest(way=way, net=net):
                    end = self.ends[way, net]
                    self.assertTrue(end.is_clean, f"{end.code} {end.errors}")

    def test_nothing_else_is_touched(self) -> None:
        """What carries almost our labels survives each of them."""
        for (way, net), end in self.ends.items():
            with self.subTest(way=way, net=net):
                self.assertGreater(len(end.told["decoys"]), 5)
                self.assertEqual([], end.lost_decoys)

    def test_what_cannot_be_removed_is_told(self) -> None:
        """A process that cannot reach the engine at its end names what it leaves behind."""
        end = self.ends["engine out of reach at the end", "exit"]
        self.assertIn("is left behind", end.errors)
        self.assertIn("tcunit-Dying-first", end.errors)

    def test_the_process_ends_as_it_would_without_us(self) -> None:
        """Signals, exits and failures are seen by who started the process."""
        for way, codes in {
            "normal end": {0},
            "setUpClass fails": {NOTHING_RAN or 1},
            "sys.exit()": {0},
            "os._exit()": {3},
            "SIGINT in a test": {1, 130, -2},
            "SIGTERM": {1, 130, -2, 143, -15},
            "SIGKILL": {-9},
            "crash in C": {-11},
        }.items():
            with self.subTest(way=way):
                self.assertIn(self.ends[way, "guard"].code, codes)


def table(ends: dict[tuple[str, str], End]) -> str:
    """The outcome as a table in Markdown."""
    rows = [["the process ends by", *NETS.values()], ["---"] * (len(NETS) + 1)]
    for way in WAYS:
        rows.append([way, *("yes" if ends[way, net].is_clean else "no" for net in NETS)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
