"""The ``with_…`` methods about limits and rights, about the process and the names it knows.

They are short for options of the SDK, with units that people use: bytes or ``"64m"``, seconds,
numbers of CPUs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

from .collecting import (
    Collecting,
    place_in_container,
    positive,
    size_in_bytes,
    whole,
    words_of,
)
from .errors import DeclarationError

RESTART_POLICIES = ("no", "always", "unless-stopped", "on-failure")
SMALLEST_MEMORY = 6 << 20  # the engine takes no less
_HOST_NAME = r"[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?"
_SIGNAL = r"SIG[A-Z0-9+-]+|\d+"
_CAPABILITY = r"[A-Z][A-Z_]+"


class LimitOptions(Collecting):
    """What can be asked for of limits, rights, names and the process."""

    # -- limits -----------------------------------------------------------------------------------

    def with_memory_limit(self, limit: int | str, swap: int | str = 0) -> Self:
        """Kill it when it takes more memory than this, in bytes or as in ``"64m"``.

        Args:
            swap: how much it may swap out beyond that; by default nothing.
        """
        memory = size_in_bytes(limit, "with_memory_limit")
        if memory < SMALLEST_MEMORY:
            raise DeclarationError(
                f"with_memory_limit: {limit!r} is too little: the engine takes 6m at least"
            )
        beyond = size_in_bytes(swap, "with_memory_limit, swap") if swap else 0
        return self._with_options(
            "with_memory_limit", mem_limit=memory, memswap_limit=memory + beyond
        )

    def with_cpu_limit(self, cpus: float) -> Self:
        """Let it use so many CPUs at most; parts of one are allowed, as in ``0.5``."""
        nano = round(positive(cpus, "with_cpu_limit") * 10**9)
        return self._with_options("with_cpu_limit", nano_cpus=nano)

    def with_pids_limit(self, count: int) -> Self:
        """Let it have so many processes and threads at most."""
        return self._with_options("with_pids_limit", pids_limit=whole(count, "with_pids_limit"))

    def with_shm_size(self, size: int | str) -> Self:
        """Give ``/dev/shm`` this size, in bytes or as in ``"256m"``; by default it has 64m."""
        return self._with_options("with_shm_size", shm_size=size_in_bytes(size, "with_shm_size"))

    def with_ulimit(self, name: str, soft: int, hard: int | None = None) -> Self:
        """Set a resource limit of its processes, as in ``with_ulimit("nofile", 65536)``.

        What ``exec`` runs may find the hard limit of ``nofile`` as its soft one, where the engine
        has a runc before 1.1.13 (its issue 4195); the container's own processes never do.

        Args:
            soft, hard: ``-1`` for no limit; by default both are the same.
        """
        what = f"with_ulimit({name!r})"
        words_of(name, "with_ulimit")
        upper = soft if hard is None else hard
        for each in (soft, upper):
            if each != -1:
                whole(each, what, or_zero=True)
        if upper != -1 and (soft == -1 or soft > upper):
            raise DeclarationError(f"{what}: the soft limit {soft} is above the hard one, {upper}")
        limit = {"Name": name, "Soft": soft, "Hard": upper}
        others = [each for each in self._request.options.get("ulimits", ()) if _name(each) != name]
        options = {**self._request.options, "ulimits": [*others, limit]}
        return self._with("with_ulimit", options=options)

    # -- rights -----------------------------------------------------------------------------------

    def with_cap_add(self, *capabilities: str) -> Self:
        """Give it capabilities of the kernel, as in ``"NET_ADMIN"``."""
        return self._with_options("with_cap_add", cap_add=_capabilities(capabilities))

    def with_cap_drop(self, *capabilities: str) -> Self:
        """Take capabilities from it; ``"ALL"`` takes all that ``with_cap_add`` does not give."""
        return self._with_options("with_cap_drop", cap_drop=_capabilities(capabilities))

    def with_privileged(self) -> Self:
        """Give it all rights on the engine's host. A container that needs one right only is better
        served by :meth:`with_cap_add` or :meth:`with_device`.
        """
        return self._with_options("with_privileged", privileged=True)

    def with_device(
        self, host: str, container: str | None = None, permissions: str = "rwm"
    ) -> Self:
        """Let it use a device of the engine's host, as in ``"/dev/fuse"``.

        Args:
            container: its path there; by default the same.
            permissions: of reading, writing and making nodes: letters of ``"rwm"``.
        """
        place_in_container(host, "with_device")
        place = place_in_container(container or host, "with_device")
        if not permissions or not set(permissions) <= set("rwm"):
            raise DeclarationError(f"with_device: permissions {permissions!r}: letters of 'rwm'")
        return self._with_options("with_device", devices=[f"{host}:{place}:{permissions}"])

    def with_read_only_root(self) -> Self:
        """Let it write to its volumes, bind mounts and ``tmpfs`` mounts only."""
        return self._with_options("with_read_only_root", read_only=True)

    def with_user(self, user: str | int) -> Self:
        """Run it as another user: a name that its image knows, or an id; ``"1000:1000"`` says the
        group, too.
        """
        name = user if isinstance(user, str) else str(whole(user, "with_user", or_zero=True))
        return self._with_options("with_user", user=words_of(name, "with_user"))

    # -- the process ------------------------------------------------------------------------------

    def with_entrypoint(self, entrypoint: str | Sequence[str]) -> Self:
        """Run another entry point than the image's: a string, split as a shell would, or a list.

        An empty one runs the command itself. The image's command is left out, as the engine does.
        """
        settled: Any = entrypoint if isinstance(entrypoint, str) else list(entrypoint)
        return self._with("with_entrypoint", options={
            **self._request.options, "entrypoint": settled or [""],
        })  # fmt: skip

    def with_working_directory(self, path: str) -> Self:
        """Run its command in another directory."""
        place = place_in_container(path, "with_working_directory")
        return self._with_options("with_working_directory", working_dir=place)

    def with_healthcheck(
        self,
        test: str | Sequence[str] | None,
        *,
        interval: float = 1.0,
        timeout: float = 30.0,
        retries: int = 3,
        start_period: float = 0.0,
    ) -> Self:
        """Have the engine ask whether it is healthy, and count it as ready when it is.

        Args:
            test: a command for the image's shell, or a list of words to run as they are; ``None``
                takes the image's own health check away.
            interval, timeout, start_period: seconds.
            retries: how many failures in a row make it unhealthy.
        """
        what = "with_healthcheck"
        return self._with(what, options={**self._request.options, "healthcheck": {
            "test": _health_test(test),
            "interval": _nanoseconds(interval, f"{what}, interval"),
            "timeout": _nanoseconds(timeout, f"{what}, timeout"),
            "retries": whole(retries, f"{what}, retries"),
            "start_period": _nanoseconds(start_period, f"{what}, start_period", or_zero=True),
        }})  # fmt: skip

    def with_init(self) -> Self:
        """Run a small init as its first process, which passes signals on and reaps children."""
        return self._with_options("with_init", init=True)

    def with_stop_signal(self, signal: str) -> Self:
        """Have it asked to end by another signal than the image's, as in ``"SIGINT"``."""
        if not isinstance(signal, str) or not re.fullmatch(_SIGNAL, signal):
            raise DeclarationError(f"with_stop_signal: {signal!r}: give one as in 'SIGINT'")
        return self._with_options("with_stop_signal", stop_signal=signal)

    def with_stop_timeout(self, seconds: int) -> Self:
        """Give it so many seconds to end when it is asked to, before it is killed; default: 10."""
        timeout = whole(seconds, "with_stop_timeout", or_zero=True)
        return self._with_options("with_stop_timeout", stop_timeout=timeout)

    def with_restart_policy(self, policy: str, max_retries: int = 0) -> Self:
        """Let the engine start it again when it ends: ``"on-failure"``, ``"always"``,
        ``"unless-stopped"``.

        Args:
            max_retries: how often, with ``"on-failure"``; 0 is for ever.
        """
        if policy not in RESTART_POLICIES:
            raise DeclarationError(
                f"with_restart_policy: {policy!r}: choose from {', '.join(RESTART_POLICIES)}"
            )
        retries = whole(max_retries, "with_restart_policy, max_retries", or_zero=True)
        if retries and policy != "on-failure":
            raise DeclarationError("with_restart_policy: max_retries goes with 'on-failure' only")
        chosen = {"Name": policy, "MaximumRetryCount": retries}
        return self._with_options("with_restart_policy", restart_policy=chosen)

    # -- names ------------------------------------------------------------------------------------

    def with_hostname(self, name: str) -> Self:
        """Have it call itself so. Others find it by :meth:`with_network_aliases`."""
        return self._with_options("with_hostname", hostname=_host_name(name, "with_hostname"))

    def with_extra_host(self, name: str, address: str) -> Self:
        """Let it resolve a name to an address; ``"host-gateway"`` is the engine's host."""
        if address != "host-gateway":
            _check_address(address, f"with_extra_host({name!r})")
        host = _host_name(name, "with_extra_host")
        return self._with_options("with_extra_host", extra_hosts={host: address})

    def with_dns(self, *servers: str, search: Sequence[str] = ()) -> Self:
        """Have it ask other DNS servers for names that are not on its networks.

        Args:
            search: domains that are tried behind a bare name.
        """
        for server in servers:
            _check_address(server, "with_dns")
        domains = [_host_name(each, "with_dns, search") for each in search]
        return self._with_options("with_dns", dns=list(servers), dns_search=domains)

    def with_sysctl(self, name: str, value: str | int) -> Self:
        """Set a kernel parameter of its namespaces, as in ``"net.core.somaxconn"``."""
        words_of(name, "with_sysctl")
        return self._with_options("with_sysctl", sysctls={name: str(value)})


def _name(ulimit: Any) -> str:
    return str(ulimit.get("Name") or ulimit.get("name"))


def _capabilities(given: Sequence[str]) -> list[str]:
    for each in given:
        if not isinstance(each, str) or not re.fullmatch(_CAPABILITY, each):
            raise DeclarationError(f"{each!r} is no capability: give them as in 'NET_ADMIN'")
    return list(given)


def _health_test(test: str | Sequence[str] | None) -> list[str]:
    if test is None:
        return ["NONE"]
    if isinstance(test, str):
        return ["CMD-SHELL", words_of(test, "with_healthcheck")]
    words = [words_of(each, "with_healthcheck") for each in test]
    if not words:
        raise DeclarationError("with_healthcheck: give a command, or None for no health check")
    return words if words[0] in ("CMD", "CMD-SHELL", "NONE") else ["CMD", *words]


def _nanoseconds(seconds: float, what: str, *, or_zero: bool = False) -> int:
    number = positive(seconds, f"{what} in seconds", or_zero=or_zero)
    if 0 < number < 0.001:
        raise DeclarationError(f"{what}: {seconds!r} s: the engine takes 0.001 s at least")
    return round(number * 10**9)


def _host_name(given: str, what: str) -> str:
    if not isinstance(given, str) or not re.fullmatch(_HOST_NAME, given):
        raise DeclarationError(f"{what}: {given!r} is no host name")
    return given


def _check_address(given: str, what: str) -> None:
    from ipaddress import ip_address

    try:
        ip_address(given)
    except ValueError:
        raise DeclarationError(f"{what}: {given!r} is no IP address") from None
