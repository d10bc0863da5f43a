# SPDX-License-Identifier: ISC
"""Postfix: the submission services in master.cf are made to ask us at CONNECT. Port 25 is never touched."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from filter_ban.config import Config
from filter_ban.config.values import Endpoint
from filter_ban.setup import endpoints
from filter_ban.setup.files import Change, SetupError, read
from filter_ban.setup.master_cf import Service, append_service, parse_services, set_options
from filter_ban.setup.plan import Ask, Place, Plan
from filter_ban.setup.recipes import HARD_ERROR_LIMIT, submission_options
from filter_ban.setup.restrictions import (
    Element,
    client_restrictions,
    parse_restrictions,
    refused_before_login,
    relay_restrictions,
    restrictions_text,
)

NEXT_STEP: Final = "postfix reload"
USUAL_LISTENER: Final = Endpoint(host="127.0.0.1", port=10040)
USUAL_QUEUE: Final = Path("/var/spool/postfix")
_OLDEST: Final = (3, 0)  # the first with braces in master.cf and in check_policy_service
_NAMED_PORTS: Final = {
    "smtp": 25,
    "submission": 587,
    "submissions": 465,
    "smtps": 465,
    "ssmtp": 465,
    "urd": 465,
}
_SMTP_PORT: Final = 25

# What makes a service one of submission, before what makes it ask us; main.cf has the certificate.
_LOGINS: Final = (
    ("smtpd_sasl_auth_enable", "yes"),
    ("smtpd_sasl_type", "dovecot"),
    ("smtpd_sasl_path", "private/auth"),
)
_NEW_SERVICES: Final = {
    "submission": (
        ("syslog_name", "postfix/submission"),
        ("smtpd_tls_security_level", "encrypt"),
        ("smtpd_tls_auth_only", "yes"),
        *_LOGINS,
    ),
    "smtps": (("syslog_name", "postfix/smtps"), ("smtpd_tls_wrappermode", "yes"), *_LOGINS),
}


@attrs.frozen
class _Postfix:
    """The running system's parameters."""

    ask: Ask

    def parameter(self, name: str) -> str:
        return self.ask(("postconf", "-hx", name)).strip()

    def effective(self, service: Service, name: str) -> str:
        """Return the value that holds for a service: its own, or that of main.cf; references are followed."""
        own = service.option(name)
        if own is None:
            return self.parameter(name)
        if "$" not in own:
            return own
        return self.ask(("postconf", "-Phx", f"{service.name}/{service.type}/{name}")).strip()


@attrs.frozen
class _Edit:
    """A new text of master.cf, and the options that it is meant to set: by service and name."""

    text: str
    options: dict[tuple[str, str], str] = attrs.field(factory=dict)
    notes: list[str] = attrs.field(factory=list)


def place(ask: Ask) -> Place:
    """
    Return where Postfix keeps its services.

    Raises:
        ProgramError: Postfix is not here, or does not accept its present configuration.

    """
    folder = ask(("postconf", "-dh", "config_directory")).strip()
    accept = partial(_accept, ask)
    return Place(((Path(folder) / "master.cf").resolve(),), accept, NEXT_STEP)


def plan(config: Config, ask: Ask) -> Plan:
    """
    Return what is to be written to master.cf.

    Raises:
        ProgramError: Postfix is not here, or does not accept its present configuration.
        SetupError: it cannot be set up.

    """
    postfix = _Postfix(ask)
    _require_version(ask(("postconf", "-dh", "mail_version")).strip())
    where = place(ask)
    ask(("postconf", "-M"))  # what Postfix does not understand, we do not touch
    (path,) = where.paths
    old = read(path)
    if old is None:
        raise SetupError(f"{path}: there is no such file")
    nearest = endpoints.nearest(config.postfix.listen)
    if nearest is None:
        raise SetupError(
            "postfix.listen is empty in our configuration: there is nothing that Postfix could ask"
        )
    endpoint = endpoints.for_postfix(nearest, Path(postfix.parameter("queue_directory")))
    ports = {*config.postfix.submission_ports} - {_SMTP_PORT}

    text = old.decode(errors="surrogateescape")
    all_servers = [service for service in parse_services(text) if Path(service.command).name == "smtpd"]
    servers = [service for service in all_servers if service.type == "inet"]
    submission = [service for service in servers if _port(service) in ports]
    others = [service for service in servers if service not in submission]
    edit = (
        _edit(postfix, text, submission, endpoint)
        if submission
        else _extend(postfix, text, all_servers, endpoint)
    )
    if endpoint.startswith("unix:/") and any(service.chroot == "y" for service in submission or all_servers):
        raise SetupError(
            f"{nearest}: Postfix's services run in a chroot and cannot reach that; "
            'in our configuration: postfix.listen = ["127.0.0.1:10040"]'
        )
    change = Change(path, old, edit.text.encode(errors="surrogateescape"))
    return Plan(
        where,
        (change,) if change.alters else (),
        (*edit.notes, *_notes_on_others(postfix, others)),
        partial(_accept_and_compare, ask, edit.options),
    )


def by_hand(config: Config) -> str:
    """Return the services for a machine where Postfix is not installed yet."""
    nearest = endpoints.nearest(config.postfix.listen) or USUAL_LISTENER
    return _new_services("", "y", endpoints.for_postfix(nearest, USUAL_QUEUE)).text


def _edit(postfix: _Postfix, text: str, services: list[Service], endpoint: str) -> _Edit:
    """Set our options in the services that are there."""
    wanted = [_wanted(postfix, service, endpoint) for service in services]
    for service, (options, _) in reversed([*zip(services, wanted, strict=True)]):  # so that offsets stay true
        text = set_options(text, service, options)
    edit = _Edit(text)
    for service, (options, dropped) in zip(services, wanted, strict=True):
        edit.options.update({(service.name, name): value for name, value in options})
        edit.notes.extend(_notes_on(postfix, service, dropped))
    return edit


def _extend(postfix: _Postfix, text: str, servers: list[Service], endpoint: str) -> _Edit:
    """Append both services, in a chroot where the one of port 25 or behind postscreen is."""
    edit = _new_services(text, servers[0].chroot if servers else "n", endpoint)
    return attrs.evolve(edit, notes=[*_notes_on_certificate(postfix)])


def _new_services(text: str, chroot: str, endpoint: str) -> _Edit:
    edit = _Edit(text)
    for name, first in _NEW_SERVICES.items():
        options = (*first, *submission_options(endpoint))
        text = append_service(text, f"{name} inet n - {chroot} - - smtpd", options)
        edit.options.update({(name, option): value for option, value in options})
    return attrs.evolve(edit, text=text)


def _require_version(version: str) -> None:
    found = re.match(r"([0-9]+)\.([0-9]+)", version)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        raise SetupError(f"Postfix {version}: must be 3.0 or newer")


def _port(service: Service) -> int:
    """Return the port of a service such as ``submission``, ``127.0.0.1:587`` or ``[::1]:smtps``; 0: not known to us."""
    port = service.name.rpartition(":")[2]
    return int(port) if port.isascii() and port.isdigit() else _NAMED_PORTS.get(port, 0)


def _wanted(
    postfix: _Postfix, service: Service, endpoint: str
) -> tuple[list[tuple[str, str]], tuple[Element, ...]]:
    """Return the options that a service should have, and the restrictions that have to go."""
    client = parse_restrictions(postfix.effective(service, "smtpd_client_restrictions"))
    relay = parse_restrictions(postfix.effective(service, "smtpd_relay_restrictions"))
    rewritten = client_restrictions(client, endpoint)
    lists = {
        "smtpd_client_restrictions": rewritten.elements,
        "smtpd_relay_restrictions": relay_restrictions(relay, client),
    }
    options = []
    for name, value in submission_options(endpoint):
        own = service.option(name)
        if name in lists:
            same = own is not None and "$" not in own and parse_restrictions(own) == lists[name]
            options.append((name, own if same and own else restrictions_text(lists[name])))
        elif name == "smtpd_hard_error_limit" and own and own.isdecimal() and 0 < int(own) < HARD_ERROR_LIMIT:
            options.append((name, own))  # stricter than ours
        else:
            options.append((name, value))
    return options, rewritten.dropped


def _notes_on(postfix: _Postfix, service: Service, dropped: tuple[Element, ...]) -> Iterator[str]:
    if dropped:
        yield (
            f"{service.name}: dropped from smtpd_client_restrictions: {restrictions_text(dropped)}. That acted on those "
            "alone who had not logged in, and smtpd_relay_restrictions refuse all of these"
        )
    refused = refused_before_login(parse_restrictions(postfix.effective(service, "smtpd_helo_restrictions")))
    if refused:
        yield (
            f"{service.name}: smtpd_helo_restrictions are now asked before anybody has logged in, so nobody is spared "
            f"from: {restrictions_text(refused)}. To do without them there, add: -o smtpd_helo_restrictions="
        )
    if postfix.effective(service, "smtpd_sasl_auth_enable") != "yes":
        yield f"{service.name}: offers no logins; to change that, add: -o smtpd_sasl_auth_enable=yes"
    elif postfix.effective(service, "smtpd_sasl_type") != "dovecot":
        yield (
            f"{service.name}: passwords are not checked by Dovecot, so failed logins stay unseen; to change that, add: "
            "-o smtpd_sasl_type=dovecot -o smtpd_sasl_path=private/auth"
        )


def _notes_on_others(postfix: _Postfix, services: list[Service]) -> Iterator[str]:
    for service in services:
        if postfix.effective(service, "smtpd_sasl_auth_enable") == "yes":
            yield (
                f"{service.name}: offers logins too, and is not touched: a banned client can try passwords there. "
                "Better leave smtpd_sasl_auth_enable to the submission services"
            )


def _notes_on_certificate(postfix: _Postfix) -> Iterator[str]:
    if not postfix.parameter("smtpd_tls_cert_file") and not postfix.parameter("smtpd_tls_chain_files"):
        yield "main.cf names no certificate, without which nobody can log in: set smtpd_tls_chain_files"


def _accept(ask: Ask) -> None:
    ask(("postconf", "-M"))
    ask(("postfix", "check"))


def _accept_and_compare(ask: Ask, expected: dict[tuple[str, str], str]) -> None:
    """Make sure that Postfix reads what we meant."""
    _accept(ask)
    for (service, name), value in expected.items():
        seen = ask(("postconf", "-Ph", f"{service}/inet/{name}"))
        if parse_restrictions(seen) != parse_restrictions(value):
            raise SetupError(
                f"Postfix does not see {name} of {service} as it was written; nothing is changed"
            )
