# SPDX-License-Identifier: ISC
"""``filter-ban show``."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cli.show import lines
from filter_ban.client import parse_network
from filter_ban.ledger import Ledger
from filter_ban.model import Ban, Login

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())
NOTHING: Final[dict[str, Any]] = {
    "client": "192.0.2.7",
    "ban": None,
    "never": None,
    "strikes": 0,
    "events": [],
    "past_bans": [],
}


@pytest.fixture(autouse=True)
def _time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let local time be UTC."""
    monkeypatch.setenv("TZ", "UTC0")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


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
        "  firewall   in force, 1,234 packets dropped",
        f"  lift it    filter-ban --config {config_file} lift 192.0.2.7",
    ]
    assert told[9:11] == ["", "The last 10 events:"]
    assert told[11].endswith(" UTC  failed login  user al…@example.org  on smtps  weight 1")
    assert told[21:23] == ["", "Earlier bans:"]
    assert told[23].endswith("  192.0.2.7  5 in 10m: failed logins  OLD00001")
    assert "lifted by operator" in told[24]
    assert len(told) == 25


def test_part_of_a_prefix(ban_document: dict[str, Any]) -> None:
    """Where a prefix is banned, that is told, and it is the prefix that must be lifted."""
    ban = {**ban_document, "client": "192.0.2.0/24", "enforcement": "failed", "problem": "nft: no such table"}
    ban["dropped"] = None
    told = list(lines({**NOTHING, "ban": ban}, ban["start"]))
    assert told[0] == "192.0.2.7 is banned as part of 192.0.2.0/24."
    assert "  firewall   failed: nft: no such table" in told
    assert "  lift it    filter-ban lift 192.0.2.0/24" in told


def test_local_time(ban_document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are those of the reader's time zone, which is named."""
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    ban = {**ban_document, "end": 1_795_237_352}
    told = list(lines({**NOTHING, "ban": ban}, 1_795_237_352 - 7200))
    assert told[2] == "  until      2026-11-21 06:02:32 CET (in 2h)"


DIALOGUE: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "why": ({"firewall_why": "its first ban"}, "dialogue only: its first ban"),
    "no why": ({}, "dialogue only"),
    "watch": ({"mode": "watch"}, "not there, and it is not refused either: the mode is watch"),
}


@pytest.mark.parametrize(("change", "told"), DIALOGUE.values(), ids=DIALOGUE.keys())
def test_dialogue_only(ban_document: dict[str, Any], change: dict[str, Any], told: str) -> None:
    """A ban that is not in the firewall says why, with a daemon and without."""
    for state in ("in-band", "unknown"):
        ban = {**ban_document, "enforcement": state, "firewall": False}
        assert f"  firewall   {told}" in lines({**NOTHING, "ban": ban, **change}, ban["start"])


def test_siege(ban_document: dict[str, Any]) -> None:
    """Strikes that no event accounts for are explained."""
    told = "  strikes    15, 14 of them added as many clients fail that user and no login of his followed"
    assert told in lines({**NOTHING, "ban": {**ban_document, "strikes": 15.0}, "raised": 14.0}, 0)


def test_weights_have_reasons(event: dict[str, Any]) -> None:
    """An event says why it weighed what it did; a kind that this version does not know stays as it is."""
    known = {**event, "kind": "unknown-user", "weight": 0.4, "why": "logs in from there"}
    told = list(lines({**NOTHING, "events": [known, {**event, "kind": "new-kind"}]}, 0))
    assert "  unknown user  user" in told[-2]
    assert told[-2].endswith("on smtps  weight 0.4: logs in from there")
    assert "  new-kind      user" in told[-1]
    assert told[-1].endswith("on smtps  weight 1")


def test_nodes(ban_document: dict[str, Any], event: dict[str, Any]) -> None:
    """What other nodes have counted and decided is told as theirs; where none has, nothing is said of nodes."""
    past = {**ban_document, "reference": "OLD00001", "node": "mx3", "lifted": None}
    history = {"events": [event, {**event, "node": "mx2"}], "past_bans": [past, {**past, "node": ""}]}
    told = list(lines({**NOTHING, "ban": {**ban_document, "node": "mx2"}, **history}, ban_document["start"]))
    assert "  decided    by node mx2" in told
    assert [line.partition("on smtps")[2] for line in told if "on smtps" in line] == [
        "  at here  weight 1",
        "  at mx2   weight 1",
    ]
    assert [line[-8:] for line in told[-2:]] == ["  by mx3", " by here"]
    told = list(lines({**NOTHING, "ban": {**ban_document, "here": True}}, ban_document["start"]))
    assert "  holds      on this node only" in told
    told = list(lines({**NOTHING, "ban": ban_document, "events": [event]}, ban_document["start"]))
    assert not any("node" in line or "here" in line for line in told)


def test_members_of_a_network(event: dict[str, Any]) -> None:
    """The events of a network say whose they are."""
    told = list(lines({**NOTHING, "client": "192.0.2.0/24", "events": [event]}, 0))
    assert told[-1].startswith("  192.0.2.7  20")


def test_who_logs_in(ban_document: dict[str, Any]) -> None:
    """Users are counted and not named, and a client that is known by them alone is found."""
    now_s = ban_document["start"]
    document = {**NOTHING, "logins": {"users": 3, "last": now_s - 7200}}
    (_, told) = lines(document, now_s)
    assert told.startswith("3 users logged in from there lately, the last one 20")
    assert told.endswith(" UTC (2h ago).")


def test_network_that_is_banned_too(ban_document: dict[str, Any]) -> None:
    """The ban of the network around is told with what it means for the client."""
    network = {**ban_document, "client": "192.0.2.0/24", "rule": "widened"}
    start_s = ban_document["start"]
    (_, spared) = lines({**NOTHING, "network_ban": network}, start_s)
    assert spared.startswith("Its network 192.0.2.0/24 is banned until 20")
    assert spared.endswith("; it is spared, as somebody logs in from there.")
    told = list(lines({**NOTHING, "ban": ban_document, "network_ban": network}, start_s))
    assert told[-1].endswith("; lift that too: filter-ban lift 192.0.2.0/24.")


def test_reference_of_a_past_ban(run: Any, ledger: Path) -> None:
    """The ban that a reference is of is told even when it is over."""
    told = run("show", "aaaa0001").stdout
    assert told.startswith("192.0.2.7 is banned.\n")
    assert "\nAAAA0001 was its ban 20" in told
    assert " UTC; 5 in 10m: failed logins.\n" in told
    told = run("show", "AAAA0005").stdout
    assert told.startswith("203.0.113.10 is not banned.\nAAAA0005 was its ban 20")
    assert ", lifted by operator; 5 in 10m: failed logins.\n" in told


def test_known_client_in_the_ledger(run: Any, ledger: Path) -> None:
    """Without a daemon too, a widened ban spares whom somebody logs in from, and no one else."""
    now_s = int(time.time())
    wide = Ban(
        client=parse_network("203.0.113.0/24"),
        start_s=now_s - 10,
        end_s=now_s + 7200,
        rule="widened",
        reason="",
        firewall=False,
    )
    with Ledger.open(ledger, now_s) as opened:
        opened.record_bans([wide])
        opened.record_logins([Login(parse_network("203.0.113.77"), 7, now_s - 60)])
    document = json.loads(run("show", "203.0.113.77", "--json").stdout)
    assert (document["ban"], document["network_ban"]["client"]) == (None, "203.0.113.0/24")
    assert document["logins"] == {"users": 1, "last": now_s - 60}
    told = run("show", "203.0.113.78").stdout
    assert told.startswith("203.0.113.78 is banned as part of 203.0.113.0/24.\n")
    assert "  firewall   dialogue only: a network has innocents too\n" in told


def test_not_banned(run: Any, daemon: Any, event: dict[str, Any]) -> None:
    """A client with strikes alone is not banned, and its strikes are told."""
    daemon.answers["show"] = [{**NOTHING, "strikes": 2.2, "events": [event]}]
    result = run("show", "192.0.2.7")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "192.0.2.7 is not banned.\nIt has 2.2 strikes that still count.\n\nLast events:\n"
    )
    daemon.answers["show"] = [{**NOTHING, "strikes": 2.2, "limits": ["5 in 10m", "10 in 24h"]}]
    told = "It has 2.2 strikes that still count; it is banned at 5 in 10m or 10 in 24h.\n"
    assert told in run("show", "192.0.2.7").stdout


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
    assert "failed login  user al…@example.org  on smtps  weight 1\n" in result.stdout
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
        "filter-ban: no\\x1bbody: neither an address, a prefix nor the reference of a ban; filter-ban list has them\n"
        in result.stderr
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
    top = ("client", "never", "strikes", "problem", "mode", "reference", "limits", "raised", "firewall_why")
    document = draw(*top)
    document |= {"ban": draw(*ban_keys), "past_bans": [draw(*ban_keys, "lifted", "lifted_by")]}
    document |= {"network_ban": draw(*ban_keys), "logins": draw("users", "last")}
    document["events"] = [draw("client", "time", "kind", "user", "service", "weight", "why")]
    assert all(line.isprintable() for line in lines(document, 1_795_237_352))
