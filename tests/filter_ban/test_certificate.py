# SPDX-License-Identifier: ISC
"""Certificates of our own: which can be used, and what is said of those that cannot."""

import ssl
from pathlib import Path

import pytest

from filter_ban import certificate
from filter_ban.certificate import CertificateError
from tests.filter_ban.authority import PASSPHRASE, Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Provide somebody who signs."""
    return Authority(tmp_path_factory.mktemp("tls"))


def load(file: Path, key_file: Path | None = None) -> None:
    """Load a certificate."""
    certificate.load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), file, key_file)


def test_a_pair(authority: Authority, tmp_path: Path) -> None:
    """A certificate and its key are loaded from two files, or from one; others may come between them."""
    pair = authority.issue("node")
    load(pair.file, pair.key_file)
    together = tmp_path / "together"
    text, key = pair.texts
    together.write_text(text + authority.file.read_text() + key)
    load(together)


def test_pairs_that_cannot_be_used(authority: Authority) -> None:
    """What is wrong is said, nobody is asked for a passphrase, and no secret is shown."""
    pair, other = authority.issue("node"), authority.issue("other")
    wrong = {
        Pair(pair.file, other.key_file): "must be the key of the first certificate",
        authority.locked(pair): "must be a key without a passphrase",
        Pair(pair.file, pair.file): "must be a private key in PEM form",
        Pair(pair.key_file, pair.key_file): "must be a private key in PEM form",
    }
    for files, rule in wrong.items():
        with pytest.raises(CertificateError, match=rule) as caught:
            load(files.file, files.key_file)
        assert PASSPHRASE not in str(caught.value)
        assert "PRIVATE KEY-----" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        load(pair.file, pair.key_file.with_name("none"))


ERRORS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": ("it asks for a certificate, and is shown none", True),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": ("handshake failure, as where a certificate is asked for", True),
    "TLSV1_ALERT_UNKNOWN_CA": ("it does not take our certificate: unknown ca", True),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("it does not take our certificate: certificate expired", True),
    "TLSV1_ALERT_PROTOCOL_VERSION": ("TLSV1_ALERT_PROTOCOL_VERSION", False),
    "WRONG_VERSION_NUMBER": ("WRONG_VERSION_NUMBER", False),
    "": ("TLS failed", False),
}


@pytest.mark.parametrize(("reason", "said"), ERRORS.items())
def test_what_a_server_says(reason: str, said: tuple[str, bool]) -> None:
    """What a server has against our certificate is said in words, and told from what else goes wrong."""
    error = ssl.SSLError(1, "")
    error.reason = reason
    text, is_refused = said
    assert certificate.problem_of(error).startswith(text)
    assert certificate.is_refused(error) is is_refused


def test_a_servers_certificate() -> None:
    """What we have against a server's certificate is said as OpenSSL says it."""
    error = ssl.SSLCertVerificationError(1, "")
    error.verify_message = "self-signed certificate"
    assert certificate.problem_of(error) == "self-signed certificate"
    assert not certificate.is_refused(error)
