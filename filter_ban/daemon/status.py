# SPDX-License-Identifier: ISC
"""How every part of the running daemon is, as documents."""

import os
import time
from typing import Final

from filter_ban import __version__
from filter_ban.client import key_text
from filter_ban.daemon.alarms import Alarms
from filter_ban.daemon.enforcement import Enforcer, Entries
from filter_ban.daemon.service import Service
from filter_ban.model import Ban, Enforcement
from filter_ban.recording import Recorder
from filter_ban.views import Document, ban_document

USERS_AT_ONCE: Final = 1000  # looked at for a siege, in a tenth of a millisecond
REASONS_SHOWN: Final = 3


async def count_besieged(service: Service) -> int:
    """Return how many users are under siege; in turns, as very many may be attacked."""
    besieged = 0
    async for users in service.turns.pieces(list(service.engine.attacked_users), USERS_AT_ONCE):
        besieged += service.engine.count_besieged(users)
    return besieged


async def status_document(service: Service) -> Document:
    """Return the health of every part."""
    besieged = await count_besieged(service)
    engine, enforcer, health = service.engine, service.enforcer, service.writer.health()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "enforcer_pid": os.getppid(),
        "started": service.started_s,
        "now": time.time(),
        "configuration": service.config_file,
        "mode": engine.policy.mode.value,
        "clients": len(engine),
        "clients_evicted": engine.evicted,
        "bans": len(engine.bans),
        "restoring": service.restoring,
        "refused": service.sensors.refused,
        "besieged": besieged,
        "recording": None if service.recorder is None else _recording(service.recorder),
        "hooks": service.hooks.status(),
        "cluster": None if service.cluster is None else service.cluster.document(),
        "relays": service.sensors.relays,
        "listeners": [
            {name: listener[name] for name in ("service", "endpoint", "problem")}
            for listener in service.listeners
        ],
        "events": dict(service.sensors.events),
        "ledger": {
            "path": str(service.ledger_path),
            "ok": health.ok,
            "problem": health.problem,
            "pending_bans": health.pending_bans,
            "pending_strikes": health.pending_strikes,
            "pending_logins": health.pending_logins,
            "dropped_bans": health.dropped_bans,
            "dropped_strikes": health.dropped_strikes,
            "dropped_logins": health.dropped_logins,
        },
        "firewall": {
            **_least([entries_document(entries) for entries in enforcer.backends.values()]),
            "alarms": _alarms(service.alarms),
        },
    }


def enforced_document(ban: Ban, enforcer: Enforcer) -> Document:
    """Return *ban* and how it is enforced."""
    client = ban.client
    return ban_document(
        ban, enforcer.state_of(client), enforcer.problem_of(client), enforcer.dropped_of(client)
    )


def entries_document(entries: Entries) -> Document:
    """Return how the table of one backend is."""
    counts, sync = entries.counts(), entries.last_sync
    return {
        "backend": entries.backend,
        "in_force": counts[Enforcement.IN_FORCE],
        "pending": counts[Enforcement.PENDING],
        "failed": counts[Enforcement.FAILED] + counts[Enforcement.DRIFTED],
        "reasons": dict(entries.reasons().most_common(REASONS_SHOWN)),
        "last_sync": sync.time_s or None,
        "ok": sync.ok,
        "problem": sync.problem,
        "rule_present": sync.rule_present,
        "missing": sync.missing,
        "foreign": sync.foreign,
        "changed_by_others": entries.changed_by_others,
        "dropped": entries.dropped if entries.counts_packets else None,
    }


def _least(backends: list[Document]) -> Document:
    """Return how the firewall is as a whole, which is as its least backend is, and each backend."""
    synced = [backend["last_sync"] for backend in backends]
    rules = {backend["rule_present"] for backend in backends}
    return {
        "backend": ",".join(backend["backend"] for backend in backends) or "none",
        "in_force": min((backend["in_force"] for backend in backends), default=0),
        "pending": max((backend["pending"] for backend in backends), default=0),
        "failed": max((backend["failed"] for backend in backends), default=0),
        "last_sync": min(synced) if synced and all(synced) else None,
        "ok": all(backend["ok"] for backend in backends),
        "problem": "; ".join(backend["problem"] for backend in backends if backend["problem"]),
        "rule_present": next((state for state in (False, None, True) if state in rules), None),
        "missing": sum(backend["missing"] for backend in backends),
        "foreign": sum(backend["foreign"] for backend in backends),
        "drifted": sum(backend["changed_by_others"] for backend in backends),
        "backends": backends,
    }


def _alarms(alarms: Alarms) -> Document:
    client = alarms.last_client
    return {
        "count": alarms.count,
        "last": alarms.last_s or None,
        "client": None if client is None else key_text(client),
    }


def _recording(recorder: Recorder) -> Document:
    return {"written": recorder.written, "lost": recorder.lost, "problem": recorder.trouble}
