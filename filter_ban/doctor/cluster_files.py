# SPDX-License-Identifier: ISC
"""What is wrong with the files that a node of a cluster needs, and what they hold."""

import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filter_ban import certificate
from filter_ban.cluster.keys import ClusterKeys
from filter_ban.config.cluster import Cluster
from filter_ban.doctor.finding import Finding, Severity, quoted
from filter_ban.doctor.store import PART, Login

SHORTEST_KEY: Final = 16  # characters
_PUBLIC: Final = ("ca", "certificate")
_OPEN: Final = stat.S_IRWXO | stat.S_IWGRP


def findings(config: Cluster) -> Iterator[Finding]:
    """Yield what is wrong with the files that the daemon reads."""
    files = {
        "key": config.key_file,
        "password": config.password_file,
        "ca": config.ca_file,
        "certificate": config.certificate_file,
        "certificate-key": config.certificate_key_file,
        "sentinel-password": config.sentinel_password_file,
    }
    for name, file in files.items():
        if file is not None:
            yield from _file(name, file)
    yield from _pair(config)


def _pair(config: Cluster) -> Iterator[Finding]:
    """Yield what is wrong with the certificate and its key, if they can be read."""
    try:
        _try_certificate(config)
    except certificate.CertificateError as error:
        path = quoted(str(config.certificate_key_file))
        why = f"cluster.certificate_key_file {error}"
        yield Finding(PART, Severity.DANGER, "certificate-key-wrong", why, f"openssl pkey -in {path} -pubout")
    except OSError:
        return  # it is told


def _file(name: str, file: Path) -> Iterator[Finding]:
    path, key = quoted(str(file)), f"cluster.{name.replace('-', '_')}_file"
    try:
        text, mode = _read(file), file.stat().st_mode
    except OSError as error:
        why = f"{key} cannot be read: {error.strerror}"
        yield Finding(PART, Severity.DANGER, f"{name}-unreadable", why, f"ls -l {path}")
        return
    if name not in _PUBLIC and mode & _OPEN:
        why = f"{key} is open to more than its owner and group: who has it can speak for a node"
        yield Finding(PART, Severity.DANGER, f"{name}-open", why, f"chmod o=,g-w {path}")
    if name == "key" and len(text) < SHORTEST_KEY:
        why = (
            f"the nodes' key has {len(text)} characters, so that it can be guessed; {SHORTEST_KEY} are needed"
        )
        yield Finding(PART, Severity.DANGER, "key-short", why, f"openssl rand -hex 32 >{path}")


def _read(file: Path | None) -> str:
    return "" if file is None else file.read_text("ascii", "backslashreplace").strip()


def _try_certificate(config: Cluster) -> None:
    """
    Have the certificate of this node loaded, which must not be left to a library: it would ask for a passphrase.

    Raises:
        CertificateError, OSError: it cannot be.

    """
    if config.certificate_file is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        certificate.load(context, config.certificate_file, config.certificate_key_file)


def login(config: Cluster) -> Login:
    """
    Return as whom we come to the stores.

    Raises:
        CertificateError, OSError: a file is not there, or not what it should be.

    """
    _try_certificate(config)
    return Login(
        user=config.user,
        password=_read(config.password_file),
        ca_file=str(config.ca_file or ""),
        certificate_file=str(config.certificate_file or ""),
        certificate_key_file=str(config.certificate_key_file or ""),
        sentinel_user=config.sentinel_user,
        sentinel_password=_read(config.sentinel_password_file),
    )


def keys(config: Cluster) -> ClusterKeys | None:
    """Return what the nodes' key is good for; None: it cannot be read."""
    try:
        return ClusterKeys(_read(config.key_file).encode())
    except OSError:
        return None
