"""Settings from the environment and the properties file."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tcunit import settings as module
from tcunit.errors import SettingError
from tcunit.settings import (
    CONNECTION_MODE,
    DOCKER_HOST,
    HOST_OVERRIDE,
    IMAGE_PREFIX,
    PULL_POLICY,
    START_TIMEOUT,
    START_WIDTH,
    WITHOUT_ENGINE,
    Found,
    Setting,
    Settings,
    boolean,
)

ALL = [value for value in vars(module).values() if isinstance(value, Setting)]


def sample(setting: Setting[Any]) -> tuple[str, Any]:
    """A text that a setting takes, and the value it then has, which is not its default."""
    texts = ["text", "YES", "3", "10.5.0.0/16"]
    try:
        setting.parse(texts[0])
    except ValueError as error:  # it says which words are allowed
        texts += re.findall(r"[\w-]+", str(error).upper())
    for text in texts:
        with contextlib.suppress(ValueError):
            if (value := setting.parse(text)) != setting.default:
                return text, value
    raise AssertionError(f"{setting} takes none of {texts}: add one that it takes")


class SettingsCase(unittest.TestCase):
    """With a folder for a properties file."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name, ".testcontainers.properties")

    def settings(self, properties: str | None = None, **environ: str) -> Settings:
        """Settings from the text of a properties file and from variables, and from nothing else."""
        if properties is not None:
            self.file.write_text(properties, "utf-8")
        return Settings(environ, self.file)


class PrecedenceTest(SettingsCase):
    """Which value wins, and what is told about its source."""

    def test_nothing_is_set(self) -> None:
        """Each setting has its default, which says so."""
        for setting in ALL:
            with self.subTest(setting=setting.variables):
                expected = Found(setting.default, "default", is_default=True)
                self.assertEqual(expected, self.settings().find(setting))

    def test_a_property(self) -> None:
        """A property is found with its key and file as the source."""
        found = self.settings("connection.mode=gateway_ip").find(CONNECTION_MODE)
        expected = Found("gateway_ip", f"property connection.mode in {self.file}")
        self.assertEqual(expected, found)

    def test_the_environment_wins(self) -> None:
        """A variable hides the property of the same setting."""
        settings = self.settings(
            "connection.mode=gateway_ip", TESTCONTAINERS_CONNECTION_MODE="docker_host"
        )
        expected = Found("docker_host", "TESTCONTAINERS_CONNECTION_MODE")
        self.assertEqual(expected, settings.find(CONNECTION_MODE))

    def test_a_variable_hides_a_wrong_property(self) -> None:
        """A property that is not asked for cannot be wrong."""
        settings = self.settings(
            "connection.mode=nonsense", TESTCONTAINERS_CONNECTION_MODE="bridge_ip"
        )
        self.assertEqual("bridge_ip", settings.get(CONNECTION_MODE))

    def test_empty_is_not_set(self) -> None:
        """Empty and blank values count as none, for variables and properties alike."""
        for value in ("", "  ", "\t"):
            with self.subTest(value=value):
                settings = self.settings("docker.host=tcp://a:1", DOCKER_HOST=value)
                self.assertEqual("tcp://a:1", settings.get(DOCKER_HOST))
        settings = self.settings("docker.host=\ntc.host = tcp://b:2")
        expected = Found("tcp://b:2", f"property tc.host in {self.file}")
        self.assertEqual(expected, settings.find(DOCKER_HOST))

    def test_the_first_name_wins(self) -> None:
        """Of several names of a setting, the one that is listed first counts."""
        settings = self.settings(TESTCONTAINERS_HOST_OVERRIDE="b", TC_HOST="a")
        self.assertEqual(Found("a", "TC_HOST"), settings.find(HOST_OVERRIDE))
        settings = self.settings("tc.host=tcp://b:2\ndocker.host=tcp://a:1")
        self.assertEqual("tcp://a:1", settings.get(DOCKER_HOST))

    def test_every_name_of_every_setting_is_read(self) -> None:
        """Each variable and each property of the table gives the setting its value."""
        for setting in ALL:
            text, expected = sample(setting)
            for name in setting.variables:
                with self.subTest(variable=name):
                    self.assertEqual(expected, Settings({name: text}, self.file).get(setting))
            for key in setting.properties:
                with self.subTest(property=key):
                    self.assertEqual(expected, self.settings(f"{key}={text}").get(setting))
                    self.file.unlink()

    def test_the_environment_is_never_changed(self) -> None:
        """Reading every setting leaves ``os.environ`` as it was, and a later change is seen."""
        with mock.patch.dict(os.environ, {"DOCKER_HOST": "tcp://a:1"}):
            before = dict(os.environ)
            settings = Settings(properties_file=self.file)
            for setting in ALL:
                settings.find(setting)
            self.assertEqual(before, dict(os.environ))
            os.environ["DOCKER_HOST"] = "tcp://b:2"
            self.assertEqual("tcp://b:2", settings.get(DOCKER_HOST))


class WrongValueTest(SettingsCase):
    """Wrong values are errors that help."""

    WRONG: list[tuple[Setting[Any], str, str]] = [
        (CONNECTION_MODE, "bridge", "allowed are: bridge_ip, gateway_ip, docker_host"),
        (START_TIMEOUT, "0", "allowed is a number of seconds above 0"),
        (START_TIMEOUT, "-1", "allowed is a number of seconds above 0"),
        (START_TIMEOUT, "1m", "allowed is a number of seconds above 0"),
        (START_TIMEOUT, "nan", "allowed is a number of seconds above 0"),
        (START_TIMEOUT, "inf", "allowed is a number of seconds above 0"),
        (START_WIDTH, "0", "allowed is a whole number from 1"),
        (START_WIDTH, "1.5", "allowed is a whole number from 1"),
        (START_WIDTH, "many", "allowed is a whole number from 1"),
        (WITHOUT_ENGINE, "ignore", "allowed are: fail, skip"),
        (PULL_POLICY, "often", "allowed are: always, missing, never"),
    ]

    def test_in_the_environment(self) -> None:
        """The error names the variable, the value and what is allowed."""
        for setting, value, allowed in self.WRONG:
            for name in setting.variables:
                with self.subTest(name=name, value=value):
                    with self.assertRaises(SettingError) as caught:
                        Settings({name: value}, self.file).get(setting)
                    expected = f"environment variable {name} has the value {value!r}: {allowed}"
                    self.assertEqual(expected, str(caught.exception))

    def test_in_the_file(self) -> None:
        """The error names the property, its file, the value and what is allowed."""
        with self.assertRaises(SettingError) as caught:
            self.settings("connection.mode = bridge").get(CONNECTION_MODE)
        expected = (
            f"property connection.mode in {self.file} has the value 'bridge': "
            f"allowed are: bridge_ip, gateway_ip, docker_host"
        )
        self.assertEqual(expected, str(caught.exception))

    def test_pull_policies(self) -> None:
        """The words, in any case, and the classes of Testcontainers for Java."""
        for text, expected in [
            ("Always", "always"),
            ("never", "never"),
            ("org.testcontainers.images.AlwaysPullPolicy", "always"),
            ("DefaultPullPolicy", "missing"),
        ]:
            found = self.settings(f"pull.policy={text}").get(PULL_POLICY)
            self.assertEqual(expected, found)

    def test_booleans(self) -> None:
        """Yes and no in the spellings of all Testcontainers, in any case; nothing else."""
        for text in ("1", "true", "T", "YES", "y", "On"):
            self.assertIs(True, boolean(text), text)
        for text in ("0", "false", "F", "NO", "n", "Off"):
            self.assertIs(False, boolean(text), text)
        for text in ("", "2", "maybe", "tru"):
            with self.subTest(text=text), self.assertRaisesRegex(ValueError, "true, false"):
                boolean(text)


class PropertiesFileTest(SettingsCase):
    """The file is read as Java reads it."""

    def test_syntax(self) -> None:
        """Separators, comments, continuation lines and escapes mean what they mean in Java."""
        for text, expected in [
            ("hub.image.name.prefix=a", "a"),
            ("hub.image.name.prefix:a", "a"),
            ("hub.image.name.prefix a", "a"),
            ("  hub.image.name.prefix \t = \t a", "a"),
            ("# hub.image.name.prefix=b\n! hub.image.name.prefix=c\nhub.image.name.prefix=a", "a"),
            ("hub.image.name.prefix=a#b", "a#b"),
            ("hub.image.name.prefix=a \\\n    b", "a b"),
            ("hub.image.name\\\n  .prefix=a", "a"),
            ("hub.image.name.prefix=a\\u0062\\u00e9", "abé"),
            ("hub.image.name.prefix=C\\:\\\\x\\=y", "C:\\x=y"),
            ("hub.image.name.prefix=a\\tb", "a\tb"),
            ("hub\\.image.name.prefix=a", "a"),
            ("hub.image.name.prefix=a\r\nother=b\r\n", "a"),
            ("hub.image.name.prefix=a\nhub.image.name.prefix=b", "b"),
            ("hub.image.name.prefix=é", "é"),
            ("hub.image.name.prefix", ""),
            ("", ""),
        ]:
            with self.subTest(text=text):
                self.assertEqual(expected, self.settings(text).get(IMAGE_PREFIX))

    @given(st.text(st.characters(min_codepoint=33, max_codepoint=0xFFFF, exclude_categories=["Cs", "Z", "Cc"]), min_size=1))  # fmt: skip # noqa: E501
    def test_escapes(self, value: str) -> None:
        """A value of any characters comes back when each is written as an escape."""
        escaped = "".join(f"\\u{ord(each):04x}" for each in value)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "properties")
            file.write_text(f"docker.host={escaped}\n", "ascii")
            self.assertEqual(value.strip(), Settings({}, file).get(DOCKER_HOST))

    def test_it_is_looked_for_in_the_home_directory(self) -> None:
        """Without a file of one's own, the one in the home directory is read."""
        self.file.write_text("docker.host=tcp://home:1")
        with mock.patch.object(Path, "home", return_value=self.file.parent):
            self.assertEqual("tcp://home:1", Settings({}).get(DOCKER_HOST))

    def test_nobody_needs_a_home_directory(self) -> None:
        """A user without one, as in many containers, has no properties, and that is no error."""
        with mock.patch.object(Path, "home", side_effect=RuntimeError("no home directory")):
            self.assertEqual("", Settings({}).get(DOCKER_HOST))

    def test_it_is_read_on_demand(self) -> None:
        """Making settings reads nothing; the file may come later."""
        settings = self.settings()
        self.file.write_text("docker.host=tcp://late:1")
        self.assertEqual("tcp://late:1", settings.get(DOCKER_HOST))

    def test_a_file_that_cannot_be_read(self) -> None:
        """A folder in its place is an error that says what to do."""
        self.file.mkdir()
        with self.assertRaisesRegex(SettingError, "make it readable, or remove it") as caught:
            self.settings().get(DOCKER_HOST)
        self.assertIn(str(self.file), str(caught.exception))

    def test_a_file_that_is_marked_as_utf_8(self) -> None:
        """The mark is no part of the first name."""
        self.file.write_text("docker.host=tcp://here:1\n", "utf-8-sig")
        self.assertEqual("tcp://here:1", self.settings().get(DOCKER_HOST))

    def test_a_file_in_another_encoding(self) -> None:
        """Bytes that are no UTF-8 are an error that names the file."""
        self.file.write_bytes(b"docker.host=\xff\xfe")
        with self.assertRaisesRegex(SettingError, "cannot be read") as caught:
            self.settings().get(DOCKER_HOST)
        self.assertIn(str(self.file), str(caught.exception))

    def test_a_malformed_file(self) -> None:
        """A broken escape is an error that names the file."""
        with self.assertRaisesRegex(SettingError, "no Java properties file.*correct") as caught:
            self.settings("docker.host=\\u12").get(DOCKER_HOST)
        self.assertIn(str(self.file), str(caught.exception))
