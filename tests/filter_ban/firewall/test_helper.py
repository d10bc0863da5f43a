# SPDX-License-Identifier: ISC
"""Tests for helpers: what they are told, and the whole way through one with the real one's arguments and habits."""

import json
import re
import stat
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.firewall import Change, Command, DesiredTable, FirewallError, Runner
from filter_ban.firewall.helper import MAX_ID_CHARS, Helper

PROGRAM = "/libexec/blocklistd-helper"
HOST = parse_network("192.0.2.7")
OTHER = parse_network("192.0.2.8")
WIDE = parse_network("203.0.113.0/24")
SITE = parse_network("2001:db8:1:2::/64")
NOW_S = 1_700_000_000
END_S = NOW_S + 900
FILTERS = ("npf", "pf", "ipfw", "iptables")


def script(path: Path, body: str) -> str:
    """Write a program; return its path."""
    path.write_text(body)
    path.chmod(stat.S_IRWXU)
    return str(path)


class FakeHelper:
    """A packet filter behind a fake blocklistd-helper."""

    def __init__(self, folder: Path, packet_filter: str = "npf") -> None:
        self._state = folder / "state.json"
        self._state.write_text("{}")
        self.set(filter=packet_filter, entries=[], next_id=0x1F, broken=False, log=[])
        fake = Path(__file__).with_name("fake_helper.py")
        self.program = script(
            folder / "blocklistd-helper",
            f'#!/bin/sh\nexec "{sys.executable}" -S "{fake}" "{self._state}" "$@"\n',
        )

    def set(self, **changes: object) -> None:
        """Change the filter behind everybody's back."""
        self._state.write_text(json.dumps(json.loads(self._state.read_text()) | changes))

    def __getitem__(self, name: str) -> Any:
        return json.loads(self._state.read_text())[name]

    def blocked(self) -> Counter[tuple[str, str]]:
        """Return how often each network is blocked, and where."""
        return Counter(
            (network, place.rpartition("port")[2].strip()) for place, network, _ in self["entries"]
        )

    def begin(self, *ports: int) -> DesiredTable:
        """Return a table as a daemon that starts has it."""
        return DesiredTable(Helper(self.program, ports=ports), Runner())


@pytest.fixture
def helper(tmp_path: Path) -> FakeHelper:
    """Return a fake helper over npf, which is the strictest about ids."""
    return FakeHelper(tmp_path)


def heed(command: Command, output: bytes) -> None:
    """Let the backend take in what *command* printed."""
    assert command.heed is not None
    command.heed(output)


def test_calls_are_exact() -> None:
    """One run for each client and port, releases first with the ids that were printed; what has an id is left alone."""
    backend = Helper(PROGRAM, ports=[587, 25])
    adds = list(backend.change_commands(Change(adds=[(HOST, 960), (SITE, None)])))

    assert [command.argv for command in adds] == [
        (PROGRAM, "add", "filter-ban", "tcp", "192.0.2.7", "32", "25", ""),
        (PROGRAM, "add", "filter-ban", "tcp", "192.0.2.7", "32", "587", ""),
        (PROGRAM, "add", "filter-ban", "tcp", "2001:db8:1:2::", "64", "25", ""),
        (PROGRAM, "add", "filter-ban", "tcp", "2001:db8:1:2::", "64", "587", ""),
    ]
    for number, command in enumerate(adds):
        heed(command, b"OK %d\n" % number)
    change = Change(adds=[(WIDE, 960)], updates=[(SITE, 960)], removes=[HOST, OTHER])
    assert [command.argv for command in backend.change_commands(change)] == [
        (PROGRAM, "rem", "filter-ban", "tcp", "192.0.2.7", "32", "25", "0"),
        (PROGRAM, "rem", "filter-ban", "tcp", "192.0.2.7", "32", "587", "1"),
        (PROGRAM, "add", "filter-ban", "tcp", "203.0.113.0", "24", "25", ""),
        (PROGRAM, "add", "filter-ban", "tcp", "203.0.113.0", "24", "587", ""),
    ]


def test_without_ports_protocol_and_port_are_empty() -> None:
    """As blocklistd says it of a rule for any protocol and port."""
    (command,) = Helper(PROGRAM, table="blocklistd").change_commands(Change(adds=[(HOST, None)]))

    assert command.argv == (PROGRAM, "add", "blocklistd", "", "192.0.2.7", "32", "", "")


def test_it_begins_with_a_flush_once() -> None:
    """Until it is done nothing exists; then nothing is left to set up, whatever nets come."""
    backend = Helper(PROGRAM)
    (flush,) = backend.setup_commands([(32, 32)])
    assert flush.argv == (PROGRAM, "flush", "filter-ban")
    assert not backend.parse_check([]).exists
    heed(flush, b"")

    assert backend.parse_check([]).exists
    assert not backend.setup_commands([(32, 32), (128, 64)])


def test_a_script_sees_its_path_and_the_words(tmp_path: Path) -> None:
    """Argument 0 of a script is its own path, for blocklistd's "control" too: the kernel puts it there."""
    log = tmp_path / "log"
    program = script(tmp_path / "helper", f'#!/bin/sh\nprintf "%s|" "$0" "$@" >>{log}\necho OK 17\n')
    backend = Helper(program, ports=[25])
    for change in (Change(adds=[(HOST, None)]), Change(removes=[HOST])):
        for command in backend.change_commands(change):
            heed(command, Runner()(command))

    head = f"{program}|{{}}|filter-ban|tcp|192.0.2.7|32|25|{{}}|"
    assert log.read_text() == head.format("add", "") + head.format("rem", "17")


@pytest.mark.parametrize(
    ("output", "entry_id"),
    [
        (b"OK 1f\n", "1f"),
        (b"OK\n", "OK"),
        (b"OK", "OK"),
        (b"17 rules\nOK 18\n", "17 rules"),
        (b"OK " + 99 * b"x" + b"\n", 63 * "x"),
        (99 * b"x", 63 * "x"),
    ],
)
def test_first_line_is_the_id(output: bytes, entry_id: str) -> None:
    """Without ``OK`` and its space, and at most 63 characters of it."""
    backend = Helper(PROGRAM)
    (command,) = backend.change_commands(Change(adds=[(HOST, None)]))
    heed(command, output)

    (release,) = backend.change_commands(Change(removes=[HOST]))
    assert release.argv[-1] == entry_id


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"", r"printed nothing in answer to add"),
        (b"\nOK 1\n", r"printed nothing in answer to add"),
        (b"OK \n", r"printed 'OK '"),
        (b"OK \x1b[1m\n", r"printed 'OK \\\\x1b\[1m'"),
        (b"\xff\xfe\n", r"printed '\\\\\\\\xff\\\\\\\\xfe'"),
    ],
)
def test_no_id_is_failure(output: bytes, why: str) -> None:
    """An add that prints no id has failed, and is made again."""
    backend = Helper(PROGRAM)
    change = Change(adds=[(HOST, None)])
    (command,) = backend.change_commands(change)

    with pytest.raises(FirewallError, match=why):
        heed(command, output)
    assert [again.argv for again in backend.change_commands(change)] == [command.argv]


@given(st.binary(max_size=200))
def test_an_id_is_a_bounded_printable_word(output: bytes) -> None:
    """Whatever a helper prints, what it is given back is one bounded, printable argument."""
    backend = Helper(PROGRAM)
    (command,) = backend.change_commands(Change(adds=[(HOST, None)]))
    try:
        heed(command, output)
    except FirewallError:
        return
    (release,) = backend.change_commands(Change(removes=[HOST]))
    assert 0 < len(release.argv[-1]) <= MAX_ID_CHARS
    assert release.argv[-1].isascii()
    assert release.argv[-1].isprintable()


# --- the whole way


@pytest.mark.parametrize("packet_filter", FILTERS)
def test_bans_come_change_and_go(tmp_path: Path, packet_filter: str) -> None:
    """With every packet filter of the real helper the entries are the bans, each once a port."""
    helper = FakeHelper(tmp_path, packet_filter)
    table = helper.begin(25, 587)
    report = table.apply({HOST: END_S, WIDE: None}, [], NOW_S)
    assert {*report.in_force} == {HOST, WIDE}
    report = table.apply({HOST: END_S + 900, OTHER: END_S}, [WIDE], NOW_S)
    assert {*report.in_force} == {HOST, OTHER}

    assert helper.blocked() == dict.fromkeys(
        [(f"192.0.2.{host}/32", port) for host in (7, 8) for port in ("25", "587")], 1
    )
    assert [words[0] for words in helper["log"]] == ["flush", *4 * ["add"], *2 * ["rem"], *2 * ["add"]]


@pytest.mark.parametrize("packet_filter", FILTERS)
def test_a_new_start_makes_everything_again(tmp_path: Path, packet_filter: str) -> None:
    """Ids are lost with the process, so it begins with nothing; no entry is there twice."""
    helper = FakeHelper(tmp_path, packet_filter)
    helper.begin(25).apply({HOST: END_S, WIDE: None}, [], NOW_S)
    table = helper.begin(25)
    table.replace({HOST: END_S, WIDE: None})
    report = table.sync(NOW_S)

    assert {*report.in_force} == {HOST, WIDE}
    assert not report.drifted
    assert helper.blocked() == {("192.0.2.7/32", "25"): 1, ("203.0.113.0/24", "25"): 1}


def test_a_sync_runs_nothing(helper: FakeHelper) -> None:
    """What was done is taken to stay: nothing is added twice."""
    table = helper.begin()
    table.apply({HOST: END_S}, [], NOW_S)
    runs = helper["log"]
    report = table.sync(NOW_S)

    assert helper["log"] == runs
    assert not report.problem


def test_a_failing_helper_is_tried_again(helper: FakeHelper) -> None:
    """The reason is what it says on standard error; when it works again, one sync makes all true."""
    helper.set(broken=True)
    table = helper.begin()
    report = table.apply({HOST: END_S, OTHER: END_S}, [], NOW_S)
    assert {*report.failed} == {HOST, OTHER}
    assert "Device busy" in report.failed[HOST]
    helper.set(broken=False)
    report = table.sync(NOW_S)

    assert {*report.in_force} == {HOST, OTHER}
    assert set(helper.blocked().values()) == {1}


def test_an_entry_that_cannot_be_made_keeps_no_other_out(tmp_path: Path) -> None:
    """It is singled out, and nobody is added twice on the way."""
    log = tmp_path / "log"
    program = script(
        tmp_path / "helper",
        f'#!/bin/sh\n[ "$4" = 2001:db8:1:2:: ] && exit 1\necho "$1 $4" >>{log}\necho OK\n',
    )
    report = DesiredTable(Helper(program), Runner()).apply(
        {HOST: END_S, SITE: END_S, OTHER: END_S, WIDE: None}, [], NOW_S
    )

    assert {*report.in_force} == {HOST, OTHER, WIDE}
    assert {*report.failed} == {SITE}
    assert sorted(log.read_text().splitlines()) == [
        "add 192.0.2.7",
        "add 192.0.2.8",
        "add 203.0.113.0",
        "flush ",
    ]


def test_a_start_without_bans_releases_what_was_left(helper: FakeHelper) -> None:
    """A ban that ended while nobody looked is lifted at the start."""
    helper.begin().apply({HOST: END_S}, [], NOW_S)
    helper.begin().sync(NOW_S)

    assert not helper.blocked()


def test_what_a_new_engine_does_not_want_is_released(helper: FakeHelper) -> None:
    """A ban that ended between two engines leaves no entry; those that go on are not touched."""
    table = helper.begin(25)
    table.apply({HOST: END_S, OTHER: END_S}, [], NOW_S)
    table.replace({OTHER: END_S})
    report = table.sync(NOW_S)

    assert {*report.in_force} == {OTHER}
    assert helper.blocked() == {("192.0.2.8/32", "25"): 1}


def test_a_release_that_could_not_be_made_is_made_up_for(tmp_path: Path) -> None:
    """A helper that is missing when a ban ends is asked again with the next sync."""
    helper = FakeHelper(tmp_path)
    table = helper.begin(25)
    table.apply({HOST: END_S}, [], NOW_S)
    program = Path(helper.program)
    program.rename(tmp_path / "away")
    assert table.apply({}, [HOST], NOW_S).problem
    (tmp_path / "away").rename(program)
    assert not table.sync(NOW_S).problem

    assert not helper.blocked()


# --- lines

LINES = re.search(
    r"^```python\n(.*?)^```",
    (Path(__file__).parents[3] / "docs" / "firewall" / "helper.md").read_text(),
    re.MULTILINE | re.DOTALL,
)


@pytest.fixture
def listed(tmp_path: Path) -> Callable[[], set[str]]:
    """Install the manual's example with room for two networks; return what it has listed."""
    assert LINES is not None
    body = LINES[1].replace("/usr/bin/env python3", sys.executable)
    body = body.replace("/var/db/banned", f"{tmp_path}/banned").replace("5000", "2")
    script(tmp_path / "ban-list", body)
    return lambda: set((tmp_path / "banned").read_text().split())


def lines(folder: Path) -> DesiredTable:
    """Return a table with the manual's example behind it."""
    return DesiredTable(Helper(f"{folder}/ban-list", protocol="lines"), Runner())


def test_a_batch_is_exact() -> None:
    """One run for any number; seconds are whole, and a dash is for ever."""
    backend = Helper(PROGRAM, protocol="lines", ports=[25])
    change = Change(adds=[(HOST, 960), (SITE, None)], updates=[(WIDE, 5)], removes=[OTHER])

    (flush,) = backend.setup_commands([(32, 32)])
    (batch,) = backend.change_commands(change)
    assert (flush.argv, flush.stdin) == ((PROGRAM,), b"flush\n")
    assert batch.argv == (PROGRAM,)
    assert batch.stdin == (
        b"rem 192.0.2.8\nadd 203.0.113.0/24 5\nadd 192.0.2.7 960\nadd 2001:db8:1:2::/64 -\n"
    )
    assert not backend.change_commands(Change())


def test_the_manuals_example(tmp_path: Path, listed: Callable[[], set[str]]) -> None:
    """It blocks, releases, refuses what it cannot take, and begins anew with each start."""
    table = lines(tmp_path)
    table.apply({HOST: END_S}, [], NOW_S)
    report = table.apply({SITE: None}, [], NOW_S)
    assert {*report.in_force} == {SITE}
    assert listed() == {"192.0.2.7", "2001:db8:1:2::/64"}

    report = table.apply({WIDE: END_S}, [], NOW_S)
    assert report.failed.keys() == {WIDE}
    assert report.failed[WIDE].endswith("203.0.113.0/24: the router takes 2 networks")

    report = table.apply({OTHER: END_S}, [HOST, WIDE], NOW_S)
    assert {*report.in_force} == {OTHER}
    assert listed() == {"192.0.2.8", "2001:db8:1:2::/64"}

    lines(tmp_path).apply({HOST: END_S}, [], NOW_S)
    assert listed() == {"192.0.2.7"}


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"192.0.2.7: full\n", "helper: 192.0.2.7: full"),
        (b"192.0.2.7: full\nx\ny\n", "helper: 192.0.2.7: full (and 2 more)"),
        (b"\x1b[2J", "helper: \\x1b[2J"),
        (b"y\n" * 1_000_000, "helper: y (and 999999 more)"),
        (b"y" * 10_000_000, "helper: " + 200 * "y"),
    ],
)
def test_anything_printed_is_a_refusal(output: bytes, why: str) -> None:
    """The first line is the reason, bounded and escaped."""
    (batch,) = Helper("/helper", protocol="lines").change_commands(Change(adds=[(HOST, None)]))

    with pytest.raises(FirewallError) as caught:
        heed(batch, output)
    assert str(caught.value) == f"/{why}"


# --- settings


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"program": ""}, "firewall.helper"),
        ({"program": "helper"}, "firewall.helper"),
        ({"program": "/libexec/helper\n-f"}, "firewall.helper"),
        ({"program": "/" + 2000 * "x"}, "firewall.helper"),
        ({"protocol": "smtp"}, "firewall.helper_protocol"),
        ({"ports": [0]}, "firewall.ports"),
        ({"ports": [65_536]}, "firewall.ports"),
        ({"table": "-f"}, "firewall.table"),
        ({"table": "a b"}, "firewall.table"),
        ({"table": ""}, "firewall.table"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], key: str) -> None:
    """With the key and the rule."""
    with pytest.raises(ValueError, match=rf"^{key}: .*: must be "):
        Helper(**({"program": PROGRAM} | settings))


def test_it_cannot_list() -> None:
    """To ask for a listing is a mistake."""
    backend = Helper(PROGRAM)

    assert not backend.list_commands()
    with pytest.raises(ValueError, match="lists nothing"):
        backend.parse_list([])
