# SPDX-License-Identifier: ISC
"""TLS with a store: by what it is checked, and what it is shown."""

import ssl
import tempfile
from functools import cache
from pathlib import Path

import attrs

from filter_ban import certificate


@attrs.frozen
class Tls:
    """
    What TLS needs, in PEM.

    Args:
        ca: Certificates by which a server is checked; empty: the system's.
        certificate: That it is shown, and what signed it; empty: none.
        key: Of the certificate.

    """

    ca: str = attrs.field(default="", repr=False)
    certificate: str = attrs.field(default="", repr=False)
    key: str = attrs.field(default="", repr=False)


@cache
def context_of(tls: Tls) -> ssl.SSLContext:
    """
    Return *tls* as connections want it.

    Raises:
        OSError, ValueError: it is not what it should be.

    """
    context = ssl.create_default_context(cadata=tls.ca or None)
    if tls.certificate:
        # ssl reads it from files alone; this one nobody else may open, and it is there for no longer than that
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            file.write(f"{tls.certificate}\n{tls.key}\n")
            file.flush()
            certificate.load(context, Path(file.name))
    return context
