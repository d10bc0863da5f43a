# SPDX-License-Identifier: ISC
"""
npf: a table, and a group of our own before all others, in npf.conf.

A packet that matches no rule of a group goes on to the next group, one that does goes no further. A rule in the default
group alone would thus never see what a group of an interface lets pass; in a group of our own it sees every packet.

Source: npf.conf(5), npfctl(8) of NetBSD 10; npf_ruleset_inspect() in sys/net/npf/npf_ruleset.c.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from filter_ban.config import Config
from filter_ban.config.schema import Firewall
from filter_ban.setup import blocks
from filter_ban.setup.files import Change, SetupError, read
from filter_ban.setup.plan import Ask, Place, Plan
from filter_ban.setup.programs import MissingProgramError, ProgramError

FILE: Final = Path("/etc/npf.conf")
TITLE: Final = "setup npf"

_GROUP: Final = re.compile(r"^[ \t]*group\b", re.MULTILINE)
_ACTIONS: Final = {"drop": "block", "reject": "block return"}


def place(ask: Ask) -> Place:
    """Return where npf's rules stand."""
    path = FILE.resolve()
    return Place((path,), partial(_accept, ask, path), "npfctl reload")


def plan(config: Config, ask: Ask) -> Plan:
    """
    Return what is to be written to npf.conf.

    Raises:
        MissingProgramError: npf is not here.
        SetupError: npf.conf is missing, has no group, or somebody has taken a mark out of it.

    """
    status = _status(ask)
    where = place(ask)
    (path,) = where.paths
    old = read(path)
    if old is None:
        raise SetupError(f"{path}: there is no such file; /usr/share/examples/npf has some to begin with")
    text = old.decode(errors="surrogateescape")
    firewall = config.firewall
    theirs = blocks.find(text, TITLE) is None and _uses(text, firewall)
    new = text if theirs else blocks.put(text, TITLE, "".join(lines(firewall)), _first_group)
    change = Change(path, old, new.encode(errors="surrogateescape"))
    notes = (
        *_notes(status),
        *([f"{path} names <{firewall.table}> already and is left as it is"] if theirs else ()),
    )
    return Plan(where, (change,) if change.alters else (), notes, where.accept)


def by_hand(config: Config) -> str:
    """Return the lines for a machine with npf."""
    return f"# in {FILE}, before the first group\n{''.join(lines(config.firewall))}"


def lines(firewall: Firewall) -> Iterator[str]:
    """Yield the table, and the group with the rule; entries of different masks need type lpm."""
    yield f"table <{firewall.table}> type lpm\n"
    yield 'group "filter-ban" in {\n'
    block = f"{_ACTIONS[firewall.action]} in final"
    if firewall.ports:
        ports = ", ".join(map(str, firewall.ports))
        yield f"\t{block} proto tcp from <{firewall.table}> to any port {{ {ports} }}\n"
    else:
        yield f"\t{block} from <{firewall.table}>\n"
    yield "}\n"


def _status(ask: Ask) -> str:
    """Return what npf says of itself; users other than root are not told."""
    try:
        return ask(("npfctl", "show"))
    except MissingProgramError:
        raise
    except ProgramError:
        return ""


def _notes(status: str) -> Iterator[str]:
    if re.search(r"^# filtering:\s+inactive", status, re.MULTILINE):
        yield "npf is off; to turn it on, now and at every boot: npfctl start, and npf=YES in /etc/rc.conf"


def _uses(text: str, firewall: Firewall) -> bool:
    """Return whether the administrator's own lines name our table."""
    return re.search(rf"^[ \t]*[^# \t\n][^#\n]*<{firewall.table}>", text, re.MULTILINE) is not None


def _first_group(text: str) -> int:
    found = _GROUP.search(text)
    if found is None:
        raise SetupError(f"{FILE}: it has no group, and npf needs one; add: group default {{ pass all }}")
    return found.start()


def _accept(ask: Ask, path: Path) -> None:
    ask(("npfctl", "validate", str(path)))
