"""The engine: finding it, and every call that is made to it.

This is the only folder that imports the Docker SDK, and it does so when the first call is made.
``os.environ`` is never changed.
"""

from .engine import Engine
from .find import (
    Candidate,
    active_context,
    candidates,
    connect_as,
    connected,
    find_engine,
    usual_sockets,
)
from .images import ImageInfo
from .lent import lent
from .options import env_file, split_options
from .refusals import NameTaken, NotThere, Unanswered
from .resources import KINDS, Resource
from .streams import Stream

__all__ = [
    "KINDS",
    "Candidate",
    "Engine",
    "ImageInfo",
    "NameTaken",
    "NotThere",
    "Resource",
    "Stream",
    "Unanswered",
    "active_context",
    "candidates",
    "connect_as",
    "connected",
    "env_file",
    "find_engine",
    "lent",
    "split_options",
    "usual_sockets",
]
