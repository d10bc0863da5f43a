# SPDX-License-Identifier: ISC
"""Entry of the engine process: ``python -m filter_ban.daemon FD``, started by the enforcer with its channel as FD."""

import contextlib
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from filter_ban import logline
from filter_ban.channel import MessageReader
from filter_ban.daemon import garbage

if TYPE_CHECKING:
    import asyncio

_OPEN_FILES = 65_536  # each smtpd process may have several connections
_SWITCH_INTERVAL_S = 0.0002  # a ban is committed within 100 ms even while the loop is busy


def receive_start(channel: socket.socket) -> dict[str, Any]:
    """Return the first message of *channel*, and take nothing that follows it."""
    line = b""
    while not line.endswith(b"\n"):
        ahead = channel.recv(1 << 16, socket.MSG_PEEK)
        if not ahead:
            raise SystemExit("the enforcer left before it started this engine")
        line += channel.recv(ahead.find(b"\n") + 1 or len(ahead))
    ((verb, argument),) = MessageReader().receive_data(line)
    if verb != "start" or not isinstance(argument, dict):
        raise SystemExit(f"the enforcer began with {verb!r}, not with start")
    return argument


def fastest_loop() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """Return what makes a loop of the extra "fast", or None for asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - an extra, and 6 MB
    except ImportError:
        return None
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return new_loop


def has_decoy(start: dict[str, Any]) -> bool:
    """Return whether there is a decoy: aiosmtpd cannot be imported without ssl."""
    return any(listener["service"] == "decoy" for listener in start["listeners"])


def main() -> None:
    """Run the engine until the enforcer stops it or leaves."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # credentials pass through this process
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _OPEN_FILES), most))
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # the enforcer gets these and says stop
    logline.set_up(process="engine")
    garbage.keep_short()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    channel = socket.socket(fileno=int(sys.argv[1]))
    start = receive_start(channel)
    logline.set_up(**start["log"], process="engine")
    new_loop = fastest_loop()  # imports ssl if it is uvloop's
    if new_loop is None and not has_decoy(start):
        sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]  # asyncio does without, which saves 4 MB
    from filter_ban.daemon.main import serve  # noqa: PLC0415 - after the line above

    serve(start, channel, new_loop)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
