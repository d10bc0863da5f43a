# SPDX-License-Identifier: ISC
"""Tests for npf: command lines as data, and the whole way through a strict fake of npfctl."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_ban.client import ClientKey, make_key, parse_network
from filter_ban.firewall import Change, Command, DesiredTable, FirewallError
from filter_ban.firewall.npf import MAX_TESTS, Npf
from tests.filter_ban.firewall.fake_filter import FakeFilter, networks

HOST = parse_network("192.0.2.7")
WIDE = parse_network("203.0.113.0/24")
MEMBER = parse_network("203.0.113.5")
SITE = parse_network("2001:db8:1:2::/64")
NOW_S = 1_700_000_000
END_S = NOW_S + 900

RULE = "block in final from <filter-ban>"
SHOWN = f"""\
# filtering:\tactive
# config:\tloaded

table <filter-ban> type lpm

procedure "log"

group default {{
\t{RULE}\x20
\tpass stateful all\x20
}}

"""
NO_TABLE = "there is no table <filter-ban>; 'filter-ban setup npf --apply' declares it in npf.conf"
NO_RULE = "no rule blocks <filter-ban>; 'filter-ban setup npf --apply' adds one to npf.conf"


class FakeNpf(FakeFilter):
    """The packet filter behind the fake npfctl and xargs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            "fake_npfctl.py",
            ("npfctl", "xargs"),
            active=True,
            denied=False,
            limit=200_000,
            tables={"filter-ban": {"type": "lpm", "entries": []}},
            rules=[RULE, "pass stateful all"],
        )

    def fill(self, *entries: str, table: str = "filter-ban") -> None:
        """Put entries, and nothing else, into a table."""
        self.set(tables=self["tables"] | {table: {"type": "lpm", "entries": list(entries)}})

    @property
    def entries(self) -> set[str]:
        """The entries of our table."""
        return set(self["tables"]["filter-ban"]["entries"])


@pytest.fixture
def npf(tmp_path: Path) -> FakeNpf:
    """Return a packet filter whose npf.conf has our table, empty, and our rule."""
    return FakeNpf(tmp_path)


def on_table(*words: str) -> tuple[str, ...]:
    """Return the arguments of npfctl for the table."""
    return ("npfctl", "table", "filter-ban", *words)


def test_change_is_exact() -> None:
    """Removed first, added widest first; npfctl's status tells nothing, so what was added is tested."""
    change = Change(
        adds=[(HOST, 960), (SITE, None)], updates=[(WIDE, 960)], removes=[parse_network("192.0.2.8")]
    )

    assert Npf().change_commands(change) == [
        Command(on_table("rem", "192.0.2.8"), may_fail=True),
        Command(
            ("xargs", "-n", "1", *on_table("add")),
            b"203.0.113.0/24\n192.0.2.7\n2001:db8:1:2::/64\n",
            60.03,
            may_fail=True,
        ),
        Command(on_table("test", "203.0.113.255")),
        Command(on_table("test", "192.0.2.7")),
        Command(on_table("test", "2001:db8:1:2:ffff:ffff:ffff:ffff")),
    ]


def test_no_change_is_no_command() -> None:
    """Nothing to do starts no process."""
    assert not Npf().change_commands(Change())


def test_many_are_proven_by_one_listing() -> None:
    """Beyond a few entries, the listing shows whether they were added."""
    adds = [(make_key(bytes((10, 0, 0, number)), 32), None) for number in range(MAX_TESTS + 1)]

    add, proof = Npf().change_commands(Change(adds=adds))

    assert add.argv == ("xargs", "-n", "1", *on_table("add"))
    assert proof.argv == on_table("list")
    assert proof.heed is not None
    proof.heed(b"".join(b"10.0.0.%d/32\n" % number for number in range(9)))
    proof.heed(b"10.0.0.0/24\n")  # covered is as good as added
    with pytest.raises(FirewallError, match=r"^npfctl: 8 of 9 entries could not be added$"):
        proof.heed(b"10.0.0.4/32\n")
    with pytest.raises(FirewallError, match=r"^npfctl: npfctl printed 'oops', which is no entry$"):
        proof.heed(b"oops\n")


@pytest.mark.parametrize(
    ("changes", "exists", "problem"),
    [
        ({}, True, ""),
        ({RULE: "block return-rst in final proto tcp from <filter-ban> to any port { 25, 465 }"}, True, ""),
        ({RULE: "block in final from { 192.0.2.0/24, <filter-ban>, <others> }"}, True, ""),
        ({RULE: 'block in final from <filter-ban> apply "log"'}, True, ""),
        ({"group default": 'group "ext" in on wm0'}, True, ""),
        ({RULE: "block in final from ! <filter-ban>"}, True, NO_RULE),
        ({RULE: "block out final to <filter-ban>"}, True, NO_RULE),
        ({RULE: "pass in final from <filter-ban>"}, True, NO_RULE),
        ({RULE: "block in final from <filter-ban2>"}, True, NO_RULE),
        ({"type lpm": "type ipset"}, True, "<filter-ban> must be a table of type lpm; 'filter-ban setup npf"),
        ({"\tactive": "\tinactive"}, True, "npf is not active; 'npfctl start' starts it"),
        ({"table <filter-ban>": "table <filter-ban2>"}, False, NO_TABLE),
    ],
)
def test_check_knows_whether_entries_act(changes: dict[str, str], exists: bool, problem: str) -> None:
    """An entry acts when a rule blocks what is in the table and npf is active; what is wrong is said."""
    shown = SHOWN
    for old, new in changes.items():
        assert old in shown
        shown = shown.replace(old, new)

    check = Npf().parse_check([shown.encode()])

    assert check.exists == exists
    assert check.problem.startswith(problem)
    assert bool(check.problem) == bool(problem)


@pytest.mark.parametrize(
    ("listing", "clients"),
    [
        (b"", []),
        (b"192.0.2.7/32\n203.0.113.0/24\n2001:db8:1:2::/64\n", [HOST, WIDE, SITE]),
        (b"203.0.113.77/24\n192.0.2.7\n", [WIDE, HOST]),
    ],
    ids=["empty", "our own", "an administrator's"],
)
def test_listing_is_one_prefix_a_line(listing: bytes, clients: list[ClientKey]) -> None:
    """Hosts have a prefix length too; bits to the right of it mean nothing to npf."""
    assert Npf().parse_list([listing]) == dict.fromkeys(clients, 0)


@pytest.mark.parametrize(
    "line", [b"npfctl: oops", b"192.0.2.7/33", b"::/129", b"\xff/8", b" 192.0.2.7", b"1.2.3/8"]
)
def test_odd_line_is_no_listing(line: bytes) -> None:
    """A line of another form is told, rather than read as an empty table."""
    with pytest.raises(ValueError, match=r"192|npfctl|address"):
        Npf().parse_list([line])


@given(st.binary(max_size=80))
def test_garbage_is_a_value_error_at_most(output: bytes) -> None:
    """Whatever npfctl prints, nothing but ValueError is raised, and only by the listing."""
    Npf().parse_check([output])
    try:
        Npf().parse_list([output])
    except ValueError:
        return


@pytest.mark.parametrize("table", ["", "-x", "a b", "a" * 32, "x/y", "x.y", "tab\n", "1", "ünicode"])
def test_impossible_table_names_its_key(table: str) -> None:
    """What npf.conf cannot name is refused with the key of the configuration."""
    with pytest.raises(ValueError, match=r"^firewall\.table: "):
        Npf(table=table)


def test_table_is_filled_kept_and_mended(npf: FakeNpf) -> None:
    """Start, change, restart and drift, as the packet filter sees them."""
    npf.fill("198.51.100.0/24", table="others")
    table = DesiredTable(Npf(), npf.run)
    table.replace({HOST: END_S, SITE: None})

    assert set(table.sync(NOW_S).in_force) == {HOST, SITE}
    assert npf.entries == {"192.0.2.7/32", "2001:db8:1:2::/64"}

    changed = table.apply({WIDE: END_S}, [HOST], NOW_S)
    assert list(changed.in_force) == [WIDE]
    assert npf.entries == {"2001:db8:1:2::/64", "203.0.113.0/24"}

    restarted = DesiredTable(Npf(), npf.run)
    restarted.replace({SITE: None, WIDE: END_S})
    npf.set(log=[])
    assert set(restarted.sync(NOW_S).in_force) == {SITE, WIDE}
    assert npf["log"] == [["npfctl", "show"], [*on_table("list")]]

    npf.fill("192.0.2.99/32", "203.0.113.0/24")
    mended = restarted.sync(NOW_S)
    assert (list(mended.drifted), list(mended.foreign)) == ([SITE], [parse_network("192.0.2.99")])
    assert npf.entries == {"203.0.113.0/24", "2001:db8:1:2::/64"}

    npf.fill()
    assert set(restarted.sync(NOW_S).drifted) == {SITE, WIDE}
    assert npf["tables"]["others"]["entries"] == ["198.51.100.0/24"]


def test_twice_is_once(npf: FakeNpf) -> None:
    """Adding what is there, and removing what is not, is no error."""
    backend = Npf()
    for change in (
        Change(adds=[(HOST, None), (SITE, 60)]),
        Change(adds=[(HOST, 60)], updates=[(SITE, None)]),
        Change(removes=[SITE, WIDE]),
        Change(removes=[SITE]),
    ):
        for command in backend.change_commands(change):
            npf.run(command)

    assert npf.entries == {"192.0.2.7/32"}


def test_covered_client_is_in_force(npf: FakeNpf) -> None:
    """An lpm table takes no entry inside another one, and needs none."""
    npf.fill("203.0.113.0/24")
    table = DesiredTable(Npf(), npf.run)
    table.replace({WIDE: END_S})
    table.sync(NOW_S)

    assert list(table.apply({MEMBER: END_S}, [], NOW_S).in_force) == [MEMBER]
    assert npf.entries == {"203.0.113.0/24"}

    table.apply({}, [MEMBER], NOW_S)
    assert npf.entries == set()  # npf's own way
    assert list(table.sync(NOW_S).drifted) == [WIDE]
    assert npf.entries == {"203.0.113.0/24"}


def test_prefix_that_begins_with_another_entry_waits(npf: FakeNpf) -> None:
    """An lpm table cannot take both at once; the wider one is not said to be in force."""
    first = parse_network("203.0.113.0")
    table = DesiredTable(Npf(), npf.run)
    table.apply({first: END_S}, [], NOW_S)

    assert table.apply({WIDE: END_S}, [], NOW_S).failed == {WIDE: "npfctl (status 1): npfctl: not found"}
    table.apply({}, [first], NOW_S)
    assert list(table.sync(NOW_S).in_force) == [WIDE]


def test_missing_table_is_told_and_nothing_is_tried(npf: FakeNpf) -> None:
    """Without the table no run for each client is started; when it is there, it is filled."""
    npf.set(tables={})
    clients = [make_key(bytes((10, 0, 0, number)), 32) for number in range(50)]
    table = DesiredTable(Npf(), npf.run)

    report = table.apply(dict.fromkeys(clients, END_S), [], NOW_S)

    assert set(report.failed.values()) == {f"npfctl: {NO_TABLE}"}
    assert report.problem == NO_TABLE
    assert {tuple(argv) for argv in npf["log"]} == {("npfctl", "show")}

    npf.fill()
    assert set(table.sync(NOW_S).in_force) == set(clients)


def test_missing_rule_is_a_failure_of_all_and_ends_when_it_is_there(npf: FakeNpf) -> None:
    """Entries that no rule blocks are in the table, and are not said to be in force."""
    npf.set(rules=["pass stateful all"])
    table = DesiredTable(Npf(), npf.run)

    first = table.apply({HOST: END_S}, [], NOW_S)
    assert first.failed == {HOST: NO_RULE}
    assert first.rule_present is False
    assert npf.entries == {"192.0.2.7/32"}

    npf.set(rules=[RULE])
    assert list(table.sync(NOW_S).in_force) == [HOST]


def test_stopped_filter_is_told(npf: FakeNpf) -> None:
    """After `npfctl stop` no entry is said to be in force."""
    npf.set(active=False)
    table = DesiredTable(Npf(), npf.run)

    assert table.apply({HOST: END_S}, [], NOW_S).problem == "npf is not active; 'npfctl start' starts it"


def test_full_table_takes_what_it_can(npf: FakeNpf) -> None:
    """Where the kernel's memory ends, what is in the table is in force at the next comparison, the rest failed."""
    npf.set(limit=60)
    clients = [parse_network(f"198.51.100.{number}") for number in range(100)]
    table = DesiredTable(Npf(), npf.run)
    table.replace({})
    table.sync(NOW_S)

    failed = table.apply(dict.fromkeys(clients, END_S), [], NOW_S).failed

    assert len(failed) == 40
    assert len(npf.entries) == 60


def test_reload_is_one_replacement(npf: FakeNpf) -> None:
    """What a comparison finds missing is put there at one stroke, entries that others cover left out."""
    clients = [make_key((0x0A000000 + number).to_bytes(4), 32) for number in range(30_000)]
    npf.fill("192.0.2.99/32")
    table = DesiredTable(Npf(), npf.run)
    table.replace(dict.fromkeys([*clients, WIDE, MEMBER, SITE], END_S))

    assert len(table.sync(NOW_S).in_force) == 30_003
    assert npf["log"][2:] == [[*on_table("replace", "-")]]
    assert len(npf.entries) == 30_002


def test_one_client_that_does_not_fit_is_told(npf: FakeNpf) -> None:
    """A single entry that was not added is found out by asking for it."""
    npf.set(limit=0)
    table = DesiredTable(Npf(), npf.run)

    assert table.apply({HOST: END_S}, [], NOW_S).failed == {HOST: "npfctl (status 1): npfctl: not found"}


def test_missing_privilege_is_told(npf: FakeNpf) -> None:
    """Without access to /dev/npf the reason is npfctl's own, and no command is repeated."""
    npf.set(denied=True)
    table = DesiredTable(Npf(), npf.run)

    report = table.apply({HOST: END_S}, [], NOW_S)

    assert report.failed == {HOST: "npfctl (status 1): npfctl: open: '/dev/npf': Permission denied"}
    assert len(npf["log"]) == 1


def test_100_000_entries_are_a_few_commands(npf: FakeNpf) -> None:
    """The number of commands does not grow with that of the entries, in or out."""
    clients = [make_key((0x0A000000 + number).to_bytes(4), 32) for number in range(100_000)]
    table = DesiredTable(Npf(), npf.run)
    table.replace(dict.fromkeys(clients, END_S))

    assert len(table.sync(NOW_S).in_force) == len(npf.entries) == 100_000
    assert [argv[0] for argv in npf["log"]] == [
        "npfctl",
        "npfctl",
        "xargs",
        "npfctl",
    ]  # show, list, add, list

    npf.set(log=[])
    table.apply({}, clients[1:], NOW_S)
    assert npf.entries == {"10.0.0.0/32"}
    assert npf["log"] == [["xargs", "-n", "1", *on_table("rem")]]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks)
def test_what_is_added_is_listed_or_covered(npf: FakeNpf, clients: set[ClientKey]) -> None:
    """Addresses and prefixes come back as they were sent, but for those inside another one."""
    npf.fill()
    backend = Npf()
    for command in backend.change_commands(Change(adds=[(key, None) for key in clients])):
        output = npf.run(command)
        if command.heed is not None:
            command.heed(output)

    listed = backend.parse_list([npf.run(command) for command in backend.list_commands()]).keys()

    assert listed <= clients
    for key in clients - listed:
        assert any(other[-1] < key[-1] and make_key(key[:-1], other[-1]) == other for other in listed)
