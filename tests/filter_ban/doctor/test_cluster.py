# SPDX-License-Identifier: ISC
"""What the doctor says of the cluster, with stores that are as a test wants them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from filter_ban.config.cluster import Cluster
from filter_ban.doctor.cluster import findings
from filter_ban.doctor.store import COMMANDS, Login, Place, Server, StoreError, Visit
from tests.filter_ban.authority import Authority
from tests.filter_ban.doctor.cluster_node import configured, showing

RIGHTS: Final = (
    "user filter-ban on >PASSWORD resetchannels ~filter-ban:* -@all "
    + " ".join(f"+{command}" for command in COMMANDS)
    + " +info"
)
INFO: Final = {"redis_version": "7.0.15", "role": "master", "maxmemory": 0, "aof_enabled": 1}
WELL: Final = Visit((Server("store:6379", INFO, 0.0, ""),), {}, 0, {}, "filter-ban:{0}:nodes", {})


class Stores:
    """Stores that give what a test wants; ``visits`` is how they were visited."""

    def __init__(self, found: Visit | StoreError = WELL) -> None:
        self.found = found
        self.visits: list[tuple[Place, Login, str, Mapping[int, str]]] = []

    def visit(self, place: Place, login: Login, prefix: str, streams: Mapping[int, str]) -> Visit:
        """Give what is wanted."""
        self.visits.append((place, login, prefix, streams))
        if isinstance(self.found, StoreError):
            raise self.found
        return self.found


def told(config: Cluster, stores: Stores, status: Mapping[str, Any] | None = None) -> list[str]:
    """Return what is said."""
    return [str(finding) for finding in findings(config, stores.visit, status or {})]


def test_all_is_well(folder: Path) -> None:
    """Of a cluster that is as it should be nothing is said; each store is asked for its own streams."""
    stores = Stores()
    assert told(configured(folder, "rediss://a", "unix:///run/b"), stores) == []
    assert stores.visits == [
        (
            Place(hosts=(("a", 6379),), tls=True),
            Login("filter-ban", "secret", str(folder / "ca")),
            "filter-ban",
            {0: "filter-ban:{0}:stream", 2: "filter-ban:{2}:stream"},
        ),
        (
            Place(path="/run/b"),
            Login("filter-ban", "secret", str(folder / "ca")),
            "filter-ban",
            {1: "filter-ban:{1}:stream", 3: "filter-ban:{3}:stream"},
        ),
    ]


def test_no_cluster() -> None:
    """Where none is configured, that is told, and nobody is visited."""
    stores = Stores()
    (finding,) = told(Cluster(), stores)
    assert finding.startswith("cluster: missing: no-cluster: ")
    assert stores.visits == []


def test_rights(folder: Path) -> None:
    """What nodes may not do is told together, with the line that lets them."""
    denied = "this user has no permissions to run the command"
    failed = {"XADD": denied, "HSET": denied}
    stores = Stores(Visit(WELL.servers, failed, 0, {}, "", {}))
    assert told(configured(folder), stores) == [
        f"cluster: danger: denied: rediss://store: nodes may not XADD, HSET; in valkey.conf or redis.conf: {RIGHTS}"
    ]
    (finding,) = told(configured(folder, "redis+cluster://127.0.0.1"), stores)
    assert finding.endswith(" +cluster|slots +info")
    (finding,) = told(configured(folder, "redis://127.0.0.1/2"), stores)
    assert finding.endswith(" +select +info")


def test_commands_that_fail(folder: Path) -> None:
    """Of commands that fail the first is told: the others have the same cause."""
    failed = dict.fromkeys(("XADD", "HSET"), "command not allowed when used memory > 'maxmemory'.")
    assert told(configured(folder), Stores(Visit(WELL.servers, failed, 0, {}, "", {}))) == [
        (
            "cluster: danger: command-fails: rediss://store refuses XADD: command not allowed when used memory > "
            "'maxmemory'.; run: filter-ban status"
        )
    ]


def test_on_the_way(folder: Path) -> None:
    """A store across a network wants TLS and a password; one on this machine need not have them."""
    config = configured(folder, "redis://10.0.0.1", "redis+sentinel://a,b/main", password_file="", user="")
    names = [finding.split(": ")[2] for finding in told(config, Stores())]
    assert names == ["no-tls", "no-password"] * 2
    assert 'stores = ["rediss+sentinel://a,b/main"]' in told(config, Stores())[2]
    for url in "redis://127.0.0.1", "redis://localhost:6380", "redis://[::1]", "unix:///run/b":
        assert told(configured(folder, url, password_file=""), Stores()) == []


def test_closed_store(folder: Path) -> None:
    """A store that cannot be visited is told."""
    (finding,) = told(configured(folder), Stores(StoreError("down", "no")))
    assert finding.startswith("cluster: danger: store-down: rediss://store cannot be reached: no")


def test_own_certificate(folder: Path) -> None:
    """A store is shown our certificate, and Sentinels are asked as whom they want; if it cannot be used, no store is visited."""
    authority = Authority(folder)
    pair = authority.issue("node")
    stores = Stores()
    more = {"sentinel_user": "asker", "sentinel_password_file": str(folder / "password")}
    assert told(showing(folder, pair, **more), stores) == []
    assert stores.visits[0][1] == Login(
        "filter-ban",
        "secret",
        str(folder / "ca"),
        str(pair.file),
        str(pair.key_file),
        sentinel_user="asker",
        sentinel_password="secret",
    )
    assert "secret" not in repr(stores.visits[0][1])
    stores = Stores()
    (finding,) = told(showing(folder, authority.locked(pair)), stores)
    assert finding.startswith("cluster: danger: certificate-key-wrong: ")
    assert stores.visits == []


def test_password_that_cannot_be_read(folder: Path) -> None:
    """Without its password no store is visited: all that it says would come of that."""
    (folder / "password").unlink()
    stores = Stores()
    (finding,) = told(configured(folder), stores)
    assert finding.startswith("cluster: danger: password-unreadable: ")
    assert stores.visits == []


def test_the_daemon(folder: Path) -> None:
    """A daemon that knows of no cluster, or cannot reach a store that we can, is told; one of another version is not judged."""
    config = configured(folder)
    (finding,) = told(config, Stores(), {"version": "1", "cluster": None})
    assert finding.startswith("cluster: danger: not-restarted: ")
    stores = [{"ok": False, "problem": "Permission\x1b denied"}]
    assert told(config, Stores(), {"cluster": {"stores": stores}}) == [
        (
            "cluster: danger: daemon-cut-off: rediss://store can be used from here, but not by the daemon: "
            "Permission\\x1b denied; run: filter-ban status"
        )
    ]
    for strange in ([], ["x"], "x", [{"ok": True}]):
        assert told(config, Stores(), {"cluster": {"stores": strange}}) == []
    assert told(config, Stores(), {"cluster": "strange"}) == []


def test_servers_and_nodes_are_judged(folder: Path) -> None:
    """What servers say and what nodes have written counts, for as long as there is a key to read it by."""
    server = Server("store:6379", {**INFO, "role": "slave"}, 0.0, "")
    stores = Stores(Visit((server,), {}, 0, {}, "filter-ban:{0}:nodes", {b"mx2": b"x"}))
    names = [finding.split(": ")[2] for finding in told(configured(folder), stores)]
    assert names == ["replica", "key-differs"]
    (folder / "key").unlink()
    names = [finding.split(": ")[2] for finding in told(configured(folder), stores)]
    assert names == ["key-unreadable", "replica"]
