#!/bin/sh
# PostgreSQL as the official image lays it out: user, folders, programs on PATH, and a server that
# listens everywhere by default.
set -eu
root=$1
here=$(dirname "$0")
version=$(ls "$root"/usr/lib/postgresql)

echo 'postgres:x:999:999::/var/lib/postgresql:/bin/bash' >> "$root"/etc/passwd
echo 'postgres:x:999:' >> "$root"/etc/group
# The version is the distribution's choice; PATH is fixed before it is known.
ln -s "$version" "$root"/usr/lib/postgresql/current
# A login shell has a PATH of its own; it finds the programs themselves, not the distribution's
# wrapper for several versions.
for program in "$root"/usr/lib/postgresql/"$version"/bin/*; do
    ln -sf ../lib/postgresql/current/bin/"${program##*/}" "$root"/usr/bin/
done
rm -rf "$root"/usr/lib/postgresql/"$version"/lib/bitcode \
    "$root"/usr/lib/postgresql/"$version"/lib/llvmjit*
sample=$root/usr/share/postgresql/$version/postgresql.conf.sample
sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" "$sample"
grep -q "^listen_addresses = '\*'" "$sample"

mkdir -p "$root"/docker-entrypoint-initdb.d
install -d -m 0700 -o 999 -g 999 "$root"/var/lib/postgresql/data
install -d -m 3777 -o 999 -g 999 "$root"/run/postgresql
chown 999:999 "$root"/var/lib/postgresql
install -D -m 0755 "$here"/entrypoint.sh "$root"/usr/local/bin/docker-entrypoint.sh
