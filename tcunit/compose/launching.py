"""From what was asked for of a stack to services that are ready.

Compose is asked what the files mean, then to make that with our labels; what it made is looked up
by one listing. Nothing is removed here: the entry in the ledger says how.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from .. import _session, timings
from .._docker import Resource
from ..errors import ComposeError, DeclarationError, EngineError, StartCancelled, StartErrors
from ..images import resolved_name
from ..inspected import state_of
from ..jobs import side_by_side
from ..late import made
from ..lifecycle.declared import Declared, Launch
from ..lifecycle.ledger import CONTAINER, IMAGE, NETWORK, PROJECT, VOLUME, Entry, ledger
from ..masking import Secrets
from ..ports import Port
from ..progress import board
from ..running import RunningContainer
from .asked import Asked, Value
from .bases import changed_builds
from .cli import environment_for, find_compose
from .command import Command
from .coverage import Measurements
from .model import Json, Model, further_file
from .project import Calls, ProjectEntry, run_up
from .pulling import pull
from .service import (
    NUMBER_LABEL,
    ONE_OFF_LABEL,
    SERVICE_LABEL,
    ComposeNetwork,
    ComposeService,
    ServiceWaitStrategy,
    Stack,
    attached,
)

LONGEST_PROJECT = 40


class StackLaunching:
    """One start of one stack.

    Attributes:
        calls: how Compose is called for it; set by :meth:`run`.

    Args:
        owner, stem: what the name of its project is made of.
    """

    calls: Calls

    def __init__(self, stack: Stack, asked: Asked, launch: Launch, owner: str, stem: str) -> None:
        self.stack, self.asked, self.launch = stack, asked, launch
        self.project = _session.resource_name(owner, stem, LONGEST_PROJECT).lower()
        self.model = Model(self.project)
        self.built: Mapping[str, str] = {}  # the images that go at the end, by service
        self._builds: Mapping[str, Json] = {}  # what they are to do otherwise, by service
        self.entry: ProjectEntry | None = None
        self.measurements: Measurements | None = None
        self.services: dict[tuple[str, int], ComposeService] = {}
        self.networks: dict[str, ComposeNetwork] = {}

    def run(self) -> None:
        """Have Compose make it, and wait until its services are ready.

        Raises:
            ComposeError: Compose is missing, or failed.
            NotReady: a service was not ready in time.
            ContainerDied: a service ended first.
        """
        self.calls = self._calls()
        self.model = self.calls.model()
        self._check_services()
        self.measurements = Measurements(
            self.asked.measured, self.launch.measured, self.model, self.stack.label
        )
        self.launch.admit(self.stack.label)
        with timings.spent("pull"):
            pull(self.model, self.asked, self.launch)
        with timings.spent("create"):
            self._up()
        self._attach()
        with timings.spent("wait"):
            self._await_ready()

    def network(self, key: str) -> ComposeNetwork:
        """A network that it has made."""
        if key not in self.model.networks:
            known = ", ".join(self.model.networks) or "none"
            raise DeclarationError(
                f"{self.stack.label} makes no network {key!r}; it makes: {known}"
            )
        if key not in self.networks:
            self.networks[key] = ComposeNetwork(self.stack, key)
            self.networks[key].attach(self.launch, self.model.networks[key])
        return self.networks[key]

    # -- making -----------------------------------------------------------------------------------

    def _calls(self) -> Calls:
        asked, settings = self.asked, self.launch.settings
        given = {name: self._value(name, each) for name, each in asked.env.items()}
        return Calls(
            find_compose(settings), self.stack.label, self.project,
            [each.absolute() for each in asked.files], asked.options(), asked.services, given,
            {**environment_for(self.launch.engine, settings.environ), **given},
            asked.env_files or asked.usual_env_files(),
        )  # fmt: skip

    def _value(self, name: str, value: Value) -> str:
        if isinstance(value, Declared):
            thing: Any = self.launch.resolve(value)
            return str(thing.name)
        return str(made(self.stack.label, f"the late value of {name}", value, self.launch))

    def _check_services(self) -> None:
        for method, named in (
            ("waiting_for", self.asked.waits), ("with_coverage", self.asked.measured)
        ):  # fmt: skip
            if unknown := sorted(set(named) - set(self.model.services)):
                raise DeclarationError(
                    f"{self.stack.label}: {method}({unknown[0]!r}, …): no such service is started, "
                    f"but {', '.join(sorted(self.model.services))}. Is it in services=… and its "
                    f"profile in profiles=…?"
                )

    def _up(self) -> None:
        asked, model, calls = self.asked, self.model, self.calls
        self.built = model.built if asked.remove_images != "none" else {}
        entry = ProjectEntry(
            self.launch.engine, PROJECT, self.project, told=[*model.names, *self.built.values()],
            images=model.images(self._resolve) if asked.remove_images == "all" else (),
        )  # fmt: skip
        builds = changed_builds(model, self._resolve, calls.environ)
        with ledger.entering(entry) as self.entry, builds as self._builds:
            try:
                if self.measurements:
                    self._up_measured(self.measurements)
                else:
                    self._run({}, asked.options_of_up(self.launch.settings, not model.made))
            except ComposeError as error:
                words = calls.secrets(model).mask(self._last_words())
                raise ComposeError(f"{error}{words}") from None

    def _up_measured(self, measurements: Measurements) -> None:
        """Have the containers created, put in what measures them, and have them started."""
        assert self.entry is not None
        create = self.asked.options_of_create(self.launch.settings, not self.model.made)
        before = measurements.additions()
        self._run(before, create)
        self._attach()
        additions = measurements.additions(self.services.values())
        if additions != before:  # it took the images to know
            for each in self.services.values():  # Compose would keep volumes that nobody removes
                if additions.get(each.service) != before.get(each.service):
                    self.launch.engine.remove_container(each.running.id)
            self._run(additions, create)
            self._attach()
        self.entry.before_removal = measurements.put_in(self.services.values())
        self._run(additions, self.asked.options_of_start(self.launch.settings))

    def _run(self, additions: Mapping[str, Json], options: list[str]) -> None:
        """Run one ``up`` to its end, and show what it builds."""
        assert self.entry is not None
        further = further_file(self.model, self._resolve, self.built, additions, self._builds)
        command = self.calls.up(further, options)
        self.entry.begin(command)
        with self._shown(command, options):
            run_up(command, self.calls, self.model, self.launch.is_cancelled)

    @contextlib.contextmanager
    def _shown(self, command: Command, options: list[str]) -> Iterator[None]:
        """Show the progress of what an ``up`` builds, if that is anything."""
        names = [] if "--no-build" in options else self._to_build("--build" in options)
        if not names:
            yield
            return
        mask = self.calls.secrets(self.model).mask
        with board.task("building", "built", ", ".join(names)) as task:
            command.hear = lambda line: task.at(mask(line))
            yield

    def _to_build(self, anew: bool) -> list[str]:
        """How the services are called whose images an ``up`` would build."""
        has, model = self.launch.engine.images.has, self.model
        return [
            f"{self.stack.label}.{name}"
            for name, each in model.services.items()
            if "build" in each and (anew or name in model.built or not has(each["image"]))
        ]

    def _resolve(self, image: str) -> str:
        """What an image is called here; one that the stack builds, as its file says."""
        if image in self.model.made:
            return image
        return resolved_name(image, self.launch.settings)

    def _made(self) -> list[Resource]:
        """The containers that Compose has made; takes note of all that can be kept."""
        assert self.entry is not None
        engine = self.launch.engine
        found = [
            each
            for each in engine.containers_labelled(f"{_session.PROJECT_LABEL}={self.project}")
            if each.labels.get(ONE_OFF_LABEL) != "True" and _session.is_ours(each.name, each.labels)
        ]
        self.entry.made = [
            *(Entry(engine, CONTAINER, each.name, each.id) for each in found),
            *(Entry(engine, NETWORK, name) for name in self.model.networks.values()),
            *(Entry(engine, VOLUME, name) for name in self.model.volumes.values()),
            *(Entry(engine, IMAGE, name) for name in self.built.values()),
        ]
        return found

    def _last_words(self) -> str:
        """What those containers logged last for which an ``up`` has failed."""
        with contextlib.suppress(EngineError):
            self._attach()
            return "".join(_last_words(each.running) for each in self.services.values())
        return ""

    # -- attaching --------------------------------------------------------------------------------

    def _attach(self) -> None:
        made = [(self._service_of(each), each) for each in self._made()]
        self.services = {(each.service, each.index): each for each, _ in sorted(made, key=_order)}
        jobs = [functools.partial(self._attach_one, *each) for each in made]
        if errors := side_by_side(jobs):
            raise errors[0]
        by_id = {each.running.id: each.running for each in self.services.values()}
        for running in by_id.values():
            mode = str(running.info["HostConfig"].get("NetworkMode") or "")
            running.host_of = by_id.get(mode.removeprefix("container:"))

    def _service_of(self, container: Resource) -> ComposeService:
        number = container.labels.get(NUMBER_LABEL, "1")
        return ComposeService(self.stack, container.labels[SERVICE_LABEL], int(number))

    def _attach_one(self, service: ComposeService, container: Resource) -> None:
        running = attached(self.launch, container, service)
        published = running.info["HostConfig"].get("PortBindings") or {}
        default = self.asked.otherwise or ServiceWaitStrategy([Port.parse(p) for p in published])
        service.attach(running, self.asked.waits.get(service.service, default))

    def _await_ready(self) -> None:
        """Wait for all of them side by side; the first that fails ends the others' waits."""
        failed = threading.Event()
        services = list(self.services.values())
        for each in services:
            each.running.is_cancelled = lambda: failed.is_set() or self.launch.is_cancelled()
        case, _ = timings.current()
        errors = side_by_side([functools.partial(_wait, each, failed, case) for each in services])
        causes = [each for each in errors if not isinstance(each, StartCancelled)] or errors
        if len(causes) > 1:
            raise StartErrors(f"{len(causes)} services of {self.stack.label} failed", causes)
        if causes:
            raise causes[0]
        for each in services:
            each.running.is_cancelled = None


def _order(made: tuple[ComposeService, Resource]) -> tuple[str, int]:
    return made[0].service, made[0].index


def _wait(service: ComposeService, failed: threading.Event, case: str) -> None:
    """Wait for one service in a thread of its own, and tell the others if it fails."""
    try:
        with timings.spent("wait", case, service.label):
            service.await_ready()
    except BaseException:
        failed.set()
        raise


def _last_words(running: RunningContainer) -> str:
    """What a container logged last, if it has failed."""
    state = state_of(running.info)
    has_failed = state.health == "unhealthy" if state.running else state.exit_code != 0
    if not has_failed:
        return ""
    text = f"\n{running.description}: {state}{running.log_tail()}"
    return Secrets.of(running.info).mask(text)
