# SPDX-License-Identifier: ISC
"""
The figures of this moment, as Prometheus reads them: each metric gets its values here.

Whatever is read takes the same time for one client as for a million, but the sieges, which are counted in turns.
"""

import os
import platform
import time
from collections import Counter
from pathlib import Path
from typing import Final

from filter_ban import __version__
from filter_ban.daemon.meter import Meter
from filter_ban.daemon.service import Service
from filter_ban.daemon.status import count_besieged
from filter_ban.metrics import Readings, cluster, families
from filter_ban.metrics.exposition import Labels, Value
from filter_ban.model import Enforcement, Mode

_MEMORY: Final = Path("/proc/self/statm")  # proc(5)
_ENTRY_STATES: Final = (
    Enforcement.IN_FORCE,
    Enforcement.PENDING,
    Enforcement.FAILED,
    Enforcement.DRIFTED,
)


async def read(service: Service, meter: Meter) -> Readings:
    """Return all metrics."""
    besieged = await count_besieged(service)
    await service.turns.next()
    return {
        **_daemon(service),
        **_traffic(service, meter),
        **_bans(service, meter),
        families.BESIEGED_USERS: {(): besieged},
        **_firewall(service),
        **_memory(service),
        **_ledger(service),
        **cluster.readings(None if service.cluster is None else service.cluster.document()),
        **_process(service),
    }


def _daemon(service: Service) -> Readings:
    listeners = Counter(
        (listener["service"], "failed" if listener["problem"] else "open") for listener in service.listeners
    )
    services = dict.fromkeys(name for name, _ in listeners)
    return {
        families.BUILD: {(__version__, platform.python_version()): 1},
        families.MODE: {(mode.value,): int(mode is service.engine.policy.mode) for mode in Mode},
        families.RESTORING: {(): int(service.restoring)},
        families.LISTENERS: {
            (name, state): listeners[name, state] for name in services for state in ("open", "failed")
        },
        families.RELAYS: {(): service.sensors.relays},
    }


def _traffic(service: Service, meter: Meter) -> Readings:
    refused = service.sensors.refused_by_sensor()
    verdicts: dict[Labels, Value] = {}
    for sensor, took_s in meter.answers.items():
        verdicts[sensor, "allowed"] = took_s.count - refused[sensor]
        verdicts[sensor, "refused"] = refused[sensor]
    return {
        families.EVENTS: {
            (sensor, str(kind)): count
            for sensor, counts in service.sensors.events_by_sensor().items()
            for kind, count in sorted(counts.items())
        },
        families.ANSWERS: verdicts,
        families.ANSWER_TIME: {(sensor,): took_s for sensor, took_s in meter.answers.items()},
        families.LOOP_LAG: {(): meter.loop_lag},
    }


def _bans(service: Service, meter: Meter) -> Readings:
    return {
        families.BANS: {(rule,): count for rule, count in meter.bans.counts.items()},
        families.BANS_ENDED: {(by,): count for by, count in meter.ended_by.counts.items()},
        families.ACTIVE_BANS: {(): len(service.engine.bans)},
        families.TIME_TO_BAN: {(): meter.time_to_ban.took_s},
        families.OLDEST_UNENFORCED: {(): meter.time_to_ban.oldest_s},
        families.ALARMS: {(): service.alarms.count},
    }


def _firewall(service: Service) -> Readings:
    backends = service.enforcer.backends
    states = {name: entries.counts() for name, entries in backends.items()}
    return {
        families.ENFORCEMENT: {
            (name, state.value): counts[state] for name, counts in states.items() for state in _ENTRY_STATES
        },
        families.PACKETS_DROPPED: {
            (name,): entries.dropped for name, entries in backends.items() if entries.counts_packets
        },
        families.SYNC_TIME: {(name,): entries.last_sync.time_s for name, entries in backends.items()},
        families.SYNC_OK: {(name,): int(entries.last_sync.ok) for name, entries in backends.items()},
        families.RULE_PRESENT: {
            (name,): int(entries.last_sync.rule_present)
            for name, entries in backends.items()
            if entries.last_sync.rule_present is not None
        },
        families.DRIFT: {
            (name, kind): count
            for name, entries in backends.items()
            for kind, count in (("missing", entries.missing), ("foreign", entries.foreign))
        },
    }


def _memory(service: Service) -> Readings:
    engine = service.engine
    return {
        families.CLIENTS: {(): len(engine)},
        families.CLIENTS_LIMIT: {(): engine.policy.max_clients},
        families.CLIENTS_EVICTED: {(): engine.evicted},
        families.OFFENDERS: {(): len(engine.offenders)},
        families.KNOWN_CLIENTS: {(): engine.known_clients},
    }


def _ledger(service: Service) -> Readings:
    health, recorder = service.writer.health(), service.recorder
    return {
        families.LEDGER_OK: {(): int(health.ok)},
        families.LEDGER_PENDING: {
            ("bans",): health.pending_bans,
            ("strikes",): health.pending_strikes,
            ("logins",): health.pending_logins,
        },
        families.LEDGER_DROPPED: {
            ("bans",): health.dropped_bans,
            ("strikes",): health.dropped_strikes,
            ("logins",): health.dropped_logins,
        },
        families.RECORDED: {} if recorder is None else {(): recorder.written},
        families.RECORDING_LOST: {} if recorder is None else {(): recorder.lost},
    }


def _process(service: Service) -> Readings:
    memory: dict[Labels, Value] = {}
    if _MEMORY.exists():
        pages = int(_MEMORY.read_bytes().split()[1])
        memory[()] = pages * os.sysconf("SC_PAGE_SIZE")
    return {
        families.PROCESS_CPU: {(): time.process_time()},
        families.PROCESS_MEMORY: memory,
        families.PROCESS_START: {(): service.started_s},
    }
