# SPDX-License-Identifier: ISC
"""Stand-ins for the programs of Postfix and Dovecot: they read files in a folder and answer as the real ones do."""

import re
from collections.abc import Sequence
from pathlib import Path

from filter_ban.setup.master_cf import parse_services
from filter_ban.setup.programs import MissingProgramError, ProgramError

DEBIAN_MASTER_CF = """\
# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       y       -       -       smtpd
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
pickup    unix  n       -       y       60      1       pickup
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
"""

DOVECOT_CONF = """\
!include_try /usr/share/dovecot/protocols.d/*.protocol
!include conf.d/*.conf
!include_try local.conf
"""


class FakePostfix:
    """Answers ``postconf`` and ``postfix check``; a master.cf with the word ``bad`` is refused."""

    def __init__(self, folder: Path) -> None:
        self.master_cf = folder / "master.cf"
        self.master_cf.write_text(DEBIAN_MASTER_CF)
        self.version = "3.7.11"
        self.refuses = False
        self.parameters = {
            "queue_directory": "/var/spool/postfix",
            "mail_owner": "postfix",
            "smtpd_relay_restrictions": "permit_mynetworks permit_sasl_authenticated defer_unauth_destination",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_auth_enable": "no",
            "smtpd_tls_cert_file": "/etc/ssl/mail.pem",
        }

    def __call__(self, argv: Sequence[str]) -> str:
        """Return what the program prints."""
        if argv[0] not in ("postconf", "postfix"):
            raise MissingProgramError(f"{argv[0]}: not found")
        match argv[1:]:
            case ("-dh", "config_directory"):
                return f"{self.master_cf.parent}\n"
            case ("-dh", "mail_version"):
                return f"{self.version}\n"
            case ("-M",) | ("check",):
                if self.refuses or "bad" in self.master_cf.read_text(errors="replace").split():
                    raise ProgramError(f"{argv[0]} (status 1): bad field count")
                return ""
            case ("-hx", name):
                return f"{self._expand(self.parameters.get(name, ''))}\n"
            case ("-Phx" | "-Ph", request):
                return f"{self._expand(self._option(request))}\n"
        raise AssertionError(argv)

    def _option(self, request: str) -> str:
        service, kind, name = request.split("/")
        text = self.master_cf.read_bytes().decode(errors="surrogateescape")
        found = [one.option(name) for one in parse_services(text) if (one.name, one.type) == (service, kind)]
        return (found[0] if found else None) or ""

    def _expand(self, value: str) -> str:
        return re.sub(r"\$(\w+)", lambda found: self.parameters.get(found[1], ""), value)


class FakeDovecot:
    """Answers ``dovecot`` and ``doveconf``, and ``postconf`` where a Postfix is given."""

    def __init__(self, folder: Path, version: str, postfix: FakePostfix | None = None) -> None:
        self.main = folder / "dovecot.conf"
        self.main.write_text(DOVECOT_CONF)
        self.included = folder / "conf.d"
        self.included.mkdir()
        self.version = version
        self.postfix = postfix
        self.refuses = False

    def __call__(self, argv: Sequence[str]) -> str:
        """Return what the program prints."""
        match tuple(argv):
            case ("dovecot", "--version"):
                return f"{self.version} (9b53102964)\n"
            case ("doveconf", "-n"):
                files = [*sorted(self.included.glob("*.conf")), self.main.parent / "local.conf"]
                text = "".join(file.read_text() for file in files if file.exists())
                if self.refuses or ("server_url" in text and "nonce" not in text):
                    raise ProgramError("doveconf (status 89): doveconf: Fatal: Error in configuration file")
                return f"# {self.version} (9b53102964): {self.main}\n# OS: Linux\n{text}"
        if self.postfix is None:
            raise MissingProgramError(f"{argv[0]}: not found")
        return self.postfix(argv)
