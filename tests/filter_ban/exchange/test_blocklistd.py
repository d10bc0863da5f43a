# SPDX-License-Identifier: ISC
"""blocklistd.conf: columns, order, wrong lines."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import key_text
from filter_ban.exchange.blocklistd import (
    ANY,
    IPV4,
    IPV6,
    KEEP,
    MAX_RULES,
    TCP,
    UDP,
    Rule,
    parse,
    well_known_port,
)
from filter_ban.exchange.holding import Fault, ImportFault
from tests.filter_ban.exchange.reading import sample

PORTS: Final = {"ssh": 22, "domain": 53, "8080": 80}


def rule(text: str) -> Rule:
    """Return the one rule in *text*."""
    rules = parse(text, PORTS.get)
    assert rules.faults == []
    (found,) = rules.local + rules.remote
    return found


def test_columns() -> None:
    """A row in full."""
    found = rule("[remote]\n[2001:db8::1]/32:ssh stream tcp6 root -x/64 5 1d12h30m5s")

    assert key_text(found.network or b"") == "2001:db8::/32"  # type: ignore[arg-type]  # it has one
    assert (found.mask, found.port, found.kind, found.family, found.owner) == (32, 22, TCP, IPV6, "root")
    assert (found.prefix, found.nfail, found.disable_s) == (64, 5, 131_405)
    assert (found.place, found.text) == ("line 2", "[2001:db8::1]/32:ssh stream tcp6 root -x/64 5 1d12h30m5s")


@pytest.mark.parametrize(
    ("location", "address", "port"),
    [
        ("*", "", ANY),
        ("22", "", 22),
        ("ssh", "", 22),
        ("8080", "", 80),  # a service of that name, as in getservbyname(3)
        ("192.0.2.1", "192.0.2.1", ANY),
        ("192.0.2.1:*", "192.0.2.1", ANY),
        ("192.0.2.0/24:ssh", "192.0.2.0", 22),
        ("*:22", "", 22),
        ("em0:ssh", "em0", 22),
        ("[2001:db8::1]:ssh", "2001:db8::1", 22),
        ("[2001:db8::]/32", "2001:db8::", ANY),
        ("[*]:ssh", "", 22),
    ],
)
def test_locations(location: str, address: str, port: int) -> None:
    """An address or interface, a mask, a port."""
    found = rule(f"{location} * * * * * *")

    assert (found.local, found.port) == (address, port)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("* * * * * *", (ANY, ANY, ANY, ANY, ANY)),
        ("= = = = = =", (KEEP, KEEP, ANY, KEEP, KEEP)),
        ("= = = =/24 = =", (KEEP, KEEP, 24, KEEP, KEEP)),
        ("dgram udp * * 3 60", (UDP, IPV4, ANY, 3, 60)),
        ("132 28 0 name 0 2m", (132, IPV6, ANY, 0, 120)),
        ("6 2 * x/* 3 1h1h", (TCP, IPV4, ANY, 3, 7200)),
    ],
)
def test_wildcards(columns: str, expected: tuple[int, ...]) -> None:
    """Anything, the same, and numbers."""
    found = rule(f"[remote]\nssh {columns}")

    assert (found.kind, found.family, found.prefix, found.nfail, found.disable_s) == expected


def test_lines() -> None:
    """Comments are cut off, lines are continued, local is where rules are at first."""
    rules = parse(
        "ssh stream * \\\n  * * 3 \\\n 6h # \\\n\n[remote]\n* * * * = * *\n[local]\n53 * * * * 1 1 x y\n",
        PORTS.get,
    )

    assert [(found.place, found.port) for found in rules.local] == [("line 8", 53), ("line 1", 22)]
    assert [found.place for found in rules.remote] == ["line 6"]
    assert rules.faults == []


def test_a_line_without_end() -> None:
    """Lines are joined whatever their number."""
    rules = parse("ssh stream * * * 3 6h \\\n" * 100_000, PORTS.get)

    assert [(found.place, found.port) for found in rules.local] == [("line 1", 22)]


WRONG = {
    "ssh stream * * * 3": "has 6 of 7 columns",
    "em0 stream * * * 3 6h": "em0: no service that is known here, and no port",
    "65536 stream * * * 3 6h": "65536: no service that is known here, and no port",
    "ssh raw * * * 3 6h": "type raw: must be a number",
    "ssh stream ip * * 3 6h": "proto ip: must be a number",
    "ssh stream 7 * * 3 6h": "proto 7: must be tcp, tcp6, udp, udp6 or *",
    "ssh stream * * */x 3 6h": "mask of the name x: must be a number",
    "ssh stream * * * three 6h": "nfail three: must be a number",
    "ssh stream * * * 3 6w": "disable 6w: must be a number",
    "ssh stream * * * 3 1h30": "disable 1h30: must be a number",
    "ssh stream * * * = 6h": '"=" is for [remote] only',
    "ssh stream * * =/24 3 6h": '"=" is for [remote] only',
    "192.0.2.0/a:ssh stream * * * 3 6h": "mask a: must be a number",
    "[2001:db8::/32:ssh stream * * * 3 6h": "[2001:db8::/32:ssh: must be [ADDRESS[/MASK]:]PORT",
}


@pytest.mark.parametrize(("line", "why"), WRONG.items())
def test_wrong_lines(line: str, why: str) -> None:
    """A wrong line is named and left out; the others hold."""
    rules = parse(f"ftp * * * * 1 1\n{line}\n", {**PORTS, "ftp": 21}.get)

    assert [found.port for found in rules.local] == [21]
    ((place, told),) = [(fault.place, fault.why) for fault in rules.faults]
    assert place == "line 2"
    assert told.startswith(why)


@pytest.mark.parametrize("location", ["em0:ssh", "192.0.2.0/33", "[2001:db8::]/129:ssh", "[192.0.2.1]/99"])
def test_wrong_remote_addresses(location: str) -> None:
    """A remote rule is for an address that there can be."""
    (fault,) = parse(f"[remote]\n{location} * * * = * *", PORTS.get).faults

    assert isinstance(fault, Fault)


def test_order() -> None:
    """The most specific comes first, in blocklistd's sense: by address, port, type, family and owner."""
    rows = [
        "[2001:db8::]/64:ssh * * * * 1 1",
        "192.0.2.0/24:ssh * * * * 1 1",
        "192.0.2.0/16:ssh * * * * 1 1",
        "192.0.2.1:ssh * * * * 1 1",
        "ssh dgram * * * 1 1",
        "ssh stream tcp6 * * 1 1",
        "ssh stream tcp * * 1 1",
        "ssh stream * root * 1 1",
        "ssh stream * * * 1 1",
        "21 * * * * 1 1",
        "* * * * * 1 1",
    ]
    local = parse("\n".join([*reversed(rows[4:]), "em0:* * * * * 1 1"]), PORTS.get).local
    remote = parse("[remote]\n" + "\n".join(reversed(rows)), PORTS.get).remote

    assert [found.text for found in local] == ["em0:* * * * * 1 1", *rows[4:]]
    assert [found.text for found in remote] == rows


def test_too_many() -> None:
    """Rules and wrong lines are bounded."""
    for line in ("ssh * * * * 1 1\n", "wrong\n"):
        with pytest.raises(ImportFault, match="more than 200 rules"):
            parse(line * (MAX_RULES + 1), PORTS.get)


def test_services() -> None:
    """The usual names are known on any system; what is no name is none."""
    assert [
        well_known_port(name) for name in ("ssh", "domain", "submission", "no-such", "a\x00", "ä" * 99)
    ] == [
        *(22, 53, 587),
        *(None, None, None),
    ]


def test_a_real_file() -> None:
    """What FreeBSD comes with, its examples switched on."""
    rules = parse(sample("blocklistd.conf").data.decode())

    assert [found.port for found in rules.local] == [6161, 53, 22, 21, ANY]
    assert [found.place for found in rules.remote] == ["line 11", "line 10", "line 12", "line 13"]
    assert rules.faults == []


@given(
    st.lists(
        st.sampled_from(["ssh ", "* ", "= ", "/", "192.0.2.1", ":", "[", "]", "\n", "\\\n", "3 ", "#"])
        | st.text(max_size=4)
    ).map("".join)
)
def test_any_text(text: str) -> None:
    """Any text is read; faults are printable."""
    assert all(fault.why.isprintable() for fault in parse(text, PORTS.get).faults)
