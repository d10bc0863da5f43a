# SPDX-License-Identifier: ISC
"""The doctor on the real Postfix and Dovecot of both releases: nothing on the right configuration, each fault on a wrong one."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.real.client import Clients
from tests.real.debian_root import POSTFIX_3_7, POSTFIX_3_10, DebianRoot
from tests.real.dovecot import POLICY as DOVECOT_POLICY
from tests.real.dovecot import RealDovecot
from tests.real.filterban import FilterBan
from tests.real.machine import Machine
from tests.real.postfix import POLICY, RealPostfix

pytestmark = [pytest.mark.real, pytest.mark.parametrize("debian", [POSTFIX_3_7, POSTFIX_3_10], ids=str)]

CONFIGURATION = '[dovecot]\nlisten = ["127.0.0.1:10041"]\n'
MASTER = "/etc/postfix/master.cf"
DOVECOT = "/etc/dovecot/dovecot.conf"
SERVICE = f"check_policy_service {{ {POLICY}, timeout=5s, default_action=DUNNO, policy_context=submission }}"

PENALTY = "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0600\n  }\n}"

# name of the one finding, text of master.cf and what makes it wrong
WRONG_POSTFIX = [
    ("delay-reject", "smtpd_delay_reject=no", "smtpd_delay_reject=yes"),
    ("policy-missing", SERVICE, "permit_mynetworks"),
    ("rejects-everybody", f"{SERVICE}, permit", f"{SERVICE}, permit_sasl_authenticated, reject"),
    ("policy-not-first", SERVICE, f"reject_unknown_client_hostname, {SERVICE}"),
    ("default-action", "default_action=DUNNO, ", ""),
    ("after-auth-only", "smtpd_client_restrictions", "smtpd_recipient_restrictions"),
    ("endpoint-differs", POLICY, "inet:127.0.0.1:10031"),
]
# name of the one finding, lines behind dovecot.conf that make it wrong
WRONG_DOVECOT = [
    ("auth-policy-missing", "auth_policy_server_url ="),
    ("nonce-missing", "auth_policy_hash_nonce ="),
    ("reject-on-fail", "auth_policy_reject_on_fail = yes"),
    ("after-auth-only", "auth_policy_check_before_auth = no\nauth_policy_check_after_auth = yes"),
    ("penalty", PENALTY),
]


@pytest.fixture
def filterban(
    machine: Machine, clients: Clients, start_filterban: Callable[[str], FilterBan]
) -> Iterator[FilterBan]:
    """Provide a daemon, and beside it Postfix and Dovecot, configured as we say and not running."""
    with closing(RealDovecot(machine, DOVECOT_POLICY)), closing(RealPostfix(machine, POLICY)):
        yield start_filterban(CONFIGURATION)


def names(filterban: FilterBan, *servers: str) -> list[str]:
    """Return the names of the findings."""
    document = json.loads(filterban.run("doctor", "--json", *servers, check=False).stdout)
    return [finding["name"] for finding in document["findings"]]


def test_right(filterban: FilterBan, debian: DebianRoot) -> None:
    """Of the right configuration nothing is said."""
    assert filterban.run("doctor").stdout == b"postfix, dovecot: all is well\n"


def test_wrong_postfix(machine: Machine, filterban: FilterBan, debian: DebianRoot) -> None:
    """Each wrong configuration of Postfix has exactly its finding."""
    file = machine.path(MASTER)
    right = file.read_text()
    for name, before, after in WRONG_POSTFIX:
        file.write_text(right.replace(before, after))
        assert names(filterban, "postfix") == [name]


def test_wrong_dovecot(machine: Machine, filterban: FilterBan, debian: DebianRoot) -> None:
    """Each wrong configuration of Dovecot has exactly its finding."""
    file = machine.path(DOVECOT)
    right = file.read_text()
    for name, lines in WRONG_DOVECOT:
        file.write_text(f"{right}\n{lines}\n")
        assert names(filterban, "dovecot") == [name]


def test_remedies(machine: Machine, filterban: FilterBan, debian: DebianRoot) -> None:
    """Dovecot takes the lines that are advised, and with them all is well."""
    file = machine.path(DOVECOT)
    right = file.read_text()
    wrong = "auth_mechanisms = plain cram-md5\nauth_failure_delay = 0\nauth_policy_log_only = yes"
    file.write_text(f"{right}\n{wrong}\n{PENALTY}\n")
    document = filterban.json("doctor", "dovecot", check=False)
    assert [finding["name"] for finding in document["findings"]][:3] == [
        "log-only",
        "attribute-mech",
        "penalty",
    ]
    lines = [finding["remedy"] for finding in document["findings"]]
    file.write_text("\n".join([right, wrong, PENALTY, *lines, ""]))
    assert names(filterban, "dovecot") == []


def test_down(filterban: FilterBan, debian: DebianRoot) -> None:
    """With no daemon both endpoints are down, and nothing else is said."""
    filterban.stop()
    assert names(filterban) == ["endpoint-down", "endpoint-down"]
