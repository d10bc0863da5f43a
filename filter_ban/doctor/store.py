# SPDX-License-Identifier: ISC
"""A store of the cluster: where it is, and what a visit there finds. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from filter_ban.config.cluster import Cluster

PART: Final = "cluster"
IN_OUR_CONFIGURATION: Final = "filter-ban.toml, [cluster]"
IN_THE_STORES: Final = "valkey.conf or redis.conf"
IN_THE_SENTINELS: Final = "sentinel.conf"
MB: Final = 1_000_000
COMMANDS: Final = (  # that nodes need, as ACL names them
    *("ping", "time", "get", "set", "hset", "hget", "hmget", "hgetall", "hkeys", "hdel"),
    *("xadd", "xread", "xtrim", "xlen", "xinfo|stream", "memory|usage"),
)
PORT: Final = 6379
SENTINEL_PORT: Final = 26_379
_KIND: Final = re.compile(r"(rediss?|unix)(?:\+(sentinel|cluster))?://(.*)")
_HOST: Final = re.compile(r"\[?([^\]]*?)\]?(?::([0-9]+))?")


@attrs.frozen
class Place:
    """
    Where a URL of ``cluster.stores`` leads.

    Args:
        hosts: With their ports; none for a unix socket.
        path: Of the unix socket.
        tls: Whether TLS is spoken.
        kind: ``sentinel``, ``cluster``, or empty for a server itself.
        name: By which Sentinels know the server.
        database: Its number.

    """

    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    tls: bool = False
    kind: str = ""
    name: str = ""
    database: int = 0

    @classmethod
    def parse(cls, url: str) -> "Place":
        """Return the place of *url*, one that :func:`filter_ban.config.values.store_url` accepts."""
        match = _KIND.fullmatch(url)
        assert match is not None
        scheme, kind, rest = match[1], match[2] or "", match[3]
        if scheme == "unix":
            return cls(path=rest)
        hosts, *more = rest.split("/")
        name = more.pop(0) if kind == "sentinel" else ""
        port = SENTINEL_PORT if kind == "sentinel" else PORT
        return cls(
            hosts=tuple(_host(text, port) for text in hosts.split(",")),
            tls=scheme == "rediss",
            kind=kind,
            name=name,
            database=int(more[0]) if more else 0,
        )


def rights_line(place: Place, config: Cluster) -> str:
    """
    Return the line of a store's configuration that gives nodes their rights; INFO is for the doctor.

    Source: Valkey and Redis, the documentation of ACL.

    """
    own = [*(["cluster|slots"] if place.kind == "cluster" else []), *(["select"] if place.database else [])]
    commands = " ".join(f"+{command}" for command in (*COMMANDS, *own, "info"))
    user = config.user or "filter-ban"
    return f"user {user} on >PASSWORD resetchannels ~{config.prefix}:* -@all {commands}"


@attrs.frozen
class Login:
    """
    As whom we come.

    Args:
        user: Of a server.
        password: For that user.
        ca_file: Has the certificates that a server's is checked by.
        certificate_file: Has the one that a server is shown.
        certificate_key_file: Has its key.
        sentinel_user: Of a Sentinel.
        sentinel_password: For that user.

    """

    user: str = ""
    password: str = attrs.field(default="", repr=False)
    ca_file: str = ""
    certificate_file: str = ""
    certificate_key_file: str = ""
    sentinel_user: str = ""
    sentinel_password: str = attrs.field(default="", repr=False)

    def at_sentinels(self) -> "Login":
        """Return as whom we come to Sentinels."""
        return attrs.evolve(self, user=self.sentinel_user, password=self.sentinel_password)


@attrs.frozen
class Server:
    """
    What one server says of itself.

    Args:
        place: Its host and port, or path.
        info: The answer to INFO; None: it is denied to us.
        offset_s: What its clock is ahead of ours; None: it is denied to us.
        save: When it writes its memory to disk, as in its configuration; None: it is denied to us.

    """

    place: str
    info: Mapping[str, Any] | None
    offset_s: float | None
    save: str | None


@attrs.frozen
class Visit:
    """
    What was found.

    Args:
        servers: All behind the URL that take writes.
        failed: What we may not do, or what fails: why, by command.
        stream_bytes: The memory that the streams take.
        tails: The last entries of each stream, by shard: pairs of message and tag.
        nodes_name: Of the hash in which nodes tell of themselves.
        nodes: What each tells, as it stands there, by name.

    """

    servers: tuple[Server, ...]
    failed: Mapping[str, str]
    stream_bytes: int
    tails: Mapping[int, list[tuple[bytes, bytes]]]
    nodes_name: str
    nodes: Mapping[bytes, bytes]


class StoreError(Exception):
    """
    A store cannot be visited.

    Args:
        kind: ``down``, ``tls``, ``certificate`` (it is ours that lacks or is refused), ``login``, ``sentinel-login``,
            ``loading``, ``strange`` or ``library``.
        why: In the server's words, or ours.

    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


def _host(text: str, port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    assert match is not None
    return match[1], int(match[2] or port)
