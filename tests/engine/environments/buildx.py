"""Builds by the docker command line that is first on ``PATH``, which needs its buildx plugin."""

from __future__ import annotations

import shutil
from pathlib import Path

from tcunit._docker.builders import OWN_CLIENT_UNTIL
from tests.engine import test_building
from tests.stand_ins.system import run


class BuildxTest(test_building.BuildKitTest):
    """What BuildKit does by whatever command line, this one's plugin does."""

    @classmethod
    def fetched(cls) -> str:
        """The folder of the one that is there."""
        program = shutil.which("docker")
        assert program, "no docker command line is on PATH"
        version = run(program, "--version").split()[2]
        assert int(version.partition(".")[0]) >= OWN_CLIENT_UNTIL, f"{version} needs no plugin"
        return str(Path(program).parent)
