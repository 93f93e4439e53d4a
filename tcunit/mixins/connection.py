"""From a test to an address: the connection mode of a test case, and endpoints in it."""

from __future__ import annotations

import unittest
from typing import Any

from ..connection import ConnectionMode, Endpoint
from ..container import DockerContainer
from ..ports import PortLike


class ConnectionMixin(unittest.TestCase):
    """Looks up addresses that are right from where the tests run.

    Attributes:
        connection_mode: how to reach containers; ``None`` leaves it to the environment, the
            properties and the facts, in this order.
    """

    connection_mode: ConnectionMode | str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.connection_mode is not None:
            ConnectionMode.parse(cls.connection_mode, f"{cls.__qualname__}.connection_mode")

    def endpoint(
        self,
        container: DockerContainer,
        port: PortLike,
        mode: ConnectionMode | str | None = None,
    ) -> Endpoint:
        """Host and port by which a container's port is reached from this test.

        Args:
            mode: a connection mode for this look-up alone.

        Raises:
            PortNotExposed: the port was not exposed.
            NoAddress: it has no address in this mode.
        """
        return container.endpoint(port, mode or self.connection_mode)
