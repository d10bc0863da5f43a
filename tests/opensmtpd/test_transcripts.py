# SPDX-License-Identifier: ISC
"""
Dialogues recorded on real servers: OpenSMTPD 6.8.0p2 (protocol 0.6) and 7.8.0p1 (0.7).

A folder of more of them, named by FILTER_BAN_TRANSCRIPTS, is replayed too.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opensmtpd import (
    Connect,
    Event,
    FilterProtocol,
    FilterRequest,
    LinkAuth,
    LinkConnect,
    LinkDisconnect,
    Malformed,
    ProtocolClient,
    Ready,
    Report,
    SessionTracker,
    UnknownReport,
    UnknownRequest,
    auth_result,
    unvis,
)
from opensmtpd.testing import Judge, encode_event, read_transcript

Feeder = Callable[[bytes], Iterator[tuple[str, list[Event]]]]

HERE = Path(__file__).parents[1] / "transcripts"
MORE = os.environ.get("FILTER_BAN_TRANSCRIPTS", "")
TRANSCRIPTS = sorted(HERE.rglob("*.txt")) + (sorted(Path(MORE).rglob("opensmtpd-*/*.txt")) if MORE else [])

ALICE_FAILS, ALICE_PASSES, BOB_PASSES = (
    ("fail", "alice@example.org"),
    ("pass", "alice@example.org"),
    ("pass", "bob"),
)
LOGINS: dict[str, list[tuple[str, str]]] = {
    "b-auth-plain-wrong-once": [ALICE_FAILS],
    "c-auth-login-wrong-x3": [ALICE_FAILS] * 3 + [ALICE_PASSES],
    "e-auth-malformed": [],
    "f-auth-login-aborted": [ALICE_FAILS] * 2,
    "g-smtps-no-tls": [],
    "l-ipv6": [ALICE_FAILS, BOB_PASSES],
    "n-starttls-twice-reported": [],
    "o-interleaved-sessions": [ALICE_FAILS, ALICE_FAILS, BOB_PASSES],
    "q-control-bytes-in-commands": [],
    "s-helo-noauth-message": [],
}
LONG_UMLAUTS = "ü" * 31 + "\\xc3"  # cut at 255 characters of escapes, inside a character
ODD_NAMES = {  # tried by AUTH PLAIN and then by AUTH LOGIN; names of 256 characters get no link-auth
    "0.6": [
        *(
            "a|b|pass",
            "two words",
            "jürgen@exämple.org",
            "x" * 200,
            "x" * 255,
            LONG_UMLAUTS,
            "back\\slash",
            "tab\there",
        ),
        *("cr\rlf\nend", "nul-after", "", " ", "|", "\\xff\\xfe latin", "pass", "alice@example.org|pass"),
        *("Alice@Example.ORG", "\x1b[31mred", "a|b c", "cr\rlf\nend", "x" * 255, ""),
    ],
    "0.7": [  # 7.8 answers 501 to names with CR or LF
        *(
            "a|b|pass",
            "two words",
            "jürgen@exämple.org",
            "x" * 200,
            "x" * 255,
            LONG_UMLAUTS,
            "back\\slash",
            "tab\there",
        ),
        *("nul-after", "", " ", "|", "\\xff\\xfe latin", "pass", "alice@example.org|pass"),
        *("Alice@Example.ORG", "\x1b[31mred", "a|b c", "x" * 255, ""),
    ],
}
COUNTS = {  # by hand from the dialogues: what the client did
    "b-auth-plain-wrong-once": {"link-connect": 1, "link-tls": 1, "link-auth": 1, "connect": 1, "ehlo": 2, "auth": 1, "quit": 1},
    "c-auth-login-wrong-x3": {"link-connect": 1, "link-auth": 4, "auth": 4, "ehlo": 2, "protocol-client": 15},
    "e-auth-malformed": {"auth": 14, "link-auth": 0, "link-tls": 1, "link-disconnect": 1},
    "f-auth-login-aborted": {"link-connect": 4, "link-disconnect": 4, "auth": 4, "link-auth": 2, "quit": 0},
    "g-smtps-no-tls": {"link-connect": 4, "connect": 4, "link-disconnect": 4, "link-tls": 0, "link-greeting": 0},
    "l-ipv6": {"link-connect": 3, "link-tls": 2, "auth": 2, "quit": 3},
    "n-starttls-twice-reported": {"starttls": 2, "link-tls": 1, "ehlo": 3, "link-identify": 3, "rset": 1},
    "o-interleaved-sessions": {"link-connect": 2, "link-auth": 3, "data-line": 10, "tx-begin": 1, "tx-commit": 1, "tx-reset": 1},
    "q-control-bytes-in-commands": {"link-connect": 1, "protocol-client": 11, "protocol-server": 18},
    "s-helo-noauth-message": {"helo": 1, "tx-begin": 2, "tx-rcpt": 3, "tx-commit": 1, "tx-rollback": 1, "data-line": 15},
}  # fmt: skip

every_transcript = pytest.mark.parametrize(
    "path", TRANSCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def name_of(event: Event) -> str:
    """Return the word of the wire for *event*."""
    return (
        event.name if isinstance(event, Report) else event.phase if isinstance(event, FilterRequest) else ""
    )


def test_both_servers_are_there() -> None:
    """The recorded dialogues of both servers are part of the tests."""
    versions = {read_transcript(path).version for path in TRANSCRIPTS}
    assert versions == {"0.6", "0.7"}
    assert len(TRANSCRIPTS) >= 22


@every_transcript
def test_all_lines_are_understood_in_all_cuts(path: Path, every_cut: Feeder) -> None:
    """Each line makes one event of its name, none unknown or malformed, however the stream is cut."""
    transcript = read_transcript(path)
    lines = [line.split(b"|") for line in transcript.received.split(b"\n")[:-1]]
    names = [fields[4].decode() for fields in lines if fields[0] != b"config"]
    expected: list[Event] = []
    for cut, events in every_cut(transcript.received):
        expected = expected or events
        assert events == expected, cut
    assert isinstance(expected[0], Ready)
    assert names == [name_of(event) for event in expected[1:]]
    assert not any(isinstance(event, UnknownReport | UnknownRequest | Malformed) for event in expected)


@every_transcript
def test_counts_and_logins(path: Path) -> None:
    """The events are those of the dialogue that the file describes."""
    transcript = read_transcript(path)
    events = FilterProtocol().receive_data(transcript.received)
    counts = Counter(name_of(event) for event in events)
    expected_counts = COUNTS.get(path.stem, {})
    assert expected_counts == {name: counts[name] for name in expected_counts}
    logins = [(str(event.result), event.user) for event in events if isinstance(event, LinkAuth)]
    if path.stem == "d-odd-usernames":
        assert [("fail", name) for name in ODD_NAMES[transcript.version]] == logins
    else:
        assert LOGINS.get(path.stem, logins) == logins


@every_transcript
def test_routes_see_the_same(path: Path) -> None:
    """Rows give the same results and names as events."""
    received = read_transcript(path).received
    rows: list[tuple[str, str, str]] = []

    def login(row: list[str]) -> None:
        result, name = auth_result(row)
        rows.append((row[5], result, unvis(name)))

    events = FilterProtocol(routes={"link-auth": login}).receive_data(received)
    typed = [event for event in FilterProtocol().receive_data(received) if isinstance(event, LinkAuth)]
    assert [(event.session, str(event.result), event.user) for event in typed] == rows
    assert not any(isinstance(event, LinkAuth | Malformed) for event in events)


@every_transcript
def test_what_is_read_is_what_was_written(path: Path) -> None:
    """Each event, written again, is its line byte for byte."""
    transcript = read_transcript(path)
    events = FilterProtocol().receive_data(transcript.received)
    lines = [
        encode_event(event, transcript.version)
        for event in events
        if isinstance(event, Report | FilterRequest)
    ]
    assert b"".join(lines) == transcript.received.partition(b"config|ready\n")[2]


@every_transcript
def test_sessions_are_as_expected(path: Path) -> None:
    """The state machines of a session expect every report of a real server, and end empty."""
    tracker = SessionTracker()
    for event in FilterProtocol().receive_data(read_transcript(path).received):
        if isinstance(event, Report):
            session = tracker.update(event)
            assert session is not None
            assert not session.anomalies, event
    assert len(tracker) == 0
    assert tracker.dropped == 0


@every_transcript
def test_the_judge_accepts_what_the_real_server_accepted(path: Path) -> None:
    """The recorded answers of the filter pass the fake server's checks, and nothing stays open."""
    transcript = read_transcript(path)
    judge = Judge(transcript.version)
    answers = transcript.sent.split(b"\n")[:-1]
    while not judge.ready:
        judge.receive(answers.pop(0) + b"\n")
    for event in FilterProtocol().receive_data(transcript.received):
        if isinstance(event, LinkConnect):
            judge.begin(event.session)
        elif isinstance(event, LinkDisconnect):
            judge.end(event.session)
        elif isinstance(event, FilterRequest):
            judge.ask(event.session, event.token, event.phase)
            mine = next(line for line in answers if event.session.encode() in line)
            answers.remove(mine)
            judge.receive(mine + b"\n")
    assert not answers
    assert set(judge.open) == set()


def test_control_bytes_forge_no_line() -> None:
    """Bytes of a client that other readers take for line ends stay inside its command."""
    for path in HERE.rglob("q-control-bytes-in-commands.txt"):
        events = FilterProtocol().receive_data(read_transcript(path).received)
        commands = [event.command for event in events if isinstance(event, ProtocolClient)]
        assert any("\r" in command for command in commands)
        assert any("\x85" in command for command in commands)


def test_ipv6_addresses() -> None:
    """Addresses of IPv6 clients are the same in report and request, but for the port."""
    for path in HERE.rglob("l-ipv6.txt"):
        events = FilterProtocol().receive_data(read_transcript(path).received)
        reported = [event.src.ip for event in events if isinstance(event, LinkConnect)]
        asked = [event.src.ip for event in events if isinstance(event, Connect)]
        assert reported == asked
        assert {address.version for address in reported if address is not None} == {6}
