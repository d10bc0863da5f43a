# SPDX-License-Identifier: ISC
"""The examples in the manual's pages are whole programs that work."""

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from opensmtpd import Ehlo
from opensmtpd.testing import FakeSmtpd
from postfix_policy import Dunno, Reply
from postfix_policy.testing import FakeSession
from postfix_policy.testing import FakeSmtpd as FakePostfix

PAGE = (Path(__file__).parents[1] / "docs" / "libraries.md").read_text()
FILTER, SERVER = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WAIT_S = 20.0


def test_the_filter(tmp_path: Path) -> None:
    """It refuses one name and lets others pass."""
    program = tmp_path / "filter.py"
    program.write_text(FILTER)
    with FakeSmtpd([sys.executable, str(program)]) as smtpd:
        smtpd.handshake()
        session = smtpd.open_session("192.0.2.7:4711")
        assert session.ask(Ehlo, identity="localhost").reply == "550 5.7.1 Say your own name"
        assert session.ask(Ehlo, identity="client.example.net").reply is None


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_the_server(tmp_path: Path) -> None:
    """It turns one client away and has no opinion on others."""
    port = free_port()
    program = tmp_path / "server.py"
    program.write_text(SERVER.replace("10040", str(port)))
    with subprocess.Popen([sys.executable, str(program)]) as server:
        try:
            deadline_s = time.monotonic() + WAIT_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline_s
                    time.sleep(0.01)
            with FakePostfix(("127.0.0.1", port)) as smtpd:
                answers = [smtpd.ask(FakeSession(client).connect()) for client in ("192.0.2.7", "192.0.2.8")]
        finally:
            server.terminate()
    assert answers == [Reply("421 4.7.0 Not now"), Dunno()]
