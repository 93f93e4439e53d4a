#!/bin/sh
# Redis as the official image lays it out: its own user, and /data to work in.
set -eu
root=$1
here=$(dirname "$0")
echo 'redis:x:999:999::/data:/bin/sh' >> "$root"/etc/passwd
echo 'redis:x:999:' >> "$root"/etc/group
install -d -o 999 -g 999 "$root"/data
# The packaged configuration is for a service of the distribution; without one the server takes its
# own defaults, as in the official image.
rm -rf "$root"/etc/redis
install -D -m 0755 "$here"/entrypoint.sh "$root"/usr/local/bin/docker-entrypoint.sh
