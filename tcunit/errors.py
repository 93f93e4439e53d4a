"""Every error that tcunit raises, in one tree.

TcunitError
├── SettingError              a setting has a value that it cannot have        (ValueError)
├── DeclarationError          what was declared cannot work                    (ValueError)
│   ├── PortError             a port that is none, or one that cannot be published
│   ├── SealedError           a declaration was changed after its class existed
│   └── CycleError            declarations that wait for each other
├── EngineError               the engine is missing, or refused something
│   ├── EngineNotFound        no engine answered; the message lists each try
│   ├── ImageNotFound         an image is neither present nor to be pulled
│   └── BuildFailed           an image could not be built
├── StartError                a container or network could not be started
│   ├── NotReady              it ran, but was not ready in time                (TimeoutError)
│   ├── ContainerDied         it ended before it was ready
│   ├── ComposeError          Docker Compose is missing, or did not do what it was told
│   ├── StartCancelled        something else failed first, or the start was interrupted
│   └── StartErrors           several of them at once                          (ExceptionGroup)
├── FaultError                a fault could not be made, or was asked for wrongly
├── CopyError                 files could not be copied into or out of a container
├── HostPortError             containers cannot reach a port of the test process
├── CleanupError              something could not be removed
├── WorkerDied                a process of ``tcunit run -j`` ended in the middle of a class
├── NotStarted                used before it was started, or after it was stopped
├── NoAddress                 it has no address in this connection mode
└── PortNotExposed            a port was looked up that was not exposed        (LookupError)

Each is made from its message alone, so that it survives pickling between test processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TcunitError(Exception):
    """The root of all errors of tcunit."""


class SettingError(TcunitError, ValueError):
    """A setting has a value that it cannot have; the message names its source."""


class DeclarationError(TcunitError, ValueError):
    """What was declared cannot work; the message says what to change."""


class PortError(DeclarationError):
    """A port that is none, or one that cannot be published."""


class SealedError(DeclarationError):
    """A declaration was changed after the class that holds it existed."""


class CycleError(DeclarationError):
    """Declarations that wait for each other; the message names the loop."""


class EngineError(TcunitError):
    """The Docker engine is missing, or refused something."""


class EngineNotFound(EngineError):
    """No engine answered; the message lists each place that was tried and why it failed."""


class ImageNotFound(EngineError):
    """An image is neither present on the engine nor can it be pulled."""


class BuildFailed(EngineError):
    """An image could not be built; the message ends with what the builder said last."""


class StartError(TcunitError):
    """A container or network could not be started; nothing of it is left."""


class NotReady(StartError, TimeoutError):
    """A container ran but was not ready in time; the message says what was missing."""


class ContainerDied(StartError):
    """A container ended before it was ready; the message has its exit code and last log lines."""


class ComposeError(StartError):
    """Docker Compose is missing, or did not do what it was told; shows the end of what it said."""


class StartCancelled(StartError):
    """A start was given up because another one failed or the run was interrupted."""


class StartErrors(StartError, ExceptionGroup[Exception]):
    """Several containers or networks could not be started; each has its own error inside."""

    def derive(self, excs: Sequence[Any], /) -> Any:
        """The same group around a part of its errors (the protocol of ``except*``)."""
        return type(self)(self.message, excs)


class FaultError(TcunitError):
    """A fault could not be made, or was asked for wrongly; nothing of it is left in place."""


class CopyError(TcunitError):
    """Files could not be copied into or out of a container; the message says which, and why."""


class HostPortError(TcunitError):
    """Containers cannot reach a port of the test process; the message says why."""


class CleanupError(TcunitError):
    """Something could not be removed; the message names it and says how to remove it by hand."""


class WorkerDied(TcunitError):
    """A process of ``tcunit run -j`` ended in the middle of a class; the message says how."""


class NotStarted(TcunitError):
    """A container or network was used before it was started, or after it was stopped."""


class NoAddress(TcunitError):
    """A container has no address in the connection mode that was asked for."""


class PortNotExposed(TcunitError, LookupError):
    """A port was looked up that was not exposed; the message lists those that were."""
