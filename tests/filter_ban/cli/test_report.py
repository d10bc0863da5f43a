# SPDX-License-Identifier: ISC
"""``filter-ban report``."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from filter_ban.ledger import Ledger, open_reader
from filter_ban.tally import HOUR_S, Run, Tally, What
from tests.filter_ban.report.mmdb import write

STATUS = {
    "version": "0.1.0",
    "mode": "enforce",
    "now": 0,
    "ledger": {"ok": True},
    "firewall": {"backends": [], "alarms": {}},
}


@pytest.fixture
def counted(ledger: Path) -> Path:
    """Return the path of a ledger with the tallies of the last three days."""
    hour = int(time.time() // HOUR_S)
    with Ledger.open(ledger, time.time()) as opened:
        for back in range(72):
            opened.add_tallies(
                [
                    Tally(hour - back, What.RUN, Run.MINUTE, 60),
                    Tally(hour - back, What.FAILURE, "auth-fail", 10),
                    Tally(hour - back, What.NETWORK, "192.0.2.0/24", 10),
                    Tally(hour - back, What.USER, "al…@example.org", 10),
                    Tally(hour - back, What.REFUSAL, "", 5),
                ]
            )
    return ledger


def test_text(run: Any, counted: Path) -> None:
    """Without options it is the last day, as text in ASCII; a daemon is not needed, and it is said that none runs."""
    result = run("report")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.isascii()
    assert "!! Now the daemon is not running." in result.stdout
    assert "al...@example.org" in result.stdout
    assert "192.0.2.0/24" in result.stdout


@pytest.mark.parametrize(("since", "hours"), [("24h", 24), ("1d", 24), ("2d", 48)])
def test_json(run: Any, counted: Path, since: str, hours: int) -> None:
    """The JSON document has the totals, and those of the period before where they were recorded."""
    document = json.loads(run("report", "--since", since, "--json").stdout)
    assert document["failures"]["now"] in {10 * hours, 10 * (hours + 1)}
    assert (document["failures"]["before"] == 240) is (hours == 24)
    assert len(document["bins"]) == document["failures"]["now"] // 10
    assert document["users"]["rows"] == [
        {"name": "al…@example.org", "number": document["failures"]["now"], "about": ""}
    ]


def test_dates(run: Any, counted: Path) -> None:
    """Whole days can be named."""
    yesterday = time.strftime("%Y-%m-%d", time.localtime(time.time() - 86_400))
    document = json.loads(run("report", "--from", yesterday, "--to", yesterday, "--json").stdout)
    assert document["failures"]["now"] in {230, 240, 250}
    until_now = json.loads(run("report", "--from", yesterday, "--json").stdout)
    assert until_now["failures"]["now"] > document["failures"]["now"]


def test_html(run: Any, counted: Path, folder: Path) -> None:
    """The page goes to a file, or to standard output."""
    file = folder / "report.html"
    assert run("report", "--html", str(file)).stdout == ""
    page = file.read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert run("report", "--html", "-").stdout.startswith("<!DOCTYPE html>")
    refused = run("report", "--html", str(folder / "nowhere" / "report.html"))
    assert refused.exit_code == 1
    assert "cannot be written: No such file or directory" in refused.stderr


def test_daemon_is_asked_to_write(run: Any, daemon: Any, counted: Path) -> None:
    """A daemon that answers writes what it has counted first; what is wrong with it is a note."""

    def flush(_: dict[str, Any]) -> list[dict[str, Any]]:
        with Ledger.open(counted, time.time()) as opened:
            opened.add_tallies([Tally(int(time.time() // HOUR_S), What.BAN, "decoy", 7)])
        return [{"flushed": True}]

    daemon.answers |= {
        "flush": flush,
        "status": [{**STATUS, "mode": "watch", "ledger": {"ok": False, "problem": "x"}}],
    }
    document = json.loads(run("report", "--json").stdout)
    assert document["bans"]["now"] == 7
    assert "The mode is watch: nobody is refused, and bans are what would have happened." in document["notes"]
    assert "Now: ledger: x" in document["notes"]
    assert [request["command"] for request in daemon.requests] == ["flush", "status"]


def test_daemon_of_another_version(run: Any, daemon: Any, counted: Path) -> None:
    """A daemon that cannot do that, or says nothing sensible, is no reason to report nothing."""
    daemon.answers |= {"flush": [{"error": "unknown command"}], "status": b"nonsense\n"}
    assert run("report").exit_code == 0


def test_nothing_is_changed(run: Any, counted: Path) -> None:
    """Reading leaves the ledger as it is."""
    before = counted.read_bytes()
    run("report", "--since", "30d")
    assert counted.read_bytes() == before


def test_no_ledger(run: Any) -> None:
    """Where there is no ledger that is told."""
    result = run("report")
    assert result.exit_code == 69
    assert "ledger.sqlite3 does not exist" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--since", "soon"], "must be a duration"),
        (["--since", "10m"], "must be an hour (1h) or more"),
        (["--to", "2026-01-01"], "--to needs --from"),
        (["--since", "1d", "--from", "2026-01-01"], "exclude each other"),
        (["--from", "2026-01-02", "--to", "2026-01-01"], "the first day is after the last"),
        (["--from", "9999-01-01"], "not yet begun"),
        (["--from", "yesterday"], "does not match the format"),
        (["--html", "-", "--json"], "exclude each other"),
        (["--top", "0"], "not in the range"),
    ],
)
def test_usage(run: Any, ledger: Path, arguments: list[str], why: str) -> None:
    """What cannot be meant is refused with the reason."""
    result = run("report", *arguments)
    assert result.exit_code == 2
    assert why in result.stderr


def test_places(run: Any, counted: Path, config_file: Path, folder: Path) -> None:
    """With a database the report knows countries; one that cannot be read is a note."""
    pytest.importorskip("maxminddb", reason='needs the extra "geo"')
    config_file.write_text(config_file.read_text() + f'[geo]\ndatabase = "{folder}/places.mmdb"\n')
    document = json.loads(run("report", "--json").stdout)
    assert any("geo.database" in note for note in document["notes"])
    assert document["countries"] is None
    write(folder / "places.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "DE"}}})
    document = json.loads(run("report", "--json").stdout)
    assert [row["name"] for row in document["countries"]["rows"]] == ["DE"]
    assert "DE" in run("report").stdout


def test_while_a_daemon_writes(run: Any, counted: Path) -> None:
    """A ledger that is open for writing is read all the same."""
    with Ledger.open(counted, time.time()):
        assert run("report").exit_code == 0
    with open_reader(counted) as reader:
        assert reader.first_tally_s() is not None
