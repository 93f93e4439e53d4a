#!/bin/sh
# The part of the official image's contract that the tests use: TLS on port 2376 where
# DOCKER_TLS_CERTDIR names a folder with server/{ca,cert,key}.pem, else plain TCP on port 2375;
# further arguments go to dockerd. Unlike the official one it needs no --privileged: a container
# with CAP_SYS_ADMIN can make its own view of the kernel's settings and control groups writable.
set -eu
for mounted in /proc/sys /sys /sys/fs/cgroup /sys/fs/cgroup/*; do
    ! mountpoint -q "$mounted" || mount -o remount,bind,rw "$mounted"
done
certs=${DOCKER_TLS_CERTDIR:-}
if [ -n "$certs" ]; then
    set -- --host=tcp://0.0.0.0:2376 --tlsverify --tlscacert="$certs"/server/ca.pem \
        --tlscert="$certs"/server/cert.pem --tlskey="$certs"/server/key.pem "$@"
else
    set -- --host=tcp://0.0.0.0:2375 --tls=false "$@"
fi
exec docker-init -- dockerd --host=unix:///var/run/docker.sock "$@"
