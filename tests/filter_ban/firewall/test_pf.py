# SPDX-License-Identifier: ISC
"""Tests for pf: command lines as data, and the whole way through a strict fake of pfctl."""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_ban.client import ClientKey, make_key, parse_network
from filter_ban.firewall import Change, Command, DesiredTable
from filter_ban.firewall.pf import MAX_KILLS, Pf
from tests.filter_ban.firewall.fake_filter import FakeFilter, networks

HOST = parse_network("192.0.2.7")
WIDE = parse_network("203.0.113.0/24")
SITE = parse_network("2001:db8:1:2::/64")
NOW_S = 1_700_000_000
END_S = NOW_S + 900


class FakePf(FakeFilter):
    """The packet filter behind the fake pfctl; the xargs is real."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder,
            "fake_pfctl.py",
            ("pfctl",),
            enabled=True,
            denied=False,
            limit=200_000,
            rules=["filter-ban"],
            tables={},
            counters=True,
            blocked={},
            states=[],
        )
        (folder / "xargs").symlink_to(shutil.which("xargs") or "/usr/bin/xargs")


@pytest.fixture
def pf(tmp_path: Path) -> FakePf:
    """Return an empty packet filter whose pf.conf has our rule."""
    return FakePf(tmp_path)


def on_table(*words: str, table: str = "filter-ban", stdin: bytes = b"") -> Command:
    """Return a command on the table."""
    return Command(("pfctl", "-q", "-t", table, "-T", *words), stdin, 60.0)


def test_change_is_exact() -> None:
    """Addresses go through stdin; what is removed comes first, and the states of new clients are killed last."""
    change = Change(
        adds=[(HOST, 960), (SITE, None)], updates=[(WIDE, 960)], removes=[parse_network("192.0.2.8")]
    )

    assert Pf().change_commands(change) == [
        on_table("delete", "-f", "-", stdin=b"192.0.2.8\n"),
        on_table("add", "-f", "-", stdin=b"192.0.2.7\n2001:db8:1:2::/64\n203.0.113.0/24\n"),
        Command(("xargs", "-n", "1", "pfctl", "-q", "-k"), b"192.0.2.7\n2001:db8:1:2::/64\n", 60.02),
    ]


def test_no_change_is_no_command() -> None:
    """Nothing to do starts no process."""
    assert not Pf().change_commands(Change())


def test_anchor_is_named_in_table_commands() -> None:
    """A table may stand in an anchor; states do not."""
    commands = Pf(table="mail/ban/clients").change_commands(Change(adds=[(HOST, None)]))

    assert [command.argv for command in commands] == [
        ("pfctl", "-q", "-a", "mail/ban", "-t", "clients", "-T", "add", "-f", "-"),
        ("pfctl", "-q", "-k", "192.0.2.7"),
    ]


def test_states_stay_where_only_some_ports_are_closed() -> None:
    """Killing by address would cut a client's other connections too."""
    assert len(Pf(ports=[25]).change_commands(Change(adds=[(HOST, None)]))) == 1


def test_kills_are_bounded() -> None:
    """A reload of many clients starts one command, not one for each."""
    clients = [parse_network(f"198.51.{high}.7") for high in range(256)] + [HOST]
    assert len(clients) > MAX_KILLS

    assert len(Pf().change_commands(Change(adds=[(key, None) for key in clients]))) == 1


@pytest.mark.parametrize(
    ("tables", "info", "exists", "problem"),
    [
        ("-pa-r--\tfilter-ban\n", "Status: Enabled for 1 days", True, ""),
        ("--a-r-\tspammers\n-pa-r-\tfilter-ban\n", "Status: Enabled for 1 days", True, ""),
        ("-pa--h-\tfilter-ban\n", "Status: Enabled for 1 days", True, ""),
        (
            "-pa----\tfilter-ban\n",
            "Status: Enabled for 1 days",
            True,
            "no rule uses <filter-ban>",
        ),
        ("-pa-r--\tfilter-ban2\n", "Status: Enabled for 1 days", False, "no rule uses"),
        ("", "Status: Enabled for 1 days", False, "no rule uses"),
        ("-pa-r--\tfilter-ban\n", "Status: Disabled for 0 days", True, "pf is disabled"),
    ],
)
def test_check_knows_whether_entries_act(tables: str, info: str, exists: bool, problem: str) -> None:
    """An entry acts when a rule refers to its table and pf is enabled; what is wrong is said."""
    check = Pf().parse_check([tables.encode(), info.encode()])

    assert check.exists == exists
    assert check.problem.startswith(problem)
    assert bool(check.problem) == bool(problem)


OPENBSD = b"""\
   192.0.2.7
\tCleared:     Tue Nov 14 22:13:20 2023
\tIn/Block:    [ Packets: 12                 Bytes: 720                ]
\tIn/Match:    [ Packets: 0                  Bytes: 0                  ]
\tIn/Pass:     [ Packets: 99                 Bytes: 5940               ]
\tOut/Block:   [ Packets: 1                  Bytes: 60                 ]
\tOut/Match:   [ Packets: 0                  Bytes: 0                  ]
\tOut/Pass:    [ Packets: 98                 Bytes: 5880               ]
   203.0.113.0/24
\tCleared:     Tue Nov 14 22:13:20 2023
  !203.0.113.9
\tCleared:     Tue Nov 14 22:13:20 2023
\tIn/Block:    [ Packets: 5                  Bytes: 300                ]
   2001:db8:1:2::/64
\tCleared:     Tue Nov 14 22:13:20 2023
\tIn/Block:    [ Packets: 18446744073709551615 Bytes: 0                  ]
"""


@pytest.mark.parametrize(
    ("listing", "clients"),
    [
        (b"", {}),
        (b"   192.0.2.7\n   203.0.113.0/24\n   2001:db8:1:2::/64\n", {HOST: 0, WIDE: 0, SITE: 0}),
        (OPENBSD, {HOST: 13, WIDE: 0, SITE: (1 << 64) - 1}),
    ],
    ids=["empty", "without details", "with counters, without, and an exception"],
)
def test_listing_is_a_client_and_its_details(listing: bytes, clients: dict[ClientKey, int]) -> None:
    """Addresses and prefixes come as pfctl prints them, blocked packets both ways; exceptions are not ours."""
    assert Pf().parse_list([listing]) == clients


@pytest.mark.parametrize(
    "line", [b"pfctl: oops", b"   192.0.2.7/33", b"\tIn/Block: many", b"   192.0.2.7\n\tCleard:     now"]
)
def test_odd_line_is_no_listing(line: bytes) -> None:
    """A line of another form is told, rather than read as an empty table."""
    with pytest.raises(ValueError, match=r"192|pfctl"):
        Pf().parse_list([line])


@pytest.mark.parametrize(
    "table", ["", "-x", "a b", "a" * 32, "x//y", "tab\n", "/t", "a" * 64 + "/t", "ünicode"]
)
def test_impossible_table_names_its_key(table: str) -> None:
    """What cannot be an argument of pfctl is refused with the key of the configuration."""
    with pytest.raises(ValueError, match=r"^firewall\.table: "):
        Pf(table=table)


@given(st.lists(st.binary(max_size=60), min_size=2, max_size=2))
def test_garbage_is_a_value_error_at_most(outputs: list[bytes]) -> None:
    """Whatever pfctl prints, nothing but ValueError is raised, and only by the listing."""
    Pf().parse_check(outputs)
    try:
        Pf().parse_list(outputs[:1])
    except ValueError:
        return


def test_table_is_filled_kept_and_mended(pf: FakePf) -> None:
    """Start, change, restart and drift, as the packet filter sees them."""
    pf.set(states=["192.0.2.7", "192.0.2.9", "2001:db8:1:2::5"])
    table = DesiredTable(Pf(), pf.run)
    table.replace({HOST: END_S, SITE: None})

    started = table.sync(NOW_S)
    assert pf["tables"] == {"filter-ban": ["192.0.2.7", "2001:db8:1:2::/64"]}
    assert pf["states"] == ["192.0.2.9"]
    # Until the table was there no rule could be seen to use it.
    assert set(started.failed) == {HOST, SITE}
    assert set(table.sync(NOW_S).in_force) == {HOST, SITE}

    changed = table.apply({WIDE: END_S}, [HOST], NOW_S)
    assert list(changed.in_force) == [WIDE]
    assert pf["tables"] == {"filter-ban": ["2001:db8:1:2::/64", "203.0.113.0/24"]}

    restarted = DesiredTable(Pf(), pf.run)
    restarted.replace({SITE: None, WIDE: END_S})
    pf.set(log=[])
    assert set(restarted.sync(NOW_S).in_force) == {SITE, WIDE}
    assert not [argv for argv in pf["log"] if "add" in argv or "delete" in argv or "-k" in argv]

    pf.set(tables={"filter-ban": ["192.0.2.99", "203.0.113.0/24"]})
    mended = restarted.sync(NOW_S)
    assert (list(mended.drifted), list(mended.foreign)) == ([SITE], [parse_network("192.0.2.99")])
    assert pf["tables"] == {"filter-ban": ["203.0.113.0/24", "2001:db8:1:2::/64"]}


def test_packets_that_were_blocked_are_told(pf: FakePf) -> None:
    """Each comparison reports what was blocked since the last one."""
    table = DesiredTable(Pf(), pf.run)
    table.replace({HOST: END_S, SITE: END_S})
    table.sync(NOW_S)
    pf.set(blocked={"192.0.2.7": 12})

    assert dict(table.sync(NOW_S).dropped) == {HOST: 12}
    pf.set(blocked={"192.0.2.7": 15})
    assert dict(table.sync(NOW_S).dropped) == {HOST: 3}
    assert dict(table.sync(NOW_S).dropped) == {}


def test_twice_is_once(pf: FakePf) -> None:
    """Adding what is there, and removing what is not, is no error."""
    backend = Pf()
    for change in (
        Change(adds=[(HOST, None), (SITE, 60)]),
        Change(adds=[(HOST, 60)], updates=[(SITE, None)]),
        Change(removes=[SITE, WIDE]),
        Change(removes=[SITE]),
    ):
        for command in backend.change_commands(change):
            pf.run(command)

    assert backend.parse_list([pf.run(command) for command in backend.list_commands()]) == {HOST: 0}


def test_100_000_entries_are_a_few_commands(pf: FakePf) -> None:
    """The number of commands does not grow with that of the entries."""
    ends: dict[ClientKey, int | None] = {
        make_key((0x0A000000 + number).to_bytes(4), 32): END_S for number in range(100_000)
    }
    pf.set(tables={"filter-ban": ["192.0.2.9"]})
    table = DesiredTable(Pf(), pf.run)
    table.replace(ends)

    report = table.sync(NOW_S)

    assert len(report.in_force) == len(pf["tables"]["filter-ban"]) == 100_000
    assert len(pf["log"]) == 5  # tables, state, list, delete, add
    assert len(table.sync(NOW_S).drifted) == 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks)
def test_what_is_added_is_listed(pf: FakePf, clients: set[ClientKey]) -> None:
    """Addresses and prefixes come back as they were sent."""
    pf.set(tables={"filter-ban": []})
    backend = Pf(ports=[25])
    for command in backend.change_commands(Change(adds=[(key, None) for key in clients])):
        pf.run(command)

    assert backend.parse_list([pf.run(command) for command in backend.list_commands()]).keys() == clients


def test_table_that_is_gone_is_made_again(pf: FakePf) -> None:
    """After `pfctl -T kill` a removal notices, and everything is put back."""
    table = DesiredTable(Pf(), pf.run)
    table.apply({HOST: END_S, SITE: END_S}, [], NOW_S)
    table.sync(NOW_S)
    pf.set(tables={})

    table.apply({}, [HOST], NOW_S)

    assert pf["tables"] == {"filter-ban": ["2001:db8:1:2::/64"]}


def test_missing_rule_is_a_failure_of_all_and_ends_when_it_is_there(pf: FakePf) -> None:
    """Entries that no rule uses are in the table, and are not said to be in force."""
    pf.set(rules=[], tables={"filter-ban": []})
    table = DesiredTable(Pf(), pf.run)

    first = table.apply({HOST: END_S}, [], NOW_S)
    assert first.problem == "no rule uses <filter-ban>; 'filter-ban setup pf --apply' adds one to pf.conf"
    assert first.failed == {HOST: first.problem}
    assert first.rule_present is False
    assert not first.in_force
    assert not table.sync(NOW_S).failed  # said once

    pf.set(rules=["filter-ban"])
    assert list(table.sync(NOW_S).in_force) == [HOST]


def test_full_table_takes_what_it_can(pf: FakePf) -> None:
    """Beyond pf's limit of entries only the rest fails, with pf's reason."""
    pf.set(limit=60, tables={"filter-ban": []})
    clients = [parse_network(f"198.51.100.{number}") for number in range(100)]
    table = DesiredTable(Pf(ports=[25]), pf.run)

    report = table.apply(dict.fromkeys(clients, END_S), [], NOW_S)

    assert len(report.in_force) == len(pf["tables"]["filter-ban"]) == 60
    assert set(report.failed.values()) == {"pfctl (status 1): pfctl: Cannot allocate memory."}


def test_missing_privilege_is_told(pf: FakePf) -> None:
    """Without access to /dev/pf the reason is pfctl's own, and no command is repeated."""
    pf.set(denied=True)
    table = DesiredTable(Pf(), pf.run)

    report = table.apply({HOST: END_S}, [], NOW_S)

    assert report.failed == {HOST: "pfctl (status 1): pfctl: /dev/pf: Permission denied"}
    assert len(pf["log"]) == 1
