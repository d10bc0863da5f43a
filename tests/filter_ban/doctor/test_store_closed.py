# SPDX-License-Identifier: ISC
"""What the doctor says of stores that it cannot visit."""

from pathlib import Path
from typing import Final

import pytest

from filter_ban.config.cluster import Cluster
from filter_ban.doctor.store import Place, StoreError, rights_line
from filter_ban.doctor.store_closed import finding
from tests.filter_ban.authority import Authority
from tests.filter_ban.doctor.cluster_node import configured, showing

URL: Final = "rediss://store"


def told(config: Cluster, kind: str, url: str = URL) -> str:
    """Return what is said."""
    return str(finding(url, Place.parse(url), config, StoreError(kind, "why\x1b")))


CLOSED: Final = {
    "library": (
        'library-missing: needs the extra "cluster": the library redis is missing; '
        'run: pip install "filter-ban[cluster]", or the Debian package python3-redis'
    ),
    "login": (
        "login-refused: rediss://store does not take our user and password: why\\x1b; "
        f"in valkey.conf or redis.conf: {rights_line(Place.parse(URL), Cluster())}"
    ),
    "tls": (
        "tls-fails: rediss://store: TLS fails: why\\x1b; "
        'in filter-ban.toml, [cluster]: ca_file = "…", the certificate that signed the server\'s'
    ),
    "certificate": (
        "certificate-refused: rediss://store: TLS fails: why\\x1b; "
        'in filter-ban.toml, [cluster]: certificate_file = "…" and certificate_key_file = "…"'
    ),
    "sentinel-login": (
        "sentinel-login-refused: rediss://store: its Sentinels do not take our user and password: why\\x1b; "
        'in filter-ban.toml, [cluster]: sentinel_password_file = "…", which has the password of the Sentinels'
    ),
    "loading": (
        "store-loading: rediss://store still reads its own data back: why\\x1b; run: filter-ban doctor cluster"
    ),
    "strange": (
        "store-strange: rediss://store does not answer as Valkey and Redis do: why\\x1b; "
        "run: redis-cli --tls -h store -p 6379 ping"
    ),
    "down": (
        "store-down: rediss://store cannot be reached: why\\x1b; until it can, each node judges alone; "
        "run: redis-cli --tls -h store -p 6379 ping"
    ),
}


@pytest.mark.parametrize(("kind", "expected"), CLOSED.items())
def test_kinds(folder: Path, kind: str, expected: str) -> None:
    """Why a store cannot be visited is one finding, which says what mends it."""
    assert told(configured(folder), kind) == f"cluster: danger: {expected}"


def test_what_is_configured_is_refused(folder: Path) -> None:
    """What is wrong with a certificate or a password that we have is mended where it is refused."""
    more = {"sentinel_user": "asker", "sentinel_password_file": str(folder / "password")}
    config = showing(folder, Authority(folder).issue("node"), **more)
    refused = "in valkey.conf or redis.conf: tls-ca-cert-file …, with the certificate that signed ours"
    assert told(config, "certificate").endswith(refused)
    refused = "in sentinel.conf: user asker on >PASSWORD -@all +sentinel|get-master-addr-by-name"
    assert told(config, "sentinel-login").endswith(refused)


def test_unix_socket(folder: Path) -> None:
    """A store at a unix socket is tried there."""
    assert told(configured(folder), "down", "unix:///run/b").endswith("run: redis-cli -s /run/b ping")
