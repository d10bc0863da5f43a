# SPDX-License-Identifier: ISC
"""What the Dovecot sensor counts and answers, request by request."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filter_ban.client import parse_network
from filter_ban.clients import Clients
from filter_ban.config import parse_config
from filter_ban.engine import Engine, Policy
from filter_ban.model import Kind
from filter_ban.sensors.dovecot import MAX_EXPLANATION, DovecotSensor
from filter_ban.sensors.sensor import MAX_USER, Means
from filter_ban.tags import SecretTags, UserTags
from filter_ban.verdicts import Verdicts

TRANSCRIPTS = Path(__file__).parents[2] / "transcripts" / "dovecot"
NOW_S = 1_763_690_000.0
BOT = "198.51.100.66"
REASON = f"{BOT} refused until 2025-11-21 02:09 UTC after 5 failed logins, reference "
FAILURE = {
    "device_id": "",
    "fail_type": "credentials",
    "login": "alice@example.org",
    "protocol": "imap",
    "pwhash": "0f2d",
    "remote": BOT,
    "session_id": "",
    "success": False,
    "policy_reject": False,
    "tls": False,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


class Rig:
    """A sensor with an engine of its own."""

    def __init__(self, settings: str = "") -> None:
        config = parse_config(settings)
        policy = Policy.compile(config)
        self.now_s = NOW_S
        self.engine = Engine(policy)
        self.sensor = DovecotSensor(
            Means(
                engine=self.engine,
                clients=Clients(policy),
                verdicts=Verdicts(self.engine, config.reply.banned),
                users=UserTags(b"0123456789abcdef"),
                secrets=SecretTags(),
                clock=lambda: self.now_s,
            ),
        )

    def fail(self, *pwhashes: str, **attributes: object) -> None:
        """Report a failed login for each of *pwhashes*."""
        for pwhash in pwhashes:
            self.sensor.report({**FAILURE, "pwhash": pwhash, **attributes})

    def ban(self, client: str = BOT) -> None:
        """Let *client* fail until it is banned."""
        self.fail("1", "2", "3", "4", "5", remote=client)

    def allowed(self, remote: object = BOT) -> bool:
        """Return whether a client may go on."""
        return self.sensor.allow({"login": "alice@example.org", "remote": remote}).allowed

    @property
    def strikes(self) -> list[str]:
        """What counted so far."""
        return [strike.kind.value for strike in self.engine.outbox.strikes]


def test_the_sixth_attempt_is_refused() -> None:
    """Five different passwords are a ban at once: the next allow says no, and why."""
    rig = Rig()
    for pwhash in "12345":
        assert rig.allowed()
        rig.fail(pwhash)

    permission = rig.sensor.allow({"remote": BOT})
    assert not permission.allowed
    assert permission.explanation.startswith(REASON)
    assert rig.allowed("198.51.100.67")


@pytest.mark.parametrize(
    ("client", "spellings"),
    [
        (BOT, [f"::ffff:{BOT}", f"::FFFF:{BOT}", "::ffff:c633:6442"]),
        ("2001:db8::1", ["2001:db8:0:0::1", "[2001:db8::1]", "2001:db8::2%eth0"]),
        (f"::ffff:{BOT}", [BOT]),
    ],
)
def test_each_spelling_of_a_banned_address_is_refused(client: str, spellings: list[str]) -> None:
    """An address is what it means, not how it is written."""
    rig = Rig()
    rig.ban(client)

    assert [rig.allowed(spelling) for spelling in spellings] == [False] * len(spellings)


@pytest.mark.parametrize(
    "remote", ["", "unix", "192.0.2", f"{BOT}\0", "\ud800", "1" * 100_000, None, 7, [BOT]]
)
def test_who_has_no_address_is_let_through_and_not_counted(remote: object) -> None:
    """A local socket and nonsense are nobody."""
    rig = Rig()
    rig.fail("1", "2", "3", "4", "5", "6", remote=remote)

    assert rig.strikes == []
    assert rig.allowed(remote)


def test_without_remote_is_nobody() -> None:
    """An allow without an address is let through."""
    assert Rig().sensor.allow({}).allowed


def test_watch_mode_lets_through() -> None:
    """What would be refused is only counted."""
    rig = Rig('mode = "watch"')
    rig.ban()

    assert len(rig.engine.outbox.bans) == 1
    assert rig.allowed()


def test_the_explanation_is_bounded() -> None:
    """Whatever the configuration makes of it, Postfix can put it into one SMTP reply."""
    rig = Rig(f'reply.banned = "554 5.7.1 {"x" * 460}"')
    rig.ban()

    assert rig.sensor.allow({"remote": BOT}).explanation == "x" * MAX_EXPLANATION


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({}, "auth-fail"),
        ({"fail_type": "account"}, "unknown-user"),
        ({"fail_type": ""}, "auth-fail"),
        ({"fail_type": "expired"}, "auth-fail"),
        ({"fail_type": "disabled"}, "auth-fail"),
        ({"fail_type": "something new"}, "auth-fail"),
        ({"fail_type": None}, "auth-fail"),
        ({"fail_type": ["internal"]}, "auth-fail"),
        ({"fail_type": "internal"}, None),
        ({"fail_type": "policy"}, None),
        ({"policy_reject": True}, None),
        ({"policy_reject": True, "fail_type": "policy"}, None),
        ({"policy_reject": True, "success": True}, None),
        ({"success": True}, None),
        ({"success": "true"}, None),
        ({"success": "false"}, None),
        ({"success": None}, None),
        ({"success": 0}, None),
        ({"policy_reject": "false"}, None),
        ({"login": None, "pwhash": 5, "protocol": {}, "tls": "x"}, "auth-fail"),
    ],
)
def test_what_counts(attributes: dict[str, object], kind: str | None) -> None:
    """A failure counts unless it is the server's fault, our own refusal, or not clearly a failure."""
    rig = Rig()
    rig.sensor.report({**FAILURE, **attributes})

    assert rig.strikes == ([] if kind is None else [kind])


@pytest.mark.parametrize(
    ("attributes", "counts"),
    [
        ({"success": "true"}, {"malformed": 1}),
        ({"policy_reject": 1}, {"malformed": 1}),
        ({"policy_reject": True}, {"policy-reject": 1}),
        ({"fail_type": "policy"}, {"fail-policy": 1}),
        ({"fail_type": "internal"}, {"fail-internal": 1}),
        ({"success": True}, {"auth-pass": 1}),
        ({}, {"auth-fail": 1}),
    ],
)
def test_everything_is_counted_for_display(attributes: dict[str, object], counts: dict[str, int]) -> None:
    """What counts for nothing is seen all the same."""
    rig = Rig()
    rig.sensor.report({**FAILURE, **attributes})

    assert rig.sensor.counts == counts


def test_a_report_without_policy_reject_counts() -> None:
    """What speaks weakforced's API and is not Dovecot may leave it out."""
    rig = Rig()
    rig.sensor.report({"login": "alice", "remote": BOT, "success": False})

    assert rig.strikes == ["auth-fail"]


@pytest.mark.parametrize(
    ("reports", "strikes"),
    [
        ([{}, {}, {}], 1),
        ([{"pwhash": "1"}, {"pwhash": "2"}, {"pwhash": "1"}], 2),
        ([{}, {"login": "bob"}], 2),
        ([{}, {"protocol": "smtp"}], 1),
        ([{"login": ""}, {"login": ""}], 2),
        ([{"login": None}, {"login": None}], 2),
        ([{"pwhash": ""}, {"pwhash": ""}], 2),
        ([{"pwhash": None}, {"pwhash": None}], 2),
        ([{"mech": "plain"}, {"mech": "LOGIN"}], 1),
        ([{"mech": "CRAM-MD5"}, {"mech": "CRAM-MD5"}], 2),
        ([{"mechanism": "scram-sha-256"}, {"mechanism": "scram-sha-256"}], 2),
        ([{"mech": "SOMETHING-NEW"}, {"mech": "SOMETHING-NEW"}], 2),
        ([{"mech": "XOAUTH2"}, {"mech": "xoauth2"}], 1),
        ([{"mech": "EXTERNAL"}, {"mech": "EXTERNAL"}], 1),
        ([{"mech": ""}, {"mech": 3}], 1),
        ([{"fail_type": "account"}, {"fail_type": "account"}], 1),
    ],
)
def test_what_counts_as_the_same_password(reports: list[dict[str, object]], strikes: int) -> None:
    """The same user with the same pwhash, where it says something; an empty name has a constant one."""
    rig = Rig()
    for attributes in reports:
        rig.sensor.report({**FAILURE, **attributes})

    assert len(rig.strikes) == strikes


def test_success_takes_back_that_users_strikes() -> None:
    """And no other's."""
    rig = Rig()
    rig.fail("1", "2", "3", "4")
    rig.fail("1", login="bob")
    assert not rig.allowed()
    rig = Rig()
    rig.fail("1", "2", "3", "4")
    rig.sensor.report({**FAILURE, "success": True, "pwhash": "9"})
    rig.fail("1", login="bob")

    assert rig.allowed()


def test_success_of_a_banned_client_is_an_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """Its password was being checked when the ban fell: it earns nothing."""
    rig = Rig()
    rig.ban()
    rig.sensor.report({**FAILURE, "success": True})

    assert rig.sensor.counts["auth-pass-banned"] == 1
    assert not rig.allowed()
    assert [record.message.split()[0] for record in caplog.records] == ["alarm"]


@pytest.mark.parametrize(
    ("protocol", "service"),
    [
        ("imap", "dovecot imap"),
        ("smtp", "dovecot smtp"),
        ("", "dovecot"),
        (None, "dovecot"),
        ("a\nb", "dovecot"),
        ("ünï", "dovecot"),
        ("x" * 1000, "dovecot " + "x" * 32),
    ],
)
def test_the_service_in_the_ledger(protocol: object, service: str) -> None:
    """It is Dovecot's protocol, bounded and printable."""
    rig = Rig()
    rig.fail("1", protocol=protocol)

    assert rig.engine.outbox.strikes[0].service == service


@pytest.mark.parametrize(
    ("login", "user"),
    [("x" * 1000, "x" * MAX_USER), ("half\ud800", "half?"), ("ünï", "ünï"), ("a\0b", "a\0b"), (7, "")],
)
def test_the_user_is_bounded_text(login: object, user: str) -> None:
    """Whatever JSON can say, the ledger can encode it."""
    rig = Rig()
    rig.fail("1", login=login)

    assert rig.engine.outbox.strikes[0].user == user


@given(st.dictionaries(st.sampled_from([*FAILURE, "mech", "x"]), JSON))
@example({"success": True})
def test_nothing_raises(attributes: dict[str, Any]) -> None:
    """Any JSON object is a request, and only its address decides about it."""
    rig = Rig()
    rig.sensor.report(attributes)
    rig.sensor.report({**FAILURE, **attributes})
    rig.engine.ban(parse_network(BOT), int(rig.now_s), rule="by hand", reason="a test")

    assert not rig.sensor.allow({**attributes, "remote": BOT}).allowed


def replay(path: Path) -> tuple[Rig, list[bool]]:
    """Feed a recording; return the rig and what each allow was answered."""
    rig = Rig('limits.windows = ["1000 in 10m"]')
    allowed = []
    for line in path.read_text().splitlines():
        recorded = json.loads(line)
        attributes = json.loads(recorded["body"])
        if recorded["target"].endswith("command=allow"):
            allowed.append(rig.sensor.allow(attributes).allowed)
        else:
            rig.sensor.report(attributes)
    return rig, allowed


@pytest.mark.parametrize(
    ("name", "counts", "strikes"),
    [
        ("2.3/all-checks", {"auth-fail": 6, "auth-pass": 3}, 6),
        ("2.4/all-checks", {"auth-fail": 4, "unknown-user": 2, "auth-pass": 3}, 6),
        ("2.3/odd", {"auth-fail": 11}, 11),
        ("2.4/odd", {"auth-fail": 4, "unknown-user": 7}, 11),
        ("2.3/odd-default-username-chars", {"auth-fail": 5}, 5),
        ("2.4/odd-default-username-chars", {"auth-fail": 5}, 5),
        ("2.3/refuse", {"policy-reject": 10}, 0),
        ("2.4/refuse", {"policy-reject": 10}, 0),
        ("2.4/log-only", {"policy-reject": 2}, 0),
        ("2.3/report-only-no-pwhash", {"auth-fail": 6, "auth-pass": 3}, 6),
        ("2.4/report-only-no-pwhash", {"auth-fail": 4, "unknown-user": 2, "auth-pass": 3}, 6),
        ("2.4/api-header", {"auth-pass": 1, "auth-fail": 1}, 1),
        ("2.4/fail-types", {"auth-pass": 5, "auth-fail": 5, "unknown-user": 3, "fail-internal": 2}, 8),
    ],
)
def test_what_real_servers_sent(name: str, counts: dict[str, int], strikes: int) -> None:
    """Every recorded report is understood; what is the server's fault or our own refusal counts nothing."""
    rig, allowed = replay(TRANSCRIPTS / f"{name}.jsonl")

    assert rig.sensor.counts == counts
    assert len(rig.strikes) == strikes
    assert all(allowed)


def test_every_recording_is_replayed() -> None:
    """No file lies here unread."""
    (mark,) = test_what_real_servers_sent.pytestmark  # type: ignore[attr-defined]  # set by the decorator
    assert {f"{path.parent.name}/{path.stem}" for path in TRANSCRIPTS.rglob("*.jsonl")} == {
        name for name, *_ in mark.args[1]
    }


def test_names_of_real_servers() -> None:
    """Odd names arrive as they were sent; those that Dovecot forbids arrive empty, and are counted each time."""
    rig, _ = replay(TRANSCRIPTS / "2.4" / "odd.jsonl")
    users = [strike.user for strike in rig.engine.outbox.strikes]
    assert users == [
        *("alice@example.org", "", "", "alice@example.org", 'a=b&c"quote\\back', "new\nline", "tab\tuser"),
        *("ünïcode", "latin1-\ufffd", "x" * MAX_USER, " "),
    ]

    rig, _ = replay(TRANSCRIPTS / "2.4" / "odd-default-username-chars.jsonl")
    assert Counter(strike.user for strike in rig.engine.outbox.strikes) == {"": 5}
    assert {strike.kind for strike in rig.engine.outbox.strikes} == {Kind.AUTH_FAIL}
