# SPDX-License-Identifier: ISC
"""Notices arrive as they were said, bounded and printable; what is not understood is left out and counted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.cluster.notice import (
    Allowed,
    Decoder,
    Disallowed,
    Encoder,
    Lifted,
    Notice,
    Offended,
    subject,
)
from filter_ban.model import Allowance, Ban, Kind, Login, Pardon, Reweighing, Strike

CLIENT = parse_network("192.0.2.7")
NETWORK = parse_network("2001:db8::/48")
BAN = Ban(
    client=CLIENT,
    start_s=1_700_000_000,
    end_s=1_700_000_900,
    rule="5 in 10m",
    reason="5 strikes within 10m",
    offence=2,
    strikes=5.5,
    reference="ABCD1234",
    firewall=False,
    node="mx2",
)
NOTICES: list[Notice] = [
    Strike(CLIENT, 1.7e9 + 0.1, Kind.AUTH_FAIL, 1.25, "", 77, "smtps", 0x4000_0ABC, True, "mx2"),
    Strike(NETWORK, 1.7e9, Kind.DECOY, 5.0, "", 0, "", 0, False, "mx2"),
    Reweighing(CLIENT, 77, 1.7e9 + 0.1, 15.0),
    Pardon(CLIENT, 77, 1.7e9 + 5),
    Login(CLIENT, 77, 1.7e9 + 5),
    BAN,
    Lifted(CLIENT, 1.7e9 + 9, "operator"),
    Allowed(Allowance(NETWORK, 1_700_000_000, None, "the office"), 1.7e9),
    Allowed(Allowance(NETWORK, 1_700_000_000, 1_700_003_600, ""), 1.7e9),
    Disallowed(NETWORK, 1.7e9 + 1),
    Offended(CLIENT, 3, 1_700_000_000),
]


def sent(notice: Notice) -> Any:
    """Return *notice* as it comes out of the store."""
    return json.loads(json.dumps(Encoder(12).encode(notice)))


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: type(notice).__name__)
def test_a_notice_arrives_as_it_was_said(notice: Notice) -> None:
    """Every kind of notice survives the way, times to the last bit."""
    assert Decoder("mx2").decode([sent(notice)]) == ([notice], 0)
    assert subject(notice) in (CLIENT, NETWORK)


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: type(notice).__name__)
def test_a_newer_node_may_say_more(notice: Notice) -> None:
    """What a later version adds at the end of a notice is not heeded."""
    assert Decoder("mx2").decode([[*sent(notice), "more", 1]]) == ([notice], 0)


def test_the_clocks_of_nodes_are_reconciled() -> None:
    """Every time of a notice is shifted by what the sender's clock is behind."""
    shifted, strange = Decoder("mx2", 60).decode([sent(notice) for notice in NOTICES])
    assert not strange
    banned = shifted[5]
    assert isinstance(banned, Ban)
    assert (banned.start_s, banned.end_s) == (1_700_000_060, 1_700_000_960)
    assert banned.reference == BAN.reference
    allowed = shifted[8]
    assert isinstance(allowed, Allowed)
    assert (allowed.allowance.since_s, allowed.allowance.until_s) == (1_700_000_060, 1_700_003_660)
    timed = Strike | Reweighing | Pardon | Login
    assert [notice.time_s for notice in shifted if isinstance(notice, timed)] == [
        notice.time_s + 60 for notice in NOTICES if isinstance(notice, timed)
    ]


def test_names_and_secrets_stay_at_home() -> None:
    """No name of a user is sent, and of a secret's tag only the bits that are meant for others."""
    strike = Strike(CLIENT, 1.0, Kind.AUTH_FAIL, 1.0, "alice@example.org", 7, "smtps", 0xDEAD_BEEF)
    assert "alice" not in json.dumps(sent(strike))
    assert sent(strike)[6] == 0x4000_0EEF
    assert Encoder(0).encode(strike)[6] == 0


@pytest.mark.parametrize(
    "row",
    [
        [],
        "strike",
        None,
        ["nonsense", "192.0.2.7"],
        ["lift", "192.0.2.7"],
        ["lift", "192.0.2.999", 1.0, ""],
        ["lift", "192.0.2.7/24", 1.0, ""],
        ["lift", 7, 1.0, ""],
        ["lift", "192.0.2.7", "soon", ""],
        ["lift", "192.0.2.7", -1, ""],
        ["lift", "192.0.2.7", 1e300, ""],
        ["lift", "192.0.2.7", float("nan"), ""],
        ["lift", "192.0.2.7", True, ""],
        ["lift", "192.0.2.7", 1.0, 5],
        ["strike", "192.0.2.7", 1.0, "strange-kind", 1, 1, 0, "", 0],
        ["strike", "192.0.2.7", 1.0, "auth-fail", -1, 1, 0, "", 0],
        ["strike", "192.0.2.7", 1.0, "auth-fail", 1e9, 1, 0, "", 0],
        ["strike", "192.0.2.7", 1.0, "auth-fail", 1, 2**32, 0, "", 0],
        ["strike", "192.0.2.7", 1.0, "auth-fail", 1, 1.5, 0, "", 0],
        ["ban", "192.0.2.7", 1, 2, "", "", 0, 1, "", 1, ""],
        ["offence", "192.0.2.7", 10**30, 1],
    ],
)
def test_what_is_no_notice_is_left_out(row: object) -> None:
    """A notice that is not understood is counted, and those beside it are heeded."""
    understood, strange = Decoder("mx2").decode([row, sent(NOTICES[3])])
    assert (understood, strange) == ([NOTICES[3]], 1)


def test_texts_are_bounded_and_printable() -> None:
    """Whatever a peer puts into a text, it can be shown, and passing it on changes it no more."""
    row = sent(NOTICES[5])
    row[4], row[5], row[8], row[10] = "r\x1b[31m" * 100, "\n" * 1000, "x" * 1000, "n" * 1000
    (banned,), _ = Decoder("mx2").decode([row])
    assert isinstance(banned, Ban)
    for text, limit in (
        (banned.rule, 100),
        (banned.reason, 200),
        (banned.reference, 16),
        (banned.node, 63),
    ):
        assert len(text) <= limit
        assert text.isprintable()
    assert Decoder("mx3").decode([sent(banned)]) == ([banned], 0)


def test_a_ban_without_a_node_is_the_senders() -> None:
    """What a node decides itself bears its name elsewhere; what it passes on bears the first one's."""
    own = Ban(client=CLIENT, start_s=1, end_s=None, rule="by hand", reason="")
    (banned,), _ = Decoder("mx3").decode([sent(own)])
    assert isinstance(banned, Ban)
    assert banned.node == "mx3"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(json_values | st.lists(json_values, min_size=2, max_size=13)))
def test_no_json_breaks_the_decoder(rows: list[Any]) -> None:
    """Whatever a peer that has the key may send: each row is a notice or counted."""
    understood, strange = Decoder("mx2").decode(rows)
    assert len(understood) + strange == len(rows)
