# SPDX-License-Identifier: ISC
"""Data of rbldnsd."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from filter_ban.exchange import rbldnsd
from tests.filter_ban.daemon.process import WAIT_S, wait_for
from tests.filter_ban.exchange.reading import bans, complaints, read
from tests.filter_ban.exchange.writing import banned, written

PROGRAM = shutil.which("rbldnsd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
ZONE = "bl.example.org"
A, TXT = 1, 16


def test_data() -> None:
    """Each family has a dataset of its own; a dollar sign stands for itself."""
    text = written("rbldnsd", banned("2001:db8::/64"), banned("192.0.2.0/24", reference="K$"))

    assert text.splitlines()[1:] == [
        "$TTL 60",
        "$DATASET ip4set:ipv4 @",
        "192.0.2.0/24 :2:192.0.2.0/24 refused until further notice, reference K$$",
        "$DATASET ip6trie:ipv6 @",
        "2001:db8::/64 :2:2001:db8::/64 refused until further notice, reference K7Q2ABCD",
    ]


def test_others() -> None:
    """Comments, defaults and what is said of a dataset are no entries; values and comments after one are none either."""
    found = read(
        "$SOA 0 a b 0 1 2 3 4\n; x\n:5:listed $\n192.0.2.7\n192.0.2.8 # all day\n192.0.2.9-192.0.2.10 told\n"
    )

    assert bans(found) == [
        ("192.0.2.7", None),
        ("192.0.2.8", None),
        ("192.0.2.9", None),
        ("192.0.2.10", None),
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("!192.0.2.7", "an exception within the list, no ban; see never.networks"),
        ("127.0", "'127.0': not an IPv4 or IPv6 address"),
        (".example.org", "'.example.org': not an IPv4 or IPv6 address"),
    ],
)
def test_faults(line: str, why: str) -> None:
    """What is not understood is told."""
    assert complaints(rbldnsd.read, line) == [why]


@contextlib.contextmanager
def serving(data: str) -> Iterator[int]:
    """Run rbldnsd with *data*; provide its port."""
    assert PROGRAM is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to the user "nobody"
        path = Path(name) / "banned"
        path.parent.chmod(0o755)
        path.write_text(data)
        argv = [PROGRAM, "-n", "-u", "nobody", "-b", f"127.0.0.1/{port}", f"{ZONE}:combined:{path}"]
        with subprocess.Popen(argv) as process:
            try:
                yield port
            finally:
                process.terminate()


def asked(port: int, address: str, kind: int) -> bytes:
    """Return the last record of the answer about *address*, nothing if it is not listed."""
    labels = ip_address(address).reverse_pointer.split(".")[:-2] + ZONE.split(".")
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    question = struct.pack(">6H", 7, 0, 1, 0, 0, 0) + name + struct.pack(">2H", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(WAIT_S)
        sock.connect(("127.0.0.1", port))
        sock.send(question)
        return sock.recv(4096)[len(question) :]


@pytest.mark.real
@pytest.mark.skipif(PROGRAM is None, reason="needs rbldnsd")
def test_served() -> None:
    """The banned are listed, with the reason, and nobody else is."""
    held = (banned("192.0.2.7", reference="A$"), banned("2001:db8:0:1::/64"), banned("::/64"))
    with serving(written("rbldnsd", *held)) as port:
        wait_for(lambda: asked(port, "192.0.2.7", A).endswith(b"\x7f\0\0\2"), "it serves")
        assert asked(port, "192.0.2.7", TXT).endswith(b"192.0.2.7 refused until further notice, reference A$")
        assert b"2001:db8:0:1::/64 refused" in asked(port, "2001:db8:0:1::9", TXT)
        assert b"::/64 refused" in asked(port, "::9", TXT)
        assert [asked(port, other, A) for other in ("192.0.2.8", "2001:db8:0:2::9")] == [b"", b""]
