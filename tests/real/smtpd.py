# SPDX-License-Identifier: ISC
"""
A real OpenSMTPD on a machine: its configuration and users, and what its filter says.

Ports: 25 with STARTTLS and no AUTH, 587 with STARTTLS and AUTH, 465 with TLS from the first byte and AUTH.
"""

from typing import Final

from tests.real.accounts import CERTIFICATE, KEY, MAIL_FOLDER, furnish, hashed_passwords
from tests.real.machine import HOST_NAME, Machine
from tests.real.network import MX_INTERFACE, SMTP, SMTPS, SUBMISSION
from tests.real.server import RealServer

FILTER: Final = "ban"

# "pki mx" would be a syntax error: mx is a word of the grammar.
_CONFIGURATION: Final = """\
pki "{host}" cert "{certificate}"
pki "{host}" key "{key}"
table users file:/etc/smtpd/users
table everybody {{ "@" = "mail" }}
{filter}
listen on {interface} port 25 tls pki "{host}" {attached}
listen on {interface} port 587 tls-require pki "{host}" auth <users> {attached}
listen on {interface} port 465 smtps pki "{host}" auth <users> {attached}
action "keep" maildir "{maildir}" virtual <everybody>
match from any auth for any action "keep"
match from any for domain "example.org" action "keep"
"""


class RealSmtpd(RealServer):
    """One smtpd on a machine, with at most one filter, attached to all its listeners; it stops with its filter."""

    def __init__(self, machine: Machine, command: str = "", *, user: str = "") -> None:
        """Configure smtpd: a shell runs the filter's *command* (none if empty) as *user* (if empty, smtpd's own)."""
        super().__init__(machine, ["smtpd", "-d"], {SMTP, SMTPS, SUBMISSION})
        as_user = f' user "{user}"' if user else ""
        configuration = _CONFIGURATION.format(
            host=HOST_NAME,
            key=KEY,
            certificate=CERTIFICATE,
            interface=MX_INTERFACE,
            maildir=MAIL_FOLDER,
            filter=f'filter "{FILTER}" proc-exec "{command}"{as_user}' if command else "",
            attached=f'filter "{FILTER}"' if command else "",
        )
        machine.write("/etc/smtpd.conf", configuration)
        machine.write(
            "/etc/smtpd/users", "".join(f"{user} {word}\n" for user, word in hashed_passwords().items())
        )
        furnish(machine)

    def filter_log(self) -> list[str]:
        """Return the lines that the filter wrote to its standard error."""
        return [
            line.removeprefix(f"{FILTER}: ")
            for line in self.log().splitlines()
            if line.startswith(f"{FILTER}: ")
        ]
