# SPDX-License-Identifier: ISC
"""The table of bans, against a list."""

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, parse_network, widen
from filter_ban.engine.ban_table import BanTable
from filter_ban.model import Ban

IPV4 = [parse_network(text) for text in ("198.51.100.7", "198.51.100.8", "198.51.100.0/24", "198.51.0.0/16")]
IPV6 = [
    parse_network(text)
    for text in ("2001:db8:1:2::/64", "2001:db8:1:3::/64", "2001:db8:1::/56", "2001:db8:1::/48")
]
CLIENTS = IPV4 + IPV6
ENDS = st.one_of(st.none(), st.integers(1, 50))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(CLIENTS), ENDS),
        st.tuples(st.just("remove"), st.sampled_from(CLIENTS), st.none()),
        st.tuples(st.just("expire"), st.just(CLIENTS[0]), st.integers(0, 60)),
    ),
    max_size=40,
)


def make_ban(client: ClientKey, end_s: int | None = None) -> Ban:
    """Return a ban of *client*."""
    return Ban(client=client, start_s=0, end_s=end_s, rule="by hand", reason="")


def naive_covering(bans: list[Ban], client: ClientKey) -> list[Ban]:
    """Return those of *bans* that contain *client*, the narrowest first."""
    covering = [
        ban
        for ban in bans
        if len(ban.client) == len(client)
        and ban.client[-1] <= client[-1]
        and widen(client, ban.client[-1]) == ban.client
    ]
    return sorted(covering, key=lambda ban: -ban.client[-1])


@given(STEPS)
def test_agrees_with_a_list(steps: list[tuple[str, ClientKey, int | None]]) -> None:
    """After any adding, replacing, removing and expiring the same bans are there, and cover the same clients."""
    table = BanTable(32, 64)
    bans: list[Ban] = []
    for step, client, number in steps:
        if step == "add":
            ban = make_ban(client, number)
            table.add(ban)
            bans = [*(one for one in bans if one.client != client), ban]
        elif step == "remove" and client in table.bans:
            table.remove(table.bans[client])
            bans = [one for one in bans if one.client != client]
        elif step == "expire":
            over = [
                one for one in bans if one.end_s is not None and number is not None and one.end_s <= number
            ]
            bans = [one for one in bans if one not in over]
            ended = table.expire(number or 0)
            assert [one.end_s for one in ended] == sorted(one.end_s or 0 for one in over)
            assert {one.client for one in ended} == {one.client for one in over}

        assert sorted(table.bans.values(), key=str) == sorted(bans, key=str)
        assert table.has_wide == any(ban.client[-1] not in (32, 64) for ban in bans)
        for one in CLIENTS:
            assert list(table.covering(one)) == naive_covering(bans, one)


def test_a_counted_network_is_not_wide() -> None:
    """Where a /24 is counted as one client, its ban covers one client and an address's is the odd one."""
    table = BanTable(24, 64)
    table.add(make_ban(IPV4[2]))
    assert not table.has_wide

    table.add(make_ban(IPV4[0]))
    assert table.has_wide


def test_a_ban_that_was_extended_ends_once() -> None:
    """The end that no longer holds ends nothing."""
    table = BanTable(32, 64)
    table.add(make_ban(IPV4[0], 10))
    table.add(make_ban(IPV4[0], 20))

    assert table.expire(15) == []
    assert [ban.end_s for ban in table.expire(25)] == [20]
    assert table.expire(25) == []
