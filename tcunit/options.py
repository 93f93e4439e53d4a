"""The ``with_…`` methods: how a declaration collects its request.

Each checks what it is given at once, changes the declaration, and returns it. Those about files are
in :mod:`.storage`, those about limits and rights in :mod:`.limits`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from types import MappingProxyType
from typing import Any, Self

from . import _session
from .errors import DeclarationError
from .images import check_pull_policy
from .lifecycle.declared import Declared, declared, dependencies
from .limits import LimitOptions
from .measured import Measured
from .network import Network, check_network
from .ports import Port, PortLike, host_port
from .request import Attachment, Command, ContainerRequest, Late, merged
from .sharing import is_run_scope_shared
from .storage import StorageOptions
from .wait import WaitStrategy


class ContainerOptions(StorageOptions, LimitOptions):
    """What can be asked for of a container."""

    # -- what runs --------------------------------------------------------------------------------

    def with_command(self, command: Command) -> Self:
        """Run another command than the image's: a string, split as a shell would, or a list."""
        settled = command if isinstance(command, str) else tuple(command)
        return self._with("with_command", command=settled)

    def with_env(self, key: str, value: Late | int | float) -> Self:
        """Set an environment variable.

        A callable is called when everything that the container depends on is ready. A bound method
        of another declaration makes that one a dependency.
        """
        return self.with_envs(**{_variable(key): value})

    def with_envs(self, /, **variables: Late | int | float) -> Self:
        """Set several environment variables."""
        settled = {_variable(name): _value(name, value) for name, value in variables.items()}
        env = MappingProxyType({**self._request.env, **settled})
        return self._with("with_env", env=env)

    def with_env_file(self, path: str | PathLike[str]) -> Self:
        """Set the environment variables in a file, which is read at the start.

        The file is as for ``docker run --env-file``: a ``NAME=value`` in each line, all of it as
        it stands, and ``#`` before a comment. Variables of :meth:`with_env` win, as does the later
        of two files.
        """
        if not isinstance(path, str | PathLike) or not fspath(path):
            raise DeclarationError(f"with_env_file: {path!r} is no path")
        return self._with("with_env_file", env_files=(*self._request.env_files, fspath(path)))

    def with_name(self, name: str) -> Self:
        """Give the container a fixed name; by default it has one that says where it comes from."""
        return self._with("with_name", name=name)

    def with_labels(self, labels: Mapping[str, str]) -> Self:
        """Add labels; ``org.testcontainers…`` are reserved."""
        _session.check_labels(labels)
        return self._with("with_labels", labels={**self._request.labels, **labels})

    def with_platform(self, platform: str) -> Self:
        """Ask for the image of a platform, as in ``"linux/arm64"``."""
        return self._with("with_platform", platform=platform)

    def with_pull_policy(self, policy: str) -> Self:
        """Pull its image ``"always"`` (once in a run), where it is ``"missing"``, or ``"never"``.

        By default the settings say that: ``TCUNIT_PULL_POLICY``, else ``missing``.
        """
        check_pull_policy(policy or "no policy")
        return self._with("with_pull_policy", pull_policy=policy)

    def with_kwargs(self, **options: Any) -> Self:
        """Add options of the SDK that have no method here, as in ``oom_score_adj=500``.

        They add up: a second call adds to lists and dicts and replaces single values.
        """
        self._refuse_change("with_kwargs")
        options = dict(options)
        if "network_mode" in options:
            self.with_network_mode(options.pop("network_mode"))
        given = [options.pop(name) for name in ("volumes", "binds") if name in options]
        if given:
            options["binds"] = [word for binds in given for word in _bind_words(binds)]
        if not isinstance(hosts := options.get("extra_hosts", {}), Mapping):
            options["extra_hosts"] = dict(each.split(":", 1) for each in hosts)
        return self._with("with_kwargs", options=merged(self._request.options, options))

    # -- ports ------------------------------------------------------------------------------------

    def with_exposed_ports(self, *ports: PortLike) -> Self:
        """Publish ports of the container on ports of the host that are chosen at random."""
        known = dict.fromkeys([*self._request.exposed, *map(Port.parse, ports)])
        return self._with("with_exposed_ports", exposed=tuple(known))

    def with_bind_ports(self, container: PortLike, host: int | str | None = None) -> Self:
        """Publish a port on a fixed port of the host.

        Prefer :meth:`with_exposed_ports`: a fixed port can be taken, and serves one run at a time.
        """
        port = Port.parse(container)
        number = None if host is None else host_port(host)
        others = tuple(each for each in self._request.bound if each != (port, number))
        return self._with("with_bind_ports", bound=(*others, (port, number)))

    def with_ports_on_all_interfaces(self) -> Self:
        """Let the published ports listen on every address of the engine's host.

        By default those of an engine on this machine listen on loopback and on the network's
        gateway only, where nobody else's traffic comes from.
        """
        return self._with("with_ports_on_all_interfaces", on_all_interfaces=True)

    def _with_service_ports(self, *ports: PortLike) -> Self:
        """Ports of a ready-made container: published where they can be, no error where not."""
        known = tuple(map(Port.parse, ports))
        return self._with("_with_service_ports", service_ports=known)

    # -- networks ---------------------------------------------------------------------------------

    def with_network(self, network: Network | str, *aliases: str) -> Self:
        """Put it on a network, with aliases for this network alone; call again for further ones."""
        network = declared(network)
        check_network(network)
        attachment = Attachment(network, _names(aliases))
        return self._with("with_network", attachments=(*self._request.attachments, attachment))

    def with_network_aliases(self, *aliases: str | Iterable[str]) -> Self:
        """Let others on its networks find it by these names; a list and plain arguments both do."""
        known = dict.fromkeys([*self._request.aliases, *_names(aliases)])
        return self._with("with_network_aliases", aliases=tuple(known))

    def with_network_mode(self, mode: str | Declared) -> Self:
        """Use ``"host"``, ``"none"``, or the network of another container.

        The other container is given itself, or as ``"container:NAME"``.
        """
        mode = declared(mode)
        if not isinstance(mode, Declared) and (not isinstance(mode, str) or not mode):
            raise DeclarationError(
                f"{mode!r} is no network mode: give 'host', 'none', 'container:NAME' or a container"
            )
        return self._with("with_network_mode", network_mode=mode)

    def with_host_port_access(self, *ports: int | Callable[[], int]) -> Self:
        """Let it reach servers in the test process as ``host.testcontainers.internal``.

        It reaches the ports of :func:`tcunit.expose_host_port`, and those that are given here, as
        long as it lives. The servers may listen on loopback; nobody else can reach them by this.

        Args:
            ports: numbers, or callables that give one at the start.
        """
        from .host_ports import checked

        known = list(self._request.host_ports or ())
        known += [each if callable(each) else checked(each) for each in ports]
        return self._with("with_host_port_access", host_ports=tuple(known))

    # -- order ------------------------------------------------------------------------------------

    def depends_on(self, *others: Declared | Iterable[Declared]) -> Self:
        """Start it only when others are ready."""
        known = self._request.dependencies
        return self._with("depends_on", dependencies=(*known, *dependencies(others)))

    def with_reset(self, hook: Callable[[Any], object] | None = None) -> Self:
        """Bring its state back before each test but the first, which is faster than a new one.

        Args:
            hook: called with the started container; may be a coroutine function. Without one, the
                container must know how: PostgreSQL goes back to how the first test found it, Redis
                is flushed.
        """
        if hook is not None and not callable(hook):
            raise DeclarationError(
                f"with_reset({hook!r}): give a callable that takes the container"
            )
        if hook is None and not self._knows_reset:
            raise DeclarationError(
                f"with_reset(): {type(self).__name__} does not know how to go back: give a "
                f"callable that takes the started container"
            )
        return self._with("with_reset", reset=hook or True)

    _knows_reset = False

    def with_reuse(self, reuse: bool = True) -> Self:
        """Use the same container in all processes that declare the same one.

        It is found by a hash of all that was declared, with the image, the contents of what is
        mounted read-only, and late values. What it needs has to be shared, too. The last process
        that uses it removes it, or keeps it for the next run where ``TESTCONTAINERS_REUSE_ENABLE``
        is set (property ``testcontainers.reuse.enable``).

        Raises:
            DeclarationError: when it is checked, if it is also reset between tests, or lives for
                one test: others use it at the same time.
        """
        return self._with("with_reuse", reuse=bool(reuse))

    @property
    def is_shared(self) -> bool:
        """Whether other processes use the same one."""
        asked = self._prepared or self._request
        if asked.measured is not None and _is_measured_here():
            return False  # what it brings belongs to one process
        is_implied = is_run_scope_shared() and self.scope == "run" and not asked.reset
        return asked.reuse or (
            is_implied
            and all(each.is_shared for each in self.needs() if isinstance(each, Declared))
        )

    def _refuse_if_shared(self, what: str) -> None:
        if self.is_shared:
            raise DeclarationError(
                f"{self.label} cannot be {what}, because other processes use it at the same time: "
                f"leave with_reuse() away, or let each test have names of its own in it"
            )

    def _refuse_reuse_for_a_test(self, asked: ContainerRequest) -> None:
        if asked.reuse and self.scope == "test":
            raise DeclarationError(
                f"{self.label}: with_reuse() and with_scope('test') exclude each other, because "
                f"what is shared is not started anew: keep one of them"
            )

    def with_warm_start(self, warm: bool = True) -> Self:
        """Initialise it once, and let later starts begin with the state in which it was ready then.

        The state is kept as an image on the engine, found by a hash of all that was declared and of
        the image. The first start takes longer, because the container is stopped in order, saved,
        and started again. ``python -m tcunit clean`` removes such images.

        Raises:
            DeclarationError: when it is checked, if it could keep something outside of itself.
        """
        return self._with("with_warm_start", warm=bool(warm))

    def with_coverage(
        self,
        source: str | Iterable[str] = (),
        paths: Mapping[str, str | PathLike[str]] = MappingProxyType({}),
    ) -> Self:
        """Measure the Python that runs in it, and add that to the coverage of this process.

        Nothing happens unless this process is measured, as by ``coverage run``. The image needs no
        coverage. The container is stopped gently at its end, which takes up to 10 s.

        Args:
            source: names of packages, or folders of the container. By default all code counts
                whose place on this host is known.
            paths: the folder here for folders of the container, as in ``{"/app": "src"}``. What is
                mounted or copied in is known already.
        """
        return self._with("with_coverage", measured=Measured.of(source, paths))

    def waiting_for(self, strategy: WaitStrategy) -> Self:
        """Say when it is ready; see :mod:`tcunit.wait`."""
        if not isinstance(strategy, WaitStrategy):
            raise DeclarationError(
                f"{strategy!r} is no wait strategy: give one, as in waiting_for(wait.for_port(80))"
            )
        return self._with("waiting_for", wait=strategy)


def _variable(name: object) -> str:
    if not isinstance(name, str) or not name or "=" in name:
        raise DeclarationError(f"{name!r} is no name of an environment variable")
    return name


def _value(name: str, value: Late | int | float) -> Late:
    if callable(value):
        return value
    if value is None or not isinstance(value, str | int | float):
        raise DeclarationError(
            f"the value of {name} is a {type(value).__name__}: give a string, a number, or a "
            f"callable that returns one"
        )
    return str(value)


def _bind_words(binds: Mapping[str, Any] | Iterable[str]) -> list[str]:
    """Bind mounts as words, from either form that the SDK takes, so that both add up."""
    if not isinstance(binds, Mapping):
        return list(binds)
    places = {
        source: place if isinstance(place, Mapping) else {"bind": place}
        for source, place in binds.items()
    }
    return [f"{source}:{to['bind']}:{_bind_mode(to)}" for source, to in places.items()]


def _bind_mode(place: Mapping[str, Any]) -> str:
    mode = "ro" if place.get("ro") else place.get("mode", "rw")
    return ",".join(filter(None, [mode, place.get("propagation")]))


def _several(given: object) -> list[Any]:
    """What was given, as a list; a single thing is a list of one."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


def _names(aliases: Sequence[str | Iterable[str]]) -> tuple[str, ...]:
    found: list[str] = []
    for alias in aliases:
        found += _several(alias)
    for name in found:
        if not isinstance(name, str) or not name.strip():
            raise DeclarationError(f"{name!r} is no network alias: give a host name")
    return tuple(found)


def _is_measured_here() -> bool:
    from .measuring import is_measured_here  # which few ask for

    return is_measured_here()
