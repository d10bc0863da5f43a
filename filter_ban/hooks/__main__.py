# SPDX-License-Identifier: ISC
"""
Entry of the helper: ``python -m filter_ban.hooks FD``, started by the engine with its connection as FD.

Each run has a thread of its own; how many there are at once is the engine's business. When the engine is gone, what is
under way is finished, and the helper leaves.
"""

import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Final

from filter_ban.hooks import program
from filter_ban.hooks.wire import Outcome, Run, is_web

MAX_THREADS: Final = 64  # hooks.at_once is at most that; they are started when they are needed


def run(job: Run) -> str:
    """Do *job*; return what went wrong, empty if nothing did."""
    try:
        if not is_web(job.hook):
            return program.run(job.hook, job.document, job.timeout_s)
        from filter_ban.hooks import webhook  # noqa: PLC0415 - HTTP and TLS are 8 MB

        return webhook.post(job.hook[0], job.document, job.timeout_s)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run has an outcome, and others go on
        return f"a fault in filter-ban: {error!r}"


def serve(connection: socket.socket) -> None:
    """Do the runs that come by *connection*, until the other end is closed."""
    writing = threading.Lock()

    def do(job: Run) -> None:
        outcome = Outcome(job.number, run(job)).encode()
        try:
            with writing:
                connection.sendall(outcome)
        except OSError:
            return  # the engine is gone: nobody wants to know

    lines: IO[bytes] = connection.makefile("rb")
    with ThreadPoolExecutor(MAX_THREADS) as threads, lines:
        for line in lines:
            if line.endswith(b"\n"):  # the last one may be half a line
                threads.submit(do, Run.parse(line))


def main() -> None:
    """Serve the engine. Signals to its group are no reason to leave: it says when, by closing the connection."""
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, lambda *_: None)  # not SIG_IGN, which the programs would inherit
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)


if __name__ == "__main__":
    main()
