# SPDX-License-Identifier: ISC
"""The keys of a node that shares strikes and bans with others."""

from pathlib import Path
from typing import Final

import attrs

from filter_ban.config import values
from filter_ban.config.declaration import DAEMON, key

FULL: Final = "full"
LISTEN_ONLY: Final = "listen-only"
PUBLISH_ONLY: Final = "publish-only"
BANS: Final = "bans"
STRIKES: Final = "strikes"


@attrs.frozen(kw_only=True)
class Cluster:
    """[cluster]: nodes with one memory, by way of Valkey or Redis; needs the extra "cluster"."""

    stores: tuple[str, ...] = key(
        [],
        values.several(values.store_url),
        "URLs of the servers, the same and in the same order on all nodes; empty: no cluster",
        restart=DAEMON,
    )
    node: str = key(
        "",
        values.pattern(
            r"([A-Za-z0-9][A-Za-z0-9_.-]{0,62})?",
            "must be a name of letters, digits, ., _ and -, at most 63 characters",
        ),
        "name of this node, no other's; empty: the host's",
        restart=DAEMON,
    )
    prefix: str = key(
        "filter-ban",
        values.pattern(r"[A-Za-z0-9_:.-]{1,100}", "must be 1 to 100 letters, digits, :, ., _ and -"),
        "how the names of all keys in the store begin",
        restart=DAEMON,
    )
    key_file: Path | None = key(
        "",
        values.parse_path_or_none,
        "file with the secret that all nodes share; without it nothing is believed",
        restart=DAEMON,
    )
    user: str = key(
        "", values.text, "user in the store's access list; empty: the default one", restart=DAEMON
    )
    password_file: Path | None = key(
        "", values.parse_path_or_none, "file with the password for the store; empty: none", restart=DAEMON
    )
    ca_file: Path | None = key(
        "",
        values.parse_path_or_none,
        "file with the certificates by which rediss:// is checked; empty: the system's",
        restart=DAEMON,
    )
    certificate_file: Path | None = key(
        "",
        values.parse_path_or_none,
        "file with the certificate that this node shows with rediss://, and what it is signed by; empty: none",
        restart=DAEMON,
    )
    certificate_key_file: Path | None = key(
        "",
        values.parse_path_or_none,
        "file with the private key of that certificate, without a passphrase",
        restart=DAEMON,
    )
    sentinel_user: str = key(
        "",
        values.text,
        "with +sentinel: user in the Sentinels' access list; empty: the default one",
        restart=DAEMON,
    )
    sentinel_password_file: Path | None = key(
        "",
        values.parse_path_or_none,
        "with +sentinel: file with the password for the Sentinels; empty: none",
        restart=DAEMON,
    )
    shards: int = key(
        4,
        values.integer(1, 64),
        "streams that clients are spread over, the same on all nodes",
        restart=DAEMON,
    )
    role: str = key(
        FULL,
        values.one_of(FULL, LISTEN_ONLY, PUBLISH_ONLY),
        "full, or only one half of it: listen-only or publish-only",
        restart=DAEMON,
    )
    trust: tuple[str, ...] = key(
        [BANS, STRIKES],
        values.several(values.one_of(BANS, STRIKES), at_least=1),
        "what is believed of other nodes: their bans, their strikes, or both",
        restart=DAEMON,
    )
    secret_bits: int = key(
        12,
        values.integer(0, 16),
        "bits of the keyed hash of a wrong password that nodes are told, to know it again; 0: none",
        restart=DAEMON,
    )
    buffer: int = key(
        200_000,
        values.integer(1000, 10_000_000),
        "strikes kept for the store while it cannot be reached; beyond, the oldest are dropped, and never a ban",
        restart=DAEMON,
    )
    max_mb: int = key(
        256, values.integer(1, 1_000_000), "what the streams may take of a store's memory", restart=DAEMON
    )
    snapshot: int = key(
        "5m", values.parse_duration, "how often all bans are written for new nodes", restart=DAEMON
    )
