"""A container of testcontainers-python as one of ours.

It is made when its turn comes, because its constructor already talks to an engine; what it creates
is ours (see :mod:`.client`). So it starts in the graph, and assertions, faults, addresses, evidence
and clean-up are those of any container.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, overload

from .. import timings
from .._docker.refusals import NotThere, translated
from ..container import DockerContainer
from ..errors import (
    CleanupError,
    DeclarationError,
    EngineError,
    StartError,
)
from ..lifecycle.declared import Launch, declared
from ..measured import Measured
from ..network import Network
from ..request import ContainerRequest
from ..wait import WaitStrategy
from .adapting import Adapting, raise_ours
from .client import Guest, client_for
from .library import (
    Unreaped,
    check_library,
    copied_by,
    is_foreign,
    is_idle,
    making,
    twin_of,
    without_prefix,
)

T = TypeVar("T")

ANONYMOUS = "a container of testcontainers-python"


class ForeignContainer(Adapting[T], DockerContainer):
    """A container of testcontainers-python, made and started when its turn comes.

    ``ForeignContainer(KafkaContainer, "confluentinc/cp-kafka:7.6.0")``,
    ``ForeignContainer(lambda: KafkaContainer().with_kraft())``, or an object of the library itself,
    of which each class starts a copy. The methods here add to what the object asks for:
    ``with_network``, ``depends_on``, ``with_scope``, ``with_env``, … What is not found here is
    looked up in the started object, as in ``self.db.get_connection_url()``.

    Args:
        make: the class or function that makes the object, or the object.
        args, kwargs: what ``make`` is called with.
    """

    @overload
    def __init__(self, make: Callable[..., T], *args: Any, **kwargs: Any) -> None: ...
    @overload
    def __init__(self, make: T) -> None: ...
    def __init__(self, make: Any, *args: Any, **kwargs: Any) -> None:
        self._is_copied = is_foreign(make)
        if self._is_copied and not (args or kwargs):
            self._make: Callable[[], Any] = functools.partial(twin_of, make)
        elif callable(make):
            self._make = functools.partial(make, *args, **kwargs)
        else:
            raise DeclarationError(
                f"ForeignContainer({make!r}): give a class or a function that makes a container of "
                f"testcontainers-python, or such a container alone"
            )
        super().__init__(_name_of(make))
        network = declared(getattr(make, "_network", None)) if self._is_copied else None
        if isinstance(network, Network):
            self.with_network(network, *(make._network_aliases or ()))

    def _reset(self) -> None:
        super()._reset()
        self._foreign = None
        self._guest: Guest | None = None

    # -- in a set ---------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Check it, and that the library is there."""
        check_library()
        super().prepare()

    def check(self, request: ContainerRequest | None = None) -> None:
        """Refuse what cannot work: only what is declared as a whole is found again."""
        asked = request or self._request
        for method, is_asked in (("with_reuse", asked.reuse), ("with_warm_start", asked.warm)):
            if is_asked:
                raise DeclarationError(
                    f"{self.label}: {method}() needs all to be known that the container is made "
                    f"of, and a container of testcontainers-python says it when it starts: leave "
                    f"it away, or declare a DockerContainer"
                )
        if asked.measured == Measured():  # what it mounts itself is known at its start
            asked = dataclasses.replace(asked, measured=None)
        super().check(asked)

    def why_not_ahead(self, resolve: Callable[[Any], Any]) -> str:
        """It starts by the library's code."""
        return "is a container of testcontainers-python, which starts by code of its own"

    def launch(self, launch: Launch) -> None:
        """Make it, and let it start itself with what we lend it."""
        asked = self._prepared or self._request
        owner = launch.owner or self._declared_in
        foreign = self._made(launch)
        copied = functools.partial(copied_by, foreign)
        guest = self._guest = Guest(asked, launch, self.label, owner, self._attribute, copied)
        _lend(foreign, guest)
        try:
            with self._as_ours(guest), timings.spent("wait", thing=self.label):
                foreign.start()
        finally:
            self._launching, guest.is_starting = guest.launching, False
        if guest.running is None:
            raise StartError(f"{self.label}: its start() created no container by its own client")
        self._foreign, self._running = foreign, guest.running
        self._running.is_cancelled = launch.is_cancelled
        if asked.wait is not None:
            super().await_ready()
        self._running.was_ready, self._running.is_cancelled = True, None

    def _made(self, launch: Launch) -> Any:
        try:
            with making(), translated(f"{self.label} could not be made"):
                made = self._make()
        except EngineError as error:
            raise StartError(
                f"{error}. It finds the engine by DOCKER_HOST alone: set it to {launch.engine.url}"
            ) from error
        if not is_foreign(made) or not is_idle(made):
            what = "one that is started already" if is_foreign(made) else f"{made!r}"
            raise DeclarationError(f"{self.label} should be {ANONYMOUS}, and is {what}")
        if not self._is_copied:
            made.get_docker_client().client.close()  # it gets another
        return made

    @contextlib.contextmanager
    def _as_ours(self, guest: Guest) -> Iterator[None]:
        """Turn what the library raises into our errors, with the end of the log."""
        try:
            with translated(f"{self.label} could not be started"):
                yield
        except Exception as error:
            running = guest.running
            who = running.description if running is not None else self.label
            raise_ours(error, f"{who}: its own start() failed", guest.why_it_failed, running)

    def await_ready(self, strategy: WaitStrategy | None = None) -> None:
        """Wait until it is ready again, by our strategy and by the library's, if it has one."""
        super().await_ready(strategy)
        foreign, guest = self._foreign, self._guest
        if strategy is not None or foreign is None or guest is None:
            return
        foreign._container.reload()
        vars(foreign).update(_cached_container_info=None)
        if theirs := getattr(foreign, "_wait_strategy", None):
            with self._as_ours(guest):
                theirs.wait_until_ready(foreign)

    def release(self) -> None:
        """Let it stop itself, and remove it."""
        foreign, self._foreign, self._guest = self._foreign, None, None
        try:
            if foreign is not None:
                for entry in self.kept():  # its stop() removes the container
                    entry.take_leave()
                with contextlib.suppress(NotThere), translated(f"{self.label}: its own stop()"):
                    foreign.stop()
        except EngineError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise CleanupError(f"{self.label}: its own stop() failed: {said}") from error
        finally:
            super().release()


def _lend(foreign: Any, guest: Guest) -> None:
    """Give it our client and our networks, and no Ryuk of its own."""
    foreign._docker = client_for(guest, foreign.get_docker_client())
    foreign.image = Unreaped(foreign.image)
    asked, resolve = guest.asked, guest.launch.resolve
    if foreign._network is not None:
        foreign._network = resolve(declared(foreign._network))
    elif asked.attachments:
        first = resolve(asked.attachments[0].network)
        if not isinstance(first, str):
            foreign._network = first
            names = (*asked.aliases, *asked.attachments[0].aliases)
            foreign._network_aliases = foreign._network_aliases or list(names) or None


def _name_of(make: Any) -> str:
    if is_foreign(make):
        return without_prefix(make.image)
    name = str(getattr(make, "__name__", ""))
    return name if name.isidentifier() else ANONYMOUS
