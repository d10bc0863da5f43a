# SPDX-License-Identifier: ISC
"""What the OpenSMTPD sensor counts and answers, line by line."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.sensors.opensmtpd import MAX_SESSIONS, OpensmtpdSensor
from filter_ban.sensors.sensor import Means
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts
from opensmtpd.testing import mutations, read_transcript

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts"
NOW_S = 1_763_690_000.0
BOT = "198.51.100.66"
S = "52c503ee57499eb6"
T = "dae8676d038a124f"
LINES = 100_000
READABLE = re.compile(
    rb"filter(?:\|[^|]*){3}\|(?!data-line\|)[^|]*\|([0-9a-f]{16})\|[0-9a-f]{16}(?:\|.*)?", re.DOTALL
)
ANSWER = re.compile(
    rb"filter-result\|([0-9a-f]{16})\|[0-9a-f]{16}\|(?:proceed|(?:disconnect|reject)\|[45]\d\d .+)"
)


class Rig:
    """A sensor with an engine of its own, and lines for it."""

    def __init__(self, settings: str = "", version: str = "0.7") -> None:
        config = parse_config(settings)
        policy = Policy.compile(config)
        self.version = version
        self.now_s = NOW_S
        self.engine = Engine(policy)
        self.sensor = OpensmtpdSensor(
            Means(
                engine=self.engine,
                clients=Clients(policy),
                verdicts=Verdicts(self.engine, config.reply.banned),
                users=UserTags(b"0123456789abcdef"),
                secrets=SecretTags(),
                clock=lambda: self.now_s,
            ),
            smtps_ports=config.opensmtpd.smtps_ports,
            submission_ports=config.opensmtpd.submission_ports,
            bad_helo=config.helo.bad,
        )

    def report(self, event: str, *fields: str, session: str = S) -> bytes:
        """Send a report; return what was answered, which should be nothing."""
        head = f"report|{self.version}|{self.now_s:.6f}|smtp-in|{event}|{session}"
        return self.sensor.receive_data("|".join((head, *fields)).encode() + b"\n")

    def ask(self, phase: str, *fields: str, session: str = S) -> str:
        """Send a request; return the decision."""
        head = f"filter|{self.version}|{self.now_s:.6f}|smtp-in|{phase}|{session}|{T}"
        answer = self.sensor.receive_data("|".join((head, *fields)).encode() + b"\n").decode()
        assert answer.startswith(f"filter-result|{session}|{T}|")
        assert answer.count("\n") == 1
        return answer[len(f"filter-result|{session}|{T}|") : -1]

    def connect(self, client: str = BOT, port: int = 587, session: str = S, server: str = "192.0.2.1") -> str:
        """Begin a session; return the decision at connect."""
        source = f"[{client}]" if ":" in client else client
        self.report(
            "link-connect", "<unknown>", "fail", f"{source}:4711", f"{server}:{port}", session=session
        )
        return self.ask("connect", "<unknown>", source, session=session)

    def ban(self) -> None:
        """Ban the client by hand."""
        client = Clients(self.engine.policy).of(BOT)
        self.engine.ban(client, int(self.now_s), rule="by hand", reason="", length_s=3600)

    def login(self, argument: str, result: str = "fail", user: str = "alice", session: str = S) -> str:
        """Try to log in; return the decision at auth."""
        decision = self.ask("auth", argument, session=session)
        fields = (result, user) if self.version == "0.7" else (user, result)
        self.report("link-auth", *fields, session=session)
        return decision

    @property
    def strikes(self) -> list[str]:
        """What counted so far."""
        return [strike.kind.value for strike in self.engine.outbox.strikes]


def test_the_handshake_registers_what_is_needed() -> None:
    """Five reports and three phases, and never what carries the dialogue."""
    answer = (
        Rig().sensor.receive_data(b"config|smtpd-version|7.8.0\nconfig|protocol|0.7\nconfig|ready\n").decode()
    )

    assert answer.splitlines() == [
        *(
            f"register|report|smtp-in|link-{name}"
            for name in ("connect", "disconnect", "identify", "tls", "auth")
        ),
        *(f"register|filter|smtp-in|{phase}" for phase in ("connect", "auth", "mail-from")),
        "register|ready",
    ]


@pytest.mark.parametrize("version", ["0.6", "0.7"])
def test_five_different_passwords_are_five_strikes(version: str) -> None:
    """Whatever the order of link-auth's fields, and with a bar in the name."""
    rig = Rig(version=version)
    rig.connect()
    for number in range(5):
        assert rig.login(f"PLAIN {number}", user="a|fail|b") == "proceed"

    assert rig.strikes == ["auth-fail"] * 5
    assert rig.engine.outbox.strikes[0].user == "a|fail|b"
    assert rig.login("PLAIN right", "pass").startswith(f"disconnect|421 4.7.0 {BOT} refused until ")


@pytest.mark.parametrize(
    ("arguments", "strikes"),
    [
        (["PLAIN old", "PLAIN old", "PLAIN old"], 1),
        (["plain old", "plain old"], 1),
        (["LOGIN", "LOGIN", "LOGIN"], 3),
        (["PLAIN", "PLAIN"], 2),
        (["LOGIN YWxpY2U=", "LOGIN YWxpY2U="], 2),
        (["PLAIN old", "LOGIN", "PLAIN old", "LOGIN"], 1),
        (["PLAIN old", "LOGIN", "LOGIN"], 2),
        (["LOGIN", "PLAIN old"], 2),
    ],
)
def test_what_counts_as_the_same_password(arguments: list[str], strikes: int) -> None:
    """A visible one is compared; LOGIN right after a failed PLAIN of the same user is the same program's next try."""
    rig = Rig()
    rig.connect()
    for argument in arguments:
        rig.login(argument)

    assert len(rig.strikes) == strikes


def test_a_login_after_anothers_plain_counts() -> None:
    """Only the same user is forgiven."""
    rig = Rig()
    rig.connect()
    rig.login("PLAIN old", user="alice")
    rig.login("LOGIN", user="bob")

    assert rig.strikes == ["auth-fail"] * 2


@pytest.mark.parametrize("result", ["error", "pass"])
def test_what_is_not_the_clients_fault_is_not_counted(result: str) -> None:
    """An error of the server, and a login that worked."""
    rig = Rig()
    rig.connect()
    rig.login("PLAIN x", result)
    rig.report("link-disconnect")

    assert rig.strikes == []


def test_aborted_logins_are_strikes() -> None:
    """An AUTH without an outcome counts when the next one comes, or when the client leaves."""
    rig = Rig()
    rig.connect()
    rig.ask("auth", "LOGIN")
    rig.ask("auth", "LOGIN")
    assert rig.strikes == ["auth-abort"]
    rig.report("link-disconnect")

    assert rig.strikes == ["auth-abort"] * 2


@pytest.mark.parametrize(
    "path",
    sorted(TRANSCRIPTS.glob("opensmtpd-*/[ef]-*.txt")),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_recorded_aborts(path: Path) -> None:
    """Malformed, cancelled, of an unknown mechanism or dropped: what was asked about and has no outcome, each once."""
    stream = read_transcript(path).received
    rig = Rig('[limits]\nwindows = ["1000 in 7d"]')
    rig.now_s = 4e9
    rig.sensor.receive_data(stream)

    asked, decided = stream.count(b"|smtp-in|auth|"), stream.count(b"|smtp-in|link-auth|")
    assert rig.sensor.counts["auth-abort"] == rig.strikes.count("auth-abort") == asked - decided > 0
    assert rig.sensor.counts["auth-fail"] == decided


def test_an_abort_is_no_attempt_twice() -> None:
    """After an abort came the next attempt, a login, or nothing more before the end: one strike in each case."""
    rig = Rig()
    for outcome in ("fail", "pass", "error"):
        rig.connect()
        rig.ask("auth", "LOGIN")
        rig.login("LOGIN", outcome)
        rig.report("link-disconnect")

    assert rig.strikes.count("auth-abort") == 3
    assert rig.sensor.counts["auth-fail"] == 1


def test_an_auth_that_began_before_this_daemon() -> None:
    """What the daemon before was asked about is no abort when the session ends."""
    rig = Rig()
    rig.report("link-connect", "<unknown>", "fail", f"{BOT}:4711", "192.0.2.1:587")
    rig.report("link-disconnect")

    assert rig.strikes == []


@pytest.mark.parametrize("version", ["0.6", "0.7"])
@pytest.mark.parametrize("method", ["HELO", "EHLO"])
@pytest.mark.parametrize(
    ("server", "name", "counts"),
    [
        ("192.0.2.1", "User", True),
        ("192.0.2.1", "ylmf-pc", True),
        ("192.0.2.1", "user", False),
        ("192.0.2.1", "User|x", False),
        ("192.0.2.1", "", False),
        ("198.18.0.1", "[198.18.0.1]", True),
        ("198.18.0.1", "198.18.0.1", True),
        ("198.18.0.1", "[198.18.0.10]", False),
        ("[fd00::1]", "[IPv6:fd00::1]", True),
        ("[fe80::1%veth0]", "[IPv6:fe80::1]", False),
        ("127.0.0.1", "[127.0.0.1]", False),
        ("0.0.0.0", "0.0.0.0", False),
        ("[::]", "[IPv6:::]", False),
        ("192.0.2.1", "localhost", False),
    ],
)
def test_bad_helo(version: str, method: str, server: str, name: str, counts: bool) -> None:
    """A name of helo.bad, or the address that the client connected to, counts once a session, before and after TLS."""
    rig = Rig(version=version)
    for session in (S, "0" * 16):
        rig.connect(server=server, port=25, session=session)
        for _ in range(2):
            rig.report("link-identify", method, name, session=session)

    assert rig.strikes == (["bad-helo"] * 2 if counts else [])
    assert {strike.service for strike in rig.engine.outbox.strikes} <= {f"{server}:25"}


def test_bad_helo_beyond_ascii() -> None:
    """The configuration is UTF-8, and so is what is compared."""
    rig = Rig('[helo]\nbad = ["Büro"]')
    rig.connect()
    rig.report("link-identify", "EHLO", "Büro")

    assert rig.strikes == ["bad-helo"]


def test_bad_helo_of_whom_it_is_not_held_against() -> None:
    """Not after a login, not of who is banned, nor in a session that may have been counted before this daemon began."""
    rig = Rig()
    rig.connect()
    rig.login("PLAIN right", "pass")
    rig.report("link-identify", "EHLO", "User")
    rig.report(
        "link-connect", "<unknown>", "fail", f"{BOT}:4712", "192.0.2.1:587", session="0" * 16
    )  # replayed by the relay
    rig.report("link-identify", "EHLO", "User", session="0" * 16)
    rig.report("link-identify", "EHLO", "User", session="f" * 16)  # never heard of
    rig.connect(session="1" * 16)
    rig.ban()
    rig.report("link-identify", "EHLO", "User", session="1" * 16)

    assert rig.sensor.counts["bad-helo"] == 0


@pytest.mark.parametrize(("port", "strikes"), [(587, 1), (465, 1), (25, 0), (5870, 0), (1587, 0)])
def test_sending_without_a_login(port: int, strikes: int) -> None:
    """MAIL on a submission port counts once a session; smtpd asks about it where the listener has auth-optional."""
    rig = Rig()
    for session in (S, "0" * 16):
        rig.connect(port=port, session=session)
        rig.report("link-tls", "TLSv1.3:X:256", session=session)
        for _ in range(2):
            assert rig.ask("mail-from", "x@spam.example", session=session) == "proceed"
        rig.report("link-disconnect", session=session)

    assert rig.strikes == ["relay-attempt"] * (2 * strikes)


def test_submission_ports_are_configured() -> None:
    """None at all is good too."""
    rig = Rig("[opensmtpd]\nsubmission_ports = []")
    rig.connect()
    rig.ask("mail-from", "x")

    assert rig.strikes == []


@pytest.mark.parametrize(("result", "strikes"), [("pass", []), ("fail", ["auth-fail", "relay-attempt"])])
def test_sending_after_a_login(result: str, strikes: list[str]) -> None:
    """One that worked is leave to send; one that failed is not."""
    rig = Rig()
    rig.connect()
    rig.login("PLAIN x", result)
    rig.ask("mail-from", "x")

    assert rig.strikes == strikes


def test_who_may_send_unseen() -> None:
    """A session that began before this daemon may have a login; a local one needs none; a banned one is just refused."""
    rig = Rig()
    rig.report("link-connect", "<unknown>", "fail", f"{BOT}:4711", "192.0.2.1:587")
    assert rig.ask("mail-from", "x") == "proceed"
    rig.report("link-connect", "host", "pass", "unix:/s", "unix:/s:587", session="0" * 16)
    rig.ask("connect", "host", "local", session="0" * 16)
    assert rig.ask("mail-from", "x", session="0" * 16) == "proceed"
    rig.connect(session="1" * 16)
    rig.ban()
    assert rig.ask("mail-from", "x", session="1" * 16).startswith("disconnect|421")

    assert rig.strikes == []


def test_who_relays_again_and_again_is_banned() -> None:
    """Five sessions are enough, as five wrong passwords are."""
    rig = Rig()
    for number in range(5):
        assert rig.connect(session=f"{number:016x}") == "proceed"
        rig.ask("mail-from", "x", session=f"{number:016x}")

    assert rig.connect(session="f" * 16).startswith("disconnect|421")


def test_no_handshake_on_a_tls_port_is_a_strike() -> None:
    """Only on smtps, and only without link-tls."""
    rig = Rig()
    for port, tls in ((465, True), (587, False), (465, False)):
        rig.connect(port=port)
        if tls:
            rig.report("link-tls", "TLSv1.3:X:256")
        rig.report("link-disconnect")

    assert rig.strikes == ["no-tls"]


def test_a_refused_client_is_not_counted_for_it() -> None:
    """Being sent away before TLS is no strike, and neither is an AUTH that we refused."""
    rig = Rig()
    ban = rig.engine.ban(
        Clients(rig.engine.policy).of(BOT), int(NOW_S), rule="by hand", reason="", length_s=3600
    )
    rig.engine.expire(NOW_S + 3600)
    assert ban.offence == 1
    rig.engine.ban(ban.client, int(NOW_S) + 3601, rule="by hand", reason="", length_s=3600)

    assert rig.connect(port=465).startswith("disconnect|421")
    rig.report("link-disconnect")
    assert rig.strikes == []


def test_a_reply_other_than_421_keeps_the_session_but_not_at_connect() -> None:
    """A 5xx is a reject at AUTH and MAIL; at connect it hangs up, or the session would stay for 300 s."""
    rig = Rig('[reply]\nbanned = "550 5.7.1 {client}"')
    rig.connect()
    for number in range(5):
        rig.login(f"PLAIN {number}")

    assert rig.ask("auth", "PLAIN x") == f"reject|550 5.7.1 {BOT}"
    assert rig.ask("mail-from", "a@example.org") == f"reject|550 5.7.1 {BOT}"
    assert rig.connect(session="0" * 16) == f"disconnect|550 5.7.1 {BOT}"


@pytest.mark.parametrize("source", ["unix:/var/run/smtpd.sock", "nonsense:1", "[zz]:1"])
def test_who_has_no_address_is_never_counted(source: str) -> None:
    """Local submission, and whatever cannot be read, proceeds always."""
    rig = Rig()
    rig.report("link-connect", "host", "pass", source, source)
    for number in range(10):
        assert rig.login(f"PLAIN {number}") == "proceed"

    assert rig.strikes == []


def test_a_right_guess_of_a_banned_client_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """A login that was under way when the ban fell earns nothing, is told to the operator, and ends at MAIL."""
    rig = Rig()
    rig.connect()
    for number in range(4):
        rig.login(f"PLAIN {number}")
    rig.connect(session="0" * 16)
    assert rig.ask("auth", "LOGIN", session="0" * 16) == "proceed"
    rig.login("PLAIN 5")
    rig.report("link-auth", "pass", "alice", session="0" * 16)

    assert rig.sensor.counts["auth-pass-banned"] == 1
    assert f"alarm client={BOT}" in caplog.text
    assert rig.ask("mail-from", "x", session="0" * 16).startswith("disconnect|421")
    assert rig.engine.outbox.forgiven == []


def test_a_session_that_began_before_this_daemon() -> None:
    """What the relay replays is the opening report alone: the next AUTH is judged as usual."""
    rig = Rig()
    rig.report("link-connect", "<unknown>", "fail", f"{BOT}:4711", "192.0.2.1:587")
    for number in range(5):
        rig.login(f"PLAIN {number}")

    assert rig.ask("mail-from", "x").startswith("disconnect|421")


def test_events_of_the_future_happen_now() -> None:
    """A clock that was wrong, or a stamp that makes no sense, moves no window."""
    rig = Rig()
    rig.connect()
    for stamp in ("9999999999.0", "nan", "-5.0", "0.0"):
        rig.sensor.receive_data(f"filter|0.7|1.0|smtp-in|auth|{S}|{T}|PLAIN {stamp}\n".encode())
        rig.sensor.receive_data(f"report|0.7|{stamp}|smtp-in|link-auth|{S}|fail|u\n".encode())

    assert {round(strike.time_s, 3) for strike in rig.engine.outbox.strikes} <= {NOW_S}


def test_the_number_of_sessions_is_bounded() -> None:
    """The oldest is forgotten; its requests are answered all the same."""
    rig = Rig()
    for number in range(MAX_SESSIONS + 1):
        rig.report("link-connect", "x", "fail", "192.0.2.9:1", "192.0.2.1:465", session=f"{number:016x}")

    assert rig.ask("auth", "PLAIN x", session="0" * 16) == "proceed"
    assert rig.ask("auth", "PLAIN x", session=f"{MAX_SESSIONS:016x}") == "proceed"


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_are_taken(data: bytes, cuts: list[int]) -> None:
    """Nothing is raised, whatever comes."""
    sensor = Rig().sensor
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(data)]):
        sensor.receive_data(data[begin:end])


def test_a_hundred_thousand_damaged_lines() -> None:
    """Nothing is raised, and each readable request is answered exactly once."""
    lines = [
        line + b"\n"
        for path in sorted(TRANSCRIPTS.glob("opensmtpd-*/*.txt"))
        for line in read_transcript(path).received.split(b"\n")
        if line.startswith((b"report", b"filter"))
    ]
    receive: Callable[[bytes], bytes] = Rig().sensor.receive_data
    answered = 0
    for data in itertools.islice(mutations(lines, seed=11), LINES):
        for line in data.split(b"\n"):
            readable = READABLE.fullmatch(line)
            answers = receive(line + b"\n").splitlines()
            assert [match[1] for answer in answers if (match := ANSWER.fullmatch(answer))] == (
                [readable[1]] if readable else []
            ), line
            answered += len(answers)

    assert answered > LINES / 20


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
@pytest.mark.parametrize(
    "path", sorted(TRANSCRIPTS.glob("opensmtpd-*/*.txt")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_recorded_dialogues_in_any_cut(path: Path, size: int) -> None:
    """The same strikes and the same answers, whole, byte by byte and in pieces."""
    stream = read_transcript(path).received
    outcomes = []
    for step in (size, len(stream)):
        rig = Rig()
        rig.now_s = 4e9
        answers = b"".join(
            rig.sensor.receive_data(stream[at : at + step]) for at in range(0, len(stream), step)
        )
        outcomes.append(
            (sorted(answers.splitlines()), [(s.kind, s.client, s.user) for s in rig.engine.outbox.strikes])
        )

    assert outcomes[0] == outcomes[1]
