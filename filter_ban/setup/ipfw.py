# SPDX-License-Identifier: ISC
"""
ipfw: a script of our own, which the system starts whenever it has loaded its rules, adds a table and a rule.

No rule of the administrator's is touched: not rc.firewall, not a script of firewall_script. rc.conf.d/ipfw is read after
rc.conf, for this service alone.

Source: ipfw(8), rc.conf(5) (firewall_coscripts) and rc.d/ipfw of FreeBSD 14.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from filter_ban.config import Config
from filter_ban.config.schema import Firewall
from filter_ban.setup import blocks
from filter_ban.setup.files import Change, read
from filter_ban.setup.plan import Ask, Place, Plan
from filter_ban.setup.programs import MissingProgramError, ProgramError

RC_FILE: Final = Path("/etc/rc.conf.d/ipfw")
SCRIPT: Final = Path("/usr/local/etc/filter-ban.ipfw")
TITLE: Final = "setup ipfw"
RULE: Final = 50  # before the rules of rc.firewall, which begin at 100

_MODE: Final = 0o755
_ACTIONS: Final = {"drop": (("deny", "in"),), "reject": (("reset", "in ip4"), ("reset6", "in ip6"))}


def place(ask: Ask) -> Place:
    """Return where script and variable are to be, and how the rule is taken out."""
    paths = (SCRIPT.resolve(), RC_FILE.resolve())
    return Place(paths, partial(_accept, ask, paths), f"ipfw delete {RULE}")


def plan(config: Config, ask: Ask) -> Plan:
    """
    Return what is to be written.

    Raises:
        MissingProgramError: ipfw is not here.
        SetupError: a file cannot be read, or somebody has taken a mark out of it.

    """
    enabled = _enabled(ask)
    where = place(ask)
    script, rc_file = where.paths
    where = attrs.evolve(where, next_step=f"{script} quietstart")
    old_script, old = read(script), read(rc_file)
    text = (old or b"").decode(errors="surrogateescape")
    new = blocks.put(text, TITLE, rc_line(), len)
    changes = (
        Change(script, old_script, script_text(config.firewall).encode(), _MODE),
        Change(rc_file, old, new.encode(errors="surrogateescape")),
    )
    altering = tuple(change for change in changes if change.alters)
    return Plan(where, altering, (*_notes(enabled, altering),), where.accept)


def by_hand(config: Config) -> str:
    """Return both files for a machine with ipfw."""
    return (
        f"# in {RC_FILE}\n{rc_line()}\n"
        f"# in {SCRIPT}, which must be executable (chmod {_MODE:o})\n{script_text(config.firewall)}"
    )


def rc_line() -> str:
    """Return the line that makes the system start our script, after those of others."""
    return f'firewall_coscripts="${{firewall_coscripts}} {SCRIPT}"\n'


def script_text(firewall: Firewall) -> str:
    """Return the script."""
    return "".join(_script_lines(firewall))


def _script_lines(firewall: Firewall) -> Iterator[str]:
    table = firewall.table
    yield "#!/bin/sh\n"
    yield "# Written by: filter-ban setup ipfw --apply\n"
    yield "# Run by rc.d/ipfw when the rules are loaded: a table, and a rule that keeps its clients out.\n"
    yield '[ "${1%start}" != "$1" ] || exit 0\n'
    yield f"ipfw -q table {table} create type addr missing\n"
    yield f"ipfw list | grep -q 'table({table})' && exit 0\n"
    protocol = "tcp" if firewall.ports else "ip"
    to = " ".join(filter(None, ("any", ",".join(map(str, firewall.ports)))))
    for action, options in _ACTIONS[firewall.action]:
        yield f"ipfw -q add {RULE} {action} {protocol} from 'table({table})' to {to} {options}\n"


def _enabled(ask: Ask) -> bool:
    try:
        ask(("ipfw", "-q", "list", str(RULE)))
    except MissingProgramError:
        raise
    except ProgramError:
        pass  # there is no such rule, or only root may look
    try:
        return ask(("sysctl", "-n", "net.inet.ip.fw.enable")).strip() == "1"
    except ProgramError:
        return False


def _notes(enabled: bool, changes: tuple[Change, ...]) -> Iterator[str]:
    if not enabled:
        yield (
            "ipfw is off; to turn it on: sysrc firewall_enable=YES and service ipfw start. Without firewall_type or "
            "firewall_script it then blocks everything, SSH too"
        )
    if any(change.path == SCRIPT and change.old is not None for change in changes):
        yield f"the rule that ipfw has now stays until its rules are loaded anew, or: ipfw delete {RULE}"


def _accept(ask: Ask, paths: tuple[Path, ...]) -> None:
    for path in paths:
        if path.exists():
            ask(("sh", "-n", str(path)))
