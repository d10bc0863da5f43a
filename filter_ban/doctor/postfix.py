# SPDX-License-Identifier: ISC
"""What is wrong with Postfix's submission services."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from filter_ban.config.values import Endpoint
from filter_ban.doctor.endpoints import endpoint_served, postfix_endpoints
from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.health import Probe, endpoint_findings
from filter_ban.doctor.postfix_settings import Service
from filter_ban.doctor.restrictions import (
    POLICY,
    PolicyService,
    Restriction,
    parse_policy_service,
    parse_restrictions,
)
from filter_ban.setup import endpoints
from filter_ban.setup.recipes import HARD_ERROR_LIMIT, option_line
from filter_ban.setup.restrictions import client_restrictions, restrictions_text

SERVER: Final = "postfix"
DEFAULT_ENDPOINT: Final = Endpoint(host="127.0.0.1", port=10040)
MAX_TIMEOUT_S: Final = 10  # twice this, and the client has waited for its banner for too long
_CLIENT: Final = "smtpd_client_restrictions"
_LATER: Final = (
    "smtpd_helo_restrictions",
    "smtpd_sender_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_recipient_restrictions",
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
    "smtpd_etrn_restrictions",
)
_HARMLESS_BEFORE: Final = re.compile(r"permit_mynetworks|permit_inet_interfaces|check_\w*access|sleep")
_LOGGED_IN: Final = "permit_sasl_authenticated"
_REJECT: Final = frozenset({"reject", "defer"})
_TLS_ONLY: Final = "reject_plaintext_session"
_LETS_PASS: Final = re.compile(r"permit|check_\w*access|permit_(?!sasl_authenticated|mynetworks)\w+")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def findings(services: Iterable[Service], listen: Sequence[Endpoint], probe: Probe) -> Iterator[Finding]:
    """
    Yield what is wrong, one finding for each cause, however many services have it.

    Args:
        services: Of master.cf.
        listen: Where our configuration says that the policy service is.
        probe: Asks a policy service.

    """
    guarded = [
        _Submission(service, listen or (DEFAULT_ENDPOINT,)) for service in services if _has_logins(service)
    ]
    if not listen:
        text = (
            "[postfix] listen is empty in the configuration of filter-ban: there is no policy service to ask"
        )
        remedy = f'listen = ["{DEFAULT_ENDPOINT}"]'
        yield Finding(SERVER, Severity.MISSING, "listen-empty", text, remedy, "filter-ban.toml, [postfix]")
    if not guarded:
        text = "no service of master.cf lets anybody log in (smtpd_sasl_auth_enable=yes): there is nothing to guard"
        yield Finding(SERVER, Severity.ADVICE, "no-logins", text, "filter-ban setup postfix")
    yield from _merged([(one.service.name, finding) for one in guarded for finding in one.findings()])
    if listen:
        for endpoint in dict.fromkeys(one.endpoint for one in guarded if one.endpoint):
            yield from endpoint_findings(SERVER, endpoint, probe(endpoint))


def _has_logins(service: Service) -> bool:
    """Return whether passwords can be guessed here."""
    offered = service.command == "smtpd" and service.type in ("inet", "pass")
    return offered and service.is_on("smtpd_sasl_auth_enable")


def _merged(found: list[tuple[str, Finding]]) -> Iterator[Finding]:
    """Yield equal findings of several services as one that names them all."""
    services: dict[Finding, list[str]] = {}
    for service, finding in found:
        services.setdefault(finding, []).append(quoted(service))
    for finding, names in services.items():
        listed = ", ".join(dict.fromkeys(names))
        yield attrs.evolve(finding, text=f"{listed}: {finding.text}", place=f"master.cf under {listed}")


class _Submission:
    """One service that lets people log in, and what is wrong with it."""

    def __init__(self, service: Service, listen: Sequence[Endpoint]) -> None:
        self.service = service
        self.endpoint: Endpoint | None = None  # of ours, that the client's restrictions ask
        self._listen = listen
        self._early = not service.is_on("smtpd_delay_reject")
        self._client = self._restrictions(_CLIENT)
        self._place = next((at for at, one in enumerate(self._client) if self._is_ours(one)), None)
        if self._place is not None:
            self.endpoint = self._served(self._client[self._place])

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong with this service; the name of the service is yet to be added."""
        yield from self._sasl()
        if not self._early:
            text = (
                "smtpd_delay_reject is yes: a banned client is refused after it has logged in, "
                "so it goes on guessing and learns which password is right"
            )
            yield self._finding(Severity.DANGER, "delay-reject", text, ("smtpd_delay_reject", "no"))
        if self._place is None:
            yield self._not_asked()
        else:
            yield from self._order(self._place)
            yield from self._policy(parse_policy_service(self._client[self._place].argument))
        yield from self._rejected()
        yield from self._error_limit()

    def _sasl(self) -> Iterator[Finding]:
        kind = self.service.get("smtpd_sasl_type").lower()
        if kind != "dovecot":
            text = f"passwords are checked by {quoted(kind)} and not by Dovecot: no failed login is counted"
            yield self._finding(Severity.DANGER, "sasl-not-dovecot", text, ("smtpd_sasl_type", "dovecot"))

    def _not_asked(self) -> Finding:
        later = [name for name in _LATER if any(map(self._is_ours, self._restrictions(name)))]
        others = [one for one in self._client if one.name == POLICY]
        if later:
            name = "after-auth-only"
            text = (
                f"after-auth check only, an oracle: filter-ban is asked in {' and '.join(later)}, not in {_CLIENT}, so a "
                "banned client goes on guessing, and a right password is told from a wrong one"
            )
        elif others:
            asked = ", ".join(quoted(parse_policy_service(one.argument).endpoint) for one in others)
            ours = ", ".join(map(str, self._listen))
            name = "endpoint-differs"
            text = f"the policy service asked is {asked}, but filter-ban listens at {ours}"
        else:
            name = "policy-missing"
            text = f"no check_policy_service of filter-ban in {_CLIENT}: nobody is refused"
        return self._finding(Severity.MISSING, name, text, self._recommended())

    def _order(self, place: int) -> Iterator[Finding]:
        before = [one for one in self._client[:place] if not _HARMLESS_BEFORE.fullmatch(one.name)]
        if before:
            shown = quoted(", ".join(map(str, before)))
            final = any(one.name in ("permit", *_REJECT) and not one.warned for one in before)
            text = f'the policy service stands after "{shown}" in {_CLIENT}, ' + (
                "so it is never asked" if final else "which may decide before it is asked"
            )
            severity = Severity.DANGER if final else Severity.ADVICE
            yield self._finding(severity, "policy-not-first", text, self._recommended())
        if self._client[place].warned:
            text = "warn_if_reject stands before the policy service, so a banned client is only logged"
            yield self._finding(Severity.DANGER, "policy-warns-only", text, self._recommended())

    def _policy(self, policy: PolicyService) -> Iterator[Finding]:
        def value(name: str) -> str:
            return policy.attributes.get(name) or self.service.get(f"smtpd_policy_service_{name}")

        action = value("default_action")
        if action.upper() != "DUNNO":
            text = f"while filter-ban is down, everybody gets default_action={quoted(action)}"
            yield self._finding(Severity.DANGER, "default-action", text, self._recommended())
        if (timeout_s := _seconds(value("timeout"))) > MAX_TIMEOUT_S:
            text = f"while filter-ban hangs, each session waits for twice the timeout of {timeout_s} s"
            yield self._finding(Severity.ADVICE, "timeout", text, self._recommended())
        if value("try_limit") == "1":
            text = "try_limit=1: after a restart of filter-ban the next request of each smtpd process goes unanswered"
            own = "try_limit" in policy.attributes
            option = self._recommended() if own else ("smtpd_policy_service_try_limit", "2")
            yield self._finding(Severity.ADVICE, "try-limit", text, option)

    def _rejected(self) -> Iterator[Finding]:
        if barrier := self._barrier(_CLIENT, logged_in=False):
            text = f'"{quoted(barrier)}" in {_CLIENT} ' + (
                "rejects everybody at CONNECT, before anybody can log in"
                if self._early
                else "will reject everybody at CONNECT once smtpd_delay_reject is no"
            )
            text += "; it belongs in smtpd_relay_restrictions"
            yield self._finding(Severity.DANGER, "rejects-everybody", text, self._recommended())
        for name, logged_in in (("smtpd_helo_restrictions", False), ("smtpd_sender_restrictions", True)):
            if self._early and (barrier := self._barrier(name, logged_in=logged_in)):
                text = f'"{quoted(barrier)}" in {name} rejects everybody, as smtpd_delay_reject is no'
                kept = ", ".join(str(one) for one in self._restrictions(name) if not self._bars(one))
                yield self._finding(Severity.DANGER, "rejects-everybody", text, (name, kept))

    def _barrier(self, name: str, *, logged_in: bool) -> str:
        """Return what lets nobody pass in a list, "" for nothing; *logged_in*: it is asked after logins too."""
        idle: list[str] = []
        for one in self._restrictions(name):
            if one.name == _LOGGED_IN and not logged_in:
                idle.append(one.name)
            elif one.name == _LOGGED_IN or _LETS_PASS.fullmatch(one.name):
                return ""
            elif self._bars(one) and not (logged_in and one.name == _TLS_ONLY):
                return ", ".join([*idle, one.name])
        return ""

    def _bars(self, one: Restriction) -> bool:
        """Return whether a restriction refuses everybody who has not logged in, be it for want of TLS."""
        plain = one.name == _TLS_ONLY and not self.service.is_on("smtpd_tls_wrappermode")
        return not one.warned and (one.name in _REJECT or plain)

    def _error_limit(self) -> Iterator[Finding]:
        limit = self.service.get("smtpd_hard_error_limit")
        if re.fullmatch("[0-9]{1,9}", limit) and int(limit) > HARD_ERROR_LIMIT:
            text = f"a session that is open when its client is banned ends only after {limit} errors"
            option = ("smtpd_hard_error_limit", str(HARD_ERROR_LIMIT))
            yield self._finding(Severity.ADVICE, "hard-error-limit", text, option)

    def _recommended(self) -> tuple[str, str]:
        """Return the restrictions of the client as they should be: we first, then what does no harm."""
        if self._place is None:
            found = endpoints.nearest(self._listen) or DEFAULT_ENDPOINT
            endpoint = endpoints.for_postfix(found, Path(self.service.get("queue_directory")))
        else:
            endpoint = parse_policy_service(self._client[self._place].argument).endpoint
        kept = [one.element for one in self._client if not self._is_ours(one) and not self._bars(one)]
        return _CLIENT, restrictions_text(client_restrictions(kept, endpoint).elements)

    def _restrictions(self, name: str) -> list[Restriction]:
        names = self.service.get("smtpd_restriction_classes").replace(",", " ").split()
        classes = {name: self.service.get(name) for name in names}
        return parse_restrictions(self.service.get(name), classes)

    def _is_ours(self, restriction: Restriction) -> bool:
        return restriction.name == POLICY and self._served(restriction) is not None

    def _served(self, restriction: Restriction) -> Endpoint | None:
        asked = parse_policy_service(restriction.argument).endpoint
        root = self.service.get("queue_directory")
        return endpoint_served(postfix_endpoints(asked, root, chrooted=self.service.chrooted), self._listen)

    def _finding(self, severity: Severity, name: str, text: str, option: tuple[str, str]) -> Finding:
        return Finding(SERVER, severity, name, text, option_line(*option))


def _seconds(text: str) -> int:
    """Return a time of Postfix in seconds; 0 for what is none."""
    found = re.fullmatch(r"([0-9]{1,9})\s*([smhdw]?)", text.strip().lower())
    return int(found[1]) * _SECONDS[found[2] or "s"] if found else 0
