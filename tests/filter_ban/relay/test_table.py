# SPDX-License-Identifier: ISC
"""The relay's core, with time as an argument."""

import random
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from filter_ban.relay import table as table_module
from filter_ban.relay import wire
from filter_ban.relay.table import PROMPT_S, Table

A, B = b"a" * 16, b"b" * 16
TOKEN, OTHER = b"0" * 16, b"1" * 16


def request(session: bytes = A, token: bytes = TOKEN, argument: bytes = b"LOGIN") -> bytes:
    """Return a request line."""
    return b"filter|0.7|1.0|smtp-in|auth|%b|%b|%b" % (session, token, argument)


def report(event: bytes, session: bytes = A) -> bytes:
    """Return a report line."""
    return b"report|0.7|1.0|smtp-in|%b|%b|x" % (event, session)


def result(session: bytes = A, token: bytes = TOKEN, decision: bytes = b"proceed") -> bytes:
    """Return a result line."""
    return b"filter-result|%b|%b|%b" % (session, token, decision)


def take(buffer: bytearray) -> list[bytes]:
    """Return and remove the lines in a buffer."""
    lines = bytes(buffer).splitlines()
    buffer.clear()
    return lines


@pytest.fixture
def ready() -> Table:
    """Return a table with a daemon that has given a good answer, at time 0."""
    table = Table(0.0)
    table.link_ready(0.0)
    table.read_smtpd(request(B), 0.0)
    table.read_daemon(result(B), 0.0)
    take(table.to_smtpd)
    take(table.to_daemon)
    return table


def test_lines_pass(ready: Table) -> None:
    """With a daemon, reports and requests go to it as they are, and its result comes back as it is."""
    for line in (report(b"link-connect"), request()):
        assert ready.read_smtpd(line, 1.0)
    assert take(ready.to_daemon) == [report(b"link-connect"), request()]
    assert ready.read_daemon(result(decision=b"disconnect|421 4.7.0 a|b"), 1.1)
    assert take(ready.to_smtpd) == [result(decision=b"disconnect|421 4.7.0 a|b")]


@pytest.mark.parametrize("line", [result(B), result(token=OTHER), result(b"c" * 16)])
def test_results_that_nobody_waits_for(ready: Table, line: bytes) -> None:
    """A result for another session, with another token or after the answer is dropped and counted."""
    ready.read_smtpd(request(), 1.0)
    assert ready.read_daemon(line, 1.1)
    assert (take(ready.to_smtpd), ready.late) == ([], 1)


def test_second_result(ready: Table) -> None:
    """Of two results to one request the second is dropped."""
    ready.read_smtpd(request(), 1.0)
    ready.read_daemon(result(), 1.1)
    ready.read_daemon(result(decision=b"reject|550 no"), 1.1)
    assert take(ready.to_smtpd) == [result()]


@pytest.mark.parametrize(
    "line", [b"", b"\xff", result(decision=b"junk"), result(decision=b"reject|550"), report(b"x")]
)
def test_garbage_from_the_daemon(ready: Table, line: bytes) -> None:
    """What smtpd would not survive is told apart and goes nowhere."""
    ready.read_smtpd(request(), 1.0)
    assert not ready.read_daemon(line, 1.1)
    assert take(ready.to_smtpd) == []


@pytest.mark.parametrize(
    "line", [b"", b"junk", b"filter|0.7|1|smtp-in|auth|xyz|0|a", b"report|0.7|1|smtp-in|a|b"]
)
def test_unreadable_from_smtpd(ready: Table, line: bytes) -> None:
    """An unreadable line is neither answered nor passed on."""
    assert not ready.read_smtpd(line, 1.0)
    assert (take(ready.to_smtpd), take(ready.to_daemon)) == ([], [])


def test_second_request_of_a_session(ready: Table) -> None:
    """A second request, which smtpd never sends, ends the first: each of the two gets one answer."""
    ready.read_smtpd(request(), 1.0)
    ready.read_smtpd(request(), 1.0)
    ready.read_daemon(result(decision=b"reject|550 no"), 1.1)
    ready.read_daemon(result(decision=b"reject|550 no"), 1.1)
    assert take(ready.to_smtpd) == [result(), result(decision=b"reject|550 no")]


def test_no_daemon_yet() -> None:
    """Before the first daemon a request waits until the deadline after the start, and is then answered."""
    table = Table(0.0)
    table.read_smtpd(request(), 0.4)
    assert table.next_s() == 1.0
    assert table.expire(0.99) is None
    assert take(table.to_smtpd) == []
    assert table.expire(1.0) is None
    assert take(table.to_smtpd) == [result()]
    assert (table.unasked, table.next_s()) == (1, inf)


def test_long_outage() -> None:
    """Once an outage is older than the deadline, nobody waits."""
    table = Table(0.0)
    table.read_smtpd(request(), 5.0)
    table.expire(5.0)
    assert take(table.to_smtpd) == [result()]


def test_on_trouble_reply() -> None:
    """Who prefers to fail closed has a reply sent and the session ended."""
    table = Table(0.0, on_trouble=b"disconnect|421 4.3.0 later")
    table.read_smtpd(request(), 5.0)
    table.expire(5.0)
    assert take(table.to_smtpd) == [result(decision=b"disconnect|421 4.3.0 later")]


def test_hung_daemon(ready: Table) -> None:
    """A daemon that owes an answer at the deadline is hung since it was asked; only what is overdue is answered."""
    ready.read_smtpd(request(A), 10.0)
    ready.read_smtpd(request(B), 10.5)
    assert ready.expire(10.99) is None
    assert ready.expire(11.0) == 10.0
    assert take(ready.to_smtpd) == [result(A)]


def test_nobody_waits_for_a_hung_daemon(ready: Table) -> None:
    """When a daemon was found hung, its silence was the outage: nobody waits for it again."""
    ready.read_smtpd(request(A), 10.0)
    ready.read_smtpd(request(B), 10.5)
    silent_since_s = ready.expire(11.0)
    assert ready.link_lost(11.0, silent_since_s)
    ready.expire(11.0)
    assert take(ready.to_smtpd) == [result(A), result(B)]


def test_late_is_not_hung(ready: Table) -> None:
    """A request that came to the daemon with little patience left is answered, and proves nothing."""
    ready.link_lost(10.0)
    ready.read_smtpd(request(), 10.1)
    ready.link_ready(10.95)
    assert ready.expire(11.05) is None
    assert ready.expire(11.1) is None
    assert take(ready.to_smtpd) == [result()]


def test_unsent_reports_are_kept(ready: Table) -> None:
    """Reports that the link never took are told to the next daemon; one that was cut in two is not."""
    ready.read_smtpd(report(b"link-connect"), 1.0)
    take(ready.to_daemon)
    ready.read_smtpd(report(b"link-auth", B), 1.0)
    ready.read_smtpd(request(), 1.0)
    ready.read_smtpd(report(b"link-auth"), 1.0)
    del ready.to_daemon[:5]
    ready.link_lost(1.1)
    ready.answer_all(1.1)
    ready.link_ready(1.2)
    assert take(ready.to_daemon) == [report(b"link-connect"), report(b"link-auth")]


def test_parked_and_asked_again(ready: Table) -> None:
    """Requests that were open when the link was lost are asked again, after the openings and the reports since."""
    ready.read_smtpd(report(b"link-connect"), 1.0)
    ready.read_smtpd(report(b"link-auth"), 1.0)
    ready.read_smtpd(request(A), 1.0)
    take(ready.to_daemon)
    assert ready.link_lost(1.1)
    ready.read_smtpd(report(b"link-connect", B), 1.2)
    ready.read_smtpd(request(B), 1.2)
    assert ready.to_daemon == b""
    ready.link_ready(1.3)
    expected = [report(b"link-connect"), report(b"link-connect", B), request(A), request(B)]
    assert take(ready.to_daemon) == expected
    ready.read_daemon(result(B), 1.4)
    ready.read_daemon(result(A), 1.4)
    assert take(ready.to_smtpd) == [result(B), result(A)]


def test_session_that_ended_in_the_outage(ready: Table) -> None:
    """The failures of a session that ended meanwhile are told with its opening, so that they count."""
    ready.read_smtpd(report(b"link-connect"), 1.0)
    take(ready.to_daemon)
    ready.link_lost(1.1)
    ready.read_smtpd(report(b"link-auth"), 1.2)
    ready.read_smtpd(report(b"link-disconnect"), 1.2)
    ready.link_ready(1.3)
    assert take(ready.to_daemon) == [
        report(b"link-connect"),
        report(b"link-auth"),
        report(b"link-disconnect"),
    ]


def test_no_opening_twice(ready: Table) -> None:
    """What opened or changed in the outage is told once, in its place."""
    ready.read_smtpd(report(b"link-connect"), 1.0)
    take(ready.to_daemon)
    ready.link_lost(1.1)
    ready.read_smtpd(report(b"link-tls"), 1.2)
    ready.link_ready(1.3)
    assert take(ready.to_daemon) == [report(b"link-connect"), report(b"link-tls")]


def test_backlog_overflow(ready: Table) -> None:
    """Too long a story is dropped, and begins anew with the sessions that live then."""
    ready.link_lost(1.0)
    ready.read_smtpd(report(b"link-connect"), 1.0)
    line = report(b"link-auth", B) + b"x" * 4000
    for _ in range(300):
        ready.read_smtpd(line, 1.0)
    ready.link_ready(1.3)
    told = take(ready.to_daemon)
    assert told[0] == report(b"link-connect")
    assert set(told[1:]) == {line}
    assert len(told) < 300


def test_refused_link_keeps_the_backlog(ready: Table) -> None:
    """A connection that never became ready has been told nothing, so nothing is lost with it."""
    ready.link_lost(1.0)
    ready.read_smtpd(report(b"link-auth"), 1.1)
    ready.to_daemon += b"config|ready\n"
    assert not ready.link_lost(1.2)
    ready.link_ready(1.3)
    assert take(ready.to_daemon) == [report(b"link-auth")]


def test_patience_ends(ready: Table) -> None:
    """All waits of a session together end at the deadline, however often the daemon goes."""
    now_s, waited_s = 10.0, 0.0
    for _ in range(20):
        ready.read_smtpd(request(), now_s)
        ready.link_lost(now_s)
        ready.expire(now_s)
        answered_s = now_s if ready.to_smtpd else min(now_s + 0.3, ready.next_s())
        ready.expire(answered_s)
        ready.link_ready(answered_s)
        ready.read_daemon(result(), answered_s)
        assert take(ready.to_smtpd) == [result()]
        waited_s += answered_s - now_s
        now_s = answered_s + 2.0
    assert 0.9 < waited_s < 1.0 + 1e-6


def test_prompt_answers_cost_nothing(ready: Table) -> None:
    """A guesser cannot use up his patience with refused attempts until he is let through."""
    for number in range(1000):
        now_s = 10.0 + number
        ready.read_smtpd(request(), now_s)
        ready.read_daemon(result(decision=b"reject|550 no"), now_s + PROMPT_S / 2)
    assert set(take(ready.to_smtpd)) == {result(decision=b"reject|550 no")}
    ready.link_lost(2000.0)
    ready.read_smtpd(request(), 2000.0)
    assert ready.next_s() <= 2000.0
    ready.expire(2000.99)
    assert take(ready.to_smtpd) == []


def test_patience_used_up_asks_still(ready: Table) -> None:
    """Without patience left, a session is not kept waiting in an outage, but a daemon that is there is still asked."""
    ready.read_smtpd(request(), 10.0)
    ready.link_lost(11.0, ready.expire(11.0))
    ready.link_ready(12.0)
    take(ready.to_smtpd)
    ready.read_smtpd(request(), 12.0)
    assert ready.expire(12.0 + PROMPT_S / 2) is None
    assert take(ready.to_smtpd) == []
    ready.read_daemon(result(decision=b"reject|550 no"), 12.0 + PROMPT_S / 2)
    assert take(ready.to_smtpd) == [result(decision=b"reject|550 no")]
    ready.link_lost(20.0)
    ready.read_smtpd(request(), 20.0)
    ready.expire(20.0)
    assert take(ready.to_smtpd) == [result()]


def test_daemon_that_only_says_it_is_ready() -> None:
    """The outage of a daemon that never gives a good answer goes on, whatever it says."""
    table = Table(0.0)
    table.link_ready(5.0)
    assert not table.link_lost(5.5)
    assert table.outage_s == 0.0
    table.read_smtpd(request(), 5.6)
    table.expire(5.6)
    assert take(table.to_smtpd) == [result()]


def test_idle_daemon_serves_too() -> None:
    """A daemon that had nothing to answer for the length of the deadline was no outage."""
    table = Table(0.0)
    table.link_ready(5.0)
    assert table.link_lost(6.0)
    assert table.outage_s == 6.0


def test_daemon_that_does_not_read(ready: Table) -> None:
    """A mebibyte that the daemon leaves unread is trouble; a replay of that size is none."""
    ready.link_lost(1.0)
    line = report(b"link-auth") + b"x" * 1000
    for _ in range(900):
        ready.read_smtpd(line, 1.0)
    ready.link_ready(1.0)
    for _ in range(900):
        assert not ready.overfull()
        ready.read_smtpd(line, 1.0)
    for _ in range(200):
        ready.read_smtpd(line, 1.0)
    assert ready.overfull()
    ready.link_lost(1.0)
    assert not ready.overfull()
    assert ready.to_daemon == b""


@pytest.mark.parametrize("limit", ["MAX_REQUESTS", "MAX_REQUEST_BYTES"])
def test_bounded_requests(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More open requests than there is room for are answered at once."""
    monkeypatch.setattr(table_module, limit, 1 if limit == "MAX_REQUESTS" else len(request()))
    table = Table(0.0)
    table.read_smtpd(request(A), 0.0)
    table.read_smtpd(request(B), 0.0)
    assert take(table.to_smtpd) == [result(B)]


def test_answer_all(ready: Table) -> None:
    """All open requests can be answered at once, each one time."""
    ready.read_smtpd(request(A), 1.0)
    ready.read_smtpd(request(B), 1.0)
    ready.answer_all(1.0)
    ready.answer_all(1.0)
    ready.read_daemon(result(A), 1.0)
    assert take(ready.to_smtpd) == [result(A), result(B)]


SAMPLES = [
    request(A),
    request(B),
    report(b"link-connect"),
    report(b"link-disconnect"),
    result(A),
    b"config|ready",
]


def mutate(chance: random.Random, line: bytes) -> bytes:
    """Return *line* with some bytes changed, cut out, doubled or put in."""
    data = bytearray(line)
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case 2:
                data[at:at] = data[at : at + 20]
            case _:
                data[at:at] = chance.choice([b"|", b"\r", b"\0", b"||", b"f", b"\xff"])
    return bytes(data).replace(b"\n", b"")


def test_mutated_lines() -> None:
    """Of 100,000 mutated lines nothing raises, and each readable request is answered exactly once."""
    chance = random.Random(2)
    table = Table(0.0)
    asked = 0
    for number in range(100_000):
        now_s = number / 1000
        line = mutate(chance, chance.choice(SAMPLES))
        asked += wire.parse_request(line) is not None
        table.read_smtpd(line, now_s)
        match chance.randrange(200):
            case 0 if not table.ready:
                table.link_ready(now_s)
            case 1:
                table.link_lost(now_s)
            case 2:
                table.expire(now_s)
            case _ if table.ready:
                table.read_daemon(mutate(chance, chance.choice(SAMPLES)), now_s)
    table.answer_all(100.0)
    answers = take(table.to_smtpd)
    assert len(answers) == asked
    assert asked > 10_000
    assert all(wire.parse_result(answer) for answer in answers)


class Dialogue(RuleBasedStateMachine):
    """Any order of requests, results, losses and time: answers equal requests, and no session waits past its deadline."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.table = Table(0.0)
        self.open: dict[bytes, float] = {}
        self.waited_s: dict[bytes, float] = {}

    @rule(session=st.sampled_from([A, B]))
    def ask(self, session: bytes) -> None:
        """Let smtpd ask."""
        if session not in self.open:
            self.open[session] = self.now_s
            self.table.read_smtpd(request(session), self.now_s)

    @rule(session=st.sampled_from([A, B]), token=st.sampled_from([TOKEN, OTHER]))
    def hear(self, session: bytes, token: bytes) -> None:
        """Let the daemon answer, rightly or not."""
        if self.table.ready:
            self.table.read_daemon(result(session, token), self.now_s)

    @rule()
    def come(self) -> None:
        """Let the daemon come."""
        if not self.table.ready:
            self.table.link_ready(self.now_s)

    @rule()
    def go(self) -> None:
        """Let the daemon go."""
        self.table.link_lost(self.now_s)

    @rule(wait_s=st.floats(0.03, 2.0))
    def wait(self, wait_s: float) -> None:
        """Let time pass, and the relay act when it must."""
        end_s = self.now_s + wait_s
        while self.now_s < end_s:
            self.now_s = max(self.now_s, min(end_s, self.table.next_s()))
            silent_since_s = self.table.expire(self.now_s)
            if silent_since_s is not None:
                self.table.link_lost(self.now_s, silent_since_s)
                self.table.expire(self.now_s)
            self.settle()

    @invariant()
    def settle(self) -> None:
        """Check that each answer has its request, and came in time."""
        for answer in take(self.table.to_smtpd):
            session = answer.split(b"|")[1]
            wait_s = self.now_s - self.open.pop(session)
            if wait_s > PROMPT_S:
                self.waited_s[session] = self.waited_s.get(session, 0.0) + wait_s
            assert wait_s <= PROMPT_S + 1e-9 or self.waited_s[session] <= 1.0 + 1e-6


Dialogue.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestDialogue = Dialogue.TestCase


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes(lines: list[bytes]) -> None:
    """No bytes, from either side, make the table raise."""
    table = Table(0.0)
    table.link_ready(0.0)
    for line in lines:
        table.read_smtpd(line, 0.0)
        table.read_daemon(line, 0.0)
