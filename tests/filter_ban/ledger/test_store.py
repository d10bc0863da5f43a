# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.store."""

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filter_ban.client import make_key, parse_network
from filter_ban.engine.ban_book import outlasts
from filter_ban.ledger import Ledger, LedgerError, Recorded, Trouble
from filter_ban.ledger.backlog import Lift, Memo
from filter_ban.ledger.schema import MIGRATIONS
from filter_ban.model import Allowance, Ban, Kind, Login, Strike

NOW_S = 1_800_000_000
CLIENT = parse_network("192.0.2.7")

MakeBan = Callable[..., Ban]
MakeStrike = Callable[..., Strike]
MakeLogin = Callable[..., Login]

keys = st.builds(make_key, st.binary(min_size=4, max_size=4), st.integers(0, 32)) | st.builds(
    make_key, st.binary(min_size=16, max_size=16), st.integers(0, 128)
)
seconds = st.integers(0, 2**40)
floats = st.floats(allow_nan=False, allow_infinity=False)
shown = st.text(st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E), max_size=100)
nodes = st.text(st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E), max_size=63)
bans = st.builds(
    Ban,
    client=keys,
    start_s=seconds,
    end_s=st.none() | seconds,
    rule=shown,
    reason=shown,
    offence=st.integers(0, 2**31),
    strikes=floats,
    reference=shown,
    firewall=st.booleans(),
    node=nodes,
)
strikes = st.builds(
    Strike,
    keys,
    floats,
    st.sampled_from(Kind),
    floats,
    st.just("…@example.org"),
    st.integers(0, 2**32 - 1),
    shown,
    node=nodes,
)


@settings(max_examples=50, deadline=None)
@given(bans=st.lists(bans, unique_by=lambda ban: ban.client, max_size=40))
def test_bans_round_trip(tmp_path_factory: pytest.TempPathFactory, bans: list[Ban]) -> None:
    """What is recorded is read back equal, also by the next life of the program."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite3"
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_bans(bans)
    with Ledger.open(path, NOW_S) as ledger:
        assert bans == [record.ban for record in ledger.records()]
        assert [ban for ban in bans if ban.end_s is None or ban.end_s > NOW_S] == list(
            ledger.active_bans(NOW_S)
        )


@settings(max_examples=50, deadline=None)
@given(strikes=st.lists(strikes, max_size=40))
def test_strikes_round_trip(tmp_path_factory: pytest.TempPathFactory, strikes: list[Strike]) -> None:
    """Strikes are read back equal and the newest first."""
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.sqlite3", NOW_S) as ledger:
        ledger.record_strikes(strikes)
        found = list(ledger.strikes_since(float("-inf")))

    assert sorted(strikes, key=lambda strike: strike.time_s)[::-1] == found


def test_secrets_are_not_stored(ledger: Ledger) -> None:
    """Of a strike neither the tag of the secret nor what was known of the user is recorded."""
    ledger.record_strikes([Strike(CLIENT, NOW_S, Kind.AUTH_FAIL, 1.0, secret=0xDEADBEEF, stranger=True)])

    assert [Strike(CLIENT, NOW_S, Kind.AUTH_FAIL, 1.0)] == list(ledger.strikes_since(0))
    (row,) = ledger._db.execute("SELECT * FROM strike")
    assert 0xDEADBEEF not in row


ENDS = {
    "longer": (900, 7200, Recorded.EXTENDED, NOW_S + 7260),
    "shorter": (900, 60, Recorded.SHORTER, NOW_S + 900),
    "same end": (900, 840, Recorded.SHORTER, NOW_S + 900),
    "for ever": (900, None, Recorded.EXTENDED, None),
    "after for ever": (None, 900, Recorded.SHORTER, None),
    "for ever twice": (None, None, Recorded.SHORTER, None),
    "right after the end": (60, 900, Recorded.NEW, NOW_S + 960),
    "after the end": (30, 900, Recorded.NEW, NOW_S + 960),
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("case", ENDS.values(), ids=ENDS.keys())
def test_no_ban_is_shortened(
    ledger: Ledger,
    make_ban: MakeBan,
    case: tuple[int | None, int | None, Recorded, int | None],
    together: bool,
) -> None:
    """A second ban, a minute later, is new after the first, and extends it or changes nothing before its end."""
    first_s, second_s, outcome, end_s = case
    pair = [make_ban(length_s=first_s), make_ban(start_s=NOW_S + 60, length_s=second_s)]
    if together:
        outcomes = ledger.record_bans(pair)
    else:
        outcomes = ledger.record_bans(pair[:1]) + ledger.record_bans(pair[1:])

    assert [Recorded.NEW, outcome] == outcomes
    assert [end_s] == [ban.end_s for ban in ledger.active_bans(NOW_S + 61)]


def test_recording_again_changes_nothing(ledger: Ledger, make_ban: MakeBan) -> None:
    """A ban that is recorded a second time, after trouble, is there once."""
    many = [make_ban(number) for number in range(300)]
    ledger.record_bans(many)

    assert ledger.record_bans(many) == [Recorded.SHORTER] * 300
    assert many == list(ledger.active_bans(NOW_S))


def test_longer_ban_that_began_earlier(ledger: Ledger, make_ban: MakeBan) -> None:
    """Another node's ban of earlier start and later end takes the place of ours, which was over as it began."""
    ours, theirs = make_ban(), make_ban(start_s=NOW_S - 60, length_s=3600, node="mx2")
    ledger.record_bans([ours])

    assert ledger.record_bans([theirs]) == [Recorded.EXTENDED]
    assert [theirs] == list(ledger.active_bans(NOW_S))
    assert [attrs.evolve(ours, end_s=NOW_S), theirs] == [record.ban for record in ledger.records()]


spans = st.tuples(st.integers(-50, 0), st.integers(1, 200) | st.none())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=st.lists(spans, min_size=1, max_size=12))
def test_bans_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int | None]], make_ban: MakeBan
) -> None:
    """Whatever the order of bans of a client, the one that ends last is in force alone, and none ends before it began."""
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.sqlite3", NOW_S) as ledger:
        for later_s, length_s in spans:
            ledger.record_bans([make_ban(start_s=NOW_S + later_s, length_s=length_s)])
        active = [ban.end_s for ban in ledger.active_bans(NOW_S)]
        recorded = [record.ban for record in ledger.records()]

    ends_s = [math.inf if length_s is None else NOW_S + later_s + length_s for later_s, length_s in spans]
    last_s = max(ends_s)
    assert active == ([] if last_s <= NOW_S else [None if last_s == math.inf else last_s])
    assert all(ban.end_s is None or ban.end_s >= ban.start_s for ban in recorded)


def test_replaced_ban_stays_in_the_history(ledger: Ledger, make_ban: MakeBan) -> None:
    """Both references of an extended ban are found; the replaced one ended when the longer one began."""
    ledger.record_bans([make_ban(reference="FIRST")])
    ledger.record_bans([make_ban(start_s=NOW_S + 60, reference="SECOND", offence=2)])
    first, second = ledger.find("FIRST"), ledger.find("SECOND")

    assert first is not None
    assert second is not None
    assert (first.ban.end_s, first.lifted_s) == (NOW_S + 60, None)
    assert second.is_active(NOW_S + 61)
    assert [second, first] == ledger.bans_of(CLIENT)
    assert list(ledger.offences(NOW_S - 1)) == [(CLIENT, 2, NOW_S + 60)]
    assert ledger.find("THIRD") is None


def test_bans_of_includes_networks_around(ledger: Ledger, make_ban: MakeBan) -> None:
    """The bans of a client are also those of the networks that contain it."""
    ledger.record_bans(
        [make_ban("192.0.2.0/24"), make_ban("192.0.3.0/24"), make_ban("192.0.2.8"), make_ban("::/0")]
    )

    assert [parse_network("192.0.2.0/24")] == [record.ban.client for record in ledger.bans_of(CLIENT)]
    assert ledger.bans_of(parse_network("198.51.100.1")) == []


def test_lift(ledger: Ledger, make_ban: MakeBan, make_strike: MakeStrike) -> None:
    """A lift ends the ban, takes back the offence and the strikes, and keeps the record with the hand that did it."""
    other = parse_network("192.0.2.8")
    ledger.record_bans([make_ban(), make_ban(other)])
    ledger.record_strikes([make_strike(), make_strike(other)])

    assert ledger.lift([CLIENT, parse_network("192.0.2.9")], NOW_S + 5.5, "root\n" * 100) == [CLIENT]
    assert [other] == [ban.client for ban in ledger.active_bans(NOW_S)]
    assert [other] == [client for client, _, _ in ledger.offences(0)]
    assert [other] == [strike.client for strike in ledger.strikes_since(0)]
    (record,) = ledger.bans_of(CLIENT)
    assert record.lifted_s == NOW_S + 5
    assert record.lifted_by.startswith("root\\nroot")
    assert len(record.lifted_by) <= 100
    assert ledger.lift([CLIENT], NOW_S + 6, "root") == []
    assert ledger.record_bans([make_ban(start_s=NOW_S + 7)]) == [Recorded.NEW]


def test_a_lift_ends_no_later_ban(ledger: Ledger, make_ban: MakeBan) -> None:
    """One that another node did before the ban, and that is heard of after it, leaves it to a later one."""
    ledger.record_bans([make_ban()])
    assert ledger.lift([CLIENT], NOW_S - 1, "ann") == []
    early, late = Lift(CLIENT, NOW_S - 0.5, "ann"), Lift(CLIENT, NOW_S + 0.5, "bob")

    assert ledger.lift_all([early, late]) == [CLIENT]
    assert [record.lifted_by for record in ledger.records()] == ["bob"]


def test_lifts_by_several_hands(ledger: Ledger, make_ban: MakeBan) -> None:
    """Lifts of different hands and times are done together, each as if alone; of two for a client the first counts."""
    ledger.record_bans([make_ban(number) for number in range(3)])
    first, second, third = (make_ban(number).client for number in range(3))
    lifts = [Lift(first, NOW_S + 1, "ann"), Lift(second, NOW_S + 2, "bob"), Lift(first, NOW_S + 3, "bob")]
    late = Lift(third, NOW_S + 900, "ann")

    assert {first, second} == set(ledger.lift_all([*lifts, late]))
    assert [(record.lifted_s, record.lifted_by) for record in ledger.records()] == [
        (NOW_S + 1, "ann"),
        (NOW_S + 2, "bob"),
        (None, ""),
    ]


@settings(max_examples=30, deadline=None)
@given(logins=st.lists(st.builds(Login, keys, st.integers(0, 2), seconds), max_size=60))
def test_last_login_is_remembered(tmp_path_factory: pytest.TempPathFactory, logins: list[Login]) -> None:
    """Of each user at a client the last login is read back, newest first, in whatever batches they were recorded."""
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.sqlite3", NOW_S) as ledger:
        ledger.record_logins(logins[:30])
        ledger.record_logins(logins[30:])
        ledger.record_logins(logins[:1])
        found = list(ledger.logins_since(float("-inf")))

    last: dict[tuple[object, int], float] = {}
    for one in logins:
        user = one.client, one.user_tag
        last[user] = max(one.time_s, last.get(user, one.time_s))
    assert last == {(one.client, one.user_tag): one.time_s for one in found}
    assert [one.time_s for one in found] == sorted(last.values(), reverse=True)


def test_logins_since(ledger: Ledger, make_login: MakeLogin) -> None:
    """Logins up to the given time are left out."""
    ledger.record_logins([make_login(1, time_s=1000.9), make_login(2, time_s=1001.9), make_login("::/64")])

    assert [make_login("::/64"), make_login(2, time_s=1001)] == list(ledger.logins_since(1000))


def test_allowances(ledger: Ledger) -> None:
    """Who is let in is read back while it lasts, with whether other nodes are told; a later word takes the place."""
    first = Allowance(CLIENT, NOW_S, None, "office", here=True)
    second = Allowance(parse_network("192.0.2.0/24"), NOW_S, NOW_S + 60, "visit")
    ledger.allow([first, second])
    assert [second, first] == list(ledger.allowances(NOW_S))

    third = attrs.evolve(first, here=False, reason="home")
    ledger.allow([third])
    assert [third] == list(ledger.allowances(NOW_S + 60))


def test_memory(ledger: Ledger) -> None:
    """What is to be remembered is there under its name until it is forgotten, whatever the text."""
    hostile = {"\x00\n\x1b": "'; DROP TABLE memory; --", "": "", "ü": "\u202e" * 1000}
    ledger.remember([Memo("a", "1"), Memo("b", "1"), Memo("a", "2")])
    ledger.remember([Memo("b", None), Memo("c", None), Memo("\udcff", "\udcff")])
    ledger.remember([Memo(*fact) for fact in hostile.items()])
    assert ledger.memory() == {"a": "2", "\\udcff": "\\udcff", **hostile}

    ledger.remember([Memo(name, None) for name in ("a", "\udcff", *hostile)])
    assert ledger.memory() == {}


def test_offences_are_forgotten(ledger: Ledger, make_ban: MakeBan) -> None:
    """The number of the last offence and its start are remembered, for offences since a time."""
    ledger.record_bans([make_ban(start_s=1000, offence=1), make_ban(start_s=5000, offence=2)])
    ledger.record_bans([make_ban("192.0.2.8", start_s=2000)])

    assert list(ledger.offences(2000)) == [(CLIENT, 2, 5000)]


def test_strikes_of(ledger: Ledger, make_strike: MakeStrike) -> None:
    """The last strikes of a client come newest first, with masked names."""
    ledger.record_strikes(
        [make_strike(time_s=NOW_S + n, user="alice@example.org", user_tag=9) for n in range(5)]
    )
    ledger.record_strikes([make_strike("192.0.2.8")])

    found = ledger.strikes_of(CLIENT, 3)
    assert [strike.time_s for strike in found] == [NOW_S + 4, NOW_S + 3, NOW_S + 2]
    assert {("al…@example.org", 9)} == {(strike.user, strike.user_tag) for strike in found}


def test_prune(ledger: Ledger, make_ban: MakeBan, make_strike: MakeStrike, make_login: MakeLogin) -> None:
    """Old strikes, old logins and old bans that are over go, some at a time; whatever is still in force stays."""
    old_s = NOW_S - 1000
    ledger.record_strikes(
        [make_strike(time_s=old_s), make_strike(time_s=old_s), make_strike(time_s=old_s + 1)]
    )
    ledger.record_bans([make_ban(1, start_s=old_s, length_s=10), make_ban(2, start_s=old_s, length_s=1001)])
    ledger.record_bans([make_ban(3, start_s=old_s, length_s=None), make_ban(4, start_s=old_s, length_s=None)])
    ledger.record_bans([make_ban(5, start_s=old_s + 1, length_s=10)])
    ledger.lift([make_ban(4).client], NOW_S, "root")

    ledger.record_logins([make_login(1, time_s=old_s - 1), make_login(2, time_s=old_s)])

    ages = {"strike_age_s": 1000, "ban_age_s": 1000, "login_age_s": 1001}
    assert [ledger.prune(NOW_S, limit=1, **ages) for _ in range(3)] == [3, 2, 0]
    assert [make_login(2, time_s=old_s)] == list(ledger.logins_since(0))
    assert [record.ban.client[3] for record in ledger.records()] == [2, 3, 5]
    assert [old_s + 1] == [strike.time_s for strike in ledger.strikes_since(0)]


def test_hostile_text_is_bounded_and_escaped(ledger: Ledger, make_ban: MakeBan) -> None:
    """No control character, no lone surrogate and no long text reaches the file."""
    ledger.record_bans(
        [
            make_ban(
                rule="\x1b[2J" * 1000,
                reason="\udcff\x00\n" * 1000,
                reference="\u202e" * 1000,
                node="\x1b" * 1000,
            )
        ]
    )
    ledger.record_strikes(
        [Strike(CLIENT, NOW_S, Kind.AUTH_FAIL, 1.0, "\x00" * 9999, 1, "\n" * 9999, node="mx" * 1000)]
    )
    (ban,) = ledger.active_bans(NOW_S)
    (strike,) = ledger.strikes_since(0)

    for text in (ban.rule, ban.reason, ban.reference, strike.user, strike.service):
        assert text.isprintable()
        assert len(text) <= 200
    for node in (ban.node, strike.node):
        assert node.isprintable()
        assert len(node) <= 63


def test_facts(ledger: Ledger, path: Path, make_ban: MakeBan, make_strike: MakeStrike) -> None:
    """The facts count what is there."""
    ledger.record_bans([make_ban(), make_ban("192.0.2.8", length_s=None), make_ban("192.0.2.9", start_s=1)])
    ledger.record_strikes([make_strike()])
    facts = ledger.facts(NOW_S)

    assert (path, len(MIGRATIONS), 2, 3, 1) == (
        facts.path,
        facts.schema_version,
        facts.active_bans,
        facts.bans,
        facts.strikes,
    )
    assert facts.size_bytes > 4096
    assert facts.last_write_s > 0


def test_failed_batch_changes_nothing(ledger: Ledger, make_ban: MakeBan) -> None:
    """A batch is recorded whole or not at all."""
    with pytest.raises(OverflowError):
        ledger.record_bans([make_ban(1), make_ban(2, length_s=2**80)])

    assert list(ledger.records()) == []
    assert ledger.record_bans([make_ban(1)]) == [Recorded.NEW]


def test_locked(ledger: Ledger, path: Path, make_ban: MakeBan) -> None:
    """A lock held by another program is said to be one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerError, match="is locked by another program") as raised:
            ledger.record_bans([make_ban()])

    assert Trouble.LOCKED is raised.value.trouble


def test_of_two_bans_with_one_end_the_one_that_outlasts_is_kept(ledger: Ledger, make_ban: MakeBan) -> None:
    """What two nodes decided of one client: whichever comes first, the ledger has the one that the engine has."""
    wide, narrow = (attrs.evolve(make_ban(), firewall=firewall) for firewall in (True, False))
    assert outlasts(narrow, wide)
    assert ledger.record_bans([wide]) == [Recorded.NEW]
    assert ledger.record_bans([narrow]) == [Recorded.EXTENDED]
    assert ledger.record_bans([wide]) == [Recorded.SHORTER]
    renamed = attrs.evolve(narrow, reference="another")
    assert ledger.record_bans([renamed]) == [Recorded.EXTENDED]
    assert ledger.record_bans([renamed]) == [Recorded.SHORTER]
    assert list(ledger.active_bans(NOW_S + 1)) == [renamed]
