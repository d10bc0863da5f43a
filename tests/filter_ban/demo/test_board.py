# SPDX-License-Identifier: ISC
"""What the terminal shows."""

import pytest
from rich.console import Console

from filter_ban.client import parse_network
from filter_ban.demo.board import BY_HAND, EVENTS_SHOWN, MAX_ROWS, Board, Event
from filter_ban.model import Ban

BAN = Ban(
    client=parse_network("192.0.2.7"),
    start_s=1_763_690_000,
    end_s=1_763_690_900,
    rule="5 in 10m",
    reason="5 strikes within 10m",
    strikes=5,
    reference="7K3M9QXA",
)


@pytest.fixture
def board() -> Board:
    """Return a board with one known client and a clock that stands still."""
    return Board({"127.0.0.66": "guesser"}, clock=lambda: 1_763_690_000.0)


def drawn(board: Board) -> list[str]:
    """Return the lines of *board* on a terminal of 80 columns."""
    console = Console(width=80, force_terminal=False)
    with console.capture() as shown:
        console.print(board)
    return shown.get().splitlines()


def test_height(board: Board) -> None:
    """The events take the same space whether there are none or too many."""
    before = len(drawn(board))
    for number in range(3 * EVENTS_SHOWN):
        board.note("guesser", f"event {number}")
    lines = drawn(board)
    assert len(lines) == before
    assert lines[-1].endswith(f"event {3 * EVENTS_SHOWN - 1}")


def test_long_event(board: Board) -> None:
    """An event that is too long for a line is cut."""
    board.note("guesser", "x" * 200)
    assert drawn(board)[4].endswith("x…")
    assert max(map(len, drawn(board))) <= 80


def test_banned_row(board: Board) -> None:
    """A banned client's row says until when, and the reference."""
    board.row("127.0.0.66").ban = BAN
    assert "banned, ref 7K3M9QXA\n" in "\n".join(map(str.rstrip, drawn(board)))
    assert "until 2025-11-21 02:09 UTC" in "\n".join(drawn(board))


def test_markup_is_no_markup(board: Board) -> None:
    """What looks like rich's markup in an event is text."""
    board.note("guesser", "wrong password for [bold]x[/]")
    assert "[bold]x[/]" in "\n".join(drawn(board))


def test_visitors(board: Board) -> None:
    """Clients that come by hand get rows; the newest stay, and the actors always do."""
    for number in range(2 * MAX_ROWS):
        assert board.row(f"127.0.1.{number}").name == BY_HAND
    assert len(board.rows) == MAX_ROWS
    assert "127.0.0.66" in board.rows
    assert f"127.0.1.{2 * MAX_ROWS - 1}" in board.rows


def test_on_event(board: Board) -> None:
    """Each event is handed on as it happens."""
    seen: list[Event] = []
    board.on_event = seen.append
    board.note("guesser", "connects anew", "red")
    assert seen == [Event(1_763_690_000.0, "guesser", "connects anew", "red")]
