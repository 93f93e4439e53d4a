"""The with_… methods about limits, rights and the process: what the SDK gets, what is refused."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tcunit import DockerContainer
from tcunit.collecting import size_in_bytes
from tcunit.errors import DeclarationError

Change = Callable[[DockerContainer], object]

SECOND = 10**9

# What is declared, and the SDK's options that it becomes.
BECOMES: list[tuple[Change, dict[str, Any]]] = [
    (lambda c: c.with_memory_limit("64m"), {"mem_limit": 64 << 20, "memswap_limit": 64 << 20}),
    (lambda c: c.with_memory_limit(64 << 20, swap="1g"),
     {"mem_limit": 64 << 20, "memswap_limit": (64 << 20) + (1 << 30)}),
    (lambda c: c.with_cpu_limit(1.5), {"nano_cpus": 1500000000}),
    (lambda c: c.with_pids_limit(10), {"pids_limit": 10}),
    (lambda c: c.with_shm_size("1.5g"), {"shm_size": 3 << 29}),
    (lambda c: c.with_ulimit("nofile", 10).with_ulimit("core", 0, -1).with_ulimit("nofile", 20, 30),
     {"ulimits": [{"Name": "core", "Soft": 0, "Hard": -1},
                  {"Name": "nofile", "Soft": 20, "Hard": 30}]}),
    (lambda c: c.with_cap_add("SYS_TIME").with_cap_add("NET_ADMIN", "NET_RAW"),
     {"cap_add": ["SYS_TIME", "NET_ADMIN", "NET_RAW"]}),
    (lambda c: c.with_cap_drop("ALL"), {"cap_drop": ["ALL"]}),
    (lambda c: c.with_privileged(), {"privileged": True}),
    (lambda c: c.with_device("/dev/a").with_device("/dev/b", "/dev/c", "r"),
     {"devices": ["/dev/a:/dev/a:rwm", "/dev/b:/dev/c:r"]}),
    (lambda c: c.with_read_only_root(), {"read_only": True}),
    (lambda c: c.with_user("a:b"), {"user": "a:b"}),
    (lambda c: c.with_user(0), {"user": "0"}),
    (lambda c: c.with_entrypoint("a b"), {"entrypoint": "a b"}),
    (lambda c: c.with_entrypoint(["a"]).with_entrypoint(("b", "c")), {"entrypoint": ["b", "c"]}),
    (lambda c: c.with_entrypoint(""), {"entrypoint": [""]}),
    (lambda c: c.with_entrypoint([]), {"entrypoint": [""]}),
    (lambda c: c.with_working_directory("/a"), {"working_dir": "/a"}),
    (lambda c: c.with_init(), {"init": True}),
    (lambda c: c.with_stop_signal("SIGINT"), {"stop_signal": "SIGINT"}),
    (lambda c: c.with_stop_timeout(0), {"stop_timeout": 0}),
    (lambda c: c.with_restart_policy("on-failure", 3),
     {"restart_policy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
    (lambda c: c.with_hostname("a-b.c"), {"hostname": "a-b.c"}),
    (lambda c: c.with_kwargs(extra_hosts=["x:::1"]).with_extra_host("a", "10.0.0.1")
     .with_extra_host("b", "host-gateway"),
     {"extra_hosts": {"x": "::1", "a": "10.0.0.1", "b": "host-gateway"}}),
    (lambda c: c.with_dns("10.0.0.1", "::1", search=["a.b"]),
     {"dns": ["10.0.0.1", "::1"], "dns_search": ["a.b"]}),
    (lambda c: c.with_sysctl("a.b", 1).with_sysctl("c", "2"), {"sysctls": {"a.b": "1", "c": "2"}}),
]  # fmt: skip

# What makes no sense, and what the error says.
REFUSED: list[tuple[Callable[[DockerContainer, Any], object], list[Any], str]] = [
    (lambda c, x: c.with_memory_limit(x), ["", "64x", "-1m", 0, -1, True, None, "5m", 1 << 20],
     "is no size|6m at least"),
    (lambda c, x: c.with_memory_limit("64m", swap=x), ["a lot", -5], "swap: .* is no size"),
    (lambda c, x: c.with_cpu_limit(x), [0, -1, "2", None, float("nan"), float("inf"), True],
     "is no number > 0"),
    (lambda c, x: c.with_pids_limit(x), [0, -1, 1.5, "10"], "is no (whole )?number"),
    (lambda c, x: c.with_shm_size(x), ["", "x", 0], "is no size"),
    (lambda c, x: c.with_ulimit("nofile", *x), [(-2,), (10, 5), (-1, 5), ("10",)],
     "nofile.*(is no|above the hard)"),
    (lambda c, x: c.with_ulimit(x, 1), ["", None], "says nothing"),
    (lambda c, x: c.with_cap_add(x), ["net_admin", "", None, "NET ADMIN"], "is no capability"),
    (lambda c, x: c.with_cap_drop(x), ["all", ["ALL"]], "is no capability"),
    (lambda c, x: c.with_device(*x), [("fuse",), ("/dev/a", "b"), ("/dev/a", "/dev/a", "rx"),
                                      ("/dev/a", "/dev/a", "")], "begins with '/'|letters of"),
    (lambda c, x: c.with_user(x), ["", " ", -1, None, 1.5], "with_user"),
    (lambda c, x: c.with_working_directory(x), ["", "a", "/a/../b", None], "with_working_dir"),
    (lambda c, x: c.with_healthcheck(x), ["", [], [""], ["a", None]], "with_healthcheck"),
    (lambda c, x: c.with_healthcheck("a", interval=x), [0, -1, "1s", 0.0001], "interval"),
    (lambda c, x: c.with_healthcheck("a", timeout=x), [0, None], "timeout in seconds"),
    (lambda c, x: c.with_healthcheck("a", retries=x), [0, 1.5], "retries"),
    (lambda c, x: c.with_healthcheck("a", start_period=x), [-1], "start_period in seconds"),
    (lambda c, x: c.with_stop_signal(x), ["", "INT", "sigint", 15, None], "as in 'SIGINT'"),
    (lambda c, x: c.with_stop_timeout(x), [-1, 1.5, "10"], "with_stop_timeout"),
    (lambda c, x: c.with_restart_policy(*x), [("sometimes",), ("",), ("on-failure", -1),
                                              ("always", 3)], "choose from|max_retries"),
    (lambda c, x: c.with_hostname(x), ["", "a b", "-a", None], "is no host name"),
    (lambda c, x: c.with_extra_host(*x), [("", "::1"), ("a b", "::1"), ("a", "b"), ("a", "")],
     "is no (host name|IP address)"),
    (lambda c, x: c.with_dns(x), ["", "a", "10.0.0.300", None], "is no IP address"),
    (lambda c, x: c.with_dns(search=[x]), ["", "a b"], "is no host name"),
    (lambda c, x: c.with_sysctl(x, 1), ["", None], "says nothing"),
]  # fmt: skip


def options(container: DockerContainer) -> dict[str, Any]:
    """The SDK's options that were collected."""
    return dict(container._request.options)


class LimitsTest(unittest.TestCase):
    """What is collected."""

    def test_what_it_becomes(self) -> None:
        """Units that people use become those of the SDK; what is a list or a dict adds up."""
        for number, (change, expected) in enumerate(BECOMES):
            with self.subTest(number=number):
                container = DockerContainer("a")
                change(container)
                self.assertEqual(expected, options(container))

    def test_health_check(self) -> None:
        """Seconds become nanoseconds, and a further check replaces the whole of the first."""
        container = DockerContainer("a").with_healthcheck("a | b", interval=0.5, start_period=2)
        expected = {
            "test": ["CMD-SHELL", "a | b"], "interval": SECOND // 2, "timeout": 30 * SECOND,
            "retries": 3, "start_period": 2 * SECOND,
        }  # fmt: skip
        self.assertEqual({"healthcheck": expected}, options(container))
        for test, words in [
            (["a", "b"], ["CMD", "a", "b"]),
            (("CMD", "a"), ["CMD", "a"]),
            (["CMD-SHELL", "a"], ["CMD-SHELL", "a"]),
            (None, ["NONE"]),
        ]:
            with self.subTest(test=test):
                found = options(container.with_healthcheck(test, timeout=1))["healthcheck"]
                self.assertEqual((words, SECOND), (found["test"], found["timeout"]))
                self.assertEqual(0, found["start_period"])

    def test_refused(self) -> None:
        """What makes no sense is refused where it is written, and changes nothing."""
        for number, (change, values, expected) in enumerate(REFUSED):
            for value in values:
                with self.subTest(number=number, value=value):
                    container = DockerContainer("a")
                    with self.assertRaisesRegex(DeclarationError, expected):
                        change(container, value)
                    self.assertEqual({}, options(container))

    @given(
        st.integers(1, 10**6), st.sampled_from(["", "k", "m", "g", "t"]),
        st.sampled_from(["", "b", "ib"]), st.booleans(),
    )  # fmt: skip
    def test_sizes(self, number: int, unit: str, end: str, upper: bool) -> None:
        """Every way in which people write a size means powers of 1024."""
        text = f"{number}{unit}{end}"
        expected = number * 1024 ** " kmgt".index(unit or " ")
        self.assertEqual(expected, size_in_bytes(text.upper() if upper else text, "x"))
        self.assertEqual(number, size_in_bytes(number, "x"))
