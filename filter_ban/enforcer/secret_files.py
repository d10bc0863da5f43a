# SPDX-License-Identifier: ISC
"""Secrets in files of their own, read with the privileges of whoever starts the daemon."""

from pathlib import Path
from typing import Final

from filter_ban.config import ConfigError, Fault
from filter_ban.config.cluster import Cluster

MAX_SECRET: Final = 200
MIN_CLUSTER_KEY: Final = 16
MAX_PEM_BYTES: Final = 1 << 20
_AT_MOST: Final = "at most 1 MB"


def read_secret(file: Path | None, key: str, config_file: str, *, shortest: int = 1) -> str:
    """
    Return the secret in *file*, which *key* names; "" if none is configured.

    Raises:
        ConfigError: its file cannot be read, or has none.

    """
    if file is None:
        return ""
    try:
        secret = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(config_file, [Fault(key, str(file), f"cannot be read: {error}")]) from None
    if not secret.isprintable() or not shortest <= len(secret) <= MAX_SECRET:
        rule = f"must hold one line of {shortest} to {MAX_SECRET} printable characters"
        raise ConfigError(config_file, [Fault(key, str(file), rule)])
    return secret


def read_cluster_secrets(config: Cluster, config_file: str) -> dict[str, str] | None:
    """
    Return what the files of a cluster hold, as :class:`filter_ban.courier.settings.Settings` calls it; None without one.

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.

    """
    if not config.stores:
        return None
    return {
        "key": read_secret(config.key_file, "cluster.key_file", config_file, shortest=MIN_CLUSTER_KEY),
        "password": read_secret(config.password_file, "cluster.password_file", config_file),
        "ca": _read_certificates(config.ca_file, "cluster.ca_file", config_file),
        **_read_own_certificate(config, config_file),
        "sentinel_password": read_secret(
            config.sentinel_password_file, "cluster.sentinel_password_file", config_file
        ),
    }


def _read_own_certificate(config: Cluster, config_file: str) -> dict[str, str]:
    """Return the certificate that this node shows, and its key, once they are known to fit."""
    file, key_file = config.certificate_file, config.certificate_key_file
    texts = {
        "certificate": _read_certificates(file, "cluster.certificate_file", config_file),
        "certificate_key": _read_pem(key_file, "cluster.certificate_key_file", config_file),
    }
    if file is None:
        return texts
    from ssl import PROTOCOL_TLS_CLIENT, SSLContext  # noqa: PLC0415 - for a node that has a certificate

    from filter_ban import certificate  # noqa: PLC0415 - as above

    try:
        certificate.load(SSLContext(PROTOCOL_TLS_CLIENT), file, key_file)
    except (certificate.CertificateError, OSError) as error:
        raise ConfigError(
            config_file, [Fault("cluster.certificate_key_file", str(key_file), str(error))]
        ) from None
    return texts


def _read_certificates(file: Path | None, key: str, config_file: str) -> str:
    certificates = _read_pem(file, key, config_file)
    if file is not None and "-----BEGIN CERTIFICATE-----" not in certificates:
        rule = f"must hold certificates in PEM form, {_AT_MOST}"
        raise ConfigError(config_file, [Fault(key, str(file), rule)])
    return certificates


def _read_pem(file: Path | None, key: str, config_file: str) -> str:
    if file is None:
        return ""
    try:
        text = file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(config_file, [Fault(key, str(file), f"cannot be read: {error}")]) from None
    if len(text) > MAX_PEM_BYTES:
        raise ConfigError(config_file, [Fault(key, str(file), f"must be in PEM form, {_AT_MOST}")])
    return text
