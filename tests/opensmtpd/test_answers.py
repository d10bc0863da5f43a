# SPDX-License-Identifier: ISC
"""Which decision may answer which request."""

import pytest

from opensmtpd import (
    AddReport,
    Auth,
    Commit,
    Connect,
    DataLine,
    Decision,
    Disconnect,
    Ehlo,
    FilterRequest,
    Helo,
    Junk,
    LocalProtocolError,
    MailFrom,
    Malformed,
    Proceed,
    Quit,
    RcptTo,
    Reject,
    Rewrite,
    StartTls,
    UnknownRequest,
)
from opensmtpd._address import Address
from opensmtpd._answers import check_answer

IDS = (1.0, "0" * 16, "1" * 16)
REQUESTS: list[FilterRequest | Malformed] = [
    Connect(*IDS, "x", Address("local")),
    Helo(*IDS, "x"),
    Ehlo(*IDS, "x"),
    Auth(*IDS, "LOGIN"),
    MailFrom(*IDS, "x"),
    RcptTo(*IDS, "x"),
    StartTls(*IDS),
    Quit(*IDS),
    Commit(*IDS),
    UnknownRequest(*IDS, "x", ()),
    Malformed("x", "x", "0" * 16, "1" * 16),
]
ILLEGAL: dict[Decision, set[type[FilterRequest] | type[Malformed]]] = {
    Proceed(): set(),
    Reject("550 no"): set(),
    Disconnect("421 no"): set(),
    Junk(): {Commit, UnknownRequest, Malformed},
    Rewrite("x"): {Connect, StartTls, Quit, Commit, UnknownRequest, Malformed},
    AddReport("x"): {type(request) for request in REQUESTS} - {Connect},
}


@pytest.mark.parametrize("decision", ILLEGAL, ids=repr)
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_each_pair(request_: FilterRequest | Malformed, decision: Decision) -> None:
    """Answers that smtpd dies of, or takes for something else, are refused."""
    if type(request_) in ILLEGAL[decision]:
        with pytest.raises(LocalProtocolError, match="must"):
            check_answer(request_, decision, (0, 7))
    else:
        check_answer(request_, decision, (0, 7))


def test_no_report_before_0_7() -> None:
    """OpenSMTPD 6.8 dies of the decision report."""
    with pytest.raises(LocalProtocolError, match="and not before protocol"):
        check_answer(REQUESTS[0], AddReport("x"), (0, 6))


def test_lines_of_mail_are_answered_by_lines() -> None:
    """No decision answers data-line."""
    with pytest.raises(LocalProtocolError, match="must be answered by lines"):
        check_answer(DataLine(*IDS, "x"), Proceed(), (0, 7))


@pytest.mark.parametrize("nonsense", [None, "proceed", Proceed])
def test_nonsense_is_no_decision(nonsense: object) -> None:
    """What is no decision is refused as our own fault."""
    with pytest.raises(LocalProtocolError, match="must be one of the decisions"):
        check_answer(REQUESTS[0], nonsense, (0, 7))  # type: ignore[arg-type]  # the point
