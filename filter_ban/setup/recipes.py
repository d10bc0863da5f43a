# SPDX-License-Identifier: ISC
"""
The settings that make Postfix and Dovecot ask us: tested as they stand here on the real servers.

Why they are so: a policy service is asked nothing at AUTH, so Postfix must ask at CONNECT (``smtpd_delay_reject=no``) to
refuse a banned client before it can try a password; the password is checked by Dovecot, whose auth policy tells us of it.
"""

import re
from typing import Final, Literal

Series = Literal["2.3", "2.4"]

POLICY_TIMEOUT_S: Final = 5
DOVECOT_TIMEOUT_MS: Final = 400  # what a login waits while we are down or hung, beside the 1 s of Postfix
HARD_ERROR_LIMIT: Final = 6  # a running session ends after so many failures; Postfix's own limit is 20
RELAY_RESTRICTIONS: Final = "permit_sasl_authenticated, reject"


def policy_service(endpoint: str) -> str:
    """
    Return the restriction that asks us, one element of a list of restrictions.

    In trouble Postfix goes on (``DUNNO``) after two tries of 5 s each, not with its default, a 451 for everybody.

    Args:
        endpoint: ``127.0.0.1:10040``, ``[::1]:10040`` or ``unix:/path``; also with ``inet:`` in front.

    """
    if not endpoint.startswith(("inet:", "unix:")):
        endpoint = f"inet:{endpoint}"
    return (
        f"check_policy_service {{ {endpoint}, timeout={POLICY_TIMEOUT_S}s, "
        "default_action=DUNNO, policy_context=submission }"
    )


def submission_options(endpoint: str) -> tuple[tuple[str, str], ...]:
    """Return name and value of each option that a submission service needs; *endpoint* as in :func:`policy_service`."""
    return (
        ("smtpd_delay_reject", "no"),
        ("smtpd_client_restrictions", f"{policy_service(endpoint)}, permit"),
        ("smtpd_relay_restrictions", RELAY_RESTRICTIONS),
        ("smtpd_hard_error_limit", str(HARD_ERROR_LIMIT)),
    )


def option_line(name: str, value: str) -> str:
    """Return an option as master.cf writes it: in braces (Postfix 3.0) where the value has blanks."""
    return f"-o {{ {name} = {value} }}" if re.search(r"\s", value) else f"-o {name}={value}"


def dovecot_lines(series: Series, url: str, nonce: str) -> tuple[str, ...]:
    """
    Return the lines of Dovecot's configuration that make it ask and tell us.

    Args:
        series: Of Dovecot's syntax.
        url: Of our listener.
        nonce: Keeps the hashes of passwords from being compared with others'; required.

    """
    return (
        f"auth_policy_server_url = {url}",
        f"auth_policy_hash_nonce = {nonce}",
        "auth_policy_check_before_auth = yes",
        "auth_policy_check_after_auth = no",
        "auth_policy_report_after_auth = yes",
        "auth_policy_reject_on_fail = no",
        *_ATTRIBUTES_AND_TIMEOUT[series],
        "service anvil {",
        "  unix_listener anvil-auth-penalty {",
        "    mode = 0",
        "  }",
        "}",
    )


_DEFAULTS_OF_2_3: Final = (
    "login=%{requested_username} pwhash=%{hashed_password} remote=%{rip} "
    "device_id=%{client_id} protocol=%s session_id=%{session}"
)
# The mechanism beside the defaults: a hash says nothing with CRAM or SCRAM. 2.3 must be told the defaults too.
_ATTRIBUTES_AND_TIMEOUT: Final[dict[Series, tuple[str, ...]]] = {
    "2.3": (
        f"auth_policy_request_attributes = {_DEFAULTS_OF_2_3} mech=%{{mech}}",
        f"auth_policy_server_timeout_msecs = {DOVECOT_TIMEOUT_MS}",
    ),
    "2.4": (
        "auth_policy_request_attributes {",
        "  mech = %{mechanism}",
        "}",
        "auth_policy {",
        f"  http_client_request_absolute_timeout = {DOVECOT_TIMEOUT_MS} ms",
        "}",
    ),
}


def api_key_line(api_key: str) -> str:
    """Return the line that makes Dovecot send the secret of ``dovecot.secret_file``."""
    return f"auth_policy_server_api_header = X-API-Key: {api_key}"


def auth_listener_lines(socket: str, owner: str) -> tuple[str, ...]:
    """Return the lines that make Dovecot check passwords for Postfix; *owner* is the user and group of smtpd."""
    return (
        "service auth {",
        f"  unix_listener {socket} {{",
        "    mode = 0660",
        f"    user = {owner}",
        f"    group = {owner}",
        "  }",
        "}",
    )
