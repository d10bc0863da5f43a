# SPDX-License-Identifier: ISC
"""Tests of filter_ban.ledger.writer, when all is well with the file."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from filter_ban.client import ClientKey, parse_network
from filter_ban.ledger import Ledger, LedgerError, LedgerWriter, Retention, open_reader
from filter_ban.ledger.backlog import Backlog
from filter_ban.ledger.writer import Pace
from filter_ban.model import Ban, Kind, Login, Pardon, Strike

NOW_S = 1_800_000_000
CLIENT = parse_network("192.0.2.7")

MakeBan = Callable[..., Ban]
MakeStrike = Callable[..., Strike]
MakeLogin = Callable[..., Login]
RunDaemon = Callable[..., Any]
Until = Callable[[Callable[[], object]], None]


def stored(path: Path) -> list[ClientKey]:
    """Return the clients with an active ban, as another process reads them."""
    with open_reader(path) as reader:
        return [ban.client for ban in reader.active_bans(NOW_S)]


def strikes_in(path: Path) -> list[Strike]:
    """Return all strikes, oldest first, as another process reads them."""
    with open_reader(path) as reader:
        return list(reader.strikes_since(0))[::-1]


def logins_in(path: Path) -> list[Login]:
    """Return all logins, newest first, as another process reads them."""
    with open_reader(path) as reader:
        return list(reader.logins_since(0))


def memory_in(path: Path) -> dict[str, str]:
    """Return what is remembered, as another process reads it."""
    with open_reader(path) as reader:
        return reader.memory()


def test_ban_is_committed(path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until) -> None:
    """A ban is on disk when the writer says so, without a stop."""
    daemon = run_daemon(path)
    daemon.writer.record([make_ban()])
    until(lambda: daemon.committed)

    assert [make_ban()] == daemon.committed
    assert stored(path) == [CLIENT]
    assert daemon.writer.health().ok


def test_many_bans_keep_their_order(
    path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until
) -> None:
    """More bans than fit a transaction are reported in the order of their decisions."""
    bans = [make_ban(number) for number in range(3500)]
    daemon = run_daemon(path)
    daemon.writer.record(bans)
    until(lambda: len(daemon.committed) == len(bans))

    assert bans == daemon.committed
    assert [ban.client for ban in bans] == stored(path)


def test_given_ledger_is_used(
    ledger: Ledger, path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until
) -> None:
    """A ledger that is open already is taken over and not announced."""
    daemon = run_daemon(path, ledger)
    daemon.writer.record([make_ban()])
    until(lambda: daemon.committed)

    assert daemon.opened == 0


def test_strikes_are_flushed(
    path: Path, run_daemon: RunDaemon, make_strike: MakeStrike, until: Until
) -> None:
    """Strikes are on disk a moment later, without a stop."""
    daemon = run_daemon(path)
    until(lambda: daemon.opened)
    daemon.writer.strike([make_strike(user="alice@example.org", user_tag=5)])
    until(lambda: strikes_in(path))

    assert [make_strike(user="al…@example.org", user_tag=5)] == strikes_in(path)


def test_logins_are_flushed(path: Path, run_daemon: RunDaemon, make_login: MakeLogin, until: Until) -> None:
    """Logins are on disk a moment later, without a stop."""
    daemon = run_daemon(path)
    until(lambda: daemon.opened)
    daemon.writer.login([make_login(), make_login(time_s=NOW_S + 1.5), make_login(user_tag=6)])
    until(lambda: not daemon.writer.health().pending_logins)

    assert [make_login(time_s=NOW_S + 1), make_login(user_tag=6)] == logins_in(path)


def test_logins_beyond_one_transaction(path: Path, run_daemon: RunDaemon, make_login: MakeLogin) -> None:
    """A stop writes all logins, also more than fit a transaction."""
    daemon = run_daemon(path)
    daemon.writer.login([make_login(number) for number in range(9000)])

    assert daemon.writer.stop(20)
    assert len(logins_in(path)) == 9000


def test_flush_on_request(path: Path, make_strike: MakeStrike, until: Until) -> None:
    """Strikes need not wait for the next flush when somebody wants to see them."""
    writer = LedgerWriter(
        path,
        clock=lambda: NOW_S,
        retention=Retention(strike_age_s=604_800, ban_age_s=2_592_000),
        pace=Pace(flush_s=1e6),
    )
    writer.start()
    writer.strike([make_strike()])
    writer.flush()
    until(lambda: not writer.health().pending_strikes)

    assert [make_strike()] == strikes_in(path)
    assert writer.stop(20)


def test_lift(path: Path, run_daemon: RunDaemon, make_ban: MakeBan, make_strike: MakeStrike) -> None:
    """A lift ends the ban before it and takes the earlier strikes along, also those that wait to be written."""
    daemon = run_daemon(path)
    daemon.writer.strike([make_strike(time_s=NOW_S - 1), make_strike(time_s=NOW_S + 1)])
    daemon.writer.record([make_ban(), make_ban("192.0.2.8")])
    daemon.writer.lift([CLIENT], NOW_S, "root")

    assert daemon.writer.stop(20)
    assert [parse_network("192.0.2.8")] == stored(path)
    assert all(strike.time_s > NOW_S for strike in strikes_in(path))


def test_many_lifts(path: Path, run_daemon: RunDaemon, make_ban: MakeBan, make_strike: MakeStrike) -> None:
    """Lifts of different times, more than one transaction of bans, leave only what was not lifted."""
    daemon = run_daemon(path)
    daemon.writer.strike([make_strike(number) for number in range(3500)])
    daemon.writer.record([make_ban(number) for number in range(3500)])
    for number in range(3400):
        daemon.writer.lift([make_ban(number).client], NOW_S + number % 7, "root")

    assert daemon.writer.stop(20)
    assert [make_ban(number).client for number in range(3400, 3500)] == stored(path)
    assert [make_strike(number) for number in range(3400, 3500)] == strikes_in(path)


def test_forgive(path: Path, run_daemon: RunDaemon, make_strike: MakeStrike) -> None:
    """A pardon removes the user's strikes before it and none after it, though all are written at once."""
    daemon = run_daemon(path)
    daemon.writer.strike([make_strike(user_tag=5), make_strike(user_tag=6)])
    daemon.writer.forgive([Pardon(CLIENT, 5, NOW_S)])
    daemon.writer.strike([make_strike(time_s=NOW_S + 1, user_tag=5)])
    daemon.writer.strike([make_strike(time_s=NOW_S - 1, user_tag=5, node="mx2")])

    assert daemon.writer.stop(20)
    assert [(strike.time_s, strike.user_tag, strike.node) for strike in strikes_in(path)] == [
        (NOW_S - 1, 5, "mx2"),
        (NOW_S, 6, ""),
        (NOW_S + 1, 5, ""),
    ]


def test_memory_is_flushed(path: Path, run_daemon: RunDaemon, until: Until) -> None:
    """What is to be remembered is on disk a moment later, without a stop, and goes when it is to be forgotten."""
    daemon = run_daemon(path)
    daemon.writer.remember({"a": "1", "b": "1"})
    daemon.writer.remember({"a": "2"})
    until(lambda: not daemon.backlog)
    assert memory_in(path) == {"a": "2", "b": "1"}

    daemon.writer.remember({"b": None})
    assert daemon.writer.stop(20)
    assert memory_in(path) == {"a": "2"}


def test_memory_is_never_ahead(path: Path, run_daemon: RunDaemon, make_strike: MakeStrike) -> None:
    """Whenever somebody looks, the strikes and bans are there that were handed over before what is remembered."""
    daemon = run_daemon(path)
    seen = [0]
    for number in range(1, 101):
        daemon.writer.strike([make_strike(number, time_s=NOW_S + number)] * 20)
        daemon.writer.remember({"position": str(number)})
        with suppress(LedgerError), open_reader(path) as reader:
            seen.append(int(reader.memory().get("position", 0)))
            times_s = {strike.time_s for strike in reader.strikes_since(0)}
            assert {NOW_S + before for before in range(1, seen[-1] + 1)} <= times_s

    assert daemon.writer.stop(20)
    assert seen == sorted(seen)
    assert memory_in(path) == {"position": "100"}


class Busy(Backlog):
    """One to which more is added as soon as the first strikes are written."""

    def end_counted(self) -> None:
        """Take off what was written, and add more."""
        super().end_counted()
        self.add_counted([Strike(CLIENT, NOW_S + 1, Kind.AUTH_FAIL, 1.0)])
        self.add_memos({"position": "2"})


def test_memory_that_comes_during_a_flush(ledger: Ledger, path: Path, make_strike: MakeStrike) -> None:
    """What is handed over while strikes are written waits for the next flush, like the strikes before it."""
    backlog = Busy()
    retention = Retention(strike_age_s=604_800, ban_age_s=2_592_000)
    writer = LedgerWriter(path, clock=lambda: NOW_S, retention=retention, backlog=backlog)
    writer.strike([make_strike()])
    writer.remember({"position": "1"})
    writer._flush(ledger)

    assert [make_strike()] == list(ledger.strikes_since(0))
    assert ledger.memory() == {"position": "1"}
    assert backlog.memos == {"position": "2"}


def test_old_rows_are_pruned(
    path: Path, run_daemon: RunDaemon, make_strike: MakeStrike, make_login: MakeLogin, until: Until
) -> None:
    """What is older than the retention goes by itself."""
    with Ledger.open(path, NOW_S) as ledger:
        ledger.record_strikes([make_strike(time_s=NOW_S - 604_800), make_strike()])
        ledger.record_logins([make_login(1, time_s=NOW_S - 5_184_000), make_login(2)])
    run_daemon(path)
    until(lambda: len(strikes_in(path)) == len(logins_in(path)) == 1)

    assert [make_strike()] == strikes_in(path)
    assert [make_login(2)] == logins_in(path)


def test_impossible_login_does_not_stop_the_others(
    path: Path, run_daemon: RunDaemon, make_login: MakeLogin, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """Logins that SQLite cannot hold are dropped with a traceback; later ones are recorded."""
    daemon = run_daemon(path)
    daemon.writer.login([make_login(user_tag=2**80)])
    until(lambda: not daemon.writer.health().pending_logins)
    daemon.writer.login([make_login()])
    until(lambda: not daemon.writer.health().pending_logins)

    assert [make_login()] == logins_in(path)
    assert "cannot record rows=1 of Login" in caplog.text


def test_impossible_ban_does_not_stop_the_others(
    path: Path, run_daemon: RunDaemon, make_ban: MakeBan, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """What SQLite cannot hold is dropped with a traceback; its neighbours are recorded."""
    daemon = run_daemon(path)
    daemon.writer.record([make_ban(1), make_ban(2, length_s=2**80), make_ban(3)])
    until(lambda: len(daemon.committed) == 2)

    assert [make_ban(1), make_ban(3)] == daemon.committed
    assert "cannot record client=10.0.0.2" in caplog.text
    assert daemon.writer.health().ok


def test_callback_that_raises(path: Path, make_ban: MakeBan, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in the callback does not end the writing."""

    def fail(_: object) -> None:
        raise ZeroDivisionError

    writer = LedgerWriter(
        path,
        clock=lambda: NOW_S,
        retention=Retention(strike_age_s=1, ban_age_s=1),
        on_committed=fail,
        on_opened=fail,
    )
    writer.start()
    writer.record([make_ban(1)])

    assert writer.stop(20)
    assert caplog.text.count("callback failed") == 2
    assert len(stored(path)) == 1
