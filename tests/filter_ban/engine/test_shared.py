# SPDX-License-Identifier: ISC
"""Nodes of a cluster: what each makes of what others say, and that in the end all have the same."""

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_ban.client import ClientKey, parse_network
from filter_ban.config import parse_config
from filter_ban.engine import Policy
from filter_ban.engine.outbox import Outbox
from filter_ban.engine.shared import SharedEngine
from filter_ban.model import Ban, Kind, Login, Pardon, Reweighing, Strike
from filter_ban.tags import SecretTags, heard_form
from tests.filter_ban.engine.farm import Farm, deciding, of

BOT = parse_network("192.0.2.66")
OTHER = parse_network("198.51.100.7")
START_S = 1_763_690_000
DAY_S = 86_400
FAR_S = START_S + 40 * DAY_S


def make(config: str = "") -> SharedEngine:
    """Return an engine."""
    return SharedEngine(Policy.compile(parse_config(config)), 12)


def struck(at_s: float, user: int = 0, client: ClientKey = BOT, **facts: Any) -> Strike:
    """Return a strike that a peer tells of; each user is tried once."""
    known = {"kind": Kind.AUTH_FAIL, "weight": 1.0, "user": "", "node": "mx2", **facts}
    return Strike(client=client, time_s=START_S + at_s, user_tag=user or int(at_s * 1000) + 1, **known)


def hear(engine: SharedEngine, *times_s: float, now_s: float = 0) -> list[Ban]:
    """Hear of strikes at these times, each when it happened or *now_s* seconds after the start; return the bans."""
    for at_s in times_s:
        engine.hear_strike(struck(at_s), START_S + (now_s or at_s))
    return bans_of(engine)


def bans_of(engine: SharedEngine) -> list[Ban]:
    """Take the new bans."""
    bans, engine.outbox.bans = engine.outbox.bans, []
    return bans


def banned(start: int = 0, end: int | None = 900, **facts: Any) -> Ban:
    """Return a ban that a peer tells of; times are seconds after the start."""
    known = {"client": BOT, "rule": "5 in 10m", "reason": "", "node": "mx2", **facts}
    return Ban(start_s=START_S + start, end_s=None if end is None else START_S + end, **known)


# --- strikes


def test_strikes_at_several_nodes_are_strikes() -> None:
    """Four that others saw and one of our own ban, by the same rule and from the same second on as anywhere."""
    engine = make()
    assert hear(engine, 0, 10, 20, 30.25) == []
    engine.strike(Kind.AUTH_FAIL, BOT, START_S + 40.5, user_tag=7)

    assert of(bans_of(engine)) == [(START_S + 40, START_S + 940, "5 in 10m")]
    assert of(hear(make(), 0, 10, 20, 30.25, 40.5)) == [(START_S + 40, START_S + 940, "5 in 10m")]


def test_the_same_strike_counts_once() -> None:
    """However often it is told; another user at the same time is another strike."""
    engine = make()
    told = [engine.hear_strike(struck(0, user), START_S) for user in (1, 1, 2, 1)]

    assert told == [True, False, True, False]
    assert engine.strikes(BOT, START_S) == 2.0
    assert [strike.user_tag for strike in engine.outbox.strikes] == [1, 2]


@pytest.mark.parametrize(
    ("at_s", "now_s", "weight", "is_news"),
    [(0, 0, 0.0, False), (0, 7 * DAY_S, 1.0, False), (0, 7 * DAY_S - 1, 1.0, True), (5, 0, 1.0, True)],
)
def test_what_decides_nothing_is_no_news(at_s: float, now_s: float, weight: float, is_news: bool) -> None:
    """What weighs nothing or is older than the longest window; a clock that is a little ahead does no harm."""
    assert make().hear_strike(struck(at_s, weight=weight), START_S + now_s) is is_news


def test_a_strike_in_between_completes_a_limit() -> None:
    """The ban begins with the strike that would have reached it, had all been known in time."""
    engine = make()

    assert hear(engine, 0, 10, 30, 40, 700) == []
    assert of(hear(engine, 20, now_s=701)) == [(START_S + 40, START_S + 940, "5 in 10m")]


def test_a_ban_that_would_be_over_is_an_offence() -> None:
    """And a strike after it is judged again."""
    engine = make()
    assert hear(engine, 0, 10, 30, 40, now_s=5000) == []
    assert hear(engine, 20, now_s=5000) == []
    assert list(engine.all_offences()) == [(BOT, 1, START_S + 40)]

    assert hear(engine, 100, 200, 300, 400, 500, 600, now_s=5000) == []
    assert of(hear(engine, 945, now_s=5000)) == [(START_S + 945, START_S + 945 + 7200, "10 in 24h")]


def test_what_a_ban_has_paid_for_is_not_judged_again() -> None:
    """Strikes that others counted before they heard of a ban are no second offence when it is over."""
    engine = make()
    assert len(hear(engine, 0, 10, 20, 30, 40)) == 1
    engine.expire(START_S + 1000)

    assert hear(engine, 41, 42, 43, 44, 939, now_s=1000) == []
    assert len(hear(engine, 941, now_s=1000)) == 1


def test_who_is_banned_is_not_judged() -> None:
    """The strike counts all the same."""
    engine = make()
    hear(engine, 0, 10, 20, 30, 40)

    assert hear(engine, 50, 60) == []
    assert engine.strikes(BOT, START_S + 60) == 7.0


def test_a_ban_for_ever_pays_for_all() -> None:
    """It need not be in the table any more."""
    engine = make('[ban]\nladder = ["forever"]')
    engine.hear_offence(BOT, 1, START_S)

    assert hear(engine, 10, 20, 30, 40, 50) == []


@pytest.mark.parametrize(("at_s", "bans"), [(10, 0), (41, 0), (941, 1)])
def test_a_hard_strike_bans_at_once(at_s: float, bans: int) -> None:
    """But for one that an earlier ban has paid for."""
    engine = make()
    hear(engine, 0, 10, 20, 30, 40)
    engine.expire(START_S + 950)
    engine.hear_strike(struck(at_s, 3, kind=Kind.DECOY, weight=5.0), START_S + 950)

    assert [ban.rule for ban in bans_of(engine)] == ["decoy"] * bans


def test_overrides_hold_for_what_others_saw() -> None:
    """By client and service; the weight is the other node's."""
    engine = make('[[override]]\nservices = ["imap"]\nwindows = ["2 in 10m"]\nfactor = 5')
    engine.hear_strike(struck(0, service="imap"), START_S)
    assert bans_of(engine) == []
    engine.hear_strike(struck(1, service="imap"), START_S)

    assert [ban.rule for ban in bans_of(engine)] == ["2 in 10m"]


def test_a_password_that_was_tried_elsewhere_is_no_guess() -> None:
    """The phone with the old password, from one server to the next; another password, or another user, is."""
    key = b"k" * 32
    tags, peers = SecretTags(key, 12), SecretTags(key, 12)
    engine = make()
    engine.hear_strike(struck(0, 7, secret=heard_form(peers.of("old"), 12)), START_S)
    engine.strike(Kind.AUTH_FAIL, BOT, START_S + 1, user_tag=7, secret=tags.of("old"))
    assert engine.strikes(BOT, START_S + 1) == 1.0
    assert len(engine.outbox.strikes) == 1

    engine.strike(Kind.AUTH_FAIL, BOT, START_S + 2, user_tag=7, secret=tags.of("new"))
    engine.strike(Kind.AUTH_FAIL, BOT, START_S + 3, user_tag=8, secret=tags.of("old"))
    engine.strike(Kind.AUTH_FAIL, BOT, START_S + 4, user_tag=8, secret=tags.of("old"))
    assert engine.strikes(BOT, START_S + 4) == 3.0


def test_a_password_that_several_nodes_counted_counts_once() -> None:
    """As when a phone came to each of them while none heard of the others; the first one of them stands."""
    tags = SecretTags(b"k" * 32, 12)
    secrets = {name: heard_form(tags.of(name), 12) for name in ("old", "new")}
    engine = make()
    engine.strike(Kind.AUTH_FAIL, BOT, START_S + 50, user_tag=7, secret=tags.of("old"))
    for at_s in (40, 10, 20, 30, 60, 70):
        engine.hear_strike(struck(at_s, 7, secret=secrets["old"]), START_S + 80)
    assert engine.strikes(BOT, START_S + 80) == 1.0
    assert len(deciding(engine, BOT, START_S + 80)) == 7

    engine.hear_strike(struck(75, 7, secret=secrets["new"]), START_S + 80)
    engine.hear_strike(struck(76, 8, secret=secrets["old"]), START_S + 80)
    assert engine.strikes(BOT, START_S + 80) == 3.0
    engine.hear_pardon(Pardon(BOT, 7, START_S + 45.0))
    assert engine.strikes(BOT, START_S + 80) == 3.0
    assert bans_of(engine) == []


def test_nobody_else_bans_whom_this_node_never_bans() -> None:
    """Others count its strikes, as they do not know; by what they say it is not banned here."""
    engine = make('[never]\nnetworks = ["192.0.2.66"]')
    assert hear(engine, *range(20)) == []
    engine.hear_strike(struck(30, kind=Kind.DECOY, weight=5.0), START_S + 30)

    assert bans_of(engine) == []
    assert engine.strikes(BOT, START_S + 30) == 15.0


def test_a_peer_whose_clock_is_ahead_does_not_set_ours() -> None:
    """Our strikes keep their times, each its own, and are before the peer's."""
    engine = make()
    engine.hear_strike(struck(1.5, 7), START_S)
    for _ in range(2):
        engine.strike(Kind.AUTH_FAIL, BOT, START_S + 1.5, user_tag=7)
        engine.strike(Kind.AUTH_FAIL, BOT, START_S + 0.5, user_tag=7)
    times = [strike.time_s - START_S for strike in engine.outbox.strikes]

    assert [round(at_s, 3) for at_s in times] == [1.5, 1.5, 0.5, 1.5, 0.5]
    assert len(set(times)) == 5
    assert engine.ban_of(BOT) is not None
    assert engine._latest_s <= START_S + 1.6


def test_memory_is_bounded() -> None:
    """The least recently seen goes, and a long history is trimmed."""
    engine = make("[limits]\nmax_clients = 1000")
    for number in range(1001):
        engine.hear_strike(struck(number, 1, ClientKey(number.to_bytes(4) + b"\x20")), START_S + number)
    for number in range(100):
        engine.hear_strike(struck(number), START_S + 100)

    assert (len(engine), engine.evicted) == (1000, 2)
    assert len(engine._table(BOT)[BOT]) <= 32 * 18


def test_strangers_elsewhere_besiege() -> None:
    """A failure here is weighed up during a siege that only others have seen; who was told late is in his place."""
    engine = make("[siege]\nclients = 3")
    for at_s, host in ((50, 1), (5, 2), (20, 3)):
        client = parse_network(f"198.51.{host}.7")
        engine.hear_strike(struck(at_s, 7, client, stranger=True), START_S + 60)
    assert engine.besieged == 1
    engine.strike(Kind.AUTH_FAIL, BOT, START_S + 60, user_tag=7)
    engine.resolve(START_S + 660)

    assert [one.weight for one in engine.outbox.reweighed] == [15.0]
    assert [ban.start_s for ban in bans_of(engine)] == [START_S + 660]


def test_networks_are_judged_by_what_all_saw() -> None:
    """A hopper is known by its network, wherever its members fail."""
    engine = make("[widen]\nmembers = 3\nstrikes = 3")
    for number in range(3):
        client = parse_network(f"2001:db8:1:{number}::/64")
        engine.hear_strike(struck(number, 7, client, kind=Kind.UNKNOWN_USER, stranger=True), START_S + 5)

    assert [(ban.rule, ban.start_s - START_S) for ban in bans_of(engine)] == [("widened", 5)]


# --- what was found out later


def test_a_strike_that_weighs_more_than_was_thought() -> None:
    """It is judged when its patience is over, as where it was seen; another, or a lighter one, changes nothing."""
    engine = make()
    hear(engine, 0, 5)
    for user, weight in ((1, 0.5), (99, 15.0), (1, 15.0), (1, 15.0)):
        engine.hear_reweighing(Reweighing(BOT, user, float(START_S), weight), START_S + 601)

    assert of(bans_of(engine)) == [(START_S + 600, START_S + 1500, "5 in 10m")]
    assert len(engine.outbox.reweighed) == 1


def test_a_strike_that_is_told_twice_has_the_greater_weight() -> None:
    """As when two nodes have moved theirs to the same moment."""
    engine = make()
    for weight in (1.0, 2.0, 0.2):
        engine.hear_strike(struck(0, 7, weight=weight), START_S)

    assert engine.strikes(BOT, START_S) == 2.0


def test_a_login_elsewhere_voids_that_users_strikes_until_then() -> None:
    """Also those that are heard of later; and it is no news twice."""
    engine = make()
    hear(engine, 0)
    for at_s in (10, 20, 30):
        engine.hear_strike(struck(at_s, 7), START_S + at_s)
    for _ in range(2):
        engine.hear_pardon(Pardon(BOT, 7, START_S + 20.0))
    assert not engine.hear_strike(struck(15, 7), START_S + 40)

    assert engine.strikes(BOT, START_S + 40) == 2.0
    assert engine.outbox.forgiven == [Pardon(BOT, 7, START_S + 20.0)]
    engine.hear_pardon(Pardon(OTHER, 7, START_S + 20.0))
    assert len(engine.outbox.forgiven) == 1


def test_a_login_here_voids_what_others_tell_of_later() -> None:
    """Where it voided something, also what a clock that is ahead says; or where strangers have tried that user lately."""
    engine = make()
    engine.strike(Kind.AUTH_FAIL, BOT, START_S, user_tag=7)
    engine.hear_strike(struck(2, 7), START_S + 0.5)
    engine.success(BOT, 7, START_S + 1)
    assert engine.outbox.forgiven == [Pardon(BOT, 7, START_S + 2.0)]
    assert not engine.hear_strike(struck(1.5, 7), START_S + 3)

    engine.outbox = Outbox()
    for _ in range(2):
        engine.success(OTHER, 7, START_S + 10)
    engine.success(OTHER, 8, START_S + 10)
    assert engine.outbox.forgiven == [Pardon(OTHER, 7, START_S + 10)]
    assert not engine.hear_strike(struck(9, 7, OTHER), START_S + 11)


def test_our_own_strikes_are_later_than_what_is_void() -> None:
    """What happens after we have heard of a lift is not void, whoever's clock is ahead."""
    engine = make()
    engine.hear_lift(BOT, START_S + 1.5)
    engine.strike(Kind.AUTH_FAIL, BOT, START_S + 1, user_tag=7)

    assert engine.outbox.strikes[0].time_s > START_S + 1.5
    assert engine.strikes(BOT, START_S + 2) == 1.0


@pytest.mark.parametrize(
    ("times_s", "news"), [([0], 1), ([0, 3000], 2), ([0, 3600], 2), ([4000, 0], 1), ([-1e10], 0)]
)
def test_logins_elsewhere_make_a_client_known(times_s: list[float], news: int) -> None:
    """The newest counts; a late one changes nothing."""
    engine = make()
    for at_s in times_s:
        engine.hear_login(Login(BOT, 7, START_S + at_s))

    assert len(engine.outbox.logins) == news
    assert engine.is_known(BOT, START_S + 5000) == bool(news)
    newest = [Login(BOT, 7, START_S + max(times_s))] if news else []
    assert [one.time_s for one in engine.all_logins()] == [
        one.time_s if times_s != [0, 3000] else START_S for one in newest
    ]


def test_a_login_that_is_forgotten_is_none() -> None:
    """It pushes out nobody."""
    engine = make()
    engine.hear_strike(struck(0), START_S)
    engine.hear_login(Login(BOT, 7, START_S - 31.0 * DAY_S))

    assert list(engine.all_logins()) == []


# --- bans

IN_ORDER = [
    banned(0, 100),
    banned(5, 200),
    banned(3, 200),
    banned(3, 200, firewall=False),
    banned(3, 200, firewall=False, offence=2),
    banned(3, 200, firewall=False, offence=2, strikes=7.0),
    banned(3, 200, firewall=False, offence=2, strikes=7.0, rule="6 in 1d"),
    banned(3, 200, firewall=False, offence=2, strikes=7.0, rule="6 in 1d", reason="so"),
    banned(3, 200, firewall=False, offence=2, strikes=7.0, rule="6 in 1d", reason="so", reference="X"),
    banned(4, 201),
    banned(9, None),
    banned(8, None),
]


@given(st.permutations(range(len(IN_ORDER))))
def test_of_two_bans_one_holds(order: list[int]) -> None:
    """In whatever order they are heard; each that holds for a time is news, and a second time none is."""
    engine = make()
    held = -1
    for number in order:
        assert engine.hear_ban(IN_ORDER[number], START_S + 50) is (number > held)
        held = max(held, number)
    assert not engine.hear_ban(attrs.evolve(IN_ORDER[-1], node="mx3"), START_S + 50)

    assert engine.ban_of(BOT) is IN_ORDER[-1]
    assert bans_of(engine)[-1] is IN_ORDER[-1]


def test_a_ban_that_is_over_is_an_offence() -> None:
    """It refuses nobody, and the next ban is longer."""
    engine = make()
    assert not engine.hear_ban(banned(), START_S + 900)
    assert len(engine.bans) == 0

    (ban,) = hear(engine, 1000, 1001, 1002, 1003, 1004)
    assert ban.offence == 2


def test_offences_are_those_of_all() -> None:
    """The same one as two nodes count it is one; the greater number holds."""
    engine = make()
    engine.hear_ban(banned(0, 900), START_S)
    engine.hear_ban(banned(1, 902, offence=3), START_S)
    engine.hear_offence(BOT, 2, START_S + 2)
    engine.hear_offence(OTHER, 4, START_S)

    assert sorted(engine.all_offences()) == [(BOT, 3, START_S + 2), (OTHER, 4, START_S)]


def test_a_lift_elsewhere_voids_ban_and_strikes_until_then() -> None:
    """The offence too; later strikes stay, and what is told late stays out."""
    engine = make()
    hear(engine, 0, 10, 20, 30, 40)
    engine.hear_strike(struck(55), START_S + 60)
    lifted = engine.hear_lift(BOT, START_S + 50.5)

    assert lifted is not None
    assert lifted.client == BOT
    assert engine.hear_lift(BOT, START_S + 50.5) is None
    assert engine.strikes(BOT, START_S + 60) == 1.0
    assert list(engine.all_offences()) == []
    assert not engine.hear_strike(struck(45), START_S + 60)
    assert not engine.hear_ban(banned(50), START_S + 60)
    engine.hear_offence(BOT, 1, START_S + 40)
    assert list(engine.all_offences()) == []
    assert engine.hear_ban(banned(51), START_S + 60)


def test_a_lift_of_before_a_ban_leaves_it() -> None:
    """The operator did not know of it."""
    engine = make()
    hear(engine, 0, 10, 20, 30, 40)

    assert engine.hear_lift(BOT, START_S + 15.0) is None
    assert engine.ban_of(BOT) is not None
    assert engine.strikes(BOT, START_S + 60) == 3.0


def test_after_a_lift_the_next_ban_stands() -> None:
    """It begins in the second after, and so no node takes it for one of before; nor is a strike paid for."""
    engine = make()
    hear(engine, 0, 10, 20, 30, 40)
    engine.hear_lift(BOT, START_S + 50.25)
    (ban,) = hear(engine, 50.5, 50.6, 50.7, 50.8, 50.9)

    assert (ban.start_s, ban.offence) == (START_S + 51, 1)
    again = engine.ban(OTHER, START_S, rule="by hand", reason="")
    assert again.start_s == START_S


def test_after_a_lift_an_offence_of_before_pays_for_nothing() -> None:
    """A second ban was lifted; what the first one's length would be from its start on is no pardon."""
    engine = make()
    engine.hear_offence(BOT, 1, START_S - DAY_S)
    hear(engine, 0, 10, 20, 30, 40)
    engine.hear_lift(BOT, START_S + 50.0)

    assert len(hear(engine, 60, 61, 62, 63, 64)) == 1


def test_a_lift_here_is_an_amnesty_if_it_has_a_time() -> None:
    """What was until then is void, also what others tell of later, and at least what there is."""
    engine = make()
    hear(engine, 0, 10, 20, 30, 40)
    assert engine.lift(BOT, START_S + 39.5) is not None
    assert list(engine.lifts()) == [(BOT, START_S + 40)]
    assert not engine.hear_strike(struck(35), START_S + 60)

    hear(engine, 50, 51, 52, 53, 54)
    assert engine.lift(BOT) is not None
    assert engine.lift(BOT, START_S + 99.0) is None
    assert list(engine.lifts()) == [(BOT, START_S + 40)]


# --- memory


def test_a_repeated_login_is_told_where_it_pardons() -> None:
    """The ledger does not keep pardons, and must know of each login that is final for what was before it."""
    engine = make()
    for at_s in (0, 20, 40):
        engine.success(BOT, 7, START_S + at_s)
        engine.strike(Kind.AUTH_FAIL, BOT, START_S + at_s + 10, "", 7 + at_s // 20, 1 + at_s)

    assert [login.time_s - START_S for login in engine.outbox.logins] == [0, 20]


def test_a_login_of_before_the_start_is_final() -> None:
    """What failed before it, and is heard of only after the start, is void; of other users it counts."""
    engine = make()
    engine.restore_logins([Login(BOT, 7, START_S + 50), Login(BOT, 0, START_S + 40)])

    assert not engine.hear_strike(struck(49.0, 7), START_S + 60.0)
    assert engine.hear_strike(struck(49.0, 8), START_S + 60.0)
    assert engine.hear_strike(struck(51.0, 7), START_S + 60.0)


def test_what_is_restored_and_heard_counts_once() -> None:
    """In its place, whichever comes first; and what is void stays out."""
    engine = make()
    engine.restore_lifts([(OTHER, START_S + 5.0)])
    hear(engine, 0, 20)
    remembered = [struck(at_s) for at_s in (20, 10, 0)] + [struck(5, client=OTHER)]
    engine.restore_strikes(remembered)
    hear(engine, 10)

    assert engine.strikes(BOT, START_S + 30) == 3.0
    assert {time_s - START_S for time_s, _, _ in deciding(engine, BOT, START_S + 30)} == {0, 10, 20}
    assert engine.strikes(OTHER, START_S + 30) == 0.0


def test_amnesties_are_forgotten() -> None:
    """With the offences, and pardons with the longest window."""
    engine = make()
    engine.hear_lift(OTHER, START_S + 0.0)
    engine.hear_pardon(Pardon(BOT, 7, START_S + 0.0))
    engine.forget_offences(START_S + 8 * DAY_S)
    assert list(engine.lifts()) == [(OTHER, START_S)]
    assert engine._amnesties.until_s(BOT, 7) == 0

    engine.forget_offences(FAR_S, [])
    assert list(engine.lifts()) == []


def test_walks_go_on_while_more_is_heard() -> None:
    """Who is gone meanwhile is left out."""
    engine = make()
    for client in (BOT, OTHER):
        engine.hear_offence(client, 1, START_S)
        engine.hear_login(Login(client, 7, float(START_S)))
        engine.hear_lift(client, START_S - 10.0)
    offences, logins, lifts = engine.all_offences(), engine.all_logins(), engine.lifts()
    assert next(offences)[0] == next(logins).client == next(lifts)[0] == BOT
    engine.forget_offences(FAR_S)
    engine.hear_login(Login(parse_network("192.0.2.1"), 7, float(START_S)))

    assert [*offences] == []
    assert [one.client for one in logins] == [OTHER]
    assert [*lifts] == [(OTHER, START_S - 10)]


# --- all of it

TINY = """
[limits]
windows = ["3 in 1m", "6 in 2h"]
[ban]
ladder = ["10s", "5m", "12h"]
[guard]
pace = "10s"
[siege]
clients = 2
window = "2h"
patience = "20s"
unresolved = 3
[widen]
members = 2
strikes = 3
window = "1m"
length = "12h"
"""
CLIENTS = [BOT, parse_network("192.0.2.67"), parse_network("2001:db8:1:1::/64")]
CLOCKS = (0.0, 1.5, -1.25)
NODES = st.integers(0, len(CLOCKS) - 1)
AT_S = (
    st.integers(0, 8000).map(lambda at_ms: at_ms / 1000)
    | st.integers(0, 90).map(float)
    | st.integers(0, DAY_S).map(float)
)
ACTS = st.sampled_from([*["fail"] * 8, "decoy", "log in", *["lift"] * 3])
SEEN = st.tuples(AT_S, NODES, ACTS, st.sampled_from([7, 8]), st.sampled_from([0, 11, 12]))
DELIVERY = st.tuples(NODES, NODES, st.integers(0, 5), st.integers(0, 9))
DELIVERIES = st.lists(DELIVERY, max_size=60)
Seen = tuple[float, int, str, int, int]


def carry_out(
    farm: Farm, seen: list[tuple[ClientKey, Seen]], deliveries: list[tuple[int, int, int, int]]
) -> None:
    """Let the nodes see all in the order of time, and hear some of it in between."""
    waiting = iter(deliveries)
    for number, (client, (at_s, node, act, user, secret)) in enumerate(
        sorted(seen, key=lambda one: one[1][0])
    ):
        now_s = START_S + at_s + number * 1e-5
        one = farm.nodes[node]
        match act:
            case "log in":
                one.log_in(now_s, client, user)
            case "lift":
                one.lift(now_s, client)
            case "decoy":
                one.fail(now_s, Kind.DECOY, client, 0, 0)
            case _:
                one.fail(now_s, Kind.AUTH_FAIL, client, user, secret and heard_form(secret, 12) + 2**31)
        for _ in range(2):
            delivery = next(waiting, None)
            if delivery is not None:
                farm.deliver(now_s, *delivery)


def assert_same(farm: Farm, now_s: float) -> None:
    """Assert that all nodes have the same strikes and bans."""
    farm.settle(now_s)
    now_s += max(CLOCKS)
    for client in CLIENTS:
        strikes = farm.strikes(client, now_s)
        assert strikes == [strikes[0]] * len(CLOCKS)
        assert len({node.engine.strikes(client, now_s) for node in farm.nodes}) == 1
    bans = farm.bans()
    assert bans == [bans[0]] * len(CLOCKS)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["", TINY]),
    st.tuples(*[st.lists(SEEN, max_size=14)] * len(CLIENTS)),
    DELIVERIES,
    st.sampled_from([8, 10, 15, 100, 400, DAY_S, 2 * DAY_S]),
)
def test_all_nodes_come_to_have_the_same(
    config: str, seen: tuple[list[Seen], ...], deliveries: list[tuple[int, int, int, int]], later_s: int
) -> None:
    """Whoever saw what, and in whatever order, how late and how often they hear of each other."""
    farm = Farm(config, CLOCKS)
    carry_out(
        farm, [(client, one) for client, some in zip(CLIENTS, seen, strict=True) for one in some], deliveries
    )

    assert_same(farm, START_S + max([later_s, *(one[0] + 2 for some in seen for one in some)]))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["", TINY]), st.lists(SEEN, min_size=30, max_size=90), DELIVERIES)
def test_long_histories_come_to_be_the_same(
    config: str, seen: list[Seen], deliveries: list[tuple[int, int, int, int]]
) -> None:
    """What one node has trimmed and another not decides nothing, as long as nobody logs in."""
    farm = Farm(config, CLOCKS)
    carry_out(farm, [(BOT, one) for one in seen if one[2] != "log in"], deliveries)

    assert_same(farm, START_S + max(one[0] + 2 for one in seen))


def test_the_property_is_about_something() -> None:
    """Nodes that have not heard of each other differ."""
    farm = Farm(TINY, CLOCKS)
    seen = [(BOT, (float(at_s), at_s % 3, "fail", 7, 0)) for at_s in range(9)]
    carry_out(farm, seen, [])
    assert farm.strikes(BOT, START_S)[0] != farm.strikes(BOT, START_S)[1]
    assert_same(farm, START_S + 15)
    assert len(farm.bans()[0]) >= 1


HASTY = st.tuples(
    st.integers(0, 30).map(lambda tenths: tenths / 10),
    NODES,
    st.sampled_from(["fail", "decoy", "lift", "lift"]),
    st.just(7),
    st.just(0),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(HASTY, max_size=14), DELIVERIES)
def test_bans_and_lifts_within_a_second_come_to_be_the_same(
    seen: list[Seen], deliveries: list[tuple[int, int, int, int]]
) -> None:
    """Although bans begin with whole seconds and clocks differ by more than one."""
    farm = Farm(TINY, CLOCKS)
    carry_out(farm, [(BOT, one) for one in seen], deliveries)

    assert_same(farm, START_S + 5)
