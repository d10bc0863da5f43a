# SPDX-License-Identifier: ISC
"""Keys and answers change what is shown."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.cli.watch import errands
from filter_ban.cli.watch.errands import Answer, Errand
from filter_ban.cli.watch.screen import Screen
from tests.filter_ban.cli.watch.documents import ban, shown, suspect, watched

SHOWN: Final = {"client": "192.0.2.1", "ban": ban("192.0.2.1"), "events": [], "past_bans": []}


def press(screen: Screen, *keys: str) -> Errand | None:
    """Press *keys*; return what the last one asks the daemon."""
    errand = None
    for key in keys:
        errand = screen.press(key)
    return errand


MOVES: Final = {
    "at first": ([], "203.0.113.5"),
    "down": (["down", "j"], "192.0.2.1"),
    "up": (["G", "up", "k"], "192.0.2.1"),
    "not beyond the ends": (["up", "k"], "203.0.113.5"),
    "the last": (["end", "down"], "2001:db8::/64"),
    "the other list": (["tab"], "192.0.2.1"),
    "and back": (["tab", "tab"], "203.0.113.5"),
    "a page": (["page-down"], "2001:db8::/64"),
    "a key that means nothing": (["x", "left"], "203.0.113.5"),
}


@pytest.mark.parametrize(("keys", "expected"), MOVES.values(), ids=MOVES.keys())
def test_moves(keys: list[str], expected: str) -> None:
    """Keys choose a client in the lists, which are one to them."""
    screen = shown()
    press(screen, *keys)
    assert screen.selected == expected


def test_the_choice_stays_with_the_client() -> None:
    """A client that moves from one list to the other stays chosen; of one that is gone, the place does."""
    screen = shown()
    press(screen, "down")
    screen.heed(Answer(errands.look(), watched(suspects=[], newest=[ban("192.0.2.1"), ban("203.0.113.6")])))
    assert screen.selected == "203.0.113.6"
    screen.heed(Answer(errands.look(), watched(suspects=[], newest=[ban("192.0.2.1"), ban("192.0.2.2")])))
    assert screen.selected == "192.0.2.2"
    screen.heed(Answer(errands.look(), watched(suspects=[], newest=[])))
    assert screen.selected == ""
    screen.heed(Answer(errands.look(), watched(suspects=[suspect("203.0.113.9")], newest=[])))
    assert screen.selected == "203.0.113.9"


ERRANDS: Final[dict[str, tuple[list[str], str, dict[str, Any]]]] = {
    "ban": (["b", "enter", "y"], "ban", {"clients": ["203.0.113.5"], "length": 86_400}),
    "lift": (["tab", "l", "y"], "lift", {"clients": ["192.0.2.1"]}),
    "allow": (["a", "enter", "y"], "allow", {"clients": ["203.0.113.5"], "length": 2_592_000}),
    "explain": (["e"], "show", {"client": "203.0.113.5"}),
    "explain by Enter": (["tab", "enter"], "show", {"client": "192.0.2.1"}),
    "resync": (["r"], "resync", {}),
    "go on after a pause": (["p", "p"], "watch", {}),
}


@pytest.mark.parametrize(("keys", "command", "arguments"), ERRANDS.values(), ids=ERRANDS.keys())
def test_errands(keys: list[str], command: str, arguments: dict[str, Any]) -> None:
    """What changes something is asked for after a question; what does not, at once."""
    errand = press(shown(), *keys)
    assert errand is not None
    assert errand.command == command
    assert errand.arguments.items() >= arguments.items()


def test_nobody_to_act_on() -> None:
    """Where no client is chosen, or not a banned one, that is said and nothing asked."""
    empty = shown(suspects=[], newest=[])
    for key in ("b", "l", "a", "e", "down", "tab"):
        assert press(empty, key) is None
    assert press(empty, "b") is None
    assert "no client is chosen" in empty.message
    assert press(empty, "B", *"192.0.2.9", "enter", "enter", "y") is not None

    screen = shown()
    assert press(screen, "l") is None
    assert (screen.message, screen.question) == ("203.0.113.5 is not banned", None)


def test_the_user_thinks_better_of_it() -> None:
    """A question that is left does nothing, and keys mean what they meant."""
    screen = shown()
    assert press(screen, "b", "q", "escape", "q") is None
    assert screen.leaving


def test_explanation() -> None:
    """The answer to ``show`` covers the lists until it is left."""
    screen = shown()
    screen.heed(Answer(errands.explain("192.0.2.1"), SHOWN))
    assert screen.pane is not None
    assert screen.pane.lines[0] == "192.0.2.1 is banned."
    press(screen, "down", "page-down", "up")
    assert screen.pane.top > 0
    press(screen, "g")
    assert screen.pane.top == 0
    press(screen, "q")
    assert screen.pane is None
    assert not screen.leaving


def test_help() -> None:
    """``?`` tells the keys."""
    screen = shown()
    press(screen, "?")
    assert screen.pane is not None
    assert any("lift the ban" in line for line in screen.pane.lines)


def test_pause() -> None:
    """A paused view stays as it is, but shows what was done in it."""
    screen = shown()
    press(screen, "p")
    screen.heed(Answer(errands.look(), watched(bans=99)))
    assert screen.document["bans"] == 3
    screen.heed(Answer(errands.look(fresh=True), watched(bans=4)))
    assert screen.document["bans"] == 4


def test_a_daemon_that_is_gone_and_comes_back() -> None:
    """What was last seen stays, with the reason why there is nothing newer."""
    screen = shown()
    screen.heed(Answer(errands.look(), failure="no daemon answers", lost=True))
    assert (screen.lost, screen.document["bans"]) == ("no daemon answers", 3)
    screen.heed(Answer(errands.look(), watched()))
    assert screen.lost == ""


OUTCOMES: Final[dict[str, tuple[Answer, str]]] = {
    "lifted": (
        Answer(errands.lift("192.0.2.1"), {"results": [{"client": "192.0.2.1", "outcome": "lifted"}]}),
        "192.0.2.1 is no longer banned",
    ),
    "refused": (
        Answer(errands.ban("127.0.0.1", 9), {"results": [{"client": "127.0.0.1", "outcome": "refused", "why": "own"}]}),
        "127.0.0.1 refused: own",
    ),
    "banned": (
        Answer(errands.ban("192.0.2.1", None), {"results": [{"client": "192.0.2.1", "outcome": "banned", "end": None}]}),
        "192.0.2.1 is banned until lifted",
    ),
    "not banned": (
        Answer(errands.lift("192.0.2.1"), {"results": [{"client": "192.0.2.1", "outcome": "not-banned", "why": "not banned"}]}),
        "192.0.2.1 is not banned",
    ),
    "an old daemon": (Answer(errands.allow("192.0.2.1", 9), failure="not a request"), "not a request"),
    "silence": (Answer(errands.lift("192.0.2.1"), {}), "the daemon did not say what came of it"),
    "compared": (
        Answer(errands.resync(), {"backends": [{"backend": "pf", "ok": True, "missing": 2, "foreign": 0}]}),
        "pf: 2 missing put back, 0 foreign removed",
    ),
    "not compared": (
        Answer(errands.resync(), {"backends": [{"backend": "pf", "ok": False, "problem": "no pfctl"}]}),
        "pf: no pfctl",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "expected"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_outcomes(answer: Answer, expected: str) -> None:
    """What came of it is said, and until the next key."""
    screen = shown()
    screen.heed(answer)
    assert screen.message == expected
    press(screen, "down")
    assert screen.message == ""


@given(
    st.lists(
        st.sampled_from(
            [
                "up",
                "down",
                "tab",
                "G",
                "g",
                "page-up",
                "enter",
                "escape",
                "e",
                "b",
                "B",
                "l",
                "a",
                "y",
                "n",
                "r",
                "p",
                "?",
                "7",
            ]
        )
    )
)
def test_any_keys(keys: list[str]) -> None:
    """Whatever is pressed, the choice is in the lists, and nobody leaves without wanting to."""
    screen = shown()
    for key in keys:
        errand = screen.press(key)
        if errand is not None and errand.command == errands.SHOW:
            screen.heed(Answer(errand, SHOWN))
        elif errand is not None and errand.command == errands.WATCH:
            screen.heed(Answer(errand, watched(newest=[])))
        assert not screen.leaving
    assert screen.selected in ("203.0.113.5", "203.0.113.6", "192.0.2.1", "192.0.2.2", "2001:db8::/64")
