"""What a Compose file means, by Compose's own word, and what we add to it. Pure.

All that Compose will create gets our labels, by a further file that it reads after the user's. They
are those by which clean-up goes: the session's, and each thing's own name. The containers of a
service have the service's name there, because only Compose numbers them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .. import _session
from ..errors import ComposeError
from ..masking import LONG, Secrets, is_secret

Json = dict[str, Any]

# What a service may have by which it reaches what others use, too.
SHARED = {"cgroup_parent", "container_name", "device_cgroup_rules", "devices", "gpus", "ipc",
          "network_mode", "pid", "privileged", "provider", "userns_mode", "uts", "volumes_from",
          "external_links", "use_api_socket"}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """The services, networks and volumes of a project that Compose would create."""

    project: str
    services: Mapping[str, Json] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    is_apart: bool = False

    @classmethod
    def read(cls, project: str, text: str) -> Model:
        """What ``docker compose config --format json`` said.

        Raises:
            ComposeError: it is no such thing, or holds what no net could clean up after.
        """
        try:
            said: Json = json.loads(text)
        except ValueError as error:
            raise ComposeError(f"what Compose says of its file is no JSON: {error}") from error
        services = said.get("services") or {}
        for name, each in services.items():
            if "provider" in each:
                raise ComposeError(
                    f"the service {name} has a provider, and what that creates is not on the "
                    f"engine, where it could be cleaned up: leave it out with services=…"
                )
        apart = all(map(_is_apart, services.values())) and _are_apart(project, said)
        return cls(project, services, _own(said, "networks"), _own(said, "volumes"), apart)

    @property
    def built(self) -> dict[str, str]:
        """The images that are built and have no name in the file, by service."""
        return {
            name: f"{self.project}-{name}:latest"
            for name, each in self.services.items()
            if "build" in each and not each.get("image")
        }

    def images(self, resolve: Callable[[str], str] = str) -> list[str]:
        """The images that have a name in the file, as they are called on the engine."""
        return [
            str(each["image"]) if "build" in each else resolve(each["image"])
            for each in self.services.values()
            if each.get("image")
        ]

    @property
    def made(self) -> set[str]:
        """The names in the file of images that are built."""
        every = self.services.values()
        return {str(each["image"]) for each in every if "build" in each and each.get("image")}

    @property
    def needs(self) -> dict[str, list[str]]:
        """The services that must be there before others, by those."""
        return {
            name: [each for each in service.get("depends_on") or () if each in self.services]
            for name, service in self.services.items()
        }

    def name_of(self, service: str) -> str:
        """The name of a service's containers, without their number."""
        return str(self.services[service].get("container_name") or f"{self.project}-{service}")

    @property
    def names(self) -> list[str]:
        """The names that the labels of everything have."""
        services = [self.name_of(each) for each in self.services]
        return [*services, *self.networks.values(), *self.volumes.values()]


def _own(said: Json, kind: str) -> dict[str, str]:
    """The names of networks or volumes, by their keys, without those of somebody else."""
    return {
        key: str(each["name"])
        for key, each in (said.get(kind) or {}).items()
        if not each.get("external")
    }


def _is_apart(service: Json) -> bool:
    """Whether a service uses nothing of the host or the engine that others may use after it."""
    mode = str(service.get("network_mode") or "none")
    kept = {key for key in SHARED if service.get(key)} - {"network_mode"}
    return not (
        kept
        or (mode != "none" and not mode.startswith("service:"))
        or any(each.get("published") for each in service.get("ports") or ())
        or any(
            each.get("type") not in ("volume", "tmpfs") and not each.get("read_only")
            for each in service.get("volumes") or ()
        )
    )


def _are_apart(project: str, said: Json) -> bool:
    """Whether all networks and volumes are new ones of the project, with nothing fixed."""
    every = [*(said.get("networks") or {}).values(), *(said.get("volumes") or {}).values()]
    return all(
        str(each["name"]).startswith(f"{project}_")
        and not each.get("external")
        and not each.get("driver_opts")
        and not (each.get("ipam") or {}).get("config")
        for each in every
    )


def further_file(
    model: Model,
    resolve: Callable[[str], str],
    built: Mapping[str, str],
    additions: Mapping[str, Json] = MappingProxyType({}),
    builds: Mapping[str, Json] = MappingProxyType({}),
) -> str:
    """The file that is to be read after the user's: our labels, and the names of images.

    Args:
        resolve: what an image is called here, where it is not built.
        built: the images that are to be known for ours, by the service that builds them.
        additions: what services are to have more.
        builds: what the builds of services are to do otherwise.
    """
    services: dict[str, Json] = {}
    for name, each in model.services.items():
        labels = _session.labels(model.name_of(name))
        services[name] = {**additions.get(name, {}), "labels": labels}
        if each.get("image") and "build" not in each:
            services[name]["image"] = resolve(each["image"])
    for name, change in builds.items():
        services[name]["build"] = dict(change)
    for name, image in built.items():
        # The project's label, too, because not every builder has it from Compose.
        of_image = {**_session.labels(image), _session.PROJECT_LABEL: model.project}
        services[name].setdefault("build", {})["labels"] = of_image
    return json.dumps(
        {
            "services": services,
            "networks": _labelled(model.networks),
            "volumes": _labelled(model.volumes),
        }
    ).replace("$", "$$")


def _labelled(names: Mapping[str, str]) -> Json:
    return {key: {"labels": _session.labels(name)} for key, name in names.items()}


def plain(text: object) -> str:
    """A value as it is: Compose doubles a "$" where it says what a file means."""
    return str(text).replace("$$", "$")


def secrets_of(
    given: Iterable[tuple[str, str]], environ: Mapping[str, str], model: Model
) -> Secrets:
    """What must not be shown of what a command says: secrets of the test, and of the services.

    Args:
        given: variables that the test sets, itself or by a file.
        environ: those of the process, of which only long values are told from other words.
    """
    pairs = [*given]
    for each in model.services.values():
        found = each.get("environment") or {}
        pairs += [(name, plain(value)) for name, value in found.items() if value is not None]
    public = {value for name, value in pairs if not is_secret(name)}
    pairs += [(name, value) for name, value in environ.items() if len(value) >= LONG]
    secret = {value for name, value in pairs if is_secret(name) and value}
    images = " ".join(model.images())
    return Secrets(frozenset(value for value in secret - public if value not in images))
