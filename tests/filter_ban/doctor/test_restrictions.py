# SPDX-License-Identifier: ISC
"""Lists of restrictions and policy services, taken apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.doctor.restrictions import (
    PolicyService,
    Restriction,
    parse_policy_service,
    parse_restrictions,
)

LISTS = {
    "names": ("permit_mynetworks, REJECT", [Restriction("permit_mynetworks"), Restriction("reject")]),
    "argument": (
        "check_client_access cidr:/x reject",
        [Restriction("check_client_access", "cidr:/x"), Restriction("reject")],
    ),
    "warned": (
        "warn_if_reject reject_rbl_client x.y permit",
        [Restriction("reject_rbl_client", "x.y", True), Restriction("permit")],
    ),
    "class": ("mine, permit", [Restriction("reject"), Restriction("permit")]),
    "class in itself": ("loop", [Restriction("loop")]),
    "no argument": ("check_policy_service", [Restriction("check_policy_service")]),
    "nothing": ("", []),
}
SERVICES = {
    "inet:a:1": PolicyService("inet:a:1", {}),
    "{ inet:a:1 }": PolicyService("inet:a:1", {}),
    "{inet:a:1,timeout=5s default_action=DUNNO}": PolicyService(
        "inet:a:1", {"timeout": "5s", "default_action": "DUNNO"}
    ),
    "{ inet:a:1, { default_action = 450 4.7.1  text } }": PolicyService(
        "inet:a:1", {"default_action": "450 4.7.1 text"}
    ),
    "{ }": PolicyService("", {}),
    "": PolicyService("", {}),
}


@pytest.mark.parametrize(("text", "expected"), LISTS.values(), ids=LISTS.keys())
def test_list(text: str, expected: list[Restriction]) -> None:
    """A list is parted into restrictions with their arguments, and classes are replaced."""
    assert parse_restrictions(text, {"mine": "reject", "loop": "loop"}) == expected


@pytest.mark.parametrize(("text", "expected"), SERVICES.items(), ids=SERVICES.keys())
def test_policy_service(text: str, expected: PolicyService) -> None:
    """A policy service is an endpoint with attributes, in braces or not."""
    assert parse_policy_service(text) == expected


@given(st.text(alphabet="a{},= \n") | st.text())
def test_anything(text: str) -> None:
    """Whatever stands there is parted."""
    assert all(isinstance(one, Restriction) for one in parse_restrictions(text, {}))
    assert isinstance(parse_policy_service(text), PolicyService)
