# SPDX-License-Identifier: ISC
"""
iptables: our rules stand in the files that are loaded when the machine starts, and a script makes their sets before that.

On Debian, where netfilter-persistent loads ``/etc/iptables/rules.v4`` and ``rules.v6``, the script is one of its plugins:
they run on each start and reload, by hand too, in the order of their names. A unit of systemd would not be run by
``netfilter-persistent reload``, and the file of ipset-persistent is written anew by each ``netfilter-persistent save``,
with all bans of that moment in it. On RHEL and its like iptables-services loads the files, and systemd runs the script.

Where a set cannot be made, iptables-restore would load no rules at all: then the script loads the others itself.

Measured (iptables-persistent 1.0.20, iptables 1.8.9 and 1.8.11): ``netfilter-persistent save`` keeps our rules and drops our
marks, so what it wrote is known by what it says.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from filter_ban.config import Config
from filter_ban.setup import blocks, xtables
from filter_ban.setup.files import Change, read
from filter_ban.setup.plan import Ask, Place, Plan
from filter_ban.setup.programs import MissingProgramError

TITLE: Final = "setup iptables"
PLUGINS: Final = Path("/usr/share/netfilter-persistent/plugins.d")
SYSCONFIG: Final = Path("/etc/sysconfig")
UNITS: Final = Path("/etc/systemd/system")
RULES: Final = Path("/etc/iptables")
SCRIPT: Final = Path("/usr/local/libexec/filter-ban-iptables")

_SCRIPT_MODE: Final = 0o755
_SECTION: Final = re.compile(r"^\*filter[ \t]*\n(?P<body>.*?)^COMMIT\b", re.MULTILINE | re.DOTALL)
_RULE: Final = re.compile(r"^[ \t]*(\[\d+:\d+\] )?-A ", re.MULTILINE)
_COUNTERS: Final = re.compile(r"\[\d+:\d+\] ?")
_TABLE: Final = re.compile(r"^ *ipset -terse list (?P<table>[\w-]+)4 ", re.MULTILINE)
_UNSAID: Final = re.compile(r" --reject-with icmp6?-port-unreachable")  # what iptables-save adds to REJECT


@attrs.frozen
class Layout:
    """Where a distribution has its rules: the files by family, our script, and units of systemd that run it first."""

    rules: dict[int, Path]
    script: Path
    units: tuple[Path, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files of ours, or with lines of ours."""
        return *self.units, self.script, *self.rules.values()


def place(ask: Ask) -> Place:
    """
    Return where the rules are.

    Raises:
        ProgramError: nothing is here that would load them.

    """
    layout = _layout(ask)
    table = _table_of(layout.script)
    return Place(layout.paths, partial(_accept, ask, layout, table), take_out_command(table))


def plan(config: Config, ask: Ask) -> Plan:
    """
    Return what is to be written.

    Raises:
        ProgramError: ipset is not here, or nothing that would load the rules.
        SetupError: it cannot be set up.

    """
    layout = _layout(ask)
    ask(("ipset", "version"))
    script = script_text(config, layout.rules).encode()
    changes = [
        *(Change(path, read(path), unit_text(layout.script).encode()) for path in layout.units),
        Change(layout.script, read(layout.script), script, _SCRIPT_MODE),
        *(_rules_change(config, family, path) for family, path in layout.rules.items()),
    ]
    accept = partial(_accept, ask, layout, config.firewall.table)
    return Plan(
        Place(layout.paths, accept, f"{layout.script} insert"),
        tuple(change for change in changes if change.alters),
        (),
        partial(_accept_and_try, ask, layout, config),
    )


def by_hand(config: Config) -> str:
    """Return what is to be run when the machine starts, where nothing that we know loads the rules."""
    return (
        "# to be run as root when the machine has started and has its own rules\n"
        f"{xtables.create_commands(config)}{insert_commands(config)}"
    )


def rules_lines(config: Config, family: int) -> tuple[str, ...]:
    """Return our lines of the table filter."""
    return (*xtables.verdict_lines(config), *xtables.match_rules(config, family, "INPUT"))


def insert_commands(config: Config) -> str:
    """Return the commands that put our rules in front of those in force, in place of what is there of ours."""
    table = config.firewall.table
    commands = ""
    for family in xtables.FAMILIES:
        first = [f"-I{line[2:]}" for line in reversed(xtables.match_rules(config, family, "INPUT"))]
        lines = "".join(f"{line}\n" for line in (*xtables.verdict_lines(config), *first, "COMMIT"))
        old = f"{xtables.SAVE[family]} -t filter | sed -n '/^-A INPUT .* -j {table}$/s/^-A/-D/p'"
        commands += (
            f"{{ echo '*filter'; {old}; cat; }} <<'END' | {xtables.RESTORE[family]} --noflush\n{lines}END\n"
        )
    return commands


def take_out_command(table: str) -> str:
    """Return the command that takes our rules out of those in force, once they are out of the files."""
    ours = f"'^(:|-A ){table} | -j {table}$'"
    return " && ".join(
        f"{xtables.SAVE[family]} | grep -vE {ours} | {xtables.RESTORE[family]}" for family in xtables.FAMILIES
    )


def script_text(config: Config, rules: dict[int, Path]) -> str:
    """Return our script: ``start`` makes the sets before *rules* are loaded, ``insert`` puts our rules into force."""
    table = config.firewall.table
    fallback = "".join(
        f"    ipset -terse list {table}{family} >/dev/null 2>&1 ||\n"
        f"        grep -v -e '--match-set {table}{family} ' {path} | {xtables.RESTORE[family]}\n"
        for family, path in rules.items()
    )
    return (
        "#!/bin/sh\n"
        "# Written by: filter-ban setup iptables --apply\n"
        "# Taken out by: filter-ban setup iptables --undo\n"
        "sets() {\n"
        f"{xtables.indented(xtables.create_commands(config))}"
        "}\n"
        'case "$1" in\n'
        "start)\n"
        "    sets\n"
        "    # Without a set none of the rules would be loaded: those that need none are better than that.\n"
        f"{fallback}"
        "    ;;\n"
        "insert)\n"
        "    sets\n"
        f"{insert_commands(config)}"
        "    ;;\n"
        "esac\n"
        "exit 0\n"
    )


def unit_text(script: Path) -> str:
    """Return the addition to a unit that loads rules."""
    return f"# Written by: filter-ban setup iptables --apply\n[Service]\nExecStartPre=-{script} start\n"


def _layout(ask: Ask) -> Layout:
    ask(("iptables", "--version"))
    units: tuple[Path, ...] = ()
    if PLUGINS.is_dir():
        rules, script = (RULES / "rules.v4", RULES / "rules.v6"), PLUGINS / "12-filter-ban"
    elif (SYSCONFIG / "iptables").exists():
        rules, script = (SYSCONFIG / "iptables", SYSCONFIG / "ip6tables"), SCRIPT
        units = tuple(UNITS / f"{path.name}.service.d/filter-ban.conf" for path in rules)
    else:
        raise MissingProgramError(
            "netfilter-persistent: not found, and nothing else that loads rules at start"
        )
    return Layout(
        {family: path.resolve() for family, path in zip(xtables.FAMILIES, rules, strict=True)},
        script.resolve(),
        tuple(path.resolve() for path in units),
    )


def _rules_change(config: Config, family: int, path: Path) -> Change:
    old = read(path)
    text = (old or b"").decode(errors="surrogateescape")
    table = config.firewall.table
    if f"--match-set {table}{family} " not in text:  # so its chain would not be ours
        xtables.require_no_chain(path, text, table)
    wanted = rules_lines(config, family)
    found = [line for line in text.splitlines() if _is_ours(line, table)]
    if sorted(map(_bare, found)) == sorted(map(_bare, wanted)):
        return Change(path, old, old)
    new = _with_block(_without_ours(text, table), wanted)
    return Change(path, old, new.encode(errors="surrogateescape"))


def _with_block(text: str, lines: Sequence[str]) -> str:
    """Return *text* with our lines ahead of all rules of the table filter."""
    section = _SECTION.search(text)
    if section is None:
        return f"{text}{xtables.table_text(blocks.block_text(TITLE, _joined(lines)).splitlines())}"
    rule = _RULE.search(text, section.start("body"), section.end("body"))
    return blocks.insert(text, rule.start() if rule else section.end("body"), TITLE, _joined(lines))


def _without_ours(text: str, table: str) -> str:
    """Return *text* without our block and without what is ours in a saved file."""
    lines = blocks.remove(text, TITLE).splitlines(keepends=True)
    return "".join(line for line in lines if not _is_ours(line.rstrip("\n"), table))


def _is_ours(line: str, table: str) -> bool:
    """Return whether a line declares or fills our chain, or sends clients to it."""
    bare = _COUNTERS.sub("", line)
    return bare.startswith((f":{table} ", f"-A {table} ")) or bare.endswith(f" -j {table}")


def _bare(line: str) -> str:
    return _UNSAID.sub("", _COUNTERS.sub("", line)).strip()


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _table_of(script: Path) -> str:
    """Return the table that our script was written for, which the configuration may not say any more."""
    found = _TABLE.search((read(script) or b"").decode(errors="replace"))
    return found["table"] if found else Config().firewall.table


def _texts(layout: Layout) -> Iterator[tuple[int, str]]:
    for family, path in layout.rules.items():
        content = read(path)
        if content is not None:
            yield family, content.decode(errors="surrogateescape")


def _accept(ask: Ask, layout: Layout, table: str) -> None:
    """Make sure that the files can be loaded, apart from rules that match our sets, which may not be there yet."""
    for family, text in _texts(layout):
        if family == xtables.IPV4 or xtables.has_ipv6(ask):
            kept = [
                line for line in text.splitlines(keepends=True) if f"--match-set {table}{family} " not in line
            ]
            xtables.require_loadable(ask, family, "".join(kept))


def _accept_and_try(ask: Ask, layout: Layout, config: Config) -> None:
    """Make sure that bans would act, beside what :func:`_accept` does."""
    _accept(ask, layout, config.firewall.table)
    families = xtables.FAMILIES if xtables.has_ipv6(ask) else (xtables.IPV4,)
    xtables.require_effect(
        ask, config, f"{xtables.create_commands(config)}{insert_commands(config)}", families
    )
