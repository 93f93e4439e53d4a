"""Packages of another Debian release, for programs in the versions that are there.

Owns where it comes from: the mirror that this machine uses, by apt, which checks the archive's
signature. The rule it keeps: nothing is installed, and apt's own files are left alone.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.stand_ins.system import Failure, can_install, locked, os_release, run, run_folder, say

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class NotDebian(Failure):
    """This machine does not get its packages from a Debian mirror."""


def unpack(packages: Sequence[str], release: str, folder: Path) -> None:
    """Unpack packages into a folder; each is fetched once until this machine is started anew.

    Raises:
        NotDebian: it cannot be fetched here.
        Failure: it could not be fetched.
    """
    with locked("packages"):
        kept = run_folder() / "packages" / release
        kept.mkdir(parents=True, exist_ok=True)
        if missing := [each for each in packages if not list(kept.glob(f"{each}_*.deb"))]:
            _fetch(missing, release, kept)
        for each in packages:
            found = max(kept.glob(f"{each}_*.deb"))
            run("dpkg-deb", "--extract", str(found), str(folder))


def _fetch(packages: Sequence[str], release: str, to: Path) -> None:
    mirror = _mirror()
    say(f"fetching {', '.join(packages)} of Debian's release {release}")
    with tempfile.TemporaryDirectory(dir=to) as own:
        for each in ("lists/partial", "cache/archives/partial"):
            Path(own, each).mkdir(parents=True)
        Path(own, "sources.list").write_text(f"deb [signed-by={KEYS}] {mirror} {release} main\n")
        options = [
            f"Dir::Etc::sourcelist={own}/sources.list", "Dir::Etc::sourceparts=-",
            f"Dir::State::lists={own}/lists", f"Dir::Cache={own}/cache",
            "Acquire::Languages=none", "APT::Sandbox::User=root",
        ]  # fmt: skip
        apt = ["apt-get", "-q", *(word for each in options for word in ("-o", each))]
        run(*apt, "update")
        # apt downloads to the working directory.
        run("sh", "-c", 'cd "$0" && exec "$@"', own, *apt, "download", *packages)
        for fetched in Path(own).glob("*.deb"):
            os.replace(fetched, to / fetched.name)


def _mirror() -> str:
    """Where this machine gets its release's main packages from."""
    if os_release().get("ID") != "debian" or not KEYS.is_file():
        raise NotDebian("packages of another Debian release are fetched on Debian alone")
    found = _mirrors()
    if not found and can_install():
        run("apt-get", "update", "-q")
        found = _mirrors()
    if not found:
        raise NotDebian("this machine has no Debian mirror among the sources of its packages")
    return found[0]


def _mirrors() -> list[str]:
    wanted = f"Debian|{os_release().get('VERSION_CODENAME')}|main|"
    form = "$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    listed = run("apt-get", "indextargets", "--format", form, "Created-By: Packages")
    return [line.removeprefix(wanted) for line in listed.splitlines() if line.startswith(wanted)]
