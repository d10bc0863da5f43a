# SPDX-License-Identifier: ISC
"""The live view's loop: keys and answers to the screen, the screen to the terminal."""

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Final

from rich.console import Console

from filter_ban.cli.daemon_client import DaemonClient
from filter_ban.cli.reading import print_json
from filter_ban.cli.watch import errands
from filter_ban.cli.watch.keys import Keyboard
from filter_ban.cli.watch.link import Link, Waker
from filter_ban.cli.watch.look import Look, choose_look
from filter_ban.cli.watch.screen import Screen
from filter_ban.cli.watch.terminal import Terminal, is_usable
from filter_ban.cli.watch.view import rows, snapshot
from filter_ban.config import Config

INTERVAL_S: Final = 1.0
ESCAPE_S: Final = 0.05  # a sequence comes at once, even over ssh; the Escape key comes alone
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_MAX_KEYS_BYTES: Final = 4096


class Ended(BaseException):
    """A signal has asked us to leave."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(config: Config, *, once: bool, as_json: bool) -> None:
    """
    Show the view until the user leaves it; or once, where that is wanted or there is no terminal.

    Raises:
        Unavailable: no daemon answers at the start.
        Failure: it does, and cannot do that.

    """
    with DaemonClient.find(config) as daemon:
        document = daemon.ask_one(errands.WATCH)
    screen = Screen(socket.gethostname())
    screen.heed(errands.Answer(errands.look(), document))
    look = choose_look(sys.stdout.encoding, os.environ)
    if as_json:
        print_json(document)
    elif once or not is_usable():
        _print(screen, look)
    else:
        _live(config, screen, look)


def _print(screen: Screen, look: Look) -> None:
    width = shutil.get_terminal_size().columns
    screen.selected = ""
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    for row in snapshot(screen, width, look):
        console.print(row, no_wrap=True)


def _live(config: Config, screen: Screen, look: Look) -> None:
    try:
        terminal = Terminal()
        with (
            Waker() as waker,
            _signals(waker),
            terminal.taken(),
            Link(lambda: DaemonClient.find(config), waker.wake) as link,
        ):
            View(screen, terminal, link, waker, look).run()
    except Ended as ended:  # the terminal is as it was: now end as the signal wants it
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)


class View:
    """Joins screen, terminal and daemon; asks the daemon once a second, and never twice at a time."""

    def __init__(self, screen: Screen, terminal: Terminal, link: Link, waker: Waker, look: Look) -> None:
        self._screen = screen
        self._terminal = terminal
        self._link = link
        self._waker = waker
        self._look = look
        self._keyboard = Keyboard()
        self._asked = False
        self._due_s = time.monotonic() + INTERVAL_S

    def run(self) -> None:
        """Go on until the user leaves, or the terminal is gone."""
        while not self._screen.leaving:
            width, height = self._terminal.size
            self._terminal.draw(rows(self._screen, width, height, self._look))
            self._ask_if_due()
            self._wait()
            for answer in self._link.take():
                self._heed(answer)

    def _ask_if_due(self) -> None:
        if not self._asked and not self._screen.paused and time.monotonic() >= self._due_s:
            self._send(errands.look())

    def _send(self, errand: errands.Errand) -> None:
        self._asked = self._asked or errand.command == errands.WATCH
        self._link.send(errand)

    def _heed(self, answer: errands.Answer) -> None:
        self._screen.heed(answer)
        if answer.errand.command == errands.WATCH:
            self._asked = False
            self._due_s = time.monotonic() + INTERVAL_S
        elif answer.errand.command != errands.SHOW and not answer.failure:
            self._link.send(errands.look(fresh=True))  # what has been done is to be seen at once

    def _wait(self) -> None:
        """Wait for keys, an answer, a signal, or the time to ask."""
        timeout_s = None if self._asked or self._screen.paused else max(0.0, self._due_s - time.monotonic())
        if self._keyboard.is_undecided:
            timeout_s = ESCAPE_S
        readable, _, _ = select.select([self._terminal.input, self._waker.read_end], [], [], timeout_s)
        if self._waker.read_end in readable:
            self._waker.drain()
        if self._terminal.input in readable:
            self._press(self._keyboard.feed(self._read()))
        elif self._keyboard.is_undecided:
            self._press(self._keyboard.settle())

    def _read(self) -> bytes:
        try:
            data = os.read(self._terminal.input, _MAX_KEYS_BYTES)
        except OSError:  # it was hung up
            data = b""
        self._screen.leaving = self._screen.leaving or not data
        return data

    def _press(self, keys: list[str]) -> None:
        for key in keys:
            if key == "redraw":
                self._terminal.redraw()
            elif (errand := self._screen.press(key)) is not None:
                self._send(errand)


@contextlib.contextmanager
def _signals(waker: Waker) -> Iterator[None]:
    """Make SIGTERM and SIGHUP an exception, and have a change of size end the wait."""

    def end(number: int, _frame: FrameType | None) -> None:
        for number_of_any in _ENDING:  # a second one must not disturb the way out
            signal.signal(number_of_any, signal.SIG_IGN)
        raise Ended(number)

    before = {number: signal.signal(number, end) for number in _ENDING}
    before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: None)
    before_wakeup = signal.set_wakeup_fd(waker.write_end, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before_wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
