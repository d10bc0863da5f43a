# SPDX-License-Identifier: ISC
"""Visits to a real Redis and a real Valkey."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from filter_ban.doctor.store import COMMANDS, Login, Place, StoreError, Visit
from filter_ban.doctor.store_visit import visit
from tests.real.namespaces import NetworkNamespace
from tests.real.store import PROGRAMS, REASON, Store, require

pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(REASON), reason=REASON)]

PREFIX: Final = "filter-ban"
STREAMS: Final = {0: "filter-ban:{0}:stream", 1: "filter-ban:{1}:stream"}
NODES: Final = "filter-ban:{0}:nodes"
RIGHTS: Final = tuple(f"+{command}" for command in COMMANDS)


@pytest.fixture(params=PROGRAMS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return a store that runs."""
    with (
        NetworkNamespace() as network,
        Store(require(request.param), tmp_path / "s", network, options={"maxmemory": "64mb"}) as store,
    ):
        yield store.start()


def visited(store: Store, login: Login | None = None) -> Visit:
    """Return what is found there."""
    return visit(Place(path=str(store.path)), login or Login(), PREFIX, STREAMS)


def test_what_is_found(store: Store) -> None:
    """What nodes have written is read, what the server says of itself too, and nothing of it is changed."""
    store.ask("XADD", STREAMS[1], "*", "m", "message", "t", "tag")
    store.ask("HSET", NODES, "mx1", "sealed")
    found = visited(store)

    (server,) = found.servers
    assert server.place == str(store.path)
    assert server.info is not None
    assert (server.info["role"], server.info["maxmemory_policy"], server.save) == ("master", "noeviction", "")
    assert server.offset_s is not None
    assert abs(server.offset_s) < 2
    assert found.failed == {}
    assert found.stream_bytes == store.ask("MEMORY", "USAGE", STREAMS[1])
    assert found.tails == {0: [], 1: [(b"message", b"tag")]}
    assert (found.nodes_name, found.nodes) == (NODES, {b"mx1": b"sealed"})
    kept = {key for key in store.ask("KEYS", "*") if b"{doctor}:lock" not in key}  # that ends by itself
    assert kept == {STREAMS[1].encode(), NODES.encode()}


def test_the_rights_that_nodes_need(store: Store) -> None:
    """The rights that the doctor names are enough for nodes; without INFO a server tells of itself no more than the time."""
    store.ask("ACL", "SETUSER", "node", "on", ">secret", "resetchannels", "~filter-ban:*", "-@all", *RIGHTS)
    found = visited(store, Login("node", "secret"))

    assert found.failed == {}
    assert found.servers[0].info is None
    assert found.servers[0].offset_s is not None


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {"ping", "time"}))
def test_a_right_that_lacks(store: Store, command: str) -> None:
    """Each right is tried."""
    rights = [right for right in RIGHTS if right != f"+{command}"]
    store.ask("ACL", "SETUSER", "node", "on", ">secret", "~filter-ban:*", "-@all", *rights)
    failed = visited(store, Login("node", "secret")).failed

    assert [*failed] == [command.replace("|", " ").upper()]
    assert all("permission" in why for why in failed.values())


def test_other_names(store: Store) -> None:
    """Rights to other keys are none."""
    store.ask("ACL", "SETUSER", "node", "on", ">secret", "~others:*", "-@all", *RIGHTS)
    failed = visited(store, Login("node", "secret")).failed

    assert "XADD" in failed
    assert all("permission" in why.lower() for why in failed.values())


def test_a_full_store(store: Store) -> None:
    """What a store that is full refuses is told in its own words."""
    store.ask("CONFIG", "SET", "maxmemory", "1")
    failed = visited(store).failed

    assert {*failed} == {"XADD", "SET", "HSET"}
    assert all("maxmemory" in why for why in failed.values())


def test_who_is_not_let_in(store: Store) -> None:
    """A wrong password is told as such."""
    with pytest.raises(StoreError) as raised:
        visited(store, Login("node", "wrong"))
    assert raised.value.kind == "login"
