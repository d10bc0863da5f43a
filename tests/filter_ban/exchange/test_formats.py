# SPDX-License-Identifier: ISC
"""Formats are found by looking."""

from pathlib import Path

import pytest

from filter_ban.exchange.formats import read_bans, recognise, text_of
from filter_ban.exchange.holding import ImportFault
from filter_ban.exchange.source import Content
from tests.filter_ban.exchange.reading import NOW_S, SAMPLES, sample


@pytest.mark.parametrize("name", [path.name for path in sorted(SAMPLES.iterdir())])
def test_samples(name: str) -> None:
    """Each sample is recognised as what it is named after."""
    assert recognise(sample(name)) == name.partition("-")[0].partition(".")[0]


@pytest.mark.parametrize(
    ("data", "form"),
    [
        ("", "plain"),
        ("192.0.2.7\n", "plain"),
        ("# table of bots\n192.0.2.7 # create a hash:ip\n", "plain"),
        ("set a {\n", "nft"),
        ("create a hash:ip family inet timeout 600\n", "ipset"),
        ('{ "nftables": [] }', "nft"),
        ("ssh stream * * * 3 6h\n", "blocklistd"),
        ("# comment\n\n22\tstream\ttcp\troot\t-ssh/24\t*\t*  # x\n", "blocklistd"),
        ("[remote]\n", "blocklistd"),
        ("[local]\nssh stream * * * 3 6h\n", "blocklistd"),
        ("[\n]\n", "json"),
        (' [ {"client": "192.0.2.7"}]', "json"),
        ('{\n  "source": "daemon"', "json"),
        ("client,start\r\n", "csv"),
        ("client\n192.0.2.7\n", "csv"),
        ("$DATASET ip4set @\n192.0.2.7\n", "rbldnsd"),
        ("192.0.2.7 521 5.7.1 no\n", "postfix-access"),
        ("2001:db8:1:2\tREJECT\n", "postfix-access"),
        ("192.0.2.7 521 no\n192.0.2.0/24 reject no\n", "cidr"),
        ("192.0.2.7 OK\n", "plain"),
        ("# 192.0.2.7 521 no\n192.0.2.8\n", "plain"),
        ("add table inet a\n", "nft"),
        ("\n" * 50_000 + "\t" * 10_000, "plain"),
        ("{\n" * 30_000, "plain"),
        ("\x00\xff", "plain"),
    ],
)
def test_texts(data: str, form: str) -> None:
    """What looks like none of the others is a plain list."""
    assert recognise(Content("text", data.encode("latin-1"))) == form


def test_what_is_known() -> None:
    """What a firewall printed needs no look, and neither does a database."""
    assert recognise(Content("ipset a", b"", format="ipset")) == "ipset"
    assert recognise(Content("fail2ban", path=Path("x"))) == "fail2ban"


@pytest.mark.parametrize(
    ("content", "form", "why"),
    [
        (Content("x", b"a\0b"), "plain", "x: is no text"),
        (Content("x", path=Path("x")), "ipset", "x: is no text"),
        (Content("x", b"192.0.2.7"), "fail2ban", "x: no database of fail2ban; it must be given as a file"),
        (Content("x", b"192.0.2.7"), "nft", "x: must be one set"),
    ],
)
def test_another_format_than_it_has(content: Content, form: str, why: str) -> None:
    """A format that was named and is not there is refused."""
    with pytest.raises(ImportFault, match=why):
        read_bans(content, form, NOW_S)


def test_bytes() -> None:
    """What is no UTF-8 is kept as an escape."""
    assert text_of(Content("x", b"a\xff")) == "a\\xff"
