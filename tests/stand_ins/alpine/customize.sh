#!/bin/sh
# One BusyBox under all its names. Not the static one: its shell takes its own nc, whatever is on
# PATH.
set -eu
root=$1
here=$(dirname "$0")
mkdir -p "$root"/sbin "$root"/usr/bin "$root"/usr/sbin
chroot "$root" /bin/busybox --install -s
rm -f "$root"/bin/nc "$root"/usr/bin/nc
install -m 0755 "$here"/nc "$root"/usr/bin/nc
rm -rf "$root"/usr/lib/*/gconv "$root"/lib/*/gconv "$root"/usr/share "$root"/var/lib/dpkg
