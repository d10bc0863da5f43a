# SPDX-License-Identifier: ISC
"""The certificate that we show to a server, and what servers say of it."""

import re
import ssl
from pathlib import Path
from typing import Final

from filter_ban.text import excerpt

ASKED: Final = "it asks for a certificate, and is shown none: see cluster.certificate_file"
_ALERT: Final = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_ALERT_([A-Z_]+)")
_OF_A_CERTIFICATE: Final = {
    *("certificate required", "bad certificate", "unsupported certificate", "certificate revoked"),
    *("certificate expired", "certificate unknown", "unknown ca", "access denied", "decrypt error"),
    "handshake failure",  # before TLS 1.3 this is said where one is missing
}


class CertificateError(ValueError):
    """A certificate and its key cannot be used; the text says what is wrong with the key, and may be shown."""


def load(context: ssl.SSLContext, file: Path, key_file: Path | None = None) -> None:
    """
    Have *context* show the certificate in *file*; without *key_file* its key is there too.

    Raises:
        CertificateError: they do not fit, or the key has a passphrase.
        OSError: a file cannot be read.

    """
    try:
        context.load_cert_chain(file, key_file, _refuse_passphrase)
    except ssl.SSLError as error:
        if _reason(error) in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            raise CertificateError("must be the key of the first certificate in certificate_file") from None
        why = excerpt(_reason(error) or str(error))
        raise CertificateError(
            f"must be a private key in PEM form, for a certificate in PEM form ({why})"
        ) from None


def _refuse_passphrase() -> str:
    """Answer OpenSSL, which would ask on the terminal."""
    raise CertificateError("must be a key without a passphrase: nobody is there to type it")


def is_refused(error: ssl.SSLError) -> bool:
    """Return whether *error* is what a server says of our certificate, or of there being none."""
    return _alert(error) in _OF_A_CERTIFICATE


def problem_of(error: ssl.SSLError) -> str:
    """
    Return what *error* is about, short and fit to be shown.

    Source: RFC 8446, section 6.2.

    """
    alert = _alert(error)
    if alert == "certificate required":
        return ASKED
    if alert == "handshake failure":
        return f"{alert}, as where a certificate is asked for and none is shown: see cluster.certificate_file"
    if alert in _OF_A_CERTIFICATE:
        return f"it does not take our certificate: {alert}"
    return excerpt(getattr(error, "verify_message", "") or _reason(error) or "TLS failed")


def _alert(error: ssl.SSLError) -> str:
    match = _ALERT.fullmatch(_reason(error))
    return match[1].lower().replace("_", " ") if match else ""


def _reason(error: ssl.SSLError) -> str:
    return getattr(error, "reason", None) or ""  # what Python raises itself has none
