# SPDX-License-Identifier: ISC
"""A store of the cluster: where it is, and what a visit there finds. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

PART: Final = "cluster"
IN_OUR_CONFIGURATION: Final = "filter-ban.toml, [cluster]"
IN_THE_STORES: Final = "valkey.conf or redis.conf"
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


@attrs.frozen
class Login:
    """As whom we come; ``ca_file`` has the certificates that a server's is checked by."""

    user: str = ""
    password: str = ""
    ca_file: str = ""


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
    """A store cannot be visited: ``kind`` is ``down``, ``tls``, ``login``, ``loading``, ``strange`` or ``library``."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


def _host(text: str, port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(text)
    assert match is not None
    return match[1], int(match[2] or port)
