"""``python -m tcunit doctor`` on an engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from typing import Any

from tcunit.reapers.sweep import ryuks_of

from .helpers import ROOT, engine, left_over

# The doctor, and then its session, by which one sees what it left.
DOCTOR = """
import sys
from tcunit._session import session_id
from tcunit.cli import main
code = main(["doctor", "--json"])
print(session_id(), file=sys.stderr)
sys.exit(code)
"""
KILLED = """
import os, signal
from tcunit import Network
from tcunit._session import session_id
print(Network().create().name, session_id(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


class DoctorTest(unittest.TestCase):
    """What it finds, and that it leaves nothing."""

    def run_python(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run Python with tcunit."""
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ}, capture_output=True, text=True,
        )  # fmt: skip

    def examined(self, **environ: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the report; fails where something is left of the doctor."""
        done = self.run_python("-c", DOCTOR, **environ)
        session = done.stderr.strip()
        self.assertRegex(session, "^[0-9a-f]{32}$")
        self.assertEqual([], left_over(session) + ryuks_of(engine(), session))
        report = json.loads(done.stdout)
        problems = [each for each in report["findings"] if each["state"] == "problem"]
        self.assertEqual((int(bool(problems)), not problems), (done.returncode, report["ok"]))
        self.assertTrue(all(each["do"] for each in problems), problems)
        return done.returncode, report

    def told(self, report: dict[str, Any], topic: str) -> dict[str, str]:
        """What is told about a topic, each with its state."""
        return {
            each["told"]: each["state"] for each in report["findings"] if each["topic"] == topic
        }

    def test_all_is_fine(self) -> None:
        """Each topic is there, and only the leftovers of others may be a problem here."""
        _, report = self.examined()
        by_topic = {each["topic"] for each in report["findings"]}
        self.assertEqual(
            {"here", "settings", "engine", "connection", "reapers", "images", "disk", "networks",
             "leftovers"}, by_topic,
        )  # fmt: skip
        for each in report["findings"]:
            if each["topic"] != "leftovers":
                self.assertNotEqual("problem", each["state"], each)
        version = engine().version["Version"]
        self.assertTrue(any(f"version {version}, API" in t for t in self.told(report, "engine")))
        used = f"{engine().source}: {engine().url}: answers, and is used"
        self.assertIn(used, self.told(report, "engine"))
        reapers = self.told(report, "reapers")
        self.assertEqual("ok", reapers["guard: armed"])
        self.assertTrue(any(each.startswith("ryuk: armed, at ") for each in reapers), reapers)
        modes = {t.split()[0]: s for t, s in self.told(report, "connection").items()
                 if " works" in t}  # fmt: skip
        self.assertEqual("ok", modes.get("docker_host"))
        (room,) = self.told(report, "networks")
        self.assertRegex(room, r"room for about \d+ more networks?")

    def test_problems(self) -> None:
        """A wish that nobody can read, no reaper, and a Ryuk whose image is not there."""
        code, report = self.examined(
            TESTCONTAINERS_CONNECTION_MODE="bridge", TCUNIT_REAPERS="ryuk",
            RYUK_CONTAINER_IMAGE="no.such/ryuk:1", TCUNIT_SUBNETS="10.201.99.0/26",
        )  # fmt: skip
        self.assertEqual(1, code)
        problems = {each["topic"]: each["told"] for each in report["findings"]
                    if each["state"] == "problem" and each["topic"] != "leftovers"}  # fmt: skip
        self.assertEqual({"settings", "connection", "reapers"}, set(problems))
        self.assertIn("allowed are: bridge_ip, gateway_ip, docker_host", problems["settings"])
        self.assertIn("removed by nobody (ryuk chosen by TCUNIT_REAPERS)", problems["reapers"])
        images = self.told(report, "images")
        missing = "no.such/ryuk:1, for Ryuk, is not there yet, and is pulled when it is needed"
        self.assertEqual("note", images[missing])
        (room,) = self.told(report, "networks").items()
        self.assertEqual("there is room for about 1 more network in 10.201.99.0/26, which "
                         "TCUNIT_SUBNETS names", room[0])  # fmt: skip
        self.assertEqual("note", room[1])

    def test_leftovers(self) -> None:
        """What a dead session left is a problem, and the remedy that it names removes it."""
        # Locks of its own, so that no other test takes this session for dead, and cleans up.
        with tempfile.TemporaryDirectory() as locks:
            killed = self.run_python("-c", KILLED, TCUNIT_REAPERS="none", TMPDIR=locks)
            name, session = killed.stdout.split()
            self.addCleanup(engine().remove_network, name)
            doctor = self.run_python("-m", "tcunit", "doctor", TMPDIR=locks)
            wanted = (
                f"problem leftovers   the dead session {session[:12]} has left network {name}: "
                f"remove it: 'python -m tcunit clean'"
            )
            self.assertIn(wanted, doctor.stdout.splitlines())
            self.assertEqual((1, ""), (doctor.returncode, doctor.stderr))
            elsewhere = self.run_python("-m", "tcunit", "doctor")
            (line,) = [each for each in elsewhere.stdout.splitlines() if name in each]
            self.assertTrue(line.startswith("note    leftovers"), line)
            # Whose images are about to be used can be told by their locks only.
            self.run_python("-m", "tcunit", "clean", "--keep-warm", TMPDIR=locks)
            self.assertEqual([], left_over(session))
