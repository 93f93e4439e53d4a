"""Which address reaches a container from here: modes, endpoints, and the reason for each.

Everything here is pure: facts go in, an answer and its reason come out. The facts are gathered in
:mod:`tcunit.facts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import NamedTuple, NoReturn

from .errors import NoAddress, SettingError
from .ports import Port


class ConnectionMode(StrEnum):
    """How tests reach a container: by its own address, its network's gateway, or the host."""

    BRIDGE_IP = "bridge_ip"
    GATEWAY_IP = "gateway_ip"
    DOCKER_HOST = "docker_host"

    @classmethod
    def parse(cls, value: str, source: str) -> ConnectionMode:
        """Read a mode.

        Raises:
            SettingError: names the source, the values that are allowed and the nearest of them.
        """
        try:
            return cls(value.lower() if isinstance(value, str) else value)
        except ValueError:
            from difflib import get_close_matches

            near = get_close_matches(str(value), list(cls), 1)
            hint = f" (did you mean {str(near[0])!r}?)" if near else ""
            raise SettingError(
                f"{source} has the value {value!r}{hint}: allowed are {', '.join(cls)}"
            ) from None


DESKTOP_HOST = "host.docker.internal"
"""By this name containers of Docker Desktop reach its host's loopback."""

_mode_in_use: ContextVar[ConnectionMode | None] = ContextVar("tcunit_mode", default=None)


@contextmanager
def using_connection_mode(mode: ConnectionMode | str) -> Iterator[ConnectionMode]:
    """Look up addresses in a connection mode for a while, in this thread or task.

    It wins over the test case, the environment and the properties, but not over an argument.
    """
    chosen = ConnectionMode.parse(mode, "using_connection_mode()")
    token = _mode_in_use.set(chosen)
    try:
        yield chosen
    finally:
        _mode_in_use.reset(token)


def mode_in_use() -> ConnectionMode | None:
    """The mode of the :func:`using_connection_mode` that is open."""
    return _mode_in_use.get()


class Endpoint(NamedTuple):
    """Where a container's port is reached from here: ``host, port = …``."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Binding(NamedTuple):
    """One published address of a port: what listens on the engine's host."""

    host_ip: str
    host_port: int

    @property
    def is_any(self) -> bool:
        """Whether it listens on every IPv4 address of the host."""
        return self.host_ip in ("", "0.0.0.0")


class EngineFacts(NamedTuple):
    """Where the engine is, as seen from here."""

    kind: str
    hostname: str = ""
    is_desktop: bool = False
    is_rootless: bool = False
    own_container: str = ""
    is_isolated: bool = False
    host_override: str = ""
    override_source: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is reached by a socket of this machine."""
        return self.kind in ("unix", "npipe")

    @property
    def has_host_network(self) -> bool:
        """Whether its bridges can be interfaces of a machine of ours at all."""
        return not (self.is_desktop or self.is_rootless)


class NetworkFacts(NamedTuple):
    """One network, as seen from here.

    ``bridge_here`` is true only where its interface exists in our network namespace, holds the
    gateway's address, and is the interface of *this* engine's network for certain. Podman makes it
    for the first container only: ``bridge_later`` says that it is to be here then.
    """

    name: str
    id: str = ""
    gateway: str = ""
    bridge: str = ""
    bridge_here: bool = False
    is_shared: bool = False
    is_internal: bool = False
    has_ipv6: bool = False
    bridge_later: bool = False


class ContainerFacts(NamedTuple):
    """Where one container is: its address on the chosen network and its published ports."""

    name: str
    ip: str = ""
    gateway: str = ""
    on_host_network: bool = False
    bindings: tuple[tuple[Port, Binding], ...] = ()

    def of(self, port: Port) -> list[Binding]:
        """The published addresses of a port."""
        return [binding for known, binding in self.bindings if known == port]


class Decision(NamedTuple):
    """A connection mode, the rule that chose it and why, and why each earlier rule did not."""

    mode: ConnectionMode
    rule: str
    reason: str
    passed: tuple[tuple[str, str], ...] = ()


class Wish(NamedTuple):
    """A mode that somebody may have asked for, and where."""

    mode: str | None
    source: str


Rule = Callable[[EngineFacts, NetworkFacts | None], tuple[bool, str]]
"""Whether a rule applies, and the facts for or against it."""


def decide(wishes: Sequence[Wish], engine: EngineFacts, network: NetworkFacts | None) -> Decision:
    """The connection mode: the first wish that is one, else what the facts allow."""
    passed: list[tuple[str, str]] = []
    for mode, source in wishes:
        if mode:
            asked = ConnectionMode.parse(mode, source)
            return Decision(asked, source, "it was asked for", tuple(passed))
        passed.append((source, "not set"))
    for name, mode_then, rule in RULES:
        applies, reason = rule(engine, network)
        if applies:
            return Decision(mode_then, name, reason, tuple(passed))
        passed.append((name, reason))
    raise AssertionError("the last rule always applies")


def _bridge_is_here(engine: EngineFacts, network: NetworkFacts | None) -> tuple[bool, str]:
    if not engine.has_host_network:
        kind = "Docker Desktop" if engine.is_desktop else "a rootless engine"
        return False, f"the networks of {kind} are not interfaces of this machine"
    if network is None:
        return False, "it is on no network of its own"
    if not network.bridge:
        return False, f"the network {network.name} has no bridge"
    if not network.bridge_here:
        return False, (
            f"no interface here is {network.bridge}, the bridge of {network.name}, with its "
            f"gateway {network.gateway or '(none)'}, for certain"
        )
    return True, f"{network.bridge}, the bridge of {network.name}, is here and has its gateway"


def _network_is_shared(engine: EngineFacts, network: NetworkFacts | None) -> tuple[bool, str]:
    if not engine.own_container:
        return False, "we run in no container of this engine"
    if network is None or not network.is_shared:
        return False, "our own container is on another network"
    return True, f"our own container is on the network {network.name}"


def _host_is_above(engine: EngineFacts, network: NetworkFacts | None) -> tuple[bool, str]:
    if not engine.own_container:
        return False, "we run in no container of this engine"
    if not engine.is_local:
        return False, f"the engine is reached by {engine.kind} and may be elsewhere"
    if not engine.has_host_network:
        return False, "the gateways of Docker Desktop and of rootless engines publish nothing"
    return True, f"we run in the container {engine.own_container[:12]} of the engine's host"


def _otherwise(engine: EngineFacts, network: NetworkFacts | None) -> tuple[bool, str]:
    where = "this machine" if engine.is_local else f"{engine.hostname} ({engine.kind})"
    return True, f"nothing nearer is proven; the engine is at {where}"


RULES: tuple[tuple[str, ConnectionMode, Rule], ...] = (
    ("the network's bridge is here", ConnectionMode.BRIDGE_IP, _bridge_is_here),
    ("a network is shared", ConnectionMode.BRIDGE_IP, _network_is_shared),
    ("in a container of the engine's host", ConnectionMode.GATEWAY_IP, _host_is_above),
    ("otherwise", ConnectionMode.DOCKER_HOST, _otherwise),
)


def why_not(mode: ConnectionMode, engine: EngineFacts, network: NetworkFacts | None) -> str | None:
    """Why a mode cannot work from here, whoever asks for it; ``None`` where it can."""
    here, no_bridge = _bridge_is_here(engine, network)
    shared, not_shared = _network_is_shared(engine, network)
    if mode is ConnectionMode.BRIDGE_IP:
        return None if here or shared else f"{no_bridge}; {not_shared}"
    if network is not None and network.is_internal:
        return f"the network {network.name} is internal, so no port is published"
    if mode is ConnectionMode.DOCKER_HOST and not engine.own_container:
        return None
    if network is not None and not network.gateway:
        return f"the network {network.name} has no gateway"
    if engine.is_isolated:
        return "our own container is on no network"
    above, not_above = _host_is_above(engine, network)
    return None if here or above else f"{no_bridge}; {not_above}"


def docker_host(engine: EngineFacts, gateway: str) -> str:
    """The address of the engine's host, as seen from here."""
    if engine.host_override:
        return engine.host_override
    if engine.is_desktop and engine.own_container:
        return DESKTOP_HOST
    if engine.is_local:
        return gateway if engine.own_container and gateway else "127.0.0.1"
    return engine.hostname


def host_address(mode: ConnectionMode, engine: EngineFacts, container: ContainerFacts) -> str:
    """The host half of an endpoint.

    Raises:
        NoAddress: the container has none in this mode; says which mode would do.
    """
    if not (container.on_host_network or container.ip or container.bindings):
        _none(container, mode, "it is on no network with addresses")
    if container.on_host_network or mode is ConnectionMode.DOCKER_HOST:
        return docker_host(engine, container.gateway)
    if mode is ConnectionMode.BRIDGE_IP:
        return container.ip or _none(container, mode, "it is on no network with addresses")
    return container.gateway or _none(container, mode, "its network has no gateway")


def endpoint(
    mode: ConnectionMode, engine: EngineFacts, container: ContainerFacts, port: Port
) -> Endpoint:
    """Host and port from one binding.

    Raises:
        NoAddress: the port has no address in this mode.
    """
    host = host_address(mode, engine, container)
    if container.on_host_network or mode is ConnectionMode.BRIDGE_IP:
        return Endpoint(host, port.number)
    found = container.of(port)
    if not found:
        _none(container, mode, f"port {port} is not published")
    fitting = _fitting(host, found)
    if fitting is None:
        listens = ", ".join(each.host_ip for each in found)
        _none(container, mode, f"port {port} is published on {listens}, which {host} is not")
    if fitting.host_ip == "::" and mode is ConnectionMode.DOCKER_HOST and host == "127.0.0.1":
        return Endpoint("::1", fitting.host_port)
    return Endpoint(host, fitting.host_port)


def _fitting(host: str, bindings: Sequence[Binding]) -> Binding | None:
    """The binding that listens on the host address; IPv4 and IPv6 may have different ports."""
    exact = [each for each in bindings if each.host_ip == host]
    any_v4 = [each for each in bindings if each.is_any]
    any_v6 = [each for each in bindings if each.host_ip == "::"]
    by_name = [] if is_ip(host) else list(bindings)
    order = exact + (any_v6 + any_v4 if ":" in host else any_v4 + any_v6) + by_name
    return order[0] if order else None


def is_ip(host: str) -> bool:
    """Whether a host is given by its address, IPv4 or IPv6."""
    from ipaddress import ip_address

    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    return host == "localhost" or (is_ip(host) and ip_address(host).is_loopback)


def listen_addresses(
    engine: EngineFacts, network: NetworkFacts | None
) -> tuple[tuple[str, ...], str]:
    """On which addresses of the engine's host a port is published, and why; ``""`` is all.

    A remote engine's ports must be reached from here, so they listen on all its interfaces. On
    this machine, loopback and the network's gateway are enough for every mode.
    """
    if engine.host_override:
        return ("",), f"all interfaces, because {engine.override_source} names the host"
    on_loopback = network is not None and network.bridge_here and _is_loopback(engine.hostname)
    if not engine.is_local and not on_loopback:
        return ("",), "all interfaces, because the engine is remote"
    gateway = network.gateway if network else ""
    if engine.has_host_network and gateway and "." in gateway:
        return ("127.0.0.1", gateway), "loopback and the network's gateway"
    return ("127.0.0.1",), "loopback alone"


def _none(container: ContainerFacts, mode: ConnectionMode, reason: str) -> NoReturn:
    raise NoAddress(
        f"{container.name} has no address in connection mode {mode.value}: {reason}. Choose "
        f"another mode (connection_mode, TESTCONTAINERS_CONNECTION_MODE), or publish the port "
        f"with with_exposed_ports()."
    )


def explained(
    what: str,
    decision: Decision,
    engine: EngineFacts,
    network: NetworkFacts | None,
    container: ContainerFacts,
) -> str:
    """The answer with its rule, the rules that did not apply, and every fact that was used."""
    return "\n".join(
        [
            f"{what} (connection mode {decision.mode.value})",
            f"  because of: {decision.rule}: {decision.reason}",
            *(f"  passed over: {rule}: {reason}" for rule, reason in decision.passed),
            f"  engine: {_engine_facts(engine)}",
            f"  network: {_network_facts(network)}",
            f"  container: {_container_facts(container)}",
            f"  published ports listen on: {listen_addresses(engine, network)[1]}",
        ]
    )


def _engine_facts(engine: EngineFacts) -> str:
    words = [f"reached by {engine.kind}"]
    words += [f"at {engine.hostname}"] * bool(engine.hostname)
    words += ["Docker Desktop"] * engine.is_desktop + ["rootless"] * engine.is_rootless
    own = engine.own_container[:12]
    words.append(f"our own container is {own}" if own else "we are in no container of it")
    if engine.host_override:
        words.append(f"{engine.override_source} names its host {engine.host_override}")
    return ", ".join(words)


def _network_facts(network: NetworkFacts | None) -> str:
    if network is None:
        return "none of its own"
    here = "here" if network.bridge_here else "not here"
    words = [network.name, f"gateway {network.gateway or 'none'}"]
    words += [f"bridge {network.bridge} {here}"] * bool(network.bridge)
    words += ["shared with us"] * network.is_shared + ["internal"] * network.is_internal
    return ", ".join(words)


def _container_facts(container: ContainerFacts) -> str:
    if container.on_host_network:
        return "on the host's network"
    ports = [f"{port} on {each.host_ip}:{each.host_port}" for port, each in container.bindings]
    return ", ".join([f"address {container.ip or 'none'}", *(ports or ["nothing published"])])
