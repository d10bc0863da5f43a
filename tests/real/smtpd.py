# SPDX-License-Identifier: ISC
"""
A real OpenSMTPD on a machine: its configuration and users, start, log, stop.

Ports: 25 with STARTTLS and no AUTH, 587 with STARTTLS and AUTH, 465 with TLS from the first byte and AUTH.
"""

import functools
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.real.machine import HOST_NAME, Machine
from tests.real.network import MX_INTERFACE
from tests.real.polling import wait_until

SMTP: Final = 25
SMTPS: Final = 465
SUBMISSION: Final = 587
USERS: Final = {"alice": "Correct-Horse-7731", "bob": "Battery-Staple-4242"}
MAILDIR: Final = "/srv/mail"
FILTER: Final = "ban"
TIMEOUT_S: Final = 20.0
_LISTENING: Final = "0A"  # proc_net(5): the kernel's TCP_LISTEN

# "pki mx" would be a syntax error: mx is a word of the grammar.
_CONFIGURATION: Final = """\
pki "{host}" cert "/etc/smtpd/cert.pem"
pki "{host}" key "/etc/smtpd/key.pem"
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


class RealSmtpd:
    """One smtpd on a machine, with at most one filter, attached to all its listeners."""

    def __init__(self, machine: Machine, command: str = "", *, user: str = "") -> None:
        """Configure smtpd: a shell runs the filter's *command* (none if empty) as *user* (if empty, smtpd's own)."""
        self._machine = machine
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.NamedTemporaryFile(prefix="smtpd-", suffix=".log")  # noqa: SIM115 - closed by close()
        as_user = f' user "{user}"' if user else ""
        configuration = _CONFIGURATION.format(
            host=HOST_NAME,
            interface=MX_INTERFACE,
            maildir=MAILDIR,
            filter=f'filter "{FILTER}" proc-exec "{command}"{as_user}' if command else "",
            attached=f'filter "{FILTER}"' if command else "",
        )
        machine.write("/etc/smtpd.conf", configuration)
        key, certificate = _key_and_certificate()
        machine.write("/etc/smtpd/key.pem", key, 0o600)
        machine.write("/etc/smtpd/cert.pem", certificate)
        machine.write("/etc/smtpd/users", "".join(f"{user} {_crypt(word)}\n" for user, word in USERS.items()))
        machine.run(["install", "-d", "-o", "mail", MAILDIR])

    def start(self) -> Self:
        """
        Start smtpd and return when its ports are open.

        Raises:
            RuntimeError: it ended instead; the text has its log.

        """
        process = self._process = self._machine.popen(["smtpd", "-d"], stdout=self._log, stderr=self._log)
        expected = {SMTP, SMTPS, SUBMISSION}
        wait_until(
            lambda: expected <= self._open_ports() or process.poll() is not None, "smtpd listens", TIMEOUT_S
        )
        if process.poll() is not None:
            raise RuntimeError(f"smtpd ended with status {process.returncode}:\n{self.log()}")
        return self

    def running(self) -> bool:
        """Return whether smtpd is there; it stops as a whole when its filter or one of its parts does."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        """Wait until smtpd ends by itself; return its exit status."""
        assert self._process is not None
        return self._process.wait(TIMEOUT_S)

    def stop(self) -> None:
        """Stop smtpd with SIGTERM; its parts and its filter leave by themselves."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(TIMEOUT_S)

    def log(self) -> str:
        """Return all that smtpd and its filter have logged."""
        return Path(self._log.name).read_text(errors="backslashreplace")

    def filter_log(self) -> list[str]:
        """Return the lines that the filter wrote to its standard error."""
        return [
            line.removeprefix(f"{FILTER}: ")
            for line in self.log().splitlines()
            if line.startswith(f"{FILTER}: ")
        ]

    def messages(self) -> list[str]:
        """Return the messages delivered so far."""
        return [path.read_text() for path in self._machine.path(f"{MAILDIR}/new").glob("*")]

    def close(self) -> None:
        """Stop smtpd if it runs, and drop its log."""
        self.stop()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open_ports(self) -> set[int]:
        """Return the TCP ports of the machine that listen; a look disturbs no filter, a connection would."""
        rows = [
            line.split() for line in Path(f"/proc/{self._machine.pid}/net/tcp").read_text().splitlines()[1:]
        ]
        return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENING}


@functools.cache
def _key_and_certificate() -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "cert.pem")
        argv = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]
        argv += ["-subj", f"/CN={HOST_NAME}", "-days", "30", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(argv, check=True, capture_output=True, timeout=TIMEOUT_S)
        return key.read_text(), certificate.read_text()


@functools.cache
def _crypt(password: str) -> str:
    """Return the crypt(3) hash of *password*, SHA-512 based."""
    argv = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(
        argv, input=password, check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    ).stdout.strip()
