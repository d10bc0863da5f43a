# SPDX-License-Identifier: ISC
"""What the doctor says of Postfix: each wrong configuration has its finding, the right one has none."""

import pytest

from filter_ban.config.values import Endpoint
from filter_ban.doctor.finding import Finding
from filter_ban.doctor.health import Health
from filter_ban.doctor.postfix import DEFAULT_ENDPOINT, findings
from filter_ban.doctor.postfix_settings import parse_services
from tests.filter_ban.doctor import printed

RIGHT = ("3.7-right", "3.10-right")
OURS = "check_policy_service { inet:127.0.0.1:10040, timeout=5s, default_action=DUNNO, policy_context=submission }"
ENDPOINT = Endpoint(host="127.0.0.1", port=10040)
BOTH = "submission, smtps: "


def both(name: str, value: str) -> str:
    """Return the lines of an option that both services have."""
    return "\n".join(f"{service}/inet/{name} = {value}" for service in ("submission", "smtps"))


def client(value: str) -> str:
    """Return the lines of the restrictions of the client."""
    return both("smtpd_client_restrictions", value)


# what is wrong: the lines that make it so; name of the one finding, part of its text, part of its remedy
WRONG = {
    "delay_reject yes": (
        both("smtpd_delay_reject", "yes"),
        ("delay-reject", "smtpd_delay_reject is yes", "-o smtpd_delay_reject=no"),
    ),
    "on one service only": (
        "smtps/inet/smtpd_delay_reject = yes",
        ("delay-reject", "smtps: smtpd_delay_reject is yes", "-o smtpd_delay_reject=no"),
    ),
    "no policy": (
        client("permit_mynetworks, reject_unknown_client_hostname"),
        (
            "policy-missing",
            "no check_policy_service of filter-ban in smtpd_client_restrictions",
            f"-o {{ smtpd_client_restrictions = permit_mynetworks, {OURS}, reject_unknown_client_hostname, permit }}",
        ),
    ),
    "after AUTH only": (
        client("")
        + "\n"
        + both("smtpd_recipient_restrictions", f"{OURS}, permit_sasl_authenticated, reject"),
        ("after-auth-only", "an oracle: filter-ban is asked in smtpd_recipient_restrictions, not in", OURS),
    ),
    "another endpoint": (
        client("check_policy_service inet:127.0.0.1:10031"),
        ("endpoint-differs", "is inet:127.0.0.1:10031, but filter-ban listens at 127.0.0.1:10040", OURS),
    ),
    "login pair behind us": (
        client(f"{OURS}, permit_sasl_authenticated, reject"),
        (
            "rejects-everybody",
            '"permit_sasl_authenticated, reject" in smtpd_client_restrictions rejects everybody at CONNECT',
            f"-o {{ smtpd_client_restrictions = {OURS}, permit }}",
        ),
    ),
    "login pair with own networks": (
        client(f"{OURS}, permit_mynetworks, permit_sasl_authenticated, reject"),
        ("rejects-everybody", "rejects everybody at CONNECT", f"permit_mynetworks, {OURS}, permit }}"),
    ),
    "bare reject": (
        client(f"{OURS}, reject"),
        ("rejects-everybody", '"reject" in smtpd_client', f"{OURS}, permit }}"),
    ),
    "HELO": (
        both("smtpd_helo_restrictions", "permit_sasl_authenticated, reject"),
        (
            "rejects-everybody",
            "in smtpd_helo_restrictions rejects",
            "-o smtpd_helo_restrictions=permit_sasl_authenticated",
        ),
    ),
    "sender": (
        both("smtpd_sender_restrictions", "reject"),
        ("rejects-everybody", "in smtpd_sender_restrictions rejects", "-o smtpd_sender_restrictions="),
    ),
    "TLS wanted at CONNECT": (
        "submission/inet/smtpd_client_restrictions = " + f"{OURS}, reject_plaintext_session",
        ("rejects-everybody", '"reject_plaintext_session" in smtpd_client_restrictions', OURS),
    ),
    "behind another restriction": (
        client(f"reject_unknown_client_hostname, {OURS}"),
        (
            "policy-not-first",
            'stands after "reject_unknown_client_hostname" in smtpd_client_restrictions, which may decide before',
            f"-o {{ smtpd_client_restrictions = {OURS}, reject_unknown_client_hostname, permit }}",
        ),
    ),
    "behind a permit": (
        client(f"permit, {OURS}"),
        (
            "policy-not-first",
            'stands after "permit" in smtpd_client_restrictions, so it is never asked',
            OURS,
        ),
    ),
    "only a warning": (
        client(f"warn_if_reject {OURS}"),
        ("policy-warns-only", "a banned client is only logged", OURS),
    ),
    "default action 451": (
        client(OURS.replace("default_action=DUNNO", "{ default_action = 451 4.7.1 later }")),
        ("default-action", "everybody gets default_action=451 4.7.1 later", "default_action=DUNNO"),
    ),
    "no default action": (
        client("check_policy_service { inet:127.0.0.1:10040, timeout=5s }"),
        ("default-action", "default_action=451 4.3.5 Server configuration problem", "default_action=DUNNO"),
    ),
    "no timeout": (
        client("check_policy_service { inet:127.0.0.1:10040, { default_action = DUNNO } }"),
        ("timeout", "waits for twice the timeout of 100 s", "timeout=5s"),
    ),
    "one try": (
        client(OURS.replace(" }", ", try_limit=1 }")),
        ("try-limit", "try_limit=1", f"-o {{ smtpd_client_restrictions = {OURS}, permit }}"),
    ),
    "one try everywhere": (
        both("smtpd_policy_service_try_limit", "1"),
        ("try-limit", "try_limit=1", "-o smtpd_policy_service_try_limit=2"),
    ),
    "error limit": (
        both("smtpd_hard_error_limit", "${stress?{1}:{20}}"),
        ("hard-error-limit", "only after 20 errors", "-o smtpd_hard_error_limit=6"),
    ),
    "Cyrus": (
        both("smtpd_sasl_type", "cyrus"),
        ("sasl-not-dovecot", "checked by cyrus and not by Dovecot", "-o smtpd_sasl_type=dovecot"),
    ),
}

# the same as it should be, said in other words
RIGHT_TOO = {
    "without braces": (
        client("check_policy_service inet:127.0.0.1:10040")
        + "\n"
        + both("smtpd_policy_service_default_action", "dunno")
        + "\n"
        + both("smtpd_policy_service_timeout", "5"),
        "",
    ),
    "by name": (client(OURS.replace("127.0.0.1", "localhost")), ""),
    "own hosts first": (client(f"permit_mynetworks, check_client_access cidr:/etc/postfix/x, {OURS}"), ""),
    "by a parameter": (client("$submission_restrictions"), f"submission_restrictions = {OURS}"),
    "by a class": (
        client("ban permit"),
        f"smtpd_restriction_classes = ban\nban = {OURS}",
    ),
    "by a parameter of the service": (both("ours", f"{OURS}, permit") + "\n" + client("${ours}"), ""),
    "from main.cf": (client("$smtpd_x"), f"smtpd_x =\n  {OURS},\n  permit"),
    "allowed networks only": (client(f"{OURS}, check_client_access cidr:/etc/postfix/x, reject"), ""),
    "senders who logged in": (both("smtpd_sender_restrictions", "permit_sasl_authenticated, reject"), ""),
}


def say(services: object, *listen: Endpoint, health: Health = Health()) -> list[Finding]:  # noqa: B008 - frozen
    """Return the findings where the policy service answers as *health* says."""
    return [*findings(services, listen or (ENDPOINT,), lambda _: health)]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RIGHT)
def test_right(name: str) -> None:
    """Of the configuration that we recommend nothing is said."""
    assert say(printed.postfix(name)) == []


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize(("options", "expected"), WRONG.values(), ids=WRONG.keys())
def test_wrong(name: str, options: str, expected: tuple[str, str, str]) -> None:
    """Each fault is one finding, however many services have it, with the line that mends it."""
    (finding,) = say(printed.postfix(name, options=options))
    assert finding.name == expected[0]
    assert expected[1] in finding.text
    assert expected[2] in finding.remedy
    assert finding.text.startswith(("submission", "smtps"))
    assert finding.place.startswith("master.cf under ")
    assert "\n" not in str(finding)


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize(("options", "main"), RIGHT_TOO.values(), ids=RIGHT_TOO.keys())
def test_right_in_other_words(name: str, options: str, main: str) -> None:
    """What means the same as our configuration is right, too."""
    assert say(printed.postfix(name, main=main, options=options)) == []


@pytest.mark.parametrize("name", ["3.7-example", "3.10-example"])
def test_debians_example(name: str) -> None:
    """Debian's own submission services, with the pair of restrictions that most people write, lack four things."""
    found = say(printed.postfix(name))
    assert [finding.name for finding in found] == [
        "delay-reject",
        "policy-missing",
        "rejects-everybody",
        "hard-error-limit",
    ]
    assert all(finding.text.startswith("submission, submissions: ") for finding in found)
    assert "will reject everybody at CONNECT once smtpd_delay_reject is no" in found[2].text


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (f"permit_sasl_authenticated, reject, {OURS}", ["policy-not-first", "rejects-everybody"]),
        ("check_policy_service inet:127.0.0.1:10040", ["default-action", "timeout"]),
        ("permit_sasl_authenticated, reject", ["policy-missing", "rejects-everybody"]),
    ],
)
def test_several_causes(value: str, names: list[str]) -> None:
    """Each cause is told."""
    assert [finding.name for finding in say(printed.postfix("3.7-right", options=client(value)))] == names


@pytest.mark.parametrize("options", [options for options, _ in WRONG.values()], ids=WRONG.keys())
def test_remedy(options: str) -> None:
    """With the line that is advised, the finding is gone, and no other comes."""
    (finding,) = say(printed.postfix("3.10-right", options=options))
    line = finding.remedy.removeprefix("-o ")
    name, _, value = (line[2:-2] if line.startswith("{") else line).partition("=")
    mended = f"{options}\n{both(name.strip(), value.strip())}"
    assert say(printed.postfix("3.10-right", options=mended)) == []


def test_logins_everywhere() -> None:
    """Logins that main.cf allows are allowed on port 25, too, and can be guessed there."""
    found = say(printed.postfix("3.7-right", main="smtpd_sasl_auth_enable = yes"))
    assert [(finding.name, finding.text.partition(":")[0]) for finding in found] == [
        ("delay-reject", "smtp"),
        ("policy-missing", "smtp"),
        ("hard-error-limit", "smtp"),
    ]


@pytest.mark.parametrize(
    ("main", "options"),
    [
        ("", both("smtpd_sasl_auth_enable", "no")),
        ("master_service_disable = submission.inet, smtps.inet", ""),
        ("master_service_disable = !smtp.inet inet", ""),
    ],
)
def test_no_logins(main: str, options: str) -> None:
    """Where nobody can log in, there is nothing to guard, and that is said."""
    (finding,) = say(printed.postfix("3.7-right", main=main, options=options))
    assert finding.name == "no-logins"


def test_services_by_address() -> None:
    """A service is known by its settings, not by its name; other programs than smtpd are none."""
    master = (
        "192.0.2.1:1587 inet n - y - - smtpd\n[::1]:submission inet n - n - - smtpd\n"
        "465 inet n - n - - other\nsmtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n"
    )
    main = f"smtpd_sasl_auth_enable=yes\nsmtpd_sasl_type=dovecot\nsmtpd_client_restrictions={OURS}\n"
    (finding,) = say(parse_services(main + "smtpd_hard_error_limit=6", master, ""))
    assert finding.text.startswith("192.0.2.1:1587, [::1]:submission, smtpd: smtpd_delay_reject is yes")


@pytest.mark.parametrize("text", ["unix:filter-ban/policy", "unix:/filter-ban/policy"])
def test_unix_socket(text: str) -> None:
    """A unix socket is known by its path in the queue directory, which is the root of a service in a chroot."""
    listen = Endpoint(path="/var/spool/postfix/filter-ban/policy")
    services = printed.postfix("3.7-right", options=client(OURS.replace("inet:127.0.0.1:10040", text)))
    assert say(services, listen) == []
    (finding,) = say(printed.postfix("3.7-right"), listen)
    assert finding.name == "endpoint-differs"
    assert "{ unix:filter-ban/policy, timeout=5s" in finding.remedy


def test_no_tls_yet() -> None:
    """At MAIL a client may have begun with TLS, so what is refused without is not everybody."""
    options = both("smtpd_sender_restrictions", "reject_plaintext_session")
    assert say(printed.postfix("3.7-right", options=options)) == []


def test_listening_everywhere() -> None:
    """A policy service on all addresses hears what is sent to one."""
    assert say(printed.postfix("3.7-right"), Endpoint(host="0.0.0.0", port=10040)) == []


def test_not_listening() -> None:
    """That our configuration has no policy service is told once; the rest is judged as if it had."""
    asked: list[Endpoint] = []
    found = [*findings(printed.postfix("3.7-right"), (), lambda endpoint: asked.append(endpoint) or Health())]  # type: ignore[func-returns-value]
    assert [finding.name for finding in found] == ["listen-empty"]
    assert found[0].remedy == f'listen = ["{DEFAULT_ENDPOINT}"]'
    assert asked == []


def test_down() -> None:
    """A policy service that is down is told once for all services, and apart from one that is another."""
    (finding,) = say(printed.postfix("3.7-right"), health=Health("connection refused", answered=False))
    assert (finding.name, finding.text) == (
        "endpoint-down",
        "127.0.0.1:10040 is down: connection refused; nobody is refused and nothing counted",
    )
    (finding,) = say(printed.postfix("3.7-right"), health=Health("it does not speak the policy protocol"))
    assert finding.name == "endpoint-wrong"
