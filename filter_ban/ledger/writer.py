# SPDX-License-Identifier: ISC
"""
The one thread that writes the ledger.

Handing over is an append under a lock. Bans and lifts are written at once and in their order, strikes and logins every
second, in transactions of some thousand rows: a ban never waits behind a flood of strikes. Whatever happens to the
file, the work is kept in memory and written when the file can be used again; nothing is ever raised into the thread
that hands over.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import attrs

from filter_ban.client import ClientKey, key_text
from filter_ban.ledger import files
from filter_ban.ledger.backlog import Backlog, Counted, Disallowance, Lift, Urgent, settle
from filter_ban.ledger.errors import LedgerError, Trouble
from filter_ban.ledger.health import LedgerHealth
from filter_ban.ledger.rows import Record
from filter_ban.ledger.store import TALLY_AGE_S, Ledger
from filter_ban.model import Allowance, Ban, Login, Pardon, Strike
from filter_ban.tally import Tally
from filter_ban.text import excerpt

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PASSING: Final = (Trouble.LOCKED, Trouble.FULL)  # the open file stays good


@attrs.frozen(kw_only=True)
class Retention:
    """How long the ledger remembers."""

    strike_age_s: float  # the longest window
    ban_age_s: float  # the memory for offences
    login_age_s: float = 30 * 86_400.0  # the memory for successes
    tally_age_s: float = TALLY_AGE_S


@attrs.frozen(kw_only=True)
class Pace:
    """How often things are done, in seconds."""

    flush_s: float = 1.0  # the oldest strike that a power cut can lose
    check_s: float = 30.0  # whether the file is in its place, while nothing is written
    prune_s: float = 3600.0
    first_retry_s: float = 1.0  # doubled up to the last
    last_retry_s: float = 30.0


def ignore(_: object) -> None:
    """Do nothing: the default of the callbacks."""


class LedgerWriter:
    """
    Writes the ledger in a thread of its own.

    Args:
        path: Of the ledger.
        clock: Returns Unix seconds.
        retention: What is pruned; may be replaced at any time.
        ledger: Open already, and now the writer's; without one the writer opens it, as often as needed.
        user_key: Key for the tags of user names, for the case that a new file must be begun.
        on_committed: Called in the writer's thread with bans that are now safe on disk, in the order of their decisions.
        on_opened: Called in the writer's thread when it has opened the ledger. What the file holds can be read then, and
            the caller's active bans should be recorded once more, because it may be a new one.
        pace: For tests.

    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float],
        retention: Retention,
        ledger: Ledger | None = None,
        user_key: bytes | None = None,
        on_committed: Callable[[Sequence[Ban]], None] = ignore,
        on_opened: Callable[[Ledger], None] = ignore,
        pace: Pace = Pace(),
        backlog: Backlog | None = None,
    ) -> None:
        self.retention = retention
        self._path = path
        self._clock = clock
        self._ledger = ledger
        self._user_key = ledger.user_key if ledger is not None else user_key
        self._on_committed = on_committed
        self._on_opened = on_opened
        self._pace = pace
        self._backlog = Backlog() if backlog is None else backlog
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._stop_at: float | None = None  # on the monotonic clock
        self._flush_at = math.inf
        self._check_at = self._prune_at = 0.0
        self._retry_s = 0.0  # 0: no trouble
        self._trouble: Trouble | None = None
        self._problem = ""
        self._since_s = clock()
        self._rescued: list[Record] = []  # from a deleted file
        self._rescued_logins: list[Login] = []
        self._damaged = False  # the file was found corrupt in use

    # --- for any thread

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Write what waits and close the ledger; return whether that was done in time."""
        with self._backlog.changed:
            self._stop_at = time.monotonic() + timeout_s
            self._backlog.changed.notify()
        self._thread.join(timeout_s)
        return not self._backlog and not self._thread.is_alive()

    def record(self, bans: Iterable[Ban]) -> None:
        """Have *bans* recorded at once; ``on_committed`` tells when they are."""
        self._backlog.add_urgent(bans)

    def lift(self, clients: Iterable[ClientKey], now_s: float, by: str) -> None:
        """Have the bans of *clients* ended, and their strikes up to *now_s* removed."""
        self._backlog.add_urgent([Lift(client, now_s, by) for client in clients])

    def allow(self, allowances: Iterable[Allowance]) -> None:
        """Have it recorded who is let in."""
        self._backlog.add_urgent(allowances)

    def disallow(self, clients: Iterable[ClientKey]) -> None:
        """Have the allowances of exactly these *clients* removed."""
        self._backlog.add_urgent([Disallowance(client) for client in clients])

    def strike(self, strikes: Iterable[Strike]) -> None:
        """Have *strikes* recorded with the next flush."""
        self._backlog.add_counted(strikes)

    def forgive(self, pardons: Iterable[Pardon]) -> None:
        """Have the strikes removed that *pardons* void, as far as they were handed over before."""
        self._backlog.add_counted(pardons)

    def login(self, logins: Iterable[Login]) -> None:
        """Have *logins* recorded with the next flush, the last of each user at a client."""
        self._backlog.add_logins(logins)

    def tally(self, tallies: Iterable[Tally]) -> None:
        """Have *tallies* added with the next flush to those of the same hour, what and name."""
        self._backlog.add_tallies(tallies)

    def remember(self, facts: Mapping[str, str | None]) -> None:
        """
        Have *facts* remembered by their names, None: no more.

        They are never on disk before bans, lifts, strikes and pardons that were handed over before them. A file that is
        begun anew is told them again.
        """
        self._backlog.add_memos(facts)

    def flush(self) -> None:
        """Have what waits written now, not with the next flush."""
        with self._backlog.changed:
            self._flush_at = 0.0
            self._backlog.changed.notify()

    @property
    def is_behind(self) -> bool:
        """Whether strikes soon come too fast for it, and waiting would help."""
        return not self._problem and self._backlog.is_half_full

    def health(self) -> LedgerHealth:
        """Return how the ledger fares."""
        backlog = self._backlog
        return LedgerHealth(
            ok=not self._problem,
            problem=self._problem,
            since_s=self._since_s,
            pending_bans=len(backlog.urgent),
            pending_strikes=len(backlog.counted),
            pending_logins=len(backlog.logins),
            pending_tallies=len(backlog.tallies),
            dropped_bans=backlog.dropped_urgent,
            dropped_strikes=backlog.dropped_counted,
            dropped_logins=backlog.dropped_logins,
            dropped_tallies=backlog.dropped_tallies,
        )

    # --- in the thread

    def _run(self) -> None:
        while True:
            try:
                self._work()
            except LedgerError as error:
                self._fail(error)
            except Exception as error:
                logger.exception("ledger writer failed")
                self._fail(LedgerError(Trouble.UNUSABLE, self._path, repr(error)))
            else:
                self._recover()
            if self._stop_at is not None and (not self._backlog or time.monotonic() >= self._stop_at):
                break
            self._wait()
        if self._ledger is not None:
            self._ledger.close()

    def _work(self) -> None:
        """Do all that is due."""
        ledger = self._ledger or self._open()
        self._write_urgent(ledger)
        now_s = time.monotonic()
        if now_s >= self._flush_at or self._stop_at is not None:
            self._flush(ledger)
        if now_s >= self._prune_at:
            ages = attrs.asdict(self.retention)
            while ledger.prune(self._clock(), **ages):
                self._write_urgent(ledger)
            self._prune_at = now_s + self._pace.prune_s
        if now_s >= self._check_at:
            self._check_place(ledger)

    def _open(self) -> Ledger:
        ledger = Ledger.open(self._path, self._clock(), user_key=self._user_key, damaged=self._damaged)
        try:
            ledger.record_logins(self._rescued_logins)  # first: done twice it does no harm
            ledger.add_records(self._rescued)
            self._user_key = ledger.user_key
            _tell(self._on_opened, ledger)
        except BaseException:
            ledger.close()
            raise
        self._rescued, self._rescued_logins = [], []
        self._backlog.remember_again()
        self._damaged = False
        self._ledger = ledger
        return ledger

    def _write_urgent(self, ledger: Ledger) -> None:
        while work := self._backlog.begin_urgent():
            self._commit(ledger, work)

    def _commit(self, ledger: Ledger, work: list[Urgent]) -> None:
        bans = [one for one in work if isinstance(one, Ban)]
        lifts = [one for one in work if isinstance(one, Lift)]
        allowances = [one for one in work if isinstance(one, Allowance)]
        disallowed = [one.client for one in work if isinstance(one, Disallowance)]
        try:
            if allowances:
                ledger.allow(allowances)
            if disallowed:
                ledger.disallow(disallowed)
            if bans:
                ledger.record_bans(bans)
            if lifts:
                ledger.lift_all(lifts)
                self._backlog.pardon_all(lifts)
        except LedgerError:
            raise
        except Exception:
            # A bug of ours: what cannot be recorded must not keep the rest from being recorded.
            if half := len(work) // 2:
                self._commit(ledger, work[:half])
                self._commit(ledger, work[half:])
                return
            logger.exception("ledger cannot record client=%s", key_text(work[0].client))
            bans = []
        self._check_place(ledger)
        self._backlog.end_urgent(work)
        if bans:
            _tell(self._on_committed, bans)

    def _flush(self, ledger: Ledger) -> None:
        self._flush_at = math.inf
        backlog = self._backlog
        memos = backlog.begin_memos()  # first: what was handed over before them is written before them
        self._write_urgent(ledger)
        due = len(backlog.counted)  # what comes meanwhile waits for the next flush
        while due > 0 and (work := backlog.begin_counted()):
            self._write_patient(ledger, _record_counted, work)
            backlog.end_counted()
            due -= len(work)
            self._write_urgent(ledger)
        due = len(backlog.logins)
        while due > 0 and (logins := backlog.begin_logins()):
            self._write_patient(ledger, Ledger.record_logins, logins)
            backlog.end_logins(logins)
            due -= len(logins)
            self._write_urgent(ledger)
        due = len(backlog.tallies)
        while due > 0 and (tallies := backlog.begin_tallies()):
            self._write_patient(ledger, Ledger.add_tallies, tallies)
            backlog.end_tallies(tallies)
            due -= len(tallies)
            self._write_urgent(ledger)
        if memos:
            self._write_patient(ledger, Ledger.remember, memos)
            backlog.end_memos(memos)

    def _write_patient(
        self, ledger: Ledger, write: Callable[[Ledger, Sequence[T]], None], work: Sequence[T]
    ) -> None:
        try:
            write(ledger, work)
        except LedgerError:
            raise
        except Exception:  # a bug of ours, as above
            logger.exception("ledger cannot record rows=%d of %s", len(work), type(work[0]).__name__)
        self._check_place(ledger)

    def _check_place(self, ledger: Ledger) -> None:
        self._check_at = time.monotonic() + self._pace.check_s
        if not ledger.is_in_place():
            raise LedgerError(Trouble.MOVED, self._path)

    def _fail(self, error: LedgerError) -> None:
        if error.trouble not in _PASSING and self._ledger is not None:
            self._damaged = error.trouble is Trouble.CORRUPT
            if error.trouble is Trouble.MOVED:
                self._leave(self._ledger)
            self._ledger.close()
            self._ledger = None
        if not self._problem:
            self._since_s = self._clock()
        if error.trouble is not self._trouble:
            logger.error("%s; its work is kept in memory and tried again", error)
        self._trouble = error.trouble
        self._problem = str(error)
        pace = self._pace
        self._retry_s = min(2 * self._retry_s, pace.last_retry_s) or pace.first_retry_s

    def _leave(self, ledger: Ledger) -> None:
        """Keep what a deleted file remembers, readable as long as it is open; one in its place has its own."""
        with contextlib.suppress(LedgerError, OSError):
            if files.size_of(self._path) is None:
                self._rescued = list(ledger.records())
                since_s = self._clock() - self.retention.login_age_s
                self._rescued_logins = list(ledger.logins_since(since_s))
        with contextlib.suppress(LedgerError):
            ledger.leave(self._clock())

    def _recover(self) -> None:
        if not self._problem:
            return
        now_s = self._clock()
        logger.warning(
            "ledger=%s works again after %d s, dropped bans=%d strikes=%d logins=%d",
            excerpt(str(self._path)),
            now_s - self._since_s,
            self._backlog.dropped_urgent,
            self._backlog.dropped_counted,
            self._backlog.dropped_logins,
        )
        self._problem = ""
        self._trouble = None
        self._retry_s = 0.0
        self._since_s = now_s

    def _wait(self) -> None:
        """Wait until something may be due; waking up too early does no harm."""
        backlog, pace = self._backlog, self._pace
        with backlog.changed:
            now_s = time.monotonic()
            if self._stop_at is not None:
                backlog.changed.wait(min(pace.first_retry_s, max(0.0, self._stop_at - now_s)))
            elif self._retry_s:
                backlog.changed.wait_for(lambda: self._stop_at is not None, self._retry_s)
            elif not backlog.urgent:
                if backlog.is_flush_due:
                    self._flush_at = min(self._flush_at, now_s + pace.flush_s)
                backlog.changed.wait(max(0.0, min(self._flush_at, self._check_at, self._prune_at) - now_s))


def _record_counted(ledger: Ledger, work: Iterable[Counted]) -> None:
    strikes, pardons = settle(work)
    if pardons:
        ledger.forgive(pardons)
    ledger.record_strikes(strikes)


def _tell(callback: Callable[[T], None], subject: T) -> None:
    """Call back; what the callback raises is its own bug, except for trouble with the ledger."""
    try:
        callback(subject)
    except LedgerError:
        raise
    except Exception:
        logger.exception("callback failed")
