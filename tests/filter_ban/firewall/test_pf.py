# SPDX-License-Identifier: ISC
"""Tests for pf: command lines as data, and the whole way through a strict fake of pfctl."""

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.firewall import Change, Command, DesiredTable, Pf, Runner
from filter_ban.firewall.pf import MAX_KILLS

HOST = parse_network("192.0.2.7")
WIDE = parse_network("203.0.113.0/24")
SITE = parse_network("2001:db8:1:2::/64")
NOW_S = 1_700_000_000
END_S = NOW_S + 900


class FakePf:
    """The packet filter behind the fake pfctl."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "state.json"
        self.set(enabled=True, denied=False, limit=1000, rules=["filter-ban"], tables={}, states=[], log=[])
        script = Path(__file__).with_name("fake_pfctl.py")
        tool = folder / "pfctl"
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{script}" "{self._state}" "$@"\n')
        tool.chmod(stat.S_IRWXU)
        self.run = Runner(search_path=(str(folder),))

    def set(self, **changes: object) -> None:
        """Change the filter behind everybody's back."""
        before = json.loads(self._state.read_text()) if self._state.exists() else {}
        self._state.write_text(json.dumps(before | changes))

    def __getitem__(self, name: str) -> Any:
        return json.loads(self._state.read_text())[name]


@pytest.fixture
def pf(tmp_path: Path) -> Iterator[FakePf]:
    """Return an empty packet filter whose pf.conf has our rule."""
    return FakePf(tmp_path)  # type: ignore[return-value]


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
        Command(("pfctl", "-q", "-k", "192.0.2.7")),
        Command(("pfctl", "-q", "-k", "2001:db8:1:2::/64")),
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
    clients = [parse_network(f"198.51.{high}.{low}") for high in range(2) for low in range(MAX_KILLS)]

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


def test_listing_is_one_client_a_line() -> None:
    """Addresses and prefixes come as pfctl prints them."""
    assert Pf().parse_list([b"   192.0.2.7\n   203.0.113.0/24\n   2001:db8:1:2::/64\n"]) == {HOST, WIDE, SITE}


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
    assert first.problem == "no rule uses <filter-ban>; pf.conf needs 'block in quick from <filter-ban>'"
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
