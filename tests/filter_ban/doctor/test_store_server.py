# SPDX-License-Identifier: ISC
"""What the doctor says of a server from what it says of itself."""

from typing import Any, Final

import attrs
import pytest

from filter_ban.doctor.store import Server
from filter_ban.doctor.store_server import findings

MB: Final = 1_000_000
INFO: Final[dict[str, Any]] = {
    "redis_version": "7.0.15",
    "role": "master",
    "maxmemory": 512 * MB,
    "maxmemory_policy": "noeviction",
    "used_memory": 12 * MB,
    "aof_enabled": 1,
}
RIGHT: Final = Server("10.0.0.1:6379", INFO, 0.01, "")


def told(server: Server, growth: int = 256 * MB) -> list[str]:
    """Return what is said."""
    return [str(finding) for finding in findings(server, growth)]


def with_info(**changes: Any) -> Server:
    """Return a server that says something else of itself."""
    return attrs.evolve(RIGHT, info={**INFO, **changes})


WELL: Final = {
    "as it should be": RIGHT,
    "valkey": with_info(redis_version="7.2.4", valkey_version="8.1.1", server_name="valkey"),
    "no limit": with_info(maxmemory=0, used_memory=900 * MB),
    "snapshots": attrs.evolve(with_info(aof_enabled=0), save="3600 1 300 100"),
    "not told how it is saved": attrs.evolve(with_info(aof_enabled=0), save=None),
    "clock not told": attrs.evolve(RIGHT, offset_s=None),
}


@pytest.mark.parametrize("server", WELL.values(), ids=WELL)
def test_well(server: Server) -> None:
    """Of a server that is as it should be nothing is said."""
    assert told(server) == []


WRONG: Final = {
    "INFO denied": (
        attrs.evolve(RIGHT, info=None),
        (
            "cluster: advice: info-denied: 10.0.0.1:6379: we may not use INFO, so its memory and its version were not looked "
            "at; in valkey.conf or redis.conf: +info, for our user"
        ),
    ),
    "old": (
        with_info(redis_version="6.0.16"),
        (
            "cluster: danger: store-old: 10.0.0.1:6379 is of version 6.0.16, and 6.2 is needed; "
            "run: apt install valkey-server"
        ),
    ),
    "replica": (
        with_info(role="slave", master_host="10.0.0.2", master_port=6379),
        (
            "cluster: danger: replica: 10.0.0.1:6379 is a copy of another server, and takes nothing from us; "
            'in filter-ban.toml, [cluster]: stores = ["redis://10.0.0.2:6379"]'
        ),
    ),
    "evicts": (
        with_info(maxmemory_policy="allkeys-lru"),
        (
            "cluster: danger: evicts: 10.0.0.1:6379: maxmemory-policy is allkeys-lru: what nodes told may vanish when "
            "memory is full; in valkey.conf or redis.conf: maxmemory-policy noeviction"
        ),
    ),
    "would evict": (
        with_info(maxmemory_policy="allkeys-lru", maxmemory=0),
        "cluster: advice: evicts: ",
    ),
    "evicts others' keys": (with_info(maxmemory_policy="volatile-ttl"), "cluster: advice: evicts: "),
    "memory": (
        with_info(used_memory=500 * MB),
        (
            "cluster: advice: memory-short: 10.0.0.1:6379: of its 512 MB 12 are free, and streams may grow by 256 "
            "(cluster.max_mb): when it is full, each node judges alone; in valkey.conf or redis.conf: maxmemory 756mb"
        ),
    ),
    "not persistent": (
        with_info(aof_enabled=0),
        (
            "cluster: advice: not-persistent: 10.0.0.1:6379 writes nothing to disk: when it restarts, nodes must tell "
            "everything anew; in valkey.conf or redis.conf: appendonly yes"
        ),
    ),
    "clock": (
        attrs.evolve(RIGHT, offset_s=-3.4),
        (
            "cluster: advice: clock: 10.0.0.1:6379: its clock is 3 s behind ours, which is made up for; "
            "run: timedatectl set-ntp true"
        ),
    ),
    "clock far off": (
        attrs.evolve(RIGHT, offset_s=700.0),
        (
            "cluster: danger: clock: 10.0.0.1:6379: its clock is 700 s ahead of ours, too far to be made up for: bans begin "
            "and end at wrong times; run: timedatectl set-ntp true"
        ),
    ),
}


@pytest.mark.parametrize(("server", "expected"), WRONG.values(), ids=WRONG)
def test_wrong(server: Server, expected: str) -> None:
    """Each cause has one finding, which says what comes of it and what mends it."""
    (finding,) = told(server)
    assert finding.startswith(expected)


def test_streams_that_have_grown() -> None:
    """What the streams have already is not asked for again."""
    assert told(with_info(used_memory=500 * MB), growth=10 * MB) == []


def test_strange_answers() -> None:
    """A server that says nothing of the expected form is judged by what is left."""
    info = {"redis_version": "strange", "maxmemory": "much", "used_memory": None, "role": None}
    assert [finding.name for finding in findings(attrs.evolve(RIGHT, info=info), MB)] == ["store-old"]
