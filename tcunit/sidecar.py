"""A container with an SSH server that leads containers back to this process.

It serves where an engine's networks do not meet this machine. There is one for each engine, which
the first container that needs it starts, and which is removed when the process ends. It is on the
default network, where we reach it, and on each network that a container asks from, for as long as
one does. (A network to which the engine would move the published port has one of its own.) It lets
us in by a key of our own, does nothing for us but listen, and listens only where it is told to.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _session, timings
from .connection import ConnectionMode, Endpoint, NetworkFacts, decide, listen_addresses
from .errors import EngineError, HostPortError, NoAddress
from .facts import Surroundings
from .fetching import fetched
from .files import packed
from .inspected import state_of
from .lifecycle.ledger import CONTAINER, Entry, ledger
from .ports import Port
from .request import Copy
from .running import RunningContainer
from .settings import SSHD_IMAGE, START_TIMEOUT

if TYPE_CHECKING:
    from .tunnel import Forward, Tunnel

PORT = 64022  # neither 22, which a server in a test may have, nor one that is handed out at random
THING = "host ports"
FOLDER = "/etc/ssh"
CONFIG, HOST_KEY, OUR_KEY = (f"{FOLDER}/tcunit_{each}" for each in ("config", "host", "ours"))

# Nothing but to listen where we ask for it: no password, shell, command, agent, nor a way from here
# to there. A connection that died must not keep its ports for long.
CONFIGURATION = f"""\
Port {PORT}
PidFile none
HostKey {HOST_KEY}
AuthorizedKeysFile {OUR_KEY}
StrictModes no
AuthenticationMethods publickey
PubkeyAuthentication yes
PasswordAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding remote
GatewayPorts clientspecified
PermitOpen none
AllowStreamLocalForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
PermitTTY no
PermitUserRC no
MaxSessions 0
ForceCommand /bin/false
UseDNS no
ClientAliveInterval 5
ClientAliveCountMax 3
"""
OF_OUR_KEY = "restrict,port-forwarding"

# Root's account may be locked, which would lock out its keys, too; and a server of some systems
# wants an empty folder that the start of a service would have made.
SCRIPT = (
    "sed -i 's/^root:!*/root:*/' /etc/shadow; mkdir -p /run/sshd; "
    f"exec /usr/sbin/sshd -D -e -f {CONFIG}"
)


class Place(NamedTuple):
    """Where a sidecar is on a network: its own address, and that of the engine's machine."""

    address: str
    gateway: str


class Sidecar:
    """A sidecar of this process, which may not have started yet.

    Args:
        home: the network on which it is reached from here.
    """

    def __init__(self, surroundings: Surroundings, home: NetworkFacts) -> None:
        self._surroundings, self._engine, self._home = surroundings, surroundings.engine, home
        self._lock = threading.RLock()
        self._uses: Counter[str] = Counter()
        self._running: RunningContainer | None = None
        self._entry: Entry | None = None
        self._tunnel: Tunnel | None = None
        self._mode = decide((), surroundings.facts, home).mode

    @property
    def is_lost(self) -> bool:
        """Whether it is there no more, or not to be reached any more."""
        return self._tunnel is not None and self._tunnel.is_lost

    def join(self, network: NetworkFacts, is_cancelled: Callable[[], bool]) -> Place:
        """Be on a network until :meth:`leave`.

        Raises:
            HostPortError: it could not be started or reached, or has no address there.
        """
        with self._lock:
            try:
                running = self._running or self._start(network, is_cancelled)
                if not self._is_on(running, network):
                    self._engine.connect(network.id, running.id, ())
                    running.refresh()
                    self._present_tunnel.follow()
            except (EngineError, NoAddress) as error:
                raise HostPortError(str(error)) from error
            place = _place(running, network)
            self._uses[network.id] += 1
            return place

    def leave(self, network: NetworkFacts) -> None:
        """Undo one :meth:`join`."""
        with self._lock:
            self._uses[network.id] -= 1
            if self._running is None or self._uses[network.id]:
                return
            if network.id != self._home.id:
                with contextlib.suppress(EngineError):  # the network is gone, or the container
                    self._engine.disconnect(network.id, self._running.id)
                    self._running.refresh()
            elif network.name != self._engine.default_network and self._entry is not None:
                entry, self._entry, self._running = self._entry, None, None
                ledger.remove(entry)  # it was for this network alone

    def forward(self, address: str, port: int, admits: Callable[[str], bool]) -> Forward:
        """Listen on an address of its own for a port of this process; raises HostPortError."""
        return self._present_tunnel.forward(address, port, admits)

    def abandon(self) -> None:
        """In a forked child: it is the parent's."""
        if self._tunnel is not None:
            self._tunnel.abandon()

    @property
    def _present_tunnel(self) -> Tunnel:
        assert self._tunnel is not None  # who joins has started it
        return self._tunnel

    def _is_on(self, running: RunningContainer, network: NetworkFacts) -> bool:
        return network.name in (running.info["NetworkSettings"].get("Networks") or {})

    # -- its start ------------------------------------------------------------------------------

    def _start(self, network: NetworkFacts, is_cancelled: Callable[[], bool]) -> RunningContainer:
        """Start it on its two networks at once, and connect to it."""
        require_paramiko()
        surroundings, settings = self._surroundings, self._surroundings.settings
        with timings.spent("pull", thing=THING):
            image = fetched(
                self._engine, settings, settings.get(SSHD_IMAGE), is_cancelled=is_cancelled
            )
        name = _session.resource_name("sidecar", THING)
        running = RunningContainer(
            self._engine, surroundings, "", name, f"the sidecar {name} ({image.name})", image,
            [Port(PORT)], networks=[self._home.name],
        )  # fmt: skip
        with timings.spent("start", thing=THING):
            entry = self._created(running)
            try:
                self._tunnel = self._begun(running, network)
                entry.before_removal = self._tunnel.close
                self._tunnel.open()
            except BaseException:
                self._tunnel = None
                ledger.remove(entry)
                raise
        self._entry, self._running = entry, running
        return running

    def _created(self, running: RunningContainer) -> Entry:
        name, facts = running.name, self._surroundings.facts
        options: dict[str, Any] = {
            "labels": _session.labels(name),
            "entrypoint": ["/bin/sh", "-c"],
            "command": [SCRIPT],
            "ports": [(PORT, "tcp")],
        }
        if self._mode is not ConnectionMode.BRIDGE_IP:
            addresses, _ = listen_addresses(facts, running.network_facts())
            options["port_bindings"] = {f"{PORT}/tcp": [(each, None) for each in addresses]}
        with ledger.entering(Entry(self._engine, CONTAINER, name, is_of_run=True)) as entry:
            entry.id = running.id = self._engine.create_container(
                running.image.name, name, options, (self._home.name, ())
            )
        return entry

    def _begun(self, running: RunningContainer, network: NetworkFacts) -> Tunnel:
        """Give it the keys, and start it; returns the tunnel to it, which is not open yet."""
        from .tunnel import Keys, Tunnel

        keys = Keys()
        files = [
            Copy(CONFIGURATION.encode(), CONFIG),
            Copy(keys.of_host(), HOST_KEY, mode=0o600),
            Copy(keys.authorized(OF_OUR_KEY), OUR_KEY),
        ]
        with packed(files, FOLDER) as archive:
            self._engine.put_archive(running.id, FOLDER, archive)
        if network.id != self._home.id:
            self._engine.connect(network.id, running.id, ())
        self._engine.start(running.id)
        limit = self._surroundings.settings.get(START_TIMEOUT)
        return Tunnel(keys, lambda: self._where(running), running.description, limit)

    def _where(self, running: RunningContainer) -> Endpoint:
        """Where its server is now."""
        try:
            if not state_of(running.refresh()).running:
                raise HostPortError(f"container {running.name} has ended.{running.log_tail()}")
            return running.endpoint(PORT, self._mode)
        except EngineError as error:
            raise HostPortError(str(error)) from error


def _place(running: RunningContainer, network: NetworkFacts) -> Place:
    on = running.info["NetworkSettings"]["Networks"].get(network.name) or {}
    address = on.get("IPAddress") or on.get("GlobalIPv6Address")
    if not address:
        raise HostPortError(f"{running.description} has no address on the network {network.name}")
    return Place(address, on.get("Gateway") or network.gateway)


def require_paramiko() -> None:
    """Refuse to go on without the SSH client; raises HostPortError."""
    try:
        import paramiko  # noqa: F401
    except ImportError as error:
        raise HostPortError(
            f"it takes an SSH client ({error}): install it with 'pip install tcunit[ssh]'"
        ) from error


def takes_ports(network: NetworkFacts, default: NetworkFacts) -> bool:
    """Whether published ports move to a network from the default one when a container joins. Pure.

    Docker publishes them on one network only: the one whose gateway it takes. IPv6 comes first,
    then the name (https://github.com/moby/libnetwork/blob/master/sandbox.go, ``Less``).
    """
    if network.is_internal or network.id == default.id:
        return False
    return (not network.has_ipv6, network.name) < (not default.has_ipv6, default.name)


_sidecars: dict[tuple[str, str], Sidecar] = {}
_of_parents: list[Sidecar] = []  # never let go: what ends in them would talk to the parent's server
_lock = threading.Lock()


def sidecar_for(surroundings: Surroundings, network: NetworkFacts) -> Sidecar:
    """The sidecar of this process that serves a network; another one if the last was lost."""
    default = surroundings.network(surroundings.engine.default_network)
    home = network if takes_ports(network, default) else default
    key = surroundings.engine.url, home.id
    with _lock:
        found = _sidecars.get(key)
        if found is None or found.is_lost:
            found = _sidecars[key] = Sidecar(surroundings, home)
        return found


def _abandon() -> None:
    """In a forked child: all of them are the parent's."""
    global _lock
    _lock = threading.Lock()
    for each in _sidecars.values():
        each.abandon()
    _of_parents.extend(_sidecars.values())
    _sidecars.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon)
