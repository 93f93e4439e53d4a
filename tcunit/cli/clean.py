"""``clean``: removes what earlier sessions left on the engine, and never a live one's.

A lock that nobody holds says that a session is dead. One without a lock here may live on another
machine or in a container, so it is only listed, unless ``--force`` says that it does not. What
processes share goes when no session uses it, also if it was kept for the next run; images of warm
starts go when no container uses them and no process is about to, unless ``--keep-warm`` is given.
"""

from __future__ import annotations

import argparse
from typing import Any

from .._docker import Engine, find_engine
from .._docker.saved import SavedImage
from ..reapers.dead import (
    Remains,
    SharedRemains,
    all_remains,
    all_shared,
    remove_remains,
    remove_shared,
    remove_stale_locks,
)
from ..warm import own_tag, remove_warm, warm_images
from .ps import age, use_of

_WORDS = {True: "lives", False: "dead", None: "unknown: it has no lock on this machine"}


def add(commands: Any) -> None:
    """Declare the command and its options."""
    what = "remove what earlier, dead sessions left on the engine"
    parser = commands.add_parser("clean", help=what, description=what.capitalize() + ".")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--dry-run", action="store_true", help="only list")
    which.add_argument(
        "--force", action="store_true",
        help="also remove what may belong to a live session of another machine or container",
    )  # fmt: skip
    parser.add_argument("--keep-warm", action="store_true", help="leave images of warm starts")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List and remove; 1 if something that should be gone could not be removed."""
    engine = find_engine()
    found = all_remains(engine)
    failed: list[object] = [each for each in found if not _deal_with(engine, each, options)]
    shared = all_shared(engine)
    failed += [each for each in shared if not _deal_with_shared(engine, each, options)]
    images = [] if options.keep_warm else warm_images(engine)
    failed += [each for each in images if not _deal_with_image(engine, each, options)]
    if not options.dry_run:
        remove_stale_locks(engine)
    if not found and not shared and not images:
        print("nothing is left of any session")
    are_unknown = [each.is_alive is None for each in found]
    are_unknown += [each.record is None for each in shared]
    if any(are_unknown) and not options.force:
        print("--force removes the unknown ones; make sure that no such session lives elsewhere")
    return 1 if failed else 0


def _deal_with_image(engine: Engine, image: SavedImage, options: argparse.Namespace) -> bool:
    """Print an image that a warm start has made and remove it; it stays where it is in use."""
    name = own_tag(image) or f"{image.id} (not finished)"
    old = age(engine.time() - image.created)
    print(f"image for warm starts {name} ({image.size / 1e6:.0f} MB, {old})")
    if not options.dry_run:
        print("  removed" if remove_warm(engine, image) else "  in use")
    return True


def _deal_with_shared(engine: Engine, shared: SharedRemains, options: argparse.Namespace) -> bool:
    """Print what processes share and remove it if nobody uses it; false if it failed."""
    print(f"shared {shared.resource.kind} {shared.resource.name} ({use_of(shared)})")
    record = shared.record
    is_free = bool(options.force) if record is None else not record.living_users
    if not is_free or options.dry_run:
        return True
    is_gone = remove_shared(engine, shared)
    print("  removed" if is_gone else "  could not be removed: somebody uses it")
    return is_gone


def _deal_with(engine: Engine, remains: Remains, options: argparse.Namespace) -> bool:
    """Print one session's remains and remove them where that is right; false if it failed."""
    print(f"session {remains.session} ({_WORDS[remains.is_alive]})")
    for each in remains.resources:
        print(f"  {each.kind} {each.name}")
    certain = remains.is_alive is False or (remains.is_alive is None and options.force)
    if not certain or options.dry_run:
        return True
    left = remove_remains(engine, remains)
    print(f"  could not be removed: {', '.join(x.name for x in left)}" if left else "  removed")
    return not left
