"""A real browser without a window: found, or installed where it can be, and driven by its pipe.

Owns the browser's process. It is of Chrome's family, because that one speaks its protocol over a
pair of pipes: no port, no further library. The rule it keeps: nothing of it outlives
:func:`opened`.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.stand_ins.system import (
    PATH,
    Failure,
    can_install,
    install_missing,
    locked,
    os_release,
    tail,
)

PROGRAMS = (
    "chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser",
    "google-chrome", "google-chrome-stable", "chrome",
)  # fmt: skip
# A third lighter than the whole browser: 96 MB to fetch, ten seconds to install.
PACKAGE = "chromium-headless-shell"
PATIENCE = 60.0
# It reads from 3 and writes to 4.
WITH_PIPES = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)

Json = dict[str, Any]


def find_or_install() -> str:
    """The path of a browser; on Debian, as root, it is installed where there is none.

    Raises:
        NoBrowser: there is none, and none can be installed; says what to do.
        Failure: the installation failed.
    """
    with locked("browser"):
        if found := _found():
            return found
        # Ubuntu has it as a snap only, which wants a whole machine.
        if not can_install() or os_release().get("ID") == "ubuntu":
            raise NoBrowser(
                "no browser is installed: install Chromium or Chrome, so that one of these is on "
                f"PATH: {', '.join(PROGRAMS)} (as root on Debian, this is done for you)"
            )
        install_missing(**{PACKAGE: PACKAGE, "fc-list": "fontconfig"})
        install_fonts()
        return _found()


def install_fonts() -> None:
    """Install a font where there is none: a page without one shows no text at all."""
    fonts = subprocess.run(["fc-list"], capture_output=True, text=True, check=True)
    if not fonts.stdout.strip():
        install_missing(**{"no font": "fonts-dejavu-core"})


def _found() -> str:
    return next(filter(None, (shutil.which(each, path=PATH) for each in PROGRAMS)), "")


class NoBrowser(Failure):
    """There is none on this machine, and it is not ours to install one."""


class Page:
    """One page in a browser: what it shows, what it complains of, and what it asks for."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._number = 0
        self._session = ""
        self._loaded = False
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def attach(self) -> None:
        """Open an empty page and listen to all that happens in it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def go(self, url: str) -> None:
        """Load a page; returns when all of it is there."""
        self.complaints, self.requests, self._loaded = [], [], False
        self.call("Page.navigate", url=url)
        while not self._loaded:
            self._take()

    def resize(self, width: int, height: int) -> None:
        """Show it in a window of this size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def prefer(self, scheme: str) -> None:
        """Let its user prefer ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def point_at(self, x: float, y: float) -> None:
        """Move the pointer."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, a promise awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self) -> bytes:
        """What it looks like, as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """Ask the browser to end, which it does when it has answered."""
        with contextlib.suppress(Failure, OSError):
            self.call("Browser.close")

    def call(self, method: str, **parameters: Any) -> Json:
        """Ask the browser for something, and wait for its answer."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._to, json.dumps(request).encode() + b"\0")
        while True:
            answer = self._take()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                result: Json = answer["result"]
                return result

    def _take(self) -> Json:
        """The next message; an event is noted."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self._from], [], [], left)
            chunk = os.read(self._from, 1 << 20) if ready else b""
            if not chunk:
                raise Failure("the browser has ended" if ready else "the browser does not answer")
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: Json = json.loads(text)
        self._note(message.get("method", ""), message.get("params") or {})
        return message

    def _note(self, method: str, told: Json) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown" or (
            method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning")
        ):
            self.complaints.append(json.dumps(told))
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])


@contextlib.contextmanager
def opened() -> Iterator[Page]:
    """A page in a browser of its own."""
    program = find_or_install()
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        log = stack.enter_context((Path(home) / "log").open("wb"))
        its_in, to_browser = _pipe()
        from_browser, its_out = _pipe()
        stack.callback(os.close, to_browser)
        stack.callback(os.close, from_browser)
        options = (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
            f"--user-data-dir={home}/profile",
        )  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-c", WITH_PIPES, str(its_in), str(its_out), program, *options],
            pass_fds=(its_in, its_out), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "HOME": home}, start_new_session=True,
        )  # fmt: skip
        stack.callback(_end, process)
        os.close(its_in)
        os.close(its_out)  # so that its end is the pipe's end
        page = Page(to_browser, from_browser)
        try:
            page.attach()
        except Failure as error:
            raise Failure(
                f"{program}: {error}\n{tail((Path(home) / 'log').read_text())}"
            ) from error
        stack.callback(page.close)
        yield page


def _pipe() -> tuple[int, int]:
    """Both ends of a pipe, apart from the numbers that the browser wants for itself."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(end)
    return ends[0], ends[1]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser with all processes that it has started, if it does not do so by itself."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE / 6)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
