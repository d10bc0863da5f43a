# SPDX-License-Identifier: ISC
"""``filter-ban import`` and a running daemon."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.filter_ban.daemon.process import WAIT_S, Daemon, wait_for
from tests.filter_ban.exchange.test_fail2ban import database

MANY = 20_000
FORCE_IT = "filter-ban ban --force bans it all the same, in the dialogue only"


def run(daemon: Daemon, *arguments: str, text: str = "") -> tuple[int, str, str]:
    """Run ``filter-ban import``; return its status and what it said."""
    result = subprocess.run(
        [sys.executable, "-m", "filter_ban", "-c", str(daemon.config), "import", *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * WAIT_S,
    )
    return result.returncode, result.stdout, result.stderr


def facts(daemon: Daemon) -> dict[str, tuple[int | None, str, str]]:
    """Return end, rule and reason of the active bans by client."""
    return {client: (ban["end"], ban["rule"], ban["reason"]) for client, ban in daemon.bans().items()}


def test_fail2ban(daemon: Daemon, tmp_path: Path) -> None:
    """Ends and jails are kept, over a restart too; a second import changes nothing."""
    daemon.start()
    start_s = int(time.time()) - 100
    rows = [
        ("198.51.100.7", "postfix-sasl", start_s, 86_400),
        ("198.51.100.8", "sshd", start_s, -1),
        ("198.51.100.9", "sshd", start_s, 50),
        ("2001:db8:1:2::7", "dovecot", start_s, 3600),
        ("alice", "dovecot", start_s, 3600),
    ]
    path = str(database(tmp_path, rows))
    expected = {
        "198.51.100.7": (start_s + 86_400, "by hand", "imported from fail2ban, jail postfix-sasl"),
        "198.51.100.8": (None, "by hand", "imported from fail2ban, jail sshd"),
        "2001:db8:1:2::/64": (start_s + 3600, "by hand", "imported from fail2ban, jail dovecot"),
    }

    status, told, complaints = run(daemon, path)
    assert (status, told.splitlines()[-1]) == (1, "fail2ban: 1 refused, 3 imported, 1 expired")
    assert complaints == "filter-ban: row 5: 'alice': not an IPv4 or IPv6 address\n"
    assert facts(daemon) == expected

    assert run(daemon, path)[1].endswith("fail2ban: 1 refused, 3 unchanged, 1 expired\n")
    wait_for(lambda: daemon.status()["ledger"]["pending_bans"] == 0, "the bans are committed")
    daemon.stop()
    daemon.start()
    assert facts(daemon) == expected


def test_each_is_checked(daemon: Daemon) -> None:
    """Never-list, widths and wrong lines are told with their place; the rest is done."""
    daemon.config.write_text(
        daemon.config.read_text().replace("[never]", '[never]\nnetworks = ["203.0.113.0/24"]')
    )
    daemon.start()
    text = "198.51.100.7\n203.0.113.7\n10.0.0.0/8\n198.51.100.0/33\n198.51.100.8-198.51.100.9\n"

    status, told, complaints = run(daemon, "--for", "2h", "-", text=text)
    assert (status, told.splitlines()[-1]) == (1, "standard input: 3 refused, 2 imported")
    assert complaints.splitlines() == [
        "filter-ban: line 4: '198.51.100.0/33': the prefix length must be 0 to 32",
        "filter-ban: line 2: 203.0.113.7: 203.0.113.0/24 is in never.networks",
        f"filter-ban: line 3: 10.0.0.0/8: wider than never.widest.ipv4 = 24; {FORCE_IT}",
    ]
    assert {*facts(daemon)} == {"198.51.100.7", "198.51.100.8/31"}
    assert {end for end, _, _ in facts(daemon).values()} == {
        ban["start"] + 7200 for ban in daemon.bans().values()
    }


def test_dry_run(daemon: Daemon) -> None:
    """It says what would become of each, and does nothing."""
    daemon.start()
    assert run(daemon, "--for", "2h", "-", text="198.51.100.7\n198.51.100.8\n")[0] == 0
    before = daemon.bans()
    text = "198.51.100.7\n198.51.100.9\nmail\n"

    status, told, _ = run(daemon, "--dry-run", "--json", "-", text=text)
    document: dict[str, Any] = json.loads(told)
    assert (status, document["dry_run"]) == (1, True)
    assert document["totals"] == {"refused": 1, "would be extended": 1, "would be imported": 1}
    assert document["results"][1:] == [
        {
            "client": client,
            "outcome": outcome,
            "end": None,
            "reason": "imported from standard input",
            "place": place,
        }
        for client, outcome, place in [
            ("198.51.100.7", "extended", "line 1"),
            ("198.51.100.9", "banned", "line 2"),
        ]
    ]
    assert daemon.bans() == before


def test_many(daemon: Daemon, tmp_path: Path) -> None:
    """Many entries with ends of their own go in a few requests."""
    daemon.start()
    path = tmp_path / "blocked.save"
    lines = (f"add a 10.{n >> 8}.{n & 255}.1 timeout {3600 + n}\n" for n in range(MANY))
    path.write_text("create a hash:ip family inet timeout 600\n" + "".join(lines))
    made_s = int(time.time()) - 60
    os.utime(path, (made_s, made_s))

    assert run(daemon, str(path)) == (0, f"ipset a: {MANY:,} imported\n", "")
    assert {ban["end"] for ban in daemon.bans().values()} == {made_s + 3600 + n for n in range(MANY)}
