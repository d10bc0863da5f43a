# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.backlog."""

from collections.abc import Callable

from filter_ban.client import parse_network
from filter_ban.ledger.backlog import BAN_CHUNK, LIFT_CHUNK, Backlog, Counted, Lift, Memo, Urgent, settle
from filter_ban.model import Ban, Login, Pardon, Strike

NOW_S = 1_800_000_000
CLIENT = parse_network("192.0.2.7")

MakeBan = Callable[..., Ban]
MakeStrike = Callable[..., Strike]
MakeLogin = Callable[..., Login]


def test_urgent_work_keeps_its_order(make_ban: MakeBan) -> None:
    """Bans and lifts come in chunks of one sort, in the order they were added."""
    backlog = Backlog()
    work: list[Urgent] = [
        make_ban(1),
        make_ban(2),
        Lift(CLIENT, 1.0, "a"),
        Lift(CLIENT, 2.0, "b"),
        make_ban(3),
    ]
    backlog.add_urgent(work)
    chunks = []
    while chunk := backlog.begin_urgent():
        backlog.end_urgent(chunk)
        chunks.append(chunk)

    assert [work[:2], work[2:4], work[4:]] == chunks


def test_work_stays_until_it_is_done(
    make_ban: MakeBan, make_strike: MakeStrike, make_login: MakeLogin
) -> None:
    """What was begun and not ended is begun again."""
    backlog = Backlog()
    backlog.add_urgent([make_ban()])
    backlog.add_counted([make_strike()])
    backlog.add_logins([make_login()])

    assert backlog.begin_urgent() == backlog.begin_urgent() == [make_ban()]
    assert backlog.begin_counted() == backlog.begin_counted() == [make_strike()]
    assert backlog.begin_logins() == backlog.begin_logins() == [make_login()]
    assert backlog


def test_chunks_are_bounded(make_ban: MakeBan) -> None:
    """A chunk of bans is no larger than a short transaction allows; one of lifts is far larger, and bounded too."""
    backlog = Backlog()
    backlog.add_urgent([make_ban()] * (BAN_CHUNK + 1))
    bans = backlog.begin_urgent()
    backlog.end_urgent([*backlog.urgent])
    backlog.add_urgent([Lift(CLIENT, 1.0, "a")] * (LIFT_CHUNK + 1))

    assert (len(bans), len(backlog.begin_urgent())) == (BAN_CHUNK, LIFT_CHUNK)


def test_oldest_strikes_are_dropped(make_strike: MakeStrike) -> None:
    """When strikes overflow while some are being written, none of those that came later is taken off with them."""
    backlog = Backlog(max_counted=3)
    backlog.add_counted([make_strike(1), make_strike(2), make_strike(3)])
    begun = backlog.begin_counted()
    backlog.add_counted([make_strike(4), make_strike(5)])
    backlog.end_counted()

    assert len(begun) == 3
    assert [make_strike(4), make_strike(5)] == list(backlog.counted)
    assert backlog.dropped_counted == 2


def test_half_full(make_strike: MakeStrike) -> None:
    """Strikes and pardons count, those that are being written too; bans do not."""
    backlog = Backlog(max_counted=4)
    backlog.add_counted([make_strike(1), Pardon(CLIENT, 5, NOW_S)])
    backlog.add_urgent([Lift(CLIENT, 1.0, "a")] * 5)
    assert not backlog.is_half_full
    backlog.add_counted([make_strike(2)])
    assert backlog.is_half_full
    assert backlog.begin_counted()
    assert backlog.is_half_full
    backlog.end_counted()
    assert not backlog.is_half_full


def test_bans_beyond_the_bound(make_ban: MakeBan) -> None:
    """Beyond the bound of memory the newest bans are dropped and counted."""
    backlog = Backlog(max_urgent=2)
    backlog.add_urgent([make_ban(1), make_ban(2), make_ban(3)])

    assert [make_ban(1), make_ban(2)] == list(backlog.urgent)
    assert backlog.dropped_urgent == 1


def test_last_login_counts(make_login: MakeLogin) -> None:
    """Of each user at a client only the last login waits, in whatever order they come."""
    backlog = Backlog()
    backlog.add_logins([make_login(time_s=2), make_login(time_s=1), make_login(user_tag=6, time_s=1)])
    backlog.add_logins([make_login(user_tag=6, time_s=3)])

    assert [make_login(time_s=2), make_login(user_tag=6, time_s=3)] == backlog.begin_logins()


def test_later_login_is_not_taken_off(make_login: MakeLogin) -> None:
    """A login that comes while an earlier one is being written stays."""
    backlog = Backlog()
    backlog.add_logins([make_login(1), make_login(2)])
    begun = backlog.begin_logins()
    backlog.add_logins([make_login(1, time_s=NOW_S + 1)])
    backlog.end_logins(begun)

    assert [make_login(1, time_s=NOW_S + 1)] == backlog.begin_logins()


def test_oldest_logins_are_dropped(make_login: MakeLogin) -> None:
    """When logins overflow those that were not repeated for longest are dropped and counted."""
    backlog = Backlog(max_logins=2)
    backlog.add_logins([make_login(1), make_login(2), make_login(1), make_login(3)])
    begun = backlog.begin_logins()
    backlog.add_logins([make_login(4)])
    backlog.end_logins(begun)

    assert [make_login(1), make_login(3)] == begun
    assert [make_login(4)] == backlog.begin_logins()
    assert backlog.dropped_logins == 2


def test_pardon_all(make_strike: MakeStrike) -> None:
    """Lifts remove the waiting strikes of their clients up to the last of their times."""
    other = parse_network("192.0.2.8")
    stay: list[Counted] = [make_strike(time_s=NOW_S + 1), make_strike(other), Pardon(CLIENT, 5, NOW_S)]
    backlog = Backlog()
    backlog.add_counted([make_strike(), *stay])
    backlog.pardon_all([Lift(CLIENT, NOW_S, "a"), Lift(other, NOW_S - 1, "a"), Lift(CLIENT, NOW_S - 2, "b")])

    assert stay == list(backlog.counted)


def test_settle(make_strike: MakeStrike) -> None:
    """A pardon voids what was added before it and happened no later; another's late report stays."""
    void = make_strike(time_s=2, user_tag=5)
    later = make_strike(time_s=3, user_tag=5)
    other = make_strike(time_s=1, user_tag=6)
    reported_late = make_strike(time_s=1, user_tag=5)
    pardons = [Pardon(CLIENT, 5, 2), Pardon(CLIENT, 5, 0)]
    strikes, settled = settle([void, later, other, pardons[0], reported_late, pardons[1]])

    assert [later, other, reported_late] == strikes
    assert sorted(pardons, key=lambda pardon: pardon.time_s) == settled


def test_last_memo_counts() -> None:
    """Of each name only the last value waits; one that comes while another is being written stays."""
    backlog = Backlog()
    backlog.add_memos({"a": "1", "b": "1"})
    backlog.add_memos({"a": "2"})
    begun = backlog.begin_memos()
    backlog.add_memos({"b": None})
    backlog.end_memos(begun)

    assert [Memo("a", "2"), Memo("b", "1")] == begun
    assert [Memo("b", None)] == backlog.begin_memos()


def test_remember_again() -> None:
    """For another file everything that was remembered waits again, unless it is forgotten or changed by now."""
    backlog = Backlog()
    backlog.add_memos({"a": "1", "b": "1", "c": "1", "d": "1"})
    backlog.end_memos(backlog.begin_memos())
    backlog.add_memos({"b": None})
    backlog.end_memos(backlog.begin_memos())
    assert not backlog

    backlog.add_memos({"c": "2", "d": None})
    backlog.remember_again()
    assert backlog.memos == {"a": "1", "c": "2", "d": None}
