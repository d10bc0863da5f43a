# SPDX-License-Identifier: ISC
"""A hundred thousand damaged lines: nothing is raised, and every readable request is answered exactly once."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from opensmtpd import (
    Event,
    FilterProtocol,
    FilterRequest,
    Malformed,
    Proceed,
    Row,
    auth_result,
    checked_session,
    encode_decision,
    opening,
    request_token,
    result_line,
    row_time_s,
)
from opensmtpd.testing import mutations, read_transcript

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
LINES = 50_000  # for each of the two ways to answer
READABLE = re.compile(
    rb"filter(?:\|[^|]*){3}\|(?!data-line\|)[^|]*\|([0-9a-f]{16})\|[0-9a-f]{16}(?:\|.*)?", re.DOTALL
)
MAX_LINE_BYTES = 4096
ANSWER = re.compile(rb"filter-result\|([0-9a-f]{16})\|[0-9a-f]{16}\|proceed\n")
PROCEED = encode_decision(Proceed())

Answerer = Callable[[bytes], list[bytes]]


def typed() -> Answerer:
    """Return a filter that answers events."""
    protocol = FilterProtocol(max_line_bytes=MAX_LINE_BYTES)

    def answer(data: bytes) -> list[bytes]:
        return answers(protocol, protocol.receive_data(data))

    return answer


def answers(protocol: FilterProtocol, events: list[Event]) -> list[bytes]:
    """Answer the events that want an answer."""
    return [
        protocol.encode_result(event, Proceed())
        for event in events
        if isinstance(event, FilterRequest | Malformed)
        and event.token is not None
        and event in protocol.pending.values()
    ]


def routed() -> Answerer:
    """Return a filter that answers rows, and knows only sessions that it saw connect."""
    sessions: dict[str, str] = {}
    out: list[bytes] = []

    def connect(row: Row) -> None:
        sessions[checked_session(row)], _ = opening(row)
        row_time_s(row)

    def login(row: Row) -> None:
        auth_result(row)

    def request(row: Row) -> None:
        assert sessions[row[5]]
        out.append(result_line(row[5], request_token(row), PROCEED).encode("latin-1"))

    routes = {
        "link-connect": connect,
        "link-auth": login,
        "connect": request,
        "auth": request,
        "mail-from": request,
    }
    protocol = FilterProtocol(routes=routes, max_line_bytes=MAX_LINE_BYTES)

    def answer(data: bytes) -> list[bytes]:
        out.clear()
        events = protocol.receive_data(data)
        return out + answers(protocol, events)

    return answer


def expected_answers(line: bytes) -> list[bytes]:
    """Return the session of *line* if it is a request that can be read, by other means than the package's."""
    match = READABLE.fullmatch(line if len(line) <= MAX_LINE_BYTES else line[:1024])
    return [match[1]] if match else []


@pytest.mark.parametrize("make", [typed, routed])
def test_mutations(make: Callable[[], Answerer]) -> None:
    """Each damaged line is read without an exception, and answered if it is a request with ids."""
    lines = [
        line + b"\n"
        for path in sorted(TRANSCRIPTS.rglob("*.txt"))
        for line in read_transcript(path).received.split(b"\n")
        if line.startswith((b"report", b"filter"))
    ]
    lines += [line for line in lines if line.startswith(b"filter")] * 2
    answer = make()
    requests = 0
    for data in itertools.islice(mutations(lines, seed=7), LINES):
        for line in data.split(b"\n"):
            sessions = expected_answers(line)
            requests += len(sessions)
            result = [ANSWER.fullmatch(written) for written in answer(line + b"\n")]
            assert sessions == [match and match[1] for match in result], line
    assert requests > LINES / 10


def test_mutations_repeat() -> None:
    """The same seed gives the same lines."""
    first, second = (list(itertools.islice(mutations([b"a|b|c\n"], seed=1), 100)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 20
