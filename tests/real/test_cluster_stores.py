# SPDX-License-Identifier: ISC
"""Nodes and the kinds of stores they can have: with TLS and users, several, Sentinels, a cluster; and the roles of nodes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from filter_ban.certificate import ASKED
from filter_ban.doctor.store import COMMANDS
from tests.filter_ban.authority import Authority
from tests.real.farm import STORE, URL, Farm
from tests.real.polling import wait_until
from tests.real.store import PORT, REASON, Store, StoreProgram, require

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

SECOND_PORT = 6380
SENTINEL_PORT = 26379
ADMIN = ("admin", "of-the-store")
PASSWORD = "of-the-nodes"
# The names of our keys, and the commands that doctor and manual name.
RIGHTS = " ".join(("~filter-ban:*", "-@all", *(f"+{command}" for command in COMMANDS)))
SOME = 8  # clients: with high probability some of each store


@pytest.fixture(params=["redis", "valkey"])
def program(request: pytest.FixtureRequest) -> StoreProgram:
    """Return a store's program."""
    return require(request.param)


@pytest.fixture
def redis() -> StoreProgram:
    """Return Redis, where one kind is enough."""
    return require("redis")


def spread(farm: Farm) -> list[str]:
    """Let some clients fail at all nodes, five times in all; return them when all nodes know and refuse them."""
    clients = [farm.client() for _ in range(SOME)]
    for client in clients:
        for number in range(5):
            farm.nodes[number % len(farm.nodes)].fail(client)
    farm.wait_until_banned(*clients)
    farm.wait_until_agreed()
    return clients


# --- kinds of stores


def test_tls_and_a_user_with_few_rights(tmp_path: Path, program: StoreProgram) -> None:
    """Over TLS with certificates on both sides, as a user who may do no more than the manual says, with the password from a file."""
    authority = Authority(tmp_path)
    store, node = authority.issue("store", STORE), authority.issue("node")
    options = {
        "port": "0",
        "tls-port": str(PORT),
        "tls-cert-file": str(store.file),
        "tls-key-file": str(store.key_file),
        "tls-ca-cert-file": str(authority.file),
        "user default": "off",
        f"user {ADMIN[0]}": f"on >{ADMIN[1]} ~* &* +@all",
        "user mail": f"on >{PASSWORD} {RIGHTS}",
    }
    password_file = tmp_path / "password"
    password_file.write_text(f"{PASSWORD}\n")
    password_file.chmod(0o600)
    believed = f'ca_file = "{authority.file}"\n'
    shown = f'certificate_file = "{node.file}"\ncertificate_key_file = "{node.key_file}"\n'
    nobody = (
        f'stores = ["{URL.replace("redis:", "rediss:")}"]\nuser = "mail"\npassword_file = "{password_file}"\n'
    )
    with Farm(tmp_path / "farm", program, options=options, login=ADMIN) as farm:
        farm.start(2, nobody + believed + shown)
        spread(farm)
        assert farm.store.ask("ACL", "LOG") == []
        assert "danger" not in farm.nodes[0].run("doctor", "cluster", check=False)

        stranger = farm.add(cluster=nobody + shown).start()
        wait_until(lambda: "certificate" in problem(farm, -1).lower(), "it does not believe the certificate")
        farm.remove(stranger)
        stranger = farm.add(cluster=nobody + believed).start()
        wait_until(lambda: problem(farm, -1) == ASKED, "it is asked for a certificate")
        assert "certificate_key_file" in stranger.run("doctor", "cluster", check=False)
        farm.remove(stranger)
        password_file.write_text("another\n")
        guesser = farm.add(cluster=nobody + believed + shown).start()
        wait_until(lambda: problem(farm, -1), "it is not let in")
        log = guesser.log.read_text()
        assert "another" not in log
        assert "PRIVATE KEY" not in log


def problem(farm: Farm, number: int) -> str:
    """Return what is wrong with the first store of a node."""
    return str(farm.nodes[number].cluster()["stores"][0]["problem"] or "")


def test_two_stores(tmp_path: Path, redis: StoreProgram) -> None:
    """Clients are spread over two servers; with one of them dead those of the other are judged by all nodes."""
    with Farm(tmp_path / "farm", redis) as farm:
        second = Store(redis, tmp_path / "second", farm.network, port=SECOND_PORT)
        with second.start():
            farm.start(2, f'stores = ["{URL}", "redis://{STORE}:{SECOND_PORT}"]\n')
            spread(farm)
            assert all(store.ask("KEYS", "*:stream") for store in (farm.store, second))
            second.kill()
            wait_until(lambda: not farm.nodes[0].cluster()["stores"][1]["ok"], "it is seen")
            clients = [farm.client() for _ in range(SOME)]
            for client in clients:
                farm.nodes[0].fail(client, 5)
            wait_until(lambda: any(farm.nodes[1].refuses(client) for client in clients), "some are told")
            second.start()
            farm.wait_until_banned(*clients)


def test_sentinels(tmp_path: Path, program: StoreProgram) -> None:
    """When the Sentinels make another server the primary the nodes go there, and lose nothing."""
    options = {"repl-diskless-sync-delay": "0"}
    with Farm(tmp_path / "farm", program, options=options) as farm, contextlib.ExitStack() as stack:
        replica = Store(
            program,
            tmp_path / "replica",
            farm.network,
            port=SECOND_PORT,
            options={"replicaof": f"{STORE} {PORT}"},
        )
        sentinel = Store(
            program,
            tmp_path / "sentinel",
            farm.network,
            port=SENTINEL_PORT,
            options={
                "sentinel monitor": f"farm {STORE} {PORT} 1",
                "sentinel down-after-milliseconds": "farm 300",
                "sentinel failover-timeout": "farm 2000",
            },
            mode=("--sentinel",),
        )
        stack.enter_context(replica.start())
        wait_until(lambda: linked(replica), "the replica has what the primary has")
        stack.enter_context(sentinel.start())
        wait_until(lambda: sentinel.ask("SENTINEL", "REPLICAS", "farm"), "the Sentinel knows the replica", 20)
        farm.start(2, f'stores = ["redis+sentinel://{STORE}:{SENTINEL_PORT}/farm"]\n')
        before = spread(farm)

        farm.store.kill()
        alone = farm.client()
        farm.nodes[0].fail(alone, 5)

        wait_until(lambda: role(replica) == "master", "there is another primary", 20)
        farm.wait_until_banned(*before, alone)
        spread(farm)


def role(store: Store) -> str:
    """Return what a server is to others."""
    first = store.ask("ROLE")[0]
    return first.decode() if isinstance(first, bytes) else str(first)


def linked(replica: Store) -> bool:
    """Return whether a replica has what its primary has."""
    return bool(replica.ask("INFO", "replication")["master_link_status"] == "up")


def is_up(store: Store) -> bool:
    """Return whether a server knows who has all slots."""
    return bool(store.ask("CLUSTER INFO")["cluster_state"] == "ok")


@pytest.fixture
def servers(tmp_path: Path, program: StoreProgram) -> Iterator[Farm]:
    """Provide a farm whose stores are two servers that are a cluster."""
    options = {"cluster-enabled": "yes", "cluster-announce-ip": STORE, "cluster-node-timeout": "2000"}
    with Farm(tmp_path / "farm", program, options=options) as farm:
        second = Store(program, tmp_path / "second", farm.network, port=SECOND_PORT, options=options)
        with second.start():
            farm.store.ask("CLUSTER", "MEET", STORE, SECOND_PORT)
            farm.store.ask("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
            second.ask("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
            wait_until(lambda: all(map(is_up, (farm.store, second))), "the cluster is up", 20)
            yield farm


def test_a_cluster_of_servers(servers: Farm) -> None:
    """The streams are where the slots are, and all nodes find them."""
    servers.start(2, f'stores = ["redis+cluster://{STORE}:{PORT},{STORE}:{SECOND_PORT}"]\n')
    spread(servers)


# --- roles


def test_roles(tmp_path: Path, redis: StoreProgram) -> None:
    """One that only listens tells nothing, one that only speaks hears nothing, one that trusts bans counts alone."""
    with Farm(tmp_path / "farm", redis) as farm:
        full = farm.add().start()
        listener = farm.add(cluster='role = "listen-only"\n').start()
        speaker = farm.add(cluster='role = "publish-only"\n').start()
        counter = farm.add(cluster='trust = ["bans"]\n').start()
        believer = farm.add(cluster='trust = ["strikes"]\n').start()
        hearers = full, listener, counter, believer
        at_full, at_listener, at_speaker, by_hand = (farm.client() for _ in range(4))

        listener.fail(at_listener, 5)
        listener.wait_until_banned(at_listener)
        speaker.fail(at_speaker, 5)
        full.fail(at_full, 5)
        full.run("ban", by_hand)

        for node in hearers:
            node.wait_until_banned(at_full, at_speaker)
        for node in (full, listener, counter):
            node.wait_until_banned(by_hand)
        assert not believer.refuses(by_hand)
        assert not any(speaker.refuses(client) for client in (at_full, at_listener, by_hand))
        assert not any(node.refuses(at_listener) for node in (full, counter, believer))
        assert [node.known_strikes(at_full)[0] for node in hearers] == [5, 5, 0, 5]
