"""Ways to wait until a container is ready: ``waiting_for(wait.for_http("/", port=80))``.

One file per kind of strategy, and one loop for them all (:mod:`tcunit.wait.base`). A strategy sees
a container only through the narrow protocol :class:`WaitTarget`.
"""

from __future__ import annotations

from .base import ExecResult, WaitStrategy, WaitTarget, wait_until_ready
from .combine import AllOf, AnyOf, DefaultWaitStrategy
from .command import ExecWaitStrategy, ExitWaitStrategy, RunningWaitStrategy
from .file import FileWaitStrategy
from .health import HealthcheckWaitStrategy
from .http import HttpAnswer, HttpRequest, HttpWaitStrategy
from .log import LogMessageWaitStrategy
from .port import PortWaitStrategy
from .sql import SqlWaitStrategy

for_log = LogMessageWaitStrategy
for_port = PortWaitStrategy
for_http = HttpWaitStrategy
for_healthcheck = HealthcheckWaitStrategy
for_exec = ExecWaitStrategy
for_exit = ExitWaitStrategy
for_running = RunningWaitStrategy
for_sql = SqlWaitStrategy
for_file = FileWaitStrategy
all_of = AllOf
any_of = AnyOf

__all__ = [
    # what to write in waiting_for(…)
    "all_of",
    "any_of",
    "for_exec",
    "for_exit",
    "for_file",
    "for_healthcheck",
    "for_http",
    "for_log",
    "for_port",
    "for_running",
    "for_sql",
    # the classes behind them
    "AllOf",
    "AnyOf",
    "DefaultWaitStrategy",
    "ExecWaitStrategy",
    "ExitWaitStrategy",
    "FileWaitStrategy",
    "HealthcheckWaitStrategy",
    "HttpWaitStrategy",
    "LogMessageWaitStrategy",
    "PortWaitStrategy",
    "RunningWaitStrategy",
    "SqlWaitStrategy",
    # for one's own
    "ExecResult",
    "HttpAnswer",
    "HttpRequest",
    "WaitStrategy",
    "WaitTarget",
    "wait_until_ready",
]
