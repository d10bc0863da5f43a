# SPDX-License-Identifier: ISC
"""What is wrong with Dovecot's auth policy."""

import base64
import hmac
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from filter_ban.config.values import Endpoint
from filter_ban.doctor.dovecot_settings import ATTRIBUTES, DEFAULT_ATTRIBUTES, DovecotSettings, milliseconds
from filter_ban.doctor.endpoints import endpoint_served, url_endpoints
from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.health import Probe, endpoint_findings
from filter_ban.setup import endpoints
from filter_ban.setup.recipes import DOVECOT_TIMEOUT_MS

SERVER: Final = "dovecot"
PLACE: Final = "dovecot.conf"
DEFAULT_ENDPOINT: Final = Endpoint(host="127.0.0.1", port=10041)
MAX_TIMEOUT_MS: Final = 1000  # what setup writes is shorter
HEADER: Final = "auth_policy_server_api_header"
_PENALTY_MODE: Final = "service anvil/unix_listener anvil-auth-penalty/mode"
_TIMEOUT: Final = {
    "2.3": "auth_policy_server_timeout_msecs",
    "2.4": "auth_policy_http_client_request_absolute_timeout",
}
_TIMEOUT_LINE: Final = {
    "2.3": f"auth_policy_server_timeout_msecs = {DOVECOT_TIMEOUT_MS}",
    "2.4": f"auth_policy/http_client_request_absolute_timeout = {DOVECOT_TIMEOUT_MS} ms",
}
_VARIABLES: Final = {
    "2.3": {**DEFAULT_ATTRIBUTES, "mech": "%{mech}"},
    "2.4": {**DEFAULT_ATTRIBUTES, "remote": "%{remote_ip}", "mech": "%{mechanism}"},
}
_WITHOUT: Final = {
    "login": "the user is not told: nothing tells a repeat from a guess",
    "pwhash": "the hash of the password is not told: a phone with an old password looks like guessing",
    "remote": "the client's address is not told: nothing can be counted",
}
_PLAIN_MECHANISMS: Final = frozenset({"plain", "login", "xoauth2", "oauthbearer", "anonymous", "external"})


def findings(
    settings: DovecotSettings, listen: Sequence[Endpoint], secret: str, probe: Probe
) -> Iterator[Finding]:
    """
    Yield what is wrong, one finding for each cause.

    Args:
        settings: Of Dovecot.
        listen: Where our configuration says that the auth policy server is.
        secret: What Dovecot must send; "" for nothing.
        probe: Asks an auth policy server.

    """
    if not listen:
        text = "[dovecot] listen is empty in the configuration of filter-ban: there is no auth policy server to ask"
        remedy = f'listen = ["{DEFAULT_ENDPOINT}"]'
        yield Finding(SERVER, Severity.MISSING, "listen-empty", text, remedy, "filter-ban.toml, [dovecot]")
    if settings.get("auth_policy_server_url"):
        yield from _server(settings, listen, probe)
        yield from _checks(settings)
        yield from _attributes(settings)
        yield from _secret(settings, secret)
        yield from _timeout(settings)
    else:
        text = "auth_policy_server_url is not set: failed logins are not counted, and nobody is refused"
        yield _finding(Severity.MISSING, "auth-policy-missing", text, _url_line(listen))
    yield from _delays(settings)


def nonce_missing(problem: str) -> Finding | None:
    """Return the finding for what doveconf says when the nonce is missing; None for any other problem."""
    if "auth_policy_hash_nonce" not in problem:
        return None
    text = "auth_policy_hash_nonce is not set: Dovecot does not start"
    return _finding(
        Severity.DANGER, "nonce-missing", text, "auth_policy_hash_nonce = (a random text of your own)"
    )


def _finding(severity: Severity, name: str, text: str, remedy: str) -> Finding:
    return Finding(SERVER, severity, name, text, remedy, PLACE)


def _server(settings: DovecotSettings, listen: Sequence[Endpoint], probe: Probe) -> Iterator[Finding]:
    if not listen:
        return
    url = settings.get("auth_policy_server_url")
    endpoint = endpoint_served(url_endpoints(url), listen)
    if endpoint is None:
        ours = ", ".join(map(str, listen))
        text = f"auth_policy_server_url is {quoted(_without_login(url))}, but filter-ban listens at {ours}"
        yield _finding(Severity.DANGER, "endpoint-differs", text, _url_line(listen))
    else:
        yield from endpoint_findings(SERVER, endpoint, probe(endpoint))


def _url_line(listen: Sequence[Endpoint]) -> str:
    return f"auth_policy_server_url = http://{endpoints.nearest(listen) or DEFAULT_ENDPOINT}/"


def _without_login(url: str) -> str:
    """Return a URL without the password that may stand in it."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return scheme + mark + authority.rpartition("@")[2] + slash + path.partition("?")[0]


def _checks(settings: DovecotSettings) -> Iterator[Finding]:
    if not settings.is_on("auth_policy_check_before_auth"):
        if settings.is_on("auth_policy_check_after_auth"):
            name = "after-auth-only"
            text = (
                "after-auth check only, an oracle (auth_policy_check_before_auth is no): the passwords of a banned "
                "client are still tested, and its refusal tells a right one from a wrong one"
            )
        else:
            name, text = (
                "check-off",
                "auth_policy_check_before_auth is no: failures are counted, nobody is refused",
            )
        yield _finding(Severity.DANGER, name, text, "auth_policy_check_before_auth = yes")
    if not settings.is_on("auth_policy_report_after_auth"):
        text = "auth_policy_report_after_auth is no: no failed login is counted"
        yield _finding(Severity.DANGER, "report-off", text, "auth_policy_report_after_auth = yes")
    if settings.is_on("auth_policy_reject_on_fail"):
        text = "auth_policy_reject_on_fail is yes: while filter-ban is down nobody can log in, and each try is a strike"
        yield _finding(Severity.DANGER, "reject-on-fail", text, "auth_policy_reject_on_fail = no")
    if settings.is_on("auth_policy_log_only"):
        text = "auth_policy_log_only is yes: nobody is refused, and what a banned client tries is not counted"
        yield _finding(Severity.DANGER, "log-only", text, "auth_policy_log_only = no")


def _attributes(settings: DovecotSettings) -> Iterator[Finding]:
    told = settings.attributes
    missing = {name: text for name, text in _WITHOUT.items() if not told.get(name)}
    constant = sorted(set(settings.get("auth_mechanisms").lower().split()) - _PLAIN_MECHANISMS)
    if constant and not (told.get("mech") or told.get("mechanism")):
        missing["mech"] = (
            f"with {quoted(', '.join(constant))} the hash of the password is always the same, so guesses look like "
            "repeats; the mechanism must be told"
        )
    for name, text in missing.items():
        yield _finding(Severity.DANGER, f"attribute-{name}", text, _attribute_line(settings, name, missing))


def _attribute_line(settings: DovecotSettings, name: str, missing: Iterable[str]) -> str:
    """Return the line that makes Dovecot tell an attribute; in 2.3 it must have all others as well."""
    variables = _VARIABLES[settings.series]
    if settings.series != "2.3":
        return f"{ATTRIBUTES}/{name} = {variables[name]}"
    pairs = {**settings.attributes, **{one: variables[one] for one in missing}}
    return quoted(f"{ATTRIBUTES} = {' '.join(f'{one}={value}' for one, value in pairs.items())}")


def _secret(settings: DovecotSettings, secret: str) -> Iterator[Finding]:
    if not secret or settings.is_hidden(HEADER):
        return
    header = settings.get(HEADER)
    sent = _sent_secret(header) or _password(settings.get("auth_policy_server_url"))
    remedy = f"{HEADER} = X-Api-Key: (what is in the file dovecot.secret_file)"
    if not header and not sent:
        text = "filter-ban wants a secret (dovecot.secret_file) that Dovecot does not send, so it answers nothing"
        yield _finding(Severity.DANGER, "secret-missing", text, remedy)
    elif not hmac.compare_digest(sent.encode(), secret.encode()):
        text = (
            "the secret that Dovecot sends is not that of dovecot.secret_file, so filter-ban answers nothing"
        )
        yield _finding(Severity.DANGER, "secret-wrong", text, remedy)


def _sent_secret(header: str) -> str:
    """Return the secret in a header: the value of ``X-Api-Key``, or the password of ``Authorization: Basic``."""
    name, _, value = header.partition(":")
    if name.strip().lower() == "x-api-key":
        return value.strip()
    scheme, _, credentials = value.strip().partition(" ")
    if name.strip().lower() != "authorization" or scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials).decode().partition(":")[2]
    except ValueError:
        return ""


def _password(url: str) -> str:
    """Return the password in a URL, which Dovecot sends as ``Authorization: Basic``."""
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def _timeout(settings: DovecotSettings) -> Iterator[Finding]:
    value = settings.get(_TIMEOUT[settings.series])
    if value and (milliseconds(value) or 0) <= MAX_TIMEOUT_MS:
        return
    text = f"while filter-ban hangs, each login waits for {quoted(value) if value else 'the default, 2 s'}"
    yield _finding(Severity.ADVICE, "timeout", text, _TIMEOUT_LINE[settings.series])


def _delays(settings: DovecotSettings) -> Iterator[Finding]:
    mode = settings.get(_PENALTY_MODE)
    if not mode or mode.strip("0"):
        text = (
            "Dovecot's own penalty is on: from the third wrong password on Postfix gives up after 10 s, "
            "and the attempt is neither checked nor counted"
        )
        remedy = "service/anvil/unix_listener/anvil-auth-penalty/mode = 0"
        yield _finding(Severity.DANGER, "penalty", text, remedy)
    if settings.series != "2.3" and milliseconds(settings.get("auth_failure_delay")) == 0:
        text = "auth_failure_delay is 0: a client is told of its failure before filter-ban is"
        yield _finding(Severity.ADVICE, "failure-delay", text, "auth_failure_delay = 2 secs")
