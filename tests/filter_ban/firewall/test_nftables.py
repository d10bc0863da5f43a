# SPDX-License-Identifier: ISC
"""Tests for nftables as data: what is sent to nft, and what is read from it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, key_text, make_key, parse_network
from filter_ban.firewall import Change
from filter_ban.firewall.base import Net
from filter_ban.firewall.nftables import Nftables

HOST = parse_network("192.0.2.7")
OTHER = parse_network("198.51.100.9")
WIDE = parse_network("203.0.113.0/24")
SITE = parse_network("2001:db8:1:2::/64")

CHECKED = b"""table inet other {
	set net4_32 {
		type ipv4_addr
	}

	chain net4_32 {
		type filter hook prerouting priority -310; policy accept;
		ip saddr @net4_32 drop
	}
}
table inet filter_ban {
	set net4_32 {
		type ipv4_addr
		flags timeout
		counter
	}

	set net6_64 {
		type ipv6_addr
		flags timeout
		counter
	}

	set net4_24 {
		type ipv4_addr
		flags timeout
		counter
	}

	chain net4_32 {
		type filter hook prerouting priority -310; policy accept;
		ip saddr @net4_32 drop
	}

	chain net6_64 {
		type filter hook prerouting priority -310; policy accept;
		ip6 saddr & ffff:ffff:ffff:ffff:: == @net6_64 drop
	}

	chain net4_24 {
		type filter hook prerouting priority -310; policy accept;
		ip saddr & 255.255.255.0 @net4_24 drop
	}
}
"""

LISTED = b"""table inet filter_ban {
	set net4_32 {
		type ipv4_addr
		flags timeout
		counter
		elements = { 192.0.2.7 counter packets 12 bytes 3600 timeout 3600s expires 3599s, 198.51.100.9 counter packets 0 bytes 0 }
	}

	set net4_24 {
		type ipv4_addr
		flags timeout
		counter
		elements = { 203.0.113.0 counter packets 18446744073709551615 bytes 1 timeout 90s expires 7s }
	}

	set net6_64 {
		type ipv6_addr
		flags timeout
		counter
		elements = { 2001:db8:1:2:: counter packets 3 bytes 180,\n\t\t\t     2001:db8:1:3:: counter packets 4 bytes 240 timeout 86400s expires 5s }
	}

	set net6_56 {
		type ipv6_addr
		flags timeout
		counter
	}

	chain net4_32 {
		type filter hook prerouting priority -310; policy accept;
		tcp dport { 25, 465 } ip saddr @net4_32 drop
	}
}
"""


def script(backend: Nftables, change: Change) -> list[str]:
    """Return the lines of the one transaction for *change*."""
    (command,) = backend.change_commands(change)
    assert command.argv == ("nft", "-f", "-")
    return command.stdin.decode().splitlines()


@pytest.mark.parametrize(
    ("linux", "deletions"),
    [
        ("6.12.48+deb13-amd64", ["net4_32 { 192.0.2.8 }"]),
        ("6.1.0-40-amd64", ["net4_24 { 203.0.113.0 }", "net4_32 { 192.0.2.8 }"]),
        ("unknown", ["net4_24 { 203.0.113.0 }", "net4_32 { 192.0.2.8 }"]),
    ],
)
def test_change_is_one_transaction(linux: str, deletions: list[str]) -> None:
    """
    Entries are grouped by mask; what may be absent is added before it is deleted.

    An entry gets another time by being added again; only an older kernel needs a deletion, which costs the counter.
    """
    change = Change(
        adds=[(HOST, 3600), (SITE, None), (OTHER, 60)],
        updates=[(WIDE, 90)],
        removes=[parse_network("192.0.2.8")],
    )

    lines = script(Nftables(linux=linux), change)

    assert lines == [
        *(f"add element inet filter_ban {element}" for element in deletions),
        *(f"delete element inet filter_ban {element}" for element in deletions),
        "add element inet filter_ban net4_24 { 203.0.113.0 timeout 90s }",
        "add element inet filter_ban net4_32 { 192.0.2.7 timeout 3600s, 198.51.100.9 timeout 60s }",
        "add element inet filter_ban net6_64 { 2001:db8:1:2:: }",
    ]


def test_one_more_entry_is_one_statement() -> None:
    """A new entry needs no chain, rule or deletion, any of which would make the kernel wait for its readers."""
    lines = script(Nftables(table="mail"), Change(adds=[(HOST, 5)]))

    assert lines == ["add element inet mail net4_32 { 192.0.2.7 timeout 5s }"]


def test_no_change_is_no_command() -> None:
    """Nothing to do starts no process."""
    assert not Nftables().change_commands(Change())


@pytest.mark.parametrize(
    ("settings", "net", "rules"),
    [
        ({}, (32, 32), ["ip saddr @net4_32 drop"]),
        ({}, (32, 24), ["ip saddr & 255.255.255.0 @net4_24 drop"]),
        ({}, (128, 64), ["ip6 saddr & ffff:ffff:ffff:ffff:: @net6_64 drop"]),
        ({}, (128, 57), ["ip6 saddr & ffff:ffff:ffff:ff80:: @net6_57 drop"]),
        ({}, (128, 128), ["ip6 saddr @net6_128 drop"]),
        ({"ports": (465, 25, 25)}, (32, 32), ["tcp dport { 25, 465 } ip saddr @net4_32 drop"]),
        (
            {"action": "reject"},
            (32, 32),
            [
                "meta l4proto 6 ip saddr @net4_32 reject with tcp reset",
                "ip saddr @net4_32 reject with icmpx 3",
            ],
        ),
        (
            {"action": "reject", "ports": (25,)},
            (128, 64),
            ["tcp dport { 25 } ip6 saddr & ffff:ffff:ffff:ffff:: @net6_64 reject with tcp reset"],
        ),
    ],
)
@pytest.mark.parametrize("hook", ["prerouting", "input"])
def test_each_mask_has_its_own_rules(settings: dict[str, Any], net: Net, rules: list[str], hook: str) -> None:
    """The rule masks the address by the prefix length of its set, and limits the ports where asked to."""
    (command,) = Nftables(hook=hook, **settings).setup_commands([net])

    name = f"net{4 if net[0] == 32 else 6}_{net[1]}"
    assert command.stdin.decode().splitlines() == [
        "add table inet filter_ban",
        f"add set inet filter_ban {name} {{ type ipv{4 if net[0] == 32 else 6}_addr; flags timeout; counter; }}",
        f"add chain inet filter_ban {name}",
        f"flush chain inet filter_ban {name}",
        f"delete chain inet filter_ban {name}",
        f"add chain inet filter_ban {name} {{ type filter hook {hook} priority -310; policy accept; }}",
        *(f"add rule inet filter_ban {name} {rule}" for rule in rules),
    ]


@pytest.mark.parametrize(
    "settings", [{"hook": "forward"}, {"action": "accept"}, {"hook": "x; flush ruleset"}]
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    """Only words that nft is to hear become part of its script."""
    with pytest.raises(ValueError, match="must be one of"):
        Nftables(**settings)


def test_check_reads_our_own_table() -> None:
    """A net is ready when it has its set and its rule, in whichever way this version of nft prints it."""
    check = Nftables().parse_check([CHECKED])

    assert check.exists
    assert check.ready == frozenset({(32, 32), (128, 64), (32, 24)})
    assert not check.problem


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ip saddr & 255.255.255.0 @net4_24 drop\n", b""),
        (b"ip saddr & 255.255.255.0 @net4_24 drop", b"ip saddr & 255.255.0.0 @net4_24 drop"),
        (b"ip saddr & 255.255.255.0 @net4_24 drop", b"ip saddr & 255.255.255.0 @net4_24 accept"),
        (b"ip saddr & 255.255.255.0 @net4_24 drop", b"accept\n\t\tip saddr & 255.255.255.0 @net4_24 drop"),
        (b"ip saddr & 255.255.255.0 @net4_24 drop", b"tcp dport 25 ip saddr & 255.255.255.0 @net4_24 drop"),
        (b"chain net4_24 {\n\t\ttype filter hook prerouting priority -310;", b"chain net4_24 {\n\t\tX;"),
        (b"set net4_24", b"set net4_23"),
        (b"chain net4_24 {\n\t\ttype filter hook prerouting", b"chain net4_24 {\n\t\ttype filter hook input"),
        (CHECKED[CHECKED.rindex(b"\t\ttype") : CHECKED.rindex(b"\t}")], b""),
        (b"chain net4_24", b"chain net4_23"),
    ],
)
def test_check_notices_what_was_changed_behind_our_back(old: bytes, new: bytes) -> None:
    """A rule that is gone, other than ours, or in another place does not count; the rest does."""
    assert old in CHECKED

    check = Nftables().parse_check([CHECKED.replace(old, new)])

    assert check.ready == frozenset({(32, 32), (128, 64)})


def test_check_notices_a_table_that_sleeps() -> None:
    """The chains of a dormant table are not asked."""
    output = CHECKED.replace(b"table inet filter_ban {\n", b"table inet filter_ban {\n\tflags dormant\n\n")

    check = Nftables().parse_check([output])

    assert check.problem == "the table is dormant; 'nft add table inet filter_ban' wakes it up"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"type ipv4_addr", b"type inet_service"),
        (b"flags timeout", b"flags interval,timeout"),
        (b"\t\tflags timeout\n", b""),
        (b"\t\tcounter\n", b""),
        (b"counter\n", b"counter\n\t\tsize 1\n"),
        (b"set net4_32 {\n\t\ttype ipv4_addr", b"map net4_32 {\n\t\ttype ipv4_addr : verdict"),
    ],
)
def test_set_of_another_kind_is_a_problem(old: bytes, new: bytes) -> None:
    """What stands in the place of a set of ours is left alone, and the message says what to do."""
    at = CHECKED.index(b"set net4_32", CHECKED.index(b"table inet filter_ban {"))
    assert old in CHECKED[at:]

    check = Nftables().parse_check([CHECKED[:at] + CHECKED[at:].replace(old, new, 1)])

    assert check.ready == frozenset({(128, 64), (32, 24)})
    assert check.problem.startswith("not as filter-ban makes it: net4_32; 'nft delete table inet filter_ban'")
    assert check.inert == {32: check.problem}


def test_check_compares_ports() -> None:
    """A rule for other ports than ours is to be written anew; one port is printed without braces."""
    output = CHECKED.replace(b"\t\tip saddr @", b"\t\ttcp dport 25 ip saddr @")

    assert (32, 32) in (Nftables(ports=[25]).parse_check([output]).ready or ())
    assert (32, 32) not in (Nftables(ports=[25, 465]).parse_check([output]).ready or ())


def test_check_compares_hook_and_action() -> None:
    """Rules of another hook or action than ours are to be written anew."""
    rules = (
        b"meta l4proto 6 ip saddr @net4_32 reject with tcp reset\n\t\tip saddr @net4_32 reject with icmpx 3\n"
    )
    dropping = CHECKED.replace(b"prerouting", b"input")
    rejecting = dropping.replace(b"ip saddr @net4_32 drop\n", rules)

    assert (32, 32) in (Nftables(hook="input").parse_check([dropping]).ready or ())
    assert (32, 32) in (Nftables(hook="input", action="reject").parse_check([rejecting]).ready or ())
    assert not Nftables().parse_check([dropping]).ready
    assert (32, 32) not in (Nftables(hook="input").parse_check([rejecting]).ready or ())
    assert (32, 32) not in (Nftables(hook="input", action="reject").parse_check([dropping]).ready or ())


@pytest.mark.parametrize("output", [b"", CHECKED.replace(b"inet filter_ban", b"inet filter_ban2")])
def test_check_knows_that_the_table_is_gone(output: bytes) -> None:
    """Other tables are not ours."""
    check = Nftables().parse_check([output])

    assert not check.exists
    assert check.ready == frozenset()


def test_listing_gives_the_clients_of_all_sets() -> None:
    """Elements become client keys with the prefix of their set, and their packets; ports in rules do not."""
    clients = Nftables().parse_list([LISTED])

    assert clients == {
        HOST: 12,
        OTHER: 0,
        WIDE: 2**64 - 1,
        SITE: 3,
        parse_network("2001:db8:1:3::/64"): 4,
    }


@given(
    st.sets(
        st.tuples(st.binary(min_size=4, max_size=4), st.integers(8, 32))
        | st.tuples(st.binary(min_size=16, max_size=16), st.integers(32, 128))
    )
)
def test_listing_of_what_was_added_is_the_same(parts: set[tuple[bytes, int]]) -> None:
    """What the builder writes as elements, the parser reads back."""
    clients = {make_key(packed, prefix) for packed, prefix in parts}
    sets: dict[str, str] = {}
    for command in Nftables().change_commands(Change(adds=[(key, None) for key in clients])):
        for line in command.stdin.decode().splitlines():
            *_, name, elements = line.split(" ", 5)[:6]
            sets[name] = elements

    listed = "".join(f"\tset {name} {{\n\t\telements = {text}\n\t}}\n" for name, text in sets.items())

    assert dict.fromkeys(clients, 0) == Nftables().parse_list(
        [f"table inet filter_ban {{\n{listed}}}\n".encode()]
    )


@given(st.binary() | st.binary().map(lambda noise: LISTED[:150] + noise + LISTED[150:]))
def test_garbage_is_a_value_error_or_a_listing(noise: bytes) -> None:
    """Whatever nft prints, nothing else is raised, and no key is malformed."""
    backend = Nftables()
    backend.parse_check([noise])
    try:
        clients = backend.parse_list([noise])
    except ValueError:
        return

    assert all(key_text(ClientKey(key)) for key in clients)
