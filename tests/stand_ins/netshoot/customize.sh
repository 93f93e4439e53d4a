#!/bin/sh
# What the package's set-up would choose: the kernel's newer packet filter.
set -eu
ln -sf xtables-nft-multi "$1/usr/sbin/iptables"
