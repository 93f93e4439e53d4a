"""Stacks of services that Docker Compose makes, as something to declare.

``asked`` is what was declared, ``cli`` finds Compose's command, ``command`` runs it so that it ends
with us (through ``leash``, a process between the two). ``model`` is what the files mean and what we
add, ``project`` the calls and the removal, ``launching`` a start, ``coverage`` the measurement of
services. ``service`` is a service as a container, and ``stack`` what users declare.
"""

from .service import ComposeNetwork, ComposeService
from .stack import ComposeStack

__all__ = ["ComposeNetwork", "ComposeService", "ComposeStack"]
