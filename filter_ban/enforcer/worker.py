# SPDX-License-Identifier: ISC
"""
The thread of one backend: it runs the commands, so that a hanging tool holds up nothing else, not even another backend.

What arrives while a command runs is done by the next one, together; so the first ban of a burst is in the kernel at
once and the rest in one batch. A comparison of table and bans reads in a second thread, so that bans need not wait.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from filter_ban.channel import ENTRIES_A_MESSAGE
from filter_ban.client import ClientKey, key_text
from filter_ban.firewall import Backend, DesiredTable, Listing, Report, Run
from filter_ban.logline import fact

_log = logging.getLogger(__name__)
Tell = Callable[[str, Any], None]
SYNC_EVERY_S: Final = 60.0
FIRST_RETRY_S: Final = 1.0


class TableWorker:
    """
    Owns the desired table of a backend.

    Args:
        backend: Builds the commands.
        run: Runs one.
        tell: Takes what is to be told to the engine (see :mod:`filter_ban.channel`); called in the worker's threads.

    """

    def __init__(self, backend: Backend, run: Run, tell: Tell) -> None:
        self._backend = backend
        self._tell = tell
        self._table = DesiredTable(backend, run)
        self._adds: dict[ClientKey, int | None] = {}
        self._removes: set[ClientKey] = set()
        self._replacement: Mapping[ClientKey, int | None] | None = None
        self._sync_asked: list[int] = []
        self._sync_begun: list[int] = []  # what was asked before the comparison that goes on
        self._sync_due = False
        self._listing: Listing | None = None
        self._reading = False
        self._has_synced = False
        self._retry_s = 0.0
        self._retry_at_s = float("inf")
        self._next_sync_s = time.monotonic() + SYNC_EVERY_S
        self._changed = threading.Condition()
        self._awaits_replacement = False
        self._retiring = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"firewall-{backend.name}", daemon=True)

    @property
    def name(self) -> str:
        """The backend's name."""
        return self._backend.name

    @property
    def clients(self) -> Collection[ClientKey]:
        """The clients that have an entry, or should."""
        return self._table.clients

    def start(self, *, await_replacement: bool = False) -> None:
        """Begin; *await_replacement*: touch nothing before it was said what should be in the table."""
        self._awaits_replacement = await_replacement
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after the command that runs now; the table stays as it is."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    # --- what is asked for; called from the supervisor's thread

    def retire(self, *, empty: bool) -> None:
        """End after the command that runs now, saying nothing more; *empty*: take all entries out of the table first."""
        self._tell = _tell_nobody
        if not empty:
            self.stop(0.0)
            return
        with self._changed:
            self._retiring = True
        self.replace({})

    def replace(self, ends: Mapping[ClientKey, int | None]) -> None:
        """Want exactly these entries, each until its Unix second."""
        with self._changed:
            self._awaits_replacement = False
            self._replacement = ends
            self._adds.clear()
            self._removes.clear()
            self._sync_due = True
            self._changed.notify()

    def change(self, adds: Mapping[ClientKey, int | None], removes: Iterable[ClientKey]) -> None:
        """Want some entries more and some less."""
        with self._changed:
            for key in removes:
                self._adds.pop(key, None)
                self._removes.add(key)
            self._removes.difference_update(adds)
            self._adds.update(adds)
            self._changed.notify()

    def ask_for_sync(self, number: int) -> None:
        """Compare table and bans now; the report will carry *number*."""
        with self._changed:
            self._sync_asked.append(number)
            self._sync_due = True
            self._changed.notify()

    # --- the thread

    def _run(self) -> None:
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
                    self._sync_begun, self._sync_asked = self._sync_asked, []
                    self._next_sync_s = time.monotonic() + SYNC_EVERY_S
                    self._retry_at_s = float("inf")
            try:
                self._work(replacement, adds, removes, listing)
            except Exception as error:  # noqa: BLE001 - the seam: a fault of ours must not end all enforcement
                self._fault(error)
            if begin_sync:
                threading.Thread(target=self._read, name=f"{self.name}-read", daemon=True).start()

    def _wait_s(self) -> float | None:
        """Return how long nothing will be due by itself; a reading that goes on says when it is done."""
        if self._reading:
            return None
        return max(0.0, min(self._retry_at_s, self._next_sync_s) - time.monotonic())

    def _has_work(self) -> bool:
        if self._awaits_replacement:
            return self._stopping
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
        replacement: Mapping[ClientKey, int | None] | None,
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
            self._stopping = self._stopping or (self._retiring and not self._table.clients)

    def _read(self) -> None:
        listing = None
        try:
            listing = self._table.read()
        except Exception as error:  # noqa: BLE001 - the same seam
            self._fault(error)
        with self._changed:
            self._listing = listing
            self._reading = False
            self._changed.notify()

    def _fault(self, error: Exception) -> None:
        """Say what went wrong in this program, and compare the table with the bans again soon."""
        _log.error(fact("firewall-fault", backend=self.name, error=repr(error)), exc_info=error)
        self._retry_later()

    # --- what is told

    def _report(self, report: Report) -> None:
        outcomes: dict[str, list[Any]] = {
            "in_force": [key_text(key) for key in report.in_force],
            "failed": [[key_text(key), why] for key, why in report.failed.items()],
            "drifted": [key_text(key) for key in report.drifted if key in report.failed],
            "dropped": [[key_text(key), packets] for key, packets in report.dropped.items()],
        }
        for what, news in outcomes.items():
            for at in range(0, len(news), ENTRIES_A_MESSAGE):
                self._tell("outcome", {"backend": self.name, what: news[at : at + ENTRIES_A_MESSAGE]})
        if report.failed or report.problem:
            self._retry_later()
            why = report.problem or next(iter(report.failed.values()))
            failed = len(report.failed)
            _log.error(
                fact(
                    "firewall-failed",
                    backend=self.name,
                    entries=failed,
                    why=why,
                    again_in_s=self._retry_s,
                    remedy="filter-ban doctor firewall",
                )
            )

    def _retry_later(self) -> None:
        self._retry_s = min(SYNC_EVERY_S, self._retry_s * 2 or FIRST_RETRY_S)
        self._retry_at_s = time.monotonic() + self._retry_s

    def _synced(self, report: Report) -> None:
        missing, foreign = len(report.drifted), len(report.foreign)
        if missing or foreign or (self._has_synced and report.rule_present is False):
            rule = "present" if report.rule_present else "missing"
            _log.warning(
                fact("firewall-drifted", backend=self.name, missing=missing, foreign=foreign, rule=rule)
            )
        self._has_synced = self._has_synced or report.compared
        if report.compared and not report.problem and not report.failed:
            self._retry_s = 0.0
        for number in self._sync_begun or [0]:
            self._tell(
                "synced",
                {
                    "backend": self.name,
                    "asked": number,
                    "time": time.time(),
                    "ok": report.compared and not report.problem,
                    "problem": report.problem,
                    "missing": missing,
                    "foreign": foreign,
                    "rule_present": not report.problem if report.compared else None,
                    "counts": self._backend.counts,
                },
            )


def _tell_nobody(_verb: str, _argument: Any) -> None:
    """Say nothing: the engine knows this backend no more."""
