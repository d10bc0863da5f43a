# SPDX-License-Identifier: ISC
"""What the decoy sensor asks, answers and counts, attempt by attempt."""

from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filter_ban.client import ClientKey, key_text
from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.engine.history import NO_SECRET
from filter_ban.model import Answer, Kind
from filter_ban.sensors.decoy import (
    CANCELLED,
    INCOMPLETE,
    MALFORMED,
    NOT_OFFERED,
    REFUSED,
    Attempt,
    DecoySensor,
)
from filter_ban.sensors.sensor import MAX_USER, Means
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts

NOW_S = 1_763_690_000.0
BOT = "198.51.100.66"
USERNAME, PASSWORD = "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"


class Recorder(Engine):
    """Remembers what it is told."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.told: list[tuple[Any, ...]] = []

    def strike(self, kind: Kind, client: ClientKey, *rest: Any) -> None:
        """Remember a strike; without the tag of the user."""
        time_s, user, _, secret, service = rest
        self.told.append((kind, key_text(client), time_s, user, secret, service))


class Rig:
    """A sensor with an engine of its own."""

    def __init__(self) -> None:
        config = parse_config('[never]\nnetworks = ["192.0.2.0/24"]\n')
        policy = Policy.compile(config)
        self.engine = Recorder(policy)
        self.sensor = DecoySensor(
            Means(
                engine=self.engine,
                clients=Clients(policy),
                verdicts=Verdicts(self.engine, config.reply.banned),
                users=UserTags(b"0123456789abcdef"),
                secrets=SecretTags(),
                clock=lambda: NOW_S,
            ),
        )


def b64(text: str | bytes) -> str:
    """Return *text* as SASL carries it."""
    return b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    ("argument", "responses", "questions", "user", "reply"),
    [
        ("PLAIN " + b64("\0alice\0secret"), [], [], "alice", REFUSED),
        ("plain " + b64("\0alice\0secret"), [], [], "alice", REFUSED),
        (" PLAIN  " + b64("\0alice\0secret") + " ", [], [], "alice", REFUSED),
        ("PLAIN " + b64("admin\0alice\0secret"), [], [], "alice", REFUSED),
        ("PLAIN", [b64("\0alice@example.org\0secret")], ["334 "], "alice@example.org", REFUSED),
        ("PLAIN =", [], [], "", REFUSED),
        ("PLAIN", [""], ["334 "], "", REFUSED),
        ("PLAIN", ["*"], ["334 "], "", CANCELLED),
        ("PLAIN", ["%%%"], ["334 "], "", MALFORMED),
        ("PLAIN %%%", [], [], "", MALFORMED),
        ("PLAIN YQ", [], [], "", MALFORMED),
        ("PLAIN gr\u00fcn", [], [], "", MALFORMED),
        ("PLAIN \udcff", [], [], "", MALFORMED),
        ("PLAIN " + b64("\0alice\0secret") + " more", [], [], "", MALFORMED),
        ("PLAIN " + b64("alice"), [], [], "", REFUSED),
        ("PLAIN " + b64("\0alice"), [], [], "alice", REFUSED),
        ("PLAIN " + b64(b"\0b\xff\0secret"), [], [], "b\\xff", REFUSED),
        ("LOGIN", [b64("alice"), b64("secret")], [USERNAME, PASSWORD], "alice", REFUSED),
        ("login", [b64("alice"), b64("secret")], [USERNAME, PASSWORD], "alice", REFUSED),
        ("LOGIN " + b64("alice"), [b64("secret")], [PASSWORD], "alice", REFUSED),
        ("LOGIN =", [b64("secret")], [PASSWORD], "", REFUSED),
        ("LOGIN", ["*"], [USERNAME], "", CANCELLED),
        ("LOGIN", [b64("alice"), "*"], [USERNAME, PASSWORD], "alice", CANCELLED),
        ("LOGIN", ["%%%"], [USERNAME], "", MALFORMED),
        ("LOGIN", [b64("alice"), "%%%"], [USERNAME, PASSWORD], "alice", REFUSED),
        ("LOGIN " + b64("gr\u00fcn"), [""], [PASSWORD], "gr\u00fcn", REFUSED),
        ("CRAM-MD5", [], [], "", NOT_OFFERED),
        ("XOAUTH2 " + b64("user=alice"), [], [], "", NOT_OFFERED),
        ("", [], [], "", INCOMPLETE),
        ("  ", [], [], "", INCOMPLETE),
    ],
)
def test_attempt(argument: str, responses: list[str], questions: list[str], user: str, reply: str) -> None:
    """Each is asked what its mechanism asks, is refused, and gives its user away."""
    attempt = Attempt(argument)
    asked = []
    for response in responses:
        asked.append(attempt.question)
        attempt.receive(f"{response}\r\n".encode())

    assert (questions, "", user, reply) == (asked, attempt.question, attempt.user, attempt.reply)


@given(st.text(), st.lists(st.binary(), min_size=2, max_size=2))
def test_any_attempt_is_refused(argument: str, responses: list[bytes]) -> None:
    """Whatever a client sends, there are at most two questions and then a reply of class 5."""
    for words in (argument, f"PLAIN {argument}", f"LOGIN {argument}"):
        attempt = Attempt(words)
        answers = iter(responses)
        while attempt.question:
            attempt.receive(next(answers))
        assert attempt.reply[0] == "5"
        attempt.user.encode()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.binary())
def test_the_password_is_not_kept(user: str, password: bytes) -> None:
    """Of an attempt the user's name is left, and nothing of the password."""
    secret = b"<" + password + b">"
    plain = Attempt("PLAIN " + b64(b"\0" + user.encode() + b"\0" + secret))
    login = Attempt("LOGIN")
    login.receive(b64(user).encode())
    login.receive(b64(secret).encode())

    for attempt in (plain, login):
        assert user == attempt.user
        assert {user, REFUSED, (), "PLAIN", "LOGIN"} >= set(vars(attempt).values())


def test_an_attempt_is_one_strike() -> None:
    """It has kind, client, user and service, and no secret."""
    rig = Rig()

    rig.sensor.attempted(BOT, "alice")
    rig.sensor.attempted("2001:db8::1", "x" * 1000)

    assert rig.engine.told == [
        (Kind.DECOY, BOT, NOW_S, "alice", NO_SECRET, "decoy"),
        (Kind.DECOY, "2001:db8::/64", NOW_S, "x" * MAX_USER, NO_SECRET, "decoy"),
    ]
    assert rig.sensor.counts == {Kind.DECOY: 2}


@pytest.mark.parametrize("address", ["192.0.2.7", "", "no address"])
def test_who_is_never_counted_is_not(address: str) -> None:
    """The never-list holds here too; who has no address is nobody."""
    rig = Rig()

    rig.sensor.attempted(address, "alice")

    assert rig.engine.told == []
    assert rig.sensor.verdict(address).answer is Answer.ALLOW


def test_verdict() -> None:
    """A banned client is told so, and all others may go on."""
    rig = Rig()
    rig.engine.ban(rig.sensor._clients.of(BOT), int(NOW_S), rule="by hand", reason="test")

    assert rig.sensor.verdict(BOT).text.startswith(f"421 4.7.0 {BOT} refused until ")
    assert rig.sensor.verdict("203.0.113.1").answer is Answer.ALLOW
