# SPDX-License-Identifier: ISC
"""
Requests recorded on real servers: Postfix 3.7, 3.10 and 3.12.

A folder of more of them, named by FILTER_BAN_TRANSCRIPTS, is read too.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postfix_policy import ATTRIBUTES, REQUEST_KIND, PolicyRequest, ProtocolState, encode_request
from postfix_policy.testing import FakeSession, read_transcript

Feeder = Callable[..., Iterator[tuple[str, tuple[list[PolicyRequest], str]]]]

HERE = Path(__file__).parents[1] / "transcripts" / "postfix"
MORE = os.environ.get("FILTER_BAN_TRANSCRIPTS", "")
TRANSCRIPTS = sorted(HERE.rglob("*.jsonl")) + (sorted(Path(MORE).rglob("postfix-*/*.jsonl")) if MORE else [])
OF_ONE_DELIVERY = ("instance", "queue_id")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=[f"{path.parent.name}-{path.stem}" for path in TRANSCRIPTS])
def test_transcript(every_cut: Feeder, path: Path) -> None:
    """Every recorded request is read however it is cut; nothing in it is unknown, and all is in the table's order."""
    recorded = read_transcript(path)
    assert recorded
    version = next((r.mail_version for r in recorded), "") or "3.7"
    major, minor = version.split("-")[0].split(".")[:2]
    names = [name for name, known in ATTRIBUTES.items() if known.since <= (int(major), int(minor))]
    for cut, (requests, fault) in every_cut(b"".join(map(encode_request, recorded))):
        assert fault == "", cut
        assert requests == recorded, cut
        assert [list(request.attributes) for request in requests] == [names] * len(recorded), cut
    for request in recorded:
        assert request.request == REQUEST_KIND
        assert request.protocol_state in set(ProtocolState)
        assert request.client_port
        assert request.server_port in (25, 465, 587)
        assert not request.unknown


def without_delivery(request: PolicyRequest) -> list[tuple[str, str]]:
    """Return the attributes in order, with those that differ between deliveries as present or not."""
    return [
        (name, str(bool(value)) if name in OF_ONE_DELIVERY else value)
        for name, value in request.attributes.items()
    ]


def act(session: FakeSession, recorded: PolicyRequest) -> PolicyRequest:
    """Return the request of *session* for the command that caused *recorded*."""
    if recorded.encryption_keysize:
        session.start_tls()
    if recorded.sasl_username:
        session.login(recorded.sasl_username, recorded.sasl_method)
    commands: dict[str, Callable[[], PolicyRequest]] = {
        "CONNECT": session.connect,
        "EHLO": lambda: session.ehlo(recorded.helo_name),
        "HELO": lambda: session.helo(recorded.helo_name),
        "MAIL": lambda: session.mail(recorded.sender, recorded.size),
        "RCPT": lambda: session.rcpt(recorded.recipient),
        "DATA": session.data,
        "END-OF-MESSAGE": lambda: session.end_of_message(recorded.size),
        "VRFY": lambda: session.vrfy(recorded.recipient),
        "ETRN": lambda: session.etrn(recorded.etrn_domain),
    }
    return commands[recorded.protocol_state]()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "3.7/clean-auth",
            "3.7/unauth-relay-587",
            "3.10/clean-auth",
            "3.12/clean-auth",
            "3.12/clean-auth-465",
        ),
        *("3.12/etrn-vrfy", "3.12/ipv6", "3.12/multi-message", "3.12/mx-25"),
    ],
)
def test_fake_session_sends_what_postfix_sends(name: str) -> None:
    """A fake session that does what a recorded client did makes the recorded requests, byte for byte."""
    session = FakeSession()
    for recorded in read_transcript(HERE / f"{name}.jsonl"):
        if recorded.protocol_state == ProtocolState.CONNECT:
            session = FakeSession(
                recorded.client_address,
                client_port=recorded.client_port,
                server_address=recorded.server_address,
                server_port=recorded.server_port,
                version=name.partition("/")[0],
            )
        assert without_delivery(act(session, recorded)) == without_delivery(recorded)
