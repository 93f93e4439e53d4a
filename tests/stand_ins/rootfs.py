"""Root file systems of stand-in images, from the distribution's packages.

Owns the use of `mmdebstrap`. The rule it keeps: the same recipe gives the same image, so a recipe's
fingerprint covers every file and argument that goes in.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shlex
from pathlib import Path

from tests.stand_ins.recipes import FOLDER, Official
from tests.stand_ins.system import install_missing, os_release, run


def fingerprint(image: Official) -> str:
    """A digest of everything that goes into the stand-in."""
    arguments = [*_arguments(image), *image.instructions, os_release().get("VERSION_CODENAME", "")]
    # Where the checkout lies makes no difference to the image.
    text = json.dumps(arguments).replace(str(FOLDER), "")
    return hashlib.sha256(
        (text + folder_digest("base") + folder_digest(image.folder)).encode()
    ).hexdigest()


@functools.cache
def folder_digest(name: str) -> str:
    """A digest of the files in one folder of recipes; there need not be one."""
    digest = hashlib.sha256()
    for file in sorted((FOLDER / name).glob("*")):
        if file.is_file():
            digest.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def prepare() -> None:
    """Install what building takes."""
    install_missing(mmdebstrap="mmdebstrap")
    if not _sources():
        run("apt-get", "update", "-q")
        _sources.cache_clear()


def build(image: Official, tarball: Path) -> None:
    """Write the root file system of an image as a tar archive."""
    run(
        "mmdebstrap",
        *_arguments(image),
        os_release().get("VERSION_CODENAME", "stable"),
        str(tarball),
        *_sources(),
    )


def _arguments(image: Official) -> list[str]:
    scripts = [FOLDER / "base" / "customize.sh", FOLDER / image.folder / "customize.sh"]
    return [
        # Packages are unpacked and not configured: see base/customize.sh.
        "--variant=extract",
        f"--include={','.join(image.packages)}",
        *(
            f'--extract-hook=sh {shlex.quote(str(script))} "$1"'
            for script in scripts
            if script.exists()
        ),
    ]


@functools.cache
def _sources() -> list[str]:
    """Where this machine gets its distribution's packages from; others stay out of the images."""
    wanted = os_release().get("ID", "debian")
    listed = run(
        "apt-get",
        "indextargets",
        "--format",
        "$(ORIGIN)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    )
    lines = dict.fromkeys(
        line.split("|", 1)[1]
        for line in listed.splitlines()
        if line.lower().startswith(f"{wanted}|")
    )
    return list(lines)
