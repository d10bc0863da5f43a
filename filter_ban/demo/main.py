# SPDX-License-Identifier: ISC
"""``filter-ban demo``: sets the stage, shows the play, and says whether it went as promised."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from filter_ban.config import parse_config
from filter_ban.demo.board import Board
from filter_ban.demo.cast import IPV4_HOST, Cast, NoStage, choose_cast
from filter_ban.demo.server import MailServer
from filter_ban.demo.story import ACCOUNTS, ALICE, Outcome, Story
from filter_ban.demo.witness import Witness

PACE_S: Final = 0.45
_REFRESH_S: Final = 1.0
_FAILED: Final = 1
CONFIG: Final = """
[never]
own_addresses = false               # everybody here comes from loopback
"""

NEXT: Final = """\
Next, for your own mail server (the quick starts in docs/ have the whole of it):
  /etc/smtpd.conf   filter "ban" proc-exec "/usr/local/bin/filter-ban opensmtpd"
                    listen on … filter "ban"
  filter-ban status             who is banned, and whether the firewall agrees
  filter-ban show 192.0.2.7     why, until when, and how to lift it
  filter-ban demo --stay        keeps this server running, to try it by hand"""


def run(stay: bool, *, pace_s: float = PACE_S, console: Console | None = None) -> int:
    """
    Show the demonstration.

    Args:
        stay: Keep the server running until Ctrl-C.
        pace_s: Pause after each step.
        console: Where to show it.

    Returns: the exit status: 0 all went as promised, 1 something did not or there is no stage.

    """
    console = console or Console(highlight=False)
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of each broken-off AUTH
    try:
        cast = choose_cast()
    except NoStage as lack:
        console.print(str(lack), markup=False)
        return _FAILED
    return asyncio.run(_show(cast, console, pace_s, stay=stay))


async def _show(cast: Cast, console: Console, pace_s: float, *, stay: bool) -> int:
    board = Board(cast.names)
    guard = Witness(parse_config(CONFIG), board)
    server = MailServer(guard, ACCOUNTS)
    ports = await server.start(cast.hosts)
    story = Story(cast=cast, ports=ports, board=board, guard=guard, server=server, pace_s=pace_s)
    console.print(_heading(ports[IPV4_HOST]))
    if cast.remark:
        console.print(cast.remark, markup=False)
    console.print()
    try:
        with _shown(board, console):
            outcome = await story.play()
        _print_outcome(outcome, console)
        if stay:
            host = cast.host_for(cast.by_hand)
            console.print(_invitation(cast.by_hand, host, ports[host]), markup=False)
            with _shown(board, console) as refresh:
                await _stay(guard, refresh)
            console.print()
        console.print(NEXT, markup=False)
    finally:
        server.stop()
    return 0 if outcome.good else _FAILED


@contextlib.contextmanager
def _shown(board: Board, console: Console) -> Iterator[Callable[[], None]]:
    """Show *board*: as a live table, or where that cannot be, each event as a line and the table at the end."""
    if not console.is_terminal or console.is_dumb_terminal:
        board.on_event = lambda event: console.print(event.line(), soft_wrap=True)
        yield lambda: None
        console.print()
        console.print(board.table())
        return
    with Live(board, console=console, auto_refresh=False) as live:
        board.on_event = lambda _event: live.refresh()
        yield live.refresh


async def _stay(guard: Witness, refresh: Callable[[], None]) -> None:
    """Keep the board up to date until Ctrl-C."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    while not stop.is_set():
        guard.refresh()
        refresh()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _REFRESH_S)
    loop.remove_signal_handler(signal.SIGINT)


def _heading(port: int) -> Text:
    return Text.assemble(
        ("filter-ban demo", "bold"),
        f": a mail server on 127.0.0.1:{port}, and three who log in to it.\n",
        "Alice mistypes once, bob's phone has an old password, and one is guessing.",
    )


def _print_outcome(outcome: Outcome, console: Console) -> None:
    console.print()
    for fact in outcome.facts:
        mark, style = ("ok  ", "green") if fact.held else ("FAIL", "bold red")
        console.print(Text.assemble((mark, style), f"  {fact.text}"))
    console.print(f"What the guesser was told: {outcome.told}\n", markup=False)


def _invitation(source: str, host: str, port: int) -> str:
    user, password = ALICE, ACCOUNTS[ALICE]
    return f"""\
The server stays, without TLS, for tries by hand:
  host {host}  port {port}  user {user}  password {password}
Guess from an address of your own, a new password each time, then the right one:
  swaks --server {host} --port {port} --local-interface {source} \\
        --quit-after AUTH --auth LOGIN --auth-user {user} --auth-password guess-1
  python3 -c 'import smtplib; smtplib.SMTP("{host}", {port},
        source_address=("{source}", 0)).login("{user}", "guess-1")'
Ctrl-C ends it.
"""
