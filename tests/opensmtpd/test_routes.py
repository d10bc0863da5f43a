# SPDX-License-Identifier: ISC
"""What routes read in rows."""

import pytest

from opensmtpd import (
    AuthResult,
    Proceed,
    Reject,
    Row,
    answer_row,
    answerer,
    auth_result,
    checked_session,
    connect_address,
    encode_decision,
    initial_response,
    opening,
    request_token,
    result_line,
    row_time_s,
)

S, T = "52c503ee57499eb6", "dae8676d038a124f"


def row(payload: str = "", *, version: str = "0.7", stamp: str = "1795225454.25", session: str = S) -> Row:
    """Return a row with one odd field."""
    return ["report", version, stamp, "smtp-in", "any", session, payload]


@pytest.mark.parametrize(
    ("version", "payload", "expected"),
    [
        ("0.7", "fail|a|b|pass", (AuthResult.FAIL, "a|b|pass")),
        ("0.8", "pass|", (AuthResult.PASS, "")),
        ("0.6", "a|b|pass|fail", (AuthResult.FAIL, "a|b|pass")),
        ("0.5", "|error", (AuthResult.ERROR, "")),
    ],
)
def test_auth_result(version: str, payload: str, expected: tuple[AuthResult, str]) -> None:
    """Result and name are found in either order, bars and all."""
    assert expected == auth_result(row(payload, version=version))


@pytest.mark.parametrize(
    ("version", "payload"), [("0.7", "fail"), ("0.7", "x|fail"), ("0.6", "fail|x"), ("0.6", "fail")]
)
def test_auth_result_of_nonsense(version: str, payload: str) -> None:
    """No result is a failure of the route."""
    with pytest.raises((KeyError, ValueError)):
        auth_result(row(payload, version=version))


@pytest.mark.parametrize(
    ("payload", "source", "listener"),
    [
        ("<unknown>|fail|192.0.2.7:4711|192.0.2.1:587", "192.0.2.7", "192.0.2.1:587"),
        ("x|pass|[2001:db8::7]:4711|[::]:25|new", "[2001:db8::7]", "[::]:25"),
        ("x|pass|[fe80::1%em0]:4711|[::]:25", "[fe80::1%em0]", "[::]:25"),
        ("x|pass|unix:/run/smtpd.sock|unix:/run/smtpd.sock", "unix", "unix:/run/smtpd.sock"),
    ],
)
def test_connect(payload: str, source: str, listener: str) -> None:
    """Both ends of a connection are found."""
    assert opening(row(payload)) == (source, listener)


def test_too_few_fields() -> None:
    """A row that ends early is a failure of the route."""
    for payload in ("x|pass", "x|pass|192.0.2.7:1"):
        with pytest.raises(ValueError, match="unpack"):
            opening(row(payload))
    with pytest.raises(ValueError, match="src: must be an address and a port"):
        opening(row("x|pass|192.0.2.7|192.0.2.1:25"))
    with pytest.raises(IndexError):
        request_token(row()[:6])


def test_request() -> None:
    """The token is told apart from what follows."""
    assert request_token(row(f"{T}|PLAIN a|b")) == T
    assert request_token(row(T)) == T


@pytest.mark.parametrize(
    ("argument", "response"),
    [
        ("PLAIN AGEAYg==", "PLAIN AGEAYg=="),
        ("plain x", "plain x"),
        ("PLAIN", ""),
        ("LOGIN YQ==", ""),
        ("", ""),
    ],
)
def test_initial_response(argument: str, response: str) -> None:
    """Only PLAIN with an initial response shows a password before the check."""
    assert initial_response(row(f"{T}|{argument}")) == response


def test_connect_address() -> None:
    """A connect request has no port."""
    assert connect_address(row(f"{T}|<unknown>|[2001:db8::7]")) == "[2001:db8::7]"


def test_answerer() -> None:
    """One function answers all rows of a phase, and checks each token that is new."""
    answer = answerer()

    assert answer(row(f"{T}|x")) == f"filter-result|{S}|{T}|proceed\n"
    assert answer(row(f"{T}|y", session="0" * 16)) == f"filter-result|{'0' * 16}|{T}|proceed\n"
    assert answer(row(f"{S}|y")) == f"filter-result|{S}|{S}|proceed\n"
    with pytest.raises(ValueError, match="token: must be"):
        answer(row("nonsense|y"))
    assert answer(row(S)) == f"filter-result|{S}|{S}|proceed\n"


@pytest.mark.parametrize("payload", ["", "|", f"{T}0|", f"{T[:-1]}|x", f"{T.upper()}|x", f"{T[:-1]}\n|x"])
def test_bad_tokens(payload: str) -> None:
    """What smtpd would die of is not given back to it."""
    with pytest.raises(ValueError, match="token: must be 16 lower-case hex digits"):
        request_token(row(payload))


@pytest.mark.parametrize("session", ["", S[:-1], S.upper(), S + "0"])
def test_bad_sessions(session: str) -> None:
    """A new session is checked before it enters a table."""
    assert checked_session(row()) == S
    with pytest.raises(ValueError, match="session: must be 16 lower-case hex digits"):
        checked_session(row(session=session))


@pytest.mark.parametrize("stamp", ["", "now", "nan", "inf", "-1.0", "1e300"])
def test_bad_times(stamp: str) -> None:
    """No time that would poison a window."""
    assert row_time_s(row()) == 1795225454.25
    with pytest.raises(ValueError, match=r"float|time"):
        row_time_s(row(stamp=stamp))


def test_lines() -> None:
    """An answer is one line, made of a row or of its ids."""
    refusal = encode_decision(Reject("550 no"))
    request = row(f"{T}|PLAIN a|b")
    assert (
        f"filter-result|{S}|{T}|proceed\n"
        == answer_row(request)
        == result_line(S, T, encode_decision(Proceed()))
    )
    assert (
        f"filter-result|{S}|{T}|reject|550 no\n" == answer_row(request, refusal) == result_line(S, T, refusal)
    )
    with pytest.raises(ValueError, match="token: must be 16 lower-case hex digits"):
        answer_row(row("x|y"))
