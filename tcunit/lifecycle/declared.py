"""What can be declared: anything with ``needs`` and ``launch``.

A declaration is inert and is sealed when its class exists. A class that runs has started copies of
its own; a declaration that is an attribute reads as that copy through the running class and its
instances, and as itself before and after.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self

from .._docker import Engine
from ..errors import DeclarationError, SealedError, StartCancelled
from ..facts import Surroundings
from ..measured import Measured
from ..settings import Settings
from .ledger import Entry

FIXTURE = "_tcunit_fixture"
IN_TEST = "_tcunit_in_test"
MEASURED = "_tcunit_measured"
SCOPES = ("test", "class", "run")


_adopters: list[Callable[[object], Any]] = []


def adopts(adopt: Callable[[object], Any]) -> Callable[[object], Any]:
    """Let a function say which declaration stands for a thing of another library, if one does."""
    _adopters.append(adopt)
    return adopt


def declared(thing: Any) -> Any:
    """The declaration that stands for a thing, always the same one; else the thing itself."""
    if isinstance(thing, Declared):
        return thing
    return next((found for adopt in _adopters if (found := adopt(thing)) is not None), thing)


def dependencies(others: Iterable[Any]) -> list[Declared]:
    """What ``depends_on`` was given: declarations, and lists of them; refuses anything else."""
    found: list[Any] = []
    for other in others:
        is_several = isinstance(other, Iterable) and not isinstance(other, str)
        found += map(declared, other if is_several else [other])
    for each in found:
        if not isinstance(each, Declared):
            raise DeclarationError(f"depends_on({each!r}): only what is declared can be needed")
    return found


def owner_of(value: object) -> Any:
    """Whose method a value is, as a declaration where it is one; ``None`` if it is no method."""
    return declared(getattr(value, "__self__", None))


class Holder(Protocol):
    """The class fixture, as a declaration sees it."""

    def started(self, declaration: Declared) -> Declared:
        """The class's copy of a declaration."""
        ...


@dataclass(eq=False)
class Launch:
    """What one start may know and ask: the engine, its references, and whether to go on."""

    engine: Engine
    surroundings: Surroundings
    settings: Settings
    owner: str
    resolve: Callable[[Any], Any]
    is_cancelled: Callable[[], bool] = bool
    mode_of_case: Callable[[], Any] | None = None
    measured: Measured | None = None  # of its class
    is_ahead: bool = False  # it is for a class whose turn has not come

    def admit(self, what: str) -> None:
        """Refuse a create once the set is stopping."""
        if self.is_cancelled():
            raise StartCancelled(f"{what} was not started, because the start was given up")


class Declared(ABC):
    """The part of a declaration that has to do with its class."""

    _sealed = False
    _attribute = ""
    _declared_in = ""
    _module = ""
    _scope = "class"

    def __set_name__(self, owner: type, name: str) -> None:
        self._attribute = self._attribute or name
        self._declared_in = self._declared_in or owner.__qualname__
        self._module = self._module or owner.__module__
        self._sealed = True

    def __get__(self, instance: object, owner: type) -> Self:
        fixture: Holder | None = owner.__dict__.get(FIXTURE)
        if fixture is not None:
            return fixture.started(self)  # type: ignore[return-value]
        if instance is not None and (complain := vars(instance).get(IN_TEST)):
            complain(self._attribute)
        return self

    @property
    def scope(self) -> str:
        """How long it lives: for the ``"test"``, the ``"class"`` or the ``"run"``."""
        return self._scope

    def with_scope(self, scope: str) -> Self:
        """Start it anew for each ``"test"``, once for the ``"class"`` (the default), or once for
        the whole ``"run"``, where every class of the process that declares it shares it.
        """
        self._refuse_change("with_scope")
        if scope not in SCOPES:
            raise DeclarationError(f"{scope!r} is no scope: choose from {', '.join(SCOPES)}")
        self._scope = scope
        return self

    @property
    def is_shared(self) -> bool:
        """Whether other processes use the same one."""
        return False

    @property
    def place(self) -> str:
        """Where it was declared: ``module.Class.attribute``; empty outside of classes."""
        return ".".join((self._module, self._declared_in, self._attribute)) * bool(self._module)

    def copy(self) -> Self:
        """A copy that can be changed, not started and not sealed."""
        twin = copy.copy(self)
        twin._sealed = False
        twin._attribute = ""
        twin._declared_in = twin._module = ""
        twin._reset()
        return twin

    def _replica(self, attribute: str) -> Self:
        """The copy that a running class starts."""
        twin = self.copy()
        twin._attribute = attribute or self._attribute
        twin._declared_in, twin._module = self._declared_in, self._module
        twin._sealed = True
        return twin

    def _refuse_change(self, method: str) -> None:
        if self._sealed:
            name = f"{self._declared_in}.{self._attribute}" if self._declared_in else repr(self)
            raise SealedError(
                f"{name} cannot be changed by {method}() any more, because the class that declares "
                f"it exists: vary a copy of it, as in {self._attribute or 'db'} = "
                f"{name}.copy().{method}(…)"
            )

    @property
    def label(self) -> str:
        """How messages call it: its attribute's name, else what it is."""
        return self._attribute or str(self)

    # -- what the lifecycle asks for ---------------------------------------------------------------

    @abstractmethod
    def _reset(self) -> None:
        """Forget everything about a start."""

    @property
    @abstractmethod
    def is_started(self) -> bool:
        """Whether it is started by now."""

    @abstractmethod
    def prepare(self) -> None:
        """Settle and check what is asked for, without an engine; raises DeclarationError."""

    @property
    def fixed_ports(self) -> list[tuple[int, str]]:
        """The ports of the host that it insists on, each with its protocol."""
        return []

    @property
    def is_apart(self) -> bool:
        """Whether it uses nothing of the host or the engine that is not its set's own.

        What is apart may be removed in the background, while other tests run already.
        """
        return False

    @property
    def known_as(self) -> str:
        """The name by which others may refer to it in text, as in ``container:NAME``."""
        return ""

    @abstractmethod
    def needs(self) -> Iterable[Any]:
        """The declarations that must be ready before this one starts, or their ``known_as``."""

    def insists_on(self) -> Iterable[Declared]:
        """Those of its needs without which it could not start, and that no class may leave out."""
        return ()

    @abstractmethod
    def launch(self, launch: Launch) -> None:
        """Start it and return when it is ready."""

    @abstractmethod
    def release(self) -> None:
        """Undo what :meth:`launch` did, however far it came; no error if that is nothing."""

    def use_mode_of(self, mode_of_case: Callable[[], Any] | None) -> None:
        """Follow the connection mode of another class, which shares it now."""

    def revive(self) -> None:
        """Bring it back to life if it has died; for what lives longer than one class."""

    @property
    def is_reset(self) -> bool:
        """Whether something is to be done with it before each test."""
        return False

    def before_test(self) -> None:
        """Bring it into the state that tests begin with, where that was asked for."""

    def parts(self) -> Iterable[Declared]:
        """The started things that it consists of, where it is more than one."""
        return ()

    # -- before its class's turn ------------------------------------------------------------------

    def why_not_ahead(self, resolve: Callable[[Any], Any]) -> str:
        """Why it may not start before its class's turn; what does not know better, says this."""
        return f"is a {type(self).__name__}, which starts in its class's turn only"

    def sources(self) -> object:
        """What its start takes from files of this machine: another value if that has changed."""
        return None

    def life(self, *, as_seen: bool = False) -> object:
        """What it is living: another value once it has ended, was started again, or is gone.

        Args:
            as_seen: as its start saw it last, without a look at what became of it since.
        """
        return None

    def kept(self) -> Iterable[Entry]:
        """What of it stays on the engine when it is kept; what is nothing is released instead."""
        return ()
