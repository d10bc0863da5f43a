# SPDX-License-Identifier: ISC
"""
A headless Chromium, driven by the DevTools protocol over two pipes (``--remote-debugging-pipe``): no port, no package.

Messages are JSON, each ended by a NUL.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Self

WAIT_S: Final = 60.0
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--font-render-hinting=none",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing is fetched, whatever a page asks for
)

# Chromium reads from descriptor 3 and writes to 4.
_LAUNCHER: Final = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Return the program; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def _above_ten(descriptor: int) -> int:
    """Return the same pipe under a number that is not in the way of 3 and 4."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


class Chromium:
    """One browser with one page; ``troubles`` is what its console and log said that is an error or a warning."""

    def __init__(self, program: str) -> None:
        self.troubles: list[str] = []
        self._program = program
        self._profile = tempfile.mkdtemp(prefix="fbchromium")
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = (-1, -1)  # from it, to it
        self._received = b""
        self._last = 0
        self._session = ""
        self._events: list[str] = []

    def __enter__(self) -> Self:
        """Start it, on a blank page."""
        theirs_in, ours_out = map(_above_ten, os.pipe())
        ours_in, theirs_out = map(_above_ten, os.pipe())
        flags = [*_FLAGS, f"--user-data-dir={self._profile}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses root otherwise
        launcher = [sys.executable, "-c", _LAUNCHER, str(theirs_in), str(theirs_out), self._program]
        self._process = subprocess.Popen(
            [*launcher, *flags, "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._pipe = (ours_in, ours_out)
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _attach(self) -> None:
        pages = [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self.call("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __exit__(self, *_: object) -> None:
        """End it."""
        assert self._process is not None
        for descriptor in self._pipe:
            os.close(descriptor)
        try:  # it leaves at the end of its input
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Have a command done and return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._pipe[1], json.dumps(message).encode() + b"\0")
        deadline_s = time.monotonic() + WAIT_S
        while (answer := self._receive(deadline_s)).get("id") != self._last:
            self._heed(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self, deadline_s: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            readable, _, _ = select.select([self._pipe[0]], [], [], max(0.0, deadline_s - time.monotonic()))
            data = os.read(self._pipe[0], 1 << 20) if readable else b""
            assert data, "the browser says nothing"
            self._received += data
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _heed(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method", ""), event.get("params", {})
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.troubles.append(str(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.troubles.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.troubles.append(str(parameters["args"]))
        elif (
            method == "Network.requestWillBeSent"
            and parameters["documentURL"] != parameters["request"]["url"]
        ):
            self.troubles.append(f"asked for {parameters['request']['url']}")

    def show(self, file: Path, *, width: int, dark: bool = False, print_: bool = False) -> None:
        """Open *file* in a window of that width, in the dark or the light."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media="print" if print_ else "", features=scheme)
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
        )
        self._events.clear()
        self.call("Page.navigate", url=file.absolute().as_uri())
        deadline_s = time.monotonic() + WAIT_S
        while "Page.loadEventFired" not in self._events:
            self._heed(self._receive(deadline_s))

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self, height: int | None = None) -> bytes:
        """Return the page as PNG, to that height or all of it."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])
