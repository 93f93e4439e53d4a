#!/bin/sh
# The start of a registry container, by the contract of the official image: a configuration file
# alone means `registry serve`.
set -e
case "$1" in *.yaml|*.yml) set -- registry serve "$@" ;; esac
exec "$@"
