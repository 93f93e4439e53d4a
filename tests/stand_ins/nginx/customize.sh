#!/bin/sh
# nginx as the official image lays it out: a page on port 80, logs to the container's own output.
set -eu
root=$1
here=$(dirname "$0")
echo 'nginx:x:999:999::/nonexistent:/bin/false' >> "$root"/etc/passwd
echo 'nginx:x:999:' >> "$root"/etc/group
rm -rf "$root"/etc/nginx/sites-* "$root"/etc/nginx/modules-enabled "$root"/var/www
mkdir -p "$root"/etc/nginx/conf.d "$root"/usr/share/nginx/html \
    "$root"/var/log/nginx "$root"/var/lib/nginx
install -m 0644 "$here"/nginx.conf "$root"/etc/nginx/nginx.conf
install -m 0644 "$here"/default.conf "$root"/etc/nginx/conf.d/default.conf
install -m 0644 "$here"/index.html "$root"/usr/share/nginx/html/index.html
ln -sf /dev/stdout "$root"/var/log/nginx/access.log
ln -sf /dev/stderr "$root"/var/log/nginx/error.log
