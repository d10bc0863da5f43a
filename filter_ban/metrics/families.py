# SPDX-License-Identifier: ISC
"""
Every metric: name, type, labels and one line of documentation. The manual's table is made from these.

No label is ever a client's address or a user's name; the values of each are few.

Source: Prometheus, "Metric and label naming".
"""

import enum
from typing import Final

import attrs

PREFIX: Final = "filter_ban_"


class Type(enum.StrEnum):
    """What may be done with the numbers."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@attrs.frozen
class Family:
    """A metric; *name* is that of its samples, so that a counter's ends in ``_total``."""

    name: str
    type: Type
    doc: str
    labels: tuple[str, ...] = ()


def _counter(name: str, doc: str, *labels: str) -> Family:
    return Family(f"{PREFIX}{name}_total", Type.COUNTER, doc, labels)


def _gauge(name: str, doc: str, *labels: str) -> Family:
    return Family(f"{PREFIX}{name}", Type.GAUGE, doc, labels)


def _histogram(name: str, doc: str, *labels: str) -> Family:
    return Family(f"{PREFIX}{name}_seconds", Type.HISTOGRAM, doc, labels)


BUILD = _gauge("build_info", "1; the labels say what runs.", "version", "python")
MODE = _gauge("mode", "1 for the mode that is in force, 0 for the others.", "mode")
RESTORING = _gauge(
    "restoring", "1 while strikes and offences are read back from the ledger after a start, else 0."
)
LISTENERS = _gauge(
    "listeners", "Sockets of a service that are served (open) or could not be (failed).", "service", "state"
)
RELAYS = _gauge("relays", "Relays that are connected: one for each smtpd of OpenSMTPD.")

EVENTS = _counter("events", "What the sensors saw.", "sensor", "kind")
ANSWERS = _counter(
    "answers",
    "Answers to servers and, at the decoy, to clients, by verdict: allowed or refused.",
    "sensor",
    "verdict",
)
ANSWER_TIME = _histogram(
    "answer", "From a request that has been read to its answer, by the process's own clock.", "sensor"
)
LOOP_LAG = _histogram(
    "loop_lag",
    "How much later than due a piece of work began, sampled ten times a second: what a request may wait.",
)

BANS = _counter("bans", "Bans that began or were extended, by the rule that was reached.", "rule")
BANS_ENDED = _counter(
    "bans_ended", "Bans that are over: by time, by the operator, or because the never-list has grown.", "by"
)
ACTIVE_BANS = _gauge("active_bans", "Bans that hold now.")
TIME_TO_BAN = _histogram(
    "time_to_ban",
    "From the failure that decides to the ban in force in ledger and all backends; bans by a rule only.",
)
OLDEST_UNENFORCED = _gauge(
    "oldest_unenforced_ban_seconds",
    "How long the oldest of the bans by a rule that are meant for the firewall has waited to be in force; 0: none does.",
)
ALARMS = _counter("alarms", "Times that a client was heard although its ban is in force in the firewall.")
BESIEGED_USERS = _gauge("besieged_users", "User names that many strangers fail to log in as.")

ENFORCEMENT = _gauge(
    "firewall_entries", "Entries by state: in-force, pending, failed or drifted.", "backend", "state"
)
PACKETS_DROPPED = _counter(
    "firewall_dropped_packets",
    "Packets that entries have dropped, where the firewall counts them; read every minute.",
    "backend",
)
SYNC_TIME = _gauge(
    "firewall_last_sync_timestamp_seconds",
    "When table and bans were last compared, Unix time; 0: not since the start.",
    "backend",
)
SYNC_OK = _gauge("firewall_sync_ok", "1 if that comparison succeeded, else 0.", "backend")
RULE_PRESENT = _gauge(
    "firewall_rule_present",
    "1 if the rule that uses the table is there, 0 if not; absent: unknown.",
    "backend",
)
DRIFT = _counter(
    "firewall_drift",
    "Entries that others had changed: missing ones have been put back, foreign ones removed.",
    "backend",
    "kind",
)

CLIENTS = _gauge("clients", "Clients that are tracked.")
CLIENTS_LIMIT = _gauge("clients_limit", "The most that are tracked (limits.max_clients).")
CLIENTS_EVICTED = _counter("clients_evicted", "Clients that were forgotten early because memory was full.")
OFFENDERS = _gauge("offenders", "Clients whose earlier bans are remembered.")
KNOWN_CLIENTS = _gauge("known_clients", "Clients where somebody has logged in lately.")

LEDGER_OK = _gauge("ledger_ok", "1 if the ledger can be written, else 0.")
LEDGER_PENDING = _gauge("ledger_pending", "What waits to be written: bans, strikes or logins.", "what")
LEDGER_DROPPED = _counter(
    "ledger_dropped", "What was never written because too much waited: bans, strikes or logins.", "what"
)
RECORDED = _counter("recorded_signals", "Signals written to the recording; absent: there is none.")
RECORDING_LOST = _counter("recording_lost_signals", "Signals that could not be recorded; absent likewise.")

CLUSTER_STORE_UP = _gauge(
    "cluster_store_up",
    "1 if a store of the cluster can be used, else 0, by its place in cluster.stores from 0.",
    "store",
)
CLUSTER_CURRENT = _gauge("cluster_current", "1 if all is read here that other nodes have told, else 0.")
CLUSTER_BUFFERED = _gauge("cluster_buffered", "Notices that wait to be told to the other nodes.")
CLUSTER_PUBLISHED = _counter("cluster_published", "Notices that this node has told the others.")
CLUSTER_FOLDED = _counter("cluster_folded", "Notices of other nodes that count here now.")
CLUSTER_DROPPED = _counter(
    "cluster_dropped",
    "Strikes that other nodes will never hear of, because no store could be reached for too long.",
)
CLUSTER_REFUSED = _counter(
    "cluster_refused",
    "What was not taken over: forged, replayed or malformed messages, those of another node of our name (same-name), and "
    "bans that this node never makes (never).",
    "why",
)
CLUSTER_PEERS = _gauge("cluster_peers", "Other nodes that have been heard of lately.")
CLUSTER_PEER_LAG = _gauge(
    "cluster_peer_lag", "Notices that a node has told and that do not count here yet.", "node"
)
CLUSTER_PEER_SEEN = _gauge(
    "cluster_peer_seen_timestamp_seconds", "When a node last told of itself, Unix time.", "node"
)
CLUSTER_CLOCK = _gauge(
    "cluster_clock_difference_seconds",
    "How far a node's clock is ahead of this one's; below 0: behind.",
    "node",
)

PROCESS_CPU = Family(
    "process_cpu_seconds_total", Type.COUNTER, "Processor time of the engine, user and system."
)
PROCESS_MEMORY = Family(
    "process_resident_memory_bytes", Type.GAUGE, "Resident memory of the engine; only where /proc tells it."
)
PROCESS_START = Family(
    "process_start_time_seconds", Type.GAUGE, "When the engine started, Unix time; all counters begin there."
)

FAMILIES: Final = tuple(family for family in list(globals().values()) if isinstance(family, Family))
