# SPDX-License-Identifier: ISC
"""Tests for ipfw: command lines as data, and the whole way through a strict fake of ipfw."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_ban.client import ClientKey, make_key, parse_network
from filter_ban.firewall import Change, Command, DesiredTable
from filter_ban.firewall.ipfw import Ipfw
from tests.filter_ban.firewall.fake_filter import FakeFilter, networks

HOST = parse_network("192.0.2.7")
WIDE = parse_network("203.0.113.0/24")
SITE = parse_network("2001:db8:1:2::/64")
NOW_S = 1_700_000_000
END_S = NOW_S + 900

RULE = "00100 deny ip from table(filter-ban) to any"
ALLOW = "65535 allow ip from any to any"
INFO = """\
--- table(filter-ban), set(0) ---
 kindex: 1, type: addr
 references: 1, valtype: legacy
 algorithm: addr:radix
 items: 0, size: 296
"""
NO_RULE = "no rule denies table(filter-ban); 'filter-ban setup ipfw --apply' adds one"
DISABLED = "ipfw is disabled; 'ipfw enable firewall' enables it"


def table_of(*entries: str, **settings_: object) -> dict[str, object]:
    """Return a table of the fake."""
    return {"type": "addr", "limit": 0, "locked": False, "entries": dict.fromkeys(entries, 0)} | settings_


class FakeIpfw(FakeFilter):
    """The packet filter behind the fake ipfw and sysctl."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            "fake_ipfw.py",
            ("ipfw", "sysctl"),
            switches={"net.inet.ip.fw.enable": 1, "net.inet6.ip6.fw.enable": 1},
            denied=False,
            room=200_000,
            tables={"others": table_of("198.51.100.0/24")},
            rules=[RULE, ALLOW],
        )

    def fill(self, *entries: str, **settings_: object) -> None:
        """Make our table anew."""
        self.set(tables={"filter-ban": table_of(*entries, **settings_)})

    @property
    def entries(self) -> set[str]:
        """The entries of our table."""
        return set(self["tables"]["filter-ban"]["entries"])


@pytest.fixture
def ipfw(tmp_path: Path) -> FakeIpfw:
    """Return a packet filter that has our rule, and no table of ours."""
    return FakeIpfw(tmp_path)


def test_change_is_exact() -> None:
    """One batch on standard input: what is removed comes first."""
    change = Change(
        adds=[(HOST, 960), (SITE, None)], updates=[(WIDE, 960)], removes=[parse_network("192.0.2.8")]
    )

    assert Ipfw().change_commands(change) == (
        Command(
            ("ipfw", "-q", "/dev/stdin"),
            b"table filter-ban delete 192.0.2.8\n"
            b"table filter-ban add 192.0.2.7\n"
            b"table filter-ban add 2001:db8:1:2::/64\n"
            b"table filter-ban add 203.0.113.0/24\n",
            60.0,
        ),
    )


def test_no_change_is_no_command() -> None:
    """Nothing to do starts no process."""
    assert not Ipfw().change_commands(Change())


@pytest.mark.parametrize(
    ("info", "rules", "switches", "exists", "problem"),
    [
        (INFO, RULE, "1\n1\n", True, ""),
        (INFO, RULE, "1\n", True, ""),
        (INFO, "00100 deny tcp from table(filter-ban) to any 25,465,587 in", "1\n1\n", True, ""),
        (INFO, "00100 set 3 reset log logamount 5 tcp from table(filter-ban) to me", "1\n1\n", True, ""),
        (INFO, "00100 unreach host ip from { table(a) or table(filter-ban) } to any", "1\n1\n", True, ""),
        (INFO, "00100 deny tcp from any to any src-ip table(filter-ban)", "1\n1\n", True, ""),
        (INFO, "00100 deny ip from any to any lookup src-ip filter-ban", "1\n1\n", True, ""),
        (INFO, f"00090 check-state :default\n{RULE}\n{ALLOW}", "1\n1\n", True, ""),
        (INFO.replace("addr", "addr, locked", 1), RULE, "1\n1\n", True, ""),
        (INFO, ALLOW, "1\n1\n", True, NO_RULE),
        (INFO, "00100 allow ip from table(filter-ban) to any", "1\n1\n", True, NO_RULE),
        (INFO, "00100 count ip from table(filter-ban) to any", "1\n1\n", True, NO_RULE),
        (INFO, "00100 deny ip from not table(filter-ban) to any", "1\n1\n", True, NO_RULE),
        (INFO, "00100 deny ip from any to table(filter-ban)", "1\n1\n", True, NO_RULE),
        (INFO, "00100 deny ip from table(filter-ban2) to any", "1\n1\n", True, NO_RULE),
        (INFO, "00100 deny ip from any to any lookup src-ip filter-ban-2", "1\n1\n", True, NO_RULE),
        (INFO, RULE, "0\n1\n", True, DISABLED),
        (INFO, RULE, "1\n0\n", True, DISABLED),
        (INFO, RULE, "", True, DISABLED),
        (
            INFO.replace("type: addr", "type: iface"),
            RULE,
            "1\n1\n",
            True,
            "table filter-ban is not of type addr",
        ),
        (INFO.replace("filter-ban", "others"), RULE, "1\n1\n", False, ""),
        (INFO.replace("set(0)", "set(4)"), RULE, "1\n1\n", False, ""),
        ("", "", "1\n1\n", False, NO_RULE),
    ],
)
def test_check_knows_whether_entries_act(
    info: str, rules: str, switches: str, exists: bool, problem: str
) -> None:
    """An entry acts when a rule denies what is in the table and ipfw is enabled; what is wrong is said."""
    check = Ipfw().parse_check([info.encode(), rules.encode() + b"\n", switches.encode()])

    assert check.exists == exists
    assert check.problem.startswith(problem)
    assert bool(check.problem) == bool(problem)


@pytest.mark.parametrize(
    ("listing", "clients"),
    [
        (b"", []),
        (b"192.0.2.7/32 0\n203.0.113.0/24 0\n2001:db8:1:2::/64 0\n", [HOST, WIDE, SITE]),
        (b"192.0.2.7/32 0,0,0.0.0.0,::\n", [HOST]),
    ],
)
def test_listing_is_one_prefix_a_line(listing: bytes, clients: list[ClientKey]) -> None:
    """Hosts have a prefix length too, and a value follows."""
    assert Ipfw().parse_list([listing]) == dict.fromkeys(clients, 0)


@given(st.lists(st.binary(max_size=80), min_size=3, max_size=3))
def test_garbage_is_a_value_error_at_most(outputs: list[bytes]) -> None:
    """Whatever the tools print, nothing but ValueError is raised, and only by the listing."""
    Ipfw().parse_check(outputs)
    try:
        Ipfw().parse_list(outputs[:1])
    except ValueError:
        return


@pytest.mark.parametrize(
    "table", ["", "-x", "a b", "a" * 64, "x/y", "all", "tab\n", "1", "x,1", "x#", "ünicode"]
)
def test_impossible_table_names_its_key(table: str) -> None:
    """What cannot be a word of ipfw's language is refused with the key of the configuration."""
    with pytest.raises(ValueError, match=r"^firewall\.table: "):
        Ipfw(table=table)


def test_table_is_made_filled_kept_and_mended(ipfw: FakeIpfw) -> None:
    """Start, change, restart and drift, as the packet filter sees them."""
    table = DesiredTable(Ipfw(), ipfw.run)
    table.replace({HOST: END_S, SITE: None})

    assert set(table.sync(NOW_S).in_force) == {HOST, SITE}
    assert ipfw.entries == {"192.0.2.7/32", "2001:db8:1:2::/64"}

    changed = table.apply({WIDE: END_S}, [HOST], NOW_S)
    assert list(changed.in_force) == [WIDE]
    assert ipfw.entries == {"2001:db8:1:2::/64", "203.0.113.0/24"}

    restarted = DesiredTable(Ipfw(), ipfw.run)
    restarted.replace({SITE: None, WIDE: END_S})
    ipfw.set(log=[])
    assert set(restarted.sync(NOW_S).in_force) == {SITE, WIDE}
    assert [argv[1] for argv in ipfw["log"]] == ["table", "list", "-i", "table"]

    ipfw.set(tables=ipfw["tables"] | {"filter-ban": table_of("192.0.2.99/32", "203.0.113.0/24")})
    mended = restarted.sync(NOW_S)
    assert (list(mended.drifted), list(mended.foreign)) == ([SITE], [parse_network("192.0.2.99")])
    assert ipfw.entries == {"203.0.113.0/24", "2001:db8:1:2::/64"}
    assert list(ipfw["tables"]["others"]["entries"]) == ["198.51.100.0/24"]


@pytest.mark.parametrize("removes", [[], [HOST]], ids=["at a comparison", "at a removal"])
def test_table_that_is_gone_is_made_again(ipfw: FakeIpfw, removes: list[ClientKey]) -> None:
    """After `ipfw table NAME destroy` everything is put back."""
    table = DesiredTable(Ipfw(), ipfw.run)
    table.apply({HOST: END_S, SITE: END_S}, [], NOW_S)
    ipfw.set(tables={})

    table.apply({}, removes, NOW_S)
    table.sync(NOW_S)

    assert ipfw.entries == {"2001:db8:1:2::/64"} | (set() if removes else {"192.0.2.7/32"})


def test_twice_is_once(ipfw: FakeIpfw) -> None:
    """Making what is there, adding what is there, and removing what is not, is no error."""
    backend = Ipfw()
    commands = [
        *backend.setup_commands([(32, 32)]),
        *backend.change_commands(Change(adds=[(HOST, None), (SITE, 60)])),
        *backend.setup_commands([(32, 32), (128, 64)]),
        *backend.change_commands(Change(adds=[(HOST, 60)], updates=[(SITE, None)])),
        *backend.change_commands(Change(removes=[SITE, WIDE])),
        *backend.change_commands(Change(removes=[SITE])),
    ]
    for command in commands:
        ipfw.run(command)

    assert ipfw.entries == {"192.0.2.7/32"}


def test_missing_rule_is_a_failure_of_all_and_ends_when_it_is_there(ipfw: FakeIpfw) -> None:
    """Entries that no rule denies are in the table, and are not said to be in force."""
    ipfw.set(rules=[ALLOW])
    table = DesiredTable(Ipfw(), ipfw.run)

    first = table.apply({HOST: END_S}, [], NOW_S)
    assert first.failed == {HOST: NO_RULE}
    assert first.rule_present is False
    assert ipfw.entries == {"192.0.2.7/32"}

    ipfw.set(rules=[RULE, ALLOW])
    assert list(table.sync(NOW_S).in_force) == [HOST]


def test_disabled_filter_is_told(ipfw: FakeIpfw) -> None:
    """With the firewall switched off no entry is said to be in force."""
    ipfw.set(switches={"net.inet.ip.fw.enable": 0})
    table = DesiredTable(Ipfw(), ipfw.run)

    assert table.apply({HOST: END_S}, [], NOW_S).problem == DISABLED


@pytest.mark.parametrize(
    ("room", "limit", "why"), [(5, 0, "Cannot allocate memory"), (200_000, 5, "limit hit")]
)
def test_full_table_takes_what_it_can(ipfw: FakeIpfw, room: int, limit: int, why: str) -> None:
    """Beyond the table's limit, or the kernel's memory, only the rest fails for long, with ipfw's reason."""
    ipfw.set(room=room)
    ipfw.fill(limit=limit)
    clients = [parse_network(f"198.51.100.{number}") for number in range(8)]
    table = DesiredTable(Ipfw(), ipfw.run)

    first = table.apply(dict.fromkeys(clients, END_S), [], NOW_S)
    second = table.sync(NOW_S)

    assert len(ipfw.entries) == 5
    assert len({*first.in_force, *second.in_force}) == 5
    assert {text.partition("failed: ")[2] for text in first.failed.values()} == {why}


def test_locked_table_is_told(ipfw: FakeIpfw) -> None:
    """A table that the administrator has locked says so."""
    ipfw.fill(locked=True)
    table = DesiredTable(Ipfw(), ipfw.run)

    report = table.apply({HOST: END_S}, [], NOW_S)

    assert report.failed == {HOST: "ipfw (status 71): Line 1: Adding record failed: table is locked"}


def test_other_kind_of_table_is_left_alone(ipfw: FakeIpfw) -> None:
    """A table that was made otherwise is not replaced; the reason is ipfw's."""
    ipfw.fill(limit=1000)
    (setup,) = Ipfw().setup_commands([(32, 32)])

    with pytest.raises(Exception, match="not compatible with one you are creating"):
        ipfw.run(setup)
    assert ipfw["tables"]["filter-ban"]["limit"] == 1000


def test_missing_privilege_is_told(ipfw: FakeIpfw) -> None:
    """Without root the reason is ipfw's own, and no command is repeated."""
    ipfw.set(denied=True)
    table = DesiredTable(Ipfw(), ipfw.run)

    report = table.apply({HOST: END_S}, [], NOW_S)

    assert report.failed == {HOST: "ipfw (status 69): ipfw: socket: Operation not permitted"}
    assert len(ipfw["log"]) == 1


def test_100_000_entries_are_a_few_commands(ipfw: FakeIpfw) -> None:
    """The number of commands does not grow with that of the entries, in or out."""
    clients = [make_key((0x0A000000 + number).to_bytes(4), 32) for number in range(100_000)]
    table = DesiredTable(Ipfw(), ipfw.run)
    table.replace(dict.fromkeys(clients, END_S))

    assert len(table.sync(NOW_S).in_force) == len(ipfw.entries) == 100_000
    assert len(ipfw["log"]) == 5  # tables, rules, switches, create, batch

    ipfw.set(log=[])
    table.apply({}, clients[1:], NOW_S)
    assert ipfw.entries == {"10.0.0.0/32"}
    assert ipfw["log"] == [["ipfw", "-q", "/dev/stdin"]]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks)
def test_what_is_added_is_listed(ipfw: FakeIpfw, clients: set[ClientKey]) -> None:
    """Addresses and prefixes come back as they were sent."""
    ipfw.fill()
    backend = Ipfw()
    for command in backend.change_commands(Change(adds=[(key, None) for key in clients])):
        ipfw.run(command)

    assert backend.parse_list([ipfw.run(command) for command in backend.list_commands()]).keys() == clients
