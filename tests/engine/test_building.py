"""Images built from a Dockerfile: by both builders, once for the same content, gone at the end."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from pathlib import Path
from typing import Any, ClassVar

import docker.errors

from tcunit import ContainerTestCase, DockerContainer, DockerImage, omitted
from tcunit._docker import NotThere
from tcunit._session import CONTENT_LABEL, SESSION_LABEL
from tcunit.errors import BuildFailed, DeclarationError, EngineError, NotStarted, StartCancelled
from tcunit.lifecycle.declared import Launch
from tcunit.lifecycle.fixture import launch_for
from tcunit.settings import Settings
from tests.engine.environments.programs import needs_local_engine

from .helpers import EngineTest, engine, environment, left_over, python, sleeper, until

# Each step takes the classic builder a moment, but for those before the first FROM.
SMALL = "ARG GREETING=hello\nFROM alpine AS first\nCOPY unique /unique\n"
STAGES = """\
ARG BASE=alpine
FROM $BASE AS first
ARG GREETING=hello
ARG API_TOKEN
COPY . /context
RUN echo "$GREETING" > /greeting
CMD ["sleep", "300"]
FROM first
RUN echo unwanted > /greeting
"""


class BuildCase(EngineTest):
    """With a folder to build from, whose content no other test has."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "My App"
        self.folder.mkdir()
        self.write(Dockerfile=SMALL, unique=f"{os.getpid()} {self.id()}")

    def write(self, **files: str) -> None:
        """Write files into the folder."""
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def image(self, **options: Any) -> DockerImage:
        """An image of the folder, of the first stage, removed at the end of the test."""
        image = DockerImage(self.folder, **{"target": "first", **options})
        self.addCleanup(image.remove)
        return image

    def logged(self, output: list[str]) -> list[str]:
        """The verbs of what was told about images."""
        return [line.split(":")[2].split()[0] for line in output]


class ClassicTest(BuildCase):
    """By the engine's classic builder."""

    builder = "the classic builder"

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(environment(DOCKER_BUILDKIT="0"))

    def test_what_goes_in(self) -> None:
        """The context without what is ignored, the arguments, and the target."""
        self.write(Dockerfile=STAGES)
        self.write(**{".dockerignore": "*.log\n!kept.log\n", "a.log": "", "kept.log": ""})
        image = self.image(build_args={"GREETING": "good morning"})
        with self.assertLogs("tcunit", "INFO") as logs:
            container = self.running(DockerContainer(image))
        self.assertRegex(logs.output[0], rf"built .*My App \(with {self.builder}, ")
        self.assertEqual(b"good morning\n", container.exec("cat /greeting").output)
        names = container.exec("ls -A /context").output.decode().split()
        self.assertEqual({".dockerignore", "Dockerfile", "kept.log", "unique"}, set(names))
        self.assertEqual(image.name, container.get_wrapped_container().attrs["Config"]["Image"])

    def test_failure(self) -> None:
        """The error has the step and what it said; no argument that is secret by its name."""
        self.write(Dockerfile="FROM alpine\nARG API_TOKEN\nRUN echo no $API_TOKEN luck; exit 3\n")
        image = self.image(build_args={"API_TOKEN": "correct-horse"}, target=None)
        with self.assertRaises(BuildFailed) as caught:
            DockerContainer(image).start()
        said = str(caught.exception)
        self.assertRegex(said, r"My App.*could not be built: (.|\n)*What the builder said last:")
        self.assertRegex(said, r"\| .*no \*\*\* luck")
        self.assertNotIn("correct-horse", said)
        self.assertRaises(NotStarted, lambda: image.name)

    def test_dockerfile_from_outside(self) -> None:
        """The Dockerfile may lie elsewhere; a build that copies everything does not see it."""
        outside = self.folder.parent / "Other"
        outside.write_text(f"FROM alpine\nCOPY . /context\n# {self.id()}\n")
        (self.folder / "Dockerfile").unlink()
        container = self.running(sleeper(self.image(dockerfile=outside, target=None)))
        names = container.exec("ls -A /context").output.decode().split()
        self.assertIn("unique", names)
        self.assertNotIn("Other", names)

    def test_dockerfile_for_buildkit(self) -> None:
        """It says that BuildKit is needed, why it is not used, and what to do."""
        for line in ("RUN --mount=type=cache,target=/c true", "RUN <<EOF\ntrue\nEOF"):
            self.write(Dockerfile=f"FROM alpine\n{line}\n")
            with self.subTest(line=line), self.assertRaises(BuildFailed) as caught:
                self.image(target=None).build()
            self.assertRegex(
                str(caught.exception),
                "(?s)needs BuildKit, which is not used: DOCKER_BUILDKIT=0 .* Install the",
            )
        self.write(Dockerfile=f"{SMALL}FROM first\nRUN --mount=type=cache,target=/c true\n")
        self.image().build()  # which does not come to that
        self.write(unique="another")
        with self.assertRaisesRegex(BuildFailed, "secrets need BuildKit, which is not used: DOCK"):
            self.image(secrets={"token": "correct-horse"}, no_cache=True).build()


@needs_local_engine
class BuildKitTest(ClassicTest):
    """By BuildKit, with a docker command line of the engine's own image."""

    builder = "BuildKit"
    path: ClassVar[str]  # where the command line is

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.path = f"{cls.fetched()}{os.pathsep}{os.environ['PATH']}"

    @classmethod
    def fetched(cls) -> str:
        """A folder with the command line."""
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        with DockerContainer("docker:dind").with_kwargs(entrypoint="sleep").with_command("99") as c:
            where = c.exec(["sh", "-c", "command -v docker"]).stdout.decode().strip()
            chunks, _ = c.get_wrapped_container().get_archive(where)
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
                tar.extractall(folder, filter="data")
        return folder

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(environment(PATH=self.path, DOCKER_BUILDKIT="1"))

    def test_dockerfile_for_buildkit(self) -> None:
        """What only BuildKit knows works, and its images get other names as well."""
        self.write(
            Dockerfile="FROM alpine AS a\nRUN --mount=type=bind,target=/c cp /c/unique /got\n"
            "FROM alpine\nCOPY --from=a --chmod=600 /got /got\n"
        )
        container = self.running(sleeper(self.image(target=None)))
        self.assertIn(self.id(), container.exec("cat /got").output.decode())

    def test_secrets(self) -> None:
        """A step has them, from a text or a file; the image and the log have not."""
        file = self.folder.parent / 'a, "b"'
        file.write_text("user: tester\nkey: battery-staple\n")
        step = "RUN --mount=type=secret,id=token --mount=type=secret,id=npm.rc"
        self.write(
            Dockerfile=f"FROM alpine\n{step} cd /run/secrets && cat token npm.rc | md5sum >/sum\n"
            f"{step} cat /run/secrets/*\n"
        )
        secrets = {"token": "correct-horse", "npm.rc": file}
        with self.assertLogs("tcunit", "DEBUG") as logs:
            image = self.image(target=None, secrets=secrets).build()
        history = str(engine().client.api.history(image.name))
        seen = [*logs.output, history, str(image.get_wrapped_image().attrs), repr(image)]
        for each in ("correct-horse", "battery-staple", b"correct-horse".hex()):
            self.assertNotIn(each, "\n".join(seen))
        container = self.running(sleeper(image))
        wanted = hashlib.md5(b"correct-horse" + file.read_bytes()).hexdigest()
        self.assertEqual(wanted, container.exec("cat /sum").stdout.decode().split()[0])
        self.assertEqual(0, container.exec("test ! -s /run/secrets/token").exit_code)

        self.write(Dockerfile=f"FROM alpine\n{step} cat /run/secrets/*; exit 3\n")
        with self.assertRaises(BuildFailed) as caught:
            self.image(target=None, secrets=secrets).build()
        self.assertRegex(str(caught.exception), r"\| .*\*\*\*")
        self.assertNotRegex(str(caught.exception), "correct-horse|battery-staple")

    def test_kept_for_the_next_build(self) -> None:
        """What a step puts into the builder's cache is there for the next build."""
        step = f"RUN --mount=type=cache,id={self.id()}-{os.getpid()},target=/c"
        for number in (1, 2):
            script = f"echo {number} >>/c/all; cp /c/all /seen"
            self.write(Dockerfile=f"FROM alpine\n{step} {script}\n")
            self.image(target=None).build()
        container = self.running(sleeper(self.image(target=None)))
        self.assertEqual(b"1\n2\n", container.exec("cat /seen").output)

    def test_heredoc(self) -> None:
        """An engine of version 23 or later knows it; an older one's error says so."""
        self.write(Dockerfile="FROM alpine\nRUN <<EOF\necho hello >/said\nEOF\n")
        image = self.image(target=None)
        if int(engine().version["Version"].partition(".")[0]) >= 23:
            container = self.running(sleeper(image))
            self.assertEqual(b"hello\n", container.exec("cat /said").output)
        else:
            with self.assertRaisesRegex(BuildFailed, "has a heredoc, which .* 23 on; this one is"):
                image.build()

    def test_killed(self) -> None:
        """A build ends with its process, however that ended."""
        assert_build_dies_with_process(self)


class NoBuildKitTest(BuildCase):
    """Where BuildKit is asked for and cannot be had."""

    def test_why(self) -> None:
        """The error says why."""
        with environment(PATH="", DOCKER_BUILDKIT="1"):
            with self.assertRaisesRegex(
                EngineError, "cannot be used: the docker command line is n"
            ):
                self.image().build()


class OnceTest(BuildCase):
    """The same content is built once."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(environment(DOCKER_BUILDKIT="0"))

    def test_in_classes(self) -> None:
        """A declaration is shared by containers and classes; what another one with the same
        content asks for is there; other content, arguments and bases are another image.
        """
        folder = self.folder
        seen: set[Any] = set()

        class ShopTest(ContainerTestCase):
            app = DockerImage(folder, target="first")
            web = DockerContainer(app).with_command("sleep 300")
            worker = web.copy().with_command("sleep 301")

            def test_same(self) -> None:
                ids = {each.get_wrapped_container().image.id for each in (self.web, self.worker)}
                self.assertEqual({self.app.id}, ids)
                seen.update(ids)

        class OtherTest(ShopTest):
            app = DockerImage(folder, target="first", build_args={"GREETING": "bye"})
            worker = omitted

            def test_same(self) -> None:
                found = self.web.get_wrapped_container().image
                self.assertEqual((True, self.app.id), (found.id not in seen, found.id))

        with self.assertLogs("tcunit", "INFO") as logs:
            self.assert_passes(ShopTest)
            first = self.image().build()
            self.assertEqual(["built"], self.logged(logs.output))
            self.assert_passes(OtherTest)
            self.assertEqual(["built"] * 2, self.logged(logs.output))
            self.write(unique="other")
            second = self.image().build()
            self.assertEqual(["built"] * 3, self.logged(logs.output))
        self.assertEqual({first.id}, seen)
        self.assertNotEqual(first.id, second.id)

    def test_left_out(self) -> None:
        """A class that leaves the image out cannot have the container."""
        folder = self.folder

        class ShopTest(ContainerTestCase):
            app = DockerImage(folder)
            web = DockerContainer(app)

        class SmallTest(ShopTest):
            app = omitted

            def test_nothing(self) -> None:
                pass

        self.assertIn("web: it cannot do without app, which was left", self.assert_fails(SmallTest))

    def test_between_processes(self) -> None:
        """Of two processes that need the same, one builds; each removes what is its own."""
        program = textwrap.dedent(
            f"""
            import json, logging, sys
            from tcunit import DockerImage
            from tcunit._docker import find_engine
            told = []
            handler = logging.Handler()
            handler.emit = lambda record: told.append(record.getMessage().split()[0])
            logging.getLogger("tcunit").addHandler(handler)
            logging.getLogger("tcunit").setLevel("INFO")
            image = DockerImage({str(self.folder)!r}, target="first").build()
            print(json.dumps([image.name, told]), flush=True)
            sys.stdin.readline()
            find_engine().images.sdk(image.name)
            """
        )
        with started(program) as one, started(program) as other:
            told = [json.loads(each.stdout.readline()) for each in (one, other)]
            self.assertEqual([["built"], ["found"]], sorted(verbs for _, verbs in told))
            self.assertEqual(2, len({name for name, _ in told}))
            for each in (one, other):  # the second one still has its image
                each.communicate("\n")
                self.assertEqual(0, each.returncode)
        self.assertEqual([], [name for name, _ in told if engine().images.inspect(name)])

    def test_tag(self) -> None:
        """A tag is a further name while the image is there; one of a stranger is left alone."""
        tag = f"localhost/tcunit-test:{os.getpid()}"
        image = self.image(tag=tag)
        self.assertEqual(tag, str(image))
        with image:
            found = engine().images.inspect(tag)
            self.assertEqual(image.id, found and found.id)
            self.assertEqual(image.short_id, image.get_wrapped_image().short_id[7:][:12])
        self.assertIsNone(engine().images.inspect(tag))
        engine().images.tag("tcunit.local/alpine", tag)
        self.addCleanup(engine().images.remove, tag)
        with self.assertRaisesRegex(DeclarationError, f"tag {tag} belongs to an image that tcu"):
            self.image(tag=tag).build()


class KeptTest(BuildCase):
    """What is kept for the next run."""

    def test_next_run(self) -> None:
        """It stays, and the next run builds nothing; what it takes the place of goes."""
        program = textwrap.dedent(
            f"""
            import logging
            from tcunit import DockerImage
            logging.basicConfig(level="INFO", format="%(message)s")
            image = DockerImage({str(self.folder)!r}, target="first", keep=True)
            print(image.build().name)
            """
        )
        first, told = ended(program, DOCKER_BUILDKIT="0")
        self.assertIn("built ", told)
        self.addCleanup(engine().images.remove, first)
        self.assertIsNotNone(engine().images.inspect(first))
        again, told = ended(program, DOCKER_BUILDKIT="0")
        self.assertEqual(first, again)
        self.assertNotIn("built ", told)
        with self.assertNoLogs("tcunit", "INFO"):
            self.assertEqual(first, self.image().build().name)
        self.write(unique="other")
        second, told = ended(program, DOCKER_BUILDKIT="0")
        self.addCleanup(engine().images.remove, second)
        self.assertIn("built ", told)
        self.assertIsNone(engine().images.inspect(first))
        labels = engine().images.inspect(second).labels  # type: ignore[union-attr]
        self.assertIn(CONTENT_LABEL, labels)
        self.assertNotIn(SESSION_LABEL, labels)


class EndTest(BuildCase):
    """Whatever the end of the process, its images go."""

    PROGRAM = """
import os, signal, sys, time
from tcunit import DockerContainer, DockerImage
from tcunit.reapers import status
# What comes of one process is of no concern to the others.
own = {"GREETING": os.environ["TCUNIT_REAPERS"]}
image = DockerImage(sys.argv[1], target="first", tag=sys.argv[2] or None, build_args=own)
container = DockerContainer(image).with_command("sleep 300").start()
while "starting" in status().get("ryuk", ""): time.sleep(0.01)
print(image.name, container.name, flush=True)
if sys.argv[3] == "kill": os.kill(os.getpid(), signal.SIGKILL)
"""

    def test_ends(self) -> None:
        """A normal end, and SIGKILL with either reaper alone; a tag goes with it by the guard."""
        tags = [f"localhost/tcunit-{way}:{os.getpid()}" for way in ("end", "guard")]
        ways = [("end", "none", tags[0]), ("kill", "guard", tags[1]), ("kill", "ryuk", "")]
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(self.ending(*way)) for way in ways]
            told = [each.communicate() for each in processes]
        for (way, reapers, tag), (names, errors) in zip(ways, told, strict=True):
            with self.subTest(way=way, reapers=reapers):
                self.assertEqual(2, len(names.split()), errors)
                name, container = names.split()
                until(lambda name=name: not engine().images.has(name), f"{name} is gone")
                if tag:
                    self.assertFalse(engine().images.has(tag))
                api: Any = engine().client.api
                self.assertEqual([], api.containers(all=True, filters={"name": container}))

    def ending(self, way: str, reapers: str, tag: str) -> subprocess.Popen[str]:
        """A process that tells the names of its image and its container, and ends."""
        environ = {"TCUNIT_REAPERS": reapers, "DOCKER_BUILDKIT": "0",
                   "RYUK_RECONNECTION_TIMEOUT": "500ms"}  # fmt: skip
        program = f"import sys; sys.argv[1:] = {[str(self.folder), tag, way]!r}\n{self.PROGRAM}"
        return python(program, **environ)

    def test_killed_while_building(self) -> None:
        """The classic builder ends with its client, its container included."""
        with environment(DOCKER_BUILDKIT="0"):
            assert_build_dies_with_process(self)

    def test_given_up(self) -> None:
        """A build ends when the start that it is for is given up."""
        self.write(Dockerfile=SLOW)
        settings = Settings()
        launch: Launch = launch_for(engine(), settings, "", lambda each: each)
        launch.is_cancelled = lambda: bool(building(self.id()))
        with environment(DOCKER_BUILDKIT="0"), self.assertRaises(StartCancelled):
            DockerImage(self.folder, build_args={"MARK": self.id()}).launch(launch)
        until(lambda: not building(self.id()), "the build's container is gone")

    def test_lives_longer(self) -> None:
        """What lives for the run may have an image that a class declares."""
        program = textwrap.dedent(
            f"""
            import unittest
            from tcunit import ContainerTestCase, DockerContainer, DockerImage

            class ShopTest(ContainerTestCase):
                app = DockerImage({str(self.folder)!r})
                web = DockerContainer(app).with_command("sleep 300").with_scope("run")
                def test_it(self): self.assertRunning(self.web)

            class OtherTest(ContainerTestCase):
                web = ShopTest.web
                def test_it(self): self.assertRunning(self.web)

            unittest.main(exit=False)
            print("end")
            """
        )
        self.assertRegex(ended(program, DOCKER_BUILDKIT="0")[1], r"(?s)Ran 2 tests.*\nOK\n")

    def test_stays_for_a_look(self) -> None:
        """What TCUNIT_KEEP leaves up has its image, and the way out removes both."""
        program = textwrap.dedent(
            f"""
            import unittest
            from tcunit import ContainerTestCase, DockerContainer, DockerImage

            class ShopTest(ContainerTestCase):
                web = DockerContainer(DockerImage({str(self.folder)!r})).with_command("sleep 300")
                def test_it(self): self.fail()

            unittest.main()
            """
        )
        environ = {"TCUNIT_KEEP": "on-failure", "DOCKER_BUILDKIT": "0"}
        with python(program, **environ) as process:
            _, told = process.communicate()
        way_out = re.search(r"docker rm -fv (\S+); docker rmi (\S+)\n", told)
        assert way_out, told
        self.addCleanup(engine().images.remove, way_out[2])
        self.addCleanup(engine().remove_container, way_out[1])
        self.assertTrue(engine().inspect(way_out[1])["State"]["Running"])
        self.assertTrue(engine().images.has(way_out[2]))

    def test_not_a_leak(self) -> None:
        """An image stays until the process ends, which is no leak of the test that needed it."""
        folder = self.folder

        class ShopTest(ContainerTestCase):
            leak_check = True

            def test_it(self) -> None:
                image = DockerImage(folder, target="first")
                with self.assertNoLeaks(), sleeper(image):
                    pass

        self.assert_passes(ShopTest)
        self.image().build()
        self.assertEqual([], left_over())


class BadInputTest(BuildCase):
    """What cannot be built."""

    def test_refused(self) -> None:
        """What is not there is refused before anything starts, and says where it was looked for."""
        for image, expected in [
            (DockerImage("/no/such"), "/no/such is no folder: give the folder of the build's con"),
            (DockerImage(self.folder, dockerfile="x"), "there is no Dockerfile .*/My App/x: give"),
            (
                DockerImage(self.folder, secrets={"token": Path("/no/such")}),
                "there is no file /no/such with the secret 'token'",
            ),
            (DockerImage(self.folder, secrets={"a,b": "c"}), "'a,b' is no name for a secret"),
        ]:
            with self.subTest(image=image), environment(DOCKER_HOST="unix:///nonexistent"):
                with self.assertRaisesRegex(DeclarationError, expected):
                    DockerContainer(image).start()
        for wrong, expected in [
            (lambda: DockerImage(tag="Tea:1"), "'Tea:1' is no name for an image"),
            (
                lambda: DockerImage(build_args={"A": os.environ.get("NO_TEA")}),  # type: ignore[dict-item]
                "build_args: A has no value",
            ),
            (
                lambda: DockerImage(secrets={"a": b"tea"}),  # type: ignore[dict-item]
                "secrets: 'a' is a bytes: give the secret as a text, or a Path",
            ),
            (lambda: DockerImage(pull_policy="x"), "'x' is no pull policy: choose from always, m"),
            (lambda: DockerContainer("x").with_pull_policy(""), "is no pull policy"),
            (
                lambda: DockerContainer(DockerImage(self.folder)).with_pull_policy("never").start(),
                "an image that is built is not pulled: give the policy for those that it starts",
            ),
        ]:
            with self.assertRaisesRegex(DeclarationError, expected):
                wrong()

    def test_base_that_is_not_there(self) -> None:
        """It is the error of that image, by the policy for it."""
        self.write(Dockerfile="FROM no-such\n")
        with self.assertRaisesRegex(EngineError, "no-such:latest is not on .* policy is 'never'"):
            self.image(pull_policy="never", target=None).build()


# -- processes -----------------------------------------------------------------------------------

SLOW = "FROM alpine\nARG MARK\nENV MARK=$MARK\nRUN sleep 300\n"


def building(mark: str) -> list[Any]:
    """The containers in which a build runs a command."""
    api: Any = engine().client.api
    found = []
    for each in api.containers(all=True):
        if "sleep 300" in each["Command"]:
            with contextlib.suppress(NotThere):
                config = engine().inspect(each["Id"])["Config"]
                found += [each] if f"MARK={mark}" in config["Env"] else []
    return found


def sleeping(mark: str) -> list[str]:
    """The processes of this machine that a build's mark is in the environment of."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARK={mark}\0".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return [each for each in found if each.startswith("sleep")]


def assert_build_dies_with_process(case: BuildCase) -> None:
    """Fail unless a build whose process is killed ends, and leaves no container."""
    case.write(Dockerfile=SLOW)
    mark = f"{case.id()}-{os.getpid()}"
    case.addCleanup(remove_steps, mark)
    program = (
        "from tcunit import DockerImage\n"
        f"DockerImage({str(case.folder)!r}, build_args={{'MARK': {mark!r}}}).build()\n"
    )
    with python(program) as process:
        until(lambda: sleeping(mark), "a build")
        process.send_signal(signal.SIGKILL)
    until(lambda: not sleeping(mark) and not building(mark), "the build has ended")


def remove_steps(mark: str) -> None:
    """Remove what a build has left in the classic builder's cache."""
    api: Any = engine().client.api
    for each in api.images(filters={"dangling": True}):
        with contextlib.suppress(docker.errors.NotFound):  # another test's, gone in between
            if f"MARK={mark}" in (api.inspect_image(each["Id"])["Config"].get("Env") or ()):
                api.remove_image(each["Id"])


def started(program: str) -> subprocess.Popen[str]:
    """A Python program that waits for a line."""
    environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program], env=environ, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def ended(program: str, **environ: str) -> tuple[str, str]:
    """The last line that a Python program prints, and what it says on standard error."""
    with python(program, **environ) as process:
        told, errors = process.communicate()
    if process.returncode:
        raise AssertionError(errors)
    return told.split()[-1], errors
