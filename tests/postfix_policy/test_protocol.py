# SPDX-License-Identifier: ISC
"""Both sides of a connection, joined without a network or alone."""

import pytest

from postfix_policy import (
    Action,
    ClientConnection,
    Dunno,
    Limits,
    LocalProtocolError,
    Ok,
    PolicyConnection,
    PolicyRequest,
    Reject,
    RemoteProtocolError,
    Reply,
    encode_request,
)

KIND = {"request": "smtpd_access_policy"}
FIRST, SECOND = PolicyRequest({**KIND, "size": "1"}), PolicyRequest({**KIND, "size": "2"})
BOTH = encode_request(FIRST) + encode_request(SECOND)


def test_both_sides_understand_each_other() -> None:
    """Requests reach the server, and actions the client, in order, one at a time or several in one read."""
    client, server = ClientConnection(), PolicyConnection()
    for requests in ([FIRST], [SECOND], [FIRST, SECOND]):
        asked = list(server.receive_data(b"".join(client.encode_request(request) for request in requests)))
        assert asked == requests
        assert server.pending == tuple(asked)
        answers: list[Action] = [Reply(f"450 {request.size}") for request in asked]
        replies = [server.encode_action(*pair) for pair in zip(asked, answers, strict=True)]
        assert list(client.receive_data(b"".join(replies))) == answers
        assert server.pending == ()
        assert not server.incomplete


def test_replies_are_in_order() -> None:
    """Only the oldest open request can be answered, once."""
    server = PolicyConnection()
    first, second = server.receive_data(BOTH)
    with pytest.raises(LocalProtocolError, match="oldest one"):
        server.encode_action(second, Dunno())
    server.encode_action(first, Dunno())
    with pytest.raises(LocalProtocolError, match="oldest one"):
        server.encode_action(first, Dunno())
    server.encode_action(second, Dunno())
    with pytest.raises(LocalProtocolError, match="oldest one"):
        server.encode_action(second, Dunno())


def test_request_stays_open_after_a_wrong_answer() -> None:
    """A request whose answer was no action can still be answered."""
    server = PolicyConnection()
    (request,) = server.receive_data(encode_request(FIRST))
    with pytest.raises(LocalProtocolError, match="must be an action"):
        server.encode_action(request, None)  # type: ignore[arg-type]  # that is the test
    assert server.encode_action(request, Dunno()) == b"action=DUNNO\n\n"


def test_requests_before_a_fault_can_be_answered() -> None:
    """A fault does not touch the requests before it."""
    server = PolicyConnection()
    stream = server.receive_data(encode_request(FIRST) + b"\n")
    request = next(stream)
    with pytest.raises(RemoteProtocolError):
        next(stream)
    assert server.encode_action(request, Dunno()) == b"action=DUNNO\n\n"
    with pytest.raises(RemoteProtocolError):
        list(server.receive_data(encode_request(FIRST)))


def test_open_requests_are_bounded() -> None:
    """A client that does not wait for answers is cut off at the limit; one that is answered in time is not."""
    server = PolicyConnection(Limits(pending=2))
    assert len(list(server.receive_data(BOTH))) == 2
    with pytest.raises(RemoteProtocolError, match="more than 2 requests without an answer"):
        list(server.receive_data(BOTH))
    patient = PolicyConnection(Limits(pending=1))
    for request in patient.receive_data(BOTH * 10):
        patient.encode_action(request, Dunno())


def test_end_of_the_connection() -> None:
    """At the end nothing is open; an end inside a request is told."""
    server = PolicyConnection()
    list(server.receive_data(BOTH))
    server.receive_eof()
    assert server.pending == ()
    assert not list(server.receive_data(BOTH[:20]))
    assert server.incomplete
    with pytest.raises(RemoteProtocolError, match="end of input inside"):
        server.receive_eof()


REPLIES = {
    "first of two actions": (b"action=DUNNO\naction=OK\n\n", Dunno()),
    "attributes before it": (b"note=x\naction=REJECT no\n\n", Reject("no")),
    "attributes after it": (b"action=REJECT no\nnote=x\n\n", Reject("no")),
    "permit": (b"action=OK\n\n", Ok()),
}
BAD_REPLIES = {
    "no action": (b"result=DUNNO\n\n", "reply: must have an action"),
    "bare code": (b"action=521\n\n", "action: .*must"),
    "empty action": (b"action=\n\n", "action: .*must"),
    "digits": (b"action=12345\n\n", "action: .*must"),
    "empty reply": (b"\n", "empty line"),
    "two replies": (b"action=DUNNO\n\naction=OK\n\n", "must come after a request"),
    "garbage": (b"garbage\n\n", "must be name=value"),
    "CR LF": (b"action=DUNNO\r\n\r\n", "must be name=value"),
}


@pytest.mark.parametrize(("reply", "action"), REPLIES.values(), ids=REPLIES)
def test_reply(reply: bytes, action: Action) -> None:
    """A reply is read as Postfix reads it, byte by byte too."""
    for pieces in ([reply], [reply[at : at + 1] for at in range(len(reply))]):
        client = ClientConnection()
        client.encode_request(FIRST)
        assert [each for piece in pieces for each in client.receive_data(piece)] == [action]
        client.receive_eof()


@pytest.mark.parametrize(("reply", "problem"), BAD_REPLIES.values(), ids=BAD_REPLIES)
def test_bad_reply(reply: bytes, problem: str) -> None:
    """What Postfix would misunderstand, or not understand, ends the connection for good."""
    client = ClientConnection()
    client.encode_request(FIRST)
    with pytest.raises(RemoteProtocolError, match=problem):
        list(client.receive_data(reply))
    with pytest.raises(RemoteProtocolError, match=problem):
        list(client.receive_data(b"action=DUNNO\n\n"))


@pytest.mark.parametrize(
    ("reply", "problem"), [(b"", "closed without a reply"), (b"action=DUNNO\n", "end of input")]
)
def test_missing_reply(reply: bytes, problem: str) -> None:
    """A server that closes instead of replying is told from one that closes afterwards."""
    client = ClientConnection()
    client.encode_request(FIRST)
    assert not list(client.receive_data(reply))
    with pytest.raises(RemoteProtocolError, match=problem):
        client.receive_eof()


def test_request_that_cannot_be_sent_is_not_asked() -> None:
    """After a request that cannot be encoded no reply is awaited."""
    client = ClientConnection()
    with pytest.raises(LocalProtocolError):
        client.encode_request(PolicyRequest({"a": "x\n"}))
    client.receive_eof()
