# SPDX-License-Identifier: ISC
"""``filter-ban replay``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filter_ban.cli import replay
from filter_ban.model import Kind
from filter_ban.recording import HEADER, Encoder
from filter_ban.replay.traffic import Traffic
from filter_ban.signals import Signal

START_S = 1_763_632_800  # 2025-11-20 10:00:00 UTC
STRICT = '[limits]\nwindows = ["3 in 10m"]\n[ban]\nladder = ["1h"]\n[firewall]\nbackend = "pf"\n'


def failures(count: int, address: str = "192.0.2.7") -> list[Signal]:
    """Return failed logins, one a second."""
    return [
        Signal(START_S + number, Kind.AUTH_FAIL, address, "smtp", "alice@example.org", 7)
        for number in range(count)
    ]


@pytest.fixture
def recording(folder: Path) -> Path:
    """Return a recording of six failed logins, a login a quarter of an hour later, and a line that was cut."""
    file = folder / "signals"
    encode = Encoder(b"key").encode
    login = Signal(START_S + 900, Kind.AUTH_PASS, "192.0.2.7", "dovecot imap", "alice@example.org", 7)
    file.write_bytes(HEADER + b"".join(map(encode, [*failures(6), login])) + b'{"time"')
    return file


@pytest.fixture
def strict(folder: Path) -> Path:
    """Return a stricter configuration."""
    file = folder / "strict.toml"
    file.write_text(STRICT)
    return file


def test_text(run: Any, recording: Path) -> None:
    """A summary comes first, then who would have been banned, then who logged in afterwards."""
    result = run("replay", str(recording))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "9 lines, 1 of them unknown; 7 signals",
        "",
        "guesses                   6",
        "stopped by the firewall   0",
        "stopped in the dialogue   1",
        "bans                      1",
        "banned clients            1",
        "of them logged in later   1",
        "and were refused a login  1",
        "time they lost            4s",
        "",
        "Bans",
        "",
        "CLIENT     SINCE (UTC)       FOR  RULE      STRIKES  OFFENCE  STOPPED",
        "192.0.2.7  2025-11-20 10:00  15m  5 in 10m  5        1        1",
        "",
        "Banned, and logged in later: innocents, or guesses that were right",
        "",
        "CLIENT     USER             LOGIN (UTC)       BEFORE  REFUSED  LATER  TIME LOST",
        "192.0.2.7  23…@example.org  2025-11-20 10:15  0       1        0      4s",
    ]


def test_against(run: Any, recording: Path, config_file: Path, strict: Path) -> None:
    """Two configurations are compared in one table."""
    lines = run("replay", str(recording), "--against", str(strict)).stdout.splitlines()
    rows = [line.split() for line in lines[2:11]]
    assert rows[0] == [str(config_file), str(strict)]
    assert [row[-2:] for row in rows[1:5]] == [["6", "6"], ["0", "3"], ["1", "0"], ["1", "1"]]
    assert rows[8][-2:] == ["4s", "45m"]
    assert f"Bans under {strict}" in lines


def test_json(run: Any, recording: Path, config_file: Path, strict: Path) -> None:
    """JSON has the same, with numbers to compute with."""
    found = json.loads(run("replay", "--json", str(recording), "--against", str(strict)).stdout)
    assert (found["lines"], found["unknown_lines"], found["troubles"]) == (9, 1, [])
    ours, other = found["results"]
    assert (ours["configuration"], other["configuration"]) == (str(config_file), str(strict))
    assert ours["signals"] == {"auth-fail": 6, "auth-pass": 1}
    assert ours["summary"]["innocent_seconds_lost"] == 4
    (ban,) = other["bans"]
    assert (ban["client"], ban["start"], ban["end"]) == ("192.0.2.7", START_S + 2, START_S + 3602)
    assert (ban["rule"], ban["strikes"], ban["stopped"], ban["firewall"]) == ("3 in 10m", 3, 3, True)
    (innocent,) = other["innocents"]
    assert (innocent["logins_refused"], innocent["seconds_lost"]) == (1, 2702)


def test_ban_for_ever(run: Any, recording: Path, folder: Path) -> None:
    """What is for ever is a word in text, and null in JSON."""
    (folder / "ever.toml").write_text('[ban]\nladder = ["forever"]\n')
    arguments = ("replay", str(recording), "--config", str(folder / "ever.toml"))
    assert "ever  5 in 10m" in run(*arguments).stdout
    (result,) = json.loads(run(*arguments, "--json").stdout)["results"]
    assert result["bans"][0]["end"] is None
    assert result["summary"]["innocent_seconds_lost"] is None


def test_many(run: Any, folder: Path) -> None:
    """Of very many bans the text has some."""
    file = folder / "signals"
    encode = Encoder(b"key").encode
    clients = [f"203.0.113.{number}" for number in range(replay.MAX_ROWS + 2)]
    signals = (signal for client in clients for signal in failures(5, client))
    file.write_bytes(HEADER + b"".join(map(encode, signals)))
    (folder / "alone.toml").write_text("[widen]\nmembers = 0\n")
    lines = run("replay", str(file), "--config", str(folder / "alone.toml")).stdout.splitlines()
    assert lines[-1] == "and 2 more: see --json"
    assert sum(line.startswith("203.0.113.") for line in lines) == replay.MAX_ROWS


def test_hostile_log(run: Any, folder: Path) -> None:
    """What a log says is printed escaped, and only where it is an address or a masked name."""
    file = folder / "mail.log"
    evil = "\x1b[31m\u202e"
    warning = "warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: "
    file.write_text(
        "".join(
            f"Nov 20 10:00:0{n} mx postfix/smtpd[1]: {warning}{evil}, sasl_username={evil}\n"
            for n in range(6)
        )
        + f"Nov 20 10:00:09 mx postfix/smtpd[1]: A1: client=unknown[192.0.2.7], sasl_username={evil}aaa\n"
    )
    for arguments in (("replay", str(file)), ("replay", "--json", str(file))):
        result = run(*arguments)
        assert result.exit_code == 0
        assert all(line.isprintable() for line in result.stdout.splitlines())


def test_options(run: Any, folder: Path) -> None:
    """Format and year of a log can be said."""
    file = folder / "mail.log"
    warning = "warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: x\n"
    file.write_text("".join(f"Nov 20 10:00:0{n} mx postfix/smtpd[1]: {warning}" for n in range(5)))
    assert "2021-11-20 10:00" in run("replay", "--year", "2021", str(file)).stdout
    assert "0 signals" in run("replay", "--format", "dovecot", str(file)).stdout


def test_trouble(run: Any, folder: Path) -> None:
    """A file that could be read in part is told of on stderr."""
    file = folder / "mail.log.gz"
    file.write_bytes(b"\x1f\x8b nonsense")
    result = run("replay", str(file))
    assert result.exit_code == 0
    assert result.stderr.startswith(f"filter-ban: {file}: read up to line 0 only: ")


def test_unreadable(run: Any, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be opened is a failure."""

    def refuse(_: Traffic) -> Iterator[Signal]:
        raise PermissionError(13, "Permission denied", str(recording))

    monkeypatch.setattr(Traffic, "signals", refuse)
    result = run("replay", str(recording))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"filter-ban: {recording}: Permission denied\n"


def test_no_session(run: Any, folder: Path) -> None:
    """It is told how many failures have no address."""
    file = folder / "mail.log"
    file.write_text("4b19c6dfc131283e smtp authentication user=x result=permfail\n")
    assert "1 failure left out: the log does not say from where" in run("replay", str(file)).stdout


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["replay"], 2, "Missing argument 'FILES'"),
        (["replay", "/nonexistent/mail.log"], 2, "does not exist"),
        (["replay", "--year", "1", "{recording}"], 2, "--year"),
        (["replay", "--against", "/nonexistent/new.toml", "{recording}"], 78, "does not exist"),
    ],
)
def test_failures(run: Any, recording: Path, arguments: list[str], status: int, told: str) -> None:
    """What is wrong is told, with the exit status for it."""
    result = run(*(argument.format(recording=recording) for argument in arguments))
    assert result.exit_code == status
    assert told in result.stderr
