"""Tests of which builder does the work."""

from __future__ import annotations

import io
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit._docker import Engine
from tcunit._docker.builders import Job, why_no_buildkit
from tcunit.errors import EngineError
from tcunit.settings import Settings

PROGRAM = """\
#!/bin/sh
case $1 in
    --version) echo "Docker version {version}, build 1" ;;
    *) {plugin} ;;
esac
"""
CONTAINERD = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
OVERLAY = {"DriverStatus": [["Backing Filesystem", "extfs"]]}


class JobTest(unittest.TestCase):
    """What a build is given, and what is not shown of it."""

    def job(self, **fields: Any) -> Job:
        """One build."""
        return Job("tea", io.BytesIO(), "Dockerfile", {}, **fields)

    def test_environment(self) -> None:
        """A value goes by the environment where the command line does not follow it itself."""
        by_words = ["HTTP_PROXY", "https_proxy", "DOCKER_HOST", "BUILDX_BUILDER", "TEA_POT"]
        args = dict.fromkeys([*by_words, "TEA"], "x")
        with mock.patch.dict(os.environ, {"TEA_POT": "ours"}):
            self.assertEqual({"TEA": "x"}, self.job(args=args).environment)

    def test_secrets(self) -> None:
        """The words of a secret are masked, and not its punctuation."""
        job = self.job(secrets={"key": '{\n  "key": "battery-staple"\n}\n'})
        self.assertEqual("{ ***; }", job.mask('{ "key": "battery-staple"; }'))


class WhyNoBuildKitTest(unittest.TestCase):
    """BuildKit is used where there is a command line that speaks it to this engine."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def why(self, info: dict[str, Any], version: str = "", plugin: bool = False) -> str:
        """The reason, with a command line of a version, or with none."""
        place = self.folder / version / str(plugin)
        place.mkdir(parents=True, exist_ok=True)
        if version:
            program = place / "docker"
            said = "echo buildx" if plugin else "exit 1"
            program.write_text(PROGRAM.format(version=version, plugin=said))
            program.chmod(0o755)
        client = mock.Mock(**{"api.info.return_value": info})
        engine = Engine("unix:///x", "x", client, {"Os": "linux"})
        return why_no_buildkit(engine, Settings({"PATH": str(place)}, Path("/nonexistent")))

    def test_client(self) -> None:
        """From version 23 on the plugin is needed; before, the store must not be containerd's."""
        self.assertIn("not installed", self.why(OVERLAY))
        for info in (OVERLAY, CONTAINERD, {}):
            with self.subTest(info=info):
                self.assertIn("no buildx plugin", self.why(info, "26.1.5+dfsg1"))
                self.assertEqual("", self.why(info, "28.2.2", plugin=True))
        self.assertEqual("", self.why(OVERLAY, "20.10.24+dfsg1"))
        expected = "is 20.10.24+dfsg1, which has no client for an engine with containerd's"
        self.assertIn(expected, self.why(CONTAINERD, "20.10.24+dfsg1"))

    def test_asked_for(self) -> None:
        """Where it is asked for, that is an error."""
        place = self.folder / "none"
        settings = Settings({"PATH": str(place), "DOCKER_BUILDKIT": "1"}, Path("/nonexistent"))
        engine = Engine("unix:///x", "x", mock.Mock(**{"api.info.return_value": {}}), {"Os": "x"})
        with self.assertRaisesRegex(EngineError, "DOCKER_BUILDKIT=1 asks for BuildKit, which"):
            why_no_buildkit(engine, settings)
