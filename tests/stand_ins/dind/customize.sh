#!/bin/sh
# An engine as the official image lays it out: started by dockerd-entrypoint.sh.
set -eu
root=$1
here=$(dirname "$0")
# The packages' own scripts would have chosen between the two kinds of iptables.
for program in iptables ip6tables iptables-save iptables-restore; do
    ln -sf xtables-nft-multi "$root"/usr/sbin/"$program"
done
rm -rf "$root"/usr/share/dh-nss "$root"/usr/lib/python3
install -D -m 0755 "$here"/dockerd-entrypoint.sh "$root"/usr/local/bin/dockerd-entrypoint.sh
