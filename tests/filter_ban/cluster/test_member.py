# SPDX-License-Identifier: ISC
"""What a node says of what it decides, and what it makes of what others say."""

import itertools
import math
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, parse_network
from filter_ban.cluster.member import AHEAD_S, Heard, Member
from filter_ban.cluster.message import read_notices
from filter_ban.cluster.notice import Allowed, Decoder, Disallowed, Lifted, Notice, Offended
from filter_ban.cluster.shards import shard_of
from filter_ban.config import parse_config
from filter_ban.engine import Policy
from filter_ban.engine.outbox import Outbox
from filter_ban.engine.shared import SharedEngine
from filter_ban.explanation import BY_HAND
from filter_ban.model import HERE, Allowance, Ban, Kind, Login, Pardon, Reweighing, Strike

BOT: Final = parse_network("192.0.2.66")
OTHER: Final = parse_network("198.51.100.7")
OFFICE: Final = parse_network("203.0.113.9")
CLIENTS: Final = (BOT, OTHER, OFFICE)
START_S: Final = 1_763_690_000
NOW_S: Final = START_S + 1000.0
SECRET_BITS: Final = 12
SHORTEST_PATIENCE_S: Final = 0.25
LONGEST_PATIENCE_S: Final = 0.75


class Node:
    """A member with a real engine, and whom it never bans."""

    def __init__(
        self,
        *,
        role: str = "full",
        trust: tuple[str, ...] = ("bans", "strikes"),
        never: tuple[ClientKey, ...] = (),
        shards: int = 1,
        name: str = "mx1",
    ) -> None:
        self.never = never
        policy = Policy.compile(parse_config(""), never)
        self.engine = SharedEngine(policy, SECRET_BITS)
        self.member = Member(
            self.engine,
            node=name,
            started=1,
            shards=shards,
            role=role,
            trust=trust,
            secret_bits=SECRET_BITS,
            buffer=1000,
            admits=lambda client: client not in self.never,
        )
        self.name = name

    def settle(self) -> None:
        """Have it said what the engine decided."""
        outbox, self.engine.outbox = self.engine.outbox, Outbox()
        self.member.decided(outbox)

    def hear(self, *notices: Notice, shard: int = -1) -> Heard:
        """Hear another node."""
        return self.member.hear(notices, NOW_S, node="mx2", shard=shard)

    def said(self) -> list[Notice]:
        """Take what it has said, as others hear it."""
        said: list[Notice] = []
        for shard in range(self.member.shards):
            while (taken := self.member.outgoing.take(shard)) is not None:
                header, message = taken
                self.member.outgoing.confirm(shard, header.first)
                notices, strange = Decoder(self.name).decode(read_notices(message))
                assert not strange
                said += notices
        return said

    def offences(self) -> dict[ClientKey, tuple[int, int]]:
        """Return how often each client was banned, and when for the last time."""
        return {client: (count, last_s) for client, count, last_s in self.engine.all_offences()}


def struck(at_s: float, client: ClientKey = BOT, **facts: Any) -> Strike:
    """Return a strike that a peer tells of, of a user that is tried once."""
    known = {"kind": Kind.AUTH_FAIL, "weight": 1.0, "user_tag": int(at_s * 1000) + 1, "node": "mx2", **facts}
    return Strike(client=client, time_s=START_S + at_s, **known)


def banned(start: int = 900, end: int | None = 1800, client: ClientKey = BOT, **facts: Any) -> Ban:
    """Return a ban; times are seconds after the start."""
    known = {"rule": "5 in 10m", "reason": "", "node": "mx2", **facts}
    end_s = None if end is None else START_S + end
    return Ban(client=client, start_s=START_S + start, end_s=end_s, **known)


def allowance(client: ClientKey = OFFICE, *, here: bool = False) -> Allowance:
    """Return one without an end."""
    return Allowance(client, START_S, None, "customer", here)


GUESSES: Final = [struck(990.0 + number) for number in range(5)]  # enough for a ban
DERIVED_END_S: Final = START_S + 994 + 900


# --- what a node says


def test_what_is_decided_is_said() -> None:
    """Strikes that weigh something, with their weight, and all else; no ban by hand, which is an act."""
    node = Node()
    strike = struck(1, weight=0.2, node="")
    outbox = Outbox(
        strikes=[strike, struck(2, weight=0.0)],
        logins=[Login(BOT, 7, START_S + 3.0)],
        forgiven=[Pardon(BOT, 8, START_S + 4.0)],
        reweighed=[Reweighing(BOT, 9, START_S + 5.0, 2.0)],
        bans=[banned(node=""), banned(client=OTHER, rule=BY_HAND, node=HERE)],
    )

    assert node.member.decided(outbox) == {0}
    ban, *others = node.said()
    assert ban == banned(node="mx1")
    assert others[0] == struck(1, weight=0.2, node="mx1")
    assert others[1:] == [*outbox.reweighed, *outbox.forgiven, *outbox.logins]


@pytest.mark.parametrize(("role", "speaks"), [("full", True), ("publish-only", True), ("listen-only", False)])
def test_what_waited_before_the_start_is_said(role: str, speaks: bool) -> None:
    """Strikes and logins of the ledger, in their order."""
    node = Node(role=role)
    strikes = [struck(2, node=""), struck(1, node="")]
    assert node.member.recall(strikes) == ({0} if speaks else set())
    assert node.member.recall([Login(BOT, 7, START_S)]) == ({0} if speaks else set())
    said = [Login(BOT, 7, START_S), struck(1, node="mx1"), struck(2, node="mx1")]
    assert node.said() == (said if speaks else [])


def test_what_the_engine_decides_is_said_as_it_was() -> None:
    """Guesses here ban here, and whoever hears of it has the same ban and the same strikes."""
    node, other = Node(), Node(name="mx2")
    for number in range(5):
        node.engine.strike(Kind.AUTH_FAIL, BOT, NOW_S - 10 + number, user_tag=7, secret=100 + number)
    node.settle()
    other.hear(*node.said())

    mine, theirs = node.engine.bans[BOT], other.engine.bans[BOT]
    assert (mine.start_s, mine.end_s, mine.reference) == (theirs.start_s, theirs.end_s, theirs.reference)
    assert (mine.node, theirs.node) == ("", "mx1")
    assert node.engine.strikes(BOT, NOW_S) == other.engine.strikes(BOT, NOW_S) == 5.0


def test_shards_that_have_more_to_say() -> None:
    """They are told, each once."""
    node = Node(shards=4)
    wanted = {shard_of(client, 4) for client in CLIENTS}

    assert node.member.decided(Outbox(strikes=[struck(1, client) for client in CLIENTS])) == wanted
    assert node.member.acted([banned(client=client) for client in CLIENTS]) == wanted


@pytest.mark.parametrize(("role", "speaks"), [("full", True), ("publish-only", True), ("listen-only", False)])
def test_roles(role: str, speaks: bool) -> None:
    """Who only listens says nothing, whatever happens there; who only publishes says all."""
    node = Node(role=role)
    member = node.member
    member.decided(Outbox(strikes=[struck(1)], bans=[banned()]))
    member.acted([Lifted(OTHER, NOW_S, "operator"), Allowed(allowance(), NOW_S)])
    node.hear(*GUESSES)
    member.tick(NOW_S + LONGEST_PATIENCE_S)
    member.join(0)
    member.reconcile(0, node.engine.bans.values(), [allowance()])

    assert bool(node.said()) is speaks


def test_acts_are_said() -> None:
    """Bans by hand, lifts and allowances."""
    node = Node()
    acts: list[Ban | Lifted | Allowed | Disallowed] = [
        banned(rule=BY_HAND, node="mx1"),
        Lifted(OTHER, NOW_S, "operator"),
        Allowed(allowance(), NOW_S),
        Disallowed(OTHER, NOW_S),
    ]
    node.member.acted(acts)

    assert node.said() == acts


@given(
    st.lists(
        st.tuples(st.floats(-1e4, 1e4), st.sampled_from(["stamp", "login", "lift", "allow", "disallow"])),
        min_size=1,
    )
)
def test_stamps_grow(steps: list[tuple[float, str]]) -> None:
    """An act is later than all that this node has heard of, whatever the clocks say."""
    node = Node()
    latest_s = 0.0
    for at_s, what in steps:
        match what:
            case "stamp":
                stamp_s = node.member.stamp(NOW_S + at_s)
                assert stamp_s > latest_s
                assert stamp_s >= NOW_S + at_s
                latest_s = stamp_s
            case _:
                time_s = NOW_S + min(at_s, AHEAD_S)
                notices: dict[str, Notice] = {
                    "login": Login(BOT, 1, time_s),
                    "lift": Lifted(BOT, time_s, "x"),
                    "allow": Allowed(allowance(), time_s),
                    "disallow": Disallowed(OFFICE, time_s),
                }
                node.hear(notices[what])
                latest_s = max(latest_s, time_s)


# --- bans that are concluded from what others saw


def test_a_derived_ban_is_said_after_a_while() -> None:
    """Others have time to say it first; it is said once."""
    node = Node()
    (ban,) = node.hear(*GUESSES).outbox.bans

    assert (ban.end_s, ban.node) == (DERIVED_END_S, "mx2")
    assert node.member.tick(NOW_S + SHORTEST_PATIENCE_S * 0.99) == set()
    assert node.member.tick(NOW_S + LONGEST_PATIENCE_S) == {0}
    assert node.said() == [ban]
    assert node.member.tick(NOW_S + 10) == set()


def test_nodes_are_not_patient_for_the_same_time() -> None:
    """Of many that conclude the same one is first, and the others need not say it."""

    def said_at_s(name: str) -> float:
        node = Node(name=name)
        node.hear(*GUESSES)
        return next(
            at_s for at_s in itertools.count(SHORTEST_PATIENCE_S, 0.01) if node.member.tick(NOW_S + at_s)
        )

    assert len({said_at_s(f"mx{number}") for number in range(20)}) > 10


@pytest.mark.parametrize("trust", [("bans", "strikes"), ("strikes",)])
@pytest.mark.parametrize(
    ("end", "is_said"), [(None, False), (994 + 901, False), (994 + 900, False), (994 + 899, True)]
)
def test_a_derived_ban_is_not_said_twice(trust: tuple[str, ...], end: int | None, is_said: bool) -> None:
    """Not where another node has said the same or more, whether or not that is believed."""
    node = Node(trust=trust)
    (ban,) = node.hear(*GUESSES).outbox.bans
    said = banned(994, end, rule=ban.rule, reason=ban.reason, strikes=ban.strikes, reference=ban.reference)
    node.hear(said)
    node.member.tick(NOW_S + LONGEST_PATIENCE_S)

    assert node.said() == [ban] * is_said


@pytest.mark.parametrize("by", ["operator here", "another node"])
def test_a_derived_ban_that_is_lifted_is_not_said(by: str) -> None:
    """It is over before anybody has said it."""
    node = Node()
    node.hear(*GUESSES)
    if by == "another node":
        node.hear(Lifted(BOT, NOW_S, "operator"))
    else:
        node.engine.lift(BOT)
    node.member.tick(NOW_S + LONGEST_PATIENCE_S)

    assert node.said() == []


# --- what others say

SIGNALS: Final[list[Notice]] = [*GUESSES, Login(OTHER, 7, NOW_S - 10)]
DECISIONS: Final[list[Notice]] = [banned(client=OTHER), Offended(OFFICE, 3, START_S)]


@pytest.mark.parametrize(
    ("trust", "clients", "offences"),
    [
        (("bans",), {OTHER}, {OTHER, OFFICE}),
        (("strikes",), {BOT}, {BOT}),
        (("bans", "strikes"), {BOT, OTHER}, {BOT, OTHER, OFFICE}),
    ],
)
def test_trust(trust: tuple[str, ...], clients: set[ClientKey], offences: set[ClientKey]) -> None:
    """What others decided is taken over, what they saw is judged, or both."""
    node = Node(trust=trust)
    heard = node.hear(*SIGNALS, *DECISIONS)

    assert {ban.client for ban in heard.outbox.bans} == set(node.engine.bans) == clients
    assert set(node.offences()) == offences
    assert node.engine.strikes(BOT, NOW_S) == 5.0 * ("strikes" in trust)
    assert node.engine.is_known(OTHER, NOW_S) is ("strikes" in trust)
    assert node.member.folded == len(SIGNALS) + len(DECISIONS)
    assert node.engine.outbox == Outbox()


@pytest.mark.parametrize("trust", [("bans",), ("strikes",)])
def test_acts_are_followed_by_who_believes_bans(trust: tuple[str, ...]) -> None:
    """Who believes but strikes keeps its own bans and allowances."""
    node = Node(trust=trust)
    node.engine.ban(BOT, START_S, rule=BY_HAND, reason="", length_s=None)
    heard = node.hear(Lifted(BOT, NOW_S, "operator"), Allowed(allowance(), NOW_S), Disallowed(OTHER, NOW_S))

    follows = trust == ("bans",)
    assert (BOT in node.engine.bans) is not follows
    assert heard.lifts[0][0].by == "operator" if follows else not heard.lifts
    assert [one.client for one in heard.allowed] == [OFFICE] * follows
    assert list(heard.disallowed) == [OTHER] * follows


def test_whom_this_node_never_bans() -> None:
    """Others may ban it; here it is not banned, and no offence is counted."""
    node = Node(never=(BOT,))
    heard = node.hear(banned(), *GUESSES, struck(996, kind=Kind.DECOY, weight=5.0), banned(client=OTHER))
    node.member.tick(NOW_S + LONGEST_PATIENCE_S)

    assert {ban.client for ban in heard.outbox.bans} == set(node.engine.bans) == {OTHER}
    assert set(node.offences()) == {OTHER}
    assert node.member.refused == 1
    assert node.said() == []


def test_a_ban_holds_when_nobody_lets_the_client_in() -> None:
    """Whether it was heard of while the client was let in, or had ended by that; what was lifted stays so."""
    node = Node(never=(BOT, OTHER, OFFICE))
    node.hear(banned(end=5000), banned(end=4000), banned(end=5000, client=OFFICE))
    own = banned(end=6000, client=OTHER, node="")
    assert not node.member.spare([own, banned(client=OFFICE, node=HERE)], NOW_S).outbox.bans
    node.hear(Lifted(OFFICE, NOW_S, "operator"))
    node.never = ()

    assert node.member.spare([], NOW_S).outbox.bans == [banned(end=5000), own]
    assert dict(node.engine.bans) == {BOT: banned(end=5000), OTHER: own}
    assert not node.said()


@pytest.mark.parametrize(
    "make",
    [
        lambda time_s: struck(time_s - START_S),
        lambda time_s: Reweighing(BOT, 1, time_s, 2.0),
        lambda time_s: Pardon(BOT, 1, time_s),
        lambda time_s: Login(BOT, 1, time_s),
        lambda time_s: banned(math.ceil(time_s) - START_S, None),
        lambda time_s: Lifted(BOT, time_s, "x"),
        lambda time_s: Allowed(allowance(), time_s),
        lambda time_s: Disallowed(OFFICE, time_s),
        lambda time_s: Offended(BOT, 1, math.ceil(time_s)),
    ],
)
def test_what_is_yet_to_come_is_not_believed(make: Any) -> None:
    """A clock may be a minute ahead; beyond that it is left out, and counted."""
    node = Node()
    heard = node.hear(make(NOW_S + AHEAD_S + 0.5))
    assert (heard, node.member.untimely) == (Heard(Outbox(node="mx2")), 1)
    assert (list(node.engine.bans), node.offences(), list(node.engine.lifts())) == ([], {}, [])
    assert node.member.stamp(NOW_S) == NOW_S

    node.hear(make(NOW_S + AHEAD_S))
    assert node.member.untimely == 1


# --- lifts and allowances


def test_a_lift_is_told_with_the_ban_that_ended() -> None:
    """And without one, where there was none: what is void is void all the same."""
    node = Node()
    node.hear(banned())
    lifts = [Lifted(BOT, NOW_S, "operator"), Lifted(OTHER, NOW_S, "operator")]

    assert node.hear(*lifts).lifts == [(lifts[0], banned()), (lifts[1], None)]
    assert node.hear(banned(), banned(client=OTHER)).outbox.bans == []


ACTS: Final = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


@given(ACTS, st.randoms())
def test_the_last_word_on_an_allowance_stands(acts: list[tuple[int, bool]], order: Any) -> None:
    """In whatever order and how often acts are heard, each by itself; of two of the same time letting in stands."""
    told = [
        Allowed(allowance(), NOW_S + at_s) if allowed else Disallowed(OFFICE, NOW_S + at_s)
        for at_s, allowed in acts
    ] * 2
    order.shuffle(told)
    node = Node()
    is_let_in = False
    for act in told:
        heard = node.hear(act)
        is_let_in = (is_let_in or bool(heard.allowed)) and not heard.disallowed

    assert is_let_in is max(acts)[1]


def test_of_a_message_the_last_word_on_an_allowance_stands() -> None:
    """Who was let in and out again while the store was away is not let in, and the other way round."""
    acts: list[Notice] = [Allowed(allowance(), NOW_S), Disallowed(OFFICE, NOW_S + 1)]
    for told in (acts, acts[::-1]):
        heard = Node().hear(*told)
        assert (list(heard.allowed), list(heard.disallowed)) == ([], [OFFICE])
    acts = [Disallowed(OFFICE, NOW_S), Allowed(allowance(), NOW_S + 1)]
    for told in (acts, acts[::-1]):
        heard = Node().hear(*told)
        assert (list(heard.allowed), list(heard.disallowed)) == ([allowance()], [])


def test_an_act_here_is_the_last_word_too() -> None:
    """What others have done before it is no news."""
    node = Node()
    node.member.acted([Disallowed(OFFICE, NOW_S)])
    node.member.recall_allowed([allowance(OTHER)])

    heard = node.hear(Allowed(allowance(), NOW_S - 1), Allowed(allowance(OTHER), float(START_S)))
    assert list(heard.allowed) == []
    assert list(node.hear(Allowed(allowance(), NOW_S + 1)).allowed) == [allowance()]


# --- joining


@pytest.mark.parametrize(
    ("told", "own", "is_said"),
    [
        ([], banned(), True),
        ([banned()], banned(), False),
        ([banned(node="mx3")], banned(), False),
        ([banned(end=1799)], banned(), True),
        ([banned(end=1799), banned()], banned(), False),
        ([banned(end=1801)], banned(), False),
        ([banned(client=OTHER)], banned(), True),
        ([], banned(node=HERE), False),
        ([banned(end=1799)], banned(node=HERE), False),
    ],
)
def test_what_others_lack_is_said(told: list[Ban], own: Ban, is_said: bool) -> None:
    """After a join: no ban that they have, or a greater one, and none of this node alone."""
    node = Node()
    node.member.join(0)
    node.hear(*told, shard=0)
    node.member.reconcile(0, [own])
    node.member.joined(0)

    assert node.said() == [own] * is_said
    node.member.reconcile(0, [banned(client=OFFICE)])  # nobody joins now
    assert node.said() == []


def test_allowances_are_said_after_a_join() -> None:
    """With the time of the act; none that is of this node alone."""
    node = Node()
    node.member.recall_allowed([allowance(BOT)])
    node.member.acted([Allowed(allowance(OTHER), NOW_S)])
    node.said()
    node.member.join(0)
    node.member.reconcile(0, (), [allowance(BOT), allowance(OTHER), allowance(OFFICE, here=True)])

    assert node.said() == [Allowed(allowance(BOT), float(START_S)), Allowed(allowance(OTHER), NOW_S)]


def test_lifts_that_others_lack_are_said_after_a_join() -> None:
    """A lift that waited for the store when the node was restarted is not lost; one that others know is no news."""
    node = Node()
    node.engine.restore_lifts([(BOT, NOW_S - 50), (OTHER, NOW_S - 40), (OFFICE, NOW_S - 30)])
    node.member.join(0)
    node.hear(Lifted(OTHER, NOW_S - 40, "operator"), Lifted(OFFICE, NOW_S - 35, "operator"), shard=0)
    node.member.joined(0)

    assert node.said() == [
        Lifted(BOT, NOW_S - 50, "operator"),
        Lifted(OFFICE, NOW_S - 30, "operator"),
    ]


def test_a_ban_after_a_lift_that_others_lack_is_said_after_a_join() -> None:
    """The lift first, and also where the ban that others still have would last longer."""
    node, other = Node(), Node(name="mx2")
    other.hear(banned(end=9000))
    node.engine.restore_lifts([(BOT, START_S + 950)])
    own = banned(960, 2000, node="mx1")
    node.member.join(0)
    node.hear(banned(end=9000), shard=0)
    node.member.reconcile(0, [own])
    node.member.joined(0)
    said = node.said()
    other.hear(*said)

    assert said == [Lifted(BOT, START_S + 950, "operator"), own]
    assert dict(other.engine.bans) == {BOT: own}


def test_removed_allowances_that_others_lack_are_said_after_a_join() -> None:
    """One that waited for the store when the node was restarted, or was lost with it, does not come back."""
    node = Node()
    for number, client in enumerate(CLIENTS):
        node.member.recall_disallowed(client, NOW_S - 50 + number)
    node.member.join(0)
    others: list[Notice] = [
        Disallowed(OTHER, NOW_S - 49),
        Disallowed(OFFICE, NOW_S - 60),
        Allowed(allowance(BOT), NOW_S - 55),
    ]
    node.hear(*others, shard=0)
    node.member.joined(0)

    assert node.said() == [Disallowed(BOT, NOW_S - 50), Disallowed(OFFICE, NOW_S - 48)]


def test_each_shard_is_joined_by_itself() -> None:
    """Nothing is said of another, nor of what is heard elsewhere."""
    node = Node(shards=4)
    bans = [banned(client=client) for client in CLIENTS]
    mine = [ban for ban in bans if shard_of(ban.client, 4) == shard_of(BOT, 4)]
    node.hear(*bans, shard=shard_of(BOT, 4))
    node.member.join(shard_of(BOT, 4))
    node.member.reconcile(shard_of(BOT, 4), bans, [allowance(client) for client in CLIENTS])

    said = node.said()
    assert [notice for notice in said if isinstance(notice, Ban)] == mine
    assert {shard_of(one.allowance.client, 4) for one in said if isinstance(one, Allowed)} == {
        shard_of(BOT, 4)
    }


# --- for those who come later

TOLD: Final = st.lists(
    st.one_of(
        st.builds(
            banned,
            start=st.integers(0, 900),
            end=st.one_of(st.none(), st.integers(950, 2000)),
            client=st.sampled_from(CLIENTS),
            offence=st.integers(1, 5),
            node=st.sampled_from(["mx2", "mx3"]),
        ),
        st.builds(
            Lifted,
            st.sampled_from(CLIENTS),
            st.integers(0, 900).map(lambda at: START_S + at + 0.5),
            st.just("x"),
        ),
        st.builds(
            Offended,
            st.sampled_from(CLIENTS),
            st.integers(1, 5),
            st.integers(0, 900).map(lambda at: START_S + at),
        ),
        st.builds(
            Login, st.sampled_from(CLIENTS), st.integers(1, 3), st.integers(0, 9).map(lambda at: NOW_S - at)
        ),
        st.builds(
            Allowed,
            st.builds(allowance, st.sampled_from(CLIENTS)),
            st.integers(0, 9).map(lambda at: NOW_S - at),
        ),
        st.builds(Disallowed, st.sampled_from(CLIENTS), st.integers(0, 9).map(lambda at: NOW_S - at)),
    ),
    max_size=12,
)


@given(TOLD)
def test_who_hears_the_memory_knows_the_same(told: list[Notice]) -> None:
    """Bans, lifts, logins and allowances, and offences but for those of before a lift."""
    old, new = Node(), Node(name="mx4")
    allowed: dict[ClientKey, Allowance] = {}
    for notice in told:
        take_over(allowed, old.hear(notice))
    old.engine.expire(NOW_S)
    memory = list(old.member.memory(allowed.values()))
    let_in: dict[ClientKey, Allowance] = {}
    take_over(let_in, new.hear(*memory))
    lifts = dict(old.engine.lifts())

    assert new.engine.bans == old.engine.bans
    assert dict(new.engine.lifts()) == lifts
    assert list(new.engine.all_logins()) == list(old.engine.all_logins())
    assert let_in == allowed
    assert new.offences() == {
        client: past for client, past in old.offences().items() if past[1] > lifts.get(client, 0.0)
    }
    again = list(new.member.memory(let_in.values()))
    assert [one for one in again if not isinstance(one, Offended)] == [
        one for one in memory if not isinstance(one, Offended)
    ]


def take_over(allowed: dict[ClientKey, Allowance], heard: Heard) -> None:
    """Let in, and no more, as the daemon does."""
    allowed.update((one.client, one) for one in heard.allowed)
    for client in heard.disallowed:
        allowed.pop(client, None)


def test_what_a_ban_says_is_not_said_again() -> None:
    """An offence is in its ban; another one than the ban's is told beside it."""
    node = Node()
    node.hear(
        banned(offence=2), banned(client=OTHER), Offended(OTHER, 4, START_S), Offended(OFFICE, 1, START_S)
    )

    assert [one for one in node.member.memory([]) if isinstance(one, Offended)] == [
        Offended(OTHER, 4, START_S + 900),
        Offended(OFFICE, 1, START_S),
    ]


def test_what_is_of_this_node_alone_is_nobodys_memory() -> None:
    """Neither its bans, nor whom it lets in."""
    node = Node()
    node.engine.ban(BOT, START_S, rule=BY_HAND, reason="", length_s=None, node=HERE)

    assert list(node.member.memory([allowance(here=True)])) == []


def test_the_memory_may_change_while_it_is_told() -> None:
    """A ban that ends meanwhile is not told, and nothing breaks."""
    node = Node()
    node.hear(*[banned(client=client) for client in CLIENTS], Lifted(OFFICE, float(START_S), "x"))
    memory = node.member.memory([])
    assert isinstance(next(memory), Lifted)
    node.engine.lift(BOT)
    assert list(memory) == [banned(client=OTHER), banned(client=OFFICE)]
