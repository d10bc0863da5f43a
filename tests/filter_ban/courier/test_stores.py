# SPDX-License-Identifier: ISC
"""Stores of each kind: with TLS and access lists, named by Sentinels, in a cluster, and several of them."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from filter_ban.cluster.shards import stream_name
from tests.filter_ban.courier.node import PREFIX, Nodes, message
from tests.filter_ban.courier.redis_server import RedisServer, Sentinel, serving
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


@attrs.frozen
class Certificates:
    """Files of a server, and the certificate by which it is checked."""

    ca: str
    cert: str
    key: str


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Provide a certificate for 127.0.0.1 that vouches for itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=store", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return Certificates(cert.read_text(), str(cert), str(key))


@pytest.fixture
def secure(folder: Path, certificates: Certificates) -> Iterator[tuple[RedisServer, str]]:
    """Provide a server and its URL with TLS."""
    port = free_port()
    options = {
        "tls-port": str(port),
        "tls-cert-file": certificates.cert,
        "tls-key-file": certificates.key,
        "tls-ca-cert-file": certificates.cert,
        "tls-auth-clients": "no",
    }
    with serving(folder / "secure", **options) as server:
        yield server, f"rediss://127.0.0.1:{port}"


def test_tls(secure: tuple[RedisServer, str], couriers: Nodes, certificates: Certificates) -> None:
    """Inside TLS all is as without."""
    first, second = couriers.pair(secure[1], ca=certificates.ca)
    sent = first.publish()
    assert second.until("heard")[2] == sent


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_of_somebody_else(
    secure: tuple[RedisServer, str], couriers: Nodes, certificates: Certificates, host: str
) -> None:
    """A server whose certificate nobody vouches for, or that is another's, is told nothing."""
    ca = certificates.ca if host == "localhost" else ""
    node = couriers.start(secure[1].replace("127.0.0.1", host), ca=ca, password=PASSWORD)
    problem = node.until("store", ok=False)[1]["problem"]
    assert "ertificate" in problem or "ostname" in problem
    assert secure[0].ask("INFO", "stats")["total_commands_processed"] < 20


@pytest.mark.parametrize("ca", ["rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_certificates_that_are_none(secure: tuple[RedisServer, str], couriers: Nodes, ca: str) -> None:
    """Certificates that are none are a problem that is told of."""
    node = couriers.start(secure[1], ca=ca)
    assert node.until("store", ok=False)[1]["problem"].startswith("certificates: ")


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
