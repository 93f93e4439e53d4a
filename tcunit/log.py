"""The ``tcunit`` logger. The standard library's module is loaded when there is something to say."""

from __future__ import annotations

import sys


def warn(message: str, *values: object) -> None:
    """Log a warning."""
    import logging

    logging.getLogger("tcunit").warning(message, *values)


def debug(message: str, *values: object) -> None:
    """Log what matters to who looks for it; nobody does where logging is not loaded."""
    if logging := sys.modules.get("logging"):
        logging.getLogger("tcunit").debug(message, *values)


def tell(message: str, *values: object) -> None:
    """Log what was done."""
    import logging

    logging.getLogger("tcunit").info(message, *values)
