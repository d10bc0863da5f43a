# SPDX-License-Identifier: ISC
"""
The firewall's thread: one that runs commands, so that a hanging tool holds up nothing else.

What arrives while a command runs is done by the next one, together; so the first ban of a burst is in the kernel at
once and the rest in one batch. A comparison of table and bans reads in a second thread, so that bans need not wait.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from filter_ban.channel import ENTRIES_A_MESSAGE
from filter_ban.client import ClientKey, NetworkSet, key_text, parse_network
from filter_ban.config import Config
from filter_ban.enforcer.surroundings import find_surroundings
from filter_ban.firewall import DesiredTable, Guard, Listing, Report, Run, make_backend
from filter_ban.logline import fact

_log = logging.getLogger(__name__)
News = tuple[str, Any]
SYNC_EVERY_S: Final = 60.0
FIRST_RETRY_S: Final = 1.0
MAX_ENTRIES: Final = 1_000_000


class FirewallWorker:
    """
    Owns the desired table.

    Args:
        config: Backend, never-list and widths.
        run: Runs a firewall command.
        look_around: Runs a command that tells our addresses and returns what it prints.

    """

    def __init__(self, config: Config, run: Run, look_around: Callable[[tuple[str, ...]], str]) -> None:
        self._config = config
        self._look_around = look_around
        self._backend = make_backend(
            config.firewall.backend,
            ports=config.firewall.ports,
            table="/".join(filter(None, (config.firewall.anchor, config.firewall.table))),
        )
        self._table = DesiredTable(self._backend, run)
        self._incoming: dict[ClientKey, int | None] = {}  # of a replacement that is not complete
        self._adds: dict[ClientKey, int | None] = {}
        self._removes: set[ClientKey] = set()
        self._replacement: dict[ClientKey, int | None] | None = None
        self._sync_asked: list[int] = []
        self._sync_due = False
        self._listing: Listing | None = None
        self._reading = False
        self._retry_s = 0.0
        self._retry_at_s = self._next_sync_s = float("inf")
        self._news: deque[News] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._wake: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="firewall", daemon=True)
        self._look()

    def _look(self) -> None:
        self.surroundings = find_surroundings(self._look_around)
        never = self._config.never
        own = self.surroundings if never.own_addresses else frozenset()
        self._guard = Guard(
            NetworkSet((*never.networks, *own)),
            widest_ipv4=never.widest.ipv4,
            widest_ipv6=never.widest.ipv6,
            max_entries=MAX_ENTRIES,
        )

    def start(self, wake: Callable[[], None]) -> None:
        """Begin; *wake* is called from the worker's threads when there is news."""
        self._wake = wake
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the command that runs now; the table stays as it is."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    # --- what the engine asks for; called from the supervisor's thread

    def replace(self, entries: Iterable[Any], *, more: bool) -> None:
        """Take a piece of all that should be in force; the last one (not *more*) puts it in the place of the old."""
        self._incoming.update(self._checked(entries))
        if more:
            return
        with self._changed:
            self._replacement, self._incoming = self._incoming, {}
            self._adds.clear()
            self._removes.clear()
            self._sync_due = True
            self._changed.notify()

    def change(self, adds: Iterable[Any], removes: Iterable[str]) -> None:
        """Want some entries more and some less."""
        allowed = self._checked(adds)
        gone = [parse_network(text) for text in removes]
        with self._changed:
            for key in gone:
                self._adds.pop(key, None)
            self._removes.update(gone)
            self._removes.difference_update(allowed)
            self._adds.update(allowed)
            self._changed.notify()

    def ask_for_sync(self, number: int) -> None:
        """Compare table and bans now; the report will carry *number*."""
        with self._changed:
            self._sync_asked.append(number)
            self._sync_due = True
            self._changed.notify()

    def _checked(self, entries: Iterable[Any]) -> dict[ClientKey, int | None]:
        wishes = [(parse_network(text), end_s) for text, end_s in entries]
        allowed, refused = self._guard.check(wishes, held=self._table.clients, now_s=time.time())
        if refused:
            self._tell("outcome", {"failed": [[key_text(key), why] for key, why in refused]})
        return allowed

    def take_news(self) -> list[News]:
        """Return, once, what is to be told to the engine."""
        news = []
        while self._news:
            news.append(self._news.popleft())
        return news

    def _tell(self, verb: str, argument: Any) -> None:
        self._news.append((verb, argument))
        self._wake()

    # --- the thread

    def _run(self) -> None:
        if self._backend.name == "none":
            self._only_look_around()
        else:
            self._keep_table()

    def _only_look_around(self) -> None:
        while not self._stopping:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, SYNC_EVERY_S)
            self._refresh_surroundings()

    def _keep_table(self) -> None:
        self._next_sync_s = time.monotonic() + SYNC_EVERY_S
        while True:
            with self._changed:
                while not self._has_work():
                    self._changed.wait(self._wait_s())
                if self._stopping:
                    return
                replacement, self._replacement = self._replacement, None
                adds, self._adds = self._adds, {}
                removes, self._removes = self._removes, set()
                listing, self._listing = self._listing, None
                begin_sync = self._sync_is_due() and not self._reading and listing is None
                if begin_sync:
                    self._reading, self._sync_due = True, False
                    self._next_sync_s = time.monotonic() + SYNC_EVERY_S
                    self._retry_at_s = float("inf")
            try:
                self._work(replacement, adds, removes, listing)
            except Exception as error:  # noqa: BLE001 - the seam: a fault of ours must not end all enforcement
                self._fault(error)
            if begin_sync:
                threading.Thread(target=self._read, name="firewall-read", daemon=True).start()

    def _wait_s(self) -> float | None:
        """Return how long nothing will be due by itself; a reading that goes on says when it is done."""
        if self._reading:
            return None
        return max(0.0, min(self._retry_at_s, self._next_sync_s) - time.monotonic())

    def _has_work(self) -> bool:
        return bool(
            self._stopping
            or self._adds
            or self._removes
            or self._replacement is not None
            or self._listing is not None
            or (self._sync_is_due() and not self._reading)
        )

    def _sync_is_due(self) -> bool:
        now_s = time.monotonic()
        return self._sync_due or now_s >= self._next_sync_s or now_s >= self._retry_at_s

    def _work(
        self,
        replacement: dict[ClientKey, int | None] | None,
        adds: dict[ClientKey, int | None],
        removes: set[ClientKey],
        listing: Listing | None,
    ) -> None:
        if replacement is not None:
            self._table.replace(replacement)
        if adds or removes:
            self._report(self._table.apply(adds, removes, time.time()))
        if listing is not None:
            report = self._table.reconcile(listing, time.time())
            self._report(report)
            self._synced(report)

    def _read(self) -> None:
        listing = None
        try:
            listing = self._table.read()
            self._refresh_surroundings()
        except Exception as error:  # noqa: BLE001 - the same seam
            self._fault(error)
        with self._changed:
            self._listing = listing
            self._reading = False
            self._changed.notify()

    def _fault(self, error: Exception) -> None:
        """Say what went wrong in this program, and compare the table with the bans again soon."""
        _log.error(fact("firewall-fault", error=repr(error)), exc_info=error)
        self._retry_later()

    def _refresh_surroundings(self) -> None:
        before = self.surroundings
        self._look()
        if self.surroundings != before:
            self._tell("surroundings", [key_text(key) for key in self.surroundings])

    def _report(self, report: Report) -> None:
        outcomes: dict[str, list[Any]] = {
            "in_force": [key_text(key) for key in report.in_force],
            "failed": [[key_text(key), why] for key, why in report.failed.items()],
            "drifted": [key_text(key) for key in report.drifted if key in report.failed],
        }
        for what, news in outcomes.items():
            for at in range(0, len(news), ENTRIES_A_MESSAGE):
                self._tell("outcome", {what: news[at : at + ENTRIES_A_MESSAGE]})
        if report.failed or report.problem:
            self._retry_later()
            why = report.problem or next(iter(report.failed.values()))
            _log.error(fact("firewall-failed", entries=len(report.failed), why=why, again_in_s=self._retry_s))

    def _retry_later(self) -> None:
        self._retry_s = min(SYNC_EVERY_S, self._retry_s * 2 or FIRST_RETRY_S)
        self._retry_at_s = time.monotonic() + self._retry_s

    def _synced(self, report: Report) -> None:
        if report.drifted or report.foreign:
            _log.warning(fact("firewall-drifted", missing=len(report.drifted), foreign=len(report.foreign)))
        if report.compared and not report.problem and not report.failed:
            self._retry_s = 0.0
        asked, self._sync_asked = self._sync_asked, []
        for number in asked or [0]:
            self._tell(
                "synced",
                {
                    "asked": number,
                    "time": time.time(),
                    "ok": report.compared and not report.problem,
                    "problem": report.problem,
                    "missing": len(report.drifted),
                    "foreign": len(report.foreign),
                    "rule_present": not report.problem if report.compared else None,
                },
            )
