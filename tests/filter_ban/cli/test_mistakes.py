# SPDX-License-Identifier: ISC
"""What operators get wrong most, and to the letter what they are told: what, where, why and what to do."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from filter_ban.cli import daemon_client, offline
from filter_ban.ledger import LedgerError
from filter_ban.ledger.errors import Trouble

NO_DAEMON: Final = (
    "no daemon answers at {folder}/control.sock (No such file or directory); start it with: filter-ban serve"
)
NO_ANSWER: Final = "filter-ban: the daemon at {folder}/control.sock "

# command, exit status, the last of what is said on standard error
COMMAND_LINE: Final = {
    "no address": (["lift", "192.0.2"], 1, "filter-ban: '192.0.2': not an IPv4 or IPv6 address\n"),
    "a name": (
        ["ban", "mail.example.org"],
        1,
        "filter-ban: 'mail.example.org': not an IPv4 or IPv6 address\n",
    ),
    "bits beside the prefix": (
        ["ban", "192.0.2.7/24"],
        1,
        "filter-ban: '192.0.2.7/24': has bits set to the right of /24; did you mean 192.0.2.0/24?\n",
    ),
    "prefix too long": (
        ["ban", "192.0.2.7/33"],
        1,
        "filter-ban: '192.0.2.7/33': the prefix length must be 0 to 32\n",
    ),
    "no length": (
        ["ban", "--for", "2x", "192.0.2.7"],
        2,
        (
            'Error: Invalid value for \'--for\': \'2x\': must be a duration such as "15m", "2h", "1h30m" or "7d", or '
            'seconds, or "forever"\n'
        ),
    ),
    "nobody named": (["ban"], 2, "Error: Missing argument 'CLIENT...'.\n"),
    "misspelt command": (["lst"], 2, "Error: No such command 'lst'. Did you mean 'list'?\n"),
    "command of another tool": (
        ["unban", "192.0.2.7"],
        2,
        "Error: No such command 'unban'. Did you mean 'lift'?\n",
    ),
    "no command at all like it": (["\x1b[31mxyzzy"], 2, "Error: No such command '\\x1b[31mxyzzy'.\n"),
    "misspelt option": (["list", "--jsno"], 2, "Error: No such option '--jsno'. Did you mean '--json'?\n"),
    "two options at odds": (
        ["setup", "pf", "--apply", "--undo"],
        2,
        "Error: --apply and --undo exclude each other\n",
    ),
}


def told(text: str, folder: Path) -> str:
    """Return *text* with the places of this test."""
    return text.replace("{folder}", str(folder))


@pytest.mark.parametrize(("arguments", "status", "said"), COMMAND_LINE.values(), ids=COMMAND_LINE.keys())
def test_command_line(run: Any, folder: Path, arguments: list[str], status: int, said: str) -> None:
    """A mistake on the command line is told without a daemon."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr.removeprefix(_usage(result.stderr))) == (
        status,
        told(said, folder),
    )


def _usage(text: str) -> str:
    """Return how to call the command, as click puts it before some mistakes."""
    usage, blank_line, _ = text.partition("\n\n")
    return usage + blank_line if usage.startswith("Usage: ") else ""


CONFIGURATIONS: Final = {
    "unknown key": ("[limts]\n", "limts: unknown key; did you mean limits?"),
    "syntax": ('mode = "watch"\nports = [25,\n465\n[x', "syntax: Unclosed array (at line 4, column 1)"),
    "wrong port": (
        "[firewall]\nports = [70000]",
        "firewall.ports = [70000]: must be an integer from 1 to 65535",
    ),
    "wrong endpoint": (
        '[postfix]\nlisten = ["localhost"]',
        'postfix.listen = [\'localhost\']: must be "ADDRESS:PORT", "[IPV6]:PORT" or "unix:/PATH"',
    ),
    "wrong network": (
        '[never]\nnetworks = ["192.0.2.7/24"]',
        "never.networks = ['192.0.2.7/24']: '192.0.2.7/24': has bits set to the right of /24; did you mean 192.0.2.0/24?",
    ),
    "wrong limit": (
        '[limits]\nwindows = ["5 in 10"]',
        'limits.windows = [\'5 in 10\']: must be a duration such as "15m", "2h", "1h30m" or "7d", or seconds',
    ),
}


@pytest.mark.parametrize(("text", "fault"), CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_configuration(run: Any, config_file: Path, text: str, fault: str) -> None:
    """A fault of the configuration is told with file, key, value and rule, by every command that reads it."""
    config_file.write_text(text)
    line = f"{config_file}: {fault}\n"
    checked, listed = run("check"), run("list")
    assert (checked.exit_code, checked.stderr) == (78, line)
    assert (listed.exit_code, listed.stderr) == (78, f"filter-ban: the configuration cannot be used\n{line}")


def test_no_daemon(run: Any, folder: Path) -> None:
    """Without a daemon nothing can be done."""
    result = run("lift", "192.0.2.7")
    assert (result.exit_code, result.stderr) == (69, told(f"filter-ban: {NO_DAEMON}\n", folder))


def test_not_allowed(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the control socket's folder is closed, the remedy is to be root."""

    def connect(*_: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(daemon_client, "_connect", connect)
    result = run("lift", "192.0.2.7")
    said = "filter-ban: no daemon answers at {folder}/control.sock (Permission denied); try again as root\n"
    assert (result.exit_code, result.stderr) == (69, told(said, folder))


ANSWERS: Final[Mapping[str, tuple[list[dict[str, Any]] | bytes, int, str]]] = {
    "refused": (
        [{"error": "only root and the daemon's own user may use the control socket"}],
        1,
        "filter-ban: only root and the daemon's own user may use the control socket",
    ),
    "no JSON": (
        b"450 4.7.1 go away\n",
        69,
        NO_ANSWER + "answered what is no answer; is it of another version? Then restart it\n",
    ),
    "too few": (
        [],
        69,
        "filter-ban: the daemon answered for 0 clients of 1; is it of another version? Then restart it\n",
    ),
    "half an answer": (
        b'{"results": [',
        69,
        NO_ANSWER + "ended before its answer did; see its log, and try again\n",
    ),
}


@pytest.mark.parametrize("strange", ANSWERS)
def test_strange_daemon(run: Any, folder: Path, daemon: Any, strange: str) -> None:
    """A daemon that refuses, or that cannot be understood, is quoted or named, with what to do."""
    daemon.answers["lift"], status, said = ANSWERS[strange]
    result = run("lift", "192.0.2.7")
    assert result.exit_code == status
    assert result.stderr.startswith(told(said, folder))


def test_tool_missing(run: Any, daemon: Any) -> None:
    """That the firewall's tool is missing is told with the places where it was looked for."""
    problem = "nft: not found in /usr/sbin:/sbin"
    daemon.answers["resync"] = [{"backends": [{"backend": "nftables", "ok": False, "problem": problem}]}]
    result = run("resync")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"filter-ban: nftables: the table is not as it should be: {problem}")


TROUBLES: Final = {
    Trouble.LOCKED: "is locked by another program; try again, or end what has it open",
    Trouble.CORRUPT: "is damaged; the next daemon sets it aside and begins a new one",
    Trouble.READ_ONLY: "cannot be written: read-only; try again as root",
    Trouble.INPUT_OUTPUT: "cannot be read or written: input/output error",
    Trouble.ABSENT: "does not exist; is ledger.path the daemon's? It comes with the first start of one",
}


@pytest.mark.parametrize(("trouble", "said"), TROUBLES.items(), ids=[trouble.name for trouble in TROUBLES])
def test_ledger(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, trouble: Trouble, said: str) -> None:
    """Where neither daemon nor ledger can tell, both are named."""

    def read(path: Path, _: float) -> None:
        raise LedgerError(trouble, path)

    monkeypatch.setattr(offline, "list_documents", read)
    result = run("list")
    ledger = f"and the ledger {folder}/ledger.sqlite3 {said}"
    assert (result.exit_code, result.stderr) == (69, told(f"filter-ban: {NO_DAEMON}\n{ledger}\n", folder))


def test_missing_extra(run: Any, folder: Path, daemon: Any) -> None:
    """A listener that a package is missing for is told by status, with the command that installs it."""
    problem = 'needs the extra "http": pip install "filter-ban[http]"'
    listener = {"service": "dovecot", "endpoint": "127.0.0.1:10041", "problem": problem}
    daemon.answers["status"] = [{"listeners": [listener], "ledger": {"ok": True}}]
    assert f"dovecot is not served at 127.0.0.1:10041: {problem}\n" in run("status").stdout
