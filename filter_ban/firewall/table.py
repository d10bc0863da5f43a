# SPDX-License-Identifier: ISC
"""
The table as it should be, and the work of making the packet filter agree.

One worker calls ``replace``, ``apply`` and ``reconcile``. ``read``, which takes a second with 100,000 entries, changes
nothing and may run in another thread meanwhile, so that a ban need not wait for it; one at a time. Entries that are
in the table already are never touched: a restart changes nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import attrs

from filter_ban.client import ClientKey, key_text
from filter_ban.firewall.base import (
    Backend,
    Change,
    Check,
    Command,
    Entry,
    Fault,
    FirewallError,
    Net,
    net_of,
)

Run = Callable[[Command], bytes]

MARGIN_S: Final = 60  # the filter's own timeout is a safety net: the ledger's expiry comes first
MAX_SPLITS: Final = 24  # to single out bad entries; one among 100,000 takes 17
_DIVISIBLE: Final = frozenset({Fault.FULL, Fault.OTHER})  # faults that fewer entries may not have


@attrs.frozen
class Listing:
    """
    What :meth:`DesiredTable.read` found: the filter's set-up and entries, or why it could not be read.

    ``clients`` are those with an entry and the packets that it dropped; None: the filter cannot list them.
    """

    touched: set[ClientKey]  # changed by us since the reading began
    check: Check | None = None
    clients: Mapping[ClientKey, int] | None = attrs.Factory(dict)
    error: str = ""


@attrs.frozen(kw_only=True)
class Report:
    """
    What became of entries; of those that fare as before, nothing is said.

    ``drifted`` were in force and missing, so they are in ``in_force`` or ``failed`` (with the reason) as well;
    ``foreign`` stood in our table and were wanted by nobody. ``rule_present`` is as found, before it was mended.
    ``problem`` says why no entry acts, or which command failed. ``compared``: this came of a comparison.
    ``dropped`` are the packets that were dropped since the last one, of clients that had any.
    """

    in_force: Collection[ClientKey] = ()
    failed: Mapping[ClientKey, str] = attrs.Factory(dict)
    drifted: Collection[ClientKey] = ()
    foreign: Collection[ClientKey] = ()
    rule_present: bool | None = None
    problem: str = ""
    compared: bool = False
    dropped: Mapping[ClientKey, int] = attrs.Factory(dict)


class DesiredTable:
    """
    Holds the entries that should be in the table, and puts them there.

    Args:
        backend: Builds the commands.
        run: Runs one; raises FirewallError.

    """

    def __init__(self, backend: Backend, run: Run) -> None:
        self._backend = backend
        self._run = run
        self._ends: dict[ClientKey, int | None] = {}
        self._unproven: set[ClientKey] = set()  # desired, and not known to be in the table
        self._failed: dict[ClientKey, str] = {}  # those of them that have been reported, and why
        self._nets: set[Net] = set()  # that ever had an entry
        self._ready: set[Net] = set()  # set up, as far as known
        self._touched: set[ClientKey] = set()  # changed since a read began
        self._leaving: set[ClientKey] = set()  # wanted no more, and not known to be gone
        self._dropped: dict[ClientKey, int] = {}  # packets, as last listed, where there were any
        self._compared = False
        self._exists = False
        self._problem = ""
        self._inert: Mapping[int, str] = {}

    @property
    def clients(self) -> Collection[ClientKey]:
        """The clients that should be in the table."""
        return self._ends.keys()

    def replace(self, ends: Mapping[ClientKey, int | None]) -> None:
        """Want exactly these entries, each until its Unix second, and report on all anew; runs nothing: sync does."""
        self._leaving = (self._leaving | self._ends.keys()) - ends.keys()
        self._ends = dict(ends)
        self._unproven = set(ends)
        self._failed.clear()
        self._dropped.clear()
        self._nets.update(map(net_of, ends))

    # --- a change

    def apply(
        self, adds: Mapping[ClientKey, int | None], removes: Iterable[ClientKey], now_s: float
    ) -> Report:
        """
        Want *adds*, each until its Unix second, and *removes* no more, and change the table at once.

        Where the table has gone, or has not been looked at yet, this is a sync.
        """
        live = {key: end_s for key, end_s in adds.items() if not _is_over(end_s, now_s)}
        change = Change(
            adds=[_entry(key, end_s, now_s) for key, end_s in live.items() if key not in self._ends],
            updates=[_entry(key, end_s, now_s) for key, end_s in live.items() if key in self._ends],
            removes=[key for key in removes if key not in adds],
        )
        self._want(adds, change.removes)
        if not self._compared:
            return self.sync(now_s)
        try:
            failed = self._carry_out(change)
        except FirewallError as error:
            if error.fault is Fault.GONE:
                return self.sync(now_s)
            failed, problem = dict.fromkeys(live, str(error)), str(error)
        else:
            problem = self._problem
        self._touched.update(live, change.removes)
        return attrs.evolve(self._settle(live, failed), problem=problem)

    def _want(self, adds: Mapping[ClientKey, int | None], removes: Iterable[ClientKey]) -> None:
        self._ends.update(adds)
        self._unproven.update(adds)
        self._nets.update(map(net_of, adds))
        self._leaving.difference_update(adds)
        self._leaving.update(removes)
        for key in removes:
            self._ends.pop(key, None)
            self._unproven.discard(key)
            self._failed.pop(key, None)

    # --- a comparison

    def sync(self, now_s: float) -> Report:
        """Compare the table with what it should be, and mend it."""
        return self.reconcile(self.read(), now_s)

    def read(self) -> Listing:
        """Ask the packet filter what is there."""
        backend = self._backend
        self._touched = touched = set[ClientKey]()
        problem = ""
        try:
            check = backend.parse_check([self._run(command) for command in backend.check_commands()])
            problem = check.problem
            if not check.exists:
                return Listing(touched, check)
            if not backend.lists:
                return Listing(touched, check, None)
            clients = backend.parse_list([self._run(command) for command in backend.list_commands()])
            return Listing(touched, check, clients)
        except FirewallError as error:
            return Listing(touched, error=str(error))
        except ValueError as error:  # nothing tells that any entry acts
            return Listing(
                touched, Check(exists=self._exists, problem=problem or f"{backend.name}: {error}"), None
            )

    def reconcile(self, listing: Listing, now_s: float) -> Report:
        """Mend what *listing* shows to be wrong; clients that have changed since it was begun are left alone."""
        check, touched = listing.check, listing.touched
        present = self._ends.keys() - self._unproven if listing.clients is None else listing.clients
        if touched is not self._touched:  # a later listing has been worked on
            return self.sync(now_s)
        if check is None:
            failed = dict.fromkeys(self._unproven, listing.error)
            return attrs.evolve(self._settle((), failed), problem=listing.error)
        found = self._nets if check.exists and check.ready is None else check.ready or frozenset()
        rule_present = not check.problem and self._ready | {net_of(key) for key in present} <= found
        self._ready = set(found)
        self._exists = check.exists or self._backend.lists  # else it is emptied first, even for nothing
        self._compared = True
        self._problem, self._inert = check.problem, check.inert
        missing = {
            key: end_s
            for key, end_s in self._ends.items()
            if key not in present and key not in touched and not _is_over(end_s, now_s)
        }
        drifted = [key for key in missing if key not in self._unproven]
        foreign = [key for key in present if key not in self._ends and key not in touched]
        leaving = [*self._leaving] if listing.clients is None else foreign
        inert = [key for key in self._ends if self._why_inert(key)] if check.problem else []
        self._leaving = set(leaving)
        seen = [key for key in self._unproven if key in present and key not in touched]
        change = Change(
            adds=[_entry(key, end_s, now_s) for key, end_s in missing.items()],
            removes=leaving,
            whole=self._ends.keys(),
        )
        try:
            failed = self._carry_out(change)
        except FirewallError as error:
            failed, problem = dict.fromkeys(missing, str(error)), check.problem or str(error)
        else:
            problem = check.problem or self._stuck()
        return attrs.evolve(
            self._settle([*missing, *seen, *inert], failed),
            drifted=drifted,
            foreign=[key for key in foreign if key not in self._leaving],
            rule_present=rule_present,
            problem=problem,
            compared=True,
            dropped=self._newly_dropped(listing.clients or {}),
        )

    def _newly_dropped(self, packets: Mapping[ClientKey, int]) -> dict[ClientKey, int]:
        """Return what each entry has dropped since the last listing; an entry that was made anew counts from 0."""
        before, self._dropped = self._dropped, {key: number for key, number in packets.items() if number}
        newly = {}
        for key, number in self._dropped.items():
            last = before.get(key, 0)
            if number != last:
                newly[key] = number - last if number > last else number
        return newly

    # --- commands and what came of them

    def _carry_out(self, change: Change) -> dict[ClientKey, str]:
        """
        Set up what is not, then change the table; return what failed and why.

        One bad entry must not keep the others out: a change that fails is halved, up to a number of times.

        Raises:
            FirewallError: nothing was done, or the table has gone meanwhile.

        """
        new_nets = self._nets - self._ready
        if new_nets or not self._exists:
            self._run_all(self._backend.setup_commands(new_nets))
            self._ready |= new_nets
            self._exists = True
        failed: dict[ClientKey, str] = {}
        splits_left = MAX_SPLITS
        pieces = [change]
        while pieces:
            piece = pieces.pop()
            try:
                self._run_all(self._backend.change_commands(piece))
                self._leaving.difference_update(piece.removes)
            except FirewallError as error:
                if error.fault not in _DIVISIBLE:
                    raise
                if len(piece) > 1 and splits_left > 0:
                    splits_left -= 1
                    pieces += piece.halves()
                else:
                    failed |= dict.fromkeys(piece.clients(), str(error))
        return failed

    def _stuck(self) -> str:
        """Return what is wrong where entries that nobody wants cannot be removed."""
        if not self._leaving:
            return ""
        return f"{key_text(min(self._leaving))} and {len(self._leaving) - 1} more cannot be removed from the table"

    def _why_inert(self, key: ClientKey) -> str:
        return self._inert.get(net_of(key)[0], "") if self._inert else self._problem

    def _run_all(self, commands: Iterable[Command]) -> None:
        for command in commands:
            output = self._run(command)
            if command.heed is not None:
                command.heed(output)

    def _settle(self, done: Collection[ClientKey], failed: dict[ClientKey, str]) -> Report:
        """Take note of what happened to clients, *failed* being some of *done*; return what is news."""
        failed = {key: why for key in done if (why := self._why_inert(key))} | failed
        in_force = [key for key in done if key not in failed]
        news = {key: why for key, why in failed.items() if self._failed.get(key) != why}
        self._unproven.difference_update(in_force)
        self._unproven.update(failed)
        for key in in_force:
            self._failed.pop(key, None)
        self._failed.update(news)
        return Report(in_force=in_force, failed=news)


def _is_over(end_s: int | None, now_s: float) -> bool:
    return end_s is not None and end_s <= now_s


def _entry(key: ClientKey, end_s: int | None, now_s: float) -> Entry:
    return key, None if end_s is None else int(end_s - now_s) + MARGIN_S
