"""The tests, and what they all know."""

import sys

# The exit code of unittest where no test ran: since Python 3.12 also where errors are the reason.
NOTHING_RAN = 5 if sys.version_info >= (3, 12) else 0
