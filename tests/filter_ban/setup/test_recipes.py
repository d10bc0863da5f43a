# SPDX-License-Identifier: ISC
"""The settings as they are written."""

from typing import Literal

import pytest

from filter_ban.setup.recipes import (
    api_key_line,
    auth_listener_lines,
    dovecot_lines,
    option_line,
    policy_service,
    submission_options,
)

DEFAULTS_OF_2_3 = (
    "login=%{requested_username} pwhash=%{hashed_password} remote=%{rip} "
    "device_id=%{client_id} protocol=%s session_id=%{session}"
)
SERVICE = "check_policy_service {{ {}, timeout=5s, default_action=DUNNO, policy_context=submission }}"
ENDPOINTS = {
    "TCP": ("127.0.0.1:10040", "inet:127.0.0.1:10040"),
    "TCP with its kind": ("inet:127.0.0.1:10040", "inet:127.0.0.1:10040"),
    "IPv6": ("[::1]:10040", "inet:[::1]:10040"),
    "unix": ("unix:/run/filter-ban/policy.sock", "unix:/run/filter-ban/policy.sock"),
    "unix in the queue": ("unix:private/policy", "unix:private/policy"),
}


@pytest.mark.parametrize(("endpoint", "named"), ENDPOINTS.values(), ids=ENDPOINTS.keys())
def test_policy_service(endpoint: str, named: str) -> None:
    """An endpoint is named with its kind, and trouble with it lets mail flow."""
    assert policy_service(endpoint) == SERVICE.format(named)


def test_submission_options() -> None:
    """A submission service asks us first, at CONNECT, and relays for those alone who have logged in."""
    assert submission_options("127.0.0.1:10040") == (
        ("smtpd_delay_reject", "no"),
        ("smtpd_client_restrictions", SERVICE.format("inet:127.0.0.1:10040") + ", permit"),
        ("smtpd_relay_restrictions", "permit_sasl_authenticated, reject"),
        ("smtpd_hard_error_limit", "6"),
    )


def test_option_line() -> None:
    """A value with blanks stands in braces."""
    assert option_line("a", "b") == "-o a=b"
    assert option_line("a", "b, c") == "-o { a = b, c }"
    assert option_line("a", "") == "-o a="


@pytest.mark.parametrize("series", ["2.3", "2.4"])
def test_dovecot_lines(series: Literal["2.3", "2.4"]) -> None:
    """Dovecot asks before it checks a password and never after, and its own penalty is off."""
    lines = dovecot_lines(series, "http://127.0.0.1:10041/", "0123")
    assert lines[:6] == (
        "auth_policy_server_url = http://127.0.0.1:10041/",
        "auth_policy_hash_nonce = 0123",
        "auth_policy_check_before_auth = yes",
        "auth_policy_check_after_auth = no",
        "auth_policy_report_after_auth = yes",
        "auth_policy_reject_on_fail = no",
    )
    assert lines[-5:] == (
        "service anvil {",
        "  unix_listener anvil-auth-penalty {",
        "    mode = 0",
        "  }",
        "}",
    )


def test_dovecot_dialects() -> None:
    """The mechanism is added to what Dovecot sends: in 2.3 the defaults are repeated, 2.4 merges."""
    assert dovecot_lines("2.3", "u", "n")[6:-5] == (
        f"auth_policy_request_attributes = {DEFAULTS_OF_2_3} mech=%{{mech}}",
        "auth_policy_server_timeout_msecs = 400",
    )
    assert dovecot_lines("2.4", "u", "n")[6:-5] == (
        "auth_policy_request_attributes {",
        "  mech = %{mechanism}",
        "}",
        "auth_policy {",
        "  http_client_request_absolute_timeout = 400 ms",
        "}",
    )


def test_api_key_line() -> None:
    """The secret goes in a header."""
    assert api_key_line("abc") == "auth_policy_server_api_header = X-API-Key: abc"


def test_auth_listener_lines() -> None:
    """Only smtpd may use the socket where passwords are checked."""
    assert auth_listener_lines("/var/spool/postfix/private/auth", "postfix") == (
        "service auth {",
        "  unix_listener /var/spool/postfix/private/auth {",
        "    mode = 0660",
        "    user = postfix",
        "    group = postfix",
        "  }",
        "}",
    )
