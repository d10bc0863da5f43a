# SPDX-License-Identifier: ISC
"""
What is wrong with a server that keeps a cluster's streams, from what it says of itself. Pure.

Sources: Valkey and Redis, the documentation of INFO and "Key eviction".
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.store import IN_OUR_CONFIGURATION, IN_THE_STORES, MB, PART, Server

OLDEST: Final = (6, 2)  # XTRIM MINID
CLOCK_ADVICE_S: Final = 2.0
CLOCK_DANGER_S: Final = 600.0  # more than that is not made up for


def findings(server: Server, growth: int) -> Iterator[Finding]:
    """Yield what is wrong with *server*, whose streams may grow by that many bytes."""
    if server.offset_s is not None and abs(server.offset_s) >= CLOCK_ADVICE_S:
        yield _clock(server.place, server.offset_s)
    info = server.info
    if info is None:
        text = f"{server.place}: we may not use INFO, so its memory and its version were not looked at"
        yield Finding(PART, Severity.ADVICE, "info-denied", text, "+info, for our user", IN_THE_STORES)
        return
    version = str(info.get("redis_version", ""))
    if _numbers(version) < OLDEST:
        text = f"{server.place} is of version {quoted(version)}, and 6.2 is needed"
        yield Finding(PART, Severity.DANGER, "store-old", text, "apt install valkey-server")
    if info.get("role") not in ("master", None):
        text = f"{server.place} is a copy of another server, and takes nothing from us"
        remedy = f'stores = ["redis://{quoted(str(info.get("master_host")))}:{info.get("master_port")}"]'
        yield Finding(PART, Severity.DANGER, "replica", text, remedy, IN_OUR_CONFIGURATION)
    yield from _memory(server, info, growth)
    if info.get("aof_enabled") == 0 and server.save == "":
        text = f"{server.place} writes nothing to disk: when it restarts, nodes must tell everything anew"
        yield Finding(PART, Severity.ADVICE, "not-persistent", text, "appendonly yes", IN_THE_STORES)


def _memory(server: Server, info: Mapping[str, Any], growth: int) -> Iterator[Finding]:
    limit, policy = _count(info, "maxmemory"), str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        text = f"{server.place}: maxmemory-policy is {quoted(policy)}: what nodes told may vanish when memory is full"
        severity = Severity.DANGER if limit and policy.startswith("allkeys") else Severity.ADVICE
        yield Finding(PART, severity, "evicts", text, "maxmemory-policy noeviction", IN_THE_STORES)
    free = max(0, limit - _count(info, "used_memory"))
    if limit and free < growth:
        text = (
            f"{server.place}: of its {limit // MB} MB {free // MB} are free, and streams may grow by {growth // MB} "
            "(cluster.max_mb): when it is full, each node judges alone"
        )
        remedy = f"maxmemory {-(-(limit - free + growth) // MB)}mb"
        yield Finding(PART, Severity.ADVICE, "memory-short", text, remedy, IN_THE_STORES)


def _clock(place: str, offset_s: float) -> Finding:
    side = "ahead of" if offset_s > 0 else "behind"
    text = f"{place}: its clock is {abs(offset_s):.0f} s {side} ours"
    if abs(offset_s) < CLOCK_DANGER_S:
        return Finding(
            PART, Severity.ADVICE, "clock", f"{text}, which is made up for", "timedatectl set-ntp true"
        )
    text += ", too far to be made up for: bans begin and end at wrong times"
    return Finding(PART, Severity.DANGER, "clock", text, "timedatectl set-ntp true")


def _numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version; Valkey says here which one of Redis it can stand in for."""
    return tuple(int(number) for number in version.split(".")[:2] if number.isdecimal())


def _count(info: Mapping[str, Any], key: str) -> int:
    value = info.get(key)
    return value if isinstance(value, int) else 0
