# SPDX-License-Identifier: ISC
"""
Never hangs, never dies: whatever the daemon, smtpd's lines or the surroundings do, each request is answered once.

The answers are checked by the strict smtpd of conftest.py: a line too many, too few or ill-formed fails the test.
"""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filter_ban.relay.wire import parse_request

Start = Callable[..., Any]
PROCEED = b"proceed"
REFUSED = b"disconnect|421 4.7.0 refused"
TROUBLE = b"disconnect|421 4.3.0 later"
SHORT_MS = 100


def test_no_daemon(start_relay: Start) -> None:
    """Without a daemon every request is answered, the first after the deadline, later ones at once."""
    smtpd = start_relay(deadline_ms=SHORT_MS)
    smtpd.greet()
    assert {smtpd.ask(smtpd.connect(), phase) for phase in ("connect", "auth", "mail-from")} == {PROCEED}


def test_no_daemon_fail_closed(start_relay: Start) -> None:
    """Where relay.on_trouble is a reply, that is the answer."""
    smtpd = start_relay(deadline_ms=SHORT_MS, more='on_trouble = "421 4.3.0 later"\n')
    smtpd.greet()
    assert smtpd.ask(smtpd.connect()) == TROUBLE


GREETINGS = {
    "says nothing": b"",
    "is never ready": b"register|report|smtp-in|link-auth\n",
    "greets with garbage": b"hello\n",
    "greets with bytes": bytes(range(256)) * 10,
    "answers before it is ready": b"filter-result|0000000000000001|dae86769bfadac79|reject|550 no\n",
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS.keys())
def test_daemon_that_never_is_one(start_relay: Start, start_daemon: Start, greeting: bytes) -> None:
    """A daemon that accepts the connection and is not ready is no daemon; one that comes after it is used."""
    first = start_daemon(greeting=greeting)
    smtpd = start_relay(deadline_ms=SHORT_MS)
    smtpd.greet()
    first.connected(1)
    assert smtpd.ask(smtpd.connect()) == PROCEED
    first.stop()
    start_daemon(lambda line: result(line, REFUSED))
    comes_back(smtpd)


def result(request: bytes, decision: bytes) -> bytes:
    """Return the line that answers a request line."""
    fields = request.split(b"|")
    return b"filter-result|%b|%b|%b\n" % (fields[5], fields[6], decision)


def comes_back(smtpd: Any) -> None:
    """Ask in new sessions until the daemon's own decision comes."""
    for _ in range(2000):
        if smtpd.ask(smtpd.connect()) == REFUSED:
            return
        time.sleep(0.01)
    pytest.fail("the new daemon is not used")


REPLIES: dict[str, Callable[[bytes], bytes]] = {
    "never": lambda line: b"",
    "garbage": lambda line: b"what?\n",
    "blank line": lambda line: b"\n",
    "binary": lambda line: bytes(range(256)) + b"\n",
    "half a line": lambda line: result(line, PROCEED)[:-5],
    "trailing CR": lambda line: result(line, b"proceed\r"),
    "unknown decision": lambda line: result(line, b"permit"),
    "rewrite": lambda line: result(line, b"rewrite|x"),
    "junk": lambda line: result(line, b"junk"),
    "proceed with text": lambda line: result(line, b"proceed|x"),
    "reject without text": lambda line: result(line, b"reject"),
    "reject with 250": lambda line: result(line, b"reject|250 fine"),
    "8-bit text": lambda line: result(line, b"reject|550 \xe9"),
    "endless text": lambda line: result(line, b"reject|550 " + b"x" * 100_000),
    "endless line": lambda line: b"x" * 100_000,
    "report": lambda line: b"report|0.7|1.0|smtp-in|link-auth|0000000000000001|fail|a\n",
    "dataline": lambda line: result(line, b"proceed").replace(b"filter-result", b"filter-dataline"),
    "its own question": lambda line: line + b"\n",
    "other session": lambda line: result(line.replace(b"|0000", b"|ffff"), PROCEED),
    "other token": lambda line: result(line.replace(b"|dae8", b"|dae9"), PROCEED),
    "old order": lambda line: b"filter-result|%b|%b|proceed\n" % (line.split(b"|")[6], line.split(b"|")[5]),
    "a flood of answers to nobody": lambda line: (
        b"filter-result|ffffffffffffffff|ffffffffffffffff|proceed\n" * 3000
    ),
    "register again": lambda line: b"register|ready\n",
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
def test_daemon_that_answers_nonsense(start_relay: Start, start_daemon: Start, reply: Any) -> None:
    """Whatever a daemon sends instead of an answer, smtpd gets proceed in time, and the next daemon is used."""
    first = start_daemon(reply)
    smtpd = start_relay(deadline_ms=SHORT_MS)
    smtpd.greet()
    first.connected(1)
    sessions = [smtpd.connect() for _ in range(5)]
    for session in sessions:
        smtpd.request(session)
    assert {smtpd.answer()[1] for _ in sessions} == {PROCEED}
    assert smtpd.ask(sessions[0], "mail-from") == PROCEED
    first.stop()
    start_daemon(lambda line: result(line, REFUSED))
    comes_back(smtpd)


@pytest.mark.parametrize("times", [2, 3])
def test_daemon_that_answers_twice(start_relay: Start, start_daemon: Start, times: int) -> None:
    """A second answer to a request, which would end smtpd, goes nowhere."""
    start_daemon(lambda line: result(line, REFUSED) + result(line, PROCEED) * (times - 1))
    smtpd = start_relay()
    smtpd.greet()
    assert {smtpd.ask(smtpd.connect()) for _ in range(20)} == {REFUSED}
    assert smtpd.silent()


def test_daemon_that_answers_late(start_relay: Start, start_daemon: Start) -> None:
    """An answer after the deadline goes nowhere."""
    late = threading.Event()

    def reply(line: bytes) -> bytes:
        late.wait(20)
        return result(line, REFUSED)

    daemon = start_daemon(reply)
    smtpd = start_relay(deadline_ms=SHORT_MS)
    smtpd.greet()
    session = smtpd.connect()
    assert smtpd.ask(session) == PROCEED
    late.set()
    comes_back(smtpd)
    daemon.reply = lambda line: result(line, PROCEED)
    assert smtpd.silent()


def test_daemon_that_closes(start_relay: Start, start_daemon: Start) -> None:
    """A daemon that closes the connection at every question is asked again, and the session goes on in the end."""
    daemons: list[Any] = []

    def reply(line: bytes) -> bytes:
        daemons[0].drop()
        return b""

    daemons.append(start_daemon(reply))
    smtpd = start_relay(deadline_ms=SHORT_MS)
    smtpd.greet()
    assert {smtpd.ask(smtpd.connect()) for _ in range(10)} == {PROCEED}
    daemons[0].reply = lambda line: result(line, REFUSED)
    comes_back(smtpd)


def test_daemon_that_does_not_read(start_relay: Start, start_daemon: Start) -> None:
    """A daemon that stops reading is given up when a mebibyte waits for it; nothing that smtpd sends waits."""
    release = threading.Event()
    questions = itertools.count()

    def reply(line: bytes) -> bytes:
        if next(questions):
            return result(line, PROCEED)
        release.wait(20)
        return b""

    daemon = start_daemon(reply)
    smtpd = start_relay(deadline_ms=60_000)
    smtpd.greet()
    session = smtpd.connect()
    smtpd.request(session)
    daemon.told(lambda told: any(line.startswith(b"filter|") for line in told))
    for _ in range(1000):
        smtpd.report("link-auth", session, "fail", "x" * 2000)
    assert smtpd.answer() == (session, PROCEED)
    release.set()


DAEMON = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
path = sys.argv[1]
listener.bind(path + ".new")
listener.listen()
os.rename(path + ".new", path)
while True:
    connection, _ = listener.accept()
    try:
        for line in connection.makefile("rb"):
            if line == b"config|ready\\n":
                connection.sendall(b"register|ready\\n")
            elif line.startswith(b"filter|"):
                fields = line.split(b"|")
                connection.sendall(b"filter-result|%b|%b|disconnect|421 4.7.0 refused\\n" % (fields[5], fields[6]))
    except OSError:
        pass
"""


@contextlib.contextmanager
def daemon_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon that refuses everybody as a process of its own; kill it in the end."""
    with subprocess.Popen([sys.executable, "-S", "-c", DAEMON, str(folder / "relay.sock")]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_daemon_killed_fifty_times(start_relay: Start, folder: Path) -> None:
    """A daemon killed fifty times while it is being asked: all requests are answered, and each new daemon is used."""
    smtpd = start_relay()
    smtpd.greet()
    lasting = [smtpd.connect() for _ in range(5)]
    with contextlib.ExitStack() as daemons:
        process = daemons.enter_context(daemon_process(folder))
        for _ in range(50):
            comes_back(smtpd)
            fresh = [smtpd.connect() for _ in range(5)]
            asked = [*lasting, *fresh]
            for number, session in enumerate(asked):
                smtpd.request(session)
                if number == 4:
                    process.kill()
            process = daemons.enter_context(daemon_process(folder))
            for _ in asked:
                assert smtpd.answer()[1] in (PROCEED, REFUSED)
            for session in fresh:
                smtpd.report("link-disconnect", session)


def test_daemon_stopped(start_relay: Start, folder: Path) -> None:
    """A daemon stopped with SIGSTOP, whose socket still accepts, holds nobody up, and is used again when it continues."""
    with daemon_process(folder) as process:
        smtpd = start_relay(deadline_ms=SHORT_MS)
        smtpd.greet()
        comes_back(smtpd)
        os.kill(process.pid, signal.SIGSTOP)
        assert {smtpd.ask(smtpd.connect()) for _ in range(300)} == {PROCEED}
        os.kill(process.pid, signal.SIGCONT)
        comes_back(smtpd)


SAMPLES = [
    b"filter|0.7|1795225454.231784|smtp-in|connect|%b|dae86769bfadac79|<unknown>|10.99.0.15",
    b"filter|0.7|1795225454.231784|smtp-in|auth|%b|dae8676b27ce4ded|PLAIN AGFsaWNlAHNlY3JldA==",
    b"report|0.7|1795225454.231733|smtp-in|link-connect|%b|<unknown>|fail|10.99.0.15:11085|10.99.0.1:587",
    b"report|0.6|1795225454.231733|smtp-in|link-auth|%b|a|b|fail",
    b"report|0.7|1795225454.231733|smtp-in|link-disconnect|%b",
    b"config|protocol|0.7",
]


def mutated(chance: random.Random, session: bytes) -> bytes:
    """Return a line of smtpd, most often with a few bytes changed, missing or added."""
    sample = chance.choice(SAMPLES)
    line = bytearray(sample.replace(b"%b", session))
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(line) + 1)
        line[at : at + chance.randrange(3)] = chance.choice(
            [b"", b"|", b"\r", b"\0", b"\xff", b"a", b"9", b"\n"]
        )
    return bytes(line)


def test_mutated_lines(start_relay: Start, start_daemon: Start, folder: Path) -> None:
    """Of 100,000 mutated lines each readable request is answered once, and no credential reaches the log."""
    start_daemon()
    smtpd = start_relay()
    smtpd.greet()
    chance = random.Random(2)
    lines = [mutated(chance, b"%016x" % number) for number in range(100_000)]
    expected: dict[bytes, int] = {}
    for line in b"\n".join(lines).split(b"\n"):
        if line != b"config|ready" and (ids := parse_request(line)):
            key = b"|".join(ids)
            expected[key] = expected.get(key, 0) + 1
    sender = threading.Thread(target=smtpd.send, args=(b"\n".join(lines) + b"\n",))
    sender.start()
    for _ in range(sum(expected.values())):
        word, session, token, decision = smtpd.read_line().split(b"|")
        assert (word, decision) == (b"filter-result", PROCEED)
        expected[session + b"|" + token] -= 1
    sender.join()
    assert not any(expected.values())
    assert smtpd.silent()
    log = (folder / "relay.log").read_bytes()
    assert b"unreadable line" in log
    assert b"AGFs" not in log


def test_huge_line(start_relay: Start, start_daemon: Start) -> None:
    """A line of a mebibyte is dropped up to its end, and the stream goes on."""
    start_daemon()
    smtpd = start_relay()
    smtpd.greet()
    smtpd.send(b"filter|0.7|1.0|smtp-in|auth|" + b"0" * 1024 * 1024)
    smtpd.send(b"|x\n")
    assert smtpd.silent()


def test_smtpd_that_does_not_read(start_relay: Start, start_daemon: Start) -> None:
    """Answers that smtpd does not read yet are kept, while everything that it sends is read."""
    start_daemon()
    smtpd = start_relay(deadline_ms=10_000)
    smtpd.greet()
    sessions = [b"%016x" % (1000 + number) for number in range(20_000)]
    for session in sessions:
        smtpd.request(session)
    assert {smtpd.answer()[0] for _ in sessions} == set(sessions)


def test_log_that_nobody_reads(folder: Path) -> None:
    """A full or closed log holds nothing up."""
    config = folder / "filter-ban.toml"
    config.write_text(f'[daemon]\nsocket_dir = "{folder}"\nspawn = false\n[relay]\ndeadline_ms = 10\n')
    ours, theirs = socket.socketpair()
    log, unread = socket.socketpair()
    unread.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in itertools.count():
            unread.send(b"x" * 1000)
    argv = [sys.executable, "-m", "filter_ban", "opensmtpd", "--config", str(config), "nonsense"]
    with ours, theirs, log, unread:
        streams = {"stdin": theirs.fileno(), "stdout": theirs.fileno(), "stderr": unread.fileno()}
        with subprocess.Popen(argv, **streams) as relay:  # type: ignore[call-overload]
            theirs.close()
            ours.settimeout(20)
            ours.sendall(b"config|ready\nfilter|0.7|1.0|smtp-in|auth|%016x|%016x|x\n\xff\n" % (1, 2))
            with ours.makefile("rb") as stream:
                while (line := stream.readline()).startswith(b"register|"):
                    pass
            assert line == b"filter-result|%016x|%016x|proceed\n" % (1, 2)
            ours.close()
            assert relay.wait(20) == 0


WRONG_STARTS = {
    "no such file": ["--config", "/nonexistent/x.toml"],
    "no file named": ["--config"],
    "empty file name": ["--config="],
    "folder": ["--config", "/"],
    "unknown argument": ["--verbose", "x"],
}


@pytest.mark.parametrize("arguments", WRONG_STARTS.values(), ids=WRONG_STARTS.keys())
def test_wrong_start(arguments: list[str]) -> None:
    """A relay that is started wrongly says so and serves with its defaults, because leaving would stop smtpd."""
    done = subprocess.run(
        [sys.executable, "-m", "filter_ban", "opensmtpd", *arguments],
        input=b"config|smtpd-version|7.8.0\nfilter|0.7|1.0|smtp-in|auth|%016x|%016x|x\n" % (1, 2),
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert done.stdout == b"filter-result|%016x|%016x|proceed\n" % (1, 2)
    assert done.stderr.startswith(b"warning: ")


FAULTY = """
import sys
from filter_ban.relay import main
from filter_ban.relay.table import Table
read_smtpd, expire = Table.read_smtpd, Table.expire
def faulty(table, line, now_s):
    if b"|boom|" in line:
        raise ValueError("the secret is in " + repr(line))
    return read_smtpd(table, line, now_s)
Table.read_smtpd = faulty
main(["filter-ban", "opensmtpd", "--config", sys.argv[1]])
"""


def test_internal_fault(folder: Path) -> None:
    """A fault of our own is one line in the log, without its text; open requests are answered, later ones too."""
    config = folder / "filter-ban.toml"
    config.write_text(f'[daemon]\nsocket_dir = "{folder}"\nspawn = false\n')
    lines = [
        b"config|ready",
        b"filter|0.7|1.0|smtp-in|auth|%016x|%016x|x" % (1, 2),
        b"report|0.7|1.0|smtp-in|boom|%016x|x" % 1,
        b"report|0.7|1.0|smtp-in|boom|%016x|x" % 1,
        b"filter|0.7|1.0|smtp-in|auth|%016x|%016x|x" % (3, 4),
    ]
    done = subprocess.run(
        [sys.executable, "-c", FAULTY, str(config)],
        input=b"\n".join(lines) + b"\n",
        capture_output=True,
        check=True,
        timeout=20,
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith(b"filter-result")]
    assert answers == [b"filter-result|%016x|%016x|proceed" % ids for ids in ((1, 2), (3, 4))]
    assert b"error: internal fault: ValueError at " in done.stderr
    assert b"secret" not in done.stderr
