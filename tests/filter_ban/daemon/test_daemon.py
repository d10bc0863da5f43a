# SPDX-License-Identifier: ISC
"""The daemon as a whole: enforcer, engine, ledger and sockets, without mail server and firewall."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.filter_ban.daemon.process import WAIT_S, Daemon, Smtpd, wait_for

BOT = "198.51.100.66"
OTHER = "198.51.100.7"


def test_a_guesser_is_refused_everywhere_and_others_are_not(daemon: Daemon) -> None:
    """The sixth login is refused in the session, at AUTH and at MAIL, and in a new one, whatever the password."""
    server = Smtpd(daemon.start())
    session, decision = server.connect(BOT)
    tries = [server.login(session, f"AGEA{number}") for number in range(5)]
    sixth = server.login(session, "cmlnaHQ=", result="pass")

    assert [decision, *tries] == ["proceed"] * 6
    (ban,) = daemon.bans().values()
    assert sixth.startswith(f"disconnect|421 4.7.0 {BOT} refused until ")
    assert sixth.endswith(f" after 5 failed logins, reference {ban['reference']}")
    assert server.ask("mail-from", session, "a@example.org") == sixth
    assert server.connect(BOT)[1] == sixth
    session, decision = server.connect(OTHER)
    assert (decision, server.login(session, result="pass")) == ("proceed", "proceed")


def test_on_smtps_the_first_offence_is_told_inside_tls(daemon: Daemon) -> None:
    """At connect the reply would go out before TLS and no mail program could show it; from the second on it does."""
    server = Smtpd(daemon.start())
    server.guess(BOT, 5)

    session, decision = server.connect(BOT, 465)
    assert decision == "proceed"
    server.report("link-tls", session, "TLSv1.3:X:256")
    assert server.login(session).startswith("disconnect|421")


def test_an_old_password_is_never_banned(daemon: Daemon) -> None:
    """The same user and secret again and again count once."""
    server = Smtpd(daemon.start())
    session, _ = server.connect(OTHER)
    for _ in range(50):
        assert server.login(session, "b2xk") == "proceed"

    assert daemon.bans() == {}
    assert daemon.status()["events"]["auth-fail"] == 50


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_bans_survive_with_their_ends(daemon: Daemon, ending: str) -> None:
    """A restart loses no ban and shifts no end, however the daemon ended."""
    server = Smtpd(daemon.start())
    server.guess(BOT, 5)
    before = daemon.bans()
    wait_for(lambda: daemon.status()["ledger"]["pending_bans"] == 0, "the ban is committed")
    getattr(daemon, ending)()
    daemon.start()

    assert daemon.bans() == before
    assert Smtpd(daemon).connect(BOT)[1].startswith("disconnect|421")


def test_strikes_survive_and_an_old_password_stays_forgiven(daemon: Daemon) -> None:
    """After a restart four strikes and one more are five; the first try of a remembered user is taken as known."""
    server = Smtpd(daemon.start())
    server.guess(BOT, 4)
    session, _ = server.connect(OTHER)
    server.login(session, "b2xk")
    daemon.stop()
    daemon.start()
    wait_for(lambda: not daemon.status()["restoring"], "the strikes are back")
    server = Smtpd(daemon)

    session, _ = server.connect(OTHER)
    for _ in range(20):
        assert server.login(session, "b2xk") == "proceed"
    session, _ = server.connect(BOT)
    for number in range(5):
        server.login(session, f"bmV3{number}", user="bob@example.org")
    assert list(daemon.bans()) == [BOT]


def test_a_killed_engine_comes_back_with_everything(daemon: Daemon) -> None:
    """The sockets stay, the next engine serves them, and a ban of before is refused in its first answer."""
    server = Smtpd(daemon.start())
    server.guess(BOT, 5)
    wait_for(lambda: daemon.status()["ledger"]["pending_bans"] == 0, "the ban is committed")
    for _ in range(3):
        engine = daemon.engine_pid()
        os.kill(engine, signal.SIGKILL)
        assert Smtpd(daemon).connect(BOT)[1].startswith("disconnect|421")
        assert daemon.engine_pid() != engine


def test_a_hanging_engine_is_replaced(daemon: Daemon) -> None:
    """Without a heartbeat for two seconds the engine is ended, and the next one answers."""
    server = Smtpd(daemon.start())
    server.guess(BOT, 5)
    wait_for(lambda: daemon.status()["ledger"]["pending_bans"] == 0, "the ban is committed")
    engine = daemon.engine_pid()
    os.kill(engine, signal.SIGSTOP)

    assert Smtpd(daemon).connect(BOT)[1].startswith("disconnect|421")
    assert daemon.engine_pid() != engine


def test_the_engine_leaves_with_its_enforcer(daemon: Daemon) -> None:
    """An engine whose enforcer was killed does not stay behind, and a new daemon takes over at once."""
    daemon.start()
    engine = daemon.engine_pid()
    daemon.kill_enforcer()

    wait_for(lambda: not Path(f"/proc/{engine}").exists(), "the engine is gone")
    daemon.start()


def serve(daemon: Daemon) -> subprocess.CompletedProcess[str]:
    """Return how a daemon with this configuration ended."""
    argv = [sys.executable, "-m", "filter_ban", "serve", "--config", str(daemon.config)]
    return subprocess.run(argv, timeout=WAIT_S, check=False, capture_output=True, text=True)


def test_a_second_daemon_is_not_needed(daemon: Daemon) -> None:
    """It sees the lock of the first and leaves with status 0."""
    daemon.start()

    ended = serve(daemon)

    assert (ended.returncode, "a daemon runs already" in ended.stderr) == (0, True)


def test_a_wrong_configuration_is_refused_with_all_faults(daemon: Daemon) -> None:
    """The daemon does not start, says why on its log, and leaves with status 78."""
    daemon.configure('mode = "x"\nfoo = 1')

    ended = serve(daemon)

    assert ended.returncode == 78
    assert "mode = 'x': must be one of" in ended.stderr
    assert "foo: unknown key" in ended.stderr


def test_garbage_on_the_relay_socket_harms_nobody(daemon: Daemon) -> None:
    """Whatever one connection sends, another one is served."""
    daemon.start()
    noise = daemon.connect("relay.sock")
    noise.sendall(b"\xff\x00|garbage|\n" * 1000 + b"x" * 100_000)
    noise.sendall(b"report|0.7|1.0|smtp-in|link-auth|0123456789abcdef|fail|x\nfilter|||||||\n")

    assert Smtpd(daemon).connect(OTHER)[1] == "proceed"
    noise.close()


def test_watching_refuses_nobody(daemon: Daemon) -> None:
    """In mode watch bans are decided and logged, and every request proceeds."""
    daemon.configure('mode = "watch"')
    server = Smtpd(daemon.start())

    assert server.guess(BOT, 8) == "proceed"
    assert server.connect(BOT)[1] == "proceed"
    assert list(daemon.bans()) == [BOT]
    assert "would-ban client=198.51.100.66" in daemon.log.read_text()


def test_never_networks_are_never_counted(daemon: Daemon) -> None:
    """A client on the never-list may fail as often as it likes."""
    daemon.configure("")
    daemon.config.write_text(
        daemon.config.read_text().replace("own_addresses", f'networks = ["{OTHER}/32"]\nown_addresses')
    )
    server = Smtpd(daemon.start())

    assert server.guess(OTHER, 10) == "proceed"
    assert daemon.bans() == {}


def test_an_unusable_ledger_stops_nothing(daemon: Daemon) -> None:
    """Where the ledger cannot be, counting and refusing go on in memory, and status says so."""
    daemon.ledger.parent.parent.joinpath("ledger").mkdir()
    daemon.ledger.mkdir()
    server = Smtpd(daemon.start())
    server.guess(BOT, 5)

    assert server.connect(BOT)[1].startswith("disconnect|421")
    wait_for(lambda: not daemon.status()["ledger"]["ok"], "the trouble is said")

    daemon.ledger.rmdir()
    wait_for(lambda: daemon.status()["ledger"]["ok"], "the ledger works")
    wait_for(lambda: daemon.status()["ledger"]["pending_bans"] == 0, "the ban is committed")
    daemon.kill()
    daemon.start()
    assert list(daemon.bans()) == [BOT]


def test_no_process_may_dump_core(daemon: Daemon) -> None:
    """Credentials pass through: neither process leaves a core file."""
    daemon.start()
    for pid in (daemon.pid, daemon.engine_pid()):
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)


def test_passwords_are_nowhere(daemon: Daemon) -> None:
    """Neither a secret nor what was made of it gets into log or ledger; user names are masked."""
    server = Smtpd(daemon.start())
    session, _ = server.connect(BOT)
    for number in range(5):
        server.login(session, f"AGFsaWNlAFNlc2FtZS{number}", user="alice.secretname@example.org")
    daemon.ask("show", client=BOT)
    daemon.stop()

    for file in daemon.folder.rglob("*"):
        if file.is_file() and file != daemon.config:
            content = file.read_bytes()
            assert b"AGFsaWNl" not in content
            assert b"secretname" not in content
    assert "al…@example.org".encode() in daemon.ledger.read_bytes()


def test_operators_commands(daemon: Daemon) -> None:
    """Ban, show, list and lift by hand, with what is refused and why."""
    server = Smtpd(daemon.start())
    results = daemon.ask(
        "ban",
        clients=[OTHER, "203.0.113.0/24", "10.0.0.0/8", "nonsense", "192.0.2.1/24"],
        length=3600,
        reason="a\x1btest",
    )[0]["results"]

    assert [result["outcome"] for result in results] == ["banned", "banned", "refused", "refused", "refused"]
    assert "wider than never.widest.ipv4 = 24" in results[2]["why"]
    assert "did you mean 192.0.2.0/24?" in results[4]["why"]
    assert results[0]["reason"] == "a\\x1btest"
    assert server.connect("203.0.113.99")[1].startswith("disconnect|421")
    shown = daemon.ask("show", client="203.0.113.99")[0]
    assert shown["ban"]["client"] == "203.0.113.0/24"
    assert daemon.ask("show", client=shown["ban"]["reference"].lower())[0]["client"] == "203.0.113.0/24"
    lifted = daemon.ask("lift", clients=["203.0.113.99", "203.0.113.0/24", "203.0.113.0/24"])[0]["results"]
    assert [result["outcome"] for result in lifted] == ["refused", "lifted", "not-banned"]
    assert server.connect("203.0.113.99")[1] == "proceed"
    assert "error" in daemon.ask("show", client="nonsense")[-1]
    assert "error" in daemon.ask("nonsense")[-1]


def test_show_tells_the_latest_events(daemon: Daemon) -> None:
    """What has just happened is shown, even if the ledger is written once a second."""
    server = Smtpd(daemon.start())
    server.guess(BOT, 3)

    shown = daemon.ask("show", client=BOT)[0]
    assert shown["strikes"] == 3.0
    assert [event["kind"] for event in shown["events"]] == ["auth-fail"] * 3
    assert shown["events"][0]["user"] == "al…@example.org"
    assert shown["events"][0]["service"] == "192.0.2.1:587"
