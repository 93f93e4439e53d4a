"""Pulling images: when, with which credentials, how often, and what is shown meanwhile."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from tcunit import ContainerTestCase, DockerContainer, set_image_substitution
from tcunit.errors import ImageNotFound, SettingError, StartCancelled
from tcunit.fetching import fetched
from tcunit.settings import Settings
from tests.engine.environments.programs import needs_local_engine
from tests.unit.test_progress import at_a_terminal

from .helpers import EngineTest, engine, environment, python, sleeper
from .registry import (
    USER,
    Proxy,
    address,
    encoded,
    forget,
    push,
    registry,
    reset,
    saved,
    unavailable,
)

RIGHT, OTHER, WRONG = "correct-horse", "battery-staple", "wrong-guess"


class PullCase(EngineTest, ContainerTestCase):
    """With a registry that is open to anyone."""

    open = registry()

    def name(self, repository: str = "tea", where: DockerContainer | None = None) -> str:
        """A name in a registry, which is taken off the engine at the end."""
        name = f"{address(where or self.open)}/{repository}-{self._testMethodName[5:]}:1".lower()
        self.addCleanup(forget, name)
        return name

    def got(self, name: str, **options: Any) -> str:
        """The id of an image that is had by its name."""
        return fetched(engine(), Settings(), name, **options).id

    def refused(self, name: str, **options: Any) -> str:
        """Why an image cannot be had."""
        with self.assertRaises(ImageNotFound) as caught:
            self.got(name, **options)
        return str(caught.exception)


@needs_local_engine
class PolicyTest(PullCase):
    """When an image is pulled."""

    def test_missing(self) -> None:
        """By default one that is not there is pulled, and one that is there is not."""
        name = self.name()
        first = push(name)
        with self.assertLogs("tcunit", "INFO") as logs:
            self.assertEqual(first, self.got(name))
        self.assertRegex(logs.output[0], rf"INFO:tcunit:pulled {name} \(.*s\)$")
        engine().images.forget(name)
        with self.assertNoLogs("tcunit", "INFO"):
            self.assertEqual(first, self.got(name))

    def test_always(self) -> None:
        """One that is there is pulled once in a run, however many ask."""
        name = self.name()
        old = push(name)
        self.assertEqual(old, self.got(name))
        self.addCleanup(forget, old)  # it loses its name
        new = push(name)
        api: Any = engine().client.api
        api.tag(self.got("alpine"), *name.rsplit(":", 1))
        self.assertNotEqual(new, self.got(name))
        self.assertEqual(new, self.got(name, policy="always"))
        with self.assertNoLogs("tcunit", "INFO"):
            self.assertEqual(new, self.got(name, policy="always"))

    def test_never(self) -> None:
        """One that is not there is not pulled, and the error says by which policy."""
        name = self.name()
        made = push(name)
        self.assertRegex(self.refused(name, policy="never"), "the pull policy is 'never': pull, lo")
        self.assertEqual(made, self.got(name))
        self.assertEqual(made, self.got(name, policy="never"))

    def test_for_a_container(self) -> None:
        """A container's own word wins over the setting, which holds for the rest."""
        name = self.name()
        push(name)
        with environment(TCUNIT_PULL_POLICY="never"):
            with self.assertRaisesRegex(ImageNotFound, "'never'"):
                sleeper(name).start()
            self.running(sleeper(name).with_pull_policy("missing"))

    def test_for_ryuk(self) -> None:
        """The policy and the substitution hold for Ryuk as well."""
        program = (
            "import time\n"
            "from tcunit import DockerContainer, Network, reapers, set_image_substitution\n"
            "hook = lambda name: name.replace('testcontainers/ryuk', 'no.such/ryuk')\n"
            "set_image_substitution(hook)\n"
            "with DockerContainer('alpine').with_command('sleep 60'):\n"
            "    while 'starting' in reapers.status()['ryuk']: time.sleep(0.01)\n"
            "    print(reapers.status()['ryuk'])\n"
        )
        with python(program, TCUNIT_PULL_POLICY="never") as process:
            told, errors = process.communicate()
        self.assertEqual(0, process.returncode, errors)
        self.assertRegex(told, r"not armed: the image no\.such/ryuk:0\.14\.0 is not on.*'never'")

    def test_one_pull_for_all(self) -> None:
        """Several who ask for one image at once have it pulled once; others come meanwhile."""
        names = [self.name(), self.name("coffee")]
        for name in names:
            push(name, size=4_000_000)
        ids: list[str] = []
        threads = [
            threading.Thread(target=lambda name=name: ids.append(self.got(name)))
            for name in names * 4
        ]
        with self.assertLogs("tcunit", "INFO") as logs:
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        self.assertEqual((8, 2), (len(ids), len(set(ids))))
        self.assertEqual(2, len(logs.output), logs.output)

    def test_wrong_ones(self) -> None:
        """What is not there for good is tried once, and the error says so."""
        with self.assertNoLogs("tcunit", "WARNING"):
            said = self.refused(self.name("no-such"))
        self.assertRegex(said, "is not on the engine and cannot be pulled: .*not found.*Check the")
        self.assertRegex(self.refused("sha256:" + "0" * 64), "no image with the id .*no id is pul")

    def test_given_up(self) -> None:
        """A pull ends when the start that it is for is given up."""
        over = threading.Event()
        silent = Proxy(0, lambda connection: over.wait())
        self.addCleanup(silent.close)
        self.addCleanup(over.set)
        with self.assertNoLogs("tcunit", "INFO"), self.assertRaises(StartCancelled):
            self.got(f"127.0.0.1:{silent.port}/tea:1", is_cancelled=lambda: silent.connections > 0)


@needs_local_engine
class CredentialsTest(PullCase):
    """With which credentials."""

    closed = registry(RIGHT)
    other = registry(OTHER)

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        self.enterContext(environment(DOCKER_CONFIG=str(self.folder), PATH=path))

    def configure(self, **config: Any) -> None:
        """Write ``config.json``."""
        (self.folder / "config.json").write_text(json.dumps(config))

    def helper(self, name: str, password: str) -> None:
        """Install a credential helper."""
        file = self.folder / f"docker-credential-{name}"
        answer = json.dumps({"Username": USER, "Secret": password})
        file.write_text(f"#!/bin/sh\nread server\necho '{answer}'\n")
        file.chmod(0o755)

    def test_configuration(self) -> None:
        """Docker's own configuration is used, from where DOCKER_CONFIG says."""
        name = self.name(where=self.closed)
        made = push(name, RIGHT)
        self.configure(auths={address(self.closed): {"auth": encoded(RIGHT)}})
        self.assertEqual(made, self.got(name))

    def test_helpers(self) -> None:
        """A registry's helper and the store for all are real programs that are asked."""
        names = [self.name(where=each) for each in (self.closed, self.other)]
        made = [push(names[0], RIGHT), push(names[1], OTHER)]
        self.helper("tcunit-one", RIGHT)
        self.helper("tcunit-all", OTHER)
        self.configure(credsStore="tcunit-all", credHelpers={address(self.closed): "tcunit-one"})
        self.assertEqual(made, [self.got(name) for name in names])

    def test_variable(self) -> None:
        """DOCKER_AUTH_CONFIG holds for as many registries as it names, helpers included."""
        names = [self.name(where=each) for each in (self.closed, self.other)]
        made = [push(names[0], RIGHT), push(names[1], OTHER)]
        self.helper("tcunit-one", OTHER)
        self.configure(auths={address(self.closed): {"auth": encoded(WRONG)}})
        config = {
            "auths": {address(self.closed): {"auth": encoded(RIGHT)}},
            "credHelpers": {address(self.other): "tcunit-one"},
        }
        with environment(DOCKER_AUTH_CONFIG=json.dumps(config)):
            self.assertEqual(made, [self.got(name) for name in names])

    def test_refused(self) -> None:
        """Whose credentials are missing or wrong is told where they were looked for; none of them
        is told, and it is tried once.
        """
        name = self.name(where=self.closed)
        push(name, RIGHT)
        where = address(self.closed)
        for config, expected in [
            ({}, f"config.json have no credentials for {where}"),
            ({"auths": {where: {"auth": encoded(WRONG)}}}, f"for {where} are from .*config.json"),
            ({"credsStore": "no-such"}, "docker-credential-no-such is not installed"),
        ]:
            with self.subTest(expected=expected), self.assertNoLogs("tcunit", "INFO"):
                self.configure(**config)
                said = self.refused(name)
                self.assertRegex(said, expected)
                self.assertNotIn(WRONG, said)
                self.assertNotIn(encoded(WRONG), said)

    def test_wrong_variable(self) -> None:
        """A variable that is no JSON is an error of its own, not one of the image."""
        name = self.name(where=self.closed)
        with environment(DOCKER_AUTH_CONFIG=f"{{{RIGHT}"):
            with self.assertRaisesRegex(SettingError, "^DOCKER_AUTH_CONFIG is no JSON") as caught:
                sleeper(name).start()
        self.assertNotIn(RIGHT, str(caught.exception))


@needs_local_engine
class TransientTest(PullCase):
    """What is tried again."""

    def test_until_it_works(self) -> None:
        """A registry that fails for a while is asked again, and each try is told of."""
        made = push(self.name())
        path = self.name().partition("/")[2]
        for fail in (reset, unavailable):
            with self.subTest(fail=fail.__name__):
                proxy = Proxy(self.open.mapped_port(5000), fail)
                self.addCleanup(proxy.close)
                name = f"127.0.0.1:{proxy.port}/{path}"
                self.addCleanup(forget, name)
                with self.assertLogs("tcunit", "WARNING") as logs, proxy.healed_by_warning():
                    self.assertEqual(made, self.got(name))
                self.assertRegex(logs.output[0], rf"pulling {name}: .*; trying again in .*try 2 of")

    def test_until_the_limit(self) -> None:
        """One that fails on and on is an error in the end."""
        proxy = Proxy(self.open.mapped_port(5000), unavailable)
        self.addCleanup(proxy.close)
        with self.assertLogs("tcunit", "WARNING") as logs:
            self.assertRegex(self.refused(f"127.0.0.1:{proxy.port}/tea:1"), "503")
        self.assertEqual(3, len(logs.output))


@needs_local_engine
class ShownTest(PullCase):
    """What is shown."""

    def test_at_a_terminal(self) -> None:
        """Who looks sees a row for each pull, side by side, and a line when it is done."""
        names = [self.name(), self.name("coffee")]
        for name in names:
            push(name, size=8_000_000)
        program = (
            "import sys, threading\n"
            "from tcunit._docker import find_engine\n"
            "from tcunit.fetching import fetched\n"
            "from tcunit.settings import Settings\n"
            "threads = [threading.Thread(target=fetched, args=(find_engine(), Settings(), name))\n"
            f"           for name in {names!r}]\n"
            "for each in threads: each.start()\n"
            "for each in threads: each.join()\n"
        )
        told = at_a_terminal(program)
        for name in names:
            self.assertIn(f"pulling {name} ", told)
            self.assertIn(f"tcunit: pulled {name} (", told)


class SubstitutionTest(EngineTest):
    """The hook that every name goes through."""

    def test_container(self) -> None:
        """What a container declares is replaced by what the hook gives."""
        set_image_substitution(lambda name: name.replace("coffee", "alpine"))
        self.addCleanup(set_image_substitution, None)
        container = self.running(sleeper("coffee"))
        self.assertEqual("coffee", container.image)
        found = container.get_wrapped_container().attrs["Config"]["Image"]
        self.assertEqual("alpine", found.rpartition("/")[2])


class EmulationTest(EngineTest):
    """An image for another processor."""

    def test_told_once(self) -> None:
        """It is told once of an image, with what to do; a program in it does not start."""
        other = "s390x" if engine().version["Arch"] != "s390x" else "amd64"
        name = f"localhost/tcunit-{os.getpid()}-{other}:1"
        self.addCleanup(forget, name)
        engine().client.api.load_image(saved(name, other))
        with self.assertLogs("tcunit", "WARNING") as logs:
            for _ in range(2):
                fetched(engine(), Settings(), name, platform=f"linux/{other}")
        self.assertEqual(1, len(logs.output))
        self.assertRegex(logs.output[0], f"{name} is for {other}, and the engine runs on .*emula")
