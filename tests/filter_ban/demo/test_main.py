# SPDX-License-Identifier: ISC
"""The demonstration as a whole: it keeps its promises, fast or slow, on a terminal or not."""

import os
import pty
import re
import select
import signal
import smtplib
import subprocess
import sys
import time

import pytest
from rich.console import Console

from filter_ban.demo import main
from filter_ban.demo.cast import Cast, NoStage, can_bind
from filter_ban.demo.story import ACCOUNTS, GUESSES, Fact, Outcome, Story

BOUND_S = 30.0
HURRY = "import sys; from filter_ban.demo.main import run; sys.exit(run('--stay' in sys.argv, pace_s=0))"


def plain_console() -> Console:
    """Return a console that is no terminal, 80 columns wide."""
    return Console(file=None, force_terminal=False, width=80, highlight=False, record=True, quiet=False)


def show(**options: object) -> tuple[int, str]:
    """Run the demonstration in a hurry; return its status and what it showed."""
    console = plain_console()
    with console.capture() as shown:
        status = main.run(stay=False, pace_s=0, console=console)
    return status, shown.get()


def test_promises() -> None:
    """All promises hold: each is told as a fact, the status is 0, and the next commands follow."""
    status, shown = show()
    assert status == 0
    assert shown.count("\nok    ") == 7
    assert "FAIL" not in shown
    assert re.search(r"127\.0\.0\.66 +guesser +5 +5 +2 +banned, ref [0-9A-Z]{8}", shown)
    assert re.search(r"127\.0\.0\.20 +bob's phone +9 +0 +0 +free", shown)
    assert re.search(r"What the guesser was told: 421 4\.7\.0 127\.0\.0\.66 refused until", shown)
    assert "filter-ban status" in shown


def test_width() -> None:
    """Nothing is wider than 80 columns, and without a terminal nothing is coloured."""
    _, shown = show()
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown


def test_no_password_is_shown() -> None:
    """Neither right nor wrong passwords are shown."""
    _, shown = show()
    assert not [word for word in (*ACCOUNTS.values(), *GUESSES[2:]) if word in shown]


def test_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a promise is broken the status is 1, and the summary names it."""

    async def play(_story: Story) -> Outcome:
        return Outcome(
            (Fact("the guesser was banned", held=False), Fact("alice sent mail", held=True)), told=""
        )

    monkeypatch.setattr(Story, "play", play)
    status, shown = show()
    assert status == 1
    assert "FAIL  the guesser was banned" in shown
    assert "ok    alice sent mail" in shown


def test_blunt_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """With limits that the guesser does not reach, the facts are found broken: they are looked at, not recited."""
    monkeypatch.setattr(main, "CONFIG", main.CONFIG + '[limits]\nwindows = ["50 in 10m"]\n')
    status, shown = show()
    assert status == 1
    assert shown.count("FAIL") == 4


@pytest.mark.skipif(not can_bind("::1"), reason="there is no ::1 on this machine")
def test_two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are two addresses only, all promises still hold, and it says how to have more."""
    monkeypatch.setattr(
        main, "choose_cast", lambda: Cast("127.0.0.1", "::1", "::1", by_hand="::1", remark="Shared.")
    )
    status, shown = show()
    assert status == 0
    assert "Shared." in shown


def test_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one address only, it says so and ends with status 1."""

    def choose_cast() -> Cast:
        raise NoStage("only one address")

    monkeypatch.setattr(main, "choose_cast", choose_cast)
    assert show() == (1, "only one address\n")


def test_terminal() -> None:
    """On a terminal of 80 by 24 the table is live: it is drawn over and over, and the summary stays."""
    shown, status = in_terminal([])
    assert status == 0
    assert shown.count("guesser") > 10
    assert "\x1b[" in shown
    assert shown.count("ok  ") == 7


def test_no_colour() -> None:
    """With NO_COLOR the live table has no colours."""
    shown, status = in_terminal([], NO_COLOR="1")
    assert status == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown)


def in_terminal(arguments: list[str], **environment: str) -> tuple[str, int]:
    """Run the demonstration in a terminal of its own; return what it wrote and its status."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-c", HURRY, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **size, **environment},
    ) as process:
        os.close(theirs)
        try:
            return read_all(ours), process.wait(BOUND_S)
        finally:
            process.kill()
            os.close(ours)


def read_all(fd: int) -> str:
    """Read until the other side is closed."""
    data = b""
    end_s = time.monotonic() + BOUND_S
    while time.monotonic() < end_s and select.select([fd], [], [], BOUND_S)[0]:
        try:
            piece = os.read(fd, 1 << 16)
        except OSError:  # how a terminal says end of file
            break
        if not piece:
            break
        data += piece
    return data.decode()


def test_stay() -> None:
    """With --stay the server answers tries by hand, bans who guesses there, and Ctrl-C ends it with status 0."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", HURRY, "--stay"], stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        try:
            assert process.stdout is not None
            shown = ""
            while "Ctrl-C ends it." not in shown:
                shown += process.stdout.readline() or pytest.fail(shown)
            host, port, user, password = re.findall(
                r"host (\S+)  port (\d+)  user (\S+)  password (\S+)", shown
            )[0]

            def log_in(word: str, source: str) -> int:
                with smtplib.SMTP(host, int(port), timeout=BOUND_S, source_address=(source, 0)) as client:
                    return client.login(user, word)[0]

            assert log_in(password, "127.0.0.78") == 235
            for number in range(4):
                with pytest.raises(smtplib.SMTPAuthenticationError):
                    log_in(f"guess-{number}", "127.0.0.77")
            with pytest.raises(smtplib.SMTPAuthenticationError):
                log_in("guess-5", "127.0.0.77")
            with pytest.raises(smtplib.SMTPConnectError, match="421"):
                log_in(password, "127.0.0.77")
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=BOUND_S)
        finally:
            process.kill()
    assert process.returncode == 0
    assert max(map(len, (shown + rest).splitlines())) <= 80
    assert "by hand      BANNED" in rest
    assert re.search(r"127\.0\.0\.77 +by hand +\d+ +5 +\d+ +banned", rest)
    assert re.search(r"127\.0\.0\.78 +by hand +1 +0 +0 +free", rest)
