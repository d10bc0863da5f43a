# SPDX-License-Identifier: ISC
"""The screen as rows of text."""

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from filter_ban import __version__
from filter_ban.cli.watch import errands
from filter_ban.cli.watch.errands import Answer
from filter_ban.cli.watch.frame import header
from filter_ban.cli.watch.look import ASCII, UNICODE, Look
from filter_ban.cli.watch.screen import Screen
from filter_ban.cli.watch.view import rows, snapshot
from tests.filter_ban.cli.watch.documents import backend, ban, shown, suspect, watched

SIZES: Final = [(80, 24), (60, 15), (132, 43), (200, 60), (100, 20), (20, 5), (1, 1), (3, 100)]


def texts(screen: Screen, width: int = 80, height: int = 24, look: Look = UNICODE) -> list[str]:
    """Return the rows without colour."""
    return [row.plain.rstrip() for row in rows(screen, width, height, look)]


def test_cluster() -> None:
    """A node of a cluster has a row on that, and what is wrong there is an alarm."""
    store: dict[str, Any] = {"url": "redis://store", "ok": True}
    cluster = {"node": "mx1\x1b", "stores": [store], "current": True, "peers": [{}, {}], "buffered": 0}
    page = texts(shown(cluster=cluster), height=40)
    assert "  cluster   ● node mx1\\x1b   1 of 1 stores   2 other nodes" in page
    store |= {"ok": False, "problem": "Connection refused"}
    cluster |= {"current": False, "buffered": 1234}
    page = texts(shown(cluster=cluster), width=120, height=40)
    assert (
        "  cluster   ● node mx1\\x1b   0 of 1 stores   not up to date   2 other nodes   1,234 wait to be told"
        in page
    )
    assert any(
        line.startswith("! cluster: redis://store: Connection refused; this node judges") for line in page
    )


def test_at_80_by_24() -> None:
    """All of it is seen at once."""
    head, *page = texts(shown())
    assert head.split() == [
        "filter-ban",
        "mail.example.org",
        "enforce",
        "up",
        "3d4h",
        __version__,
        "well",
        "●",
    ]
    assert page == [
        "  failures                                                           ▁▄█     8",
        "  refused                                                            ▁▁█     2",
        "  bans                                                               ▁▁█     1",
        "── Close to a ban ───────────────────────────────────────────── 4,321 tracked ──",
        "▶ 203.0.113.5     ━━━━━━── 4 of 5 in 10m   12s ago   failed login       smtps",
        "  203.0.113.6     ━━────── 1 of 5 in 10m   12s ago   failed login       smtps",
        "── Newest bans ───────────────────────────────────────────────────── 3 in all ──",
        "  192.0.2.1       14m      in force      1.2k dropped  5 strikes within 10m",
        "  192.0.2.2       14m      pending                     5 strikes within 10m",
        "  2001:db8::/64   for ever in force      1.2k dropped  5 strikes within 10m",
        *[""] * 7,
        "── Parts ───────────────────────────────────────────────────────────────────────",
        "  sensors   ● 1 relay   ● postfix",
        "  nftables  ● 1,204 in force   56,789 packets dropped   compared 20s ago",
        "  ledger    ● written   seen: 12 auth-fail",
        "",
        " ↑↓ choose  b ban  l lift  a allow  e explain  r resync  p pause  ? help  q quit",
    ]


def test_at_60_by_15() -> None:
    """What matters most is left."""
    page = texts(shown(), 60, 15)
    assert [line.split()[0] for line in page if line][:3] == ["filter-ban", "failures", "bans"]
    assert sum("203.0.113" in line for line in page) == 2
    assert sum("192.0.2" in line for line in page) == 2
    assert page[-1].endswith("? help  q quit")


def test_ascii() -> None:
    """Where only ASCII can be shown, nothing else is."""
    screen = shown(suspects=[suspect("203.0.113.5", service="müßig…")])
    page = texts(screen, 100, look=ASCII)
    assert "\n".join(page).isascii()
    assert "######" in "\n".join(page)


@pytest.mark.parametrize("look", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_sizes(width: int, height: int, look: Look) -> None:
    """Rows are as wide and as many as the terminal has, whatever is on it."""
    screens = [shown(), Screen("host"), shown(newest=[ban(f"192.0.2.{number}") for number in range(50)])]
    screens[2].press("G")
    for keys in ((), ("?",), ("escape", "b"), ("enter",)):
        for screen in screens:
            for key in keys:
                screen.press(key)
            drawn = rows(screen, width, height, look)
            assert [row.cell_len for row in drawn] == [width] * height


def test_the_chosen_row_is_seen() -> None:
    """A list scrolls to what is chosen."""
    screen = shown(newest=[ban(f"192.0.2.{number}") for number in range(50)])
    screen.press("G")
    assert any(line.startswith("▶ 192.0.2.49") for line in texts(screen))


HEALTH: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    "well": ({}, "well", ""),
    "ledger": ({"ledger": {"ok": False, "problem": "disk full"}}, "TROUBLE", "! ledger: disk full"),
    "firewall": (
        {"firewall": {"backends": [backend(ok=False, problem="nft: not found")]}},
        "TROUBLE",
        "! nftables: nft: not found",
    ),
    "siege": ({"besieged": 1}, "siege", "! siege: many clients fail to log in as 1 user"),
    "another version": ({"version": "0.0.1"}, "TROUBLE", "! daemon: it is of version 0.0.1"),
}  # fmt: skip


@pytest.mark.parametrize(("more", "word", "alarm"), HEALTH.values(), ids=HEALTH.keys())
def test_health(more: dict[str, Any], word: str, alarm: str) -> None:
    """How all is stands at the top in a word, and why below."""
    page = texts(shown(**more))
    assert page[0].endswith(f" {word} ●")
    assert any(line.startswith(alarm) for line in page)


def test_what_is_typed_is_seen() -> None:
    """Of a question that is too long, the end is shown."""
    screen = shown(suspects=[suspect("2001:db8:ffff:ffff::/64")])
    screen.press("a")
    assert texts(screen, 60, 15)[-2].endswith("(2h, 7d, forever): 30d_")


def test_many_alarms() -> None:
    """What finds no room is counted."""
    backends = [backend(backend=f"b{number}", ok=False, problem="broken") for number in range(9)]
    page = texts(shown(firewall={"backends": backends}))
    assert any("(and 6 more)" in line for line in page)


def test_no_daemon() -> None:
    """A daemon that is gone is told at the top and the bottom; what was last known stays."""
    screen = shown()
    screen.heed(Answer(errands.look(), failure="no daemon answers at /run/x", lost=True))
    page = texts(screen)
    assert page[0].endswith("NO DAEMON ●")
    assert page[-2] == " no daemon answers at /run/x"
    assert any("192.0.2.1" in line for line in page)


def test_pause_is_told() -> None:
    """Who forgot it sees it."""
    screen = shown()
    screen.press("p")
    assert texts(screen)[0].endswith("PAUSED  well ●")


def test_a_failed_ban_says_why() -> None:
    """The reason stands before that of the ban."""
    screen = shown(newest=[ban("192.0.2.1", enforcement="failed", problem="set is full", dropped=None)])
    assert any("set is full; 5 strikes within 10m" in line for line in texts(screen, 100))


def test_snapshot() -> None:
    """All lists are whole, and nothing speaks of keys."""
    screen = shown(newest=[ban(f"192.0.2.{number}") for number in range(50)])
    page = [row.plain for row in snapshot(screen, 80, UNICODE)]
    assert sum("192.0.2." in line for line in page) == 50
    assert not any("quit" in line for line in page)
    assert all(len(line) <= 80 for line in page)


HOSTILE: Final = [
    "[red]x[/red]",
    "\x1b[2J\x1b[31m",
    "a\nb\rc",
    "\u202eabc",
    "漢字" * 30,
    "e\u0301" * 50,
    "x" * 5000,
    "🧨",
    "\\",
    "",
]
VALUE: Final = st.one_of(
    st.sampled_from(HOSTILE), st.text(), st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.integers(), max_size=3)
)  # fmt: skip


def hostile(document: Any) -> st.SearchStrategy[Any]:
    """Return documents of that form with some values replaced, at any depth."""
    if isinstance(document, dict):
        return st.one_of(
            st.fixed_dictionaries({key: hostile(value) for key, value in document.items()}), VALUE
        )
    if isinstance(document, list):
        return st.one_of(st.tuples(*map(hostile, document)).map(list), VALUE)
    return st.one_of(st.just(document), VALUE)


@settings(max_examples=200)
@given(
    hostile(watched(besieged=1)),
    st.sampled_from([(80, 24), (60, 15), (120, 40)]),
    st.sampled_from([UNICODE, ASCII]),
)
def test_hostile_documents(document: Any, size: tuple[int, int], look: Look) -> None:
    """Whatever a daemon tells, the screen is drawn, in its size, without a control character and without markup."""
    screen = Screen("host")
    screen.heed(Answer(errands.look(), document if isinstance(document, dict) else {}))
    for keys in ((), ("G",), ("b",)):
        for key in keys:
            screen.press(key)
        drawn = rows(screen, *size, look)
        assert [row.cell_len for row in drawn] == [size[0]] * size[1]
        assert all(row.plain.isprintable() for row in drawn)


def test_markup_is_text() -> None:
    """Brackets are shown, not obeyed."""
    screen = shown(newest=[ban("192.0.2.1", rule="by hand", reason="[red]x[/red]", dropped=None)])
    assert any("by hand: [red]x[/red]" in line for line in texts(screen))


def test_header_is_a_text_of_its_own() -> None:
    """It is one row, also where the host's name is long."""
    screen = shown()
    screen.host = "h" * 200
    bar = header(screen, 80, UNICODE)
    assert isinstance(bar, Text)
    assert bar.cell_len == 80
    assert json.dumps(bar.plain.rstrip()[-6:], ensure_ascii=False) == '"well ●"'
