# SPDX-License-Identifier: ISC
"""What is wrong, judged from the document of ``status``. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from filter_ban import __version__
from filter_ban.cli import cluster
from filter_ban.cli.document import Document, part, parts
from filter_ban.cli.wording import count, is_number, shown, span

ALARM_SHOWN_S: Final = 600


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
    firewall = part(status, "firewall")
    backends = [
        f"{shown(backend.get('backend'))}: {why}"
        for backend in parts(firewall, "backends")
        for why in _backend(backend)
    ]
    alarm = [f"firewall: {why}" for why in _alarm(part(firewall, "alarms"), status.get("now"))]
    nodes = [f"cluster: {why}" for why in cluster.problems(status)]
    return daemon + ledger + backends + alarm + nodes


def _daemon(status: Document) -> Iterator[str]:
    if status.get("version") != __version__:
        yield f"it is of version {shown(status.get('version'))}, this command of {__version__}: restart it"
    for listener in parts(status, "listeners"):
        if listener.get("problem"):
            yield f"{shown(listener.get('service'))} is not served at {shown(listener.get('endpoint'))}: {shown(listener['problem'])}"
    if problem := part(status, "recording").get("problem"):
        yield f"the recording cannot be written: {shown(problem)}"
    if problem := part(status, "hooks").get("problem"):
        yield f"the last run of a hook failed: {shown(problem)}"


def _ledger(ledger: Document) -> Iterator[str]:
    if not ledger.get("ok"):
        yield shown(ledger.get("problem") or "cannot be used")
    for what in ("bans", "strikes", "logins"):
        if lost := ledger.get(f"dropped_{what}"):
            yield f"{count(lost)} {what} were lost, it could not be written for too long"


def _backend(backend: Document) -> Iterator[str]:
    if backend.get("ok") is False:
        yield shown(backend.get("problem") or "the last comparison of table and bans failed")
    if backend.get("rule_present") is False and not backend.get("in_force"):
        yield "no rule uses the table, so it blocks nobody"
    if failed := backend.get("failed"):
        yield f"{count(failed, 'ban')} could not be put in force; filter-ban list names them"
        for reason, number in part(backend, "reasons").items():
            yield f"{count(number, 'ban')}: {shown(reason)}"
    missing, foreign = backend.get("missing") or 0, backend.get("foreign") or 0
    if missing or foreign:
        yield f"something else changed the table: {count(missing)} missing, {count(foreign)} foreign; it is repaired"


def _alarm(alarms: Document, now_s: Any) -> Iterator[str]:
    last_s: Any = alarms.get("last")
    if is_number(last_s) and is_number(now_s) and now_s - last_s < ALARM_SHOWN_S:
        yield (
            f"{shown(alarms.get('client'))} was heard {span(now_s - last_s)} ago although its ban is in force: do its "
            "packets come another way, through a proxy or to a port that is not closed?"
        )
