# SPDX-License-Identifier: ISC
"""What the Postfix sensor counts and answers, request by request."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import make_key, pack_address
from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.model import Kind
from filter_ban.reply import ReplyTemplate
from filter_ban.sensors.postfix import DUNNO, MAX_SESSIONS, MAX_SILENCE_S, UNDENIABLE, PostfixSensor
from filter_ban.sensors.sensor import Means
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts
from postfix_policy import Action, Dunno, PolicyRequest, Reject, Reply, encode_action
from postfix_policy.aio import Peer
from postfix_policy.testing import FakeSession

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts" / "postfix"
NOW_S = 1_763_690_000.0
BOT = "198.51.100.66"
OTHER = "198.51.100.7"
PEER = Peer(1, "test")


class Rig:
    """A sensor with an engine of its own."""

    def __init__(self, settings: str = "", reply: str = "421 4.7.0 Go away, {client}") -> None:
        config = parse_config(settings)
        policy = Policy.compile(config)
        self.now_s = NOW_S
        self.engine = Engine(policy)
        self.verdicts = Verdicts(self.engine, ReplyTemplate(reply))
        self.sensor = PostfixSensor(
            Means(
                engine=self.engine,
                clients=Clients(policy),
                verdicts=self.verdicts,
                users=UserTags(b"0123456789abcdef"),
                secrets=SecretTags(),
                clock=lambda: self.now_s,
            ),
            submission_ports=config.postfix.submission_ports,
            bad_helo=config.helo.bad,
        )

    def ask(self, *requests: PolicyRequest, peer: Peer = PEER) -> list[Action]:
        """Return the actions for some requests on one connection."""
        return [self.sensor.decide(request, peer) for request in requests]

    def ban(self, client: str = BOT) -> None:
        """Ban a client by hand."""
        packed = pack_address(client)
        key = make_key(packed, 64 if ":" in client else 32)
        self.engine.ban(key, int(self.now_s), rule="by hand", reason="a test", length_s=900)

    @property
    def counts(self) -> dict[str, int]:
        """What was seen, by kind."""
        return dict(self.sensor.counts)

    @property
    def strikes(self) -> list[tuple[str, float, str]]:
        """What counted: kind, weight and service."""
        return [(str(strike.kind), strike.weight, strike.service) for strike in self.engine.outbox.strikes]


def request(**attributes: str) -> PolicyRequest:
    """Return a request with these attributes alone."""
    return PolicyRequest({"request": "smtpd_access_policy", **attributes})


# --- answers


def whole_session(session: FakeSession) -> list[PolicyRequest]:
    """Return a request of each kind."""
    return [
        *(
            session.connect(),
            session.ehlo(),
            session.helo(),
            session.vrfy("bob"),
            session.etrn("example.org"),
        ),
        *(session.mail(), session.rcpt(), session.data(), session.end_of_message()),
        request(client_address=BOT),
        request(client_address=BOT, protocol_state="LATER"),
    ]


def test_a_banned_client_is_refused_whatever_it_does() -> None:
    """At each state, on each service, in a running session and in a new one; others get no opinion, never OK."""
    rig = Rig()
    before = whole_session(FakeSession(BOT, server_port=25))
    assert rig.ask(*before) == [DUNNO] * len(before)
    rig.ban()
    assert rig.ask(*before) == [Reply(f"421 4.7.0 Go away, {BOT}")] * len(before)
    assert rig.ask(FakeSession(OTHER).connect()) == [Dunno()]
    assert rig.verdicts.refused == len(before)
    assert rig.counts == {}


@pytest.mark.parametrize("address", ["", "unknown", "localhost", "192.0.2", "1" * 5000, "::g", "192.0.2.7\0"])
def test_who_has_no_address_is_nobody(address: str) -> None:
    """A request without a client's address, or with none that can be read, is not held against anybody."""
    rig = Rig()
    asked = [
        request(client_address=address, protocol_state=state, server_port="587", helo_name="User")
        for state in ("CONNECT", "EHLO", "MAIL", "RCPT")
    ]
    assert rig.ask(*asked, request()) == [DUNNO] * 5
    assert rig.counts == {}


def test_clients_on_the_never_list() -> None:
    """Who is on the never-list is neither counted nor refused."""
    rig = Rig(f'[never]\nnetworks = ["{BOT}"]\n')
    session = FakeSession(BOT)
    assert rig.ask(session.connect(), session.ehlo("User"), session.mail(), session.rcpt()) == [DUNNO] * 4
    assert rig.counts == {}


def test_ipv6_clients_are_their_network() -> None:
    """A ban covers the /64; an IPv4 client in an IPv6 form is the IPv4 client."""
    rig = Rig(reply="521 5.7.1 no")
    rig.ban("2001:db8::1")
    rig.ban(BOT)
    addresses = ("2001:db8::ffff:7", "2001:db8:0:1::1", f"::ffff:{BOT}", "2001:db8::1%eth0")
    refused = [action != DUNNO for action in rig.ask(*(FakeSession(a).connect() for a in addresses))]
    assert refused == [True, False, True, True]


LONG = "x" * 470


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("421 4.7.0 {client} refused", Reply(f"421 4.7.0 {BOT} refused")),
        ("521 5.7.1 refused", Reply("521 5.7.1 refused")),
        ("554 refused", Reply("554 refused")),
        ("REJECT 5.7.1 refused", Reject("5.7.1 refused")),
        ("REJECT refused, {client}", Reject(f"refused, {BOT}")),
        ("421   much  air ", Reply("421 much  air")),
        (f"421 4.7.0 {LONG}", Reply(f"421 4.7.0 {LONG}"[:400])),
        (f"REJECT {LONG}", Reject(LONG[:393])),
        (f"421 {'x' * 395} {LONG}", Reply(f"421 {'x' * 395}")),
        # what cannot be sent, and what Postfix would take for a permit or for trouble of its own
        ("421 5.7.0 status of another class", UNDENIABLE),
        ("REJECT 4.7.0 status of another class", UNDENIABLE),
        ("421", UNDENIABLE),
        ("550 ", UNDENIABLE),
        ("250 ok", UNDENIABLE),
        ("OK", UNDENIABLE),
        ("DUNNO", UNDENIABLE),
        ("", UNDENIABLE),
        ("521 caf\u00e9", UNDENIABLE),
        ("521 a\nb", UNDENIABLE),
    ],
)
def test_reply(reply: str, expected: Action) -> None:
    """A banned client gets the configured reply, cut to what may be sent; one that cannot be sent is still a refusal."""
    rig = Rig(reply=reply)
    rig.ban()
    action = rig.ask(FakeSession(BOT).connect())
    assert action == [expected]
    assert len(encode_action(action[0])) <= 416


def test_the_default_reply_can_be_sent() -> None:
    """What the configuration says by default reaches the client as it is."""
    rig = Rig(reply=parse_config("").reply.banned.text)
    rig.ban()
    (action,) = rig.ask(FakeSession(BOT).connect())
    assert isinstance(action, Reply)
    assert action.reply.startswith(f"421 4.7.0 {BOT} refused until ")


def test_in_mode_watch_nobody_is_refused() -> None:
    """In mode watch banned clients get no opinion, too."""
    rig = Rig('mode = "watch"\n')
    rig.ban()
    assert rig.ask(FakeSession(BOT).connect()) == [DUNNO]


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20)), st.booleans())
def test_never_a_permit(attributes: dict[str, str], banned: bool) -> None:
    """Whatever a request says, its answer is a refusal or no opinion, as the address alone decides."""
    rig = Rig()
    rig.ban()
    known = {"client_address": BOT if banned else OTHER}
    (action,) = rig.ask(request(**{**attributes, **known}))
    assert action == (Reply(f"421 4.7.0 Go away, {BOT}") if banned else Dunno())


# --- relay attempts


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"server_port": "587"}, "postfix 587"),
        ({"server_port": "465"}, "postfix 465"),
        ({"server_port": "587", "protocol_state": "RCPT"}, "postfix 587"),
        ({"server_port": "25"}, None),
        ({"server_port": "2525"}, None),
        ({"server_port": "2525", "policy_context": "submission"}, "postfix 2525"),
        ({"policy_context": "Submission"}, "postfix Submission"),
        ({"policy_context": "SMTPS"}, "postfix SMTPS"),
        ({"policy_context": "submissions"}, "postfix submissions"),
        ({"policy_context": "mx"}, None),
        ({}, None),
        ({"server_port": "587", "sasl_username": "alice"}, None),
        ({"server_port": "587", "ccert_fingerprint": "AB:CD"}, None),
        ({"server_port": "587", "protocol_state": "CONNECT"}, None),
        ({"server_port": "587", "protocol_state": "EHLO"}, None),
        ({"server_port": "587", "protocol_state": "VRFY"}, None),
    ],
)
def test_relay_attempt(attributes: dict[str, str], expected: str | None) -> None:
    """MAIL or RCPT on a submission service without a login counts, with the service's name."""
    rig = Rig()
    rig.ask(request(**{"client_address": BOT, "protocol_state": "MAIL", **attributes}))
    assert rig.strikes == ([] if expected is None else [("relay-attempt", 1, expected)])


def test_a_session_counts_once() -> None:
    """However often and through however many connections Postfix asks, a session counts each signal once."""
    rig = Rig()
    session = FakeSession(BOT)
    mail, rcpt = session.mail(), session.rcpt()
    for peer in (Peer(1, "a"), Peer(2, "b")):
        rig.ask(*[mail] * 3, *[rcpt] * 4, peer=peer)
    assert rig.counts == {"relay-attempt": 1}


def test_sessions_count_apart() -> None:
    """Another port of client or server is another session, and so is what comes after a CONNECT."""
    rig = Rig()
    for session in (
        *(FakeSession(BOT, client_port=40000), FakeSession(BOT, client_port=40001)),
        FakeSession(BOT, client_port=40000, server_port=465),
    ):
        rig.ask(session.mail(), session.rcpt())
    assert rig.counts == {"relay-attempt": 3}
    session = FakeSession(BOT, client_port=40000)
    rig.ask(session.connect(), session.mail(), session.rcpt())
    assert rig.counts == {"relay-attempt": 4}


def test_silence_ends_a_session() -> None:
    """Where Postfix does not ask at CONNECT, the same ports after a long silence are another session."""
    rig = Rig()
    mail = FakeSession(BOT).mail()
    for pause_s in (MAX_SILENCE_S, MAX_SILENCE_S, 1):
        rig.ask(mail)
        rig.now_s += pause_s
    assert rig.counts == {"relay-attempt": 1}
    rig.now_s += MAX_SILENCE_S
    rig.ask(mail)
    assert rig.counts == {"relay-attempt": 2}


def test_guessers_who_relay_are_banned() -> None:
    """Relay attempts are strikes as failed logins are: who reaches the limit is refused at the next request."""
    rig = Rig()
    answers = [rig.ask(FakeSession(BOT).mail())[0] for _ in range(6)]
    assert answers == [DUNNO] * 5 + [Reply(f"421 4.7.0 Go away, {BOT}")]
    assert rig.counts == {"relay-attempt": 5}


# --- HELO names


def test_bad_helo() -> None:
    """A name of helo.bad counts once a session, on any service, also where Postfix asks at RCPT only."""
    rig = Rig()
    session = FakeSession(BOT, server_port=25)
    rig.ask(session.connect(), session.ehlo("User"), session.ehlo("User"), session.mail(), session.rcpt())
    assert rig.strikes == [("bad-helo", 2, "postfix 25")]
    later = FakeSession(OTHER, server_port=25)
    later.ehlo("ylmf-pc")
    rig.ask(later.rcpt(), later.rcpt())
    assert rig.counts == {"bad-helo": 2}


def test_our_own_address_as_a_name() -> None:
    """The address that Postfix says it was reached at counts, once a session; loopback and those of others do not."""
    rig = Rig()
    session = FakeSession(BOT, server_address="198.18.0.1", server_port=25)
    rig.ask(session.connect(), session.ehlo("[198.18.0.1]"), session.ehlo("198.18.0.1"), session.mail())
    assert rig.strikes == [("bad-helo", 2, "postfix 25")]
    for server, name in (("198.18.0.1", "[198.18.0.2]"), ("127.0.0.1", "[127.0.0.1]"), ("", "198.18.0.1")):
        other = FakeSession(OTHER, server_address=server, server_port=25)
        rig.ask(other.connect(), other.ehlo(name), other.mail())
    assert rig.counts == {"bad-helo": 1}


def test_other_names_are_no_matter() -> None:
    """Names that are merely odd do not count, nor does a bad one of who has logged in."""
    rig = Rig()
    for name in ("user", "localhost", "[127.0.0.1]", "", "User.lan", "x" * 5000):
        session = FakeSession(BOT, server_port=25)
        rig.ask(session.connect(), session.ehlo(name), session.mail())
    friend = FakeSession(OTHER)
    friend.ehlo("User")
    friend.login("alice@example.org")
    rig.ask(friend.mail(), friend.rcpt())
    assert rig.counts == {"auth-pass": 1}


# --- logins


def test_a_login_gives_credit_once() -> None:
    """A login takes back its user's strikes, once a session; it counts again for another session."""
    rig = Rig()
    users = UserTags(b"0123456789abcdef")
    client = make_key(pack_address(OTHER), 32)
    for user in ("alice@example.org", "alice@example.org", "bob@example.org"):
        rig.engine.strike(Kind.AUTH_FAIL, client, NOW_S, user, users.of(user))
    session = FakeSession(OTHER)
    session.login("Alice@example.org")
    rig.ask(session.mail(), session.rcpt(), session.data(), session.end_of_message())
    assert rig.engine.strikes(client, NOW_S) == 1
    assert rig.counts == {"auth-pass": 1}
    again = FakeSession(OTHER)
    again.login("alice@example.org")
    rig.ask(again.connect(), again.mail())
    assert rig.counts == {"auth-pass": 2}


def test_a_login_of_a_banned_client_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """Who is banned and then shows a login is refused, gets no credit, and is an alarm; one seen before is not."""
    rig = Rig()
    early, late = FakeSession(BOT), FakeSession(BOT)
    early.login("alice@example.org")
    rig.ask(early.mail())
    rig.ban()
    late.login("bob@example.org")
    answers = rig.ask(early.mail(), late.mail(), late.rcpt())
    assert answers == [Reply(f"421 4.7.0 Go away, {BOT}")] * 3
    assert rig.counts == {"auth-pass": 2, "auth-pass-banned": 1}
    assert caplog.text.count("alarm") == 1


# --- sessions without a login

NO_AUTH = "[weights]\nno_auth = 0.5\n"


def test_by_default_no_auth_costs_nothing() -> None:
    """With its weight of 0 nothing is remembered of sessions that never log in."""
    rig = Rig()
    session = FakeSession(BOT)
    rig.ask(session.connect(), session.ehlo(), FakeSession(BOT).connect())
    rig.sensor.closed(PEER)
    assert rig.counts == {}
    assert not rig.sensor._openings


def test_no_auth() -> None:
    """A submission session that showed no login counts when its connection goes on to another one, or closes."""
    rig = Rig(NO_AUTH)
    session = FakeSession(BOT)
    rig.ask(session.connect(), session.ehlo(), session.ehlo())
    assert rig.counts == {}
    rig.ask(FakeSession(BOT).connect())
    assert rig.strikes == [("no-auth", 0.5, "postfix 587")]
    rig.sensor.closed(PEER)
    rig.sensor.closed(PEER)
    assert rig.counts == {"no-auth": 2}


def test_no_auth_spares_who_logged_in() -> None:
    """Not who logged in, also where another connection showed it; nor port 25, nor who is banned or never counted."""
    rig = Rig(NO_AUTH + '[never]\nnetworks = ["192.0.2.8"]\n')
    session = FakeSession(OTHER)
    rig.ask(session.connect())
    session.login("alice@example.org")
    rig.ask(session.mail(), peer=Peer(2, "other"))
    rig.ask(FakeSession(OTHER, server_port=25).connect(), FakeSession("192.0.2.8").connect())
    banned_later = FakeSession(BOT)
    rig.ask(banned_later.connect())
    rig.ban()
    rig.ask(FakeSession(BOT).connect())
    rig.sensor.closed(PEER)
    rig.sensor.closed(Peer(2, "other"))
    assert rig.counts == {"auth-pass": 1}


# --- bounds


def test_memory_is_bounded() -> None:
    """A flood of sessions is remembered up to a limit, and of each no more than a few short texts."""
    rig = Rig()
    for number in range(MAX_SESSIONS + 10):
        rig.ask(
            request(
                client_address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
                client_port="9" * 5000,
                server_port="587",
                sasl_username="x" * 5000,
                protocol_state="MAIL",
            )
        )
    assert len(rig.sensor._sessions) == MAX_SESSIONS
    key, session = next(iter(rig.sensor._sessions.items()))
    assert sum(map(len, key)) < 100
    assert len(session.user) == 255


# --- recorded servers

RECORDED = {
    "3.7/clean-auth": {"auth-pass": 1},
    "3.7/clean-auth-delay-reject-yes": {"auth-pass": 1},
    "3.7/auth-wrong-then-mail": {"relay-attempt": 1, "no-auth": 1},
    "3.7/unauth-relay-587": {"relay-attempt": 1, "no-auth": 2},
    "3.7/unauth-relay-587-delay-reject-yes": {"relay-attempt": 1},
    "3.7/stages-context": {"auth-pass": 1},
    "3.7/endpoints": {"auth-pass": 1},
    "3.7/sessions-one-process": {"auth-pass": 1, "no-auth": 4},
    "3.7/max-use": {"no-auth": 5},
    "3.7/connect-quit": {"no-auth": 6},
    "3.10/clean-auth": {"auth-pass": 1},
    "3.12/clean-auth": {"auth-pass": 1},
    "3.12/clean-auth-465": {"auth-pass": 1},
    "3.12/ipv6": {"auth-pass": 1, "no-auth": 1},
    "3.12/mx-25": {},
    "3.12/etrn-vrfy": {},
    "3.12/multi-message": {"auth-pass": 1},
    "3.12/odd-usernames": {"auth-pass": 4, "relay-attempt": 1, "no-auth": 18},
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name: str) -> None:
    """What real Postfix sent gives these signals and no others, and no opinion to anybody."""
    rig = Rig("[weights]\nno_auth = 0.01\n")
    open_peers: dict[int, Peer] = {}
    for line in (TRANSCRIPTS / f"{name}.jsonl").read_text("utf-8").splitlines():
        event = json.loads(line)
        peer = open_peers.setdefault(event["conn"], Peer(event["conn"], "recorded"))
        if event["event"] == "request":
            assert rig.ask(PolicyRequest(event["attrs"]), peer=peer) == [DUNNO]
        elif event["event"] == "close":
            rig.sensor.closed(open_peers.pop(event["conn"]))
    for peer in open_peers.values():
        rig.sensor.closed(peer)
    assert rig.counts == RECORDED[name]
