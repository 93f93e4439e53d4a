"""Waiting for a database to answer a query, through the driver that the tests use anyway."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from ..ports import Port, PortLike
from .base import Probe, WaitStrategy, WaitTarget
from .http import only_port

MISTAKES = (AttributeError, ImportError, NameError, TypeError)


class SqlWaitStrategy(WaitStrategy):
    """Ready when a query succeeds over a DB-API connection (PEP 249).

    ``wait.for_sql(lambda host, port: psycopg.connect(host=host, port=port, user="me"))``. What the
    driver raises means "not yet"; a mistake in the code itself, such as a ``TypeError``, is raised.

    Args:
        connect: makes a connection, given host and port; let it give up after a short while.
        query: what is executed; its result is fetched and thrown away.
        port: the container's port; by default the only TCP port that is exposed.
    """

    def __init__(
        self,
        connect: Callable[[str, int], Any],
        query: str = "SELECT 1",
        *,
        port: PortLike | None = None,
    ) -> None:
        self.connect, self.query = connect, query
        self.port = None if port is None else Port.parse(port)

    def begin(self, target: WaitTarget) -> Probe:
        """Choose the port and ask over a new connection each time."""
        port = self.port or only_port(target, "wait.for_sql(connect, port=5432)")

        def probe() -> str | None:
            host, number, _ = target.probe_address(port)
            try:
                with closing(self.connect(host, number)) as connection:
                    self._ask(connection)
            except MISTAKES:
                raise
            except Exception as error:
                said = str(error).strip().partition("\n")[0]
                return f"{host}:{number}: {type(error).__name__}: {said}"
            return None

        return probe

    def _ask(self, connection: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(self.query)
        if cursor.description is not None:
            cursor.fetchall()

    def __str__(self) -> str:
        return f"the query {self.query!r} to succeed"
