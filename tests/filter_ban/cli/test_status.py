# SPDX-License-Identifier: ISC
"""``filter-ban status``."""

import json
import time
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban import __version__
from filter_ban.cli.status import lines

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@pytest.fixture
def healthy() -> dict[str, Any]:
    """Return the status of a daemon that has nothing to complain about."""
    now_s = time.time()
    return {
        "version": __version__,
        "pid": 4711,
        "enforcer_pid": 4710,
        "started": now_s - 3600,
        "now": now_s,
        "configuration": "/etc/filter-ban.toml",
        "mode": "enforce",
        "clients": 12_345,
        "clients_evicted": 0,
        "bans": 56,
        "restoring": False,
        "refused": 1,
        "relays": 1,
        "events": {"auth-pass": 20, "auth-fail": 3000},
        "ledger": {"path": "/var/lib/filter-ban/ledger.sqlite3", "ok": True, "problem": "", "pending": 0},
        "firewall": {
            "backends": [
                {
                    "backend": "nftables",
                    "in_force": 50,
                    "pending": 0,
                    "failed": 0,
                    "last_sync": now_s - 30,
                    "ok": True,
                    "problem": "",
                    "rule_present": True,
                    "missing": 0,
                    "foreign": 0,
                    "changed_by_others": 0,
                    "dropped": 1234,
                    "reasons": {},
                }
            ],
            "alarms": {"count": 0, "last": None, "client": None},
        },
    }


WRONG: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "ledger": ({"ok": False, "problem": "is locked"}, "ledger: is locked"),
    "ledger, unknown why": ({"ok": False}, "ledger: cannot be used"),
    "lost strikes": (
        {"dropped_strikes": 2000},
        "ledger: 2,000 strikes were lost, it could not be written for too long",
    ),
    "lost bans": ({"dropped_bans": 2}, "ledger: 2 bans were lost, it could not be written for too long"),
    "firewall": ({"ok": False, "problem": "nft: not found"}, "nftables: nft: not found"),
    "firewall, unknown why": ({"ok": False}, "nftables: the last comparison of table and bans failed"),
    "no rule": (
        {"rule_present": False, "in_force": 0},
        "nftables: no rule uses the table, so it blocks nobody",
    ),
    "failed bans": (
        {"failed": 3},
        "nftables: 3 bans could not be put in force; filter-ban list names them",
    ),
    "drift": (
        {"missing": 50},
        "nftables: something else changed the table: 50 missing, 0 foreign; it is repaired",
    ),
}


def test_all_is_well(run: Any, daemon: Any, healthy: dict[str, Any]) -> None:
    """A healthy daemon is told in a dozen lines."""
    daemon.answers["status"] = [healthy]
    result = run("status")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "(1h ago), version" in result.stdout
    assert "engine 4711, enforcer 4710" in result.stdout
    assert "mode           enforce: in the dialogue and in the firewall\n" in result.stdout
    assert "clients        12,345 tracked\n" in result.stdout
    assert "refused        1 command\n" in result.stdout
    assert "events         3,000 auth-fail, 20 auth-pass\n" in result.stdout
    assert "ledger         /var/lib/filter-ban/ledger.sqlite3: ok\n" in result.stdout
    assert "firewall       nftables: 50 in force, 1,234 packets dropped, compared " in result.stdout
    assert result.stdout.endswith("\n\nAll is well.\n")


@pytest.mark.parametrize(("change", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong(
    run: Any, daemon: Any, healthy: dict[str, Any], change: dict[str, Any], told: str
) -> None:
    """A part that is not well is marked, and the daemon is there all the same."""
    parts = {"ledger": healthy["ledger"], "nftables": healthy["firewall"]["backends"][0]}
    parts[told.partition(":")[0]] |= change
    daemon.answers["status"] = [healthy]
    result = run("status")
    assert result.exit_code == 0
    assert f"\n!! {told}\n" in result.stdout
    assert "All is well" not in result.stdout
    document = json.loads(run("status", "--json").stdout)
    assert (document["daemon"], document["ok"], document["problems"]) == ("running", False, [told])


def test_another_version(run: Any, daemon: Any, healthy: dict[str, Any]) -> None:
    """A daemon that an upgrade left running is to be restarted."""
    daemon.answers["status"] = [{**healthy, "version": "0.0.9"}]
    told = f"!! daemon: it is of version 0.0.9, this command of {__version__}: restart it\n"
    assert told in run("status").stdout


def test_other_numbers(run: Any, daemon: Any, healthy: dict[str, Any]) -> None:
    """Evictions, waiting entries, drift since the start and a missing firewall are told as facts."""
    healthy |= {"clients_evicted": 7, "restoring": True, "events": {}}
    healthy["ledger"]["pending_bans"] = 78_103
    healthy["firewall"]["backends"][0] |= {"pending": 2, "changed_by_others": 9, "dropped": None}
    daemon.answers["status"] = [healthy]
    result = run("status")
    assert "12,345 tracked, 7 evicted for room\n" in result.stdout
    assert "bans           56, strikes are being read back\n" in result.stdout
    assert "events         none yet\n" in result.stdout
    assert "ledger.sqlite3: ok, 78,103 bans and lifts not yet written\n" in result.stdout
    assert (
        "50 in force, 2 pending, 9 changed by others and repaired since the start, compared" in result.stdout
    )
    healthy["firewall"] = {"backends": []}
    assert "firewall       none is configured\n" in run("status").stdout


def test_two_backends_and_why_bans_failed(run: Any, daemon: Any, healthy: dict[str, Any]) -> None:
    """Each backend has its line; the reasons for which bans failed are told with their numbers."""
    route = {"backend": "route", "in_force": 48, "failed": 2, "ok": True, "reasons": {"File exists": 2}}
    healthy["firewall"]["backends"].append(route)
    daemon.answers["status"] = [healthy]
    told = run("status").stdout
    assert "firewall       route: 48 in force, 2 failed\n" in told
    assert "!! route: 2 bans could not be put in force; filter-ban list names them\n" in told
    assert "!! route: 2 bans: File exists\n" in told


def test_an_alarm(run: Any, daemon: Any, healthy: dict[str, Any]) -> None:
    """A client that was lately heard although its ban is in force is told; one of long ago is not."""
    alarms = healthy["firewall"]["alarms"]
    alarms |= {"count": 3, "last": healthy["now"] - 60, "client": "192.0.2.7"}
    daemon.answers["status"] = [healthy]
    assert "!! firewall: 192.0.2.7 was heard 1m ago although its ban is in force" in run("status").stdout
    alarms["last"] -= 3600
    assert "All is well." in run("status").stdout


def test_sieges_recording_and_listeners(run: Any, daemon: Any, healthy: dict[str, Any]) -> None:
    """What is unusual has its line: users under siege, a recording, and a listener that does not serve."""
    problem = "cannot be served"
    healthy |= {
        "besieged": 2,
        "recording": {"written": 4000, "lost": 0, "problem": ""},
        "listeners": [
            {"service": "postfix", "endpoint": "127.0.0.1:10040", "problem": ""},
            {"service": "dovecot", "endpoint": "127.0.0.1:10041", "problem": problem},
        ],
    }
    daemon.answers["status"] = [healthy]
    told = run("status").stdout
    assert "besieged       2 users: many clients fail to log in as them\n" in told
    assert "recording      4,000 signals written\n" in told
    assert "listener       dovecot 127.0.0.1:10041: cannot be served\n" in told
    assert "10040" not in told
    healthy["recording"] |= {"lost": 3, "problem": "No space left on device"}
    assert "recording      4,000 signals written, 3 lost: No space left" in run("status").stdout
    healthy |= {"besieged": 0, "recording": None, "listeners": []}
    told = run("status").stdout
    assert not any(word in told for word in ("besieged", "recording", "listener"))


def test_without_a_daemon(run: Any, folder: Path, ledger: Path) -> None:
    """Without a daemon the ledger's contents are told, and the exit status is 69."""
    result = run("status")
    assert result.exit_code == 69
    assert "daemon         not running\n" in result.stdout
    assert f"ledger         {ledger}\n" in result.stdout
    assert "bans           3 active, 5 in all\n" in result.stdout
    assert "strikes        3\n" in result.stdout
    assert f"!! daemon: no daemon answers at {folder}/control.sock (No such file" in result.stdout
    result = run("status", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 69
    assert (document["daemon"], document["ok"], document["bans"]) == ("not running", False, 3)
    assert (document["ledger"]["bans"], document["ledger"]["strikes"]) == (5, 3)


def test_daemon_that_does_not_answer(run: Any, daemon: Any, ledger: Path) -> None:
    """A daemon that gives no answer is told apart from one that is not there."""
    daemon.answers["status"] = b"oops\n"
    result = run("status")
    assert result.exit_code == 69
    assert "daemon         not answering\n" in result.stdout


def test_without_anything(run: Any, folder: Path) -> None:
    """Where there is no ledger either, the document still has its form."""
    result = run("status", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 69
    assert document["bans"] is None
    assert f"ledger: ledger {folder}/ledger.sqlite3 does not exist" in document["problems"]
    assert run("status").exit_code == 69


@given(st.data())
def test_hostile_daemon(data: st.DataObject) -> None:
    """Whatever the values are, each line is printable."""
    top = ["version", "pid", "started", "now", "configuration", "mode", "clients", "clients_evicted", "bans"]
    top += ["restoring", "refused", "relays", "events", "enforcer_pid", "besieged", "listeners"]
    low = [
        "path",
        "ok",
        "problem",
        "backend",
        "in_force",
        "pending",
        "failed",
        "last_sync",
        "changed_by_others",
    ]
    document: dict[str, Any] = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(top, SCALARS)))
    low += ["written", "lost", "dropped"]
    for where in ("ledger", "recording"):
        document[where] = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(low, SCALARS)) | SCALARS)
    backend = st.fixed_dictionaries({}, optional=dict.fromkeys(low, SCALARS)) | SCALARS
    document["firewall"] = data.draw(
        SCALARS | st.fixed_dictionaries({"backends": st.lists(backend) | SCALARS})
    )
    for state in ("running", "not running"):
        for line in lines(document | {"daemon": state, "ok": False, "problems": ["a\x1bb"]}):
            assert line.isprintable()


def test_hooks(run: Any, daemon: Any, healthy: dict[str, Any]) -> None:
    """Hooks have a line where there are any; one that fails is a problem."""
    healthy["hooks"] = {"done": 1200, "failed": 0, "dropped": 0, "waiting": 3, "running": 4, "problem": ""}
    daemon.answers["status"] = [healthy]
    told = run("status").stdout
    assert "hooks          1,200 told, 3 waiting, 4 running\n" in told
    assert told.endswith("All is well.\n")

    healthy["hooks"] |= {"failed": 2, "dropped": 1, "problem": "/hook: (status 1): a\x1b[31m"}
    told = run("status").stdout
    assert "1,200 told, 2 failed, 1 dropped, " in told
    assert "!! daemon: the last run of a hook failed: /hook: (status 1): a\\x1b[31m\n" in told
