# SPDX-License-Identifier: ISC
"""``filter-ban import``."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from filter_ban.cli import errand
from filter_ban.config import parse_config
from filter_ban.firewall.base import Command, FirewallError
from filter_ban.firewall.runner import Runner


@pytest.fixture
def willing(daemon: Any, ban_document: dict[str, Any]) -> Any:
    """Return a daemon that bans whatever it is asked to, but knows nothing of 203.0.113.0/24."""

    def ban(request: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "results": [
                    {"client": wish["client"], "outcome": "refused", "why": "is in never.networks"}
                    if wish["client"].startswith("203.0.113.")
                    else {"outcome": "banned", **ban_document, **wish}
                    for wish in request["clients"]
                ]
            }
        ]

    daemon.answers["ban"] = ban
    return daemon


def test_import(run: Any, willing: Any) -> None:
    """Each entry is told, and sent with its reason."""
    result = run("import", "-", text="192.0.2.7\n2001:DB8::/64\n")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "192.0.2.7 banned until lifted, reference K7Q2ABCD\n"
        "2001:db8::/64 banned until lifted, reference K7Q2ABCD\n"
        "standard input: 2 imported\n"
    )
    assert willing.requests == [
        {
            "command": "ban",
            "clients": [
                {"client": client, "end": None, "reason": "imported from standard input"}
                for client in ("192.0.2.7", "2001:db8::/64")
            ],
            "dry_run": False,
        }
    ]


def test_refused(run: Any, willing: Any) -> None:
    """What is wrong or refused is told with its place; the rest is done."""
    result = run("import", "-", text="mail\x1b[31m\n203.0.113.9\n192.0.2.7\n")

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "standard input: 2 refused, 1 imported"
    assert result.stderr == (
        "filter-ban: line 1: 'mail\\x1b[31m': not an IPv4 or IPv6 address\n"
        "filter-ban: line 2: 203.0.113.9: is in never.networks\n"
    )


def test_many(run: Any, willing: Any) -> None:
    """Many entries go in several requests, and the outcome is a summary."""
    many = 2 * errand.CLIENTS_A_REQUEST + 1
    result = run("import", "-", text="".join(f"10.{n >> 8}.{n & 255}.1\n" for n in range(many)))

    assert (result.exit_code, result.stdout) == (0, f"standard input: {many:,} imported\n")
    assert [len(request["clients"]) for request in willing.requests] == [
        *(errand.CLIENTS_A_REQUEST, errand.CLIENTS_A_REQUEST),
        1,
    ]


@pytest.mark.parametrize(
    ("outcome", "told", "would_be"),
    [
        ("banned", "banned until lifted", "would be banned until lifted: x\n"),
        (
            "extended",
            "was banned already, now until lifted",
            "is banned already, and would be until lifted: x\n",
        ),
        ("unchanged", "stays banned until lifted", "would stay banned as it is: x\n"),
        ("of a later version", "of a later version", "of a later version: x\n"),
    ],
)
def test_outcomes(
    run: Any, daemon: Any, ban_document: dict[str, Any], *, outcome: str, told: str, would_be: str
) -> None:
    """What became of an entry, and what would become of it, is said in words."""
    daemon.answers["ban"] = [{"results": [{**ban_document, "outcome": outcome, "end": None, "reason": "x"}]}]

    assert run("import", "-", text="192.0.2.7").stdout.startswith(f"192.0.2.7 {told}, reference K7Q2ABCD\n")
    assert run("import", "--dry-run", "-", text="192.0.2.7").stdout.startswith(f"192.0.2.7 {would_be}")


def test_nothing(run: Any, folder: Path) -> None:
    """An empty list needs no daemon."""
    result = run("import", "-", text="# nobody\n")

    assert (result.exit_code, result.stdout) == (0, "standard input: nothing to import\n")


def test_without_a_daemon(run: Any, folder: Path) -> None:
    """Nothing is imported without a daemon."""
    result = run("import", "-", text="192.0.2.7")

    assert result.exit_code == 69
    assert "no daemon answers at" in result.stderr


def test_daemon_that_goes_away(run: Any, daemon: Any) -> None:
    """What was done until then is told."""

    def ban_once(request: dict[str, Any]) -> Any:
        daemon.answers["ban"] = b""
        return [{"results": [{"client": wish["client"], "outcome": "banned"} for wish in request["clients"]]}]

    daemon.answers["ban"] = ban_once
    text = "".join(f"10.{n >> 8}.{n & 255}.1\n" for n in range(errand.CLIENTS_A_REQUEST + 1))
    result = run("import", "-", text=text)

    assert (result.exit_code, result.stdout) == (69, "standard input: 2,000 imported\n")
    assert result.stderr.endswith("; 2,000 of 2,001 were done\n")


def test_daemon_that_cannot_count(run: Any, daemon: Any) -> None:
    """An answer for other clients than were asked about is not guessed at."""
    daemon.answers["ban"] = [{"results": []}]
    result = run("import", "-", text="192.0.2.7")

    assert result.exit_code == 69
    assert "the daemon answered for 0 clients of 1; is it of another version?" in result.stderr


def test_hostile_daemon(run: Any, daemon: Any) -> None:
    """What the daemon says reaches the terminal escaped."""
    daemon.answers["ban"] = [{"results": [{"client": "a\x1b[31m", "outcome": "refused", "why": "b\x07\nc"}]}]

    assert run("import", "-", text="192.0.2.7").stderr == "filter-ban: line 1: a\\x1b[31m: b\\x07\\nc\n"
    assert run("import", "--json", "-", text="192.0.2.7").stdout.isascii()


@pytest.mark.parametrize(("answer", "status", "asked"), [("y", 0, 1), ("n", 1, 0)])
def test_at_a_terminal(
    run: Any, willing: Any, monkeypatch: pytest.MonkeyPatch, *, answer: str, status: int, asked: int
) -> None:
    """At a terminal it asks first, unless told not to."""
    monkeypatch.setattr("filter_ban.cli.import_.is_terminal", lambda: True)
    monkeypatch.setattr(Runner, "__call__", lambda *_: b"192.0.2.7\n")
    result = run("import", "pf:blocked", text=f"{answer}\n")

    assert (result.exit_code, len(willing.requests)) == (status, asked)
    assert result.stdout.startswith("Ban 1 client of pf blocked? [y/N]: ")
    assert "Ban 1" not in run("import", "--yes", "pf:blocked").stdout
    assert "Ban 1" not in run("import", "--dry-run", "pf:blocked").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["/nonexistent"], 1, "filter-ban: /nonexistent: cannot be read: No such file or directory\n"),
        (["ipset:-x"], 1, "filter-ban: -x: must be the name of a set of ipset\n"),
        (["--format", "nft", "-"], 1, "filter-ban: standard input: must be one set, as nft list set"),
        (["--format", "xml", "-"], 2, ""),
        (["--for", "2y", "-"], 2, ""),
        ([], 2, ""),
    ],
)
def test_mistakes(run: Any, folder: Path, arguments: list[str], status: int, why: str) -> None:
    """A source that cannot be read is told in a line."""
    result = run("import", *arguments, text="192.0.2.7\n")

    assert result.exit_code == status
    assert result.stderr.startswith(why)


def test_a_firewall(run: Any, willing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a firewall holds is asked for and taken over."""

    def ask(self: Runner, command: Command) -> bytes:
        if command.argv[0] == "pfctl":
            return b"   192.0.2.7\n"
        raise FirewallError(command.argv, 1, "The set with the given name does not exist")

    monkeypatch.setattr(Runner, "__call__", ask)

    assert run("import", "pf:blocked").stdout.endswith("pf blocked: 1 imported\n")
    result = run("import", "ipset:nosuch")
    assert (result.exit_code, result.stderr) == (
        1,
        "filter-ban: ipset (status 1): The set with the given name does not exist\n",
    )


RULES = "ssh stream * * * 3 6h\nnonsense\n"


def test_blocklistd(run: Any, folder: Path) -> None:
    """The configuration stands on standard output, faults on the other; no daemon is needed."""
    (folder / "blocklistd.conf").write_text(RULES)
    result = run("import", str(folder / "blocklistd.conf"))

    assert (result.exit_code, result.stderr) == (1, "filter-ban: line 2: has 1 of 7 columns\n")
    assert parse_config(result.stdout).override[0].services == ("blocklistd 22/tcp",)

    document = json.loads(run("import", "--json", "-", text=RULES).stdout)
    assert document["faults"] == [{"place": "line 2", "why": "has 1 of 7 columns"}]
    assert parse_config(document["configuration"]) == parse_config(result.stdout)
    assert run("import", "-", text=RULES.splitlines()[0]).exit_code == 0


def test_a_list_loads_little(run: Any, willing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is needed for fail2ban alone."""
    monkeypatch.delitem(sys.modules, "filter_ban.exchange.fail2ban", raising=False)
    run("import", "-", text="192.0.2.7")

    assert "filter_ban.exchange.fail2ban" not in sys.modules
