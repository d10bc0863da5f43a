# SPDX-License-Identifier: ISC
"""What is new in a stream."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cluster.message import Header
from filter_ban.courier.sequences import Sequences

MESSAGES = st.lists(
    st.builds(
        Header,
        node=st.sampled_from(["mx1", "mx2"]),
        started=st.integers(1, 3),
        first=st.integers(1, 9),
        count=st.integers(1, 3),
    )
)


def header(started: int, first: int, count: int = 1, node: str = "mx1") -> Header:
    """Return the header of a message."""
    return Header(node=node, started=started, first=first, count=count)


@pytest.mark.parametrize(
    ("message", "accepted"),
    [
        (header(10, 6), True),
        (header(10, 9), True),  # what is between is lost, and that is no reason to lose this
        (header(10, 5), False),
        (header(10, 1, 9), False),
        (header(11, 1), True),
        (header(9, 99), False),
        (header(1, 1, node="mx2"), True),
    ],
)
def test_accept(message: Header, *, accepted: bool) -> None:
    """A message is new if its node has not come as far, in this start or a later one."""
    assert Sequences({"mx1": (10, 5)}).accept(message) is accepted


@given(MESSAGES)
def test_nothing_twice(messages: list[Header]) -> None:
    """What has been accepted is not accepted again, whatever came in between."""
    sequences = Sequences()
    accepted = [message for message in messages if sequences.accept(message)]
    assert not any(sequences.accept(message) for message in accepted)


@given(MESSAGES)
def test_numbers_grow(messages: list[Header]) -> None:
    """The notices of a node that are accepted follow each other."""
    sequences = Sequences()
    accepted = [message for message in messages if sequences.accept(message)]
    for node in ("mx1", "mx2"):
        spans = [(m.started, m.first, m.last) for m in accepted if m.node == node]
        assert all((before[0], before[2]) < (after[0], after[1]) for before, after in pairwise(spans))


@pytest.mark.parametrize(
    ("started", "published", "missing"), [(10, 5, 0), (10, 8, 3), (10, 3, 0), (11, 4, 4), (9, 50, 0)]
)
def test_missing(started: int, published: int, missing: int) -> None:
    """What a node has published in this start and has not come is missing."""
    assert Sequences({"mx1": (10, 5)}).missing("mx1", started, published) == missing
