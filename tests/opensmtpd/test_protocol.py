# SPDX-License-Identifier: ISC
"""The protocol: handshake, versions, long lines, open requests."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmtpd import (
    Auth,
    Commit,
    Disconnect,
    Event,
    FilterProtocol,
    FilterRequest,
    Junk,
    LinkAuth,
    LocalProtocolError,
    Malformed,
    Proceed,
    Quit,
    Ready,
    Reject,
    RemoteProtocolError,
    Row,
    ServerConfig,
    Timeout,
)
from opensmtpd.testing import encode_event, handshake

Feeder = Callable[[bytes], Iterator[tuple[str, list[Event]]]]

S, T = "52c503ee57499eb6", "dae8676d038a124f"
TIMEOUT = b"report|0.7|1.5|smtp-in|timeout|" + S.encode() + b"\n"
QUIT = b"filter|0.7|1.5|smtp-in|quit|" + S.encode() + b"|" + T.encode() + b"|\n"
LINE_MAX = 1024


def quit_line(session: int) -> bytes:
    """Return a request of one of many sessions."""
    return encode_event(Quit(1.0, f"{session:016x}", T))


def one_request(protocol: FilterProtocol, line: bytes = QUIT) -> FilterRequest:
    """Return the only event of *line*, which is a request."""
    [request] = protocol.receive_data(line)
    assert isinstance(request, FilterRequest)
    return request


def test_handshake_0_7(every_cut: Feeder) -> None:
    """What 7.8 says of itself comes with its readiness, keys of later versions included."""
    wire = handshake("0.7").replace(
        b"config|ready", b"config|subsystem|smtp-out\nconfig|stats-interval|5|x\nconfig|ready"
    )
    config = ServerConfig(
        smtpd_version="7.8.0-portable",
        protocol="0.7",
        session_timeout_s=300,
        subsystems=("smtp-in", "smtp-out"),
        admd="mx.example.org",
        other=(("stats-interval", "5|x"),),
    )
    for cut, events in every_cut(wire):
        assert events == [Ready(config)], cut


def test_handshake_0_6() -> None:
    """6.8 does not name its protocol: the first line does."""
    protocol = FilterProtocol()
    [event] = protocol.receive_data(handshake("0.6"))
    assert isinstance(event, Ready)
    assert (event.config.protocol, protocol.version) == ("", "")
    assert protocol.config == event.config
    protocol.receive_data(b"report|0.6|1.0|smtp-in|link-auth|" + S.encode() + b"|x|fail\n")
    assert protocol.version == "0.6"


def test_an_unknown_protocol_is_the_only_error() -> None:
    """A version that cannot be spoken is an error at the handshake, where an administrator looks."""
    with pytest.raises(RemoteProtocolError, match=r"protocol '1\.0': must be"):
        FilterProtocol().receive_data(b"config|smtpd-version|9\nconfig|protocol|1.0\n")


def test_config_after_ready_is_malformed() -> None:
    """The handshake happens once, so that nobody registers twice."""
    protocol = FilterProtocol()
    protocol.receive_data(handshake())
    events = protocol.receive_data(b"config|ready\nconfig|protocol|1.0\n")
    assert [type(event) for event in events] == [Malformed, Malformed]
    assert protocol.version == "0.7"


def test_the_handshake_is_bounded() -> None:
    """A server with a thousand keys of its own does not fill the memory."""
    protocol = FilterProtocol()
    for number in range(1000):
        protocol.receive_data(b"config|key|%d\nconfig|subsystem|%d\n" % (number, number))
    assert (len(protocol.config.other), len(protocol.config.subsystems)) == (64, 64)


def test_the_version_may_change() -> None:
    """Each line is read by its own version, whatever came before."""
    lines = [b"report|%b|1.0|smtp-in|link-auth|%b|%b\n" % (version, S.encode(), fields) for version, fields in (
        (b"0.7", b"fail|x"), (b"0.6", b"x|fail"), (b"0.9", b"fail|x"), (b"0.4", b"fail|x"), (b"0.7", b"fail|x"),
    )]  # fmt: skip
    for routes in ({}, {"link-auth": lambda _: None}):
        protocol = FilterProtocol(routes=routes)
        versions = []
        for line in lines:
            protocol.receive_data(line)
            versions.append(protocol.version)
        assert versions == ["0.7", "0.6", "0.9", "0.9", "0.7"]


@pytest.mark.parametrize("length", [LINE_MAX, LINE_MAX + 1, 3 * LINE_MAX, 70_000])
def test_long_lines(length: int) -> None:
    """A line that is too long makes one event however it is cut, takes no memory, and the stream goes on."""
    long = QUIT[:-1].ljust(length, b"x") + b"\n"
    results = []
    for size in (1, 10, 1000, 1025, 1 << 20):
        protocol = FilterProtocol(max_line_bytes=LINE_MAX)
        wire = TIMEOUT + long + TIMEOUT + QUIT
        events = []
        for start in range(0, len(wire), size):
            events += protocol.receive_data(wire[start : start + size])
            assert len(protocol._rest) <= LINE_MAX
        results.append(events)
    assert all(events == results[0] for events in results)
    first, middle, third, last = results[0]
    assert isinstance(first, Timeout)
    assert isinstance(third, Timeout)
    assert isinstance(last, Quit)
    if length > LINE_MAX:
        assert isinstance(middle, Malformed)
        assert (middle.problem, middle.session, middle.token) == ("longer than 1024 bytes", S, T)
    else:
        assert isinstance(middle, Quit)


def test_a_line_without_end_is_reported_at_once() -> None:
    """Who never ends a line is noticed when it is too long, once."""
    protocol = FilterProtocol(max_line_bytes=LINE_MAX)
    events = [event for _ in range(100) for event in protocol.receive_data(b"x" * 100)]
    assert [Malformed] == [type(event) for event in events]
    assert protocol.receive_data(b"\n") == []


@given(
    st.lists(
        st.sampled_from([b"\n", b"x", TIMEOUT, QUIT, b"y" * 1023, b"z" * 1024, b"|" * 1500]), max_size=30
    ),
    st.lists(st.integers(1, 3000), min_size=1, max_size=10),
)
def test_any_cut_gives_the_same_events(pieces: list[bytes], sizes: list[int]) -> None:
    """Lines of all lengths, in all cuts."""
    wire = b"".join(pieces)
    cut = FilterProtocol(max_line_bytes=LINE_MAX)
    events: list[Event] = []
    start = 0
    while start < len(wire):
        size = sizes[start % len(sizes)]
        events += cut.receive_data(wire[start : start + size])
        start += size
    assert FilterProtocol(max_line_bytes=LINE_MAX).receive_data(wire) == events


def test_the_limit_has_a_limit() -> None:
    """Session and token must lie within any line that is too long."""
    with pytest.raises(ValueError, match="max_line_bytes: 100: must be at least 1024"):
        FilterProtocol(max_line_bytes=100)


def test_a_request_is_answered_once() -> None:
    """The answer names session and token; a second one cannot be made."""
    protocol = FilterProtocol()
    request = one_request(protocol)
    assert dict(protocol.pending) == {S: request}
    assert protocol.encode_result(request, Disconnect("421 4.7.0 \xfc")) == (
        f"filter-result|{S}|{T}|disconnect|421 4.7.0 \xfc\n".encode("latin-1")
    )
    assert not protocol.pending
    with pytest.raises(LocalProtocolError, match="no such request open"):
        protocol.encode_result(request, Proceed())


def test_an_illegal_answer_leaves_the_request_open() -> None:
    """After an illegal decision another one can be given."""
    protocol = FilterProtocol()
    request = one_request(protocol, encode_event(Commit(1.0, S, T)))
    with pytest.raises(LocalProtocolError, match="junk: must not answer commit"):
        protocol.encode_result(request, Junk())
    assert protocol.encode_result(request, Proceed())


def test_a_malformed_request_is_answered_too() -> None:
    """A line of which only the ids can be read is a request that waits."""
    protocol = FilterProtocol()
    [event] = protocol.receive_data(QUIT.replace(b"1.5", b"now"))
    assert isinstance(event, Malformed)
    assert protocol.encode_result(event, Reject("450 x")) == f"filter-result|{S}|{T}|reject|450 x\n".encode()
    with pytest.raises(LocalProtocolError):
        protocol.encode_result(event, Proceed())


def test_what_was_never_asked_cannot_be_answered() -> None:
    """Neither a request of another connection nor a malformed line without ids."""
    protocol = FilterProtocol()
    for request in (Auth(1.0, S, T, "LOGIN"), Malformed("x", "x"), Malformed("x", "x", S)):
        with pytest.raises(LocalProtocolError):
            protocol.encode_result(request, Proceed())


def test_the_next_request_of_a_session_takes_the_place_of_the_last() -> None:
    """A session has one request open: the older one, which the server gave up, is no longer answered."""
    protocol = FilterProtocol()
    older, newer = one_request(protocol), one_request(protocol)
    with pytest.raises(LocalProtocolError):
        protocol.encode_result(older, Proceed())
    assert protocol.encode_result(newer, Proceed())


def test_open_requests_are_bounded() -> None:
    """Beyond the limit the oldest request is forgotten."""
    protocol = FilterProtocol(max_sessions=3)
    requests = [one_request(protocol, quit_line(session)) for session in range(5)]
    assert list(protocol.pending.values()) == requests[2:]


def test_end_of_input() -> None:
    """At the end nobody waits any more; a line without its end is reported and never answered."""
    protocol = FilterProtocol()
    protocol.receive_data(QUIT + QUIT[:-1])
    [event] = protocol.receive_eof()
    assert isinstance(event, Malformed)
    assert (event.problem, event.token) == ("end of input inside a line", None)
    assert not protocol.pending
    assert protocol.receive_eof() == []


def test_routes_take_lines_in_order() -> None:
    """A routed line makes no event and is not pending; its row has all that follows the session in one field."""
    rows: list[Row] = []
    protocol = FilterProtocol(routes={"timeout": rows.append, "auth": rows.append})
    auth = encode_event(Auth(1.0, S, T, "PLAIN a|b"))
    events = protocol.receive_data(TIMEOUT + QUIT + auth + TIMEOUT)
    assert [type(event) for event in events] == [Quit]
    assert [row[4] for row in rows] == ["timeout", "auth", "timeout"]
    assert rows[1] == ["filter", "0.7", "1.000000", "smtp-in", "auth", S, f"{T}|PLAIN a|b"]
    assert list(protocol.pending) == [S]


@pytest.mark.parametrize("error", [ValueError("AUTH PLAIN c2VjcmV0"), KeyError("k"), IndexError("i")])
def test_a_failing_route_makes_its_line_malformed(error: Exception) -> None:
    """What a route cannot read is a malformed line, to be answered if it is a request."""

    def fail(_: Row) -> None:
        raise error

    protocol = FilterProtocol(routes={"timeout": fail, "quit": fail})
    report, request = protocol.receive_data(TIMEOUT + QUIT)
    assert isinstance(report, Malformed)
    assert isinstance(request, Malformed)
    assert request.problem.startswith(f"route: {type(error).__name__}")
    assert "c2VjcmV0" not in repr(request)
    assert (report.session, report.token) == (S, None)
    assert protocol.encode_result(request, Proceed())


@pytest.mark.parametrize(
    "line",
    [
        QUIT.replace(b"filter", b"report"),
        QUIT.replace(b"filter", b"FILTER"),
        QUIT.replace(b"smtp-in", b"smtp-out"),
        QUIT.replace(b"0.7", b"0.4"),
        QUIT.replace(b"0.7", b"x"),
        QUIT.replace(b"quit", b"quix"),
        b"filter|0.7\n",
    ],
)
def test_unsound_lines_are_not_routed(line: bytes) -> None:
    """A route sees its own kind of line only, of a known version and of smtp-in."""
    rows: list[Row] = []
    protocol = FilterProtocol(routes={"quit": rows.append})
    protocol.receive_data(QUIT)
    assert len(protocol.receive_data(line)) == 1
    assert len(rows) == 1


@pytest.mark.parametrize("name", ["link-moved", "data-line", "*", ""])
def test_routes_have_known_names(name: str) -> None:
    """A route for what cannot come, or has not one answer, is our own fault."""
    with pytest.raises(LocalProtocolError, match="must be an event or a phase"):
        FilterProtocol(routes={name: lambda _: None})


def test_events_are_hashable_values() -> None:
    """Equal lines make equal events, which can be members of a set."""
    first, second = FilterProtocol().receive_data(TIMEOUT * 2)
    assert first is not second
    assert len({first, second}) == 1
    assert isinstance(first, Timeout)
    assert not isinstance(first, LinkAuth)
