# SPDX-License-Identifier: ISC
"""Certificates that openssl makes, in a folder of the test."""

import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

PASSPHRASE = "the-passphrase"
_NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


@attrs.frozen
class Pair:
    """Files with a certificate and its key."""

    file: Path
    key_file: Path

    @property
    def texts(self) -> tuple[str, str]:
        """What they hold."""
        return self.file.read_text(), self.key_file.read_text()


class Authority:
    """
    Signs certificates; its own is in ``file``.

    Args:
        folder: For its files.

    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs openssl")
        self._folder = folder
        self.file = folder / "authority.crt"
        self._openssl(f"req -x509 {_NEW_KEY} -subj /CN=authority -keyout authority.key -out authority.crt")

    def issue(self, name: str, address: str = "127.0.0.1") -> Pair:
        """Return a certificate of that name and address."""
        (self._folder / "extensions").write_text(f"subjectAltName = IP:{address}\n")
        self._openssl(f"req {_NEW_KEY} -subj /CN={name} -keyout {name}.key -out request")
        signed = "-CA authority.crt -CAkey authority.key -CAcreateserial -extfile extensions"
        self._openssl(f"x509 -req -in request {signed} -out {name}.crt")
        return Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")

    def locked(self, pair: Pair) -> Pair:
        """Return *pair* with a passphrase on its key."""
        key_file = pair.key_file.with_suffix(".locked")
        self._openssl(f"pkey -in {pair.key_file} -aes256 -passout pass:{PASSPHRASE} -out {key_file}")
        return Pair(pair.file, key_file)

    def _openssl(self, command: str) -> None:
        subprocess.run(
            ["openssl", *command.split()], cwd=self._folder, check=True, capture_output=True, timeout=20
        )
