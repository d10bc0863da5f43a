# SPDX-License-Identifier: ISC
"""The shell as a program that a fake smtpd starts."""

import signal
import sys
from pathlib import Path

import pytest

import opensmtpd
from opensmtpd import Ehlo
from opensmtpd.aio import EXIT_UNAVAILABLE
from opensmtpd.testing import FakeSmtpd, SmtpdDiedError

PROGRAM = """
import asyncio, os, subprocess, sys, time
from opensmtpd import *
from opensmtpd.aio import Filter

async def auth(request):
    await asyncio.sleep(3600)

def ehlo(request):
    print("stray print")
    os.write(1, b"stray write\\n")
    subprocess.run(["/bin/echo", "stray child"], check=True)
    sys.stdin.read()
    if request.identity == "localhost":
        return Reject("550 5.7.1 Say your own name")
    return 1 / 0 if request.identity == "raise" else Proceed()

def login(report):
    raise ValueError(report.user)

Filter(requests={Ehlo: ehlo, Auth: auth}, reports={LinkAuth: login}, deadline_s=0.1).main()
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Return the command of a filter with odd handlers."""
    (tmp_path / "filter.py").write_text(PROGRAM)
    root = Path(opensmtpd.__file__).parents[1]
    return ["/usr/bin/env", f"PYTHONPATH={root}", sys.executable, str(tmp_path / "filter.py")]


@pytest.mark.parametrize("version", ["0.6", "0.7"])
def test_a_filter_program(command: list[str], version: str) -> None:
    """Prints, children, failing and hanging handlers and signals do no harm; the end of input ends it with status 0."""
    with FakeSmtpd(command, version=version) as smtpd:
        smtpd.handshake()
        assert (smtpd.judge.reports, smtpd.judge.phases) == (["link-auth"], {"ehlo", "auth"})
        session = smtpd.open_session()
        assert session.connect().decision == "proceed"
        assert session.ask(Ehlo, identity="localhost").reply == "550 5.7.1 Say your own name"
        assert session.ask(Ehlo, identity="raise").decision == "proceed"
        assert session.login("a|b ü", "secret").decision == "proceed"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            smtpd.process.send_signal(number)
        other = smtpd.open_session("[2001:db8::7]:4711")
        assert other.ask(Ehlo, identity="x").decision == "proceed"
        session.disconnect()
        other.disconnect()
    log = smtpd.stderr
    assert all(
        text in log for text in ("stray print", "stray write", "stray child", "handler of auth is late")
    )
    assert "ValueError: a|b ü" in log
    assert "secret" not in log


def run_with_unknown_server(smtpd: FakeSmtpd) -> None:
    """Speak a protocol of the future to a filter."""
    with smtpd:
        smtpd.send(b"config|protocol|9.9\n")
        smtpd.wait(lambda: False, "the end")


def test_a_program_leaves_an_unknown_server(command: list[str]) -> None:
    """A protocol that cannot be spoken ends the program with status 69 and a reason, when smtpd starts."""
    smtpd = FakeSmtpd(command)
    with pytest.raises(SmtpdDiedError, match=r"exit status 69.*protocol '9\.9': must be"):
        run_with_unknown_server(smtpd)
    assert smtpd.process.returncode == EXIT_UNAVAILABLE
