# SPDX-License-Identifier: ISC
"""The relay process between a strict smtpd and a daemon that behaves."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filter_ban.relay.wire import REGISTRATION

Start = Callable[..., Any]
REFUSED = b"disconnect|421 4.7.0 refused"


def test_handshake(start_relay: Start) -> None:
    """The relay registers by itself, with no daemon in sight, whatever it is told before config|ready."""
    smtpd = start_relay()
    smtpd.send(b"config|unknown|x|y\n\xff\nconfig\n\n")
    assert b"".join(line + b"\n" for line in smtpd.greet()) + b"register|ready\n" == REGISTRATION


def test_registers_once(start_relay: Start, start_daemon: Start) -> None:
    """A second config|ready is no reason to register again, which would double every report."""
    start_daemon()
    smtpd = start_relay()
    smtpd.greet()
    smtpd.send(b"config|ready\n")
    assert smtpd.silent()


def test_daemon_is_greeted_as_by_smtpd(start_relay: Start, start_daemon: Start) -> None:
    """The daemon gets smtpd's own opening lines first, then reports and requests as they come."""
    daemon = start_daemon()
    smtpd = start_relay()
    smtpd.greet()
    session = smtpd.connect()
    asked = smtpd.request(session)
    smtpd.answer()
    lines = daemon.told(lambda told: asked in told)
    assert lines[:6] == [
        b"config|smtpd-version|7.8.0-portable",
        b"config|protocol|0.7",
        b"config|smtp-session-timeout|300",
        b"config|subsystem|smtp-in",
        b"config|admd|mx.example.org",
        b"config|ready",
    ]
    assert [line.split(b"|")[4] for line in lines[6:]] == [b"link-connect", b"auth"]


def test_verdict_passes(start_relay: Start, start_daemon: Start, answering: Any) -> None:
    """The daemon's decision reaches smtpd as it is."""
    start_daemon(lambda line: answering(line, REFUSED))
    smtpd = start_relay()
    smtpd.greet()
    assert smtpd.ask(smtpd.connect(), "connect") == REFUSED


def test_answers_out_of_order(start_relay: Start, start_daemon: Start, answering: Any) -> None:
    """Sessions do not wait for each other: the second may be answered first."""
    held: list[bytes] = []

    def reply(line: bytes) -> bytes:
        held.append(answering(line, b"proceed"))
        return b"".join(reversed(held)) if len(held) == 2 else b""

    start_daemon(reply)
    smtpd = start_relay(deadline_ms=10_000)
    smtpd.greet()
    first, second = smtpd.connect(), smtpd.connect()
    smtpd.request(first)
    smtpd.request(second)
    assert [smtpd.answer()[0], smtpd.answer()[0]] == [second, first]


def test_replay(start_relay: Start, start_daemon: Start) -> None:
    """A new daemon is told the live sessions' openings, then what was reported meanwhile, then what is still asked."""
    first = start_daemon()
    smtpd = start_relay(deadline_ms=10_000)
    smtpd.greet()
    session = smtpd.connect()
    opening = [
        smtpd.report("link-tls", session, "TLSv1.3:TLS_AES_256_GCM_SHA384:256"),
        smtpd.report("link-identify", session, "EHLO", "client.example.net"),
    ]
    smtpd.ask(session)
    first.stop()
    failed = smtpd.report("link-auth", session, "fail", "a|b")
    asked = smtpd.request(session)
    second = start_daemon()
    lines = second.told(lambda told: asked in told)
    assert lines[lines.index(b"config|ready") + 2 :] == [*opening, failed, asked]
    assert smtpd.answer() == (session, b"proceed")


def test_asked_again_after_a_loss(start_relay: Start, start_daemon: Start) -> None:
    """A request that the daemon took to its grave is asked again of the next."""
    first = start_daemon(lambda line: b"")
    smtpd = start_relay(deadline_ms=10_000)
    smtpd.greet()
    asked = smtpd.request(smtpd.connect())
    first.told(lambda told: asked in told)
    first.stop()
    start_daemon()
    assert smtpd.answer()[1] == b"proceed"


def test_end_of_input(start_relay: Start) -> None:
    """The relay leaves with status 0 when smtpd does, also with requests open."""
    smtpd = start_relay()
    smtpd.greet()
    smtpd.request(smtpd.connect())
    assert smtpd.close() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE])
def test_signals(start_relay: Start, start_daemon: Start, number: signal.Signals) -> None:
    """Signals that would end another process are ignored."""
    start_daemon()
    smtpd = start_relay()
    smtpd.greet()
    smtpd.process.send_signal(number)
    assert smtpd.ask(smtpd.connect()) == b"proceed"


def test_pipes(folder: Path) -> None:
    """Standard input and output may be two pipes; at end of input each request read has its answer."""
    config = folder / "filter-ban.toml"
    config.write_text(f'[daemon]\nsocket_dir = "{folder}"\nspawn = false\n')
    requests = b"".join(
        b"filter|0.7|1.0|smtp-in|auth|%016x|%016x|LOGIN\n" % (number, 1) for number in range(5000)
    )
    done = subprocess.run(
        [sys.executable, "-m", "filter_ban", "opensmtpd", "--config", str(config)],
        input=b"config|ready\n" + requests,
        capture_output=True,
        check=True,
    )
    answers = b"".join(b"filter-result|%016x|%016x|proceed\n" % (number, 1) for number in range(5000))
    assert done.stdout == REGISTRATION + answers


def test_reader_gone(folder: Path) -> None:
    """When nobody reads the answers any more, smtpd is gone, and the relay leaves with status 0."""
    config = folder / "filter-ban.toml"
    config.write_text(f'[daemon]\nsocket_dir = "{folder}"\nspawn = false\n')
    argv = [sys.executable, "-m", "filter_ban", "opensmtpd", "--config", str(config)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as relay:
        assert relay.stdin
        assert relay.stdout
        relay.stdout.close()
        relay.stdin.write(b"config|ready\n")
        relay.stdin.flush()
        assert relay.wait(20) == 0
        relay.stdin.close()


def test_no_core_file(start_relay: Start) -> None:
    """Credentials pass through, so the relay leaves no core file."""
    smtpd = start_relay()
    smtpd.greet()
    limits = Path(f"/proc/{smtpd.process.pid}/limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]


def test_starts_a_daemon(start_relay: Start, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no daemon runs the relay starts one, with the same configuration file, and leaves no zombie."""
    package = folder / "filter_ban"
    package.mkdir()
    real = Path(__file__).parents[3] / "filter_ban"
    (package / "relay").symlink_to(real / "relay")
    (package / "places.py").symlink_to(real / "places.py")
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import sys\nfrom pathlib import Path\n"
        "if sys.argv[1] == 'opensmtpd':\n    from filter_ban.relay import main\n    main(sys.argv)\n"
        f"else:\n    Path({str(folder / 'started')!r}).open('a').write(' '.join(sys.argv[1:]) + '\\n')\n"
    )
    monkeypatch.setenv("FILTER_BAN_TEST_PATH", str(folder))
    smtpd = start_relay(spawn=True)
    smtpd.greet()
    started = folder / "started"
    for _ in range(2000):
        if started.exists() and started.read_text():
            break
        time.sleep(0.01)
    assert started.read_text().splitlines()[0] == f"serve --config {folder}/filter-ban.toml"
    children = Path(f"/proc/{smtpd.process.pid}/task/{smtpd.process.pid}/children").read_text()
    assert children == ""


def test_own_streams_only(start_relay: Start, folder: Path) -> None:
    """Descriptor 0 is empty and 1 is the log, so that nothing but the relay itself can speak to smtpd."""
    smtpd = start_relay()
    smtpd.greet()
    descriptors = Path(f"/proc/{smtpd.process.pid}/fd")
    log = folder / "relay.log"
    assert [(descriptors / number).readlink() for number in "012"] == [Path("/dev/null"), log, log]
