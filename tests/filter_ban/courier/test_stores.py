# SPDX-License-Identifier: ISC
"""Stores of each kind: with TLS and access lists, named by Sentinels, in a cluster, and several of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filter_ban.certificate import ASKED
from filter_ban.cluster.shards import stream_name
from tests.filter_ban.authority import Authority
from tests.filter_ban.courier.node import PREFIX, Nodes, message
from tests.filter_ban.courier.redis_server import RedisServer, Sentinel, secured, serving, tls_options
from tests.filter_ban.daemon.process import free_port, wait_for

PASSWORD = "a password with spaces"
RIGHTS = [
    "ping",
    "time",
    "get",
    "set",
    "xadd",
    "xread",
    "xtrim",
    "xlen",
    "xinfo|stream",
    "memory|usage",
    "hget",
    "hset",
    "hmget",
    "hkeys",
    "hdel",
    "hgetall",
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Provide who signs the certificates of stores and nodes."""
    return Authority(tmp_path_factory.mktemp("tls"))


def shown(authority: Authority) -> dict[str, Any]:
    """Return the settings of a node that believes *authority*, and shows a certificate that it signed."""
    certificate, key = authority.issue("node").texts
    return {"ca": authority.file.read_text(), "certificate": certificate, "certificate_key": key}


@pytest.fixture
def secure(folder: Path, authority: Authority) -> Iterator[tuple[RedisServer, str]]:
    """Provide a server that asks for no certificate, and its URL with TLS."""
    with secured(folder / "secure", authority, **{"tls-auth-clients": "no"}) as served:
        yield served


def test_tls(secure: tuple[RedisServer, str], couriers: Nodes, authority: Authority) -> None:
    """Inside TLS all is as without."""
    first, second = couriers.pair(secure[1], ca=authority.file.read_text())
    sent = first.publish()
    assert second.until("heard")[2] == sent


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_of_somebody_else(
    secure: tuple[RedisServer, str], couriers: Nodes, authority: Authority, host: str
) -> None:
    """A server whose certificate nobody vouches for, or that is another's, is told nothing."""
    ca = authority.file.read_text() if host == "localhost" else ""
    node = couriers.start(secure[1].replace("127.0.0.1", host), ca=ca, password=PASSWORD)
    problem = node.until("store", ok=False)[1]["problem"]
    assert "ertificate" in problem or "ostname" in problem
    assert secure[0].ask("INFO", "stats")["total_commands_processed"] < 20


@pytest.mark.parametrize("ca", ["rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_certificates_that_are_none(secure: tuple[RedisServer, str], couriers: Nodes, ca: str) -> None:
    """Certificates that are none are a problem that is told of."""
    node = couriers.start(secure[1], ca=ca)
    assert node.until("store", ok=False)[1]["problem"].startswith("certificates: ")


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_certificate_that_is_asked_for(
    folder: Path, couriers: Nodes, authority: Authority, password: str
) -> None:
    """By default a server asks for a certificate: with one all is well, and without one that is said."""
    with secured(folder / "strict", authority) as (server, url):
        if password:
            server.ask("CONFIG", "SET", "requirepass", password)
        nobody = couriers.start(url, ca=authority.file.read_text(), password=password)
        assert nobody.until("store", ok=False)[1]["problem"] == ASKED
        first, second = couriers.pair(url, **shown(authority), password=password)
        sent = first.publish()
        assert second.until("heard")[2] == sent


def test_a_certificate_that_is_asked_for_in_older_tls(
    folder: Path, couriers: Nodes, authority: Authority
) -> None:
    """Before TLS 1.3 a server says less."""
    with secured(folder / "strict", authority, **{"tls-protocols": "TLSv1.2"}) as (_, url):
        nobody = couriers.start(url, ca=authority.file.read_text())
        assert "cluster.certificate_file" in nobody.until("store", ok=False)[1]["problem"]
        couriers.start(url, **shown(authority)).until_settled()


def test_a_certificate_that_is_refused(
    folder: Path, couriers: Nodes, authority: Authority, tmp_path: Path
) -> None:
    """A certificate that the server does not believe, or that does not fit its key, is a problem that is told of."""
    stranger = {**shown(authority), **shown(Authority(tmp_path)), "ca": authority.file.read_text()}
    mixed = {**stranger, "certificate_key": shown(authority)["certificate_key"]}
    with secured(folder / "strict", authority) as (_, url):
        node = couriers.start(url, **stranger)
        assert node.until("store", ok=False)[1]["problem"] == "it does not take our certificate: unknown ca"
        node = couriers.start(url, **mixed)
        problem = node.until("store", ok=False)[1]["problem"]
        assert problem.startswith("certificates: must be the key of the first certificate")


@pytest.fixture
def listed(store: RedisServer) -> RedisServer:
    """Provide a server with an access list."""
    rights = [f"+{right}" for right in RIGHTS]
    store.ask("ACL", "SETUSER", "filter-ban", "on", f">{PASSWORD}", f"~{PREFIX}:*", *rights)
    store.ask("ACL", "SETUSER", "default", "resetpass", f">{PASSWORD}")
    return store


def admin(server: RedisServer, *command: str) -> object:
    """Ask as one who may do all."""
    return server.ask(*command, password=PASSWORD)


def test_access_list(listed: RedisServer, couriers: Nodes) -> None:
    """These rights are enough for all that a courier does, and nothing else is tried."""
    options: dict[str, Any] = {"user": "filter-ban", "password": PASSWORD}
    first = couriers.start(listed.url, **options)
    first.until_settled()
    first.say("tell", {"role": "full"})
    first.compose(message("mx1", 1), message("mx1", 2))
    first.compose(message("mx1", 1))
    wait_for(lambda: admin(listed, "HLEN", f"{PREFIX}:{{0}}:nodes"), "the first tells")
    second = couriers.start(listed.url, node="mx2", **options)
    second.until("chunk")
    sent = first.publish()
    assert second.until("heard")[2] == sent
    second.until_one(lambda frame: frame[0] == "peers" and frame[1]["peers"], "peers")
    assert admin(listed, "ACL", "LOG") == []


@pytest.mark.parametrize(("user", "password"), [("", ""), ("filter-ban", "wrong"), ("nobody", PASSWORD)])
def test_no_access(listed: RedisServer, couriers: Nodes, user: str, password: str) -> None:
    """Without access that is said, and no secret is; with it all goes on."""
    node = couriers.start(listed.url, user=user, password=password)
    node.publish()
    problem = node.until("store", ok=False)[1]["problem"]
    assert problem
    assert PASSWORD not in problem
    assert "wrong" not in problem.split()
    admin(listed, "ACL", "SETUSER", user or "default", "on", "nopass", "allkeys", "allcommands")
    node.until("published")


def test_missing_right(listed: RedisServer, couriers: Nodes) -> None:
    """A right that is missing is a problem that is told of."""
    admin(listed, "ACL", "SETUSER", "filter-ban", "-xadd")
    node = couriers.start(listed.url, user="filter-ban", password=PASSWORD)
    node.publish()
    assert "xadd" in node.until("store", ok=False)[1]["problem"]
    admin(listed, "ACL", "SETUSER", "filter-ban", "+xadd")
    node.until("published")


def test_several(store: RedisServer, folder: Path, couriers: Nodes) -> None:
    """Shards are spread over the stores; one that is gone holds up only its own."""
    with serving(folder / "other") as other:
        first = couriers.start(store.url, other.url, shards=4)
        first.until_current()
        for shard in range(4):
            first.compose(message("mx1", count=0), shard=shard)
        second = couriers.start(store.url, other.url, shards=4, node="mx2")
        second.until_current()
        sent = {shard: first.publish(shard=shard) for shard in range(4)}
        heard = [second.until("heard") for _ in range(4)]
        assert {facts["shard"]: text for _, facts, text in heard} == sent
        assert store.ask("EXISTS", *(stream_name(PREFIX, shard) for shard in range(4))) == 2

        store.kill()
        first.until("store", index=0, ok=False)
        late = [first.publish(2, shard=shard) for shard in (0, 1)]
        assert second.until("heard")[2] == late[1]
        store.start()
        assert second.until("heard")[2] == late[0]


def test_database(store: RedisServer, couriers: Nodes) -> None:
    """The number of a database in a URL is heeded."""
    url = f"redis://127.0.0.1:{store.port}/3"
    couriers.start(url).until_settled()
    assert store.ask("DBSIZE") == 0
    assert store.ask("DBSIZE", db=3) > 0


def test_cluster(folder: Path, couriers: Nodes) -> None:
    """In a cluster each shard is where its slot is."""
    options = {"cluster-enabled": "yes", "cluster-port": str(free_port()), "cluster-announce-ip": "127.0.0.1"}
    with serving(folder / "cluster", **options) as server:
        node = couriers.start(f"redis+cluster://127.0.0.1:{server.port}", shards=3)
        node.publish(shard=2)
        assert node.until("store", ok=False)[1]["problem"]
        server.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: b"cluster_state:ok" in _text(server.ask("CLUSTER", "INFO")), "the cluster is up")
        node.until("published")
        node.until_settled()
        other = couriers.start(f"redis+cluster://127.0.0.1:1,127.0.0.1:{server.port}", shards=3, node="mx2")
        assert other.until("heard")[2] == message("mx1", 1)
        node.until("store", ok=True)


def _text(reply: object) -> bytes:
    return str(reply).replace("'", "").replace(": ", ":").encode()


def test_sentinel(folder: Path, couriers: Nodes) -> None:
    """When the Sentinels name another master, that one is gone to, and all goes on."""
    with serving(folder / "one") as one, serving(folder / "two") as two:
        two.ask("REPLICAOF", "127.0.0.1", one.port)
        wait_for(lambda: two.ask("INFO", "replication")["master_link_status"] == "up", "it is a replica")
        sentinel = Sentinel(folder / "sentinel", one.port)
        try:
            url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/{sentinel.NAME}"
            first, second = couriers.pair(url)
            sent = first.publish()
            assert second.until("heard")[2] == sent
            wait_for(lambda: two.ask("XLEN", stream_name(PREFIX, 0)) == 1, "the replica has it")
            one.kill()
            later = first.publish(2)
            assert second.until("heard", 40)[2] == later
            assert two.ask("INFO", "replication")["role"] == "master"
        finally:
            sentinel.kill()


@pytest.mark.parametrize("user", ["", "asker"])
def test_a_sentinel_with_a_password(store: RedisServer, folder: Path, couriers: Nodes, user: str) -> None:
    """A Sentinel may ask for another password than the store, and for a user; without it that is said."""
    store.ask("CONFIG", "SET", "requirepass", "of-the-store")
    required = {
        "user": "default off",
        "user asker": "on >of-Sentinels -@all +sentinel|get-master-addr-by-name",
    }
    options = required if user else {"requirepass": "of-Sentinels"}
    options[f"sentinel auth-pass {Sentinel.NAME}"] = "of-the-store"
    sentinel = Sentinel(folder / "sentinel", store.port, **options)
    try:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/{sentinel.NAME}"
        for wrong in "", "of-the-store":
            node = couriers.start(url, password="of-the-store", sentinel_user=user, sentinel_password=wrong)
            problem = node.until("store", ok=False)[1]["problem"]
            assert problem.startswith("Sentinel: ")
            assert "of-the-store" not in problem
        right = {"sentinel_user": user, "sentinel_password": "of-Sentinels"}
        first, second = couriers.pair(url, password="of-the-store", **right)
        sent = first.publish()
        assert second.until("heard")[2] == sent
    finally:
        sentinel.kill()


def test_a_sentinel_that_asks_for_a_certificate(folder: Path, couriers: Nodes, authority: Authority) -> None:
    """Sentinels are shown the certificate, too."""
    with secured(folder / "one", authority) as (_, store):
        port = free_port()
        options = {**tls_options(authority, port), "tls-replication": "yes"}
        sentinel = Sentinel(folder / "sentinel", int(store.rpartition(":")[2]), **options)
        try:
            url = f"rediss+sentinel://127.0.0.1:{port}/{sentinel.NAME}"
            nobody = couriers.start(url, ca=authority.file.read_text())
            assert nobody.until("store", ok=False)[1]["problem"] == f"Sentinel: {ASKED}"
            couriers.start(url, **shown(authority)).until_settled()
        finally:
            sentinel.kill()


def test_a_cluster_that_asks_for_certificates(folder: Path, couriers: Nodes, authority: Authority) -> None:
    """The servers of a cluster are shown the certificate, too."""
    options = {"cluster-enabled": "yes", "cluster-port": str(free_port()), "tls-cluster": "yes"}
    with secured(folder / "cluster", authority, **options) as (server, seed):
        server.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: b"cluster_state:ok" in _text(server.ask("CLUSTER", "INFO")), "the cluster is up")
        url = seed.replace("rediss", "rediss+cluster")
        nobody = couriers.start(url, ca=authority.file.read_text())
        assert nobody.until("store", ok=False)[1]["problem"] == ASKED
        couriers.start(url, **shown(authority)).until_settled()
