# SPDX-License-Identifier: ISC
"""What is wrong, judged from the document of ``status``. Pure."""

from collections.abc import Iterator

from filter_ban import __version__
from filter_ban.cli.document import Document, part, parts
from filter_ban.cli.wording import count, shown


def problems(status: Document, unavailable: str | None = None) -> list[str]:
    """
    Return what is not well: the part, what is wrong with it and, where that helps, what to do.

    Args:
        status: The document.
        unavailable: Why no daemon answers; None: *status* is from one.

    """
    ledger = [f"ledger: {why}" for why in _ledger(part(status, "ledger"))]
    if unavailable is not None:
        return [f"daemon: {unavailable}", *ledger]
    daemon = [f"daemon: {why}" for why in _daemon(status)]
    firewall = [f"firewall: {why}" for why in _firewall(part(status, "firewall"))]
    return daemon + ledger + firewall


def _daemon(status: Document) -> Iterator[str]:
    if status.get("version") != __version__:
        yield f"it is of version {shown(status.get('version'))}, this command of {__version__}: restart it"
    for listener in parts(status, "listeners"):
        if listener.get("problem"):
            yield f"{shown(listener.get('service'))} is not served at {shown(listener.get('endpoint'))}: {shown(listener['problem'])}"
    if problem := part(status, "recording").get("problem"):
        yield f"the recording cannot be written: {shown(problem)}"


def _ledger(ledger: Document) -> Iterator[str]:
    if not ledger.get("ok"):
        yield shown(ledger.get("problem") or "cannot be used")
    for what in ("bans", "strikes", "logins"):
        if lost := ledger.get(f"dropped_{what}"):
            yield f"{count(lost)} {what} were lost, it could not be written for too long"


def _firewall(firewall: Document) -> Iterator[str]:
    if firewall.get("ok") is False:
        yield shown(firewall.get("problem") or "the last comparison of table and bans failed")
    if firewall.get("rule_present") is False:
        yield "no rule uses the table, so it blocks nobody"
    if failed := firewall.get("failed"):
        yield f"{count(failed, 'ban')} could not be put in force; filter-ban list names them"
    missing, foreign = firewall.get("missing") or 0, firewall.get("foreign") or 0
    if missing or foreign:
        yield f"something else changed the table: {count(missing)} missing, {count(foreign)} foreign; it is repaired"
