"""A relay: what comes to a socket that listens here goes on to a port of loopback, and back.

It asks who is calling before it passes anything on, and ends with its thread and its sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable

log = logging.getLogger("tcunit")

CHUNK = 1 << 16
LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
RESET, IN_ORDER = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)  # how a close is to end it


class Relay:
    """Passes connections on to a port of this machine's loopback, in a thread of its own.

    Args:
        listener: a socket that listens; the relay closes it.
        admits: says whether a caller's address is one to serve; may take its time.
    """

    def __init__(self, listener: socket.socket, port: int, admits: Callable[[str], bool]) -> None:
        self._listener, self._port, self._admits = listener, port, admits
        self._has_begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="tcunit-relay", daemon=True
        )
        self._thread.start()
        self._has_begun.wait()

    def close(self) -> None:
        """End all connections and the thread."""
        if self._loop is not None and self._ending is not None:
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def abandon(self) -> None:
        """In a forked child, which has no such thread: let go of the copy of the socket."""
        with contextlib.suppress(OSError):
            os.close(self._listener.detach())

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        with self._listener:
            self._listener.setblocking(False)
            loop.add_reader(self._listener, self._accept)
            self._has_begun.set()
            await self._ending.wait()
            loop.remove_reader(self._listener)
        for call in self._calls:
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls)

    def _accept(self) -> None:
        """Take a connection at once: one that is awaited could be lost as the relay ends."""
        with contextlib.suppress(OSError):  # the caller is gone already
            caller, (address, *_) = self._listener.accept()
            caller.setblocking(False)
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            call = asyncio.create_task(self._answer(caller, address))
            self._calls.add(call)
            call.add_done_callback(lambda call: self._end(call, caller))

    def _end(self, call: asyncio.Task[None], caller: socket.socket) -> None:
        self._calls.discard(call)
        caller.close()

    async def _answer(self, caller: socket.socket, address: str) -> None:
        """Serve one connection; one that is refused, or that breaks, is reset."""
        with contextlib.suppress(OSError, RuntimeError):  # the interpreter may be ending
            if not await asyncio.to_thread(self._admits, address):
                log.warning("Refused %s, which is no container of ours, a port.", address)
            elif server := await self._connect():
                with server:
                    await _pass_on(caller, server)
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, IN_ORDER)

    async def _connect(self) -> socket.socket | None:
        """A connection to the server, by either loopback."""
        for family, host in LOOPBACK:
            server = socket.socket(family)
            server.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(server, (host, self._port))
            except OSError:
                server.close()
            except BaseException:
                server.close()
                raise
            else:
                return server
        return None


async def _pass_on(one: socket.socket, other: socket.socket) -> None:
    """Pass on in both directions until both have ended; raises OSError if one breaks."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(one, other))
            both.create_task(_pump(other, one))
    except* OSError as errors:
        raise errors.exceptions[0] from None


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while chunk := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(sink, chunk)
    sink.shutdown(socket.SHUT_WR)
