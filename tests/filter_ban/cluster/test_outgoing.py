# SPDX-License-Identifier: ISC
"""What waits for the store is bounded, in order, and said once more exactly as it was."""

import math

from filter_ban.client import ClientKey, parse_network
from filter_ban.cluster.message import MAX_NOTICES, read_header, read_notices
from filter_ban.cluster.notice import Encoder, Lifted
from filter_ban.cluster.outgoing import Outgoing
from filter_ban.model import Ban, Kind, Strike

CLIENT = parse_network("192.0.2.7")


def outgoing(*, shards: int = 1, most: int = 10_000) -> Outgoing:
    """Return an empty one."""
    return Outgoing(Encoder(0), node="mx1", started=17, shards=shards, most=most)


def strike(number: int, client: ClientKey = CLIENT) -> Strike:
    """Return a strike of second *number*."""
    return Strike(client, float(number), Kind.AUTH_FAIL, 1.0)


def banned(client: ClientKey, start_s: int = 1) -> Ban:
    """Return a ban for ever."""
    return Ban(client=client, start_s=start_s, end_s=None, rule="by hand", reason="")


def rows(out: Outgoing, shard: int = 0) -> list[list[object]]:
    """Take a message, have it published, and return its notices."""
    taken = out.take(shard)
    assert taken is not None
    header, message = taken
    assert read_header(message) == header
    out.confirm(shard, header.first)
    return read_notices(message)


def test_one_message_at_a_time_and_the_same_again() -> None:
    """While a message is on its way there is no other; it is kept, as it is, until it is confirmed."""
    out = outgoing()
    out.add(strike(1))
    taken = out.take(0)
    out.add(strike(2))
    assert taken is not None
    assert out.take(0) is None
    assert out.on_their_way() == [(0, *taken)]
    out.confirm(0, taken[0].first + 1)  # of another one
    assert out.take(0) is None
    out.confirm(0, taken[0].first)
    assert (out.on_their_way(), out.published, len(out)) == ([], 1, 1)
    following = out.take(0)
    assert following is not None
    assert following[0].first == taken[0].last + 1


def test_urgent_notices_go_first() -> None:
    """A ban does not wait behind strikes that were counted before it."""
    out = outgoing()
    for number in range(3 * MAX_NOTICES):
        out.add(strike(number))
    out.add(banned(CLIENT))
    first = rows(out)
    assert len(first) == MAX_NOTICES
    assert first[0][0] == "ban"
    assert [row[2] for row in first[1:]] == [float(number) for number in range(MAX_NOTICES - 1)]


def test_the_oldest_strikes_are_dropped_and_never_a_ban() -> None:
    """Where the store is away for long, the newest strikes and all bans are kept, and the rest is counted."""
    out = outgoing(most=100)
    clients = [parse_network(f"198.51.100.{number}") for number in range(200)]
    for client in clients:
        out.add(banned(client))
    for number in range(150):
        out.add(strike(number))
    assert (len(out), out.dropped) == (300, 50)
    said = rows(out)
    assert [row[0] for row in said] == ["ban"] * 200 + ["strike"] * 100
    assert said[200][2] == 50.0


def test_since_when_something_waits() -> None:
    """The oldest strike counts that the store may not have, also on its way; a ban does not."""
    out = outgoing(shards=4)
    assert out.since_s() == math.inf
    clients = [parse_network(f"198.51.100.{number}") for number in range(20)]
    shards = [out.add(strike(number, client)) for number, client in enumerate(clients)]
    out.add(banned(clients[0]))
    assert out.since_s() == 0.0
    for shard in range(4):
        assert out.take(shard) is not None
    out.add(strike(20, clients[0]))
    assert out.since_s() == 0.0
    for shard in set(shards) - {shards[0]}:
        out.confirm(shard, 1)
    assert out.since_s() == 0.0
    out.confirm(shards[0], 1)
    assert out.since_s() == 20.0
    assert out.take(shards[0]) is not None
    out.confirm(shards[0], 1)
    assert out.since_s() == 20.0


def test_what_waited_before_the_start_goes_first() -> None:
    """What is recalled, newest first, is said before what is new; the oldest of it are dropped and counted."""
    out = outgoing(most=5)
    out.add(strike(10))
    out.add(strike(11))
    for number in range(9, 4, -1):
        assert out.recall(strike(number)) == 0
    assert (out.dropped, out.since_s()) == (2, 7.0)
    assert [row[2] for row in rows(out)] == [7.0, 8.0, 9.0, 10.0, 11.0]


def test_of_each_client_the_last_word_stands() -> None:
    """Bans and lifts that wait are not more than clients, and their order is that of the last of each."""
    out = outgoing()
    for number in range(1000):
        out.add(banned(CLIENT, number))
        out.add(Lifted(CLIENT, number + 0.5, "operator"))
    out.add(banned(CLIENT, 1000))
    assert [(row[0], row[2]) for row in rows(out)] == [("lift", 999.5), ("ban", 1000)]


def test_a_client_has_one_stream() -> None:
    """All notices of a client go to one shard, those of others to others; each shard counts for itself."""
    out = outgoing(shards=4)
    clients = [parse_network(f"198.51.100.{number}") for number in range(100)]
    shards = {client: out.add(strike(1, client)) for client in clients}
    assert set(shards.values()) == {0, 1, 2, 3}
    assert all(out.add(banned(client)) == shard for client, shard in shards.items())
    for shard in range(4):
        taken = out.take(shard)
        assert taken is not None
        assert taken[0].first == 1
