# SPDX-License-Identifier: ISC
"""The engine as a child process: started, watched and stopped; what it says is read, what it is told is buffered."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from filter_ban.channel import MessageReader, encode

MAX_UNSENT_BYTES: Final = 64 << 20
_READ_BYTES: Final = 1 << 18
_STATUS: Final = Path("/proc/self/status")  # proc_pid_status(5); only Linux has it
_AMBIENT: Final = re.compile(r"^CapAmb:\s*0*[1-9a-f]", re.MULTILINE)


class EngineProcess:
    """One run of ``python -m filter_ban.daemon``; its channel never blocks."""

    def __init__(self, descriptors: Iterable[int], user: pwd.struct_passwd | None) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            identity: dict[str, Any] = {}
            if user is not None:
                identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            self._process = subprocess.Popen(
                [*_giving_up(), sys.executable, "-m", "filter_ban.daemon", str(theirs.fileno())],
                pass_fds=(theirs.fileno(), *descriptors),
                stdin=subprocess.DEVNULL,
                **identity,
            )
        ours.setblocking(False)
        self.channel = ours
        self._reader = MessageReader()
        self._unsent = bytearray()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent)

    def tell(self, verb: str, argument: Any = None) -> None:
        """Queue one message; an engine that reads nothing is about to be found out by its missing heartbeat."""
        if len(self._unsent) < MAX_UNSENT_BYTES:
            self._unsent += encode(verb, argument)
            self.flush()

    def flush(self) -> None:
        """Send what the channel takes now."""
        try:
            while self._unsent:
                del self._unsent[: self.channel.send(self._unsent[:_READ_BYTES])]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()  # the engine is gone; its end is noticed by poll()

    def hear(self) -> list[tuple[str, Any]]:
        """
        Return the messages that have arrived.

        Raises:
            EOFError: the engine closed the channel.
            ValueError: it sent what is no message.

        """
        try:
            data = self.channel.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            raise EOFError from None
        if not data:
            raise EOFError
        return self._reader.receive_data(data)

    def poll(self) -> int | None:
        """Return the exit status if the engine has ended (negative: by that signal)."""
        return self._process.poll()

    def kill(self) -> None:
        """End it now, by its process id, and reap it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self.channel.close()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; return whether it came in time."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True


def engine_user(name: str) -> pwd.struct_passwd | None:
    """
    Return the account that the engine runs as; None: the one of this process.

    Raises:
        KeyError: there is no such user.

    """
    if not name or os.geteuid() != 0:
        return None
    return pwd.getpwnam(name)


def _giving_up() -> list[str]:
    """
    Return what starts a program without the capabilities that programs started by us keep: the firewall's tools need them.

    Nothing where there are none, as for root with an engine of another user. Source: capabilities(7), setpriv(1).
    """
    try:
        has_some = _AMBIENT.search(_STATUS.read_text())
    except OSError:
        return []
    setpriv = shutil.which("setpriv") if has_some else None
    return [] if setpriv is None else [setpriv, "--ambient-caps=-all", "--inh-caps=-all", "--"]
