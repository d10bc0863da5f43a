# SPDX-License-Identifier: ISC
"""A relay process between this script, which plays smtpd, and a small daemon process; for the relay's benchmarks."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

TOKEN = b"dae86769bfadac79"
DAEMON = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + ".new")
listener.listen()
os.rename(sys.argv[1] + ".new", sys.argv[1])
connection, _ = listener.accept()
rest = b""
while data := connection.recv(65536):
    *lines, rest = (rest + data).split(b"\\n")
    answers = []
    for line in lines:
        if line.startswith(b"filter|"):
            fields = line.split(b"|", 7)
            answers.append(b"filter-result|%b|%b|proceed\\n" % (fields[5], fields[6]))
        elif line == b"config|ready":
            answers.append(b"register|ready\\n")
    if answers:
        connection.sendall(b"".join(answers))
"""
RELAY = "import sys; from filter_ban.__main__ import main; sys.argv[0] = 'filter-ban'; main()"


class Rig:
    """smtpd's end of a running relay."""

    def __init__(self, relay: subprocess.Popen[bytes], stream: socket.socket, folder: Path) -> None:
        self.relay = relay
        self.stream = stream
        self.folder = folder
        self.reader = stream.makefile("rb")

    def greet(self) -> None:
        """Do the handshake."""
        self.stream.sendall(b"config|smtpd-version|7.8.0-portable\nconfig|protocol|0.7\nconfig|ready\n")
        while self.reader.readline() != b"register|ready\n":
            pass

    def exchange(self, lines: list[bytes], answers: int) -> None:
        """Send lines while reading so many answers."""
        sender = threading.Thread(target=self.stream.sendall, args=(b"".join(lines),))
        sender.start()
        for _ in range(answers):
            assert self.reader.readline().startswith(b"filter-result|")
        sender.join()

    def resident_mib(self) -> float:
        """Return the relay's resident memory once it has taken all that was sent."""
        self.exchange([request(2**63)], 1)
        status = Path(f"/proc/{self.relay.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_s(self) -> float:
        """Return the processor time that the relay has used."""
        fields = Path(f"/proc/{self.relay.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @contextlib.contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run a daemon that proceeds."""
        argv = [sys.executable, "-S", "-c", DAEMON, str(self.folder / "relay.sock")]
        with subprocess.Popen(argv) as process:
            try:
                yield process
            finally:
                process.kill()


@contextlib.contextmanager
def rig(deadline_ms: int = 1000) -> Iterator[Rig]:
    """Run a relay that has read a configuration file and starts no daemon."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "filter-ban.toml"
        config.write_text(
            f'[daemon]\nsocket_dir = "{folder}"\nspawn = false\n[relay]\ndeadline_ms = {deadline_ms}\n'
        )
        ours, theirs = socket.socketpair()
        argv = [sys.executable, "-c", RELAY, "opensmtpd", "--config", str(config)]
        with (
            ours,
            subprocess.Popen(
                argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=subprocess.DEVNULL
            ) as relay,
        ):
            theirs.close()
            running = Rig(relay, ours, folder)
            yield running
            running.reader.close()
            ours.close()


def opening(number: int) -> list[bytes]:
    """Return the reports that open a session over TLS."""
    session = b"%016x" % number
    head = b"report|0.7|1795225454.231733|smtp-in|"
    return [
        head
        + b"link-connect|%b|client%d.example.net|pass|192.0.2.7:4711|198.51.100.1:465\n" % (session, number),
        head + b"link-tls|%b|TLSv1.3:TLS_AES_256_GCM_SHA384:256\n" % session,
        head + b"link-identify|%b|EHLO|client%d.example.net\n" % (session, number),
    ]


def request(number: int) -> bytes:
    """Return an auth request."""
    argument = b"PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHdyb25nLXBhc3N3b3Jk"
    return b"filter|0.7|1795225454.231784|smtp-in|auth|%016x|%b|%b\n" % (number, TOKEN, argument)


def show(name: str, value: float, unit: str) -> None:
    """Print one figure as a JSON line."""
    sys.stdout.write(json.dumps({"name": name, "value": round(value, 2), "unit": unit}) + "\n")
    sys.stdout.flush()
