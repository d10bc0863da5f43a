# SPDX-License-Identifier: ISC
"""
What the set-ups of ufw and iptables share: lines of shell that make sets and rules, and a trial of them.

Measured (ufw 0.36.2, iptables-persistent 1.0.20): ``iptables-restore`` takes a file as a whole or not at all, and a rule
that matches a set which does not exist makes it take nothing. So no such rule may be loaded before its set is there.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filter_ban.config import Config
from filter_ban.firewall.ipset import create_lines
from filter_ban.firewall.iptables_rules import rules, uses_set, verdict_rules
from filter_ban.setup.files import SetupError
from filter_ban.setup.plan import Ask
from filter_ban.setup.programs import ProgramError

IPV4: Final = 4
FAMILIES: Final = (IPV4, 6)
RESTORE: Final = {4: "iptables-restore", 6: "ip6tables-restore"}
SAVE: Final = {4: "iptables-save", 6: "ip6tables-save"}


def create_commands(config: Config) -> str:
    """Return the commands that create our sets where they are missing; none of them ends a shell with an error."""
    table = config.firewall.table
    creates = zip(FAMILIES, create_lines(table, config.firewall.max_entries), strict=True)
    return "".join(
        f"ipset -terse list {table}{family} >/dev/null 2>&1 || ipset {line} || :\n"
        for family, line in creates
    )


def restore_command(family: int, lines: Sequence[str]) -> str:
    """Return the command that puts *lines* of the table ``filter`` beside what is there, or says why it cannot."""
    return f"{RESTORE[family]} --noflush <<'END' || :\n{table_text(lines)}END\n"


def table_text(lines: Sequence[str]) -> str:
    """Return *lines* as the table ``filter`` that iptables-restore reads."""
    return "".join(f"{line}\n" for line in ("*filter", *lines, "COMMIT"))


def indented(commands: str) -> str:
    """Return commands, without documents in them, as they stand in a block of shell."""
    return "".join(f"    {command}\n" for command in commands.splitlines())


def match_rules(config: Config, family: int, chain: str) -> tuple[str, ...]:
    """
    Return the rules of *chain* that send banned clients to our own chain.

    Raises:
        SetupError: the configuration asks for what iptables cannot do.

    """
    firewall = config.firewall
    try:
        return rules(firewall.table, family, firewall.ports, firewall.action, chain)
    except ValueError as error:
        raise SetupError(str(error)) from None


def verdict_lines(config: Config) -> tuple[str, ...]:
    """Return our own chain: its declaration, which empties it, and its rules."""
    table = config.firewall.table
    return f":{table} - [0:0]", *verdict_rules(table, config.firewall.action)


def require_no_chain(path: Path, text: str, *names: str) -> None:
    """
    Make sure that no chain of others has a name of ours.

    Raises:
        SetupError: *text*, the content of *path* without our block, has one.

    """
    for name in names:
        if re.search(rf"^:{re.escape(name)} ", text, re.MULTILINE):
            raise SetupError(f"{path} has a chain {name} of its own; choose another firewall.table")


def has_ipv6(ask: Ask) -> bool:
    """Return whether there are rules for IPv6 here at all."""
    try:
        ask(("ip6tables", "-n", "-L", "INPUT"))
    except ProgramError:
        return False
    return True


def require_loadable(ask: Ask, family: int, text: str) -> None:
    """
    Make sure that iptables-restore understands *text*; nothing is loaded.

    Raises:
        ProgramError: it does not, and says why.

    """
    with _file(text) as name:
        ask((RESTORE[family], "--test", "--noflush", name))


def require_effect(ask: Ask, config: Config, script: str, families: Sequence[int]) -> None:
    """
    Make sure that this kernel does what *script* asks for: run it in a network of its own, which has no rules yet.

    Where no such network can be made, as in some containers, nothing is tried.

    Args:
        ask: Runs programs.
        config: Names the sets.
        script: Lines of shell that make the sets and all rules.
        families: In which our rules must act then.

    Raises:
        SetupError: they would not.

    """
    try:
        ask(("unshare", "--net", "true"))
    except ProgramError:
        return
    saves = "".join(f"{SAVE[family]}\n" for family in families)
    try:
        with _file(f"{script}{saves}") as name:
            saved = ask(("unshare", "--net", "sh", name))
    except ProgramError as error:
        raise SetupError(f"this kernel does not take our rules: {error}") from None
    firewall = config.firewall
    if not all(uses_set(saved, f"{firewall.table}{family}", firewall.ports) for family in families):
        raise SetupError(
            "this kernel or its iptables lacks one of: sets of the type hash:net, the matches "
            "set, limit and multiport, the targets LOG and REJECT; nothing is changed"
        )


@contextmanager
def _file(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(
        "w", prefix="filter-ban-", encoding="utf-8", errors="surrogateescape"
    ) as file:
        file.write(text)
        file.flush()
        yield file.name
