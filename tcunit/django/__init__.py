"""Django's settings that refer to containers, and the test runner that starts these first.

``tcunit.django.ContainerDiscoverRunner`` is the runner, and ``ContainerRunnerMixin`` for one's own.
They import Django's, which a settings module cannot do, and are there at their first use.
"""

from __future__ import annotations

import typing

from .late import database, late
from .started import containers

if typing.TYPE_CHECKING:
    from .runner import ContainerDiscoverRunner, ContainerRunnerMixin
else:

    def __getattr__(name: str) -> type:
        """The runner, when Django asks for it by its dotted name."""
        if name not in ("ContainerDiscoverRunner", "ContainerRunnerMixin"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import runner

        return getattr(runner, name)


__all__ = [
    "ContainerDiscoverRunner",
    "ContainerRunnerMixin",
    "containers",
    "database",
    "late",
]
