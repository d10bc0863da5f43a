# SPDX-License-Identifier: ISC
"""Where bans are imported from."""

import contextlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.exchange import source
from filter_ban.exchange.holding import ImportFault
from filter_ban.exchange.source import Content, fetch
from filter_ban.firewall.base import Command, FirewallError


def refuse(command: Command) -> bytes:
    """Run nothing."""
    raise AssertionError(command)


@pytest.mark.parametrize(
    ("name", "argv", "form", "origin"),
    [
        ("pf:blocked", "pfctl -q -t blocked -T show", "plain", "pf blocked"),
        ("pf:mail/smtp/f2b", "pfctl -q -a mail/smtp -t f2b -T show", "plain", "pf mail/smtp/f2b"),
        ("nft:inet f2b-table addr-set-sshd", "nft list set inet f2b-table addr-set-sshd", "nft", None),
        ("nft: ip  filter  blocked", "nft list set ip filter blocked", "nft", "nft ip filter blocked"),
        ("ipset:f2b-sshd", "ipset save f2b-sshd", "ipset", "ipset f2b-sshd"),
    ],
)
def test_firewalls(name: str, argv: str, form: str, origin: str | None) -> None:
    """A firewall is asked by the command of its manual."""
    commands: list[Command] = []

    def run(command: Command) -> bytes:
        commands.append(command)
        return b"printed"

    content = fetch(name, io.BytesIO(), run)

    assert [" ".join(command.argv) for command in commands] == [argv]
    assert (content.data, content.format, content.made_s) == (b"printed", form, None)
    assert origin in (None, content.origin)


@pytest.mark.parametrize(
    "name",
    [
        *("pf:", "pf:-F", "pf:a b", "pf:a;reboot", "pf:/a", "pf:" + "a" * 40),
        *(
            "nft:",
            "nft:inet f",
            "nft:inet f a b",
            "nft:arp f a",
            "nft:inet f a;flush",
            "nft:inet -f a",
            "nft:inet f \n{",
        ),
        *("ipset:", "ipset:-x", "ipset:a b", "ipset:" + "a" * 32, "ipset:a\n"),
    ],
)
def test_impossible_names(name: str) -> None:
    """A name that the tool could take for something else never reaches it."""
    with pytest.raises(ImportFault, match="must be"):
        fetch(name, io.BytesIO(), refuse)


@given(st.sampled_from(["pf", "nft", "ipset"]), st.text())
def test_any_name(kind: str, name: str) -> None:
    """No name adds an option, or anything but names, to the command."""

    def run(command: Command) -> bytes:
        fixed = {"pfctl", "-q", "-a", "-t", "-T", "show", "nft", "list", "set", "ipset", "save"}
        for word in set(command.argv) - fixed:
            assert word.isascii()
            assert word[0].isalnum() or word[0] == "_"
            assert not set(word) & set(" \t\n;{}\"'\\$`|&<>(),")
        return b""

    with contextlib.suppress(ImportFault):
        fetch(f"{kind}:{name}", io.BytesIO(), run)


def test_a_firewall_that_fails() -> None:
    """The tool's message is told."""

    def run(command: Command) -> bytes:
        raise FirewallError(command.argv, 1, "No such file or directory")

    with pytest.raises(ImportFault, match=r"nft \(status 1\): No such file or directory"):
        fetch("nft:inet f nosuch", io.BytesIO(), run)


def test_standard_input() -> None:
    """A dash is standard input; its times count from now."""
    assert fetch("-", io.BytesIO(b"192.0.2.7\n"), refuse) == Content("standard input", b"192.0.2.7\n")


def test_file(tmp_path: Path) -> None:
    """The times in a file count from when it was written."""
    path = tmp_path / "blocked.txt"
    path.write_bytes(b"192.0.2.7\n")
    os.utime(path, (1000, 2000))

    assert fetch(str(path), io.BytesIO(), refuse) == Content("blocked.txt", b"192.0.2.7\n", made_s=2000)


def test_pipe() -> None:
    """What a shell gives as a file may be a pipe."""
    read_end, write_end = os.pipe()
    os.write(write_end, b"192.0.2.7\n" * 10)
    os.close(write_end)
    content = fetch(f"/dev/fd/{read_end}", io.BytesIO(), refuse)
    os.close(read_end)

    assert (content.data, content.made_s) == (b"192.0.2.7\n" * 10, None)


def test_database(tmp_path: Path) -> None:
    """A database is left to SQLite, whatever its size and name."""
    path = tmp_path / "x"
    path.write_bytes(b"SQLite format 3\0" + bytes(1000))

    assert fetch(str(path), io.BytesIO(), refuse) == Content("fail2ban", path=path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/nonexistent", "No such file"),
        ("/", "Is a directory"),
        ("a\0b", "null byte"),
        ("a\x1b[31m", r"a\\x1b"),
    ],
)
def test_unreadable(name: str, why: str) -> None:
    """A file that cannot be read is told, its name escaped."""
    with pytest.raises(ImportFault, match=why) as raised:
        fetch(name, io.BytesIO(), refuse)

    assert str(raised.value).isprintable()


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes are bounded, of files that have no end too."""
    monkeypatch.setattr(source, "MAX_BYTES", 1 << 20)
    for name in ("/dev/zero", "-"):
        with pytest.raises(ImportFault, match="is larger than 1 MiB"):
            fetch(name, io.BytesIO(bytes(2 << 20)), refuse)
