"""Keys of the cache."""

from django.db import connection


def key(key: str, prefix: str, version: int) -> str:
    """A key of its own for each database: workers side by side have two, and one cache."""
    return f"{connection.settings_dict['NAME']}:{prefix}:{version}:{key}"
