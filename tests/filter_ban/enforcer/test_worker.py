# SPDX-License-Identifier: ISC
"""The firewall's thread, with a pf that is only a file."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filter_ban.config import parse_config
from filter_ban.enforcer.worker import FirewallWorker
from filter_ban.firewall import DesiredTable, Report
from tests.filter_ban.firewall.test_pf import FakePf

WAIT_S = 20.0
BOT = "198.51.100.66"


class Watched:
    """A worker, and what it has told so far."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.pf = FakePf(folder)
        config = parse_config(f'{settings}\n[firewall]\nbackend = "pf"\n')
        self.worker = FirewallWorker(config, self.pf.run, lambda _argv: "inet 203.0.113.1/24")
        self.news: list[tuple[str, Any]] = []
        self._woken = threading.Event()
        self.worker.start(self._woken.set)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Take news until *condition* holds; fail after a bounded time."""
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert self._woken.wait(max(0.0, deadline_s - time.monotonic())), self.news
            self._woken.clear()
            self.news += self.worker.take_news()

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
    made.worker.stop()


def later() -> int:
    """Return an end in the future."""
    return int(time.time()) + 3600


def test_a_ban_is_put_in_the_table_and_reported(watched: Watched) -> None:
    """In force means that the command for it has succeeded."""
    watched.worker.change([[BOT, later()]], [])
    watched.wait_for(lambda: BOT in watched.in_force())

    assert watched.table() == {BOT}
    watched.worker.change([], [BOT])
    watched.worker.change([["198.51.100.67", None]], [])
    watched.wait_for(lambda: "198.51.100.67" in watched.in_force())
    assert watched.table() == {"198.51.100.67"}


def test_a_replacement_comes_in_pieces_and_changes_only_what_differs(watched: Watched) -> None:
    """What an engine says at its start is put in force; what nobody wants any more goes."""
    watched.pf.set(tables={"filter-ban": ["192.0.2.99", BOT]})
    watched.worker.replace([[BOT, later()]], more=True)
    watched.worker.replace([["198.51.100.67", later()]], more=False)
    watched.wait_for(lambda: len(watched.said("synced")) == 1)

    assert watched.table() == {BOT, "198.51.100.67"}
    assert watched.in_force() == {BOT, "198.51.100.67"}
    (report,) = watched.said("synced")
    assert (report["ok"], report["foreign"]) == (True, 1)


def test_drift_is_found_and_mended_on_request(watched: Watched) -> None:
    """A table that was flushed behind our back is as before after a sync, and the report says what was missing."""
    watched.worker.change([[BOT, later()], ["2001:db8::/64", later()]], [])
    watched.wait_for(lambda: len(watched.in_force()) == 2)
    watched.pf.set(tables={"filter-ban": []})
    watched.worker.ask_for_sync(7)
    watched.wait_for(lambda: any(report["asked"] == 7 for report in watched.said("synced")))

    assert watched.table() == {BOT, "2001:db8::/64"}
    assert watched.said("synced")[-1]["missing"] == 2


def test_what_the_engine_asks_is_checked_again(watched: Watched) -> None:
    """Our own addresses, loopback and wide prefixes are refused with the reason, whoever asks."""
    watched.worker.change(
        [["203.0.113.1", later()], ["127.0.0.1", later()], ["10.0.0.0/8", later()], [BOT, later()]], []
    )
    watched.wait_for(lambda: BOT in watched.in_force())

    assert watched.table() == {BOT}
    assert watched.failed().keys() - {BOT} == {"203.0.113.1", "127.0.0.1", "10.0.0.0/8"}
    assert "wider than /24" in watched.failed()["10.0.0.0/8"]


def test_a_failing_tool_is_reported_and_tried_again(watched: Watched) -> None:
    """The ban fails with the tool's own words, and is in force by itself once the tool works."""
    watched.pf.set(denied=True)
    watched.worker.change([[BOT, later()]], [])
    watched.wait_for(lambda: BOT in watched.failed())

    assert "Permission denied" in watched.failed()[BOT]
    watched.pf.set(denied=False)
    watched.wait_for(lambda: BOT in watched.in_force())
    assert watched.table() == {BOT}


def test_a_missing_rule_is_said(tmp_path: Path) -> None:
    """A table that no rule uses is not enforcement."""
    watched = Watched(tmp_path)
    watched.pf.set(rules=[])
    watched.worker.change([[BOT, later()]], [])
    watched.worker.ask_for_sync(1)
    watched.wait_for(lambda: bool(watched.said("synced")))
    watched.worker.stop()

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
    watched.worker.change([[BOT, later()]], [])
    watched.worker.change([["198.51.100.67", later()]], [])
    watched.wait_for(lambda: "198.51.100.67" in watched.in_force() or bool(watched.said("synced")))
    watched.worker.change([[BOT, later()]], [])
    watched.wait_for(lambda: BOT in watched.in_force())

    assert BOT in watched.table()
