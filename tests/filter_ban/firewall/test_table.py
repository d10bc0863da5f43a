# SPDX-License-Identifier: ISC
"""Tests for the table's synchroniser over a packet filter in memory, with every kind of failure."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.firewall import Change, Check, Command, DesiredTable, Fault, FirewallError, Report
from filter_ban.firewall.base import Net, net_of
from filter_ban.firewall.table import MARGIN_S

NOW_S: Final = 1_700_000_000
END_S: Final = NOW_S + 900
A, B, C = (parse_network(f"192.0.2.{number}") for number in (1, 2, 3))
SITE = parse_network("2001:db8:1:2::/64")
NOTHING = Change()


class MemoryFilter:
    """A packet filter in memory, both its backend and its runner; what a command does is its stdin's business."""

    name = "memory"
    lists = True
    counts = True

    def __init__(self) -> None:
        self.entries: dict[ClientKey, int | None] = {}
        self.nets: set[Net] = set()
        self.exists = False
        self.problem = ""
        self.inert: dict[int, str] = {}
        self.runs: list[str] = []
        self.fail: Callable[[str, Change], FirewallError | None] = lambda _verb, _change: None
        self._actions: list[Callable[[], None]] = []

    # --- backend

    def _command(self, verb: str, change: Change = NOTHING, nets: Collection[Net] = ()) -> list[Command]:
        def act() -> None:
            error = self.fail(verb, change)
            if error is not None:
                raise error
            getattr(self, verb)(change, set(nets))

        self._actions.append(act)
        return [Command((verb, str(len(self._actions) - 1)))]

    def setup_commands(self, nets: Collection[Net]) -> Sequence[Command]:
        """Ask for sets."""
        return self._command("set_up", nets=nets)

    def change_commands(self, change: Change) -> Sequence[Command]:
        """Ask for entries."""
        return self._command("change", change) if len(change) else []

    def check_commands(self) -> Sequence[Command]:
        """Ask for the set-up."""
        return self._command("look")

    def list_commands(self) -> Sequence[Command]:
        """Ask for the entries."""
        return self._command("look")

    def parse_check(self, outputs: Sequence[bytes]) -> Check:
        """Return the set-up."""
        return Check(self.exists, frozenset(self.nets), self.problem, self.inert)

    def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        """Return the entries, which drop nothing."""
        return dict.fromkeys(self.entries, 0)

    # --- runner

    def __call__(self, command: Command) -> bytes:
        """Carry out a command."""
        verb, number = command.argv
        self.runs.append(verb)
        self._actions[int(number)]()
        return b""

    def look(self, _change: Change, _nets: set[Net]) -> None:
        """Change nothing."""

    def set_up(self, _change: Change, nets: set[Net]) -> None:
        """Make the table and the sets of *nets*."""
        self.exists = True
        self.nets |= nets

    def change(self, change: Change, _nets: set[Net]) -> None:
        """Add and remove, if the sets are there."""
        if not {net_of(key) for key in (*change.clients(), *change.removes)} <= self.nets:
            raise error("No such file or directory")
        self.entries.update((*change.adds, *change.updates))
        for key in change.removes:
            self.entries.pop(key, None)

    def flush(self) -> None:
        """Do what ``nft flush ruleset`` does."""
        self.entries.clear()
        self.nets.clear()
        self.exists = False


def error(text: str, fault: Fault | None = None) -> FirewallError:
    """Return what the runner raises."""
    return FirewallError(["memory"], None if fault else 1, text, fault)


def filled(*clients: ClientKey) -> tuple[MemoryFilter, DesiredTable]:
    """Return a filter and a table that agree on *clients*."""
    kernel = MemoryFilter()
    table = DesiredTable(kernel, kernel)
    table.apply(dict.fromkeys(clients, END_S), [], NOW_S)
    kernel.runs.clear()
    return kernel, table


def test_first_change_compares_and_sets_up() -> None:
    """A table that knows nothing looks first; entries live a little longer than their bans."""
    kernel = MemoryFilter()

    report = DesiredTable(kernel, kernel).apply({A: END_S, SITE: None}, [], NOW_S)

    assert kernel.runs == ["look", "set_up", "change"]
    assert kernel.entries == {A: 900 + MARGIN_S, SITE: None}
    assert set(report.in_force) == {A, SITE}
    assert report.compared


def test_change_is_one_command() -> None:
    """One more entry, of a mask that is set up, costs one command, and so does a removal."""
    kernel, table = filled(A)

    report = table.apply({B: END_S}, [A], NOW_S)

    assert kernel.runs == ["change"]
    assert list(report.in_force) == [B]
    assert set(kernel.entries) == set(table.clients) == {B}


def test_entry_that_is_there_is_updated() -> None:
    """A longer ban of the same client is told apart from a new one, because filters need another command."""
    seen: list[Change] = []
    kernel, table = filled(A)
    kernel.fail = lambda _verb, change: seen.append(change)

    table.apply({A: END_S + 100, B: END_S}, [], NOW_S)

    assert seen == [Change(adds=[(B, 960)], updates=[(A, 1060)], removes=[])]


def test_new_mask_is_set_up_first() -> None:
    """A mask that was never used is set up, without a comparison."""
    kernel, table = filled(A)

    table.apply({SITE: END_S}, [], NOW_S)

    assert kernel.runs == ["set_up", "change"]


def test_add_wins_over_remove() -> None:
    """A client that is lifted and banned again within one batch is banned."""
    kernel, table = filled(A)

    table.apply({A: END_S}, [A], NOW_S)

    assert set(kernel.entries) == {A}


def test_restart_changes_nothing() -> None:
    """With everything in the table already, a new process only looks."""
    kernel, _ = filled(A, SITE)
    before = dict(kernel.entries)
    table = DesiredTable(kernel, kernel)
    table.replace({A: END_S + 1, SITE: END_S})

    report = table.sync(NOW_S + 100)

    assert kernel.runs == ["look", "look"]
    assert kernel.entries == before
    assert set(report.in_force) == {A, SITE}
    assert not report.drifted


def test_flush_is_noticed_by_the_next_change() -> None:
    """When a change finds its table gone, everything is restored and the lost entries are named."""
    kernel, table = filled(A, SITE)
    kernel.flush()

    report = table.apply({B: END_S}, [], NOW_S)

    assert set(kernel.entries) == {A, SITE, B}
    assert set(report.drifted) == {A, SITE}
    assert set(report.in_force) == {A, SITE, B}
    assert report.rule_present is False


def test_flush_is_noticed_by_sync() -> None:
    """A sync restores what is gone; the one after it has nothing to do."""
    kernel, table = filled(A, SITE)
    kernel.flush()

    assert set(table.sync(NOW_S).drifted) == {A, SITE}
    kernel.runs.clear()
    report = table.sync(NOW_S)

    assert kernel.runs == ["look", "look"]
    assert not report.in_force
    assert report.rule_present


def test_missing_rule_is_restored_alone() -> None:
    """When entries are there and the rule is not, the rule is written and no entry touched."""
    kernel, table = filled(A, SITE)
    kernel.nets.discard(net_of(SITE))

    report = table.sync(NOW_S)

    assert kernel.runs == ["look", "look", "set_up"]
    assert report.rule_present is False
    assert not report.drifted


def test_foreign_entries_are_removed() -> None:
    """What nobody asked for does not stay in our table."""
    kernel, table = filled(A)
    kernel.entries[B] = None

    report = table.sync(NOW_S)

    assert list(report.foreign) == [B]
    assert set(kernel.entries) == {A}


def test_ended_bans_are_not_restored() -> None:
    """An entry whose ban has ended is left to its removal, and not put back."""
    kernel, table = filled(A, B)
    kernel.flush()
    table.replace({A: NOW_S, B: NOW_S + 1, C: None})

    table.sync(NOW_S)
    table.apply({SITE: NOW_S}, [], NOW_S)

    assert set(kernel.entries) == {B, C}


@pytest.mark.parametrize("fault", [Fault.MISSING_TOOL, Fault.HUNG, Fault.DENIED])
def test_failing_tool_fails_the_change_once(fault: Fault) -> None:
    """A tool that cannot work is not asked again within the change; the next sync makes good."""
    kernel, table = filled(A)
    kernel.fail = lambda _verb, _change: error("cannot", fault)

    report = table.apply({B: END_S, C: END_S}, [A], NOW_S)

    assert kernel.runs == ["change"]
    assert report.failed == dict.fromkeys((B, C), "memory: cannot")
    assert report.problem == "memory: cannot"
    kernel.fail = lambda _verb, _change: None
    assert set(table.sync(NOW_S).in_force) == {B, C}
    assert set(kernel.entries) == {B, C}


def test_failing_comparison_says_so_once() -> None:
    """While the filter cannot be read, what is in force is believed to stay so, and the rest fails once."""
    kernel, table = filled(A)
    kernel.fail = lambda _verb, _change: error("cannot", Fault.MISSING_TOOL)
    table.apply({B: END_S}, [], NOW_S)

    first, second = table.sync(NOW_S), table.sync(NOW_S)

    assert first.problem == second.problem == "memory: cannot"
    assert not first.failed
    assert not first.compared
    assert not second.failed


def test_garbage_from_the_tool_is_a_problem() -> None:
    """A listing that cannot be read changes nothing."""
    kernel, table = filled(A)

    def parse_list(_outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        raise ValueError("nonsense")

    kernel.parse_list = parse_list  # type: ignore[method-assign, assignment]

    assert table.sync(NOW_S).problem == "memory: nonsense"
    assert set(kernel.entries) == {A}


def test_killed_half_way_is_made_good() -> None:
    """A tool that dies after doing half of its work leaves nothing that a sync does not mend."""
    kernel, table = filled(A)

    def die(verb: str, change: Change) -> FirewallError | None:
        if verb == "change" and len(change) > 1:
            kernel.entries[B] = 1
            return FirewallError(["memory"], -9, "")
        return error("still dead") if verb == "change" else None

    kernel.fail = die
    report = table.apply({B: END_S, C: END_S}, [A], NOW_S)
    kernel.fail = lambda _verb, _change: None
    table.sync(NOW_S)

    assert set(report.failed) == {B, C}
    assert set(kernel.entries) == {B, C}


@pytest.mark.parametrize("position", [0, 1, 4999, 9999])
def test_one_bad_entry_does_not_stop_the_others(position: int) -> None:
    """One entry that the tool refuses is found in few commands, and the others get in."""
    kernel, table = filled(A)
    clients = [parse_network(f"10.{number // 250}.0.{number % 250}") for number in range(10_000)]
    bad = clients[position]
    kernel.fail = lambda _verb, change: error("bad") if bad in change.clients() else None

    report = table.apply(dict.fromkeys(clients, END_S), [], NOW_S)

    assert report.failed == {bad: "memory (status 1): bad"}
    assert len(report.in_force) == len(kernel.entries) - 1 == 9_999
    assert len(kernel.runs) < 50


def test_many_bad_entries_cost_a_bounded_number_of_commands() -> None:
    """When everything is refused, the tool is not asked ten thousand times."""
    kernel, table = filled(A)
    clients = [parse_network(f"10.{number // 250}.0.{number % 250}") for number in range(10_000)]
    kernel.fail = lambda _verb, _change: error("bad")

    report = table.apply(dict.fromkeys(clients, END_S), [], NOW_S)

    assert set(report.failed) == set(clients)
    assert len(kernel.runs) < 60


def test_problem_of_the_filter_is_every_bans_problem() -> None:
    """While the administrator's rule is missing nothing is in force; when it is there, everything is again."""
    kernel, table = filled(A, B)
    kernel.problem = "no rule"

    assert table.sync(NOW_S).failed == {A: "no rule", B: "no rule"}
    assert table.apply({C: END_S}, [], NOW_S).failed == {C: "no rule"}
    assert not table.sync(NOW_S).failed

    kernel.problem = ""
    assert set(table.sync(NOW_S).in_force) == {A, B, C}


def test_problem_of_one_family_is_not_that_of_the_other() -> None:
    """A rule that is missing for IPv6 alone leaves IPv4 in force; a first ban of IPv6 is not in force for a moment."""
    kernel, table = filled(A, B)
    kernel.inert = {128: "no rule"}
    table.sync(NOW_S)

    assert table.apply({SITE: END_S}, [], NOW_S).failed == {SITE: "no rule"}

    kernel.problem = "no rule"
    report = table.sync(NOW_S)
    assert (report.problem, report.failed) == ("no rule", {})
    assert set(table.apply({C: END_S}, [], NOW_S).in_force) == {C}


def test_what_cannot_be_read_is_not_in_force() -> None:
    """Where something else stands in the place of our table, nothing tells that an entry acts."""
    kernel, table = filled(A)

    def parse_list(_outputs: Sequence[bytes]) -> dict[ClientKey, int]:
        raise ValueError("nonsense")

    parse, kernel.parse_list = kernel.parse_list, parse_list  # type: ignore[method-assign, assignment]
    assert table.sync(NOW_S).failed == {A: "memory: nonsense"}
    kernel.parse_list = parse  # type: ignore[method-assign]
    assert table.sync(NOW_S).in_force == [A]


def test_what_cannot_be_removed_is_told() -> None:
    """An entry of others that stays is not said to have been removed."""
    kernel, table = filled(A)
    kernel.entries[B] = None
    kernel.fail = lambda verb, _change: error("cannot") if verb == "change" else None

    report = table.sync(NOW_S)

    assert (report.foreign, "cannot be removed" in report.problem) == ([], True)


def test_changes_during_a_listing_are_no_drift() -> None:
    """A ban does not wait for a listing, and the older listing does not undo it."""
    kernel, table = filled(A, B)
    listing = table.read()

    table.apply({C: END_S}, [A], NOW_S)
    kernel.runs.clear()
    report = table.reconcile(listing, NOW_S)

    assert kernel.runs == []
    assert not report.drifted
    assert not report.foreign
    assert set(kernel.entries) == {B, C}


def test_stale_listing_is_not_used() -> None:
    """A listing from before another comparison is taken anew."""
    kernel, table = filled(A)
    kernel.flush()
    listing = table.read()
    table.sync(NOW_S)

    report = table.reconcile(listing, NOW_S)

    assert not report.drifted
    assert set(kernel.entries) == {A}


CLIENTS = st.sampled_from([parse_network(f"192.0.2.{number}") for number in range(8)] + [SITE])
STEPS = st.lists(
    st.tuples(st.just("apply"), st.sets(CLIENTS), st.sets(CLIENTS))
    | st.tuples(st.just("meddle"), st.sets(CLIENTS), st.sets(CLIENTS))
    | st.tuples(
        st.sampled_from(["flush", "break", "work", "sync", "restart"]), st.just(set()), st.just(set())
    ),
    max_size=12,
)


@given(STEPS)
def test_a_working_sync_always_ends_in_agreement(
    steps: list[tuple[str, set[ClientKey], set[ClientKey]]],
) -> None:
    """Whatever happened, one sync with a working tool makes the table what is wanted, and knows it."""
    kernel = MemoryFilter()
    table = DesiredTable(kernel, kernel)
    wanted: set[ClientKey] = set()
    for step, adds, removes in steps:
        match step:
            case "apply":
                table.apply(dict.fromkeys(adds, END_S), removes, NOW_S)
                wanted = (wanted - removes) | adds
            case "meddle":
                kernel.entries.update(dict.fromkeys(adds, 5))
                kernel.set_up(NOTHING, set(map(net_of, adds)))
                for key in removes:
                    kernel.entries.pop(key, None)
            case "flush":
                kernel.flush()
            case "break":
                kernel.fail = lambda _verb, _change: error("broken")
            case "work":
                kernel.fail = lambda _verb, _change: None
            case "sync":
                table.sync(NOW_S)
            case _:
                table = DesiredTable(kernel, kernel)
                table.replace(dict.fromkeys(wanted, END_S))
    kernel.fail = lambda _verb, _change: None

    table.sync(NOW_S)

    assert set(kernel.entries) == set(table.clients) == wanted, [key_text(key) for key in kernel.entries]
    assert {net_of(key) for key in wanted} <= kernel.nets
    assert table.sync(NOW_S) == Report(in_force=[], drifted=[], foreign=[], rule_present=True, compared=True)


def test_what_cannot_be_listed_is_taken_to_stay() -> None:
    """A filter that lists nothing gets each entry once, and what failed again at each sync."""
    kernel, table = filled(A)
    kernel.lists = False
    kernel.runs.clear()

    assert table.sync(NOW_S).compared
    assert kernel.runs == ["look"]

    kernel.fail = lambda verb, _change: error("no") if verb == "change" else None
    assert table.apply({B: END_S}, [], NOW_S).failed.keys() == {B}
    kernel.fail = lambda _verb, _change: None
    assert table.sync(NOW_S).in_force == [B]
    assert kernel.entries.keys() == {A, B}


def test_a_command_is_heeded() -> None:
    """What a tool prints may say that it failed, whatever its exit status."""
    kernel, table = filled(A)
    change_commands = kernel.change_commands

    def refuse(_output: bytes) -> None:
        raise error("refused")

    kernel.change_commands = lambda change: [  # type: ignore[method-assign]  # one test's own
        attrs.evolve(command, heed=refuse) for command in change_commands(change)
    ]

    assert table.apply({B: END_S}, [], NOW_S).failed == {B: "memory (status 1): refused"}
