"""What a probe saw, and the table that it makes.

The table's home is ``docs/connection-modes.md``. A test fails where its environment's rows there
are not what it saw; ``TCUNIT_WRITE_TABLE=1`` writes them instead.
"""

from __future__ import annotations

import json
import os
import re
import unittest
from pathlib import Path
from typing import Any

from tcunit import ConnectionMode

DOCUMENT = Path(__file__).parents[3] / "docs" / "connection-modes.md"
WRITE = "TCUNIT_WRITE_TABLE"
HEAD = ("| environment | mode | host | port | works |", "|---|---|---|---|---|")

ENVIRONMENTS = (
    "the engine's own machine",
    "the same, with or without `/.dockerenv`",
    "`tcp://127.0.0.1` to the same engine",
    "`ssh://` to the same engine",
    "a container with the engine's socket, on the default bridge",
    "the same, on the containers' network",
    "the same, with `TCUNIT_JOIN_NETWORKS=true`",
    "the same, on `none`",
    "the same, on the host's network",
    "the same, in another container's network namespace",
    "an engine in a container, by `tcp://`",
    "the same, from another container, with TLS",
    "the same, published on loopback, with TLS and `TESTCONTAINERS_HOST_OVERRIDE`",
    "the same, in its own network namespace, by its socket",
    "the machine of Docker 26",
    "Podman's own machine",
)


class Report:
    """One probe's findings."""

    def __init__(self, text: str) -> None:
        self.seen: dict[str, Any] = json.loads(text)
        if "error" in self.seen:
            raise AssertionError(self.seen["error"])

    def __getitem__(self, key: str) -> Any:
        return self.seen[key]

    def why_not(self, mode: ConnectionMode) -> str | None:
        """What the resolver has against a mode."""
        reason: str | None = self["modes"][mode]["why_not"]
        return reason

    @property
    def working(self) -> list[str]:
        """The modes in which every service answered."""
        return [
            mode
            for mode, found in self["modes"].items()
            if found["web"].get("answers") and found["cache"].get("answers")
        ]

    def rows(self, environment: str) -> list[str]:
        """The lines of the table."""
        return [f"| {environment} | {self._cells(mode)} |" for mode in ConnectionMode]

    def _cells(self, mode: ConnectionMode) -> str:
        name = f"`{mode}`" + (" (default)" if mode == self["default"] else "")
        reason = self.why_not(mode)
        if reason is not None:
            return f"{name} | | | no: {self._general(reason)}"
        port = "own" if self["modes"][mode]["web"]["is_own"] else "mapped"
        return f"{name} | {self._host(mode)} | {port} | yes"

    def _host(self, mode: ConnectionMode) -> str:
        host = self["modes"][mode]["web"]["host"]
        words = {
            self["container"]["ip"]: "the container's address",
            self["container"]["gateway"]: "its network's gateway",
            self["engine"]["hostname"]: "the host in `DOCKER_HOST`",
            self["engine"]["host_override"]: "the host in `TESTCONTAINERS_HOST_OVERRIDE`",
        }
        return words.get(host, f"`{host}`")

    def _general(self, reason: str) -> str:
        """A reason without what is another one each time."""
        network = self["network"]
        bridge = (
            f"{network['bridge']}, the bridge of {network['name']}, with its gateway "
            f"{network['gateway']}, for certain"
        )
        reason = reason.replace(bridge, "its network's bridge").replace(network["name"], "it")
        return re.sub(r"\b[0-9a-f]{12}\b", "…", reason)


class EnvironmentTest(unittest.TestCase):
    """A test of one environment."""

    def assert_environment(self, name: str, report: Report, *, default: str, working: str) -> None:
        """Fail unless reality is what the resolver says, is as expected, and is in the table.

        Args:
            default: the mode that is chosen where nobody asks for one.
            working: all modes that work, with spaces between them.
        """
        self.assertEqual([], report["tests"]["failed"])
        self.assertEqual(working.split(), report.working)
        for mode in ConnectionMode:
            with self.subTest(mode=mode):
                self.assert_true(report, mode)
        self.assertEqual(default, report["default"])
        self.assertIn(f"because of: {report['rule']}", report["explained"])
        check_table(self, name, report)

    def assert_true(self, report: Report, mode: ConnectionMode) -> None:
        """Fail unless the resolver's word on a mode is what came of it."""
        reason = report.why_not(mode)
        self.assertEqual(mode in report.working, reason is None, report["modes"][mode])
        skipped = report["tests"]["skipped"]
        for service in ("web", "cache"):
            self.assertIn(f"connection mode {mode}", report["modes"][mode][service]["explained"])
            test = f"test_{service}_{mode}"
            if reason is None:
                self.assertNotIn(test, skipped)
            else:
                self.assertIn(f"connection mode {mode} cannot work here: ", skipped[test])
                self.assertIn(reason, skipped[test])


def check_table(case: unittest.TestCase, environment: str, report: Report) -> None:
    """Compare an environment's rows in the document with what was seen, or write them there."""
    lines = DOCUMENT.read_text().splitlines()
    rows, start = report.rows(environment), f"| {environment} |"
    if os.environ.get(WRITE):
        lines = [line for line in lines if not line.startswith(start)]
        lines += rows
        DOCUMENT.write_text("\n".join(in_order(lines)) + "\n")
        return
    actual = [line for line in lines if line.startswith(start)]
    hint = f"{DOCUMENT.name} is out of date: if this is right, run the test with {WRITE}=1"
    case.assertEqual(rows, actual, hint)


def in_order(lines: list[str]) -> list[str]:
    """The document with the table's rows in the order of the environments, below its head."""
    rank = {name: number for number, name in enumerate(ENVIRONMENTS)}
    rows = [line for line in lines if _environment(line) in rank]
    text = [line for line in lines if _environment(line) not in rank]
    below = text.index(HEAD[1]) + 1
    rows.sort(key=lambda row: rank[_environment(row)])
    return [*text[:below], *rows, *text[below:]]


def _environment(line: str) -> str:
    return line.removeprefix("| ").partition(" | ")[0]
