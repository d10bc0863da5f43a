# SPDX-License-Identifier: ISC
"""The people with an account on the mail server, and the server's own certificate."""

import functools
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.real.machine import HOST_NAME, Machine

USERS: Final = {"alice": "Correct-Horse-7731", "bob": "Battery-Staple-4242"}
MAIL_FOLDER: Final = "/srv/mail"  # a maildir for everybody; it belongs to Debian's user "mail"
KEY: Final = "/etc/ssl/private/mx.pem"
CERTIFICATE: Final = "/etc/ssl/certs/mx.pem"
_OPENSSL_TIMEOUT_S: Final = 20


def furnish(machine: Machine) -> None:
    """Give the machine its key, its certificate and the folder for all mail."""
    key, certificate = _key_and_certificate()
    machine.write(KEY, key, 0o600)
    machine.write(CERTIFICATE, certificate)
    machine.run(["install", "-d", "-o", "mail", MAIL_FOLDER])


def messages(machine: Machine) -> list[str]:
    """Return the messages delivered so far."""
    return [path.read_text() for path in machine.path(f"{MAIL_FOLDER}/new").glob("*")]


def hashed_passwords() -> dict[str, str]:
    """Return the crypt(3) hash, SHA-512 based, of each user's password."""
    return {user: _crypt(password) for user, password in USERS.items()}


@functools.cache
def _key_and_certificate() -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "cert.pem")
        argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        argv += ["-nodes", "-subj", f"/CN={HOST_NAME}", "-days", "30"]
        argv += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(argv, check=True, capture_output=True, timeout=_OPENSSL_TIMEOUT_S)
        return key.read_text(), certificate.read_text()


@functools.cache
def _crypt(password: str) -> str:
    argv = ["openssl", "passwd", "-6", "-stdin"]
    done = subprocess.run(
        argv, input=password, check=True, capture_output=True, text=True, timeout=_OPENSSL_TIMEOUT_S
    )
    return done.stdout.strip()
