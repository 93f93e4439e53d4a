"""Warm starts: a state that was kept once, and from which later starts begin."""

from __future__ import annotations

import contextlib
import io
import re
import time
import uuid
from typing import Any
from unittest import mock

import psycopg

from tcunit import ContainerTestCase, DockerContainer, wait
from tcunit import warm as warm_module
from tcunit._docker import Engine
from tcunit._docker.saved import SavedImage
from tcunit._session import LABEL_ROOT, PLACE_LABEL
from tcunit.cli import main
from tcunit.errors import ContainerDied, EngineError, StartError
from tcunit.modules import PostgresContainer
from tcunit.reapers.lock import folder as lock_folder
from tcunit.warm import WarmStart, own_tag, remove_warm, warm_images

from .helpers import EngineTest, engine, left_over, python, until

# What it keeps: a number made at the first start, in a volume of the image and outside of it.
SERVICE = """
test -e /data/state || { date +%N > /data/state; chmod 640 /data/state; chown 999:999 /data/state; }
test -e /state || cp /data/state /state
echo "$MARK" > /run/mark
trap 'exit 0' TERM
sleep 300 & wait
"""


def service(mark: str, image: str = "redis:alpine") -> DockerContainer:
    """A service with a state, whose image declares a volume."""
    return (
        DockerContainer(image, entrypoint=["sh", "-c", SERVICE])
        .with_env("MARK", mark)
        .waiting_for(wait.for_file("/run/mark"))
        .with_warm_start()
    )


def said(container: DockerContainer, command: str) -> str:
    """What a command in a container says."""
    result = container.exec(["sh", "-c", command])
    if result.exit_code:
        raise AssertionError(result.output.decode())
    return result.output.decode().strip()


def image_of(container: DockerContainer) -> str:
    """The name of the image that a container was started from."""
    return str(container.running.info["Config"]["Image"])


class WarmTest(EngineTest):
    """A test that removes the images that it has made."""

    def setUp(self) -> None:
        super().setUp()
        self.mark = uuid.uuid4().hex
        self.made: set[str] = set()
        self.addCleanup(self._remove_images)

    def _remove_images(self) -> None:
        for name in self.made:
            with contextlib.suppress(EngineError):
                engine().images.remove(name)

    def start(self, container: DockerContainer) -> DockerContainer:
        """Start one that ends with this test, and note the image that it was started from."""
        self.running(container)
        self.made.add(image_of(container))
        self.assertRegex(image_of(container), r"^tcunit-warm/[a-z]+:[0-9a-f]{32}$")
        return container

    def images(self) -> list[SavedImage]:
        """The images that this test has made."""
        return [each for each in warm_images(engine()) if own_tag(each) in self.made]


class PostgresTest(WarmTest):
    """PostgreSQL, whose first start is slow."""

    def test_it_starts_where_the_first_start_was_ready(self) -> None:
        """No initdb and no recovery; nothing of what was done in the first one is there."""
        declared = PostgresContainer(password="s3cret-word").with_env("MARK", self.mark)
        declared.with_warm_start()
        first = self.start(declared.copy())
        with psycopg.connect(first.get_connection_url()) as connection:
            connection.execute("CREATE TABLE tea (price int)")
        began = time.perf_counter()
        second = self.start(declared.copy())
        print(f"\n(a warm start of PostgreSQL took {time.perf_counter() - began:.2f} s)", end="")
        self.assertEqual(image_of(first), image_of(second))
        for each in (first, second):
            log = b"".join(each.get_logs()).decode()
            self.assertIn("database system was shut down at", log)
            self.assertNotRegex(log, "init process complete|not properly shut down|recovery")
        with psycopg.connect(second.get_connection_url()) as connection:
            found = connection.execute("SELECT to_regclass('tea')").fetchone()
        self.assertEqual((None,), found)

        config: dict[str, Any] = engine().client.api.inspect_image(image_of(first))["Config"]
        ours = {name: text for name, text in config["Labels"].items() if LABEL_ROOT in name}
        ours.pop(f"{LABEL_ROOT}.warm-start")
        self.assertEqual({""}, set(ours.values()))
        self.assertIn("POSTGRES_PASSWORD=", config["Env"])
        self.assertNotIn("s3cret-word", str(config))

    def test_another_declaration(self) -> None:
        """Another password is another state."""
        one = PostgresContainer(password="one").with_env("MARK", self.mark).with_warm_start()
        two = PostgresContainer(password="two").with_env("MARK", self.mark).with_warm_start()
        self.start(one)
        self.start(two)
        self.assertNotEqual(image_of(one), image_of(two))
        with psycopg.connect(two.get_connection_url()) as connection:
            self.assertEqual((1,), connection.execute("SELECT 1").fetchone())


class StateTest(WarmTest):
    """Any service."""

    def test_volumes(self) -> None:
        """What is in a volume of the image is kept as well, with owner and permissions."""
        first = self.start(service(self.mark))
        second = self.start(service(self.mark))
        for command in ("cat /data/state", "cat /state", "stat -c '%a %u %g' /data/state"):
            with self.subTest(command=command):
                self.assertEqual(said(first, command), said(second, command))
        self.assertEqual("640 999 999", said(first, "stat -c '%a %u %g' /data/state"))
        said(first, "echo changed > /data/state")
        self.assertNotEqual("changed", said(second, "cat /data/state"))
        self.assertEqual(
            2, len({each.running.info["Mounts"][0]["Name"] for each in (first, second)})
        )

    def test_processes_at_once(self) -> None:
        """They make one image, and each starts from it."""
        script = f"""
import sys
from tests.engine.test_warm import image_of, said, service
with service({self.mark!r}) as mine:
    print(said(mine, "cat /data/state"), image_of(mine), flush=True)
    sys.stdin.read()
"""
        processes = [python(script, TCUNIT_REAPERS="guard") for _ in range(3)]
        self.addCleanup(lambda: [each.kill() or each.communicate() for each in processes])
        told = [each.stdout.readline() if each.stdout else "" for each in processes]
        self.made.update(line.split()[1] for line in told)
        self.assertEqual(1, len(set(told)), told)
        ends = [each.communicate() for each in processes]
        self.assertEqual([("", "")] * 3, ends)

    def test_shared(self) -> None:
        """What processes share starts from it, too."""
        one = self.start(service(self.mark).with_reuse())
        two = self.start(service(self.mark).with_reuse())
        alone = self.start(service(self.mark))
        self.assertEqual(one.get_container_id(), two.get_container_id())
        self.assertEqual(said(alone, "cat /state"), said(one, "cat /state"))

    def test_changes(self) -> None:
        """A changed declaration, or another base image, makes a new one; the earlier one goes."""
        api = engine().client.api
        base = f"tcunit.local/warm-{self.mark[:8]}:latest"
        self.made.add(base)
        seen: list[tuple[str, str]] = []

        def run(mark: str) -> None:
            class Shop(ContainerTestCase):
                box = service(mark, base)

                def test(self) -> None:
                    seen.append((image_of(self.box), said(self.box, "cat /state; cat /run/mark")))

            self.assert_passes(Shop)
            self.made.add(seen[-1][0])

        api.tag("tcunit.local/redis:alpine", base)
        run(self.mark)
        run(self.mark)
        self.assertEqual(seen[0], seen[1])
        run(f"{self.mark}-changed")
        self.assertNotEqual(seen[1][0], seen[2][0])
        self.assertIn("-changed", seen[2][1])
        self.assertEqual([seen[2][0]], [own_tag(each) for each in self.images()])
        with service(f"{self.mark}-other") as other:
            self.made.add(image_of(other))
            api.commit(other.get_container_id(), *base.split(":"), changes=["LABEL x=y"])
        engine().images.forget(base)
        run(f"{self.mark}-changed")
        self.assertNotEqual(seen[2][0], seen[3][0])
        self.assertNotEqual(seen[2][1], seen[3][1])

    def test_what_does_not_end(self) -> None:
        """One that has to be killed starts cold, and a warning says so; nothing is kept."""
        deaf = (
            DockerContainer("alpine", command=["sh", "-c", "trap '' TERM; touch /x; sleep 300"])
            .with_env("MARK", self.mark)
            .waiting_for(wait.for_file("/x"))
            .with_warm_start()
        )
        with (
            mock.patch.object(warm_module, "STOP_TIMEOUT", 1),
            mock.patch.object(warm_module, "commit") as commit,
            self.assertLogs("tcunit", "WARNING") as logged,
        ):
            self.running(deaf)
        commit.assert_not_called()
        self.assertRegex(logged.output[0], "starts cold: it does not end within 1 s")
        self.assertNotIn("tcunit-warm", image_of(deaf))

    def test_the_first_start_fails(self) -> None:
        """Its own error is told; nothing is left."""
        broken = DockerContainer("alpine", command=["sh", "-c", f"echo {self.mark}; exit 3"])
        with self.assertRaisesRegex(ContainerDied, rf"its first start[^$]*code 3[^$]*{self.mark}"):
            broken.waiting_for(wait.for_file("/x")).with_warm_start().start()


class EndTest(WarmTest):
    """What becomes of the images."""

    def test_killed_in_the_middle(self) -> None:
        """There is no image by that name then; the next start makes it, and removes the rest."""
        for step in ("commit", "add_volumes"):
            script = f"""
import os, signal
from tcunit import warm
from tcunit._session import session_id
from tcunit import ContainerTestCase
from tests.engine.test_warm import service
print(session_id(), flush=True)
def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)
warm.{step} = die
class Shop{self.mark}(ContainerTestCase):
    box = service({self.mark!r})
Shop{self.mark}.setUpClass()
"""
            with self.subTest(step=step):
                process = python(script, TCUNIT_REAPERS="guard")
                session = process.communicate()[0].strip()
                until(lambda: not left_over(session), "the guard to clean up")  # noqa: B023
                mine = self._of_this_test()
                self.assertEqual(0 if step == "commit" else 1, len(mine))
        self.assertIn(f"image for warm starts {mine[0].id} (not finished)", self._clean())
        first = self.start(service(self.mark))
        self.assertEqual([], [each for each in self._of_this_test() if not each.tags])
        self.assertRegex(said(first, "cat /data/state"), r"^\d+$")

    def test_clean(self) -> None:
        """It lists them; one that a container uses is not removed."""
        container = self.start(service(self.mark))
        name = image_of(container)
        self.assertRegex(self._clean(), rf"image for warm starts {re.escape(name)} \(\d+ MB, ")
        self.assertNotIn(name, self._clean("--keep-warm"))
        (image,) = self.images()
        self.assertFalse(remove_warm(engine(), image))
        container.stop()
        until(lambda: remove_warm(engine(), image), "nobody else to be removing it")
        self.assertEqual([], self.images())

    def test_clean_while_one_starts(self) -> None:
        """What a container is about to be created of is in use, although no container uses it."""
        self.start(service(self.mark)).stop()
        create = Engine.create_container
        removed: list[bool] = []

        def cleaned_before(engine: Engine, image: str, *rest: Any) -> str:
            removed.extend(remove_warm(engine, each) for each in self.images())
            return create(engine, image, *rest)

        with mock.patch.object(Engine, "create_container", cleaned_before):
            second = self.start(service(self.mark))
        self.assertEqual([False], removed)
        self.assertEqual([image_of(second)], [own_tag(each) for each in self.images()])
        lock = lock_folder() / f"{image_of(second).rpartition(':')[2]}.warm"
        self.assertFalse(lock.exists())

    def test_removed_before_it_was_used(self) -> None:
        """It is made again; not for ever."""
        make = WarmStart._make
        made: list[str] = []

        def removed_after(start: WarmStart, asked: Any, base: str, options: Any, name: str) -> bool:
            is_made = make(start, asked, base, options, name)
            if name not in made or asked.env["MARK"] != self.mark:
                engine().images.remove(name)
            made.append(name)
            return is_made

        with mock.patch.object(WarmStart, "_make", removed_after):
            container = self.start(service(self.mark))
            self.assertGreaterEqual(made.count(image_of(container)), 2)
            with self.assertRaisesRegex(StartError, "was made and removed again, 3 times"):
                service(f"{self.mark}-other").start()
        self.assertEqual(3, made.count(made[-1]))

    def test_what_others_made_of_it(self) -> None:
        """An image that somebody based on one bears the label, but no name of ours."""
        container = self.start(service(self.mark))
        theirs = f"tcunit.local/theirs-{self.mark[:8]}:latest"
        engine().client.api.commit(container.get_container_id(), *theirs.split(":"))
        self.addCleanup(engine().images.remove, theirs)
        self.assertNotIn([theirs], [list(each.tags) for each in warm_images(engine())])

    def _of_this_test(self) -> list[SavedImage]:
        """What was made of a class that is named after the mark, finished or not."""
        return [
            each
            for each in warm_images(engine())
            if f"Shop{self.mark}." in each.labels.get(PLACE_LABEL, "")
        ]

    def _clean(self, *options: str) -> str:
        """What ``clean`` lists; to remove would concern others, too."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            main(["clean", "--dry-run", *options])
        return printed.getvalue()
