# SPDX-License-Identifier: ISC
"""The relay's log lines."""

import json
import os
import socket

import pytest

from filter_ban.relay.log import EVERY_S, LEVELS, MAX_CHARS, Log


def said(stream: socket.socket) -> list[bytes]:
    """Return what was written so far."""
    stream.setblocking(False)
    try:
        return stream.recv(65536).splitlines()
    except BlockingIOError:
        return []


def test_once_a_minute() -> None:
    """Each kind is written once a minute; what was left out is counted."""
    reader, writer = socket.socketpair()
    with reader, writer:
        log = Log(writer.fileno())
        for now_s in (0.0, 1.0, 2.0, EVERY_S, EVERY_S + 1):
            log.say(now_s, "warning: no daemon", "x")
        log.say(3.0, "info: daemon ready")
        assert said(reader) == [
            b"warning: no daemon: x",
            b"warning: no daemon: x (2 more in between)",
            b"info: daemon ready",
        ]


def test_one_printable_line() -> None:
    """A line is printable, bounded, and one line."""
    reader, writer = socket.socketpair()
    with reader, writer:
        log = Log(writer.fileno())
        log.say(0.0, "a", "\n\x1b[2Jä")
        log.say(0.0, "b", "x" * 1000)
        assert said(reader) == [b"a: \\n\\x1b[2J\\xe4", b"b: " + b"x" * (MAX_CHARS - 3)]


def test_each() -> None:
    """Where each detail is a thing of its own, each is written once a minute."""
    reader, writer = socket.socketpair()
    with reader, writer:
        log = Log(writer.fileno())
        for detail in ("x", "y", "x"):
            log.say(0.0, "warning: wrong setting", detail, each=True)
        assert said(reader) == [b"warning: wrong setting: x", b"warning: wrong setting: y"]


@pytest.mark.parametrize(("level", "written"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_level(level: str, written: int) -> None:
    """What is less severe than the level is not written."""
    reader, writer = socket.socketpair()
    with reader, writer:
        log = Log(writer.fileno(), level)
        for severity in LEVELS:
            log.say(0.0, f"{severity}: something")
        assert len(said(reader)) == written


def test_json() -> None:
    """In JSON a line is an object of bounded length, with the keys of the daemon's log."""
    reader, writer = socket.socketpair()
    with reader, writer:
        log = Log(writer.fileno(), as_json=True)
        log.say(0.0, "warning: no daemon", 'a "b" \\ \n\x1b ä' + "x" * 1000)
        log.say(1.0, "warning: no daemon", "again")
        log.say(EVERY_S, "warning: no daemon")
        lines = said(reader)
    first, second = map(json.loads, lines)
    assert len(lines[0]) < 3 * MAX_CHARS
    assert first["detail"].startswith('a "b" \\\\ \\n\\x1b \\xe4xxx')
    assert (first["level"], first["process"], first["event"], first["more"]) == (
        "warning",
        "relay",
        "no-daemon",
        0,
    )
    assert first["process_id"] == os.getpid()
    assert first["time"].endswith("Z")
    assert (second.get("detail"), second["more"]) == (None, 1)


def test_nobody_reads() -> None:
    """A log that nobody reads, or that is gone, is not waited for."""
    reader, writer = socket.socketpair()
    with writer:
        with reader:
            log = Log(writer.fileno())
            for number in range(10_000):
                log.say(0.0, str(number), "x" * 300)
        log.say(0.0, "gone")
    unused = os.dup(1)
    os.close(unused)
    Log(unused).say(0.0, "closed")
