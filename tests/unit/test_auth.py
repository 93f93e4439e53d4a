"""Credentials for registries: where they are looked for, and what is told when there are none."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from tcunit._docker.auth import credentials_for
from tcunit.errors import SettingError
from tcunit.settings import Settings

SECRET = "correct-horse"
HUB = "docker.io"


def auth(user: str, password: str = SECRET) -> dict[str, str]:
    """An entry of ``auths``."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


class AuthCase(unittest.TestCase):
    """With a folder for Docker's configuration, which is also one for credential helpers."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        self.enterContext(mock.patch.dict(os.environ, PATH=path))

    def configure(self, **config: Any) -> None:
        """Write ``config.json``."""
        (self.folder / "config.json").write_text(json.dumps(config))

    def settings(self, variable: object = None) -> Settings:
        """Settings of a user with this configuration, and this ``DOCKER_AUTH_CONFIG``."""
        environ = {"DOCKER_CONFIG": str(self.folder)}
        if variable is not None:
            text = variable if isinstance(variable, str) else json.dumps(variable)
            environ["DOCKER_AUTH_CONFIG"] = text
        return Settings(environ, self.folder / "no.properties")

    def helper(self, name: str, script: str) -> None:
        """Install a credential helper."""
        file = self.folder / f"docker-credential-{name}"
        file.write_text(f"#!/bin/sh\nread server\n{script}\n")
        file.chmod(0o755)

    def sent(self, registry: str, variable: object = None) -> dict[str, Any]:
        """What the engine is sent for a registry, its keys in lower case."""
        header = credentials_for(registry, self.settings(variable)).headers()
        if not header:
            return {}
        (text,) = header.values()
        found = json.loads(base64.urlsafe_b64decode(text))
        return {key.lower(): value for key, value in found.items()}

    def user(self, registry: str, variable: object = None) -> tuple[str | None, str | None]:
        """User and password for a registry."""
        found = self.sent(registry, variable)
        return found.get("username"), found.get("password")


class LookUpTest(AuthCase):
    """Where credentials are found."""

    def test_auths(self) -> None:
        """By the registry's name, with or without a scheme and a path in the key."""
        self.configure(
            auths={
                "a.example:5000": auth("a"),
                "https://b.example/v2/": auth("b", "x:y"),
                "https://index.docker.io/v1/": auth("hub"),
                "c.example": {"username": "c", "password": SECRET},
                "d.example": {},
                "e.example": {"identitytoken": SECRET},
            }
        )
        for registry, expected in [
            ("a.example:5000", ("a", SECRET)),
            ("b.example", ("b", "x:y")),
            (HUB, ("hub", SECRET)),
            ("c.example", ("c", SECRET)),
            ("a.example", (None, None)),
            ("d.example", (None, None)),
        ]:
            with self.subTest(registry=registry):
                self.assertEqual(expected, self.user(registry))
        self.assertEqual(SECRET, self.sent("e.example")["identitytoken"])

    def test_helpers(self) -> None:
        """A registry's own helper wins over the store, and the store over ``auths``."""
        self.helper("one", f'echo \'{{"Username": "one", "Secret": "\'$server\'-{SECRET}"}}\'')
        self.helper("store", 'case $server in b.*) echo \'{"Username":"s","Secret":"x"}\';; *)'
                    " echo 'credentials not found in native keychain'; exit 1;; esac")  # fmt: skip
        self.configure(
            auths={"b.example": auth("b"), "c.example": auth("c")},
            credsStore="store",
            credHelpers={"a.example": "one"},
        )
        self.assertEqual(("one", f"a.example-{SECRET}"), self.user("a.example"))
        self.assertEqual(("s", "x"), self.user("b.example"))
        self.assertEqual(("c", SECRET), self.user("c.example"))
        self.assertEqual((None, None), self.user("d.example"))

    def test_the_variable(self) -> None:
        """``DOCKER_AUTH_CONFIG`` comes first, whole: several registries and helpers; what it does
        not know is looked for in the file.
        """
        self.helper("own", f'echo \'{{"Username": "own", "Secret": "{SECRET}"}}\'')
        self.configure(auths={"a.example": auth("file"), "z.example": auth("file")})
        variable = {
            "auths": {"a.example": auth("a"), "b.example": auth("b")},
            "credHelpers": {"c.example": "own"},
        }
        for registry, user in [("a", "a"), ("b", "b"), ("c", "own"), ("z", "file")]:
            with self.subTest(registry=registry):
                self.assertEqual((user, SECRET), self.user(f"{registry}.example", variable))

    def test_looked_up_anew(self) -> None:
        """A configuration that was changed meanwhile holds: tokens expire."""
        self.configure(auths={"a.example": auth("old")})
        self.assertEqual("old", self.user("a.example")[0])
        self.configure(auths={"a.example": auth("new")})
        self.assertEqual("new", self.user("a.example")[0])


class NoneTest(AuthCase):
    """What is told where there are none, and that no secret is."""

    def about(self, registry: str, variable: object = None) -> str:
        """What is said about the credentials for a registry."""
        found = credentials_for(registry, self.settings(variable))
        self.assertEqual({}, found.headers())
        self.assertNotIn(SECRET, f"{found.about} {found!r}")
        return found.about

    def test_nowhere(self) -> None:
        """The places that were looked into."""
        file = self.folder / "config.json"
        expected = f"{file} have no credentials for a.example"
        self.assertEqual(expected, self.about("a.example"))
        expected = f"DOCKER_AUTH_CONFIG and {expected}"
        self.assertEqual(expected, self.about("a.example", {"auths": {}}))

    def test_helpers_in_trouble(self) -> None:
        """A helper that is missing, fails or answers nonsense is named; the rest is tried."""
        self.helper("failing", f'echo "keychain locked, secret={SECRET}"; exit 1')
        self.helper("nonsense", f"echo {SECRET}")
        for helper, expected in [
            ("missing", "docker-credential-missing is not installed"),
            ("failing", "docker-credential-failing failed: .*keychain locked"),
            ("nonsense", "docker-credential-nonsense answered with no credentials"),
        ]:
            with self.subTest(helper=helper):
                self.configure(credsStore=helper, auths={"b.example": auth("b")})
                self.assertRegex(self.about("a.example"), f"config.json: {expected}")
                self.assertEqual(("b", SECRET), self.user("b.example"))

    def test_broken_entry(self) -> None:
        """One entry that cannot be read is told of where it matters, and only there."""
        self.configure(auths={"a.example": {"auth": "???"}, "b.example": auth("b")})
        self.assertIn("config.json: its entry for a.example is none", self.about("a.example"))
        self.assertEqual(("b", SECRET), self.user("b.example"))

    def test_broken_file(self) -> None:
        """A file that holds no JSON is told of, and does not stop anything."""
        (self.folder / "config.json").write_text(f"{{'{SECRET}'")
        self.assertIn("config.json is no JSON", self.about("a.example"))

    def test_broken_variable(self) -> None:
        """A variable that holds none is an error that names it, without its content."""
        for text, expected in [
            (f"{{'{SECRET}'", "is no JSON"),
            (f'["{SECRET}"]', "is JSON, but no object"),
            (f'{{"auths": ["{SECRET}"]}}', "has auths, but not as an object"),
        ]:
            with self.subTest(text=text):
                expected = f"^DOCKER_AUTH_CONFIG {expected}: give it the content of a config.json"
                with self.assertRaisesRegex(SettingError, expected) as caught:
                    credentials_for("a.example", self.settings(text))
                error = caught.exception
                self.assertNotIn(SECRET, f"{error}{error.__cause__}")
                self.assertTrue(error.__cause__ is None)
