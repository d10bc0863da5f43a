# SPDX-License-Identifier: ISC
"""``filter-ban export``."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def banning(daemon: Any, ban_document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return three bans that a daemon tells of; the last is in the dialogue only."""
    bans = [
        {**ban_document, "client": "192.0.2.7"},
        {**ban_document, "client": "2001:db8:1:2::/64", "end": None},
        {**ban_document, "client": "198.51.100.0/25", "firewall": False},
    ]
    daemon.answers["list"] = [{"bans": bans[:2]}, {"bans": bans[2:]}]
    return bans


def test_plain(run: Any, daemon: Any, banning: list[dict[str, Any]]) -> None:
    """A line for each ban, as the daemon tells them."""
    result = run("export")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "192.0.2.7\n2001:db8:1:2::/64\n198.51.100.0/25\n"
    assert daemon.requests == [{"command": "list"}]


def test_json(run: Any, banning: list[dict[str, Any]]) -> None:
    """The array has all that the daemon tells."""
    assert json.loads(run("export", "--format", "json").stdout) == banning


@pytest.mark.parametrize("form", ["pf", "nft"])
def test_firewalls(run: Any, banning: list[dict[str, Any]], form: str) -> None:
    """A firewall gets whom filter-ban would put into one, or all."""
    assert "198.51.100.0/25" not in run("export", "--format", form).stdout
    assert "198.51.100.0/25" in run("export", "--format", form, "--all").stdout
    assert "192.0.2.7" in run("export", "--format", form).stdout


def test_what_cannot_be_said(run: Any, banning: list[dict[str, Any]]) -> None:
    """Bans that a format cannot say are told, and the rest is done."""
    result = run("export", "--format", "postfix-access")

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["192.0.2.7", "2001:db8:1:2"]
    assert result.stderr == (
        "filter-ban: 1 ban left out: postfix-access has no key for 198.51.100.0/25; cidr has\n"
    )


def test_reply(run: Any, config_file: Path, banning: list[dict[str, Any]]) -> None:
    """Clients are told what reply.banned says, without its code."""
    config_file.write_text(config_file.read_text() + '[reply]\nbanned = "421 4.7.0 no, {client}: {ref}"\n')

    assert "192.0.2.7 521 5.7.1 no, 192.0.2.7: K7Q2ABCD\n" in run("export", "--format", "cidr").stdout


def test_file(run: Any, folder: Path, banning: list[dict[str, Any]]) -> None:
    """A file is replaced; nothing is printed."""
    path = folder / "banned"
    path.write_text("old")
    result = run("export", "-o", str(path))

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert path.read_text().splitlines() == [ban["client"] for ban in banning]


def test_daemon_that_goes_away(run: Any, daemon: Any, folder: Path, ban_document: dict[str, Any]) -> None:
    """Half an answer replaces no file, and is not completed from the ledger."""
    path = folder / "banned"
    path.write_text("old")
    daemon.answers["list"] = json.dumps({"bans": [ban_document]}).encode() + b"\n"
    result = run("export", "-o", str(path))

    assert result.exit_code == 69
    assert "ended before its answer did" in result.stderr
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    "wrong",
    [
        {"client": "a\x1b"},
        {"start": None},
        {"end": "x"},
        {"end": 10**15},
        {"strikes": []},
        {"offence": "\x1b"},
        {"client": None},
    ],
)
def test_daemon_of_another_version(
    run: Any, daemon: Any, ban_document: dict[str, Any], wrong: dict[str, Any]
) -> None:
    """What is no ban is not exported."""
    daemon.answers["list"] = [{"bans": [{**ban_document, **wrong}]}]
    result = run("export")

    assert (result.exit_code, result.stdout) == (69, "")
    assert "the daemon told of a ban that is none" in result.stderr
    assert "\x1b" not in result.stderr


def test_hostile_texts(run: Any, daemon: Any, ban_document: dict[str, Any]) -> None:
    """Texts are escaped wherever a format has them."""
    hostile = {"reason": "a\x1b[31m\nb", "reference": "\x07", "rule": "\u202e"}
    daemon.answers["list"] = [{"bans": [{**ban_document, **hostile}]}]
    for form in ("plain", "csv", "cidr", "rbldnsd", "nft"):
        told = run("export", "--format", form).stdout
        assert all(line.replace("\t", " ").isprintable() for line in told.replace("\r\n", "\n").split("\n"))


def test_without_a_daemon(run: Any, ledger: Path) -> None:
    """The ledger knows who is banned too."""
    result = run("export")

    assert result.exit_code == 0
    assert result.stdout == "2001:db8:1::/48\n192.0.2.7\n203.0.113.9\n"
    assert result.stderr.endswith("This is what the ledger says:\n")


def test_without_both(run: Any, folder: Path) -> None:
    """Without daemon and ledger there is nothing to export, and no file is touched."""
    result = run("export", "-o", str(folder / "banned"))

    assert result.exit_code == 69
    assert not (folder / "banned").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "why"),
    [
        (["--format", "xml"], 2, "Usage"),
        (["-o", "/nonexistent/banned"], 1, "filter-ban: /nonexistent/banned: cannot be written"),
        (["-o", "/dev/null"], 1, "filter-ban: /dev/null: is no file; leave out -o"),
    ],
)
def test_mistakes(
    run: Any, banning: list[dict[str, Any]], arguments: list[str], status: int, why: str
) -> None:
    """What cannot be written is told in a line."""
    result = run("export", *arguments)

    assert result.exit_code == status
    assert result.stderr.startswith(why)


@pytest.mark.parametrize("form", ["plain", "json", "csv", "cidr", "rbldnsd", "pf", "nft"])
def test_import_again(run: Any, daemon: Any, banning: list[dict[str, Any]], folder: Path, form: str) -> None:
    """What was exported to a file is imported from it, without saying the format."""
    path = folder / "banned"
    run("export", "--all", "--format", form, "-o", str(path))
    daemon.answers["ban"] = lambda request: [{"results": [{"outcome": "banned"} for _ in request["clients"]]}]

    assert run("import", str(path)).exit_code == 0
    wishes = daemon.requests[-1]["clients"]
    assert {wish["client"] for wish in wishes} == {ban["client"] for ban in banning}
