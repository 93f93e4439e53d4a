"""Ready-made containers: a service, its port, and how to tell that it is ready.

None needs the service's client library.
"""

from .nginx import NginxContainer
from .postgres import PostgresContainer
from .redis import RedisContainer

__all__ = ["NginxContainer", "PostgresContainer", "RedisContainer"]
