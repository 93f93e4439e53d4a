"""Faults that undo themselves: a container paused, stopped, killed, cut off or slowed for a while.

The rule: whatever happens inside the ``with``, also an exception or Ctrl-C, the state is restored,
addresses are read anew, and readiness is checked before the next line runs. One fault at a time.
``async with`` does the same without blocking its loop.
"""

from __future__ import annotations

import contextlib
import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from .awaiting import WithOrAsyncWith, with_or_async_with
from .errors import EngineError, FaultError, NotReady, StartError
from .in_use import InUse
from .log import warn
from .network import Network
from .options import ContainerOptions
from .reach import beside, networks_of
from .running import RunningContainer
from .wait import ExitWaitStrategy, WaitStrategy, wait_until_ready

if TYPE_CHECKING:
    from typing import Self

Rule = tuple[list[str], list[str]]
"""A command that changes a container's network, and the one that takes it back."""

END_TIMEOUT = 10.0
RATE = r"(?i)\d+(\.\d+)?([kmgt]i?)?(bit|bps)"
_one_at_a_time = threading.Lock()


class Faults(InUse, ContainerOptions):
    """The faults of a container."""

    _fault = ""

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

    def revive(self) -> None:
        """Start it again if it has died since it was ready: the next class uses it, too.

        So it is if it lost its network with the container whose network it uses. What ended without
        an error is left as it is: it was a job.

        Raises:
            StartError: it could not be started, or was not ready.
        """
        if self._is_job or self.is_shared:
            return
        running = self.running
        state = running.state()
        is_cut_off = state.running and running.has_lost_network()
        if not is_cut_off and (state.running or not state.exit_code or state.status == "removed"):
            return
        why = "lost its network" if is_cut_off else f"died ({state})"
        warn("%s has %s, and is started again", running.description, why)
        try:
            if is_cut_off:
                running.engine.stop(running.id)
            self._start_again()
            running.refresh()
        except EngineError as error:
            raise StartError(
                f"{running.description} could not be started again: {error}"
            ) from error
        self.await_ready()

    def paused(self) -> WithOrAsyncWith[Self]:
        """Freeze all its processes: connections stay open, and nothing answers."""
        engine, container = self.running.engine, self.running.id
        return self._faulty(
            "paused", lambda: engine.pause(container), lambda: engine.unpause(container)
        )

    def stopped(self, timeout: int = 10) -> WithOrAsyncWith[Self]:
        """Stop it in order, and start it again at the end; its mapped ports may be new then.

        Args:
            timeout: seconds it has to end before it is killed.
        """
        engine, container = self.running.engine, self.running.id
        return self._faulty("stopped", lambda: engine.stop(container, timeout), self._start_again)

    def killed(self, signal: str = "SIGKILL") -> WithOrAsyncWith[Self]:
        """End it by a signal, and start it again at the end; its mapped ports may be new then.

        Raises:
            FaultError: it did not end within 10 s, because it takes no notice of the signal.
        """
        return self._faulty("killed", lambda: self._end_by(signal), self._start_again)

    def disconnected(self, network: Network | None = None) -> WithOrAsyncWith[Self]:
        """Cut it off a network, and connect it again with its aliases; its address may be new then.

        Args:
            network: one of its networks; by default the only one it was declared on.
        """
        name, aliases = self._attached(network)
        engine, container = self.running.engine, self.running.id
        return self._faulty(
            "disconnected",
            lambda: engine.disconnect(name, container),
            lambda: engine.connect(name, container, aliases),
        )

    def slowed(
        self, *, latency: float = 0.0, jitter: float = 0.0, loss: float = 0.0, rate: str = ""
    ) -> WithOrAsyncWith[Self]:
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
        return self._ruled("slowed", _traffic_rules(latency, jitter, loss, rate))

    # -- how --------------------------------------------------------------------------------------

    @property
    def _is_job(self) -> bool:
        """Whether it is ready when it has ended, in whatever way."""
        strategy = (self._prepared or self._request).wait
        return strategy is not None and strategy.outlives_container

    @with_or_async_with
    def _faulty(
        self, fault: str, make: Callable[[], object], undo: Callable[[], object]
    ) -> Iterator[Self]:
        running = self._claim(fault)
        try:
            with _as_fault(f"{running.description} could not be {fault}"):
                make()
                running.refresh()
            yield self
        finally:
            try:
                _surely(lambda: self._restore(running, fault, undo))
            finally:
                self._fault = ""
            if self._is(running):  # it may have been stopped inside
                self.await_ready()

    def _claim(self, fault: str) -> RunningContainer:
        """Let no other fault begin; raises where one is there, or where it does not run."""
        running = self.running
        if self.is_shared:
            raise FaultError(
                f"{running.description} cannot be {fault}, because other processes use it at the "
                f"same time: leave with_reuse() away"
            )
        with _one_at_a_time:
            if self._fault:
                raise FaultError(
                    f"{running.description} is {self._fault} already: end that fault first, or use "
                    f"another container"
                )
            state = running.state()
            if state.status != "running":
                tail = "" if state.status == "removed" else running.log_tail()
                raise FaultError(f"{running.description} does not run: {state}{tail}")
            self._fault = fault
        return running

    def _restore(self, running: RunningContainer, fault: str, undo: Callable[[], object]) -> None:
        if self._is(running):
            if running.state().status == "removed":
                raise FaultError(f"{running.description} was removed while it was {fault}")
            with _as_fault(f"{running.description} could not be brought back from being {fault}"):
                undo()
                running.refresh()

    def _is(self, running: RunningContainer) -> bool:
        """Whether it still is what it was when the fault began."""
        return self.is_started and self.running is running

    def _end_by(self, signal: str) -> None:
        running = self.running
        running.engine.kill(running.id, signal)
        try:
            wait_until_ready(running, ExitWaitStrategy(None), END_TIMEOUT)
        except NotReady as error:
            raise FaultError(
                f"{running.description} did not end within {END_TIMEOUT:g} s of {signal}: the "
                f"first process of a container takes notice of SIGKILL, and of what it handles"
            ) from error

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

    def _cut_off(self, others: Sequence[Faults]) -> WithOrAsyncWith[Self]:
        """Let no packet pass between it and others, whichever of their addresses they use.

        With no others it only is part of the fault, so that it keeps its addresses for the while.
        """
        addresses = [address for each in others for address in each.running.addresses()]
        rules = [_rule("INPUT", "-s", addresses), _rule("OUTPUT", "-d", addresses)]
        if not addresses:
            return self._faulty("partitioned", _nothing, _nothing)
        return self._ruled("partitioned", rules)

    @with_or_async_with
    def _ruled(self, fault: str, rules: Sequence[Rule]) -> Iterator[Self]:
        """Set rules in its network namespace, and take back those that were set."""
        undo = contextlib.ExitStack()
        with contextlib.ExitStack() as ending:  # the helper goes, whatever becomes of the container

            def make() -> None:
                _refuse_foreign_network(self.running, fault)
                helper = ending.enter_context(beside(self.running, "NET_ADMIN"))
                for command, take_back in rules:
                    _run(helper, command)
                    undo.callback(_run, helper, take_back)

            with self._faulty(fault, make, undo.close):
                yield self


def _nothing() -> None:
    """What there is to do where a container only takes part."""


def _rule(chain: str, side: str, addresses: Sequence[str]) -> Rule:
    """Drop what comes from addresses, or goes to them."""
    drop = [chain, side, ",".join(addresses), "-j", "DROP"]
    return ["iptables", "-w", "-I", *drop], ["iptables", "-w", "-D", *drop]


def _traffic_rules(latency: float, jitter: float, loss: float, rate: str) -> list[Rule]:
    """The commands that make a container slow, each with the one that undoes it."""
    wrong = not 0 <= loss <= 1 or not latency >= 0 or not jitter >= 0
    if wrong or not (latency or jitter or loss or rate) or (rate and not re.fullmatch(RATE, rate)):
        raise FaultError("give latency= or jitter= in seconds, loss= from 0 to 1, or rate='1mbit'")
    if latency or jitter:
        words = ["netem", "delay", f"{latency * 1000:g}ms", f"{jitter * 1000:g}ms"]
        words += ["loss", f"{loss * 100:g}%"] * bool(loss) + ["rate", rate] * bool(rate)
        return [(_tc("add", words), _tc("del", []))]
    rules: list[Rule] = []
    if rate:
        bucket = ["tbf", "rate", rate, "burst", "16kb", "latency", "2s"]
        rules.append((_tc("add", bucket), _tc("del", [])))
    if loss:
        drop = ["OUTPUT", "!", "-o", "lo", "-m", "statistic", "--mode", "random"]
        drop += ["--probability", f"{loss:g}", "-j", "DROP"]
        rules.append((["iptables", "-w", "-A", *drop], ["iptables", "-w", "-D", *drop]))
    return rules


def _tc(verb: str, words: Sequence[str]) -> list[str]:
    """A command for each interface of the container but loopback."""
    command = " ".join(["tc qdisc", verb, 'dev "$i" root', *words])
    loop = f'for i in $(ls /sys/class/net); do [ "$i" = lo ] || {command} || exit 1; done'
    return ["sh", "-c", loop]


def _refuse_foreign_network(running: RunningContainer, fault: str) -> None:
    """What is no network of containers must not be disturbed."""
    known = networks_of(running)
    if "host" in known or not any(known.values()):
        what = "the engine's host's network" if "host" in known else "no network"
        raise FaultError(f"{running.description} cannot be {fault}, because it is on {what}")


def _run(helper: RunningContainer, command: Sequence[str]) -> None:
    result = helper.exec(command)
    if result.exit_code != 0:
        said = result.output.decode(errors="replace").strip(" .\n") or f"code {result.exit_code}"
        lacks = "qdisc kind is unknown" in said
        advice = ". The engine's kernel has no netem: rate= and loss= do without" if lacks else ""
        raise FaultError(f"{said}{advice}")


@contextlib.contextmanager
def _as_fault(what: str) -> Iterator[None]:
    """Say of which fault an error of the engine is."""
    try:
        yield
    except (EngineError, FaultError) as error:
        raise FaultError(f"{what}: {error}") from error


def _surely(undo: Callable[[], None]) -> None:
    """Undo to the end, also where Ctrl-C comes in the middle of it; a second one gives it up."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            undo()
        except BaseException as error:
            failed.append(error)

    worker = threading.Thread(target=work, name="tcunit-undo", daemon=True)
    worker.start()
    try:
        worker.join()
    except KeyboardInterrupt:
        worker.join()
        raise
    if failed:
        raise failed[0]
