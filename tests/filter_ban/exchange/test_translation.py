# SPDX-License-Identifier: ISC
"""Rules of blocklistd as overrides: what loads, and what bans."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_ban.client import NetworkSet, key_text, parse_network
from filter_ban.config import Config, parse_config
from filter_ban.exchange import overrides
from filter_ban.exchange.blocklistd import ANY, IPV4, IPV6, KEEP, TCP, UDP, Rule, parse
from filter_ban.exchange.holding import ImportFault
from filter_ban.exchange.translation import translate
from filter_ban.model import Kind
from tests.filter_ban.engine.judging import Court
from tests.filter_ban.exchange.reading import sample

HOUR_S: Final = 3600


def toml(text: str) -> str:
    """Return the translation of a blocklistd.conf."""
    return translate(parse(text), "blocklistd.conf")


def config(text: str) -> Config:
    """Return the configuration that a blocklistd.conf becomes."""
    return parse_config(toml(text))


def failures(court: Court, address: str, port: int, protocol: str = "tcp") -> tuple[int, int | None] | None:
    """Return how many failures ban *address* and for how long; None where ten do not."""
    for number in range(1, 11):
        for ban in court.see(Kind.AUTH_FAIL, number, address, service=f"blocklistd {port}/{protocol}"):
            return number, None if ban.end_s is None else ban.end_s - ban.start_s
    return None


FREEBSD: Final = sample("blocklistd.conf").data.decode()
TIERS: Final = """
ssh         stream * * * 4 1h
[remote]
10.0.0.0/8      * * * = * *
203.0.113.0/24  * * * = 2 =
203.0.113.128/25 * * * = = 2h
198.51.100.0/24:ssh * * * = * =
"""
CASES: Final = [
    # configuration, client, port, failures that ban and seconds
    (FREEBSD, "192.0.2.7", 22, (3, 6 * HOUR_S)),
    (FREEBSD, "192.0.2.7", 21, (3, 6 * HOUR_S)),
    (FREEBSD, "192.0.2.7", 53, (3, 12 * HOUR_S)),
    (FREEBSD, "192.0.2.7", 2222, (3, 60)),
    (FREEBSD, "192.0.2.7", 6161, (3, 60)),
    (FREEBSD, "2001:db9::7", 6161, (2, 600)),
    (FREEBSD, "129.168.3.4", 22, None),
    (FREEBSD, "2001:db8::7", 22, None),
    (FREEBSD, "2001:db8::7", 21, (3, 6 * HOUR_S)),
    (TIERS, "192.0.2.7", 22, (4, HOUR_S)),
    (TIERS, "192.0.2.7", 25, None),
    (TIERS, "10.1.2.3", 22, None),
    (TIERS, "203.0.113.7", 22, (2, HOUR_S)),
    (TIERS, "203.0.113.7", 25, None),
    (TIERS, "203.0.113.200", 22, (4, 2 * HOUR_S)),
    (TIERS, "198.51.100.7", 22, None),
    ("ssh * * * * 1 *", "192.0.2.7", 22, (1, None)),
    ("ssh * * * * * *", "192.0.2.7", 22, None),
    ("ssh * * * * 0 0", "192.0.2.7", 22, (1, 1)),
    ("ssh * tcp * * 2 1h\nssh * tcp6 * * 3 2h", "192.0.2.7", 22, (2, HOUR_S)),
    ("ssh * tcp * * 2 1h\nssh * tcp6 * * 3 2h", "2001:db8::7", 22, (3, 2 * HOUR_S)),
    ("ssh * * * * 2 1h\n[remote]\nftp * * * = 1 1", "192.0.2.7", 22, (2, HOUR_S)),
    ("", "192.0.2.7", 22, None),
]


@pytest.mark.parametrize(("text", "client", "port", "expected"), CASES)
def test_what_bans(text: str, client: str, port: int, expected: tuple[int, int | None] | None) -> None:
    """As many failures within the time ban for exactly that time, here as there."""
    assert failures(Court(toml(text)), client, port) == expected


def test_failures_too_far_apart() -> None:
    """The duration is the window too."""
    court = Court(toml("ssh * * * * 3 1h"))
    for at_s in (0, HOUR_S, 2 * HOUR_S, 3 * HOUR_S):
        assert court.see(Kind.AUTH_FAIL, at_s + at_s // HOUR_S, service="blocklistd 22") == []


def test_other_sensors_are_left_alone() -> None:
    """What blocklistd's rules say holds for what is reported through its socket."""
    assert len(Court(toml("* * * * * 1 1h")).fail_often(4)) == 0
    assert len(Court(toml("ssh * * * * * *")).fail_often(5)) == 1


def test_never() -> None:
    """A network that no rule bans is never banned by any sensor; one with exceptions is spared in overrides alone."""
    assert [*map(key_text, config(TIERS).never.networks)] == ["10.0.0.0/8"]

    narrower = config("ssh * * * * 3 1h\n[remote]\n10.0.0.0/8 * * * = * *\n10.1.0.0/16 * * * = 1 =")
    assert narrower.never.networks == ()
    assert [override.factor for override in narrower.override] == [1, 0, 1, 0]
    assert [[*map(key_text, override.networks)] for override in narrower.override[:2]] == [
        ["10.1.0.0/16"],
        ["10.0.0.0/8"],
    ]


def test_text() -> None:
    """Each row stands beside what it became; what cannot be said is said."""
    text = toml(
        "domain * * named x/24 3 12h\nssh stream * * * 1001 20000d\n192.0.2.1:ssh * * * * 1 1\nwrong\n"
    )

    assert text.startswith("# What blocklistd.conf says to blocklistd, for filter-ban.")
    assert (
        "Since 2025 blocklistd counts 2 for a failed login, so that nfail 3 blocks at the second one." in text
    )
    assert "# - blocklistd.users must name the owners in the rules: named.\n" in text
    assert "# - line 4: has 1 of 7 columns\n" in text
    assert (
        "# - line 3: 192.0.2.1:ssh * * * * 1 1: the local address 192.0.2.1 is not seen, "
        "and another rule is for the rest\n"
    ) in text
    assert (
        """
[[override]]
# line 1: domain * * named x/24 3 12h
#   the owner named is not seen: it holds whatever that is
#   clients are cut to /24; for all services alike: limits.ipv4_prefix = 24
services = ["blocklistd 53"]
windows = ["3 in 12h"]
ladder = ["12h"]
"""
        in text
    )
    assert (
        """
[[override]]
# line 2: ssh stream * * * 1001 20000d
services = ["blocklistd 22/tcp"]
# blocklistd never forgets such failures; here they count for 30d
# 1001 is above the highest limit
windows = ["1000 in 30d"]
ladder = ["forever"]
"""
        in text
    )


@pytest.mark.parametrize(
    ("rows", "unused"),
    [
        ("em0:* * * * * * *\nssh * * * * 3 1h", ["line 1"]),
        ("* * * root * * *\nssh * * * * 3 1h", ["line 1"]),
        ("ssh dgram * * * 9 1h\nssh stream * * * 3 1h", []),
        ("* dgram * * * 9 1h\nssh stream * * * 3 1h", []),
        ("* dgram * * * 9 1h\n* * * * * 3 1h", ["line 1"]),
        ("ssh 132 * * * 9 1h\nssh * * * * 3 1h", ["line 1"]),
        ("ssh * tcp root * 9 1h\nssh * * * * 3 1h", ["line 1"]),
        ("ssh * * root * 9 1h\n* * * * * 3 1h", []),
        ("ssh * * * * 3 1h\nssh * * * * 4 1h", ["line 2"]),
        ("ssh * * * * 3 1h\n[remote]\n192.0.2.0/24 * tcp6 * = * *", ["line 3"]),
        ("ssh * * * * 3 1h\n[remote]\n192.0.2.0/24:ftp * * * = 1 *", ["line 3"]),
    ],
)
def test_rules_that_are_not_used(rows: str, unused: list[str]) -> None:
    """A rule by what is not seen gives way to those that it would cover; one that nobody meets is named too."""
    told = toml(rows).partition("# Not translated:\n")[2].partition("\n\n")[0]

    assert [line[4:].partition(":")[0] for line in told.splitlines() if line.startswith("# - ")] == unused


def test_ipv6_hosts() -> None:
    """A remote rule for less than a client says so."""
    assert "#   it fits nobody while IPv6 clients are counted by /64; see limits.ipv6_prefix\n" in toml(
        "* * * * * 3 1h\n[remote]\n[2001:db8::1]:ssh * * * = 1 *"
    )


def test_hostile_text() -> None:
    """What stands in the file reaches comments alone, escaped and on their line."""
    text = toml('ssh * * \x1b[31m" "]\\x07 3 1h\nssh * * \u2028factor=0 * 9 1h\n[never]\n"""')

    assert parse_config(text) == config("ssh * * root * 3 1h")
    assert all(line.isprintable() for line in text.split("\n"))


def test_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overrides are bounded: each costs time for a failed login."""
    monkeypatch.setattr(overrides, "MAX_OVERRIDES", 3)
    with pytest.raises(ImportFault, match="need more than 3 overrides"):
        toml("\n".join(f"{port} * * * * 3 1h" for port in range(20, 25)))


# --- compared with blocklistd's own way to find a rule

CLIENTS: Final = ("192.0.2.7", "192.0.2.200", "198.51.100.7", "2001:db8::7", "2001:db9::7")
PLACES: Final = st.tuples(
    st.sampled_from(CLIENTS), st.sampled_from((21, 22, 2222)), st.sampled_from(("tcp", "udp"))
)
NUMBERS: Final = st.sampled_from(["1", "2", "3", "*"])
LENGTHS: Final = st.sampled_from(["60", "1h", "*"])
FAMILIES: Final = st.sampled_from(["*", "tcp", "udp6"])
KEPT: Final = st.just("=")
TYPES: Final = st.sampled_from(["*", "stream", "dgram"])
# a type is seen together with a port
LOCATIONS: Final = st.tuples(st.just("*"), st.just("*")) | st.tuples(st.sampled_from(["21", "22"]), TYPES)
NETWORKS: Final = st.tuples(
    st.sampled_from(["192.0.2.0/24", "198.51.100.7", "[2001:db8::]/32", "0.0.0.0/0"]), st.just("=")
) | st.tuples(st.sampled_from(["192.0.2.128/25:22", "0.0.0.0/0:21"]), TYPES)
LOCAL: Final = st.tuples(LOCATIONS, FAMILIES, NUMBERS, LENGTHS)
REMOTE: Final = st.tuples(LOCATIONS | NETWORKS, FAMILIES | KEPT, NUMBERS | KEPT, LENGTHS | KEPT)
Row = tuple[tuple[str, str], str, str, str]


def lines(rows: list[Row], name: str) -> str:
    """Return *rows* with any owner and a name."""
    return "".join(
        f"{' '.join(location)} {family} * {name} {nfail} {disable}\n"
        for location, family, nfail, disable in rows
    )


def first(rules: list[Rule], client: str, port: int, protocol: str) -> Rule | None:
    """Return the first rule that fits a failure, as blocklistd looks for it."""
    address, family = parse_network(client), IPV6 if ":" in client else IPV4
    for rule in rules:
        networks = NetworkSet([] if rule.network is None else [rule.network])
        if (
            rule.port in (ANY, KEEP, port)
            and rule.kind in (ANY, KEEP, {"tcp": TCP, "udp": UDP}[protocol])
            and rule.family in (ANY, KEEP, family)
            and (rule.network is None or networks.covering(address))
        ):
            return rule
    return None


@settings(max_examples=200, deadline=None)
@given(st.lists(LOCAL, max_size=4), st.lists(REMOTE, max_size=4), PLACES)
def test_as_blocklistd(local: list[Row], remote: list[Row], place: tuple[str, int, str]) -> None:
    """Whatever the rules, as many failures ban for the same time."""
    rules = parse(lines(local, "*") + "[remote]\n" + lines(remote, "="))
    rule, change = first(rules.local, *place), first(rules.remote, *place)
    expected = None
    if rule is not None:
        nfail = rule.nfail if change is None or change.nfail == KEEP else change.nfail
        disable_s = rule.disable_s if change is None or change.disable_s == KEEP else change.disable_s
        expected = None if nfail == ANY else (nfail, None if disable_s == ANY else disable_s)

    assert failures(Court(translate(rules, "x")), *place) == expected


def test_the_manual() -> None:
    """What docs/import.md shows is what comes."""
    manual = (Path(__file__).parents[3] / "docs" / "import.md").read_text()
    blocks = manual.split("```")[1::2]
    (rules,) = (block for block in blocks if block.startswith("\n"))
    (expected,) = (block for block in blocks if block.startswith("toml\n"))

    assert toml(rules[1:]).endswith(f"\n\n{expected.removeprefix('toml').lstrip()}")
