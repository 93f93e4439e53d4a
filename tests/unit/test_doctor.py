"""The parts of ``python -m tcunit doctor`` that need no engine."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from ipaddress import IPv4Network
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as some

from tcunit import cli
from tcunit._docker import Engine
from tcunit.cli.doctor import examine, line
from tcunit.cli.doctor.capacity import free_on, left, pools_of
from tcunit.cli.doctor.finding import NOTE, OK, PROBLEM, Finding
from tcunit.cli.doctor.surroundings import all_settings, engines, settings_in_use
from tcunit.settings import Settings

from .in_memory import free_port

ROOT = Path(__file__).parents[2]


class DoctorTest(unittest.TestCase):
    """Each test has a user of its own."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.properties = self.folder / ".testcontainers.properties"
        self.enterContext(mock.patch.object(Path, "home", return_value=self.folder))
        self.nowhere = f"tcp://127.0.0.1:{free_port()}"

    def settings(self, **environ: str) -> Settings:
        """Settings of a user with these variables."""
        return Settings(environ, self.properties)

    def found(self, **environ: str) -> list[Finding]:
        """What is found out about the settings."""
        return list(settings_in_use(self.settings(**environ)))


class FindingTest(unittest.TestCase):
    """One finding."""

    def test_line(self) -> None:
        """It is one line, with the state and the topic first and the remedy last."""
        finding = Finding("engine", "it is\nold.", PROBLEM, "update it")
        self.assertEqual("problem engine      it is old: update it", line(finding))
        self.assertEqual("ok      disk        much", line(Finding("disk", "much")))

    def test_secrets(self) -> None:
        """Who is named in a URL, and what looks like a secret, is masked."""
        for text in ("tcp://me:sesame@host:1", "https://sesame@host/x", "password=sesame",
                     "tried http+ssh://root:sesame@host"):  # fmt: skip
            with self.subTest(text=text):
                finding = Finding("engine", text, PROBLEM, text)
                self.assertNotIn("sesame", line(finding))
                self.assertIn("***", finding.told)
        self.assertEqual("tcp://host:2375", Finding("engine", "tcp://host:2375").told)


class SettingsTest(DoctorTest):
    """What is set, and where."""

    def test_none(self) -> None:
        """That there is none is said."""
        self.assertEqual([Finding("settings", "none is set: the defaults hold")], self.found())

    def test_sources(self) -> None:
        """Each has its value and its source, the one that wins."""
        self.properties.write_text("docker.host=tcp\\://a:1\nryuk.disabled=true\n")
        told = [each.told for each in self.found(DOCKER_HOST="tcp://b:2", TCUNIT_REAPERS="none",
                                                 DOCKER_TLS_VERIFY="1")]  # fmt: skip
        self.assertEqual(
            [
                "DOCKER_HOST is tcp://b:2, from the environment",
                "TCUNIT_REAPERS is none, from the environment",
                "TESTCONTAINERS_RYUK_DISABLED is true, from property ryuk.disabled in "
                f"{self.properties}",
                "DOCKER_TLS_VERIFY is 1, from the environment",
            ],
            told,
        )

    def test_the_second_name(self) -> None:
        """A setting with several variables is told by the one that is set."""
        (found,) = self.found(TESTCONTAINERS_HOST_OVERRIDE="example")
        self.assertEqual(
            "TESTCONTAINERS_HOST_OVERRIDE is example, from the environment", found.told
        )

    def test_every_setting_can_be_told(self) -> None:
        """No setting is forgotten, and a wrong value of any is a problem, not a crash."""
        self.assertGreater(len(all_settings()), 20)
        for name in all_settings():
            with self.subTest(name=name):
                found = self.found(**{name: "/ no such @ thing"})
                self.assertIn(name, found[0].told)

    def test_wrong(self) -> None:
        """A value that cannot be read is a problem with its source, with what is allowed."""
        (found,) = self.found(TCUNIT_START_WIDTH="many")
        self.assertEqual(PROBLEM, found.state)
        self.assertIn("TCUNIT_START_WIDTH has the value 'many': allowed is", found.told)
        self.assertTrue(found.do)

    def test_a_broken_file(self) -> None:
        """Is one problem."""
        self.properties.write_bytes(b"\xff\xfe\xff")
        (found,) = self.found()
        self.assertEqual(PROBLEM, found.state)
        self.assertIn(str(self.properties), found.told)

    def test_slips(self) -> None:
        """A name that nearly is a setting is a problem; one that is far from all is a note."""
        found = self.found(TCUNIT_TIMING="x", TCUNIT_FROBNICATE="y")
        self.assertEqual(
            [("TCUNIT_FROBNICATE is set, which tcunit does not read", NOTE, ""),
             ("TCUNIT_TIMING is set, which is no setting", PROBLEM, "write TCUNIT_TIMINGS")],
            [(each.told, each.state, each.do) for each in found[:2]],
        )  # fmt: skip


class EnginesTest(DoctorTest):
    """Where an engine is looked for."""

    def test_named_and_not_there(self) -> None:
        """The place, why it failed, and that the one who named it is to be corrected."""
        found = list(engines(self.settings(DOCKER_HOST=self.nowhere)))
        self.assertFalse([each for each in found if isinstance(each, Engine)])
        *_, why, problem = found
        assert isinstance(why, Finding) and isinstance(problem, Finding)
        self.assertTrue(why.told.startswith(f"DOCKER_HOST: {self.nowhere}: "), why)
        self.assertEqual(
            (PROBLEM, "start that engine, or correct what DOCKER_HOST says"),
            (problem.state, problem.do),
        )

    def test_context(self) -> None:
        """The context that is chosen is told, with where it was chosen."""
        found = list(engines(self.settings(DOCKER_CONTEXT="away")))
        self.assertIn(Finding("engine", "context away, from DOCKER_CONTEXT"), found)
        self.assertIn("there is no such context", str(found[1]))

    def test_nothing_more_is_asked(self) -> None:
        """Without an engine, the report ends there."""
        topics = [each.topic for each in examine(self.settings(DOCKER_HOST=self.nowhere))]
        self.assertEqual(["here", "settings", "engine"], list(dict.fromkeys(topics)))


class CommandTest(DoctorTest):
    """The command itself, where no engine answers."""

    def run_it(self, *arguments: str, **environ: str) -> tuple[int, str]:
        """Its exit code and what it printed."""
        out = io.StringIO()
        environ = {"DOCKER_HOST": self.nowhere, **environ}
        with mock.patch.dict(os.environ, environ), contextlib.redirect_stdout(out):
            code = cli.main(["doctor", *arguments])
        return code, out.getvalue()

    def test_plain(self) -> None:
        """1 for a problem; each line begins with its state, and has no colours."""
        code, out = self.run_it()
        self.assertEqual(1, code)
        states = {text.split()[0] for text in out.splitlines()}
        self.assertEqual({OK, NOTE, PROBLEM}, states | {NOTE})
        self.assertNotIn("\x1b", out)

    def test_json(self) -> None:
        """The same as one document; every problem says what to do."""
        code, out = self.run_it("--json", TCUNIT_TIMING="x")
        told = json.loads(out)
        self.assertEqual((1, False), (code, told["ok"]))
        problems = [each for each in told["findings"] if each["state"] == PROBLEM]
        self.assertEqual(["settings", "engine"], [each["topic"] for each in problems])
        self.assertTrue(all(each["do"] for each in problems))

    def test_usage(self) -> None:
        """2 for a word that it does not know."""
        with self.assertRaises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()):
            self.run_it("--jsno")
        self.assertEqual(2, ended.exception.code)

    def test_nobody_reads(self) -> None:
        """It ends without a word where its output is closed, as by ``grep -q``."""
        environ = {**os.environ, "DOCKER_HOST": self.nowhere}
        doctor = subprocess.Popen(
            [sys.executable, "-m", "tcunit", "doctor"], env=environ, cwd=ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert doctor.stdout is not None
        doctor.stdout.close()
        doctor.stdout = None
        _, said = doctor.communicate()
        self.assertEqual((141, b""), (doctor.returncode, said))


class RoomTest(unittest.TestCase):
    """How many networks are left."""

    def test_defaults(self) -> None:
        """An engine that names no pools has thirty-one, of which the default bridge has one."""
        pools = pools_of({})
        taken = [IPv4Network("172.17.0.0/16")]
        self.assertEqual(30, sum(left(base, size, taken) for base, size in pools))

    def test_named_pools(self) -> None:
        """Those of the engine's configuration; IPv6 is left out."""
        info = {"DefaultAddressPools": [{"Base": "10.5.0.0/16", "Size": 24},
                                        {"Base": "fd00::/48", "Size": 64}]}  # fmt: skip
        self.assertEqual([(IPv4Network("10.5.0.0/16"), 24)], pools_of(info))

    @given(
        some.integers(20, 28), some.integers(18, 30),
        some.lists(some.tuples(some.integers(0, 2**13), some.integers(19, 32)), max_size=6),
    )  # fmt: skip
    def test_left(self, prefix: int, size: int, others: list[tuple[int, int]]) -> None:
        """As many as there are when one looks at each."""
        base = IPv4Network(("10.0.0.0", prefix))
        taken = [IPv4Network((0x0A000000 + at, length), strict=False) for at, length in others]
        wanted = 0
        if size >= prefix:
            subnets = base.subnets(new_prefix=size)
            wanted = sum(not any(each.overlaps(other) for other in taken) for each in subnets)
        self.assertEqual(wanted, left(base, size, taken))

    def test_disk(self) -> None:
        """A folder that cannot be asked has no number."""
        self.assertGreater(free_on(Path("/")) or 0, 0)
        self.assertIsNone(free_on(Path("/no/such/folder")))
