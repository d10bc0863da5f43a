# SPDX-License-Identifier: ISC
"""The live view of a real daemon at a pseudo-terminal."""

import contextlib
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.filter_ban.cli.watch.page import Page
from tests.filter_ban.daemon.process import Daemon, Smtpd, wait_for

UTF_8 = {"LC_ALL": "C.UTF-8"}
Watch = Callable[..., Page]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Daemon]:
    """Yield a running daemon."""
    made = Daemon(tmp_path, "[postfix]\nlisten = []\n")
    try:
        yield made.start()
    finally:
        with contextlib.suppress(OSError, IndexError):
            made.kill()
        made.peers.close()


@pytest.fixture
def watch(served: Daemon) -> Iterator[Watch]:
    """Yield a way to watch it."""
    with contextlib.ExitStack() as pages:

        def start(*options: str, **environment: str) -> Page:
            command = ("--config", str(served.config), "watch", *options)
            page = Page(*command, environment={**UTF_8, **environment})
            pages.callback(page.close)
            return page

        yield start


def test_a_session(served: Daemon, watch: Watch) -> None:
    """Failures appear as they happen; a client is explained, banned and lifted by keys; the terminal is as before."""
    page = watch()
    page.sees("filter-ban", "enforce", "well", "nobody", "q quit")
    assert page.modes == {"1049"}

    smtpd = Smtpd(served)
    smtpd.guess("203.0.113.5", 4)
    page.sees("203.0.113.5", "4 of 5 in 10m", "failed login", "1 relay")
    smtpd.guess("192.0.2.1", 5)
    page.sees("192.0.2.1", "dialogue only", "5 strikes within 10m")

    page.press("e")
    page.sees("203.0.113.5 is not banned", "Last events", "q back")
    page.press("q")
    page.sees("b ban")

    page.press("b")
    page.sees("Ban 203.0.113.5 for (2h, 7d, forever): 1d_")
    page.press("\x152h\r")
    page.sees("Ban 203.0.113.5 for 2h? y/n")
    assert "203.0.113.5" not in served.bans()
    page.press("y")
    page.sees("203.0.113.5 is banned until")
    assert "203.0.113.5" in served.bans()

    page.press("ly")
    page.sees("203.0.113.5 is no longer banned")
    assert "203.0.113.5" not in served.bans()

    page.press("q")
    assert page.end() == 0
    assert page.is_as_before()


WAYS = {
    "Ctrl-C": (lambda page: page.press("\x03"), 0),
    "SIGTERM": (lambda page: page.process.terminate(), -signal.SIGTERM),
    "SIGHUP": (lambda page: page.process.send_signal(signal.SIGHUP), -signal.SIGHUP),
}


@pytest.mark.parametrize(("leave", "status"), WAYS.values(), ids=WAYS.keys())
def test_ways_out(watch: Watch, leave: Callable[[Page], None], status: int) -> None:
    """However it ends, the terminal is as before; who sent a signal sees it in the status."""
    page = watch()
    page.sees("q quit")
    leave(page)
    assert page.end() == status
    assert page.is_as_before()


def test_a_fault_restores_the_terminal(watch: Watch, tmp_path: Path) -> None:
    """An exception is told on a terminal that is as before."""
    (tmp_path / "sitecustomize.py").write_text(
        "import filter_ban.cli.watch.screen as screen\n"
        "def fail(self, key): raise RuntimeError('a fault')\n"
        "screen.Screen.press = fail\n"
    )
    page = watch(PYTHONPATH=str(tmp_path))
    page.sees("q quit")
    page.press("j")
    assert page.end() == 1
    assert page.is_as_before()
    assert "RuntimeError: a fault" in page.raw


def test_a_restart_of_the_daemon(served: Daemon, watch: Watch) -> None:
    """A daemon that is gone is told; when it is back, the view goes on, with what the ledger remembers."""
    Smtpd(served).guess("203.0.113.5", 4)
    page = watch()
    page.sees("203.0.113.5", "well")
    served.stop()
    page.sees("NO DAEMON", "203.0.113.5")
    served.start()
    page.sees("well", "203.0.113.5", "4 of 5 in 10m")
    page.misses("NO DAEMON")


def test_sizes(watch: Watch) -> None:
    """The view follows the size of the terminal, down to one that is tiny."""
    page = watch()
    page.sees("Parts", "p pause")
    for width, height in ((132, 43), (60, 15), (10, 3), (80, 24)):
        page.resize(width, height)
        page.tell_size()
        wait_for(lambda height=height: len(page.read()) == height, f"{width} by {height}")  # type: ignore[misc]  # a default binds it
    page.sees("Parts", "p pause")
    page.press("q")
    assert page.end() == 0


def test_no_colour(watch: Watch) -> None:
    """NO_COLOR leaves bold and reverse, and no colour."""
    page = watch(NO_COLOR="1")
    page.sees("q quit")
    colours = [part for codes in re.findall(r"\x1b\[([0-9;]*)m", page.raw) for part in codes.split(";")]
    assert set(colours) <= {"", "0", "1", "7"}


def test_only_ascii(watch: Watch) -> None:
    """In the C locale nothing but ASCII is sent."""
    page = watch(LC_ALL="C")
    page.sees("-- Parts ---", "j k choose")
    assert page.raw.isascii()


def test_a_dumb_terminal(watch: Watch) -> None:
    """Where the cursor cannot be moved, the view is printed once."""
    page = watch(TERM="dumb")
    assert page.end() == 0
    assert page.is_as_before()
    assert "Newest bans" in page.raw
    assert "\x1b" not in page.raw
