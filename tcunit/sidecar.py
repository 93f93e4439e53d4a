"""A container with an SSH server that leads containers back to this process.

It serves where an engine's networks do not meet this machine. There is one for each engine, which
the first container that needs it starts, and which is removed when the process ends. It is on the
default network, where we reach it, and on each network that a container asks from, for as long as
one does. It lets us in by a key of our own, does nothing for us but listen, and listens only where
it is told to.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _session, timings
from ._docker import Engine
from .connection import ConnectionMode, Endpoint, NetworkFacts, decide, listen_addresses
from .errors import EngineError, HostPortError, NoAddress
from .facts import Surroundings
from .fetching import fetched
from .files import packed
from .lifecycle.ledger import CONTAINER, Entry, ledger
from .ports import Port
from .request import Copy
from .running import RunningContainer, state_of
from .settings import SSHD_IMAGE

if TYPE_CHECKING:
    from .tunnel import Forward, Keys, Tunnel

PORT = 64022  # neither 22, which a server in a test may have, nor one that is handed out at random
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


class Sidecar:
    """The sidecar of this process on one engine; it may not have started yet."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings, self._engine = surroundings, surroundings.engine
        self._lock = threading.RLock()
        self._uses: Counter[str] = Counter()
        self._running: RunningContainer | None = None
        self._tunnel: Tunnel | None = None
        self._mode = ConnectionMode.DOCKER_HOST

    @property
    def is_lost(self) -> bool:
        """Whether it is there no more, or not to be reached any more."""
        return self._tunnel is not None and self._tunnel.is_lost

    def join(self, network: NetworkFacts, is_cancelled: Callable[[], bool]) -> str:
        """Be on a network until :meth:`leave`; returns the address there.

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
            self._uses[network.id] += 1
            return _address(running, network)

    def leave(self, network: NetworkFacts) -> None:
        """Undo one :meth:`join`."""
        with self._lock:
            self._uses[network.id] -= 1
            running = self._running
            if running is None or self._uses[network.id] or network.name == _home(self._engine):
                return
            with contextlib.suppress(EngineError):  # the network is gone, or the container
                self._engine.disconnect(network.id, running.id)
                running.refresh()

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
        from .tunnel import Keys, Tunnel

        surroundings, engine = self._surroundings, self._engine
        name = surroundings.settings.get(SSHD_IMAGE)
        with timings.spent("pull", thing="host ports"):
            image = fetched(engine, surroundings.settings, name, is_cancelled=is_cancelled)
        home = surroundings.network(_home(engine))
        self._mode = decide((), surroundings.facts, home).mode
        name = _session.resource_name("sidecar", "host-ports")
        keys = Keys()
        running = RunningContainer(
            engine, surroundings, "", name, f"the sidecar {name} ({image.name})", image,
            [Port(PORT)], networks=[home.name],
        )  # fmt: skip
        with timings.spent("start", thing="host ports"):
            entry = self._created(running)
            try:
                self._begun(running, keys, network)
                self._tunnel = Tunnel(keys, lambda: self._where(running), running.description)
                entry.before_removal = self._tunnel.close
                self._tunnel.open()
            except BaseException:
                self._tunnel = None
                ledger.remove(entry)
                raise
        self._running = running
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
                running.image.name, name, options, None
            )
        return entry

    def _begun(self, running: RunningContainer, keys: Keys, network: NetworkFacts) -> None:
        """Give it the keys, and start it."""
        files = [
            Copy(CONFIGURATION.encode(), CONFIG),
            Copy(keys.of_host(), HOST_KEY, mode=0o600),
            Copy(keys.authorized(OF_OUR_KEY), OUR_KEY),
        ]
        with packed(files, FOLDER) as archive:
            self._engine.put_archive(running.id, FOLDER, archive)
        if network.name != _home(self._engine):
            self._engine.connect(network.id, running.id, ())
        self._engine.start(running.id)

    def _where(self, running: RunningContainer) -> Endpoint:
        """Where its server is now."""
        try:
            if not state_of(running.refresh()).running:
                raise HostPortError(
                    f"{running.description} has ended.{running.log_tail()}\nAnother image can be "
                    f"named by {SSHD_IMAGE.variables[0]}"
                )
            return running.endpoint(PORT, self._mode)
        except EngineError as error:
            raise HostPortError(f"{running.description}: {error}") from error


def _home(engine: Engine) -> str:
    """The network on which it is reached from here."""
    return engine.default_network


def _address(running: RunningContainer, network: NetworkFacts) -> str:
    on = running.info["NetworkSettings"]["Networks"].get(network.name) or {}
    found: str = on.get("IPAddress") or on.get("GlobalIPv6Address") or ""
    if not found:
        raise HostPortError(f"{running.description} has no address on the network {network.name}")
    return found


def require_paramiko() -> None:
    """Refuse to go on without the SSH client; raises HostPortError."""
    from importlib.util import find_spec

    if find_spec("paramiko") is None:
        raise HostPortError("it takes an SSH client: install it with 'pip install tcunit[ssh]'")


_sidecars: dict[str, Sidecar] = {}
_of_parents: list[Sidecar] = []  # never let go: what ends in them would talk to the parent's server
_lock = threading.Lock()


def sidecar_of(surroundings: Surroundings) -> Sidecar:
    """The sidecar of this process on an engine; another one if the last was lost."""
    with _lock:
        found = _sidecars.get(surroundings.engine.url)
        if found is None or found.is_lost:
            found = _sidecars[surroundings.engine.url] = Sidecar(surroundings)
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
