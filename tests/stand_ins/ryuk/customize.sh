#!/bin/sh
# Ryuk's program, at the place that the official image has it.
set -eu
root=$1
here=$(dirname "$0")
install -D -m 0755 "$here"/ryuk.py "$root"/bin/ryuk
