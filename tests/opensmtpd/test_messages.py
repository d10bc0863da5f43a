# SPDX-License-Identifier: ISC
"""Messages in the data-line phase."""

import pytest

from opensmtpd import DataLine, FilterProtocol, LinkDisconnect, LocalProtocolError
from opensmtpd.testing import encode_event

S, T = "52c503ee57499eb6", "dae8676d038a124f"


def line(text: str, session: str = S) -> DataLine:
    """Return a line of mail that came."""
    return DataLine(1.0, session, T, text)


def receive(protocol: FilterProtocol, *texts: str) -> list[DataLine]:
    """Let lines of mail come in."""
    events = protocol.receive_data(b"".join(encode_event(line(text)) for text in texts))
    return [event for event in events if isinstance(event, DataLine)]


def test_lines_go_on_until_the_dot() -> None:
    """Any number of lines may take the place of those that came, until the dot goes out."""
    protocol = FilterProtocol()
    *_, last = receive(protocol, "Subject: x", "", ".")
    assert f"filter-dataline|{S}|{T}|Subject: \xfc\n".encode("latin-1") == protocol.encode_data_line(
        last, "Subject: \xfc"
    )
    assert f"filter-dataline|{S}|{T}|\n".encode() == protocol.encode_data_line(last, "")
    assert f"filter-dataline|{S}|{T}|.\n".encode() == protocol.encode_data_line(last, ".")
    with pytest.raises(LocalProtocolError, match="has no message"):
        protocol.encode_data_line(last, "more")
    assert not protocol.pending


def test_a_message_may_end_early() -> None:
    """After our dot the rest of the message comes in and nothing goes out; the next message is another one."""
    protocol = FilterProtocol()
    [first] = receive(protocol, "Subject: x")
    protocol.encode_data_line(first, ".")
    receive(protocol, "body")
    with pytest.raises(LocalProtocolError):
        protocol.encode_data_line(first, "more")
    receive(protocol, ".")
    with pytest.raises(LocalProtocolError):
        protocol.encode_data_line(first, ".")
    [again] = receive(protocol, "Subject: y")
    assert protocol.encode_data_line(again, ".")


@pytest.mark.parametrize("text", ["a\nb", "a\r", "\0", "€", "x" * 1901])
def test_illegal_lines(text: str) -> None:
    """A line of mail that would be two lines, or be cut, does not go out; the message stays open."""
    protocol = FilterProtocol()
    [first] = receive(protocol, "x")
    with pytest.raises(LocalProtocolError, match="at most 1900 characters"):
        protocol.encode_data_line(first, text)
    assert protocol.encode_data_line(first, "x")


def test_messages_of_sessions_that_are_over_are_forgotten() -> None:
    """Disconnect, end of input and too many sessions end a message."""
    protocol = FilterProtocol(max_sessions=2)
    [first] = receive(protocol, "x")
    protocol.receive_data(encode_event(LinkDisconnect(1.0, S)))
    with pytest.raises(LocalProtocolError):
        protocol.encode_data_line(first, "x")
    [first] = receive(protocol, "x")
    protocol.receive_data(b"".join(encode_event(line("x", f"{number:016x}")) for number in range(2)))
    with pytest.raises(LocalProtocolError):
        protocol.encode_data_line(first, "x")
    [first] = receive(protocol, "x")
    protocol.receive_eof()
    with pytest.raises(LocalProtocolError):
        protocol.encode_data_line(first, "x")
