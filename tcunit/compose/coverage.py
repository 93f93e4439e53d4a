"""Coverage of a stack's services: what starts it in them, and what they bring at their end.

What measures is put into a container between its creation and its start. So the containers of a
stack with measured services are created first, and started by a second call to Compose; where
nothing is measured, one call makes all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import EngineError, StartError
from ..jobs import side_by_side
from ..measured import Measured
from ..measuring import FOLDER, Measurement, environment, measurement_of
from ..running import RunningContainer
from .model import Model, plain
from .service import ComposeService

Json = dict[str, Any]


class Measurements:
    """How the services of one start are measured; false where none is.

    Args:
        asked: what was asked for services by their names.
        of_class: what the test class says for all others.
        label: how messages call the stack.

    Raises:
        DeclarationError: it is not known which code of a service is meant, or where it is here.
    """

    def __init__(
        self, asked: Mapping[str, Measured], of_class: Measured | None, model: Model, label: str
    ) -> None:
        self._services = model.services
        found = {
            name: measurement_of(
                asked.get(name), of_class, f"{label}.{name}", mounted(each),
                bool(each.get("read_only")),
            )
            for name, each in model.services.items()
        }  # fmt: skip
        self._by_service = {name: each for name, each in found.items() if each is not None}

    def __bool__(self) -> bool:
        return bool(self._by_service)

    def additions(self, made: Iterable[ComposeService] = ()) -> dict[str, Json]:
        """What services are to have more, by service, as in a Compose file.

        Args:
            made: their containers, as far as they are there: their images may set variables.
        """
        images = {each.service: each.running.image.env for each in made}
        return {
            name: addition(each, self._services[name], images.get(name, ()))
            for name, each in self._by_service.items()
        }

    def put_in(self, made: Iterable[ComposeService]) -> Callable[[], None]:
        """Put everything into containers that were created; returns what fetches the data."""
        pairs = [
            (self._by_service[each.service], each.running)
            for each in made
            if each.service in self._by_service
        ]
        if errors := side_by_side([functools.partial(_put_in, *each) for each in pairs]):
            raise errors[0]

        def bring_home() -> None:
            side_by_side([functools.partial(each.bring_home, running) for each, running in pairs])

        return bring_home


def _put_in(measurement: Measurement, running: RunningContainer) -> None:
    try:
        measurement.put_in(running)
    except EngineError as error:
        raise StartError(f"{running.description} could not be started: {error}") from error


def mounted(service: Json) -> dict[str, str]:
    """The paths of this host that a service mounts, by their paths in its containers."""
    return {
        plain(each["target"]): plain(each["source"])
        for each in service.get("volumes") or ()
        if each.get("type") == "bind"
    }


def addition(measurement: Measurement, service: Json, of_image: Iterable[str]) -> Json:
    """What starts a measurement in a service.

    Args:
        service: what Compose says of it.
        of_image: the variables of its image, as ``NAME=value``.
    """
    path = (service.get("environment") or {}).get("PYTHONPATH")
    given = {} if path is None else {"PYTHONPATH": plain(path)}
    added: Json = {"environment": environment(given, of_image)}
    if measurement.is_read_only:
        added["volumes"] = [{"type": "volume", "target": FOLDER}]
    return added
