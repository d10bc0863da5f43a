# SPDX-License-Identifier: ISC
"""What the operator changes under a running daemon: the configuration, and who is let in."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from postfix_policy import encode_request
from postfix_policy.testing import FakeSession
from tests.filter_ban.daemon.process import WAIT_S, Daemon, Smtpd, free_port, wait_for

BOT, OTHER = "198.51.100.66", "198.51.100.7"


def command(daemon: Daemon, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the command line."""
    argv = [sys.executable, "-m", "filter_ban", *words, "--config", str(daemon.config)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_an_allowed_client_is_neither_counted_nor_banned(daemon: Daemon) -> None:
    """Its ban ends at once, it may guess, and what it does counts again when it is taken out; a restart changes nothing."""
    smtpd = Smtpd(daemon.start())
    smtpd.guess(BOT, 6)
    assert BOT in daemon.bans()

    (answer,) = daemon.ask("allow", clients=[BOT, "nonsense"], length=None, reason="customer 4711")
    assert [result["outcome"] for result in answer["results"]] == ["allowed", "refused"]
    assert not daemon.bans()
    assert smtpd.guess(BOT, 20) == "proceed"
    assert daemon.ask("show", client=BOT)[0]["allowed"]["reason"] == "customer 4711"
    (refused,) = daemon.ask("ban", clients=[BOT])[0]["results"]
    assert "let in by hand" in refused["why"]

    daemon.stop()
    smtpd = Smtpd(daemon.start())
    assert smtpd.guess(BOT, 20) == "proceed"
    (known,) = daemon.ask("allowed")[0]["allowed"]
    assert (known["client"], known["until"]) == (BOT, None)

    daemon.ask("disallow", clients=[BOT])
    smtpd.guess(BOT, 6)
    assert BOT in daemon.bans()


def test_a_network_is_let_in_with_its_bans_and_for_a_time(daemon: Daemon) -> None:
    """Bans within it end; when the time is over it is as before."""
    daemon.start()
    daemon.ask("ban", clients=[BOT, OTHER, "203.0.113.5"])
    daemon.ask("allow", clients=["198.51.100.0/24"], length=1)
    assert daemon.bans().keys() == {"203.0.113.5"}
    wait_for(lambda: not daemon.ask("allowed")[0]["allowed"], "the allowance is over")
    assert daemon.ask("ban", clients=[BOT])[0]["results"][0]["outcome"] == "banned"


def test_allow_on_the_command_line(daemon: Daemon) -> None:
    """It says what it does, lists who is let in with and without a daemon, and takes them out."""
    daemon.start()
    done = command(daemon, "allow", "--reason", "our office", "192.0.2.0/24")
    assert (done.returncode, done.stdout) == (0, "192.0.2.0/24 is let in, whatever it does\n")
    assert "192.0.2.0/24" in command(daemon, "allow").stdout
    wait_for(lambda: not daemon.status()["ledger"]["pending_bans"], "it is written")
    daemon.stop()
    (known,) = json.loads(command(daemon, "allow", "--json").stdout)["allowed"]
    assert known["reason"] == "our office"
    daemon.start()
    removed = command(daemon, "allow", "--remove", "192.0.2.0/24", "192.0.2.1")
    assert (removed.returncode, removed.stdout) == (1, "192.0.2.0/24 is let in by hand no more\n")
    assert removed.stderr == "filter-ban: 192.0.2.1: is not let in by hand\n"
    assert command(daemon, "allow").stdout == "nobody is let in by hand\n"


def test_a_reload_changes_the_rules_and_keeps_the_counts(daemon: Daemon) -> None:
    """A lower limit holds for what was counted before; sessions that are open go on."""
    smtpd = Smtpd(daemon.start())
    session, _ = smtpd.connect(BOT)
    for secret in ("AGEAYg==", "AGEAYw=="):
        assert smtpd.login(session, secret) == "proceed"
    daemon.configure('[limits]\nwindows = ["3 in 10m"]\n')

    done = command(daemon, "reload")

    assert (done.returncode, done.stdout) == (0, f"{daemon.config} is in force: limits.windows\n")
    assert smtpd.login(session, "AGEAZA==") == "proceed"
    assert smtpd.login(session, "AGEAZQ==").startswith("disconnect|421")
    assert daemon.bans()[BOT]["rule"] == "3 in 10m"


def test_a_signal_does_the_same(daemon: Daemon) -> None:
    """SIGHUP has the file read again; with the mode watch nobody is refused any more."""
    smtpd = Smtpd(daemon.start())
    smtpd.guess(BOT, 6)
    assert smtpd.connect(BOT)[1].startswith("disconnect|421")
    daemon.configure('mode = "watch"\n')
    os.kill(daemon.pid, signal.SIGHUP)
    wait_for(lambda: daemon.status()["mode"] == "watch", "the mode has changed")
    assert smtpd.connect(BOT)[1] == "proceed"


def test_a_wrong_configuration_leaves_the_old_one(daemon: Daemon) -> None:
    """Every fault is told, exit status 78, and the limits are what they were."""
    smtpd = Smtpd(daemon.start())
    daemon.config.write_text(daemon.config.read_text() + '[limits]\nwindows = ["x"]\nipv4_prefix = 99\n')
    done = command(daemon, "reload")
    assert done.returncode == 78
    assert "limits.windows" in done.stderr
    assert "limits.ipv4_prefix" in done.stderr
    assert done.stderr.endswith("The daemon goes on with the configuration that it has.\n")
    (answer,) = daemon.ask("reload")
    assert "limits.windows" in answer["problem"]
    smtpd.guess(BOT, 6)
    assert daemon.bans()[BOT]["rule"] == "5 in 10m"
    assert "configuration-wrong" in daemon.log.read_text()


def test_what_needs_a_restart_is_named_and_stays(daemon: Daemon) -> None:
    """A listener is not moved by a reload, and is named again by the next one until there was a restart."""
    daemon.start()
    port = free_port()
    daemon.configure(f'[postfix]\nlisten = ["127.0.0.1:{port}"]\n')
    told = [command(daemon, "reload").stdout for _ in range(2)]
    assert told == [f"{daemon.config} is in force\nafter a restart of filter-ban: postfix.listen\n"] * 2
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_a_new_never_list_ends_bans(daemon: Daemon) -> None:
    """Bans that the new never-list covers end with the reload."""
    daemon.start()
    daemon.ask("ban", clients=[BOT, "203.0.113.5"])
    settings = daemon.config.read_text().replace("[never]\n", '[never]\nnetworks = ["198.51.100.0/24"]\n')
    daemon.config.write_text(settings)
    assert command(daemon, "reload").returncode == 0
    assert daemon.bans().keys() == {"203.0.113.5"}


class Asker:
    """A thread that asks the policy service one request after the other, and keeps what was wrong with the answers."""

    def __init__(self, port: int) -> None:
        self.wrong: list[bytes] = []
        self.answered = 0
        self._stop = threading.Event()
        self._port = port
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        asked = [
            (encode_request(FakeSession(BOT).connect()), b"action=421 "),
            (encode_request(FakeSession(OTHER).connect()), b"action=DUNNO"),
        ]
        with socket.create_connection(("127.0.0.1", self._port), WAIT_S) as connection:
            while not self._stop.is_set():
                for request, right in asked:
                    connection.sendall(request)
                    answer = b""
                    while not answer.endswith(b"\n\n"):
                        piece = connection.recv(4096)
                        if not piece:
                            self.wrong.append(b"closed")
                            return
                        answer += piece
                    self.answered += 1
                    if not answer.startswith(right):
                        self.wrong.append(answer)

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(WAIT_S)


def test_a_hundred_reloads_under_load(tmp_path: Path) -> None:
    """No request is unanswered, and each answer is the right one, before, while and after the configuration changes."""
    port = free_port()
    base = f'[postfix]\nlisten = ["127.0.0.1:{port}"]\n'
    daemon = Daemon(tmp_path, base)
    daemon.start()
    try:
        daemon.ask("ban", clients=[BOT])
        asker = Asker(port)
        try:
            for number in range(100):
                daemon.configure(f'{base}[limits]\nwindows = ["{number + 3} in 10m"]\n')
                (answer,) = daemon.ask("reload")
                assert answer["problem"] == ""
                assert answer["changed"] == {"limits.windows": ""}
        finally:
            asker.stop()
        assert asker.wrong == []
        assert asker.answered > 100
    finally:
        daemon.kill()
        daemon.peers.close()


def test_reload_without_a_daemon(daemon: Daemon) -> None:
    """There is nothing to reload: 69."""
    assert command(daemon, "reload").returncode == 69
