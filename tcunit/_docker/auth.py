"""Credentials for registries: from ``DOCKER_AUTH_CONFIG``, then from Docker's own configuration.

Both have the form of ``config.json``: ``auths``, ``credsStore`` and ``credHelpers``, and the SDK
reads them. They are looked up anew for each pull, because tokens expire. A helper that fails does
not stop a pull that needs no credentials; it is told of when the registry refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import SettingError
from ..masking import Secrets
from ..settings import AUTH_CONFIG, Settings

Json = dict[str, Any]


@dataclass(frozen=True)
class Credentials:
    """What the engine is to show to one registry, and in words where it comes from."""

    about: str
    _auth: Json = field(default_factory=dict, repr=False)

    def headers(self) -> dict[str, str]:
        """The header of a call that pulls."""
        if not self._auth:
            return {}
        from docker.auth import encode_header

        encoded: bytes = encode_header(self._auth)
        return {"X-Registry-Auth": encoded.decode()}


@dataclass(frozen=True)
class Configuration:
    """One place that may hold credentials."""

    source: str
    content: Mapping[str, Any] = field(repr=False)
    problem: str = ""

    def look_up(self, registry: str) -> tuple[Json, str]:
        """The credentials for a registry, empty if there are none, and what went wrong."""
        problems = [self.problem] if self.problem else []
        for part in (self._helpers(), {"auths": self.content.get("auths") or {}}):
            try:
                if found := _looked_up(part, registry):
                    return found, ""
            except Unusable as error:
                problems.append(f"{self.source}: {error}")
        return {}, "; ".join(problems)

    def _helpers(self) -> Json:
        return {
            name: self.content[name] for name in ("credsStore", "credHelpers")
            if self.content.get(name)
        }  # fmt: skip


class Unusable(Exception):
    """A part of a configuration that cannot be used; the text has no secret."""


def credentials_for(registry: str, settings: Settings) -> Credentials:
    """The credentials for a registry.

    Raises:
        SettingError: ``DOCKER_AUTH_CONFIG`` cannot be read; its content is not told.
    """
    problems, asked = [], []
    for configuration in _configurations(settings):
        found, problem = configuration.look_up(registry)
        if found:
            about = f"the credentials for {registry} are from {configuration.source}"
            return Credentials(about, found)
        asked.append(configuration.source)
        problems += [problem] if problem else []
    where = " and ".join(asked)
    return Credentials("; ".join([f"{where} have no credentials for {registry}", *problems]))


def _configurations(settings: Settings) -> Iterator[Configuration]:
    found = settings.find(AUTH_CONFIG)
    if found.value:
        content, problem = _read(found.value)
        if problem:
            raise SettingError(
                f"{found.source} {problem}: give it the content of a config.json, as in "
                '{"auths": {"registry.example.com": {"auth": "…"}}}'
            )
        yield Configuration(found.source, content)
    path = settings.docker_config_file
    try:
        content, problem = _read(path.read_text("utf-8"))
    except FileNotFoundError:
        content, problem = {}, ""
    except (OSError, UnicodeDecodeError) as error:
        content, problem = {}, f"cannot be read ({error})"
    yield Configuration(str(path), content, f"{path} {problem}" if problem else "")


def _read(text: str) -> tuple[Json, str]:
    """The object in a JSON text, and what is wrong with it; its content is not told."""
    import json

    try:
        content = json.loads(text)
    except ValueError:
        return {}, "is no JSON"
    if not isinstance(content, dict):
        return {}, "is JSON, but no object"
    sections = {name: content.get(name) or {} for name in ("auths", "credHelpers")}
    if wrong := [name for name, value in sections.items() if not isinstance(value, dict)]:
        return {}, f"has {' and '.join(wrong)}, but not as an object"
    return content, ""


def _looked_up(part: Json, registry: str) -> Json:
    """What the SDK finds in a part of a configuration."""
    import shutil

    import docker.auth
    import docker.errors

    if "auths" in part:
        part = {"auths": _parsed(part["auths"], registry)}
    config = docker.auth.AuthConfig(part)
    helper = config.get_credential_store(registry)
    if helper and not shutil.which(f"docker-credential-{helper}"):
        raise Unusable(f"docker-credential-{helper} is not installed")
    try:
        found: Json = config.resolve_authconfig(registry) or {}
    except docker.errors.DockerException as error:
        raise Unusable(f"docker-credential-{helper} failed: {Secrets().mask(str(error))}") from None
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"docker-credential-{helper} answered with no credentials") from None
    return found


def _parsed(auths: Mapping[str, Any], registry: str) -> Json:
    """The entries for a registry, as the SDK wants them."""
    import docker.auth
    import docker.errors

    found: Json = {}
    for key, entry in auths.items():
        if docker.auth.resolve_index_name(key) != registry:
            continue
        try:
            parsed = docker.auth.AuthConfig.parse_auth(
                {key: _with_auth(entry)}, raise_on_error=True
            )
        except (docker.errors.DockerException, ValueError, TypeError, AttributeError):
            raise Unusable(
                f"its entry for {key} is none: 'auth' is user:password in base64"
            ) from None
        found.update(parsed)
    return found


def _with_auth(entry: Any) -> Any:
    """An entry that has user and password in plain, as Docker itself reads it; an empty one."""
    if not isinstance(entry, dict) or entry.get("auth"):
        return entry
    if "username" in entry and "password" in entry:
        import base64

        pair = f"{entry['username']}:{entry['password']}"
        return {"auth": base64.b64encode(pair.encode()).decode()}
    return {key: value for key, value in entry.items() if key != "auth"}
