# SPDX-License-Identifier: ISC
"""Which bans are meant by what an operator names."""

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, is_host, make_key, prefix_of, widen
from filter_ban.daemon.covering import Covering
from filter_ban.model import Ban

KEYS = st.builds(
    make_key,
    st.lists(st.integers(0, 1), min_size=4, max_size=4).map(bytes)
    | st.lists(st.integers(0, 1), min_size=16, max_size=16).map(bytes),
    st.sampled_from([0, 8, 15, 16, 24, 32]),
)


def lift_one_after_another(named: list[ClientKey], bans: dict[ClientKey, Ban]) -> list[list[Ban]]:
    """Return what each one named lifts: the definition."""
    remaining = dict(bans)
    lifted = []
    for client in named:
        inside = [
            ban
            for key, ban in remaining.items()
            if len(key) == len(client)
            and prefix_of(key) >= prefix_of(client)
            and widen(key, client[-1]) == client
        ]
        for ban in inside:
            del remaining[ban.client]
        lifted.append(inside)
    return lifted


@given(st.lists(KEYS, max_size=12), st.lists(KEYS, max_size=30, unique=True), st.integers(1, 10))
def test_each_takes_what_those_before_left(
    named: list[ClientKey], banned: list[ClientKey], size: int
) -> None:
    """One walk over the bans, in pieces, finds what a walk for each one named finds."""
    bans = {key: Ban(client=key, start_s=1, end_s=None, rule="", reason="") for key in banned}
    covering = Covering(named)
    candidates = covering.candidates(bans)
    for at in range(0, len(candidates), size):
        covering.find(candidates[at : at + size])

    expected = lift_one_after_another(named, bans)
    assert [[ban.client for ban in covering.take(client)] for client in named] == [
        [ban.client for ban in inside] for inside in expected
    ]
    if all(map(is_host, named)):
        assert len(candidates) <= len(named)
