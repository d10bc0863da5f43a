# SPDX-License-Identifier: ISC
"""The decoy: memory after garbage, with all its sessions full, and the CPU time of an attempt."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

from filter_ban.daemon import garbage
from filter_ban.daemon.decoy import MAX_INPUT_BYTES, MAX_SESSIONS, DecoyServer
from filter_ban.model import ALLOWED, Verdict
from filter_ban.sensors.decoy import DecoySensor
from tests.bench.figure import show

ATTEMPTS = 2_000
GARBAGE_BYTES = 1 << 30
PIECE = b"\xff garbage\r\n" * 10_000 + bytes(100_000)
AUTH = b"AUTH PLAIN " + b64encode(b"\0alice\0wrong") + b"\r\n"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Sensor(DecoySensor):
    """Counts, and bans nobody."""

    def __init__(self) -> None:
        self.attempts = 0

    def verdict(self, _address: str) -> Verdict:
        """Let everybody in."""
        return ALLOWED

    def attempted(self, _address: str, _user: str) -> None:
        """Count an attempt."""
        self.attempts += 1


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def serve() -> None:
    """Serve, and print the state for each line of input, until its end."""
    garbage.keep_short()
    sensor = Sensor()
    loop = asyncio.get_running_loop()
    decoy = DecoyServer(sensor, lambda: None, "mail.example.org")
    listener = await loop.create_server(decoy.factory, "127.0.0.1", 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps([resident_bytes(), sensor.attempts, time.process_time()]), flush=True)
    await decoy.close()


class Load:
    """The decoy in a process of its own, and its clients."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        self._place = "127.0.0.1", int(self._output.readline())

    def state(self) -> tuple[int, int, float]:
        """Return resident bytes, attempts counted, and CPU seconds."""
        print(file=self._input, flush=True)
        resident, attempts, cpu_s = json.loads(self._output.readline())
        return resident, attempts, cpu_s

    def connect(self) -> socket.socket:
        """Open a session and get as far as its greeting."""
        client = socket.create_connection(self._place, 20)
        assert client.recv(1024).startswith(b"220 ")
        return client

    def attempt(self) -> None:
        """Try to log in, in a session of its own."""
        with self.connect() as client:
            for line in (b"EHLO bot\r\n", AUTH):
                client.sendall(line)
                reply = client.recv(1024)
            assert reply.startswith(b"535 ")

    def throw(self) -> int:
        """Send garbage until the decoy hangs up; return how much."""
        sent = 0
        with self.connect() as client, contextlib.suppress(ConnectionError):
            while True:
                sent += client.send(PIECE)
        return sent


def main() -> None:
    """Print the figures."""
    argv = [sys.executable, __file__, "serve"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        load = Load(process)
        for _ in range(100):
            load.attempt()
        before_bytes, before, before_s = load.state()
        for _ in range(ATTEMPTS):
            load.attempt()
        _, attempts, cpu_s = load.state()
        assert attempts - before == ATTEMPTS
        show("decoy_session_with_attempt_cpu", 1e6 * (cpu_s - before_s) / ATTEMPTS, "us")
        thrown = 0
        while thrown < GARBAGE_BYTES:
            thrown += load.throw()
        show("decoy_growth_after_1_gib_garbage", (load.state()[0] - before_bytes) / 1024**2, "MiB")
        with contextlib.ExitStack() as stack:
            for _ in range(MAX_SESSIONS):
                stack.enter_context(load.connect()).sendall(bytes(MAX_INPUT_BYTES))
            show("decoy_growth_all_sessions_full", (load.state()[0] - before_bytes) / 1024**2, "MiB")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        main()
