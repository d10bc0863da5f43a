# SPDX-License-Identifier: ISC
"""
ufw: banned clients are sent off before ufw's own rules are asked, those for open sessions included.

Our chains and the jump to them stand in before.rules and before6.rules; the rule that matches the set is put into our
chain by after.init, which also makes the sets. It could stand in before.rules too, but then ufw would depend on us.
Measured with ufw 0.36.2 (ufw-init-functions):

- where a rule names a set that does not exist, nothing of before.rules is loaded: loopback and all answers from outside are
  dropped, and ``ufw reload`` turns ufw off for good. Sets may be missing because ipset is, or its kernel module;
- where before.init or after.init ends with an error, ``ufw reload`` turns ufw off: all is open. So ours never does;
- ufw empties and deletes the chains whose names it knows; ours stay until before.rules declares them again. Jumps to
  them are gone as long as ufw is off;
- ``ufw-init force-reload`` calls after.init twice.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from filter_ban.config import Config
from filter_ban.setup import blocks, xtables
from filter_ban.setup.files import Change, SetupError, read
from filter_ban.setup.plan import Ask, Place, Plan

NEXT_STEP: Final = "ufw reload"
TITLE: Final = "setup ufw"
FOLDER: Final = Path("/etc/ufw")
DEFAULTS: Final = Path("/etc/default/ufw")
MAX_TABLE: Final = 22  # characters; with MATCH behind it is the name of a chain, which has 28
MATCH: Final = "-match"

_RULES: Final = {4: "before.rules", 6: "before6.rules"}
_INPUT: Final = {4: "ufw-before-input", 6: "ufw6-before-input"}
# Made by ufw itself before it reads the file, and so used there without a declaration.
_CHAINS: Final = {
    4: ("ufw-logging-deny", "ufw-logging-allow"),
    6: ("ufw6-logging-deny", "ufw6-logging-allow"),
}
_INIT: Final = "after.init"
_INIT_HEAD: Final = "#!/bin/sh\n"
_INIT_MODE: Final = 0o740
_OWNER_RUNS: Final = 0o100
_SHELL: Final = re.compile(r"#!\s*\S*/(env +)?(sh|dash|bash)\b")
_FILTER: Final = re.compile(r"^\*filter[ \t]*\n(?P<body>.*?)^COMMIT\b", re.MULTILINE | re.DOTALL)
_FIRST_RULE: Final = re.compile(r"^[ \t]*(\[\d+:\d+\][ \t]*)?-", re.MULTILINE)
_DECLARATION: Final = re.compile(r"^:.*\n(# End required lines.*\n)?", re.MULTILINE)


def place(ask: Ask) -> Place:
    """
    Return where ufw has its rules.

    Raises:
        ProgramError: it is not here.

    """
    ask(("ufw", "version"))
    paths = (*_rules_files(), (FOLDER / _INIT).resolve())
    return Place(paths, partial(_accept, ask), NEXT_STEP)


def plan(config: Config, ask: Ask) -> Plan:
    """
    Return what is to be written to ufw's files.

    Raises:
        ProgramError: ufw or ipset is not here.
        SetupError: it cannot be set up.

    """
    where = place(ask)
    ask(("ipset", "version"))
    if len(config.firewall.table) > MAX_TABLE:
        raise SetupError(f"firewall.table: {config.firewall.table}: with ufw at most {MAX_TABLE} characters")
    *rules_files, init = where.paths
    changes = [
        _rules_change(config, family, path)
        for family, path in zip(xtables.FAMILIES, rules_files, strict=True)
    ]
    changes.append(_init_change(config, init))
    return Plan(
        where,
        tuple(change for change in changes if change.alters),
        tuple(_notes(changes[-1])),
        partial(_accept_and_try, ask, config),
    )


def by_hand(config: Config) -> str:
    """Return what to add to which file."""
    parts = [
        (_RULES[family], "behind '# End required lines'", before_lines(config, family))
        for family in xtables.FAMILIES
    ]
    parts.append((_INIT, "as its second line; then: chmod u+x", init_lines(config)))
    return "\n".join(
        f"# in {FOLDER / name}, {where}:\n{blocks.block_text(TITLE, lines)}" for name, where, lines in parts
    )


def before_lines(config: Config, family: int) -> str:
    """Return our part of before.rules or before6.rules: the chains, and the jump to the one that after.init fills."""
    match = f"{config.firewall.table}{MATCH}"
    lines = (f":{match} - [0:0]", *xtables.verdict_lines(config), f"-A {_INPUT[family]} -j {match}")
    return "".join(f"{line}\n" for line in lines)


def init_lines(config: Config) -> str:
    """Return our part of after.init; whatever fails in it, it goes on."""
    match = f"{config.firewall.table}{MATCH}"
    fill = {
        family: xtables.restore_command(
            family, (f":{match} - [0:0]", *xtables.match_rules(config, family, match))
        )
        for family in xtables.FAMILIES
    }
    return (
        'if [ "$1" = start ]; then\n'
        '    # No error here may end this script: "ufw reload" would turn ufw off.\n'
        f"{xtables.indented(xtables.create_commands(config))}"
        f"    {fill[4]}"
        f"    if ip6tables -n -L {match} >/dev/null 2>&1; then\n"  # not with IPV6=no
        f"        {fill[6]}"
        "    fi\n"
        "fi\n"
    )


def _rules_files() -> Iterator[Path]:
    for family in xtables.FAMILIES:
        yield (FOLDER / _RULES[family]).resolve()


def _rules_change(config: Config, family: int, path: Path) -> Change:
    old = read(path)
    if old is None:
        raise SetupError(f"{path} is missing, without which ufw does not start")
    table = config.firewall.table
    xtables.require_no_chain(path, blocks.remove(_text(old), TITLE), table, f"{table}{MATCH}")
    text = blocks.put(
        _text(old), TITLE, before_lines(config, family), partial(_place_in_rules, path, _INPUT[family])
    )
    return Change(path, old, _bytes(text))


def _place_in_rules(path: Path, chain: str, text: str) -> int:
    """
    Return the offset behind the declarations that the table filter begins with: ahead of all rules.

    Not ahead of the last declaration of *chain*, which would empty it again.
    """
    sections = [found.span("body") for found in _FILTER.finditer(text)]
    if not sections:
        raise SetupError(
            f"{path} has no table *filter with a COMMIT; see /usr/share/ufw for how ufw ships it"
        )
    emptied = re.compile(rf"^:{chain} .*\n|^-F {chain}[ \t]*\n", re.MULTILINE)
    start, end = sections[0]
    for span in sections:
        for found in emptied.finditer(text, *span):
            start, end = found.end(), span[1]
    first = _FIRST_RULE.search(text, start, end)
    declared = [found.end() for found in _DECLARATION.finditer(text, start, first.start() if first else end)]
    return declared[-1] if declared else start


def _init_change(config: Config, path: Path) -> Change:
    old = read(path)
    text = _text(old) if old else _INIT_HEAD
    if not _SHELL.match(text):
        raise SetupError(
            f"{path} is no shell script; add by hand what 'filter-ban setup ufw' prints elsewhere"
        )
    new = blocks.put(text, TITLE, init_lines(config), _place_in_init)
    mode = path.stat().st_mode & 0o7777 | _OWNER_RUNS if old is not None else _INIT_MODE
    return Change(path, old, _bytes(new), mode)


def _place_in_init(text: str) -> int:
    """Return the offset behind the comment at the top, ahead of any ``set -e`` and of whatever may end the script."""
    found = re.match(r"(#.*(\n|\Z))*", text)
    return found.end() if found else 0


def _notes(init: Change) -> Iterator[str]:
    if not _setting(FOLDER / "ufw.conf", "ENABLED"):
        yield "ufw is not enabled, so no ban acts; to turn it on: ufw allow 22/tcp, and what else is served; ufw enable"
    if not _setting(DEFAULTS, "IPV6"):
        yield f"{DEFAULTS} says IPV6=no: ufw drops all IPv6, banned or not"
    if init.old is not None and init.mode != init.path.stat().st_mode & 0o7777:
        yield f"{init.path} becomes executable: ufw runs it from now on, with whatever else stands in it"


def _setting(path: Path, name: str) -> bool:
    """Return whether a setting of ufw is on."""
    found = re.findall(rf"^{name}=[\"']?(\w*)", _text(read(path)), re.MULTILINE)
    return bool(found) and found[-1].lower() == "yes"


def _families(ask: Ask) -> Sequence[int]:
    """Return the families that ufw has rules for."""
    return (4, 6) if _setting(DEFAULTS, "IPV6") and xtables.has_ipv6(ask) else (xtables.IPV4,)


def _accept(ask: Ask) -> None:
    """Make sure that ufw could load its files as they are; ``ufw --dry-run`` does not look at them."""
    for family, path in zip(_families(ask), _rules_files(), strict=False):
        declared = "".join(f":{chain} - [0:0]\n" for chain in _CHAINS[family])
        text = re.sub(
            r"^(\*filter[ \t]*\n)", rf"\g<1>{declared}", _text(read(path)), count=1, flags=re.MULTILINE
        )
        xtables.require_loadable(ask, family, text)
    if (FOLDER / _INIT).exists():
        ask(("sh", "-n", str(FOLDER / _INIT)))


def _accept_and_try(ask: Ask, config: Config) -> None:
    """Make sure that bans would act, beside what :func:`_accept` does."""
    _accept(ask)
    families = _families(ask)
    script = "set -- start\n"
    for family in families:
        stand_in = (f":{_INPUT[family]} - [0:0]", f"-A INPUT -j {_INPUT[family]}")
        lines = (*stand_in, *before_lines(config, family).splitlines())
        script += xtables.restore_command(family, lines)
    xtables.require_effect(ask, config, script + init_lines(config), families)


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
