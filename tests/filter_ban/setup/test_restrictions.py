# SPDX-License-Identifier: ISC
"""Lists of restrictions for a service that refuses at CONNECT."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.setup.recipes import policy_service
from filter_ban.setup.restrictions import (
    client_restrictions,
    is_ours,
    parse_restrictions,
    refused_before_login,
    relay_restrictions,
    restrictions_text,
)

ENDPOINT = "inet:127.0.0.1:10040"
OURS = policy_service(ENDPOINT)

PARSED = {
    "empty": ("", ()),
    "commas and blanks": ("a,b  c,\n d", (("a",), ("b",), ("c",), ("d",))),
    "argument": (
        "check_client_access hash:/x, reject_rbl_client zen.example",
        (("check_client_access", "hash:/x"), ("reject_rbl_client", "zen.example")),
    ),
    "argument behind a comma": (
        "reject_rhsbl_helo,a.example,permit",
        (("reject_rhsbl_helo", "a.example"), ("permit",)),
    ),
    "prefix": (
        "warn_if_reject reject_rbl_client a, permit",
        (("warn_if_reject", "reject_rbl_client", "a"), ("permit",)),
    ),
    "braces": (
        "check_policy_service {  inet:h:1,\ttimeout=5s }, permit",
        (("check_policy_service", "{ inet:h:1, timeout=5s }"), ("permit",)),
    ),
    "argument missing": ("check_client_access", (("check_client_access",),)),
}

CLIENT = {
    "nothing": ("", f"{OURS}, permit", ""),
    "the pair": ("permit_sasl_authenticated,reject", f"{OURS}, permit", ""),
    "own hosts first": (
        "permit_mynetworks, permit_sasl_authenticated, reject",
        f"permit_mynetworks, {OURS}, permit",
        "",
    ),
    "own hosts behind": (
        "permit_sasl_authenticated permit_mynetworks reject",
        f"permit_mynetworks, {OURS}, permit",
        "",
    ),
    "black list before the pair": (
        "reject_rbl_client zen.example, permit_sasl_authenticated, reject",
        f"{OURS}, reject_rbl_client zen.example, permit",
        "",
    ),
    "black list that spared who logs in": (
        "permit_sasl_authenticated, reject_rbl_client zen.example",
        f"{OURS}, permit",
        "reject_rbl_client zen.example",
    ),
    "own hosts alone": ("permit_mynetworks, reject", f"permit_mynetworks, {OURS}, reject", ""),
    "certificates": ("permit_tls_clientcerts, reject", f"{OURS}, permit", ""),
    "ours behind": (
        f"reject_unknown_client_hostname, {OURS}, permit",
        f"{OURS}, reject_unknown_client_hostname, permit",
        "",
    ),
    "ours twice and by hand": (
        f"check_policy_service {ENDPOINT}, {OURS}, check_policy_service {{ {ENDPOINT}, timeout=9s }}",
        f"{OURS}, permit",
        "",
    ),
    "ours at another endpoint": (policy_service("[::1]:10040"), f"{OURS}, permit", ""),
    "another's service": (
        "check_policy_service inet:127.0.0.1:10023",
        f"{OURS}, check_policy_service inet:127.0.0.1:10023, permit",
        "",
    ),
}

PAIR = "permit_sasl_authenticated, reject"
RELAY = {
    "Debian's main.cf": (
        "permit_mynetworks permit_sasl_authenticated defer_unauth_destination",
        "",
        f"permit_mynetworks, {PAIR}",
    ),
    "own hosts had to log in": (
        "permit_mynetworks permit_sasl_authenticated defer_unauth_destination",
        "permit_sasl_authenticated, reject",
        PAIR,
    ),
    "own hosts had not": (
        "permit_mynetworks permit_sasl_authenticated defer_unauth_destination",
        "permit_mynetworks, permit_sasl_authenticated, reject",
        f"permit_mynetworks, {PAIR}",
    ),
    "none": ("", "", PAIR),
    "right already": (f"check_sender_access hash:/x, {PAIR}", "", f"check_sender_access hash:/x, {PAIR}"),
    "own checks": (
        "check_sender_access hash:/x, permit_sasl_authenticated, reject_unauth_destination",
        "",
        f"check_sender_access hash:/x, {PAIR}",
    ),
    "local mail without a login": ("permit_auth_destination, reject", "", PAIR),
}

HELO = {
    "none": ("", ""),
    "for everybody before": ("reject_invalid_helo_hostname", ""),
    "spared": (
        "permit_mynetworks, permit_sasl_authenticated, reject_non_fqdn_helo_hostname, permit",
        "reject_non_fqdn_helo_hostname",
    ),
    "the pair": ("permit_sasl_authenticated, reject", "reject"),
}

LISTS = st.lists(
    st.sampled_from(
        [
            *("permit_mynetworks", "permit_sasl_authenticated", "permit_tls_clientcerts", "permit", "reject"),
            *("reject_rbl_client zen.example", "check_client_access hash:/x", "reject_unauth_destination"),
            *("warn_if_reject reject_unknown_client_hostname", OURS, "check_policy_service inet:h:1"),
        ]
    )
).map(", ".join)


@pytest.mark.parametrize(("value", "expected"), PARSED.values(), ids=PARSED.keys())
def test_parse(value: str, expected: tuple[tuple[str, ...], ...]) -> None:
    """Commas and blanks part restrictions, and each keeps its argument."""
    assert parse_restrictions(value) == expected


@pytest.mark.parametrize(("existing", "expected", "dropped"), CLIENT.values(), ids=CLIENT.keys())
def test_client(existing: str, expected: str, dropped: str) -> None:
    """Own hosts stand before us, the rest after; what a login decides has gone."""
    rewritten = client_restrictions(parse_restrictions(existing), ENDPOINT)
    assert restrictions_text(rewritten.elements) == expected
    assert restrictions_text(rewritten.dropped) == dropped


@pytest.mark.parametrize(("existing", "client", "expected"), RELAY.values(), ids=RELAY.keys())
def test_relay(existing: str, client: str, expected: str) -> None:
    """Relaying needs a login, but for own hosts that needed none before."""
    elements = relay_restrictions(parse_restrictions(existing), parse_restrictions(client))
    assert restrictions_text(elements) == expected


@pytest.mark.parametrize(("value", "expected"), HELO.values(), ids=HELO.keys())
def test_helo(value: str, expected: str) -> None:
    """What stands behind a permit for a login hits everybody when asked before any login."""
    assert restrictions_text(refused_before_login(parse_restrictions(value))) == expected


@given(LISTS)
def test_client_is_stable(value: str) -> None:
    """What was rewritten asks us once, lets nobody be rejected for want of a login, and stays as it is."""
    once = client_restrictions(parse_restrictions(value), ENDPOINT).elements
    assert sum(is_ours(element, ENDPOINT) for element in once) == 1
    assert ("permit_sasl_authenticated",) not in once
    assert client_restrictions(once, ENDPOINT).elements == once
    assert parse_restrictions(restrictions_text(once)) == once


@given(LISTS, LISTS)
def test_relay_is_closed_and_stable(existing: str, client: str) -> None:
    """Whatever stood there, relay restrictions end in a reject, admit a login and stay as they are."""
    once = relay_restrictions(parse_restrictions(existing), parse_restrictions(client))
    assert once[-1] == ("reject",)
    assert ("permit_sasl_authenticated",) in once
    after = client_restrictions(parse_restrictions(client), ENDPOINT).elements
    assert relay_restrictions(once, after) == once
