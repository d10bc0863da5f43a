# SPDX-License-Identifier: ISC
"""Sets of nftables, as nft 1.0.6 prints them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.exchange import nft
from filter_ban.exchange.holding import Fault, Holding, ImportFault
from tests.filter_ban.exchange.reading import NOW_S, bans, complaints, read, sample

REST = ["203.0.113.1", "203.0.113.2/31", "203.0.113.4/31", "203.0.113.6"]


@pytest.mark.parametrize(
    ("name", "day", "hours", "seconds"),
    [
        ("nft-set.txt", 86_400, 5400, 90),
        ("nft-stateless.txt", 86_400, 5400, 90),
        ("nft-set.json", 86_399, 5399, 89),
    ],
)
def test_set(name: str, day: int, hours: int, seconds: int) -> None:
    """Times that are left become ends, those of the set hold for whoever has none, and ranges become prefixes."""
    found = read(sample(name))

    assert bans(found) == [
        ("192.0.2.7", day),
        ("192.0.2.8", hours),
        ("198.51.100.0/24", seconds),
        *((client, day) for client in REST),
    ]
    assert found.faults == []
    assert found.entries[1].reason == "imported from nft set blocked, guesses, { all } day"
    assert found.entries[2].reason == "imported from nft set blocked"


@pytest.mark.parametrize("name", ["nft-ipv6.txt", "nft-ipv6.json"])
def test_ipv6(name: str) -> None:
    """A set without times has bans without ends."""
    assert bans(read(sample(name))) == [("2001:db8::7", None), ("2001:db8:1::/48", None)]


def test_places() -> None:
    """An element has the number of its line, or its own in JSON."""
    assert [entry.place for entry in read(sample("nft-ipv6.txt")).entries] == ["line 6", "line 7"]
    assert [entry.place for entry in read(sample("nft-ipv6.json")).entries] == ["element 1", "element 2"]


def test_other_types() -> None:
    """A set of something else than addresses is refused by its name and type."""
    with pytest.raises(
        ImportFault, match=r"set pairs is of ipv4_addr . inet_service, not of ipv4_addr or ipv6_addr"
    ):
        read(sample("nft-pairs.txt"))


@pytest.mark.parametrize(
    "text",
    [
        sample("nft-ruleset.txt").data.decode(),
        "table inet f {\n}\n",
        '{"nftables": []}',
        "\tset a {\n" * 100_000,
        json.dumps({"nftables": [{"set": {"name": name, "type": "ipv4_addr"}} for name in "ab"]}),
    ],
)
def test_one_set_alone(text: str) -> None:
    """Of several sets nobody knows which one bans: one may hold friends."""
    with pytest.raises(ImportFault, match="text: must be one set"):
        read(text)


@pytest.mark.parametrize(
    "document",
    [
        "[",
        "{}",
        '"nftables"',
        '{"nftables": 7}',
        '{"nftables": [7]}',
        '{"nftables": [{"set": {"name": "a"}}]}',
    ],
)
def test_no_json(document: str) -> None:
    """What is no JSON of nft is refused."""
    with pytest.raises(ImportFault, match=r"text: (is no JSON of nft|must be one set)"):
        nft.read("{" + document[1:] if document == "[" else document, Holding("text", NOW_S, NOW_S))


def test_wrong_elements() -> None:
    """Each has its place and the rule; the rest is read."""
    elements = '192.0.2.7 expires soon, mail,\n\t\t\t 192.0.2.8 timeout never, "', "192.0.2.9 }"
    text = f"table inet f {{\n\tset a {{\n\t\ttype ipv4_addr\n\t\ttimeout 1h\n\t\telements = {{ {', '.join(elements)}\n\t}}\n}}"
    found = read(text)

    assert bans(found)[:1] == [("192.0.2.8", None)]
    assert found.faults[:2] == [
        Fault("line 5", "'soon': must be a time such as 1h30m"),
        Fault("line 5", "'mail': not an IPv4 or IPv6 address"),
    ]


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just("192.0.2.7"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["elem", "val", "prefix", "range", "addr", "len", "timeout", "expires", "comment"]
            ),
            inner,
        )
    ),
    max_leaves=10,
)


@given(JSON, JSON)
def test_any_elements_of_json(elements: object, timeout: object) -> None:
    """Whatever stands for elements is read or refused."""
    each = {"name": "a", "type": "ipv4_addr", "elem": elements, "timeout": timeout}
    assert all(map(str.isprintable, complaints(nft.read, json.dumps({"nftables": [{"set": each}]}))))


WORDS = st.sampled_from(
    [
        "table inet f {\n",
        "\tset a {\n",
        "\t\ttype ipv4_addr\n",
        "\t\telements = {",
        "192.0.2.7",
        " expires 1s",
        ",",
        "\n}",
        "\t}\n",
        '"',
        " comment ",
    ]
)


@given(st.lists(WORDS | st.text(max_size=5)).map("".join))
def test_any_text(text: str) -> None:
    """Any text is read or refused."""
    assert all(map(str.isprintable, complaints(nft.read, text)))
