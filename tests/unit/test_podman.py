"""What Podman says in words of its own, read as Docker's."""

from __future__ import annotations

import unittest
from unittest import mock

import docker.errors
import requests

from tcunit._docker import NotThere
from tcunit._docker.builders import Job, _Said
from tcunit._docker.images import _called
from tcunit._docker.refusals import NameTaken, translated
from tcunit._docker.saved import SavedImage, instructions
from tcunit._session import NAME_LABEL, WARM_LABEL
from tcunit.errors import EngineError
from tcunit.images import without_default_registry
from tcunit.inspected import state_of
from tcunit.warm import own_tag

COPIER = (
    'error during bulk transfer for copier.request{Request:"PUT", Excludes:[]string(nil)}: '
    'copier: put: error creating "/etc": file exists'
)


class RefusalsTest(unittest.TestCase):
    """Podman answers 500 where Docker has a code."""

    def refusal(self, status: int, said: str) -> EngineError:
        answer = requests.Response()
        answer.status_code = status
        with self.assertRaises(EngineError) as caught, translated("doing it"):
            raise docker.errors.APIError("x", response=answer, explanation=said)
        return caught.exception

    def test_kinds(self) -> None:
        """What somebody removes meanwhile is not there; a name that is taken is just that."""
        for status, said, kind in (
            (500, "container ID does not exist in database: no such container", NotThere),
            (500, 'reading image "04": locating image with ID "04": image not known', NotThere),
            (500, "inspecting x: no such volume", NotThere),
            (500, 'the container name "x" is already in use by ec. You have to remove that one '
                  "to be able to reuse that name: that name is already in use", NameTaken),
            (500, "network name x already used: network already exists", NameTaken),
            (500, "listen tcp 127.0.0.1:80: bind: address already in use", EngineError),
            (500, "no such container: x was asked for", EngineError),
            (409, "Conflict. The container name is already in use", NameTaken),
            (409, "removing c: no such container", EngineError),
        ):  # fmt: skip
            with self.subTest(status=status, said=said):
                self.assertIs(kind, type(self.refusal(status, said)))

    def test_inner_state(self) -> None:
        """The state of its copier is no part of what went wrong."""
        self.assertEqual(
            'doing it: copier: put: error creating "/etc": file exists',
            str(self.refusal(500, COPIER)),
        )


class NamesTest(unittest.TestCase):
    """Podman puts a registry before a name that has none."""

    def test_without(self) -> None:
        """Only what it puts there goes."""
        for name, expected in (
            ("docker.io/library/a:1", "a:1"),
            ("docker.io/a/b:1", "a/b:1"),
            ("localhost/a:1", "a:1"),
            ("localhost:5000/a:1", "localhost:5000/a:1"),
            ("a.example/docker.io/b", "a.example/docker.io/b"),
        ):
            with self.subTest(name=name):
                self.assertEqual(expected, without_default_registry(name))

    def test_called(self) -> None:
        """An image of ours is called by its label, others as the engine does."""
        labels = {NAME_LABEL: "tcunit-x:1"}
        for names, called in (
            (["docker.io/library/tcunit-x:1"], "tcunit-x:1"),
            (["docker.io/library/y:1"], "docker.io/library/y:1"),
            (None, "id"),
        ):
            with self.subTest(names=names):
                self.assertEqual(called, _called({"Id": "id", "RepoTags": names, "Labels": labels}))

    def test_warm_image(self) -> None:
        """It is found by the name that it was given."""
        tags = ["docker.io/tcunit-warm/redis:abc"]
        image = SavedImage("id", tags, {WARM_LABEL: "abc"}, 0.0, 0)
        self.assertEqual("tcunit-warm/redis:abc", own_tag(image))


class StateTest(unittest.TestCase):
    """The state of a container."""

    def test_stopped(self) -> None:
        """One that has ended, and is not tidied up yet, has ended."""
        state = state_of({"State": {"Status": "stopped", "Running": False, "ExitCode": 3}})
        self.assertEqual(("exited", 3), (state.status, state.exit_code))


class InstructionsTest(unittest.TestCase):
    """A configuration in the words of a Dockerfile."""

    def test_quoted(self) -> None:
        """No value means more than it says."""
        config = {
            "Env": ["A=", 'B=a "b" \\ $HOME'], "Labels": {"x.y": "1 2"}, "Cmd": ["a", "b c"],
            "Entrypoint": None, "WorkingDir": "/data",
        }  # fmt: skip
        self.assertEqual(
            [
                'ENV A=""', r'ENV B="a \"b\" \\ \$HOME"', 'LABEL "x.y"="1 2"',
                "ENTRYPOINT []", 'CMD ["a", "b c"]', "WORKDIR /data",
            ],
            instructions(config),
        )  # fmt: skip


class BuildTest(unittest.TestCase):
    """What a builder says of the images of single steps."""

    def test_steps(self) -> None:
        """Those that this build has made, and none that was there, by Docker and by Podman."""
        for lines in (
            ["Step 1/4 : FROM a", " ---> aaaaaaaaaaaa", "Step 2/4 : ENV A=1", " ---> Using cache",
             " ---> bbbbbbbbbbbb", "Step 3/4 : RUN x", " ---> cccccccccccc"],
            ["STEP 1/4: FROM a", "STEP 2/4: ENV A=1", "--> Using cache " + "b" * 64,
             "--> bbbbbbbbbbb", "STEP 3/4: RUN x", "--> ccccccccccc"],
            ["[1/2] STEP 1/4: FROM a", "[1/2] STEP 2/4: RUN x", "--> ccccccccccc",
             "[2/2] STEP 1/1: FROM c", "--> aaaaaaaaaaa"],
        ):  # fmt: skip
            said = _Said(Job("x", mock.sentinel.archive, "", {}), mock.Mock())
            for line in lines:
                said.hear(line + "\n")
            with self.subTest(lines=lines):
                self.assertEqual(["c"], [each[0] for each in said.steps])
