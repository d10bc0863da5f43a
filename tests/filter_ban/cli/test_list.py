# SPDX-License-Identifier: ISC
"""``filter-ban list``."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cli.list import table

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


def test_table(run: Any, daemon: Any, ban_document: dict[str, Any]) -> None:
    """Each ban has a line, in the order of the daemon, under a head."""
    other = {**ban_document, "client": "2001:db8::/64", "end": None, "enforcement": "failed", "dropped": None}
    daemon.answers["list"] = [{"bans": [ban_document]}, {"bans": [other]}]
    result = run("list")
    head, first, second = result.stdout.splitlines()
    assert result.exit_code == 0
    assert result.stderr == ""
    assert head.split() == [
        "CLIENT",
        "SINCE",
        "(UTC)",
        "UNTIL",
        "(UTC)",
        "RULE",
        "OFFENCE",
        "REFERENCE",
        "FIREWALL",
        "DROPPED",
    ]
    assert first.startswith("192.0.2.7      ")
    assert "(12m ago)" in first
    assert "(in 2h)" in first
    assert first.endswith("5 in 10m  2        K7Q2ABCD   in force  1,234")
    assert second.startswith("2001:db8::/64  ")
    assert "ago)  lifted   " in second
    assert second.endswith("  5 in 10m  2        K7Q2ABCD   failed    -")
    assert daemon.requests == [{"command": "list"}]


def test_nodes(run: Any, daemon: Any, ban_document: dict[str, Any]) -> None:
    """Which node decided is told where one of the bans is another node's, or holds on this one only."""
    daemon.answers["list"] = [
        {"bans": [ban_document, {**ban_document, "node": "mx2"}, {**ban_document, "here": True}]}
    ]
    head, own, other, alone = run("list").stdout.splitlines()
    assert head.endswith("  FIREWALL  DROPPED  NODE")
    assert own.endswith("in force  1,234    here")
    assert other.endswith("in force  1,234    mx2")
    assert alone.endswith("in force  1,234    here only")


def test_nobody(run: Any, daemon: Any) -> None:
    """No bans are told as such."""
    daemon.answers["list"] = []
    assert run("list").stdout == "nobody is banned\n"
    assert json.loads(run("list", "--json").stdout) == {"source": "daemon", "bans": []}


def test_json(run: Any, daemon: Any, ban_document: dict[str, Any]) -> None:
    """The JSON document has all bans as the daemon told them."""
    daemon.answers["list"] = [{"bans": [ban_document] * 250}, {"bans": [ban_document]}]
    document = json.loads(run("list", "--json").stdout)
    assert document == {"source": "daemon", "bans": [ban_document] * 251}


def test_without_a_daemon(run: Any, ledger: Path) -> None:
    """Without a daemon the active bans are read from the ledger, newest first, and it is said so on stderr."""
    result = run("list")
    clients = [line.split()[0] for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert clients == ["CLIENT", "2001:db8:1::/48", "192.0.2.7", "203.0.113.9"]
    assert result.stdout.splitlines()[1].endswith("AAAA0004   unknown   -")
    assert "no daemon answers at" in result.stderr
    assert result.stderr.endswith("This is what the ledger says:\n")
    document = json.loads(run("list", "--json").stdout)
    assert document["source"] == "ledger"
    assert [ban["client"] for ban in document["bans"]] == clients[1:]


def test_without_anything(run: Any, folder: Path) -> None:
    """Where there is neither daemon nor ledger, both are named."""
    result = run("list")
    assert result.exit_code == 69
    assert result.stdout == ""
    assert result.stderr == (
        f"filter-ban: no daemon answers at {folder}/control.sock (No such file or directory);"
        " start it with: filter-ban serve\n"
        f"and the ledger {folder}/ledger.sqlite3 does not exist; is ledger.path the daemon's? It comes with the first start "
        "of one\n"
    )


def test_damaged_ledger(run: Any, folder: Path) -> None:
    """A ledger that cannot be read is told, and left as it is."""
    (folder / "ledger.sqlite3").write_bytes(b"nonsense" * 1000)
    result = run("list")
    assert result.exit_code == 69
    assert "is damaged" in result.stderr
    assert (folder / "ledger.sqlite3").read_bytes() == b"nonsense" * 1000


def test_refused(run: Any, daemon: Any, ledger: Path) -> None:
    """A daemon that refuses is not gone round by way of the ledger."""
    daemon.answers["list"] = [{"error": "only root may"}]
    result = run("list")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "filter-ban: only root may\n")


def test_hostile_bytes(run: Any, daemon: Any, ban_document: dict[str, Any]) -> None:
    """Control characters in an answer reach neither a terminal nor the JSON document raw."""
    daemon.answers["list"] = [{"bans": [{**ban_document, "rule": "\x1b]0;x\x07\u202e\n" + "x" * 1000}, 7]}]
    result = run("list")
    assert "\\x1b]0;x\\x07\\u202e\\nxxx" in result.stdout
    assert all(line.isprintable() for line in result.stdout.splitlines())
    assert len(result.stdout.splitlines()) == 2
    shown = run("list", "--json").stdout
    assert all(line.isascii() and line.isprintable() for line in shown.split("\n"))


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ["client", "start", "end", "rule", "offence", "reference", "enforcement"], SCALARS
            ),
        )
    ),
)
def test_any_values(bans: list[dict[str, Any]]) -> None:
    """Whatever the values are, each ban is one printable line."""
    lines = list(table(bans, 1_795_237_352))
    assert len(lines) == len(bans) + 1
    assert all(line.isprintable() for line in lines)
