# SPDX-License-Identifier: ISC
"""Tests for ipset as data: what is sent to ipset, and what is read from it and from iptables-save."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, key_text, make_key, parse_network
from filter_ban.firewall import Change, Command
from filter_ban.firewall.ipset import MAX_TIMEOUT_S, Ipset, create_lines

HOST = parse_network("192.0.2.7")
OTHER = parse_network("198.51.100.9")
WIDE = parse_network("203.0.113.0/24")
SITE = parse_network("2001:db8:1:2::/64")
HOST6 = parse_network("2001:db8::1")

HEADERS = {
    "filter-ban4": "family inet hashsize 16384 maxelem 1000000 timeout 0 counters bucketsize 12 initval 0x5a1a4c",
    "filter-ban6": "family inet6 hashsize 16384 maxelem 1000000 timeout 0 counters bucketsize 12 initval 0x2a1a4d",
}
SAVED4 = b"""\
create filter-ban4 hash:net family inet hashsize 16384 maxelem 9 timeout 0 counters bucketsize 12 initval 0x522a1a4c
add filter-ban4 203.0.113.0/24 timeout 99 packets 0 bytes 0
add filter-ban4 192.0.2.7 timeout 899 packets 17 bytes 1020
add filter-ban4 198.51.100.10 timeout 0 nomatch packets 0 bytes 0
add filter-ban4 198.51.100.9 timeout 0 packets 1 bytes 60
"""
SAVED6 = b"""\
create filter-ban6 hash:net family inet6 hashsize 16384 maxelem 9 timeout 0 bucketsize 12 initval 0x16493c9c
add filter-ban6 2001:db8::1 timeout 4
add filter-ban6 2001:db8:1:2::/64 timeout 99 comment "create filter-ban4 by hand"
"""
CLIENTS4 = {HOST: 17, OTHER: 1, WIDE: 0}
CLIENTS6 = {HOST6: 0, SITE: 0}


def listed(entries: dict[str, int], kind: str = "hash:net", **headers: str) -> bytes:
    """Return what ``ipset list -terse`` prints, *entries* being how many each set has."""
    blocks = (
        f"Name: {name}\nType: {kind}\nRevision: 7\nHeader: {headers.get(name[-1:], HEADERS.get(name, ''))}\n"
        f"Size in memory: 744\nReferences: 0\nNumber of entries: {number}\n"
        for name, number in ({"other": 3} | entries).items()
    )
    return "\n".join(blocks).encode()


def rule(name: str) -> bytes:
    """Return what iptables-save prints where a rule uses the set *name*."""
    return f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m set --match-set {name} src -j DROP\nCOMMIT\n".encode()


RULE4, RULE6 = rule("filter-ban4"), rule("filter-ban6")


def lines(command: Command) -> list[str]:
    """Return what is sent to ``ipset restore``."""
    assert command.argv == ("ipset", "restore", "-exist")
    return command.stdin.decode().splitlines()


def test_sets_are_created_with_these_lines() -> None:
    """The same lines stand in boot scripts, because a set that is there cannot be created with others."""
    assert create_lines("mail", 5000) == (
        "create mail4 hash:net family inet hashsize 16384 maxelem 5000 timeout 0 counters",
        "create mail6 hash:net family inet6 hashsize 16384 maxelem 5000 timeout 0 counters",
    )


def test_only_sets_in_use_are_created() -> None:
    """The nets of a family share its set."""
    backend = Ipset(table="mail", max_entries=5000)
    ipv4, ipv6 = create_lines("mail", 5000)

    (command,) = backend.setup_commands([(32, 32), (32, 24)])
    assert lines(command) == [ipv4]
    (command,) = backend.setup_commands([(128, 64), (32, 24)])
    assert lines(command) == [ipv4, ipv6]


def test_change_is_one_batch() -> None:
    """Of each set, what is removed comes first; a new time is added like a new entry."""
    change = Change(
        adds=[(HOST, 3600), (SITE, None), (OTHER, 60)],
        updates=[(WIDE, 90)],
        removes=[parse_network("192.0.2.8"), HOST6],
    )

    (command,) = Ipset().change_commands(change)

    assert lines(command) == [
        "del filter-ban4 192.0.2.8",
        "add filter-ban4 192.0.2.7 timeout 3600",
        "add filter-ban4 198.51.100.9 timeout 60",
        "add filter-ban4 203.0.113.0/24 timeout 90",
        "del filter-ban6 2001:db8::1",
        "add filter-ban6 2001:db8:1:2::/64 timeout 0",
    ]


@pytest.mark.parametrize(
    ("life_s", "timeout_s"), [(1, 1), (MAX_TIMEOUT_S, MAX_TIMEOUT_S), (MAX_TIMEOUT_S + 1, 0), (None, 0)]
)
def test_times_that_ipset_does_not_know_are_endless(life_s: int | None, timeout_s: int) -> None:
    """The ledger's own expiry comes first, so the set may keep the entry."""
    (command,) = Ipset().change_commands(Change(adds=[(HOST, life_s)]))

    assert lines(command) == [f"add filter-ban4 192.0.2.7 timeout {timeout_s}"]


def test_no_change_is_no_command() -> None:
    """Nothing to do starts no process."""
    assert not Ipset().change_commands(Change())


@pytest.mark.parametrize(
    ("sets", "saved4", "saved6", "problem"),
    [
        ({"filter-ban4": 2, "filter-ban6": 1}, RULE4, RULE6, ""),
        ({"filter-ban4": 2, "filter-ban6": 0}, RULE4, b"", ""),
        ({"filter-ban4": 2}, RULE4, b"", ""),
        ({"filter-ban6": 2}, b"", RULE6, "no rule uses the set filter-ban4"),
        ({}, RULE4, b"", ""),
        ({"filter-ban4": 0, "filter-ban6": 0}, RULE4, b"", ""),
        ({"filter-ban4": 2, "filter-ban6": 1}, RULE4, b"", "no rule uses the set filter-ban6"),
        ({"filter-ban4": 2, "filter-ban6": 1}, RULE4, RULE4, "no rule uses the set filter-ban6"),
        ({"filter-ban4": 2, "filter-ban6": 1}, b"", RULE6, "no rule uses the set filter-ban4"),
        ({"filter-ban4": 2, "filter-ban6": 1}, b"", b"", "no rule uses the set filter-ban4 or filter-ban6"),
        ({"filter-ban4": 0, "filter-ban6": 0}, b"", b"", "no rule uses the set filter-ban4"),
        ({}, b"", b"", "no rule uses the set filter-ban4"),
    ],
)
def test_sets_need_rules(sets: dict[str, int], saved4: bytes, saved6: bytes, problem: str) -> None:
    """IPv4 always needs one, so that its lack is known before the first ban; IPv6 only where it has entries."""
    check = Ipset().parse_check([listed(sets), saved4, saved6])

    assert check.exists == bool(sets)
    assert check.problem.partition(";")[0] == problem
    assert [bits for bits in (32, 128) if bits in check.inert] == [
        bits
        for bits, saved in ((32, saved4), (128, saved6))
        if f"filter-ban{4 if bits == 32 else 6} ".encode() not in saved
    ]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ufw", "'filter-ban setup ufw --apply' and 'ufw reload' add one; is ufw on?"),
        ("iptables", "'filter-ban setup iptables --apply' adds one, '12-filter-ban insert' loads it"),
        ("ipset", "'filter-ban setup iptables' prints one"),
    ],
)
def test_the_remedy_is_a_command(name: str, remedy: str) -> None:
    """It is the set-up of whoever owns the rules."""
    backend = Ipset(name=name)

    check = backend.parse_check([listed({}), b"", b""])

    assert backend.name == name
    assert check.problem == f"no rule uses the set filter-ban4; {remedy}"


@pytest.mark.parametrize(
    ("sets", "bits"),
    [
        (["filter-ban4", "filter-ban6"], {32, 128}),
        (["filter-ban4"], {32}),
        (["filter-ban6"], {128}),
        ([], set()),
    ],
)
def test_nets_are_ready_where_their_set_exists(sets: list[str], bits: set[int]) -> None:
    """So that only a set that is missing is created."""
    check = Ipset().parse_check([listed(dict.fromkeys(sets, 0)), RULE4, RULE6])

    assert check.ready == frozenset((each, prefix) for each in bits for prefix in range(1, each + 1))


@pytest.mark.parametrize(
    "header",
    [
        "family inet hashsize 1024 maxelem 9 timeout 600",
        "family inet hashsize 64 maxelem 65536 timeout 0 counters comment bucketsize 12 initval 0x5a1a4c",
    ],
)
def test_set_made_by_others_is_used(header: str) -> None:
    """Another size and other additions are no fault."""
    check = Ipset().parse_check([listed({"filter-ban4": 1}, **{"4": header}), RULE4, b""])

    assert check.exists
    assert not check.problem


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("hash:ip", HEADERS["filter-ban4"]),
        ("hash:net", HEADERS["filter-ban6"]),
        ("hash:net", "family inet hashsize 1024 maxelem 65536 counters bucketsize 12 initval 0x5a1a4c"),
        ("list:set", "size 8"),
        ("hash:net", ""),
    ],
)
def test_set_of_another_kind_is_an_error(kind: str, header: str) -> None:
    """What cannot hold our entries is left alone, and the message says what to do."""
    with pytest.raises(
        ValueError, match=r"^the set filter-ban4 is no 'hash:net family inet timeout 0'; destroy it"
    ):
        Ipset().parse_check([listed({"filter-ban4": 1}, kind, **{"4": header}), RULE4, RULE6])


def test_each_set_is_listed() -> None:
    """Only ours are, and where there is none that is no failure."""
    commands = Ipset(table="mail").list_commands()

    assert [command.argv for command in commands] == [("ipset", "save", "mail4"), ("ipset", "save", "mail6")]
    assert all(command.may_fail for command in commands)


@pytest.mark.parametrize(
    ("outputs", "clients"),
    [
        ([SAVED4, SAVED6], CLIENTS4 | CLIENTS6),
        ([SAVED4, b""], CLIENTS4),
        ([b"", SAVED6], CLIENTS6),
        ([SAVED4[: SAVED4.index(b"add")], b""], {}),
    ],
)
def test_listing_gives_the_clients(outputs: list[bytes], clients: dict[ClientKey, int]) -> None:
    """Entries become client keys and the packets that they have dropped; exceptions do not. One set is enough."""
    assert clients == Ipset().parse_list(outputs)


@given(
    st.dictionaries(
        st.builds(make_key, st.binary(min_size=4, max_size=4), st.integers(1, 32))
        | st.builds(make_key, st.binary(min_size=16, max_size=16), st.integers(1, 128)),
        st.integers(0, 1 << 63),
    )
)
def test_listing_of_what_was_added_is_the_same(clients: dict[ClientKey, int]) -> None:
    """What the builder writes as entries, the parser reads back."""
    added = [
        (line, packets)
        for key, packets in clients.items()
        for command in Ipset().change_commands(Change(adds=[(key, 9)]))
        for line in lines(command)
    ]

    outputs = [
        f"create {name} hash:net\n"
        + "".join(f"{line} packets {packets} bytes 0\n" for line, packets in added if f" {name} " in line)
        for name in ("filter-ban4", "filter-ban6")
    ]

    assert clients == Ipset().parse_list([output.encode() for output in outputs])


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"Name: filter-ban4\n",
        SAVED6,
        SAVED4[:60],
        SAVED4.replace(b"filter-ban4", b"filter-ban"),
        SAVED4.replace(b"filter-ban4", b"filter-ban44"),
        SAVED4.replace(b"192.0.2.7 ", b"192.0.2.777 "),
        SAVED4.replace(b"192.0.2.7 ", b"2001:db8::7 "),
        SAVED4.replace(b"203.0.113.0/24", b"203.0.113.0/33"),
        SAVED4.replace(b"add filter-ban4 192", b"add filter-ban5 192"),
        SAVED4.replace(b"192.0.2.7 timeout", b"192.0.2.7"),
        SAVED4 + SAVED6,
        SAVED4[: SAVED4.index(b" packets 17")],
    ],
)
def test_what_is_no_listing_is_a_value_error(output: bytes) -> None:
    """Half of a listing must not look like drift of the rest."""
    with pytest.raises(ValueError, match=r"^ipset printed "):
        Ipset().parse_list([output, b""])


@given(st.binary() | st.binary().map(lambda noise: SAVED4[:250] + noise + SAVED4[250:]))
def test_garbage_is_a_value_error_or_a_listing(noise: bytes) -> None:
    """Whatever ipset prints, nothing else is raised, and no key is malformed."""
    Ipset().parse_check([noise, noise, noise])
    try:
        clients = Ipset().parse_list([noise, SAVED6])
    except ValueError:
        return

    assert all(key_text(key) for key in clients)


@pytest.mark.parametrize("table", ["", "4you", "a" * 29, "a b", "a\ncreate", "-exist", 'a"', "a;b"])
def test_impossible_names_are_refused(table: str) -> None:
    """A name that could be anything else in a line or an argument list is no name."""
    with pytest.raises(ValueError, match=f"^{re.escape('firewall.table: ')}"):
        Ipset(table=table)


def test_impossible_owner_is_refused() -> None:
    """There are three names."""
    with pytest.raises(ValueError, match=r"must be one of ipset, iptables, ufw"):
        Ipset(name="firewalld")
