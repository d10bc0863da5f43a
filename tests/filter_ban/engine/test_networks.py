# SPDX-License-Identifier: ISC
"""Networks that guess, against a list of all failures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, key_text, parse_network, prefix_of, widen
from filter_ban.engine.networks import MAX_FAILURES, Networks

WINDOW_S = 1000
IPV4 = [parse_network(f"198.51.{net}.{host}") for net in (100, 101) for host in range(5)]
IPV6 = [parse_network(f"2001:db8:1:{net:x}::/64") for net in (0, 1, 2, 0x100, 0x101, 0x102)]
FAILURES = st.tuples(
    st.sampled_from(IPV4 + IPV6), st.integers(0, 60), st.sampled_from([20, 100, 500]), st.integers(1, 3)
)


def make_networks(
    members: int = 3, hundredths: int = 600, widest: tuple[int, int] = (24, 48), max_networks: int = 100
) -> Networks:
    """Return networks that are soon guilty."""
    return Networks(
        members=members,
        hundredths=hundredths,
        window_s=WINDOW_S,
        widest=widest,
        max_networks=max_networks,
    )


def guilty(failures: list[tuple[ClientKey, int, int, int]], network: ClientKey, now_s: int) -> bool:
    """Return whether *network* is guilty of all failures so far."""
    recent = [
        (client, weight)
        for client, at_s, weight, _ in failures
        if widen(client, prefix_of(network)) == network and now_s - at_s < WINDOW_S
    ]
    return len({client for client, _ in recent}) >= 3 and sum(weight for _, weight in recent) >= 600


@given(st.lists(st.tuples(FAILURES, st.booleans()), max_size=60))
def test_agrees_with_the_definition(events: list[tuple[tuple[ClientKey, int, int, int], bool]]) -> None:
    """Enough members that failed, together heavily enough within the window, and what was not forgiven."""
    networks = make_networks()
    failures: list[tuple[ClientKey, int, int, int]] = []
    now_s = 0
    for (client, later_s, weight, user), is_forgiven in events:
        now_s += later_s
        failures.append((client, now_s, weight, user))
        around = networks.around(client)
        expected = next((network for network in around if guilty(failures, network, now_s)), None)

        assert networks.count(client, now_s, weight, user, now_s) == expected
        if is_forgiven:
            networks.forgive(client, user)
            failures = [one for one in failures if (one[0], one[3]) != (client, user)]


@pytest.mark.parametrize(
    ("client", "widest", "around"),
    [
        ("198.51.100.7", (24, 48), ["198.51.100.0/24"]),
        ("198.51.100.7", (16, 32), ["198.51.100.0/24"]),
        ("198.51.100.7", (25, 48), []),
        ("198.51.100.0/24", (24, 48), []),
        ("2001:db8:1:102::/64", (24, 48), ["2001:db8:1:100::/56", "2001:db8:1::/48"]),
        ("2001:db8:1:102::/64", (24, 49), ["2001:db8:1:100::/56"]),
        ("2001:db8:1:102::/64", (24, 57), []),
        ("2001:db8:1:100::/56", (24, 48), ["2001:db8:1::/48"]),
    ],
)
def test_around(client: str, widest: tuple[int, int], around: list[str]) -> None:
    """A client is judged with wider networks than itself, and with none that is wider than allowed."""
    networks = make_networks(widest=widest)

    assert [key_text(network) for network in networks.around(parse_network(client))] == around


@given(st.lists(FAILURES, max_size=80), st.integers(1, 4))
def test_memory_is_bounded(failures: list[tuple[ClientKey, int, int, int]], most: int) -> None:
    """There are at most so many networks, and so many failures of each."""
    networks = make_networks(max_networks=most)
    for client, _, weight, user in failures * 3:
        networks.count(client, 0, weight, user, 0)

    assert len(networks._failures) <= most
    assert all(len(seen) <= MAX_FAILURES * 14 for seen in networks._failures.values())


def test_networks_can_be_left_alone() -> None:
    """With 0 members no network is guilty, and nothing is remembered."""
    networks = make_networks(members=0)

    assert all(networks.count(client, 0, 500, 1, 0) is None for client in IPV6 * 10)
    assert not networks._failures
