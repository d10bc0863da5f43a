# SPDX-License-Identifier: ISC
"""Rows on the parts of filter-ban: sensors, firewall, ledger; and what is wrong with them."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from filter_ban.cli.document import Document, part, parts
from filter_ban.cli.health import problems
from filter_ban.cli.watch.look import BAD, GOOD, QUIET, WAITING, Look
from filter_ban.cli.watch.times import passed
from filter_ban.cli.wording import count, shown

_LABEL: Final = 10
_OWN: Final = ("relay.sock", "control.sock")  # named only when there is trouble with them


def alarms(document: Document) -> list[str]:
    """Return everything that is wrong or asks for attention, the gravest first."""
    found = problems(document)
    if document.get("besieged"):
        users = count(document["besieged"], "user")
        found.append(f"siege: many clients fail to log in as {users}; a stranger's failure weighs double")
    return found


def part_rows(document: Document, now_s: float, look: Look) -> list[Text]:
    """Return a row for each part."""
    backends = parts(part(document, "firewall"), "backends")
    rows = [_sensors(document, look)]
    rows += [_backend(backend, now_s, look) for backend in backends]
    if not backends:
        rows.append(_row("firewall", (("none is configured", QUIET),)))
    rows.append(_ledger(document, look))
    if cluster := part(document, "cluster"):
        rows.append(_cluster(cluster, look))
    return rows


def _sensors(document: Document, look: Look) -> Text:
    relays = document.get("relays")
    pieces = [(f"{look.dot} ", GOOD if relays else QUIET), (count(relays, "relay") + "   ", "")]
    for listener in parts(document, "listeners"):
        name, problem = look.text(listener.get("service")), listener.get("problem")
        if problem or name not in _OWN:
            pieces.append((f"{look.dot} ", BAD if problem else GOOD))
            pieces.append(
                (f"{name}{f': {look.text(problem)}' if problem else ''}   ", BAD if problem else "")
            )
    return _row("sensors", pieces)


def _backend(backend: Document, now_s: float, look: Look) -> Text:
    is_well = (
        bool(backend.get("ok")) and not backend.get("failed") and backend.get("rule_present") is not False
    )
    pieces = [
        (f"{look.dot} ", GOOD if is_well else BAD),
        (f"{look.text(count(backend.get('in_force')))} in force   ", ""),
    ]
    if backend.get("pending"):
        pieces.append((f"{look.text(count(backend['pending']))} pending   ", WAITING))
    if backend.get("failed"):
        pieces.append((f"{look.text(count(backend['failed']))} failed   ", BAD))
    if backend.get("dropped") is not None:
        pieces.append((f"{look.text(count(backend['dropped'], 'packet'))} dropped   ", ""))
    if backend.get("last_sync"):
        pieces.append((f"compared {look.text(passed(backend['last_sync'], now_s))} ago", QUIET))
    return _row(look.text(backend.get("backend")), pieces)


def _ledger(document: Document, look: Look) -> Text:
    ledger = part(document, "ledger")
    is_well = bool(ledger.get("ok"))
    pieces = [(f"{look.dot} ", GOOD if is_well else BAD), ("written" if is_well else "NOT WRITTEN", "")]
    if ledger.get("pending_bans"):
        pieces.append((f"   {look.text(count(ledger['pending_bans']))} bans and lifts wait", WAITING))
    if document.get("restoring"):
        pieces.append(("   strikes are being read back", WAITING))
    events = part(document, "events")
    seen = ", ".join(f"{count(number)} {shown(kind)}" for kind, number in sorted(events.items()))
    pieces.append((f"   seen: {look.text(seen)}" if seen else "", QUIET))
    return _row("ledger", pieces)


def _cluster(cluster: Document, look: Look) -> Text:
    stores = parts(cluster, "stores")
    up = sum(bool(store.get("ok")) for store in stores)
    is_current = bool(cluster.get("current"))
    pieces = [
        (f"{look.dot} ", GOOD if up == len(stores) and is_current else BAD),
        (f"node {look.text(cluster.get('node'))}   {up} of {len(stores)} stores   ", ""),
        ("" if is_current else "not up to date   ", WAITING),
        (f"{count(len(parts(cluster, 'peers')), 'other node')}   ", ""),
    ]
    if cluster.get("buffered"):
        pieces.append((f"{look.text(count(cluster['buffered']))} wait to be told", WAITING))
    return _row("cluster", pieces)


def _row(label: str, pieces: Sequence[tuple[str, str]]) -> Text:
    return Text.assemble((f"{label:<{_LABEL}}", QUIET), *pieces)
