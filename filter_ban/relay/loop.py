# SPDX-License-Identifier: ISC
"""
The shell around the table: descriptors, time, and the life of the link.

One thread, one poll, no call that blocks.
"""

import os
import select
import time
from collections import deque
from math import inf

from filter_ban.relay import spawn, wire
from filter_ban.relay.lines import Lines
from filter_ban.relay.link import Link
from filter_ban.relay.log import Log
from filter_ban.relay.settings import Settings
from filter_ban.relay.table import Table

READ_BYTES = 64 * 1024
LONGEST_WAIT_S = 60.0
GREETING_S = 5.0  # for the daemon's register|ready; a stopped one may have been replaced since
SHORTEST_RETRY_S = 0.05
LONGEST_RETRY_S = 1.0
FLUSH_MS = 1000  # for the last answers, if the reader lives after the end of input
MAX_CONFIG_BYTES = 8192
FAULT_PAUSE_S = 0.01  # keeps a fault that comes back at once from eating the processor


class Loop:
    """
    The relay at work between two descriptors of smtpd and the daemon's socket.

    Args:
        input_fd: Non-blocking; end of input ends the relay, and nothing else does.
        output_fd: Non-blocking; may be the same stream.
        config: Absolute path of the configuration file for a daemon that is started here, or None.

    """

    def __init__(
        self, input_fd: int, output_fd: int, settings: Settings, log: Log, config: str | None
    ) -> None:
        now_s = time.monotonic()
        self._input_fd = input_fd
        self._output_fd = output_fd
        self._settings = settings
        self._log = log
        self._config = config
        self._ended = False
        self._fault: Exception | None = None
        self._input = Lines()
        self._lines: deque[bytes] = deque()  # read and not yet taken
        self._smtpd_config = bytearray()  # smtpd's own opening lines, for the daemon
        self._registered = False
        self._table = Table(now_s, on_trouble=settings.on_trouble, deadline_s=settings.deadline_s)
        self._link = Link(settings.socket_dir)
        self._link_s = now_s  # of a link: connected or ready since; of none: when to try next
        self._pace = spawn.Pace()

    def run(self) -> None:
        """Serve smtpd until it closes its end."""
        while self._lines or not self._ended:
            try:
                self._turn()
            except Exception as fault:  # noqa: BLE001 - the one place: a filter that exits stops the mail server
                self._fault = fault
        self._leave()

    def _turn(self) -> None:
        self._recover()
        readable = self._wait()
        now_s = time.monotonic()
        if self._link.fd in readable:  # first, so that what follows is kept if the daemon is gone
            self._read_daemon(now_s)
        if self._input_fd in readable:
            self._read_smtpd(now_s)
        while self._lines:
            self._take(self._lines.popleft(), now_s)
        if self._ended:
            return
        self._keep_link(now_s)
        silent_since_s = self._table.expire(now_s)
        if silent_since_s is not None:
            self._lose_link(now_s, "no answer in time", silent_since_s)
            self._table.expire(now_s)
        if self._link.fd >= 0 and self._table.to_daemon and not self._link.send(self._table.to_daemon):
            self._lose_link(now_s, "it closed the connection")
        self._write_smtpd()

    def _wait(self) -> set[int]:
        """Return the descriptors that can be read, or none when it is time to act."""
        poller = select.poll()
        poller.register(self._input_fd, select.POLLIN)
        if self._table.to_smtpd:
            poller.register(self._output_fd, select.POLLOUT)
        if self._link.fd >= 0:
            poller.register(self._link.fd, select.POLLIN | (select.POLLOUT if self._table.to_daemon else 0))
        wait_s = min(self._table.next_s(), self._next_link_s()) - time.monotonic()
        wait_ms = int(min(wait_s, LONGEST_WAIT_S) * 1000) + 1 if wait_s > 0 and not self._lines else 0
        return {fd for fd, event in poller.poll(wait_ms) if event & ~select.POLLOUT}

    def _read_smtpd(self, now_s: float) -> None:
        try:
            data = os.read(self._input_fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._ended = True
        too_long = self._input.too_long
        self._lines.extend(self._input.feed(data))
        if self._input.too_long > too_long:
            self._log.say(now_s, "warning: over-long line from smtpd ignored")

    def _take(self, line: bytes, now_s: float) -> None:
        if line.startswith(b"config|"):
            self._configure(line)
        elif not self._table.read_smtpd(line, now_s):
            self._log.say(now_s, "warning: unreadable line from smtpd ignored", f"{len(line)} bytes")

    def _configure(self, line: bytes) -> None:
        if self._registered:  # registering twice would double every report
            return
        if line == wire.CONFIG_READY:
            self._registered = True
            self._table.to_smtpd += wire.REGISTRATION
        if self._registered or len(self._smtpd_config) + len(line) < MAX_CONFIG_BYTES:
            self._smtpd_config += line + b"\n"

    def _write_smtpd(self) -> None:
        unsent = self._table.to_smtpd
        if not unsent:
            return
        try:
            del unsent[: os.write(self._output_fd, unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._ended = True  # nobody reads: smtpd is gone
            self._lines.clear()
            unsent.clear()

    def _read_daemon(self, now_s: float) -> None:
        lines = self._link.read()
        if lines is None:
            self._lose_link(now_s, "it closed the connection")
            return
        for line in lines:
            if not self._hear(line, now_s):
                self._lose_link(now_s, "it sent what is no answer")
                return

    def _hear(self, line: bytes, now_s: float) -> bool:
        """Take one line of the daemon; return whether it belongs there."""
        if self._table.ready:
            return self._table.read_daemon(line, now_s)
        if line == wire.REGISTER_READY:
            self._link_s = now_s
            self._table.link_ready(now_s)
            self._log.say(
                now_s, "info: daemon ready", f"{self._table.unasked} requests were answered without one"
            )
        return line.startswith(b"register|")

    def _keep_link(self, now_s: float) -> None:
        """Do what the link needs by now: connect it, or give it up."""
        if self._table.overfull():
            self._lose_link(now_s, "it does not read")
        if now_s < self._next_link_s():
            return
        if self._link.fd >= 0:
            self._lose_link(now_s, "no register|ready in time")
            return
        fault = self._link.connect()
        if fault is None:
            self._link_s = now_s
            self._table.to_daemon += self._smtpd_config
            return
        self._link_s = now_s + self._retry_s(now_s)
        self._log.say(now_s, "warning: no daemon", f"{fault}; sessions go on without it")
        if isinstance(fault, FileNotFoundError | ConnectionRefusedError):
            self._start_daemon(now_s)

    def _next_link_s(self) -> float:
        """Return when the link needs attention next."""
        if self._table.ready or not self._registered:
            return inf
        return self._link_s if self._link.fd < 0 else self._link_s + GREETING_S

    def _lose_link(self, now_s: float, why: str, silent_since_s: float | None = None) -> None:
        if self._table.ready:
            self._pace.was_ready()
        served = self._table.link_lost(now_s, silent_since_s)
        self._link.close()
        self._link_s = now_s if served else now_s + self._retry_s(now_s)
        self._log.say(now_s, "warning: daemon lost", f"{why}; late answers so far: {self._table.late}")

    def _retry_s(self, now_s: float) -> float:
        """Return a quarter of the outage so far: a daemon that comes back is found soon, one that stays away costs little."""
        return min(max((now_s - self._table.outage_s) / 4, SHORTEST_RETRY_S), LONGEST_RETRY_S)

    def _start_daemon(self, now_s: float) -> None:
        if not self._settings.spawn or not self._pace.may_start(now_s):
            return
        argv = spawn.serve_argv(self._config)
        if not argv[0]:
            self._log.say(
                now_s, "error: cannot start a daemon", "the path of the Python interpreter is unknown"
            )
            return
        try:
            spawn.start_detached(argv)
        except OSError as error:
            self._log.say(now_s, "error: cannot start a daemon", str(error))
        else:
            self._log.say(now_s, "info: daemon started", " ".join(argv))

    def _recover(self) -> None:
        """After an internal fault, leave no request open and begin a new link."""
        fault, self._fault = self._fault, None
        if fault is None:
            return
        time.sleep(FAULT_PAUSE_S)
        now_s = time.monotonic()
        self._log.say(now_s, "error: internal fault", _place_of(fault))
        self._table.answer_all(now_s)
        self._lose_link(now_s, "internal fault")

    def _leave(self) -> None:
        """Answer what is still open, for as long as somebody reads."""
        now_s = time.monotonic()
        self._table.answer_all(now_s)
        poller = select.poll()
        poller.register(self._output_fd, select.POLLOUT)
        self._write_smtpd()
        while self._table.to_smtpd and poller.poll(FLUSH_MS):
            self._write_smtpd()


def _place_of(fault: Exception) -> str:
    """Return kind and place of a fault; its text stays away, because it may quote a line."""
    trace = fault.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(fault).__name__}{where}"
