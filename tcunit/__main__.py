"""``python -m tcunit``: see :mod:`tcunit.cli`."""

from __future__ import annotations

import sys

if __name__ == "__main__":  # and not where a worker of a run looks for what it shares with us
    from .cli import main

    sys.exit(main())
