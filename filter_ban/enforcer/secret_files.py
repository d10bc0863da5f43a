# SPDX-License-Identifier: ISC
"""Secrets in files of their own, read with the privileges of whoever starts the daemon."""

from pathlib import Path
from typing import Final

from filter_ban.config import ConfigError, Fault
from filter_ban.config.cluster import Cluster

MAX_SECRET: Final = 200
MIN_CLUSTER_KEY: Final = 16
MAX_CA_BYTES: Final = 1 << 20


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
    Return the nodes' ``key``, and the ``password`` and certificates (``ca``) for the stores; None without a cluster.

    Raises:
        ConfigError: a file cannot be read, or is not what it should be.

    """
    if not config.stores:
        return None
    return {
        "key": read_secret(config.key_file, "cluster.key_file", config_file, shortest=MIN_CLUSTER_KEY),
        "password": read_secret(config.password_file, "cluster.password_file", config_file),
        "ca": _read_certificates(config.ca_file, config_file),
    }


def _read_certificates(file: Path | None, config_file: str) -> str:
    if file is None:
        return ""
    try:
        certificates = file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            config_file, [Fault("cluster.ca_file", str(file), f"cannot be read: {error}")]
        ) from None
    if "-----BEGIN CERTIFICATE-----" not in certificates or len(certificates) > MAX_CA_BYTES:
        rule = "must hold certificates in PEM form, at most 1 MB"
        raise ConfigError(config_file, [Fault("cluster.ca_file", str(file), rule)])
    return certificates
