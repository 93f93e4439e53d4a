"""Tests that run on the engine's own machine, and reach it by its socket, by TCP and by SSH."""

from __future__ import annotations

import importlib.util
import json
import os
import unittest

from tests.engine.environments.machines import another_root, by_ssh, by_tcp, can_ssh
from tests.engine.environments.programs import (
    local_socket,
    needs_local_engine,
    probe_here,
    run_here,
)
from tests.engine.environments.report import EnvironmentTest, Report
from tests.engine.helpers import EngineTest

ALL = "bridge_ip gateway_ip docker_host"


@needs_local_engine
class MachineTest(EngineTest, EnvironmentTest):
    """All three modes work; the default is the container's own address."""

    def test_socket(self) -> None:
        """By the usual socket."""
        report = probe_here(DOCKER_HOST=f"unix://{local_socket()}")
        self.assertEqual("", report["engine"]["own_container"])
        self.assertEqual([], report["ids"])
        self.assert_environment(
            "the engine's own machine", report, default="bridge_ip", working=ALL
        )

    @unittest.skipUnless(os.geteuid() == 0, "only root can have another view of its machine")
    def test_dockerenv(self) -> None:
        """``/.dockerenv`` changes nothing, there or not."""
        for do, is_there in [("touch", True), ("rm -f", False)]:
            with self.subTest(is_there=is_there), another_root(do) as before:
                report = probe_here(before=before, DOCKER_HOST=f"unix://{local_socket()}")
                self.assertIs(is_there, report["dockerenv"])
                self.assertEqual("", report["engine"]["own_container"])
                self.assert_environment(
                    "the same, with or without `/.dockerenv`", report,
                    default="bridge_ip", working=ALL,
                )  # fmt: skip

    def test_tcp(self) -> None:
        """By TCP on loopback: the bridge proves that the engine is here."""
        with by_tcp(local_socket()) as url:
            report = probe_here(DOCKER_HOST=url)
        self.assertEqual(("tcp", "127.0.0.1"), self.way(report))
        self.assert_environment(
            "`tcp://127.0.0.1` to the same engine", report, default="bridge_ip", working=ALL
        )
        self.assertIn("listen on: loopback and the network's gateway", report["explained"])

    @unittest.skipUnless(can_ssh(), "an SSH server of our own takes root on Debian or Ubuntu")
    @unittest.skipUnless(importlib.util.find_spec("paramiko"), "install tcunit[ssh]")
    def test_ssh(self) -> None:
        """By SSH, with a key that only the test has."""
        with by_ssh() as (url, path):
            # The SDK leaves each ssh that it starts to the garbage collector.
            report = probe_here(DOCKER_HOST=url, path=path, warnings="ignore::ResourceWarning")
            threads = run_here(
                "tests.engine.environments.followed",
                path=path, warnings="ignore::ResourceWarning", DOCKER_HOST=url,
                TESTCONTAINERS_RYUK_DISABLED="true",
            )  # fmt: skip
        self.assertEqual(("ssh", "127.0.0.1"), self.way(report))
        self.assert_environment(
            "`ssh://` to the same engine", report, default="bridge_ip", working=ALL
        )
        # Streams that nobody can close would have left theirs, and five seconds each.
        self.assertEqual(["MainThread"], json.loads(threads))

    def way(self, report: Report) -> tuple[str, str]:
        """How the engine was reached, and where."""
        return report["engine"]["kind"], report["engine"]["hostname"]
