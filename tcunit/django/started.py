"""From settings that refer to containers to settings with their addresses, and back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..lifecycle.declared import Declared
from ..lifecycle.fixture import ClassFixture
from ..lifecycle.scopes import run_scope
from .late import Late, Undo, filled, late_values

values: dict[str, object] = {}
"""What was filled in, by its place: workers that are not forked are told it."""


@contextlib.contextmanager
def containers() -> Iterator[None]:
    """Start what the settings refer to and fill in its addresses; take both back at the end.

    Whatever else lives for the run is removed at the end, too. The runner does all this; use it
    where another program runs the tests.

    Raises:
        StartError: one of them could not be started; nothing is left of the others.
    """
    found = dict(_late_in_settings())
    fixture = ClassFixture(type("django", (), _named(found)))
    undo: list[Undo] = []
    try:
        fixture.start()
        for path, value in found.items():
            values[path] = value.make(*(fixture.started(each) for each in value.declarations))
        fill(values, undo)
        yield
    finally:
        values.clear()
        for step in reversed(undo):
            step()
        fixture.stop()
        run_scope.stop()


def fill(made: dict[str, object], undo: list[Undo]) -> None:
    """Put values into Django's settings, and tell those who have read them already."""
    from django.conf import settings

    for name in {path.partition("/")[0] for path in made}:
        before = getattr(settings, name)
        undo.append(partial(_tell, name, before, enter=False))  # at last, when it is put back
        after = filled(before, name, made, undo)
        if after is not before:
            setattr(settings, name, after)
            undo.append(partial(setattr, settings, name, before))
        _tell(name, after, enter=True)


def _tell(name: str, value: Any, *, enter: bool) -> None:
    from django.test.signals import setting_changed

    if name != "DATABASES":  # Django's handler holds the same dicts; to tell it brings a warning
        setting_changed.send(sender=fill, setting=name, value=value, enter=enter)


def _late_in_settings() -> Iterator[tuple[str, Late]]:
    from django.conf import settings

    for name in dir(settings):
        if name.isupper() and settings.is_overridden(name):
            yield from late_values(getattr(settings, name), name)


def _named(found: dict[str, Late]) -> dict[str, Declared]:
    """The declarations, each named after the first place that refers to it, to live for the run."""
    named: dict[str, Declared] = {}
    for path, value in found.items():
        for each in value.declarations:
            if not any(each is known for known in named.values()):
                if each.scope != "run":
                    each.with_scope("run")
                stem = "_".join(path.split("/")[:2]).lower()
                named[stem if stem not in named else f"{stem}_{len(named)}"] = each
    return named
