# SPDX-License-Identifier: ISC
"""What is asked before something is done."""

from collections.abc import Iterable

import pytest

from filter_ban.cli.watch.errands import Errand
from filter_ban.cli.watch.questions import MAX_ENTRY, Confirm, Question, ask_allow, ask_ban, ask_whom


def pressed(question: Question, keys: Iterable[str]) -> Question | Errand | None:
    """Return what comes of *keys*."""
    following: Question | Errand | None = question
    for key in keys:
        assert isinstance(following, Question)
        following = following.press(key)
    return following


LENGTHS = {
    "as proposed": ([], 86_400),
    "typed": (["clear", *"2h"], 7200),
    "corrected": (["backspace", "h"], 3600),
    "seconds": (["clear", *"900"], 900),
    "for ever": (["clear", *"forever"], None),
}


@pytest.mark.parametrize(("keys", "length_s"), LENGTHS.values(), ids=LENGTHS.keys())
def test_ban(keys: list[str], length_s: int | None) -> None:
    """A ban is asked for once the length is given and affirmed."""
    errand = pressed(ask_ban("192.0.2.7"), [*keys, "enter", "y"])
    assert isinstance(errand, Errand)
    assert errand.command == "ban"
    assert (errand.arguments["clients"], errand.arguments["length"]) == (["192.0.2.7"], length_s)


def test_nothing_is_done_without_a_yes() -> None:
    """Escape, no and Ctrl-C end the question; other keys leave it."""
    confirm = pressed(ask_allow("192.0.2.7"), ["enter"])
    assert isinstance(confirm, Confirm)
    assert confirm.prompt == "Never count or ban 192.0.2.7 for 30d? y/n"
    assert confirm.press("x") is confirm
    assert confirm.press("enter") is confirm
    for key in ("n", "escape", "interrupt"):
        assert confirm.press(key) is None
        assert key == "n" or ask_ban("192.0.2.7").press(key) is None


def test_mistakes_are_told() -> None:
    """What is no length or no address is asked for again, with the reason."""
    again = pressed(ask_ban("192.0.2.7"), ["clear", *"soon", "enter"])
    assert isinstance(again, Question)
    assert "soon_   " in again.prompt
    again = pressed(ask_whom(ask_ban), [*"nobody", "enter"])
    assert isinstance(again, Question)
    assert "nobody" in again.prompt


def test_an_address_that_is_in_no_list() -> None:
    """It is typed, made canonical, and then asked about like any other."""
    errand = pressed(ask_whom(ask_ban), [*"2001:DB8::0/64", "enter", "enter", "y"])
    assert isinstance(errand, Errand)
    assert errand.arguments["clients"] == ["2001:db8::/64"]


def test_an_entry_is_bounded() -> None:
    """A key held down fills no memory."""
    entry = pressed(ask_whom(ask_ban), "1" * 500)
    assert isinstance(entry, Question)
    assert len(entry.prompt) < MAX_ENTRY + 40
