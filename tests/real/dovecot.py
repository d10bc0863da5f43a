# SPDX-License-Identifier: ISC
"""
A real Dovecot on a machine, 2.3 or 2.4: IMAP, and the password check of Postfix.

Ports: 143 with STARTTLS and no login before it, 993 with TLS from the first byte.
"""

from typing import Final

from tests.real.accounts import CERTIFICATE, KEY, MAIL_FOLDER, furnish, hashed_passwords
from tests.real.machine import Machine
from tests.real.network import IMAP, IMAPS
from tests.real.server import RealServer

POLICY: Final = "http://127.0.0.1:10041/"
PENALTY_OFF: Final = """\
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""
QUICK: Final = "auth_failure_delay = 1 secs\n"  # half of the default: each wrong password costs so much
_COMMON: Final = """\
log_path = /dev/stderr
protocols = imap
auth_mechanisms = plain login
first_valid_uid = 8
"""
_CONFIGURATIONS: Final = {
    "2.3": """\
{common}ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{mail}
passdb {{
  driver = passwd-file
  args = /etc/dovecot/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={mail}
}}
{more}""",
    "2.4": """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
{common}ssl = required
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
mail_driver = maildir
mail_path = {mail}
passdb passwd-file {{
  passwd_file_path = /etc/dovecot/users
}}
userdb static {{
  fields {{
    uid = mail
    gid = mail
    home = {mail}
  }}
}}
{more}""",
}
_POSTFIX_SOCKET: Final = """\
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
"""
# Beside the second that Postfix waits before it tries a dead policy server again: together a login waits 1.4 s.
_TIMEOUTS: Final = {
    "2.3": "auth_policy_server_timeout_msecs = 400\n",
    "2.4": "auth_policy {\n  http_client_request_absolute_timeout = 400 ms\n}\n",
}
_POLICY_SETTINGS: Final = """\
auth_policy_server_url = %s
auth_policy_hash_nonce = some-random-string
auth_policy_check_before_auth = yes
auth_policy_check_after_auth = no
auth_policy_report_after_auth = yes
auth_policy_reject_on_fail = no
"""


class RealDovecot(RealServer):
    """One Dovecot on a machine; it may ask an auth policy server."""

    def __init__(self, machine: Machine, policy: str = "", more: str = "") -> None:
        """Configure Dovecot with *policy* as its auth policy server's URL (none if empty) and *more* lines."""
        super().__init__(machine, ["dovecot", "-F"], {IMAP, IMAPS})
        furnish(machine)
        version = machine.run(["dovecot", "--version"]).stdout.decode()[:3]
        if machine.path("/etc/postfix").exists():
            machine.run(["install", "-d", "-o", "postfix", "-m", "700", "/var/spool/postfix/private"])
            more = _POSTFIX_SOCKET + more
        if policy:
            more = _POLICY_SETTINGS % policy + _TIMEOUTS[version] + PENALTY_OFF + more
        machine.write(
            "/etc/dovecot/dovecot.conf",
            _CONFIGURATIONS[version].format(
                common=_COMMON, certificate=CERTIFICATE, key=KEY, mail=MAIL_FOLDER, more=more
            ),
        )
        passwords = "".join(f"{user}:{{SHA512-CRYPT}}{word}\n" for user, word in hashed_passwords().items())
        machine.write("/etc/dovecot/users", passwords)

    def reload(self) -> None:
        """Make Dovecot read its configuration again."""
        self.machine.run(["doveadm", "reload"])
