# SPDX-License-Identifier: ISC
"""JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.exchange import documents
from tests.filter_ban.exchange.reading import NOW_S, bans, complaints, read
from tests.filter_ban.exchange.writing import banned, written


def test_array() -> None:
    """An export is an array of what the daemon tells of each ban, a line each."""
    first, second = banned("192.0.2.7", NOW_S + 60, reason="é\x1b"), banned("2001:db8::/64")
    text = written("json", first, second)

    assert json.loads(text) == [first.document, second.document]
    assert text.isascii()
    assert text.count("\n") == 4


def test_list() -> None:
    """What ``filter-ban list --json`` prints can be imported too."""
    text = json.dumps({"source": "daemon", "bans": [banned("192.0.2.7", NOW_S + 9).document]}, indent=2)

    assert bans(read(text)) == [("192.0.2.7", 9)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "text: is no JSON"),
        ("[" * 100_000, "text: is no JSON"),
        ("{}", "text: must be an array of bans, as filter-ban export writes it"),
        ("7", "text: must be an array of bans, as filter-ban export writes it"),
        ("[7]", "has no client"),
        ('[{"client": 7}]', "has no client"),
        ('[{"client": "mail"}]', "'mail': not an IPv4 or IPv6 address"),
        ('[{"client": "192.0.2.7", "end": "soon"}]', "its end is no number of seconds"),
        ('[{"client": "192.0.2.7", "end": true}]', "its end is no number of seconds"),
    ],
)
def test_faults(text: str, why: str) -> None:
    """What is wrong is told."""
    assert complaints(documents.read, text) == [why]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda some: st.lists(some) | st.dictionaries(st.sampled_from(["client", "end", "bans"]), some),
    )
)
def test_any_json(value: object) -> None:
    """Any JSON is read."""
    assert all(map(str.isprintable, complaints(documents.read, json.dumps(value))))
