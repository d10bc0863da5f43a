# SPDX-License-Identifier: ISC
"""Our lines between marks in a text of others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.setup.blocks import Span, block_text, find, insert, put, remove
from filter_ban.setup.files import SetupError

BLOCK = "# filter-ban: begin (written by filter-ban setup pf)\nblock\n# filter-ban: end\n"
TITLES = st.sampled_from(["setup pf", "setup ufw", "setup ufw, log", "setup ufw (6)"])
LINE = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8).filter(
    lambda line: not line.startswith("# filter-ban: ")
)
LINES = st.lists(LINE, max_size=4).map(lambda lines: "".join(f"{line}\n" for line in lines))
TEXTS = st.tuples(LINES, LINE).map("".join)  # the last line may lack its end


def test_text() -> None:
    """A block is its lines between two marks that say who wrote it."""
    assert block_text("setup pf", "block\n") == BLOCK


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("", 0, BLOCK),
        ("a\nb\n", 0, f"{BLOCK}a\nb\n"),
        ("a\nb\n", 2, f"a\n{BLOCK}b\n"),
        ("a\nb\n", 4, f"a\nb\n{BLOCK}"),
        ("a\nb", 3, f"a\nb\n{BLOCK}"),
    ],
)
def test_insert(text: str, at: int, expected: str) -> None:
    """A block begins a line of its own; the rest is as it was."""
    assert insert(text, at, "setup pf", "block\n") == expected


def test_find() -> None:
    """A block is found with both marks, also without the last end of line; others are not it."""
    assert find(f"a\n{BLOCK}b\n", "setup pf") == Span(2, 2 + len(BLOCK))
    assert find(BLOCK.rstrip("\n"), "setup pf") == Span(0, len(BLOCK) - 1)
    assert find(BLOCK, "setup npf") is None
    assert find("# filter-ban: begin\n# filter-ban: end\n", "setup pf") is None


@pytest.mark.parametrize(
    "text",
    [
        BLOCK.replace("# filter-ban: end\n", ""),
        BLOCK.partition("\n")[2],
        f"{BLOCK}# filter-ban: end\n",
        BLOCK.replace("block\n", BLOCK),
    ],
)
def test_a_missing_mark(text: str) -> None:
    """Where a mark is missing nobody knows what is ours, so nothing is done, for whatever block."""
    with pytest.raises(SetupError, match="one is missing; mend that by hand"):
        find(text, "setup ufw")


def test_twice() -> None:
    """Of two blocks with one title neither is chosen."""
    with pytest.raises(SetupError, match="stands there twice"):
        find(BLOCK + BLOCK, "setup pf")


def test_put() -> None:
    """A block is replaced where it stands, whatever place it would get anew."""
    assert put(f"a\n{BLOCK}b\n", "setup pf", "pass\n", len) == f"a\n{BLOCK.replace('block', 'pass')}b\n"
    assert put("a\n", "setup pf", "block\n", lambda _: 0) == f"{BLOCK}a\n"


@given(before=LINES, after=TEXTS, title=TITLES, lines=LINES)
def test_removal_undoes_insertion(before: str, after: str, title: str, lines: str) -> None:
    """At the start of a line, insertion and removal leave every byte as it was."""
    text = before + after
    assert remove(insert(text, len(before), title, lines), title) == text
    assert remove(text, title) == text


@given(before=LINES, after=TEXTS, title=TITLES, first=LINES, second=LINES)
def test_put_again(before: str, after: str, title: str, first: str, second: str) -> None:
    """The same lines a second time change nothing, and other lines change nothing but the block."""
    once = put(before + after, title, first, lambda _: len(before))
    assert put(once, title, first, len) == once
    assert put(once, title, second, len) == before + block_text(title, second) + after


@given(text=TEXTS, lines=st.lists(LINES, min_size=2, max_size=2))
def test_several(text: str, lines: list[str]) -> None:
    """Blocks of different titles do not disturb each other."""
    one = insert(text, 0, "setup ufw", lines[0])
    both = insert(one, len(one), "setup ufw, log", lines[1])
    assert remove(both, "setup ufw, log").rstrip("\n") == one.rstrip("\n")
    span = find(both, "setup ufw")
    assert span is not None
    assert both[span.start : span.end] == block_text("setup ufw", lines[0])
