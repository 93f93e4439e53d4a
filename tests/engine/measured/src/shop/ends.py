"""A program that comes to its end, with the code that it is given."""

import sys

print("done", flush=True)  # runs
sys.exit(int(sys.argv[1]))
