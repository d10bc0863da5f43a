# SPDX-License-Identifier: ISC
"""``filter-ban show``."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cli.show import lines

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
NOTHING: Final[dict[str, Any]] = {
    "client": "192.0.2.7",
    "ban": None,
    "never": None,
    "strikes": 0,
    "events": [],
    "past_bans": [],
}


@pytest.fixture
def event(ban_document: dict[str, Any]) -> dict[str, Any]:
    """Return an event as the daemon tells it."""
    return {
        "client": "192.0.2.7",
        "time": ban_document["start"] - 0.5,
        "kind": "auth-fail",
        "weight": 1.0,
        "user": "al…@example.org",
        "service": "smtps",
    }


def test_why_am_i_blocked(
    run: Any, daemon: Any, ban_document: dict[str, Any], event: dict[str, Any], config_file: Path
) -> None:
    """A ban is told with its rule, its end, what led to it, and the command that lifts it."""
    current = {**ban_document, "enforcement": "unknown", "lifted": None, "lifted_by": ""}
    past = {
        **current,
        "start": current["start"] - 90_000,
        "end": current["start"] - 80_000,
        "reference": "OLD00001",
    }
    lifted = {**past, "lifted": past["start"] + 60, "lifted_by": "operator", "reference": "OLD00002"}
    daemon.answers["show"] = [
        {
            **NOTHING,
            "ban": ban_document,
            "strikes": 5,
            "events": [event] * 12,
            "past_bans": [current, past, lifted],
        }
    ]
    result = run("show", "192.0.2.7")
    told = result.stdout.splitlines()
    assert result.exit_code == 0
    assert result.stderr == ""
    assert daemon.requests == [{"command": "show", "client": "192.0.2.7"}]
    assert told[0] == "192.0.2.7 is banned."
    assert told[1].startswith("  since      20")
    assert told[1].endswith(" UTC (12m ago)")
    assert told[2].endswith(" UTC (in 2h)")
    assert told[3:9] == [
        "  rule       5 in 10m: failed logins",
        "  strikes    5.2",
        "  offence    2",
        "  reference  K7Q2ABCD",
        "  firewall   in force",
        f"  lift it    filter-ban --config {config_file} lift 192.0.2.7",
    ]
    assert told[9:11] == ["", "The last 10 events:"]
    assert told[11].endswith(" UTC  auth-fail  user al…@example.org  on smtps  weight 1")
    assert told[21:23] == ["", "Earlier bans:"]
    assert told[23].endswith("  192.0.2.7  5 in 10m: failed logins  OLD00001")
    assert "lifted by operator" in told[24]
    assert len(told) == 25


def test_part_of_a_prefix(ban_document: dict[str, Any]) -> None:
    """Where a prefix is banned, that is told, and it is the prefix that must be lifted."""
    ban = {**ban_document, "client": "192.0.2.0/24", "enforcement": "failed", "problem": "nft: no such table"}
    told = list(lines({**NOTHING, "ban": ban}, ban["start"]))
    assert told[0] == "192.0.2.7 is banned as part of 192.0.2.0/24."
    assert "  firewall   failed: nft: no such table" in told
    assert "  lift it    filter-ban lift 192.0.2.0/24" in told


def test_not_banned(run: Any, daemon: Any, event: dict[str, Any]) -> None:
    """A client with strikes alone is not banned, and its strikes are told."""
    daemon.answers["show"] = [{**NOTHING, "strikes": 2.2, "events": [event]}]
    result = run("show", "192.0.2.7")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "192.0.2.7 is not banned.\nIt has 2.2 strikes that still count.\n\nLast events:\n"
    )


def test_never_list(run: Any, daemon: Any) -> None:
    """A client that cannot be banned is told so."""
    daemon.answers["show"] = [{**NOTHING, "never": "192.0.2.0/24"}]
    result = run("show", "192.0.2.7")
    assert result.exit_code == 0
    assert result.stdout == (
        "192.0.2.7 is not banned.\nIt is never counted and never banned: 192.0.2.0/24 is on the never-list.\n"
    )


def test_unknown(run: Any, daemon: Any) -> None:
    """A client that nothing is known of is not found."""
    daemon.answers["show"] = [NOTHING]
    result = run("show", "192.0.2.7")
    assert result.exit_code == 1
    assert result.stdout == "192.0.2.7 is not banned.\nNothing is known of it.\n"
    result = run("show", "192.0.2.7", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"source": "daemon", **NOTHING}


def test_history_that_cannot_be_told(run: Any, daemon: Any, ban_document: dict[str, Any]) -> None:
    """What the daemon cannot read from its ledger does not hide the ban."""
    daemon.answers["show"] = [{**NOTHING, "ban": ban_document, "problem": "ledger x is damaged"}]
    result = run("show", "192.0.2.7")
    assert result.exit_code == 0
    assert "Its history cannot be told: ledger x is damaged\n" in result.stdout


@pytest.mark.parametrize("wanted", ["192.0.2.7", "AAAA0003", "aaaa0003", "::ffff:192.0.2.7"])
def test_from_the_ledger(run: Any, ledger: Path, wanted: str) -> None:
    """Without a daemon the ledger answers, for an address as for a reference."""
    result = run("show", wanted)
    assert result.exit_code == 0
    assert "This is what the ledger says:" in result.stderr
    assert result.stdout.startswith("192.0.2.7 is banned.\n")
    assert "  reference  AAAA0003\n  firewall   unknown: no daemon answers\n" in result.stdout
    assert "\nLast events:\n" in result.stdout
    assert "auth-fail  user al…@example.org  on smtps  weight 1\n" in result.stdout
    assert "\nEarlier bans:\n" in result.stdout
    assert "AAAA0001\n" in result.stdout
    document = json.loads(run("show", wanted, "--json").stdout)
    assert (document["source"], document["client"], document["strikes"]) == ("ledger", "192.0.2.7", 3)
    assert (document["ban"]["reference"], len(document["events"])) == ("AAAA0003", 3)


def test_prefix_in_the_ledger(run: Any, ledger: Path) -> None:
    """An address within a banned prefix is banned."""
    assert run("show", "2001:db8:1::7").stdout.startswith(
        "2001:db8:1::7 is banned as part of 2001:db8:1::/48.\n"
    )


def test_lifted_in_the_ledger(run: Any, ledger: Path) -> None:
    """A lifted ban is an earlier ban."""
    result = run("show", "203.0.113.10")
    assert result.exit_code == 0
    assert result.stdout.startswith("203.0.113.10 is not banned.\n\nEarlier bans:\n")
    assert "lifted by operator" in result.stdout


def test_others_in_the_ledger(run: Any, ledger: Path) -> None:
    """Members of the never-list are known, other clients are not, and what is neither is told so."""
    assert "198.51.100.0/24 is on the never-list" in run("show", "198.51.100.3").stdout
    assert run("show", "192.0.2.99").exit_code == 1
    result = run("show", "no\x1bbody")
    assert result.exit_code == 1
    assert (
        "filter-ban: no\\x1bbody: neither an address, a prefix nor the reference of a ban\n" in result.stderr
    )


@given(st.data())
def test_any_values(data: st.DataObject) -> None:
    """Whatever the values are, each line is printable."""

    def draw(*keys: str) -> Any:
        return data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(keys, SCALARS)))

    ban_keys = (
        "client",
        "start",
        "end",
        "rule",
        "reason",
        "strikes",
        "offence",
        "reference",
        "enforcement",
        "problem",
    )
    document = draw("client", "never", "strikes", "problem", "ban", "events", "past_bans")
    document |= {"ban": draw(*ban_keys), "past_bans": [draw(*ban_keys, "lifted", "lifted_by")]}
    document["events"] = [draw("time", "kind", "user", "service", "weight")]
    assert all(line.isprintable() for line in lines(document, 1_795_237_352))
