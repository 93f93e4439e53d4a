"""A program that runs twice, of which each run takes another way."""

import os

try:
    os.mkdir("/turns/taken")
except FileExistsError:
    print("the second")  # runs
else:
    print("the first")  # runs
