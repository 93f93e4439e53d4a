#!/bin/sh
# Turns unpacked packages into a root file system. No maintainer script of a package has run: that
# saves four fifths of the time, and nothing can start a service or create a cluster; what a script
# would have done and an image needs is done here.
set -eu
root=$1

# What nobody reads in a container; Perl, which only the packages' own scripts need; and the
# compiler behind PostgreSQL's JIT, which does without where it is missing.
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* \
    "$root"/usr/share/info/* "$root"/usr/share/i18n \
    "$root"/usr/lib/*/libLLVM* "$root"/usr/lib/*/libz3.so* "$root"/usr/lib/llvm-* \
    "$root"/usr/bin/perl* "$root"/usr/share/perl* "$root"/usr/lib/*/perl* "$root"/usr/lib/*/libperl*
mkdir -p "$root"/root "$root"/home "$root"/run "$root"/var/log "$root"/var/lib
mkdir -p -m 1777 "$root"/tmp "$root"/var/tmp
chmod 1777 "$root"/tmp "$root"/var/tmp
rm -rf "$root"/var/run
ln -s /run "$root"/var/run

if [ -e "$root"/usr/share/base-passwd/passwd.master ]; then
    cp "$root"/usr/share/base-passwd/passwd.master "$root"/etc/passwd
    cp "$root"/usr/share/base-passwd/group.master "$root"/etc/group
else
    echo 'root:x:0:0:root:/root:/bin/sh' > "$root"/etc/passwd
    echo 'nobody:x:65534:65534:nobody:/nonexistent:/bin/false' >> "$root"/etc/passwd
    printf 'root:x:0:\nnogroup:x:65534:\n' > "$root"/etc/group
fi
[ ! -x "$root"/sbin/ldconfig ] || chroot "$root" /sbin/ldconfig
