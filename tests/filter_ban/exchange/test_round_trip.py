# SPDX-License-Identifier: ISC
"""What is exported can be imported again."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, NetworkSet, key_text
from filter_ban.exchange.formats import EXPORTED, read_bans, recognise
from filter_ban.exchange.postfix import access_key
from filter_ban.exchange.source import Content
from tests.filter_ban.exchange.reading import NOW_S, bans
from tests.filter_ban.exchange.writing import CLIENTS, banned, written

WITH_ENDS = ("json", "csv", "nft")
ENDS = st.none() | st.integers(NOW_S + 1, NOW_S + 10**9)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize("form", EXPORTED)
@given(held=st.dictionaries(CLIENTS, ENDS, max_size=20), reason=TEXTS)
def test_round_trip(form: str, held: dict[ClientKey, int | None], reason: str) -> None:
    """The same networks come back, with their ends where the format has them."""
    text = written(form, *(banned(client, end_s, reason=reason) for client, end_s in held.items()))
    expected = {client: end_s for client, end_s in held.items() if can_say(form, client, held)}

    holding = read_bans(Content("x", text.encode(), made_s=NOW_S), form, NOW_S)

    assert holding.faults == []
    assert {key_text(client) for client in expected} == {client for client, _ in bans(holding)}
    if form in WITH_ENDS:
        assert expected == {entry.client: entry.end_s for entry in holding.entries}


def can_say(form: str, client: ClientKey, held: dict[ClientKey, int | None]) -> bool:
    """Return whether *client* is in an export of *held*."""
    if form == "nft":
        return NetworkSet(held).covering(client) == client
    return form != "postfix-access" or access_key(client) is not None


@pytest.mark.parametrize("form", EXPORTED)
@given(clients=st.lists(CLIENTS, min_size=1, max_size=5))
def test_recognised(form: str, clients: list[ClientKey]) -> None:
    """An export is found to be what it is, or something that reads the same."""
    text = written(form, *map(banned, clients))
    found = recognise(Content("x", text.encode(), made_s=NOW_S))

    same = {"pf": "plain", "cidr": "postfix-access"}
    has_lines = any(not line.startswith("#") for line in text.splitlines())
    assert found in {form, same.get(form)} or not has_lines


def test_a_reason_stays() -> None:
    """Where the format has room for it, the reason goes along."""
    for form in ("json", "csv"):
        text = written(form, banned("192.0.2.7", reason='=1+1, "so"'))
        (entry,) = read_bans(Content("x", text.encode()), form, NOW_S).entries
        assert entry.reason == 'imported from x, =1+1, "so"'


@pytest.mark.parametrize("form", EXPORTED)
def test_nobody(form: str) -> None:
    """An export of no bans is one, and imports nobody."""
    content = Content("x", written(form).encode(), made_s=NOW_S)
    holding = read_bans(content, form, NOW_S)

    assert (holding.entries, holding.faults) == ([], [])


@pytest.mark.parametrize("form", EXPORTED)
def test_hosts_and_networks(form: str) -> None:
    """The networks of an export are those of its bans and nothing else, as another library reads them."""
    text = written(form, banned("192.0.2.7"), banned("198.51.100.0/24"), banned("2001:db8:1:2::/64"))
    content = Content("x", text.encode(), made_s=NOW_S)
    found = {ipaddress.ip_network(client) for client, _ in bans(read_bans(content, form, NOW_S))}

    assert found == set(map(ipaddress.ip_network, ("192.0.2.7", "198.51.100.0/24", "2001:db8:1:2::/64")))
