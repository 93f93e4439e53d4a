#!/bin/sh
# A registry as the official image lays it out: no authentication unless REGISTRY_AUTH asks for it.
set -eu
root=$1
here=$(dirname "$0")
mv "$root"/usr/bin/docker-registry "$root"/usr/bin/registry
install -D -m 0644 "$here"/config.yml "$root"/etc/docker/registry/config.yml
install -D -m 0755 "$here"/entrypoint.sh "$root"/entrypoint.sh
mkdir -p "$root"/var/lib/registry
