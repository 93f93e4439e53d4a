"""Every environment variable and property that tcunit reads, in one table.

A setting is read when it is needed, never at import. The environment wins over
``.testcontainers.properties`` in the home directory, as with the other Testcontainers. An empty
value counts as not set. A wrong value is an error that says where it came from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from .errors import SettingError

if TYPE_CHECKING:
    from ipaddress import IPv4Network

T = TypeVar("T")

PROPERTIES_FILE = ".testcontainers.properties"
CLIENTS = ("DOCKER_CERT_PATH", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "HOME", "XDG_RUNTIME_DIR")


class Setting(NamedTuple, Generic[T]):
    """One setting: the names it goes by, how its text is read, and its value if it is not set."""

    variables: tuple[str, ...]
    parse: Callable[[str], T]
    default: T
    properties: tuple[str, ...] = ()


class Found(NamedTuple, Generic[T]):
    """The value of a setting and the place it came from."""

    value: T
    source: str
    is_default: bool = False


def one_of(*allowed: str) -> Callable[[str], str]:
    """A reader that takes one of a few words."""

    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"allowed are: {', '.join(allowed)}")
        return text.lower()

    return parse


def boolean(text: str) -> bool:
    """Read yes or no in the spellings of all Testcontainers."""
    words = {**dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True)}
    words.update(dict.fromkeys(("0", "false", "f", "no", "n", "off"), False))
    if text.lower() not in words:
        raise ValueError("allowed are: true, false")
    return words[text.lower()]


def seconds(text: str) -> float:
    """Read a number of seconds above zero."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError("allowed is a number of seconds above 0")
    return value


def count(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("allowed is a whole number from 1")
    return int(text)


def count_or_none(text: str) -> int:
    """Read a whole number, zero included."""
    if not text.isdecimal():
        raise ValueError("allowed is a whole number from 0")
    return int(text)


def reaper_names(text: str) -> tuple[str, ...]:
    """Read names of reapers with commas between them, or ``none``."""
    names = tuple(dict.fromkeys(word.strip() for word in text.lower().split(",") if word.strip()))
    if names == ("none",):
        return ()
    if not names or set(names) - {"guard", "ryuk"}:
        raise ValueError("allowed are: guard, ryuk, both with a comma between them, or none")
    return names


MODES = ("bridge_ip", "gateway_ip", "docker_host")


def mode_names(text: str) -> tuple[str, ...]:
    """Read connection modes with commas between them."""
    names = tuple(word.strip().lower() for word in text.split(",") if word.strip())
    if set(names) - set(MODES):
        raise ValueError(f"allowed are, with commas between them: {', '.join(MODES)}")
    return names


def host_name(text: str) -> str:
    """Read a host's name or address, without a scheme and without a port."""
    is_v6 = text.count(":") > 1
    if "/" in text or "@" in text or (":" in text and not is_v6):
        raise ValueError("allowed is a host's name or address alone, without scheme and port")
    return text.strip("[]")


PULL_POLICIES = ("always", "missing", "never")
_PULL_POLICIES_OF_JAVA = {"AlwaysPullPolicy": "always", "DefaultPullPolicy": "missing"}


def pull_policy(text: str) -> str:
    """Read when images are pulled; the classes that Testcontainers for Java names are known."""
    word = _PULL_POLICIES_OF_JAVA.get(text.rpartition(".")[2], text.lower())
    if word not in PULL_POLICIES:
        raise ValueError(f"allowed are: {', '.join(PULL_POLICIES)}")
    return word


def subnet(text: str) -> IPv4Network:
    """Read a range of IPv4 addresses."""
    from ipaddress import IPv4Network

    try:
        return IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"allowed is a range of addresses, as in 10.123.0.0/16: {error}") from None


CONNECTION_MODE = Setting(
    ("TESTCONTAINERS_CONNECTION_MODE",),
    one_of(*MODES),
    "",
    ("connection.mode",),
)
DOCKER_HOST = Setting(("DOCKER_HOST",), str, "", ("docker.host", "tc.host"))
DOCKER_CONTEXT = Setting(("DOCKER_CONTEXT",), str, "")
HOST_OVERRIDE = Setting(
    ("TC_HOST", "TESTCONTAINERS_HOST_OVERRIDE"), host_name, "", ("host.override",)
)
REQUIRE_MODES = Setting[tuple[str, ...]](("TCUNIT_REQUIRE_MODES",), mode_names, ())
JOIN_NETWORKS = Setting(("TCUNIT_JOIN_NETWORKS",), boolean, False)
IMAGE_PREFIX = Setting(
    ("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX",), str, "", ("hub.image.name.prefix",)
)
IMAGE_SUBSTITUTION = Setting(("TCUNIT_IMAGE_SUBSTITUTION",), str, "")
PULL_POLICY = Setting(("TCUNIT_PULL_POLICY",), pull_policy, "missing", ("pull.policy",))
AUTH_CONFIG = Setting(("DOCKER_AUTH_CONFIG",), str, "", ("docker.auth.config",))
BUILDKIT = Setting[bool | None](("DOCKER_BUILDKIT",), boolean, None)
NET_TOOLS_IMAGE = Setting(("TCUNIT_NET_TOOLS_IMAGE",), str, "nicolaka/netshoot:v0.13")
COMPOSE = Setting(("TCUNIT_COMPOSE",), str, "")
START_TIMEOUT = Setting(("TCUNIT_START_TIMEOUT",), seconds, 60.0)
START_WIDTH = Setting(("TCUNIT_START_WIDTH",), count, 16)
TEAR_DOWN = Setting(("TCUNIT_TEAR_DOWN",), one_of("background", "wait"), "background")
FAILURE_LINES = Setting(("TCUNIT_FAILURE_LINES",), count_or_none, 10)
ARTIFACTS = Setting(("TCUNIT_ARTIFACTS",), str, "")
KEEP = Setting(("TCUNIT_KEEP",), one_of("on-failure"), "")
REAPERS = Setting[tuple[str, ...]](("TCUNIT_REAPERS",), reaper_names, ("guard", "ryuk"))
REUSE = Setting(("TESTCONTAINERS_REUSE_ENABLE",), boolean, False, ("testcontainers.reuse.enable",))
RYUK_DISABLED = Setting(("TESTCONTAINERS_RYUK_DISABLED",), boolean, False, ("ryuk.disabled",))
RYUK_IMAGE = Setting(
    ("RYUK_CONTAINER_IMAGE", "TESTCONTAINERS_RYUK_CONTAINER_IMAGE"),
    str,
    "testcontainers/ryuk:0.14.0",
    ("ryuk.container.image", "ryuk.image"),
)
RYUK_PRIVILEGED = Setting(
    ("TESTCONTAINERS_RYUK_PRIVILEGED", "TESTCONTAINERS_RYUK_CONTAINER_PRIVILEGED"),
    boolean,
    False,
    ("ryuk.container.privileged",),
)
RYUK_RECONNECTION_TIMEOUT = Setting(
    ("RYUK_RECONNECTION_TIMEOUT", "TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT"),
    str,
    "",
    ("ryuk.reconnection.timeout",),
)
RYUK_ON_ALL_INTERFACES = Setting(("TCUNIT_RYUK_ON_ALL_INTERFACES",), boolean, False)
SSHD_IMAGE = Setting(
    ("SSHD_CONTAINER_IMAGE", "TESTCONTAINERS_SSHD_CONTAINER_IMAGE"),
    str,
    "testcontainers/sshd:1.3.0",
    ("sshd.container.image",),
)
SOCKET_OVERRIDE = Setting(
    ("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE",), str, "", ("docker.socket.override",)
)
TIMINGS = Setting(("TCUNIT_TIMINGS",), str, "")
SUBNETS: Setting[IPv4Network | None] = Setting(("TCUNIT_SUBNETS",), subnet, None)
WITHOUT_ENGINE = Setting(("TCUNIT_WITHOUT_ENGINE",), one_of("fail", "skip"), "fail")


def home() -> Path:
    """The home directory; for a user who has none, a place where nothing is."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


class Settings:
    """Reads settings from an environment and a properties file, each on demand.

    Both can be given, for tests; the default is the process's environment and the file
    ``.testcontainers.properties`` in the home directory.
    """

    def __init__(
        self, environ: Mapping[str, str] | None = None, properties_file: Path | None = None
    ) -> None:
        self.environ = os.environ if environ is None else environ
        self._file = properties_file

    @cached_property
    def properties_file(self) -> Path:
        """Where the properties are read from."""
        return self._file or home() / PROPERTIES_FILE

    @property
    def docker_config_file(self) -> Path:
        """Docker's own configuration: in ``DOCKER_CONFIG``, or in the home directory."""
        folder = self.environ.get("DOCKER_CONFIG")
        return (Path(folder) if folder else home() / ".docker") / "config.json"

    @cached_property
    def properties(self) -> Mapping[str, str]:
        """What the properties file holds, read as Java does; empty where there is no file."""
        try:
            text = self.properties_file.read_text("utf-8-sig")  # some editors mark it as UTF-8
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(
                f"{self.properties_file} cannot be read ({error}): make it readable, or remove it"
            ) from error
        import javaproperties

        try:
            loaded: dict[str, str] = javaproperties.loads(text)
        except ValueError as error:
            raise SettingError(
                f"{self.properties_file} is no Java properties file ({error}): correct that line"
            ) from error
        return loaded

    def seen(self) -> Mapping[str, str | None]:
        """All that decides how and where something starts, to see whether it has changed."""
        names = [
            name
            for each in globals().values()
            if isinstance(each, Setting)
            for name in each.variables
        ]
        found = {name: self.environ.get(name) for name in (*names, *CLIENTS)}
        return {**self.properties, **found}

    def find(self, setting: Setting[T]) -> Found[T]:
        """The value of a setting with its source; its default where it is set nowhere.

        Raises:
            SettingError: the value cannot be read; names the source and what is allowed.
        """
        for name in setting.variables:
            if text := self.environ.get(name, "").strip():
                return Found(_parsed(setting, text, f"environment variable {name}"), name)
        for key in setting.properties:
            if text := self.properties.get(key, "").strip():
                source = f"property {key} in {self.properties_file}"
                return Found(_parsed(setting, text, source), source)
        return Found(setting.default, "default", is_default=True)

    def get(self, setting: Setting[T]) -> T:
        """The value of a setting; its default where it is set nowhere."""
        return self.find(setting).value


def _parsed(setting: Setting[T], text: str, source: str) -> T:
    try:
        return setting.parse(text)
    except ValueError as error:
        raise SettingError(f"{source} has the value {text!r}: {error}") from error
