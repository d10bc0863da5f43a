# SPDX-License-Identifier: ISC
"""The fold from signals to bans."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filter_ban.client import ClientKey, parse_network
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.engine.tables import TABLE_CLIENTS, make_tables
from filter_ban.model import Ban, Kind, Pardon, Strike

BOT = parse_network("192.0.2.66")
OTHER = parse_network("192.0.2.67")
SECRETS = itertools.count(1000)
START_S = 1_763_690_000


def make_engine(config: str = "", never: Iterable[str] = ()) -> Engine:
    """Return an engine that judges by *config*."""
    return Engine(Policy.compile(parse_config(config), tuple(parse_network(text) for text in never)))


def guess(
    engine: Engine,
    times: int,
    start_s: float = START_S,
    *,
    client: ClientKey = BOT,
    user: int = 7,
    step_s: float = 1,
) -> list[Ban]:
    """Fail *times* logins of one user with different secrets; return the bans that came of it."""
    for number in range(times):
        time_s = start_s + number * step_s
        engine.strike(Kind.AUTH_FAIL, client, time_s, user="u", user_tag=user, secret=next(SECRETS))
    bans, engine.outbox.bans = engine.outbox.bans, []
    return bans


def test_the_fifth_guess_within_ten_minutes_bans() -> None:
    """Four guesses do nothing, the fifth bans for the first rung, with rule, strikes and reference."""
    engine = make_engine()

    assert guess(engine, 4) == []
    assert engine.ban_of(BOT) is None
    (ban,) = guess(engine, 1, START_S + 100)

    assert (ban.rule, ban.strikes, ban.offence) == ("5 in 10m", 5.0, 1)
    assert (ban.start_s, ban.end_s) == (START_S + 100, START_S + 100 + 900)
    assert len(ban.reference) == 8
    assert engine.ban_of(BOT) is ban
    assert engine.ban_of(OTHER) is None


@pytest.mark.parametrize(
    ("step_s", "tries", "rule"),
    [
        (120, 5, "5 in 10m"),
        (150, 10, "10 in 24h"),
        (8600, 10, "10 in 24h"),
        (9700, 15, "15 in 7d"),
        (30_000, 15, "15 in 7d"),
    ],
)
def test_slow_guessers_reach_the_longer_windows(step_s: float, tries: int, rule: str) -> None:
    """Each limit bans at exactly its own number of strikes."""
    engine = make_engine()

    assert guess(engine, tries - 1, step_s=step_s) == []
    assert [ban.rule for ban in guess(engine, 1, START_S + (tries - 1) * step_s)] == [rule]


def test_two_guesses_a_day_stay_below_all_limits() -> None:
    """Fifteen strikes do not fall within seven days then."""
    assert guess(make_engine(), 60, step_s=43_200) == []


def test_the_same_wrong_password_counts_once() -> None:
    """A phone with an old password is never banned, however often it tries."""
    engine = make_engine()
    for number in range(500):
        engine.strike(Kind.AUTH_FAIL, BOT, START_S + number, user="phone", user_tag=7, secret=99)

    assert engine.outbox.bans == []
    assert engine.strikes(BOT, START_S + 500) == 1.0


def test_a_secret_that_cannot_be_seen_counts_each_time() -> None:
    """Without a visible secret every failure is a strike."""
    engine = make_engine()
    for number in range(5):
        engine.strike(Kind.AUTH_FAIL, BOT, START_S + number, user="u", user_tag=7)

    assert len(engine.outbox.bans) == 1


def test_the_empty_user_name_counts_each_time() -> None:
    """Repeats are forgiven to a user, and the empty name is none."""
    engine = make_engine()
    for number in range(5):
        engine.strike(Kind.AUTH_FAIL, BOT, START_S + number, secret=99)

    assert len(engine.outbox.bans) == 1


def test_the_ladder_climbs_and_forgets() -> None:
    """Each offence within the memory is banned for longer; after 30 days without one it begins anew."""
    engine = make_engine()
    now_s, lengths = START_S, []
    for _ in range(5):
        (ban,) = guess(engine, 5, now_s)[:1]
        assert ban.end_s is not None
        lengths.append(ban.end_s - ban.start_s)
        now_s = ban.end_s + 1
        engine.expire(now_s)
    (late,) = guess(engine, 5, now_s + 31 * 86_400)

    assert lengths == [900, 7200, 86_400, 604_800, 604_800]
    assert late.offence == 1


def test_forever_is_a_rung() -> None:
    """A ban without end is never expired and nothing extends it."""
    engine = make_engine('[ban]\nladder = ["forever"]')
    (ban,) = guess(engine, 5)

    assert ban.end_s is None
    assert engine.expire(START_S * 2) == []
    assert engine.ban_of(BOT) is ban


def test_an_active_ban_is_never_shortened() -> None:
    """A shorter ban by hand leaves the longer one in force; a longer one extends it."""
    engine = make_engine()
    long = engine.ban(BOT, START_S, rule="by hand", reason="", length_s=5000)

    assert engine.ban(BOT, START_S + 10, rule="by hand", reason="", length_s=60) is long
    assert engine.ban(BOT, START_S + 10, rule="by hand", reason="", length_s=6000).end_s == START_S + 6010
    assert engine.expire(START_S + 5000) == []
    assert len(engine.expire(START_S + 6010)) == 1


def test_strikes_under_a_ban_do_not_extend_it() -> None:
    """What was under way when the ban fell does not make a second offence."""
    engine = make_engine()
    (ban,) = guess(engine, 5)

    assert guess(engine, 20, START_S + 10) == []
    assert engine.ban_of(BOT) is ban


def test_success_takes_back_only_that_users_strikes() -> None:
    """An attacker who owns one account gains nothing for the others."""
    engine = make_engine()
    guess(engine, 2, user=7)
    guess(engine, 2, START_S + 10, user=8)

    engine.success(BOT, 7, START_S + 20)

    assert engine.strikes(BOT, START_S + 20) == 2.0
    assert engine.outbox.forgiven == [Pardon(BOT, 7, START_S + 20)]


def test_success_of_a_banned_client_earns_nothing() -> None:
    """The ban stays, and so do the strikes."""
    engine = make_engine()
    guess(engine, 5)

    engine.success(BOT, 7, START_S + 10)

    assert engine.ban_of(BOT) is not None
    assert engine.strikes(BOT, START_S + 10) == 5.0


def test_a_prefix_covers_its_members() -> None:
    """A ban of a /24 and of a /48 refuses every client inside, and only those."""
    engine = make_engine()
    engine.ban(parse_network("198.51.100.0/24"), START_S, rule="by hand", reason="", length_s=60)
    engine.ban(parse_network("2001:db8:1::/48"), START_S, rule="by hand", reason="", length_s=60)

    assert engine.ban_of(parse_network("198.51.100.7")) is not None
    assert engine.ban_of(parse_network("198.51.101.7")) is None
    assert engine.ban_of(parse_network("2001:db8:1:2::/64")) is not None
    assert engine.ban_of(parse_network("2001:db8:2:2::/64")) is None
    assert len(engine.expire(START_S + 60)) == 2
    assert engine.ban_of(parse_network("198.51.100.7")) is None


def test_a_lift_undoes_ban_strikes_and_offence() -> None:
    """After a lift the client stands as if it had never failed."""
    engine = make_engine()
    guess(engine, 5)

    lifted = engine.lift(BOT)

    assert lifted is not None
    assert lifted.client == BOT
    assert engine.ban_of(BOT) is None
    assert guess(engine, 4, START_S + 20) == []
    assert guess(engine, 1, START_S + 30)[0].offence == 1


def test_a_lift_is_of_just_that_ban() -> None:
    """A wider ban around the client stays, and so does a ban within the prefix."""
    engine = make_engine()
    guess(engine, 5)
    wide = engine.ban(parse_network("192.0.2.0/24"), START_S, rule="by hand", reason="", length_s=60)

    assert engine.lift(OTHER) is None
    assert engine.ban_of(OTHER) is wide
    assert engine.lift(wide.client) is wide
    assert engine.ban_of(OTHER) is None
    assert engine.ban_of(BOT) is not None


def test_memory_is_bounded_and_the_least_recently_seen_goes_first() -> None:
    """A flood of clients pushes out those that were seen longest ago."""
    engine = make_engine("[limits]\nmax_clients = 1000")
    guess(engine, 2)
    for number in range(999):
        guess(engine, 1, client=ClientKey(number.to_bytes(4) + b"\x20"))
    guess(engine, 1, START_S + 50)
    guess(engine, 1, client=OTHER)

    assert len(engine) == 1000
    assert engine.evicted == 1
    assert engine.strikes(BOT, START_S + 60) == 3.0


def test_weights_are_configurable() -> None:
    """A kind of weight 0 counts nothing and takes no memory."""
    engine = make_engine("[weights]\nno_tls = 0\nauth_abort = 2.5")
    for number in range(10):
        engine.strike(Kind.NO_TLS, BOT, START_S + number)

    assert len(engine) == 0
    engine.strike(Kind.AUTH_ABORT, BOT, START_S)
    engine.strike(Kind.AUTH_ABORT, BOT, START_S + 1)
    assert [ban.strikes for ban in engine.outbox.bans] == [5.0]


def test_restored_strikes_count_with_new_ones() -> None:
    """What the ledger remembers comes before what was counted while it was read."""
    engine = make_engine()
    guess(engine, 2, START_S + 100)
    engine.restore_strikes(Strike(BOT, START_S - number, Kind.AUTH_FAIL, 1.0, "u", 3) for number in range(2))

    assert engine.strikes(BOT, START_S + 200) == 4.0
    assert len(guess(engine, 1, START_S + 200)) == 1


def test_restored_bans_and_offences_hold() -> None:
    """Ends do not shift, and the next offence is one higher."""
    before = make_engine()
    (ban,) = guess(before, 5)
    engine = make_engine()
    engine.restore([ban], [(BOT, 1, START_S)])

    assert engine.ban_of(BOT) == ban
    assert engine.expire(START_S + 4 + 900) == [ban]
    assert guess(engine, 5, START_S + 2000)[0].offence == 2


CLIENTS = [ClientKey(number.to_bytes(4) + b"\x20") for number in range(6)]
STRIKES = st.lists(st.tuples(st.sampled_from(CLIENTS), st.integers(0, 400_000)), max_size=40)


@given(STRIKES, STRIKES, st.lists(st.integers(1, 5), max_size=20))
def test_restoring_in_pieces_between_signals_is_counting_in_order(
    before: list[tuple[ClientKey, int]], since: list[tuple[ClientKey, int]], sizes: list[int]
) -> None:
    """Whatever is counted meanwhile, in the end the engine counts as one that saw all strikes in their order."""
    before.sort(key=lambda strike: strike[1])
    remembered = [Strike(client, START_S + at, Kind.AUTH_FAIL, 1.0) for client, at in before]
    signals = [(client, START_S + 400_000 + at) for client, at in since]
    config = "[limits]\nwindows = ['50 in 30d']"
    whole, restored = make_engine(config), make_engine(config)
    for strike in remembered:
        whole.strike(Kind.AUTH_FAIL, strike.client, strike.time_s)
    for client, time_s in signals:
        whole.strike(Kind.AUTH_FAIL, client, time_s)

    newest_first, rest = iter(remembered[::-1]), iter(signals)
    for size in sizes:
        restored.restore_strikes(itertools.islice(newest_first, size))
        for client, time_s in itertools.islice(rest, 2):
            restored.strike(Kind.AUTH_FAIL, client, time_s)
    restored.restore_strikes(newest_first)
    for client, time_s in rest:
        restored.strike(Kind.AUTH_FAIL, client, time_s)

    for now_s in (START_S + 400_000, START_S + 800_000, START_S + 2_700_000):
        assert [restored.strikes(client, now_s) for client in CLIENTS] == [
            whole.strikes(client, now_s) for client in CLIENTS
        ]


def test_restoring_pushes_nobody_out() -> None:
    """Where memory is full, the clients of before stay out: those in it were seen later."""
    engine = make_engine("[limits]\nmax_clients = 1000")
    engine.restore_strikes(
        Strike(ClientKey(number.to_bytes(4) + b"\x20"), START_S - number, Kind.AUTH_FAIL, 1.0)
        for number in range(1001)
    )
    guess(engine, 1, client=OTHER)

    assert (len(engine), engine.evicted) == (1000, 1)
    assert engine.strikes(CLIENTS[0], START_S) == 1.0
    assert engine.strikes(ClientKey((999).to_bytes(4) + b"\x20"), START_S) == 0.0


def test_no_table_is_large() -> None:
    """A million clients are in tables each of which is copied in no time when it grows, and the sum has its bound."""
    engine = make_engine("[limits]\nmax_clients = 20000")
    for number in range(25_000):
        engine.strike(Kind.AUTH_FAIL, ClientKey(number.to_bytes(4) + b"\x20"), START_S + number)

    assert 19_500 < len(engine) <= 20_000
    assert engine.evicted == 25_000 - len(engine)
    assert 10**6 / len(make_tables(10**6)) < 2 * TABLE_CLIENTS
    assert engine.strikes(ClientKey((24_999).to_bytes(4) + b"\x20"), START_S + 24_999) == 1.0


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 7), st.integers(0, 40))
def test_expiring_in_pieces_is_expiring(lengths: list[int], most: int, after_s: int) -> None:
    """The pieces are no larger than asked, and together what one call ends, in its order."""
    engines = make_engine(), make_engine()
    for engine in engines:
        for number, length_s in enumerate(lengths):
            client = ClientKey(number.to_bytes(4) + b"\x20")
            engine.ban(client, START_S, rule="by hand", reason="", length_s=length_s)
    pieces = list(iter(lambda: engines[0].expire(START_S + after_s, most), []))

    assert list(itertools.chain(*pieces)) == engines[1].expire(START_S + after_s)
    assert all(len(piece) <= most for piece in pieces)
    assert engines[0].bans == engines[1].bans


def test_offences_can_be_forgotten_among_some() -> None:
    """Only old ones go, only among those asked for, and none whose ban is still in force."""
    engine = make_engine('[ban]\nladder = ["15m", "forever"]')
    for client in (BOT, OTHER, *CLIENTS[:2]):
        guess(engine, 5, client=client)
    engine.expire(START_S + 1000)
    guess(engine, 5, START_S + 2000, client=CLIENTS[0])
    late_s = START_S + 40 * 86_400

    engine.forget_offences(late_s, [BOT, CLIENTS[0], CLIENTS[5]])
    assert set(engine.offenders) == {OTHER, CLIENTS[0], CLIENTS[1]}
    engine.forget_offences(late_s)
    assert set(engine.offenders) == {CLIENTS[0]}


def test_a_new_never_list_ends_nothing_by_itself() -> None:
    """Which bans it covers is for the caller to find, in pieces; strikes are judged by the new policy at once."""
    engine = make_engine()
    guess(engine, 5)
    engine.reconfigure(Policy.compile(parse_config('[never]\nnetworks = ["192.0.2.0/24"]')))

    assert engine.ban_of(BOT) is not None
    assert engine.policy.never.covering(BOT) is not None


SIGNALS = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0, 700_000), st.integers(0, 3), st.integers(2, 9)), max_size=120
)


@settings(max_examples=60)
@given(SIGNALS)
def test_the_fold_is_deterministic(signals: list[tuple[int, float, int, int]]) -> None:
    """The same signals give the same bans, with references and all, in a second engine."""
    outcomes = []
    for _ in range(2):
        engine = make_engine()
        for client, time_s, user, secret in signals:
            key = ClientKey(client.to_bytes(4) + b"\x20")
            engine.expire(START_S + time_s)
            engine.strike(Kind.AUTH_FAIL, key, START_S + time_s, user_tag=user, secret=secret)
        outcomes.append(engine.outbox)

    assert outcomes[0] == outcomes[1]


@given(st.lists(st.tuples(st.sampled_from(CLIENTS[:2]), st.integers(0, 3)), min_size=1, max_size=30))
def test_each_strike_of_a_client_has_a_time_of_its_own(signals: list[tuple[ClientKey, int]]) -> None:
    """Later than the one before, by as little as can be where it is reported late."""
    engine = make_engine("[limits]\nwindows = ['100 in 30d']")
    for client, at_s in signals:
        engine.strike(Kind.AUTH_FAIL, client, START_S + at_s)

    for client in CLIENTS[:2]:
        times = [strike.time_s for strike in engine.outbox.strikes if strike.client == client]
        asked = [START_S + at_s for one, at_s in signals if one == client]
        assert all(earlier < later for earlier, later in itertools.pairwise(times))
        assert all(time_s >= at_s for time_s, at_s in zip(times, asked, strict=True))
        assert not times or times[-1] - max(asked) < 0.001


def test_what_a_strike_tells() -> None:
    """The tag of the secret, and whether a stranger failed."""
    engine = make_engine()
    engine.success(BOT, 7, START_S)
    for user, secret in ((7, 0), (8, 99)):
        engine.strike(Kind.AUTH_FAIL, BOT, START_S + user, user="u", user_tag=user, secret=secret)

    assert [(one.secret, one.stranger) for one in engine.outbox.strikes] == [(0, False), (99, True)]


def test_a_lift_leaves_later_strikes() -> None:
    """Where it has a time."""
    engine = make_engine()
    guess(engine, 5)

    assert engine.lift(BOT, START_S + 2) is not None
    assert engine.strikes(BOT, START_S + 5) == 2.0


def test_what_is_beyond_the_highest_limit_is_left_out() -> None:
    """From the newest back: fourteen of one and one of five are fifteen, five and nine and five are nineteen."""
    engine = make_engine("[limits]\nwindows = ['15 in 7d']\n[weights]\nauth_abort = 5")
    guess(engine, 14)
    engine.strike(Kind.AUTH_ABORT, OTHER, START_S)
    guess(engine, 9, START_S + 1, client=OTHER)
    for client in (BOT, OTHER):
        engine.strike(Kind.AUTH_ABORT, client, START_S + 20)

    assert engine.strikes(BOT, START_S + 20) == 15.0
    assert engine.strikes(OTHER, START_S + 20) == 19.0
