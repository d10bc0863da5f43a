# SPDX-License-Identifier: ISC
"""
pf: the table and the rule that closes the ports to it, in pf.conf before all rules that decide about packets.

pf.conf has an order on FreeBSD: options, normalization, queueing, translation, filtering. Tables and anchors may stand
anywhere before filtering ends, so our block stands where filtering begins.

Source: pf.conf(5), pfctl(8) of OpenBSD 7.x and FreeBSD 14; sbin/pfctl/parse.y of FreeBSD.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from filter_ban.config import Config
from filter_ban.config.schema import Firewall
from filter_ban.setup import blocks
from filter_ban.setup.files import Change, read
from filter_ban.setup.plan import Ask, Place, Plan
from filter_ban.setup.programs import MissingProgramError, ProgramError

USUAL_FILE: Final = Path("/etc/pf.conf")
ANCHOR_FILE: Final = Path("/etc/pf.filter-ban.conf")  # the rules of firewall.anchor
TITLE: Final = "setup pf"

_MODE: Final = 0o600  # of OpenBSD's pf.conf
_FILTERING: Final = re.compile(r"^[ \t]*(?:block|pass|match|antispoof|anchor)\b(?![ \t]*=)", re.MULTILINE)
_ACTIONS: Final = {"drop": "drop", "reject": "return"}


def place(ask: Ask) -> Place:
    """Return where pf's rules stand."""
    paths = (ANCHOR_FILE.resolve(), _main_file(ask).resolve())
    return Place(paths, partial(_accept, ask, paths), f"pfctl -f {paths[-1]}")


def plan(config: Config, ask: Ask) -> Plan:
    """
    Return what is to be written to pf.conf.

    Raises:
        MissingProgramError: pf is not here.
        SetupError: pf.conf cannot be read, or somebody has taken a mark out of it.

    """
    status = _status(ask)
    where = place(ask)
    rules_path, path = where.paths
    firewall = config.firewall
    old = read(path)
    text = (old or b"").decode(errors="surrogateescape")
    ours = blocks.find(text, TITLE) is not None
    theirs = not ours and _uses(text, firewall)
    new = text if theirs else blocks.put(text, TITLE, "".join(main_lines(firewall)), _first_decision)
    changes = [Change(path, old, new.encode(errors="surrogateescape"), _MODE if old is None else None)]
    if firewall.anchor and not theirs:
        rules = "".join(rule_lines(firewall)).encode()
        changes.insert(0, Change(rules_path, read(rules_path), rules, _MODE))
    notes = (*_notes(status), *([f"{path} names filter-ban already and is left as it is"] if theirs else ()))
    return Plan(where, tuple(change for change in changes if change.alters), notes, where.accept)


def by_hand(config: Config) -> str:
    """Return the lines for a machine with pf."""
    firewall = config.firewall
    shown = f"# in {USUAL_FILE}, before the first rule that blocks or passes\n{''.join(main_lines(firewall))}"
    if firewall.anchor:
        shown += f"\n# in {ANCHOR_FILE}\n{''.join(rule_lines(firewall))}"
    return shown


def main_lines(firewall: Firewall) -> Iterator[str]:
    """Yield the lines of pf.conf: the rules, or with ``firewall.anchor`` what loads them."""
    if not firewall.anchor:
        yield from rule_lines(firewall)
        return
    yield f'anchor "{firewall.anchor}"\n'
    yield f'load anchor "{firewall.anchor}" from "{ANCHOR_FILE}"\n'


def rule_lines(firewall: Firewall) -> Iterator[str]:
    """Yield the lines of the table, which counts packets for each entry, and the rule."""
    yield f"table <{firewall.table}> persist counters\n"
    block = f"block {_ACTIONS[firewall.action]} in quick"
    if firewall.ports:
        ports = " ".join(map(str, firewall.ports))
        yield f"{block} proto tcp from <{firewall.table}> to any port {{ {ports} }}\n"
    else:
        yield f"{block} from <{firewall.table}>\n"


def _main_file(ask: Ask) -> Path:
    """Return the file that pf's rules are loaded from: FreeBSD can have another."""
    try:
        configured = ask(("sysrc", "-n", "pf_rules")).strip()
    except ProgramError:
        configured = ""
    return Path(configured) if configured.startswith("/") else USUAL_FILE


def _status(ask: Ask) -> str:
    """Return what pf says of itself; users other than root are not told."""
    try:
        return ask(("pfctl", "-s", "info"))
    except MissingProgramError:
        raise
    except ProgramError:
        return ""


def _notes(status: str) -> Iterator[str]:
    if "Status: Disabled" in status:
        yield "pf is off; to turn it on, now and at every boot: pfctl -e, and on FreeBSD sysrc pf_enable=YES"


def _uses(text: str, firewall: Firewall) -> bool:
    """Return whether a rule of the administrator's names our table or anchor."""
    what = (
        rf'anchor[ \t]+"?{firewall.anchor}"?(?:\s|$)' if firewall.anchor else rf"block\b.*<{firewall.table}>"
    )
    return re.search(rf"^[ \t]*{what}", text, re.MULTILINE) is not None


def _first_decision(text: str) -> int:
    """Return where the first filter rule begins, or the end of the text; what goes on from the line before is none."""
    starts = (found.start() for found in _FILTERING.finditer(text))
    return next((at for at in starts if not text[:at].endswith("\\\n")), len(text))


def _accept(ask: Ask, paths: tuple[Path, ...]) -> None:
    for path in paths:
        if path.exists():
            ask(("pfctl", "-n", "-f", str(path)))
