# SPDX-License-Identifier: ISC
"""The firewall behind its check, with a pf that is only a file."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from filter_ban.client import ClientKey, key_text, parse_network
from filter_ban.config import parse_config
from filter_ban.enforcer.firewall import Firewall
from filter_ban.enforcer.worker import TableWorker
from filter_ban.firewall import Command, DesiredTable, Fault, FirewallError, Report
from filter_ban.firewall.pf import Pf
from tests.filter_ban.firewall.test_pf import FakePf

WAIT_S = 20.0
BOT = "198.51.100.66"


class Watched:
    """A firewall, and what it has told so far."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.pf = FakePf(folder)
        self.pf.set(tables={"filter-ban": []})  # as a rule that uses it makes it
        config = parse_config(f'[firewall]\nbackend = "pf"\n{settings}')
        self.firewall = Firewall(config, self.pf.run, lambda _argv: "inet 203.0.113.1/24")
        self.news: list[tuple[str, Any]] = []
        self._woken = threading.Event()
        self.firewall.start(self._woken.set)

    def add(self, *networks: str, end_s: int | None = None, by_rule: bool = True) -> None:
        """Ask for entries, by default as a rule does."""
        self.firewall.change([[network, end_s or later()] for network in networks], [], by_rule=by_rule)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Take news until *condition* holds; fail after a bounded time."""
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert self._woken.wait(max(0.0, deadline_s - time.monotonic())), self.news
            self._woken.clear()
            self.news += self.firewall.take_news()

    def said(self, verb: str) -> list[Any]:
        """Return the arguments of all news of one kind."""
        return [argument for said, argument in self.news if said == verb]

    def in_force(self) -> set[str]:
        """Return every network that was said to be in force."""
        return {network for outcome in self.said("outcome") for network in outcome.get("in_force", ())}

    def failed(self) -> dict[str, str]:
        """Return every network that was said to have failed, and why."""
        return dict(pair for outcome in self.said("outcome") for pair in outcome.get("failed", ()))

    def table(self) -> set[str]:
        """Return what is in the table."""
        return set(self.pf["tables"].get("filter-ban", []))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Yield a worker that runs, and stop it."""
    made = Watched(tmp_path)
    yield made
    made.firewall.stop()


def later() -> int:
    """Return an end in the future."""
    return int(time.time()) + 3600


def test_a_ban_is_put_in_the_table_and_reported(watched: Watched) -> None:
    """In force means that the command for it has succeeded."""
    watched.add(BOT)
    watched.wait_for(lambda: BOT in watched.in_force())

    assert watched.table() == {BOT}
    watched.firewall.change([["198.51.100.67", None]], [BOT], by_rule=True)
    watched.wait_for(lambda: "198.51.100.67" in watched.in_force())
    assert watched.table() == {"198.51.100.67"}


def test_a_replacement_comes_in_pieces_and_changes_only_what_differs(watched: Watched) -> None:
    """What an engine says at its start is put in force; what nobody wants any more goes."""
    watched.pf.set(tables={"filter-ban": ["192.0.2.99", BOT]})
    watched.firewall.replace([[BOT, later()]], more=True)
    watched.firewall.replace([["198.51.100.67", later()]], more=False)
    watched.wait_for(lambda: len(watched.said("synced")) == 1)

    assert watched.table() == {BOT, "198.51.100.67"}
    assert watched.in_force() == {BOT, "198.51.100.67"}
    (report,) = watched.said("synced")
    assert (report["ok"], report["foreign"]) == (True, 1)


def test_drift_is_found_and_mended_on_request(watched: Watched) -> None:
    """A table that was flushed behind our back is as before after a sync, and the report says what was missing."""
    watched.add(BOT, "2001:db8::/64")
    watched.wait_for(lambda: len(watched.in_force()) == 2)
    watched.pf.set(tables={"filter-ban": []})
    watched.firewall.ask_for_sync(7)
    watched.wait_for(lambda: any(report["asked"] == 7 for report in watched.said("synced")))

    assert watched.table() == {BOT, "2001:db8::/64"}
    assert watched.said("synced")[-1]["missing"] == 2


def test_what_the_engine_asks_is_checked_again(watched: Watched) -> None:
    """Our own addresses, loopback and wide prefixes are refused with the reason, whoever asks."""
    watched.add("203.0.113.1", "127.0.0.1", "10.0.0.0/8", BOT)
    watched.wait_for(lambda: BOT in watched.in_force())

    assert watched.table() == {BOT}
    assert watched.failed().keys() - {BOT} == {"203.0.113.1", "127.0.0.1", "10.0.0.0/8"}
    assert "wider than /24" in watched.failed()["10.0.0.0/8"]


def test_a_failing_tool_is_reported_and_tried_again(watched: Watched) -> None:
    """The ban fails with the tool's own words, and is in force by itself once the tool works."""
    watched.pf.set(denied=True)
    watched.add(BOT)
    watched.wait_for(lambda: BOT in watched.failed())

    assert "Permission denied" in watched.failed()[BOT]
    watched.pf.set(denied=False)
    watched.wait_for(lambda: BOT in watched.in_force())
    assert watched.table() == {BOT}


def test_a_missing_rule_is_said(tmp_path: Path) -> None:
    """A table that no rule uses is not enforcement."""
    watched = Watched(tmp_path)
    watched.pf.set(rules=[])
    watched.add(BOT)
    watched.firewall.ask_for_sync(1)
    watched.wait_for(lambda: bool(watched.said("synced")))
    watched.firewall.stop()

    report = watched.said("synced")[-1]
    assert (report["ok"], report["rule_present"]) == (False, False)
    assert report["problem"]


def test_a_fault_of_ours_does_not_end_enforcement(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in the program itself, the next comparison puts the ban in force."""
    apply = DesiredTable.apply
    faults = iter([RuntimeError("a bug")])

    def faulty(*arguments: Any) -> Report:
        for fault in faults:
            raise fault
        return apply(*arguments)

    monkeypatch.setattr(DesiredTable, "apply", faulty)
    watched.add(BOT)
    watched.add("198.51.100.67")
    watched.wait_for(lambda: "198.51.100.67" in watched.in_force() or bool(watched.said("synced")))
    watched.add(BOT)
    watched.wait_for(lambda: BOT in watched.in_force())

    assert BOT in watched.table()


def test_the_table_holds_no_more_than_is_allowed(tmp_path: Path) -> None:
    """Beyond firewall.max_entries a ban is refused in the dialogue only, and is told why."""
    watched = Watched(tmp_path, "max_entries = 2\n")
    watched.add("192.0.2.1", "192.0.2.2", by_rule=False)
    watched.wait_for(lambda: len(watched.in_force()) == 2)
    watched.add("192.0.2.3", by_rule=False)
    watched.wait_for(lambda: bool(watched.failed()))
    watched.firewall.stop()

    assert watched.failed() == {"192.0.2.3": "the table holds 2 entries at most"}
    assert watched.table() == {"192.0.2.1", "192.0.2.2"}


def test_rules_have_a_pace_and_operators_have_not(tmp_path: Path) -> None:
    """Beyond firewall.max_per_minute new bans of the rules stay out of the table; those by hand get in."""
    watched = Watched(tmp_path, "max_per_minute = 2\n")
    watched.add("192.0.2.1", "192.0.2.2", "192.0.2.3")
    watched.wait_for(lambda: len(watched.in_force()) == 2 and bool(watched.failed()))
    watched.add("192.0.2.4", by_rule=False)
    watched.add("192.0.2.1", end_s=later() + 60)  # is there already, so it is no new one
    watched.wait_for(lambda: "192.0.2.4" in watched.in_force())
    watched.firewall.stop()

    assert watched.failed() == {"192.0.2.3": "more than 2 new bans in a minute"}
    assert watched.table() == {"192.0.2.1", "192.0.2.2", "192.0.2.4"}


def test_each_backend_has_its_own_thread_and_reports(tmp_path: Path) -> None:
    """Two backends get the same entries, and the one that fails holds up and hides nothing of the other."""
    pf = FakePf(tmp_path)
    pf.set(tables={"filter-ban": []})

    def run(command: Command) -> bytes:
        if command.argv[0] == "pfctl":
            return pf.run(command)
        raise FirewallError(command.argv, None, "not found", Fault.MISSING_TOOL)

    config = parse_config('[firewall]\nbackend = ["nftables", "pf"]\n')
    firewall = Firewall(config, run, lambda _argv: "")
    woken = threading.Event()
    firewall.start(woken.set)
    firewall.change([[BOT, later()]], [], by_rule=True)
    states: dict[str, set[str]] = {"nftables": set(), "pf": set()}
    deadline_s = time.monotonic() + WAIT_S
    while not all(states.values()):
        assert woken.wait(max(0.0, deadline_s - time.monotonic()))
        woken.clear()
        for verb, argument in firewall.take_news():
            if verb == "outcome":
                states[argument["backend"]] |= argument.keys() - {"backend"}
    firewall.stop()

    assert states == {"nftables": {"failed"}, "pf": {"in_force"}}


def test_packets_are_told_as_they_come(tmp_path: Path) -> None:
    """Counters are told once, and again only when they have grown."""
    packets = {"192.0.2.1": 3}

    class Counting(Pf):
        def parse_list(self, outputs: Sequence[bytes]) -> dict[ClientKey, int]:
            """Return the counters of the moment."""
            return {key: packets.get(key_text(key), 0) for key in super().parse_list(outputs)}

    told: list[tuple[str, Any]] = []
    woken = threading.Event()

    def tell(verb: str, argument: Any) -> None:
        told.append((verb, argument))
        woken.set()

    worker = TableWorker(Counting(), FakePf(tmp_path).run, tell)
    worker.start()

    def dropped_after_sync(number: int) -> list[Any]:
        told.clear()
        worker.ask_for_sync(number)
        deadline_s = time.monotonic() + WAIT_S
        while not any(verb == "synced" and argument["asked"] == number for verb, argument in told):
            assert woken.wait(max(0.0, deadline_s - time.monotonic()))
            woken.clear()
        return [pair for verb, argument in told if verb == "outcome" for pair in argument.get("dropped", ())]

    worker.change({parse_network("192.0.2.1"): later(), parse_network("192.0.2.2"): later()}, [])
    first, second = dropped_after_sync(1), dropped_after_sync(2)
    packets["192.0.2.1"] = 10
    third = dropped_after_sync(3)
    packets["192.0.2.1"] = 4  # the entry was made anew
    fourth = dropped_after_sync(4)
    worker.stop(WAIT_S)

    assert first in ([["192.0.2.1", 3]], [])
    assert [first + second, third, fourth] == [[["192.0.2.1", 3]], [["192.0.2.1", 7]], [["192.0.2.1", 4]]]
