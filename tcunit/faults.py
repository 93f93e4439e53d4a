"""Faults that undo themselves: a container paused, stopped, killed, cut off or slowed for a while.

The rule: whatever happens inside the ``with``, also an exception or Ctrl-C, the state is restored,
addresses are read anew, and readiness is checked before the next line runs. One fault at a time.
"""

from __future__ import annotations

import contextlib
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from .errors import FaultError
from .network import Network
from .options import ContainerOptions
from .reach import beside
from .running import RunningContainer
from .wait import ExitWaitStrategy, WaitStrategy, wait_until_ready

if TYPE_CHECKING:
    from typing import Self

Rule = tuple[list[str], list[str]]
"""A command that changes a container's network, and the one that takes it back."""

END_TIMEOUT = 30.0
_one_at_a_time = threading.Lock()


class Faults(ContainerOptions):
    """The faults of a container."""

    _fault = ""

    @property
    @abstractmethod
    def running(self) -> RunningContainer:
        """The container on the engine."""

    @abstractmethod
    def await_ready(self, strategy: WaitStrategy | None = None) -> None:
        """Wait until it is ready."""

    def restart(self, timeout: int = 10) -> None:
        """Stop it, start it again and wait until it is ready; its mapped ports may be new.

        Args:
            timeout: seconds it has to end before it is killed.
        """
        with self.stopped(timeout):
            pass

    @contextlib.contextmanager
    def paused(self) -> Iterator[Self]:
        """Freeze all its processes: connections stay open, and nothing answers."""
        engine, container = self.running.engine, self.running.id
        with self._faulty("paused", lambda: engine.unpause(container)):
            engine.pause(container)
            yield self

    @contextlib.contextmanager
    def stopped(self, timeout: int = 10) -> Iterator[Self]:
        """Stop it in order, and start it again at the end; its mapped ports may be new then.

        Args:
            timeout: seconds it has to end before it is killed.
        """
        engine, container = self.running.engine, self.running.id
        with self._faulty("stopped", self._start_again):
            engine.stop(container, timeout)
            yield self

    @contextlib.contextmanager
    def killed(self, signal: str = "SIGKILL") -> Iterator[Self]:
        """End it by a signal, and start it again at the end; its mapped ports may be new then."""
        engine, container = self.running.engine, self.running.id
        with self._faulty("killed", self._start_again):
            engine.kill(container, signal)
            wait_until_ready(self.running, ExitWaitStrategy(None), END_TIMEOUT)
            yield self

    @contextlib.contextmanager
    def disconnected(self, network: Network | None = None) -> Iterator[Self]:
        """Cut it off a network, and connect it again with its aliases; its address may be new then.

        Args:
            network: one of its networks; by default the only one it was declared on.
        """
        name, aliases = self._attached(network)
        engine, container = self.running.engine, self.running.id
        with self._faulty("disconnected", lambda: engine.connect(name, container, aliases)):
            engine.disconnect(name, container)
            self.running.refresh()
            yield self

    @contextlib.contextmanager
    def slowed(
        self, *, latency: float = 0.0, jitter: float = 0.0, loss: float = 0.0, rate: str = ""
    ) -> Iterator[Self]:
        """Let what it sends be late, lost or slow, on all its networks.

        Needs an image with ``tc`` and ``iptables`` (setting ``TCUNIT_NET_TOOLS_IMAGE``), and a
        kernel that has netem, but for ``loss`` or ``rate`` alone.

        Args:
            latency, jitter: seconds that each packet is kept, and how much that varies.
            loss: the part of the packets that is lost, from 0 to 1.
            rate: the bandwidth, as ``tc`` writes it: ``"256kbit"``.

        Raises:
            FaultError: the kernel cannot do it; says what it lacks.
        """
        with self._ruled("slowed", _traffic_rules(latency, jitter, loss, rate)):
            yield self

    # -- how --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _faulty(self, fault: str, undo: Callable[[], None]) -> Iterator[None]:
        running = self.running
        with _one_at_a_time:
            if self._fault:
                raise FaultError(
                    f"{running.description} is {self._fault} already: end that fault first, or use "
                    f"another container"
                )
            state = running.state()
            if state.status != "running":
                raise FaultError(f"{running.description} does not run: {state}{running.log_tail()}")
            self._fault = fault
        try:
            yield
        finally:
            try:
                _surely(lambda: self._restore(running, undo))
            finally:
                self._fault = ""

    def _restore(self, running: RunningContainer, undo: Callable[[], None]) -> None:
        if self.is_started and self.running is running:  # else it was removed in between
            undo()
            running.refresh()
            self.await_ready()

    def _start_again(self) -> None:
        running = self.running
        state = running.state()
        if not state.running:
            running.logs_since = state.finished_at
            running.engine.start(running.id)

    def _attached(self, network: Network | None) -> tuple[str, Sequence[str]]:
        known = self._aliases_by_network()
        name = network.name if network is not None else next(iter(known), "")
        if name not in known or (network is None and len(known) > 1):
            raise FaultError(
                f"{self.running.description} is on {', '.join(known) or 'no network of its own'}: "
                f"say which of its networks to cut, as in disconnected(network)"
            )
        return name, known[name]

    @abstractmethod
    def _aliases_by_network(self) -> dict[str, Sequence[str]]:
        """The names of its networks, each with its aliases there."""

    @contextlib.contextmanager
    def _deaf_to(self, others: Sequence[Faults]) -> Iterator[None]:
        """Let it get no packet of other containers, whichever of their addresses they use."""
        addresses = [address for each in others for address in each.running.addresses()]
        drops = [["INPUT", "-s", address, "-j", "DROP"] for address in addresses]
        rules = [(["iptables", "-I", *drop], ["iptables", "-D", *drop]) for drop in drops]
        with self._ruled("partitioned", rules):
            yield

    @contextlib.contextmanager
    def _ruled(self, fault: str, rules: Sequence[Rule]) -> Iterator[None]:
        """Set rules in its network namespace, and take back those that were set."""
        with beside(self.running, "NET_ADMIN") as helper, contextlib.ExitStack() as undo:
            with self._faulty(fault, undo.close):
                for make, take_back in rules:
                    _run(helper, make, f"a container cannot be {fault} on this kernel")
                    undo.callback(_run, helper, take_back, f"{fault} could not be undone")
                yield


def _traffic_rules(latency: float, jitter: float, loss: float, rate: str) -> list[Rule]:
    """The commands that make a container slow, each with the one that undoes it."""
    if not 0 <= loss <= 1 or latency < 0 or jitter < 0 or not (latency or loss or rate):
        raise FaultError("give latency= or jitter= in seconds, loss= from 0 to 1, or rate='1mbit'")
    drop = ["OUTPUT", "!", "-o", "lo", "-m", "statistic", "--mode", "random"]
    drop += ["--probability", f"{loss:g}", "-j", "DROP"]
    if latency or jitter:
        words = ["netem", "delay", f"{latency * 1000:g}ms", f"{jitter * 1000:g}ms"]
        words += ["loss", f"{loss * 100:g}%"] * bool(loss) + ["rate", rate] * bool(rate)
        return [(_tc("add", words), _tc("del", []))]
    rules: list[Rule] = []
    if rate:
        bucket = ["tbf", "rate", rate, "burst", "16kb", "latency", "2s"]
        rules.append((_tc("add", bucket), _tc("del", [])))
    if loss:
        rules.append((["iptables", "-A", *drop], ["iptables", "-D", *drop]))
    return rules


def _tc(verb: str, words: Sequence[str]) -> list[str]:
    """A command for each interface of the container but loopback."""
    command = " ".join(["tc qdisc", verb, 'dev "$i" root', *words])
    loop = f'for i in $(ls /sys/class/net); do [ "$i" = lo ] || {command} || exit 1; done'
    return ["sh", "-c", loop]


def _run(helper: RunningContainer, command: Sequence[str], failure: str) -> None:
    result = helper.exec(command)
    if result.exit_code != 0:
        said = result.output.decode(errors="replace").strip()
        raise FaultError(f"{failure}: {said or f'code {result.exit_code}'}")


def _surely(undo: Callable[[], None]) -> None:
    """Undo, also where Ctrl-C comes in the middle of it: then once more from the start."""
    try:
        undo()
    except KeyboardInterrupt:
        undo()
        raise
