# SPDX-License-Identifier: ISC
"""Lines and events: tables for each event, phase and fault, and the round trip of all of them."""

import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmtpd import (
    Address,
    Auth,
    AuthResult,
    Commit,
    Connect,
    Data,
    DataLine,
    DecisionName,
    Ehlo,
    Event,
    Fcrdns,
    FilterKind,
    FilterProtocol,
    FilterReport,
    FilterRequest,
    FilterResponse,
    Helo,
    Help,
    LinkAuth,
    LinkConnect,
    LinkDisconnect,
    LinkGreeting,
    LinkIdentify,
    LinkTls,
    MailFrom,
    Malformed,
    Method,
    Noop,
    Phase,
    ProtocolClient,
    ProtocolServer,
    Quit,
    RcptTo,
    Report,
    Rset,
    StartTls,
    Timeout,
    TxBegin,
    TxCommit,
    TxData,
    TxEnvelope,
    TxMail,
    TxRcpt,
    TxReset,
    TxResult,
    TxRollback,
    UnknownReport,
    UnknownRequest,
    Wiz,
)
from opensmtpd._schema import REQUESTS, reports
from opensmtpd.testing import encode_event, vis

Feeder = Callable[[bytes], Iterator[tuple[str, list[Event]]]]

S, T = "52c503ee57499eb6", "dae8676d038a124f"
R7 = b"report|0.7|1795225454.250000|smtp-in|"
R6 = b"report|0.6|1795225454.250000|smtp-in|"
R5 = b"report|0.5|1795225454.250000|smtp-in|"
F7 = b"filter|0.7|1795225454.250000|smtp-in|"
WHEN = 1795225454.25
ID = (WHEN, S)
IDS = (WHEN, S, T)

REPORTS: dict[bytes, Report] = {
    R7 + b"link-connect|52c503ee57499eb6|mail.example.org|pass|192.0.2.7:33174|192.0.2.1:25": LinkConnect(
        *ID, "mail.example.org", Fcrdns.PASS, Address("192.0.2.7:33174"), Address("192.0.2.1:25")
    ),
    R7 + b"link-connect|52c503ee57499eb6|<unknown>|error|[2001:db8::7]:9|[::]:25|new|er": LinkConnect(
        *ID, "<unknown>", Fcrdns.ERROR, Address("[2001:db8::7]:9"), Address("[::]:25"), extra=("new", "er")
    ),
    R7 + b"link-disconnect|52c503ee57499eb6": LinkDisconnect(*ID),
    R7 + b"link-disconnect|52c503ee57499eb6|": LinkDisconnect(*ID),
    R7 + b"link-disconnect|52c503ee57499eb6|quit|now": LinkDisconnect(*ID, extra=("quit", "now")),
    R7 + b"link-greeting|52c503ee57499eb6|mx.example.org": LinkGreeting(*ID, "mx.example.org"),
    R7 + b"link-identify|52c503ee57499eb6|EHLO|a|b": LinkIdentify(*ID, Method.EHLO, "a|b"),
    R7 + b"link-identify|52c503ee57499eb6|HELO|": LinkIdentify(*ID, Method.HELO, ""),
    R7 + b"link-tls|52c503ee57499eb6|TLSv1.3:X:256": LinkTls(*ID, "TLSv1.3:X:256"),
    R7 + b"link-auth|52c503ee57499eb6|fail|a|b|pass": LinkAuth(*ID, AuthResult.FAIL, "a|b|pass"),
    R7 + b"link-auth|52c503ee57499eb6|pass|": LinkAuth(*ID, AuthResult.PASS, ""),
    R6 + b"link-auth|52c503ee57499eb6|a|b|pass|fail": LinkAuth(*ID, AuthResult.FAIL, "a|b|pass"),
    R6 + b"link-auth|52c503ee57499eb6||error": LinkAuth(*ID, AuthResult.ERROR, ""),
    R5 + b"link-auth|52c503ee57499eb6|alice|pass": LinkAuth(*ID, AuthResult.PASS, "alice"),
    b"report|0.12|1795225454.250000|smtp-in|link-auth|52c503ee57499eb6|fail|x": LinkAuth(
        *ID, AuthResult.FAIL, "x"
    ),
    R7 + b"tx-reset|52c503ee57499eb6|c2eb6a1f": TxReset(*ID, "c2eb6a1f"),
    R7 + b"tx-reset|52c503ee57499eb6": TxReset(*ID),
    R7 + b"tx-begin|52c503ee57499eb6|c2eb6a1f": TxBegin(*ID, "c2eb6a1f"),
    R7 + b"tx-mail|52c503ee57499eb6|c2eb6a1f|ok|a|b@example.org": TxMail(
        *ID, "c2eb6a1f", TxResult.OK, "a|b@example.org"
    ),
    R5 + b"tx-mail|52c503ee57499eb6|c2eb6a1f|a|b@example.org|ok": TxMail(
        *ID, "c2eb6a1f", TxResult.OK, "a|b@example.org"
    ),
    R6 + b"tx-rcpt|52c503ee57499eb6|c2eb6a1f|permfail|x": TxRcpt(*ID, "c2eb6a1f", TxResult.PERMFAIL, "x"),
    R5 + b"tx-rcpt|52c503ee57499eb6|c2eb6a1f||tempfail": TxRcpt(*ID, "c2eb6a1f", TxResult.TEMPFAIL, ""),
    R7 + b"tx-envelope|52c503ee57499eb6|c2eb6a1f|c2eb6a1f00000001": TxEnvelope(
        *ID, "c2eb6a1f", "c2eb6a1f00000001"
    ),
    R7 + b"tx-data|52c503ee57499eb6|c2eb6a1f|ok": TxData(*ID, "c2eb6a1f", TxResult.OK),
    R7 + b"tx-commit|52c503ee57499eb6|c2eb6a1f|1024": TxCommit(*ID, "c2eb6a1f", 1024),
    R7 + b"tx-rollback|52c503ee57499eb6|c2eb6a1f|why": TxRollback(*ID, "c2eb6a1f", extra=("why",)),
    R7 + b"protocol-client|52c503ee57499eb6|NOOP \r\x00\x85\xff|x": ProtocolClient(
        *ID, "NOOP \r\x00\x85\xff|x"
    ),
    R7 + b"protocol-server|52c503ee57499eb6|250-HELP": ProtocolServer(*ID, "250-HELP"),
    R7 + b"filter-report|52c503ee57499eb6|proc|ban|a|b": FilterReport(*ID, FilterKind.PROC, "ban", "a|b"),
    R7 + b"filter-response|52c503ee57499eb6|connected|proceed": FilterResponse(
        *ID, Phase.CONNECT, DecisionName.PROCEED
    ),
    R7 + b"filter-response|52c503ee57499eb6|tls|reject|550 a|b": FilterResponse(
        *ID, Phase.STARTTLS, DecisionName.REJECT, "550 a|b"
    ),
    R7 + b"timeout|52c503ee57499eb6": Timeout(*ID),
    R7 + b"link-moved|52c503ee57499eb6|a|b": UnknownReport(*ID, "link-moved", ("a", "b")),
    R7 + b"connect|52c503ee57499eb6": UnknownReport(*ID, "connect", ()),
    b"report|0.7|1795225454.250000|smtp-out|link-greeting|52c503ee57499eb6|mx": LinkGreeting(
        *ID, "mx", subsystem="smtp-out"
    ),
    b"report|0.7|1795225454.250000|stats|entry|smtp.session|counter|3": UnknownReport(
        WHEN, "", "entry", ("smtp.session", "counter", "3"), subsystem="stats"
    ),
}
REQUEST_LINES: dict[bytes, FilterRequest] = {
    F7 + b"connect|52c503ee57499eb6|dae8676d038a124f|<unknown>|192.0.2.7": Connect(
        *IDS, "<unknown>", Address("192.0.2.7")
    ),
    F7 + b"connect|52c503ee57499eb6|dae8676d038a124f|localhost|local": Connect(
        *IDS, "localhost", Address("local")
    ),
    F7 + b"connect|52c503ee57499eb6|dae8676d038a124f|a|[::1]|pass|b": Connect(
        *IDS, "a", Address("[::1]"), extra=("pass", "b")
    ),
    F7 + b"helo|52c503ee57499eb6|dae8676d038a124f|a|b": Helo(*IDS, "a|b"),
    F7 + b"ehlo|52c503ee57499eb6|dae8676d038a124f|[192.0.2.7]": Ehlo(*IDS, "[192.0.2.7]"),
    F7 + b"starttls|52c503ee57499eb6|dae8676d038a124f|": StartTls(*IDS),
    F7 + b"auth|52c503ee57499eb6|dae8676d038a124f|PLAIN AGEAYg==": Auth(*IDS, "PLAIN AGEAYg=="),
    F7 + b"mail-from|52c503ee57499eb6|dae8676d038a124f|": MailFrom(*IDS, ""),
    F7 + b"mail-from|52c503ee57499eb6|dae8676d038a124f|a|b@example.org": MailFrom(*IDS, "a|b@example.org"),
    F7 + b"rcpt-to|52c503ee57499eb6|dae8676d038a124f|bob@example.org": RcptTo(*IDS, "bob@example.org"),
    F7 + b"data|52c503ee57499eb6|dae8676d038a124f|": Data(*IDS),
    F7 + b"data-line|52c503ee57499eb6|dae8676d038a124f|..| \xe4": DataLine(*IDS, "..| \xe4"),
    F7 + b"data-line|52c503ee57499eb6|dae8676d038a124f|": DataLine(*IDS, ""),
    F7 + b"rset|52c503ee57499eb6|dae8676d038a124f|": Rset(*IDS),
    F7 + b"quit|52c503ee57499eb6|dae8676d038a124f|": Quit(*IDS),
    F7 + b"quit|52c503ee57499eb6|dae8676d038a124f": Quit(*IDS),
    F7 + b"noop|52c503ee57499eb6|dae8676d038a124f|": Noop(*IDS),
    F7 + b"help|52c503ee57499eb6|dae8676d038a124f|": Help(*IDS),
    F7 + b"wiz|52c503ee57499eb6|dae8676d038a124f|": Wiz(*IDS),
    F7 + b"commit|52c503ee57499eb6|dae8676d038a124f|": Commit(*IDS),
    F7 + b"vrfy|52c503ee57499eb6|dae8676d038a124f|a|b": UnknownRequest(*IDS, "vrfy", ("a", "b")),
    F7 + b"link-auth|52c503ee57499eb6|dae8676d038a124f": UnknownRequest(*IDS, "link-auth", ()),
}
EVENTS: dict[bytes, Event] = {**REPORTS, **REQUEST_LINES}
MALFORMED: dict[bytes, tuple[str, str | None, str | None]] = {
    b"": ("1 fields: must be at least 5", None, None),
    b"\r": ("1 fields: must be at least 5", None, None),
    b"config": ("config: must have a key and a value", None, None),
    b"config|smtp-session-timeout|soon": ("smtp-session-timeout: must be digits", None, None),
    b"REPORT|0.7|1.0|smtp-in|timeout|" + S.encode(): ("stream: must be report or filter", S, None),
    b"report|0.7|1.0|smtp-in|timeout": ("session: must be 16 lower-case hex digits", None, None),
    b"report|0.7|1.0|smtp-in|timeout|52C503EE57499EB6": (
        "session: must be 16 lower-case hex digits",
        None,
        None,
    ),
    b"report|0.7|1e9|smtp-in|timeout|" + S.encode(): ("time: must be digits, a dot and digits", S, None),
    b"report|0.4|1.0|smtp-in|timeout|" + S.encode(): ("version: must be 0.5 or a later 0.x", S, None),
    b"report|1.0|1.0|smtp-in|timeout|" + S.encode(): ("version: must be 0.5 or a later 0.x", S, None),
    R7 + b"link-auth|52c503ee57499eb6|fail": ("1 fields: must be at least 2", S, None),
    R7 + b"link-auth|52c503ee57499eb6": ("0 fields: must be at least 2", S, None),
    R7 + b"link-auth|52c503ee57499eb6|alice|fail": ("result: must be one of pass, fail, error", S, None),
    R6 + b"link-auth|52c503ee57499eb6|fail|alice": ("result: must be one of pass, fail, error", S, None),
    R7 + b"tx-begin|52c503ee57499eb6|C2EB6A1F": ("message_id: must be 8 lower-case hex digits", S, None),
    R7 + b"tx-reset|52c503ee57499eb6|x": ("message_id: must be 8 lower-case hex digits or nothing", S, None),
    R7 + b"tx-commit|52c503ee57499eb6|c2eb6a1f|-1": ("size_bytes: must be digits", S, None),
    F7 + b"auth|52c503ee57499eb6": ("token: is missing", S, None),
    F7 + b"auth|52c503ee57499eb6|xae8676d038a124f|LOGIN": (
        "token: must be 16 lower-case hex digits",
        S,
        None,
    ),
    F7 + b"auth|52c503ee57499eb6|dae8676d038a124f0|LOGIN": (
        "token: must be 16 lower-case hex digits",
        S,
        None,
    ),
    F7 + b"auth|52c503ee57499eb|dae8676d038a124f|LOGIN": (
        "session: must be 16 lower-case hex digits",
        None,
        None,
    ),
    F7 + b"auth|52c503ee57499eb6|dae8676d038a124f": ("0 fields: must be at least 1", S, T),
    F7 + b"connect|52c503ee57499eb6|dae8676d038a124f|x": ("1 fields: must be at least 2", S, T),
    b"filter|0.7|1.0|smtp-out|quit|52c503ee57499eb6|dae8676d038a124f|": ("subsystem: must be smtp-in", S, T),
    b"filter|0.7|now|smtp-in|quit|52c503ee57499eb6|dae8676d038a124f|": (
        "time: must be digits, a dot and digits",
        S,
        T,
    ),
    b"filter|0.7|now|smtp-in|data-line|52c503ee57499eb6|dae8676d038a124f|": (
        "time: must be digits, a dot and digits",
        S,
        None,
    ),
}


@pytest.mark.parametrize(
    ("line", "expected"), EVENTS.items(), ids=[type(event).__name__ for event in EVENTS.values()]
)
def test_each_line_is_its_event(line: bytes, expected: Event, every_cut: Feeder) -> None:
    """Each line of the table makes exactly its event, however the bytes are cut and whatever follows."""
    for cut, events in every_cut(line + b"\n" + R7[:20]):
        assert events == [expected], cut


@pytest.mark.parametrize(
    ("line", "expected"), MALFORMED.items(), ids=[repr(line[-40:]) for line in MALFORMED]
)
def test_each_fault_is_named(
    line: bytes, expected: tuple[str, str | None, str | None], every_cut: Feeder
) -> None:
    """A malformed line is a value that names field and rule, and carries the ids that can be read."""
    following = R7 + b"timeout|52c503ee57499eb6\n"
    for cut, events in every_cut(line + b"\n" + following):
        fault, timeout = events
        assert isinstance(fault, Malformed)
        assert expected == (fault.problem, fault.session, fault.token), cut
        assert timeout == Timeout(*ID), "the stream goes on"


def test_the_table_has_all_names() -> None:
    """The table above has a line for each event and each phase of the protocol."""
    assert {event.name for event in REPORTS.values()} >= set(reports((0, 7)))
    assert {request.phase for request in REQUEST_LINES.values()} >= set(REQUESTS)


@pytest.mark.parametrize("version", ["0.5", "0.6", "0.7"])
@pytest.mark.parametrize(
    "name", ["a|b|pass", " two  words ", "jürgen@exämple.org", "x" * 200, "", "|", "\\^I", "\x1b\x7f"]
)
def test_odd_user_names(name: str, version: str) -> None:
    """A user name with bars, blanks, UTF-8 or 200 characters comes through in every version."""
    line = encode_event(LinkAuth(*ID, AuthResult.FAIL, vis(name)), version)
    [event] = FilterProtocol().receive_data(line)
    assert isinstance(event, LinkAuth)
    assert (AuthResult.FAIL, name) == (event.result, event.user)


def test_credentials_are_not_in_representations() -> None:
    """Neither repr() of an event nor the excerpt of a malformed line holds what AUTH carried."""
    secret = b"AGFsaWNlAHNlY3JldA=="
    lines = [
        F7 + b"auth|52c503ee57499eb6|dae8676d038a124f|PLAIN " + secret,
        F7 + b"autx|52c503ee57499eb6|dae8676d038a124f|PLAIN " + secret,
        F7 + b"auth|52c503ee57499eb6|" + secret,
        R7 + b"protocol-client|52c503ee57499eb6|AUTH  LOGIN " + secret,
        R7 + b"protocol-klient|52c503ee57499eb6|auth plain " + secret,
        b"filter|x|auth|plain " + secret,
    ]
    events = FilterProtocol().receive_data(b"".join(line + b"\n" for line in lines))
    assert len(lines) == len(events)
    assert secret.decode() not in repr(events)


def test_malformed_excerpts_are_bounded_printable_ascii() -> None:
    """An excerpt has at most 100 characters, none of which a terminal or a log could trip over."""
    [event] = FilterProtocol().receive_data(bytes(set(range(256)) - {10}) * 9 + b"\n")
    assert isinstance(event, Malformed)
    assert len(event.excerpt) <= 100
    assert event.excerpt.isascii()
    assert event.excerpt.isprintable()


_BYTE_TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\n"), max_size=40)
_NO_BAR = st.text(st.characters(max_codepoint=255, exclude_characters="\n|"), max_size=40)
_HEX16 = st.text("0123456789abcdef", min_size=16, max_size=16)
_HEX8 = st.text("0123456789abcdef", min_size=8, max_size=8)
_TIME_S = st.integers(0, 10**16).map(lambda microseconds: microseconds / 1e6)
_BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "rdns": _NO_BAR,
    "filter_name": _NO_BAR,
    "src": _NO_BAR.map(Address),
    "dst": _NO_BAR.map(Address),
    "fcrdns": st.sampled_from(Fcrdns),
    "method": st.sampled_from(Method),
    "kind": st.sampled_from(FilterKind),
    "phase": st.sampled_from(Phase),
    "decision": st.sampled_from(DecisionName),
    "parameter": st.none() | _BYTE_TEXT,
    "message_id": _HEX8,
    "envelope_id": _HEX16,
    "size_bytes": st.integers(0, 10**17),
}


def _result(layout: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(AuthResult if layout.event is LinkAuth else TxResult)


def _events() -> st.SearchStrategy[Any]:
    strategies: list[st.SearchStrategy[Any]] = []
    for layout in (*reports((0, 7)).values(), *REQUESTS.values()):
        fields = {
            field.name: _result(layout) if field.name == "result" else _BY_NAME.get(field.name, _BYTE_TEXT)
            for field in layout.fields
        }
        if not any(field.free for field in layout.fields):
            fields["extra"] = st.lists(_NO_BAR.filter(bool), max_size=2).map(tuple)
        if issubclass(layout.event, FilterRequest):
            fields["token"] = _HEX16
        strategies.append(st.builds(layout.event, _TIME_S, _HEX16, **fields))
    word = st.text(string.ascii_lowercase, min_size=20, max_size=30)
    more = st.lists(_NO_BAR, min_size=1, max_size=3).map(tuple)
    strategies += [
        st.builds(
            UnknownReport, _TIME_S, _HEX16, word, more, subsystem=st.sampled_from(["smtp-in", "smtp-out"])
        ),
        st.builds(UnknownRequest, _TIME_S, _HEX16, _HEX16, word, more),
    ]
    return st.one_of(strategies)


@given(_events(), st.sampled_from(["0.5", "0.6", "0.7"]))
def test_round_trip(event: Any, version: str) -> None:
    """What a server of any version says is what is read."""
    assert [event] == FilterProtocol().receive_data(encode_event(event, version))


@given(st.lists(st.binary(max_size=60) | st.sampled_from([line + b"\n" for line in EVENTS]), max_size=8))
def test_any_bytes_are_read(pieces: list[bytes]) -> None:
    """Any bytes give events, one for each line but those of the handshake."""
    wire = b"".join(pieces)
    events = FilterProtocol().receive_data(wire)
    settings = wire.count(b"\nconfig|") + wire.startswith(b"config|")
    assert wire.count(b"\n") - settings <= len(events) <= wire.count(b"\n")


def test_short_cuts_of_events() -> None:
    """Events offer what people ask of them most."""
    client, server, auth = FilterProtocol().receive_data(
        R7 + b"protocol-client|52c503ee57499eb6|EHLO \xc3\xbc\n"
        + R7 + b"protocol-server|52c503ee57499eb6|250 \xff\n"
        + F7 + b"auth|52c503ee57499eb6|dae8676d038a124f|plain AGEAYg==\n"
    )  # fmt: skip
    assert isinstance(client, ProtocolClient)
    assert isinstance(server, ProtocolServer)
    assert isinstance(auth, Auth)
    assert (client.text, server.text, auth.mechanism) == ("EHLO ü", "250 \\xff", "PLAIN")
