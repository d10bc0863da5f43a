# SPDX-License-Identifier: ISC
"""What the doctor says of Dovecot: each wrong configuration has its finding, the right one has none."""

import base64

import pytest

from filter_ban.config.values import Endpoint
from filter_ban.doctor.dovecot import findings, nonce_missing
from filter_ban.doctor.dovecot_settings import DovecotSettings
from filter_ban.doctor.finding import Finding
from filter_ban.doctor.health import Health
from tests.filter_ban.doctor import printed

SERIES = ("2.3", "2.4")
ENDPOINT = Endpoint(host="127.0.0.1", port=10041)
SECRET = "correct-horse"
HEADER = "auth_policy_server_api_header"
PENALTY = "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0600\n  }\n}\n"

# what is wrong: lines behind those of the right configuration; name of the one finding, parts of text and remedy
WRONG = {
    "no URL": (
        "auth_policy_server_url =",
        ("auth-policy-missing", "not counted", "= http://127.0.0.1:10041/"),
    ),
    "another URL": (
        "auth_policy_server_url = http://wforce:secret@127.0.0.1:8084/?a=b&",
        (
            "endpoint-differs",
            "is http://127.0.0.1:8084/, but filter-ban listens at 127.0.0.1:10041",
            ":10041/",
        ),
    ),
    "HTTPS": ("auth_policy_server_url = https://127.0.0.1:10041/", ("endpoint-differs", "https:", "http://")),
    "no check": (
        "auth_policy_check_before_auth = no",
        ("check-off", "nobody is refused", "auth_policy_check_before_auth = yes"),
    ),
    "check afterwards only": (
        "auth_policy_check_before_auth = no\nauth_policy_check_after_auth = yes",
        ("after-auth-only", "after-auth check only, an oracle", "auth_policy_check_before_auth = yes"),
    ),
    "no reports": (
        "auth_policy_report_after_auth = no",
        ("report-off", "no failed login is counted", "auth_policy_report_after_auth = yes"),
    ),
    "reject_on_fail": (
        "auth_policy_reject_on_fail = yes",
        ("reject-on-fail", "while filter-ban is down nobody can log in", "auth_policy_reject_on_fail = no"),
    ),
    "log_only": (
        "auth_policy_log_only = yes",
        ("log-only", "nobody is refused", "auth_policy_log_only = no"),
    ),
    "penalty": (
        PENALTY,
        ("penalty", "Dovecot's own penalty is on", "service/anvil/unix_listener/anvil-auth-penalty/mode = 0"),
    ),
    "constant hashes": (
        "auth_mechanisms = plain login cram-md5 scram-sha-256",
        ("attribute-mech", "with cram-md5, scram-sha-256 the hash", "mech"),
    ),
}
WRONG_TIMEOUT = {
    "2.3": ("auth_policy_server_timeout_msecs = 3000", "for 3000;"),
    "2.4": ("auth_policy {\n  http_client_request_absolute_timeout = 3 s\n}", "for 3 s;"),
}


def say(
    settings: DovecotSettings,
    secret: str = "",
    health: Health = Health(),  # noqa: B008 - frozen
) -> list[Finding]:
    """Return the findings where the auth policy server answers as *health* says."""
    return [*findings(settings, (ENDPOINT,), secret, lambda _: health)]


@pytest.mark.parametrize("series", SERIES)
def test_right(series: str) -> None:
    """Of the configuration that we recommend nothing is said."""
    assert say(printed.dovecot(f"{series}-right")) == []


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize(("more", "expected"), WRONG.values(), ids=WRONG.keys())
def test_wrong(series: str, more: str, expected: tuple[str, str, str]) -> None:
    """Each fault is one finding with the line that mends it."""
    (finding,) = say(printed.dovecot(f"{series}-right", more))
    assert finding.name == expected[0]
    assert expected[1] in finding.text
    assert expected[2] in finding.remedy
    assert finding.place == "dovecot.conf"
    assert "\n" not in str(finding)


@pytest.mark.parametrize("series", SERIES)
def test_timeout(series: str) -> None:
    """A timeout that is too long, or the default, is told."""
    more, told = WRONG_TIMEOUT[series]
    (finding,) = say(printed.dovecot(f"{series}-right", more))
    assert finding.name == "timeout"
    assert told in str(finding)
    (finding,) = say(printed.dovecot(f"{series}-right", more.replace("3000", "").replace("3 s", "")))
    assert (finding.name, "the default, 2 s" in finding.text) == ("timeout", True)


@pytest.mark.parametrize("series", SERIES)
def test_as_installed(series: str) -> None:
    """Dovecot as Debian installs it knows nothing of us, and has its own penalty on."""
    assert [one.name for one in say(printed.dovecot(f"{series}-stock"), SECRET)] == [
        "auth-policy-missing",
        "penalty",
    ]


@pytest.mark.parametrize("series", SERIES)
def test_everything_wrong(series: str) -> None:
    """Everything that can be wrong at once is told as the real Dovecot prints it."""
    names = [finding.name for finding in say(printed.dovecot(f"{series}-wrong"), SECRET)]
    assert names == [
        "endpoint-differs",
        "after-auth-only",
        "report-off",
        "reject-on-fail",
        "log-only",
        "attribute-login",
        "attribute-pwhash",
        "attribute-remote",
        "attribute-mech",
        "secret-wrong",
        "timeout",
        "penalty",
        *(["failure-delay"] if series == "2.4" else []),
    ]


def test_attributes() -> None:
    """The line that is advised has all attributes in 2.3, and one of the block in 2.4."""
    (old,) = say(printed.dovecot("2.3-right", "auth_policy_request_attributes = login=%u remote=%{rip} x=y"))
    assert (old.name, old.remedy) == (
        "attribute-pwhash",
        "auth_policy_request_attributes = login=%u remote=%{rip} x=y pwhash=%{hashed_password}",
    )
    (new,) = say(
        printed.dovecot("2.4-right", "auth_policy {\n  request_attributes {\n    pwhash = \n  }\n}\n")
    )
    assert (new.name, new.remedy) == (
        "attribute-pwhash",
        "auth_policy_request_attributes/pwhash = %{hashed_password}",
    )


@pytest.mark.parametrize(
    "more",
    [
        "auth_policy_request_attributes_mech = %{mechanism}",
        "auth_policy_request_attributes_mechanism = %{mechanism}",
    ],
)
def test_mechanism_told(more: str) -> None:
    """Mechanisms with constant hashes do no harm where the mechanism is told."""
    assert say(printed.dovecot("2.4-right", f"auth_mechanisms = plain cram-md5\n{more}")) == []


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("", ["secret-missing"]),
        (f"{HEADER} = X-Api-Key: {SECRET}", []),
        (f"{HEADER} = x-api-key:{SECRET}", []),
        (f"{HEADER} = Authorization: Basic {base64.b64encode(f'wforce:{SECRET}'.encode()).decode()}", []),
        (f"auth_policy_server_url = http://wforce:{SECRET}@127.0.0.1:10041/", []),
        (f"{HEADER} = # hidden, use -P to show it", []),
        (f"{HEADER} = X-Api-Key: its-own", ["secret-wrong"]),
        (f"{HEADER} = X-Other: {SECRET}", ["secret-wrong"]),
        (f"{HEADER} = Authorization: Basic its-own", ["secret-wrong"]),
        (f"{HEADER} = Authorization: Basic \xe9", ["secret-wrong"]),
        ("auth_policy_server_url = http://[::1/", ["endpoint-differs", "secret-missing"]),
    ],
)
@pytest.mark.parametrize("series", SERIES)
def test_secret(series: str, line: str, names: list[str]) -> None:
    """The secret that Dovecot sends is compared with ours, and neither is shown."""
    found = say(printed.dovecot(f"{series}-right", line), SECRET)
    assert [finding.name for finding in found] == names
    assert not any(word in str(finding) for finding in found for word in (SECRET, "its-own"))


def test_no_secret_wanted() -> None:
    """A secret that we do not ask for does no harm."""
    assert say(printed.dovecot("2.3-right", f"{HEADER} = X-Api-Key: its-own")) == []


def test_failure_delay() -> None:
    """Without the delay 2.4 answers before it reports; 2.3 still takes half a second."""
    assert say(printed.dovecot("2.3-right", "auth_failure_delay = 0")) == []
    (finding,) = say(printed.dovecot("2.4-right", "auth_failure_delay = 0"))
    assert finding.name == "failure-delay"


def test_not_listening() -> None:
    """That our configuration has no auth policy server is told, and nobody is asked."""
    (finding,) = findings(printed.dovecot("2.3-right"), (), "", lambda _: Health("asked"))
    assert (finding.name, finding.remedy) == ("listen-empty", 'listen = ["127.0.0.1:10041"]')


def test_down() -> None:
    """An auth policy server that is down is told apart from one that is another."""
    for answered, name in ((False, "endpoint-down"), (True, "endpoint-wrong")):
        (finding,) = say(printed.dovecot("2.4-right"), health=Health("why", answered=answered))
        assert finding.name == name


def test_nonce() -> None:
    """Without the nonce doveconf itself fails, and what it says becomes the finding."""
    finding = nonce_missing("doveconf: Error: auth_policy_hash_nonce must be set when policy server is used")
    assert finding is not None
    assert finding.name == "nonce-missing"
    assert nonce_missing("doveconf: Fatal: Unknown setting: x") is None
