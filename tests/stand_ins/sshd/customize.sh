#!/bin/sh
# An SSH server as the official image lays it out: host keys of its own, and a root whose password
# can be set.
set -eu
root=$1
echo 'sshd:x:100:65534::/run/sshd:/bin/false' >> "$root"/etc/passwd
echo 'root:*:19000:0:99999:7:::' > "$root"/etc/shadow
chmod 0600 "$root"/etc/shadow
mkdir -p "$root"/run/sshd "$root"/etc/ssh
echo 'password required pam_unix.so sha512' > "$root"/etc/pam.d/chpasswd
chroot "$root" ssh-keygen -q -A
