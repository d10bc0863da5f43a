# SPDX-License-Identifier: ISC
"""Files as one stream of signals."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from filter_ban.model import Kind
from filter_ban.recording import HEADER, Encoder
from filter_ban.replay.traffic import MAX_LINE, Format, Traffic
from filter_ban.signals import Signal

START_S = 1_763_632_800  # 2025-11-20 10:00:00


def line(second: int, address: str) -> str:
    """Return a line of a log."""
    return (
        f"Nov 20 10:00:{second:02} mx postfix/smtpd[1]: "
        f"warning: unknown[{address}]: SASL PLAIN authentication failed: x\n"
    )


def seen(traffic: Traffic) -> list[tuple[float, str]]:
    """Return time and address of each signal, in seconds from START_S."""
    return [(signal.time_s - START_S, signal.address) for signal in traffic.signals()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of three lines, one a second."""
    file = tmp_path / "mail.log"
    file.write_text(line(1, "192.0.2.1") + line(2, "192.0.2.2") + line(3, "192.0.2.3"))
    os.utime(file, (START_S + 60, START_S + 60))
    return file


LOG = [(1, "192.0.2.1"), (2, "192.0.2.2"), (3, "192.0.2.3")]


def test_log(log: Path) -> None:
    """A log's lines are read; without a year they are of the latest before the file's last change."""
    traffic = Traffic([log])
    assert seen(traffic) == LOG
    assert (traffic.lines, traffic.unknown) == (3, 0)


def test_year(log: Path) -> None:
    """The year can be said."""
    (first, *_) = Traffic([log], year=2024).signals()
    assert START_S - 366 * 86_400 < first.time_s < START_S - 364 * 86_400


def test_compressed(log: Path, tmp_path: Path) -> None:
    """A compressed file is read, whatever its name."""
    file = tmp_path / "old"
    file.write_bytes(gzip.compress(log.read_bytes()))
    assert seen(Traffic([file], year=2025)) == LOG


def test_cut_while_compressed(log: Path, tmp_path: Path) -> None:
    """Of a compressed file that was cut, what is there is read, and the rest told."""
    file = tmp_path / "old.gz"
    file.write_bytes(gzip.compress(log.read_bytes())[:-4])
    traffic = Traffic([file], year=2025)
    assert seen(traffic) == LOG
    (trouble,) = traffic.troubles
    assert trouble.startswith(f"{file}: read up to line 3 only: ")


def test_standard_input(log: Path) -> None:
    """Standard input is read, compressed or not."""
    program = (
        "from pathlib import Path; from filter_ban.replay.traffic import Traffic;"
        "print(*(signal.address for signal in Traffic([Path('-')]).signals()))"
    )
    for content in (log.read_bytes(), gzip.compress(log.read_bytes())):
        ran = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True, check=True)
        assert ran.stdout.split() == [address.encode() for _, address in LOG]


def test_several(log: Path, tmp_path: Path) -> None:
    """Files are joined in the order of time, recordings with logs, in whatever order they are named."""
    other = tmp_path / "signals"
    encode = Encoder(b"").encode
    records = [
        encode(Signal(START_S + second, Kind.AUTH_FAIL, f"2001:db8::{second}", "smtp"))
        for second in (0, 2, 9)
    ]
    other.write_bytes(HEADER + b"".join(records))
    expected = [(0, "2001:db8::0"), *LOG[:2], (2, "2001:db8::2"), LOG[2], (9, "2001:db8::9")]
    assert seen(Traffic([log, other])) == expected
    assert sorted(seen(Traffic([other, log]))) == sorted(expected)


def test_cut_records(tmp_path: Path) -> None:
    """Lines of a recording that were cut are counted; headers and empty lines are not."""
    file = tmp_path / "signals"
    record = Encoder(b"").encode(Signal(START_S, Kind.AUTH_FAIL, "192.0.2.7"))
    file.write_bytes(HEADER + record + record[:20] + b"\n" + HEADER + record + record[:-2])
    traffic = Traffic([file])
    assert len(seen(traffic)) == 2
    assert traffic.unknown == 2


def test_format(log: Path) -> None:
    """Of a log only the lines of the server that is said are read."""
    assert seen(Traffic([log], Format.POSTFIX)) == LOG
    assert seen(Traffic([log], Format.DOVECOT)) == []
    assert seen(Traffic([log], Format.RECORD)) == []


def test_binary(tmp_path: Path) -> None:
    """What is no text is a line that nobody knows; only a line feed ends a line."""
    file = tmp_path / "mail.log"
    forged = line(1, "203.0.113.1").encode()
    file.write_bytes(b"\xff\x00\x85\r" + forged + line(1, "192.0.2.1").encode())
    traffic = Traffic([file], year=2025)
    assert seen(traffic) == LOG[:1]
    assert (traffic.lines, traffic.unknown) == (2, 1)


def test_long_line(tmp_path: Path) -> None:
    """Of a long line the rest is left out: it could look like a line of its own."""
    file = tmp_path / "mail.log"
    forged = line(1, "203.0.113.1").encode()
    file.write_bytes(b"x" * (3 * MAX_LINE) + forged + line(1, "192.0.2.1").encode())
    traffic = Traffic([file], year=2025)
    assert seen(traffic) == LOG[:1]
    assert (traffic.lines, traffic.unknown) == (2, 1)


def test_empty(tmp_path: Path) -> None:
    """An empty file holds nothing."""
    (tmp_path / "mail.log").touch()
    assert seen(Traffic([tmp_path / "mail.log"])) == []


def test_missing(log: Path, tmp_path: Path) -> None:
    """A file that cannot be opened is an error."""
    with pytest.raises(FileNotFoundError):
        seen(Traffic([log, tmp_path / "none"]))
