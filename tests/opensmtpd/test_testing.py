# SPDX-License-Identifier: ISC
"""The fake smtpd, over real processes: it serves good filters and fails loudly with bad ones."""

import os
import sys
from pathlib import Path

import pytest

from opensmtpd import Auth, Quit
from opensmtpd.testing import FakeSmtpd, SmtpdDiedError, handshake, read_transcript

REGISTER = "register|report|smtp-in|link-connect\\nregister|filter|smtp-in|auth\\nregister|ready"
BAD: dict[str, tuple[str, str]] = {
    "leaves at once": ("sys.exit(0)", "lost processor: exit status 0"),
    "leaves with an error": (
        "sys.exit('no such thing')",
        "lost processor: exit status 1; log: no such thing",
    ),
    "prints": ("say('hello')", "Non-register message"),
    "registers nonsense": ("say('register|filter|smtp-in|*')", "Unrecognized report name"),
    "ends its lines with CR": ("say('register|ready\\r')", "Invalid register line"),
    "closes its end": ("os.close(0); os.close(1); time.sleep(60)", "its end of the socket is closed"),
}
ANSWERS: dict[str, tuple[str, str]] = {
    "answers twice": ("say(good); say(good)", "tree_xpop"),
    "answers with another token": ("say(good.replace(token, '0' * 16))", "wrong token"),
    "answers garbage": ("say('ok')", "Invalid filter message type"),
    "answers with CR": ("say(good + '\\r')", "Invalid directive"),
    "answers proceed with a text": ("say(good + '|x')", "Missing parameter"),
    "dies": ("os.kill(os.getpid(), 9)", "lost processor: exit status -9"),
}


def program(folder: Path, body: str) -> list[str]:
    """Return the command of a filter that reads lines and does *body*."""
    path = folder / "filter.py"
    head = "import os, sys, time\ndef say(line): os.write(1, (line + '\\n').encode())\ndef lines():\n"
    head += "    for line in sys.stdin.buffer: yield line.decode('latin-1').rstrip('\\n')\n"
    path.write_text(f"{head}{body}\n")
    return [sys.executable, "-I", str(path)]


def answering(folder: Path, body: str) -> list[str]:
    """Return the command of a filter that registers auth and does *body* with each request."""
    loop = (
        f"for line in lines():\n    if line == 'config|ready': say('{REGISTER}')\n"
        "    if not line.startswith('filter|'): continue\n"
        "    fields = line.split('|'); token = fields[6]\n"
        f"    good = f'filter-result|{{fields[5]}}|{{token}}|proceed'\n    {body}"
    )
    return program(folder, loop)


def ask_twice(smtpd: FakeSmtpd) -> None:
    """Ask a filter the same thing twice and wait for more than the answers."""
    with smtpd:
        smtpd.handshake()
        session = smtpd.open_session()
        session.ask(Auth, argument="LOGIN")
        session.ask(Auth, argument="LOGIN")
        smtpd.wait(lambda: False, "death")


@pytest.mark.parametrize(("body", "message"), BAD.values(), ids=BAD.keys())
def test_bad_starts(tmp_path: Path, body: str, message: str) -> None:
    """A filter that a real server would not survive at the start is found out."""
    with pytest.raises(SmtpdDiedError, match=message), FakeSmtpd(program(tmp_path, body)) as smtpd:
        smtpd.handshake()
    assert smtpd.process.returncode is not None


@pytest.mark.parametrize(("body", "message"), ANSWERS.values(), ids=ANSWERS.keys())
def test_bad_answers(tmp_path: Path, body: str, message: str) -> None:
    """A filter that a real server would not survive later is found out."""
    smtpd = FakeSmtpd(answering(tmp_path, body))
    with pytest.raises(SmtpdDiedError, match=message):
        ask_twice(smtpd)
    assert smtpd.process.returncode is not None


def test_good_answers(tmp_path: Path) -> None:
    """A filter that behaves is asked what it registered for, and told what it registered for."""
    with FakeSmtpd(answering(tmp_path, "say(good)"), clock=lambda: 7.0) as smtpd:
        smtpd.handshake()
        session = smtpd.open_session("unix:/run/smtpd.sock")
        assert session.connect().decision == "proceed"
        session.start_tls()
        assert session.login("alice", "x").decision == "proceed"
        assert session.ask(Quit).decision == "proceed"
        assert len(smtpd.answers) == 1, "quit is not registered"
        session.request(Auth, argument="LOGIN")
        session.disconnect()
        assert len(smtpd.answers) == 2, "the disconnect came after the answer"
    assert smtpd.process.returncode == 0


def test_a_refused_login_is_not_tried(tmp_path: Path) -> None:
    """After a refusal of AUTH there is no link-auth, and the session can end."""
    with FakeSmtpd(answering(tmp_path, "say(good.replace('proceed', 'disconnect|421 bye'))")) as smtpd:
        smtpd.handshake()
        session = smtpd.open_session()
        answer = session.login("alice", "x")
        assert (answer.reply, answer.closes) == ("421 bye", True)
        session.disconnect()


def test_no_answer_is_an_error(tmp_path: Path) -> None:
    """A filter that does not answer in time is found out, and does not stay behind."""
    smtpd = FakeSmtpd(answering(tmp_path, "pass"), timeout_s=0.3)
    with pytest.raises(TimeoutError, match=r"answer for session .* did not come"):
        ask_twice(smtpd)
    assert smtpd.process.returncode == -9


def test_no_end_is_an_error(tmp_path: Path) -> None:
    """A filter that outlives its server is found out."""
    command = program(tmp_path, f"say('{REGISTER}')\nfor line in lines(): pass\ntime.sleep(60)")
    smtpd = FakeSmtpd(command, timeout_s=0.3)
    with pytest.raises(TimeoutError, match="did not leave"), smtpd:
        smtpd.handshake()
    assert smtpd.process.returncode == -9


def test_a_bad_end_is_an_error(tmp_path: Path) -> None:
    """A filter that leaves with another status than 0 is found out."""
    command = program(tmp_path, f"say('{REGISTER}')\nfor line in lines(): pass\nsys.exit(3)")
    with pytest.raises(SmtpdDiedError, match="left with status 3"), FakeSmtpd(command) as smtpd:
        smtpd.handshake()


def test_a_filter_that_does_not_read(tmp_path: Path) -> None:
    """What a filter does not read is kept, as a real server does, and goes along later."""
    body = f"say('{REGISTER}')\nlist(zip(range(6), lines()))\nopen(sys.argv[1]).read()\nfor line in lines(): pass"
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with FakeSmtpd([*program(tmp_path, body), str(fifo)]) as smtpd:
        smtpd.handshake()
        for _ in range(5000):
            smtpd.open_session()
        fifo.write_text("go on")


def test_handshakes() -> None:
    """Servers before 0.7 do not name their protocol."""
    assert b"config|protocol|" not in handshake("0.5") + handshake("0.6")
    assert b"config|protocol|0.7\n" in handshake("0.7")


def test_transcripts_are_read(tmp_path: Path) -> None:
    """A transcript is taken apart byte by byte."""
    path = tmp_path / "x.txt"
    path.write_bytes(
        b"# \xff note\n< config|ready\n> register|ready\n< report|0.6|1.0|smtp-in|timeout|\r\xff\n"
    )
    transcript = read_transcript(path)
    assert transcript.version == "0.6"
    assert transcript.received == b"config|ready\nreport|0.6|1.0|smtp-in|timeout|\r\xff\n"
    assert transcript.sent == b"register|ready\n"
    assert transcript.comments == ("\\xff note",)
