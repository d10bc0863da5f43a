# SPDX-License-Identifier: ISC
"""
A real Postfix on a machine: Debian's configuration with two submission services, and what a policy service needs.

Ports: 25 with STARTTLS and no AUTH, 587 with STARTTLS and AUTH, 465 with TLS from the first byte and AUTH. Passwords are
checked by Dovecot, whose socket must be there before the first client is.
"""

from collections.abc import Mapping
from typing import Final

from tests.real.accounts import CERTIFICATE, KEY, MAIL_FOLDER, furnish
from tests.real.machine import HOST_NAME, RESOLV_CONF, Machine
from tests.real.network import SMTP, SMTPS, SUBMISSION
from tests.real.server import RealServer

POLICY: Final = "inet:127.0.0.1:10040"
MASTER: Final = "/usr/lib/postfix/sbin/master"
_MAIL_ID: Final = 8  # of Debian's user and group "mail"
_SETTINGS: Final = {
    "myhostname": HOST_NAME,
    "mydestination": "",
    "virtual_mailbox_domains": "example.org",
    "virtual_mailbox_base": MAIL_FOLDER,
    "virtual_mailbox_maps": "static:./",
    "virtual_minimum_uid": f"{_MAIL_ID}",
    "virtual_uid_maps": f"static:{_MAIL_ID}",
    "virtual_gid_maps": f"static:{_MAIL_ID}",
    "smtpd_tls_cert_file": CERTIFICATE,
    "smtpd_tls_key_file": KEY,
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": "private/auth",
    "maillog_file": "/dev/stdout",  # there is no syslogd
}
_SERVICES: Final = """\
submission inet n - y - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_tls_auth_only=yes
{options}
smtps inet n - y - - smtpd
  -o syslog_name=postfix/smtps
  -o smtpd_tls_wrappermode=yes
{options}
"""
_SUBMISSION_OPTIONS: Final = """\
  -o smtpd_sasl_auth_enable=yes
  -o { smtpd_relay_restrictions = permit_sasl_authenticated, reject }"""
_POLICY_OPTIONS: Final = """
  -o smtpd_delay_reject=no
  -o { smtpd_client_restrictions = check_policy_service { %s, timeout=%ds, default_action=DUNNO, policy_context=submission }, permit }
  -o smtpd_hard_error_limit=6"""


class RealPostfix(RealServer):
    """One Postfix on a machine; its submission services ask at most one policy service."""

    def __init__(
        self,
        machine: Machine,
        policy: str = "",
        settings: Mapping[str, str] | None = None,
        patience_s: int = 5,
    ) -> None:
        """
        Configure Postfix.

        Args:
            machine: Where it runs.
            policy: The policy service; none if empty.
            settings: More settings of main.cf.
            patience_s: How long the policy service may take to answer; Postfix tries twice.

        """
        super().__init__(machine, [MASTER, "-s"], {SMTP, SMTPS, SUBMISSION})
        furnish(machine)
        machine.write("/var/spool/postfix/etc/resolv.conf", RESOLV_CONF)  # smtpd sees this one
        lines = [f"{name}={value}" for name, value in {**_SETTINGS, **(settings or {})}.items()]
        machine.run(["postconf", "-e", *lines])
        options = _SUBMISSION_OPTIONS + (_POLICY_OPTIONS % (policy, patience_s) if policy else "")
        with machine.path("/etc/postfix/master.cf").open("a") as file:
            file.write(_SERVICES.format(options=options))
        # Postfix waits until a file was last changed two seconds ago, lest it is still being written.
        machine.run(["touch", "-d", "yesterday", "/etc/postfix/main.cf", "/etc/postfix/master.cf"])

    def reload(self) -> None:
        """Make Postfix read its configuration again."""
        self.machine.run(["postfix", "reload"])
