# SPDX-License-Identifier: ISC
"""Secrets in files: read as root, and named exactly when they cannot be."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from filter_ban.config import ConfigError
from filter_ban.config.cluster import Cluster
from filter_ban.enforcer.secret_files import MAX_PEM_BYTES, read_cluster_secrets, read_secret
from tests.filter_ban.authority import Authority

CONFIG = "/etc/filter-ban.toml"
KEY = "dovecot.secret_file"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def test_the_secret_is_one_line(tmp_path: Path) -> None:
    """The line's end does not belong to it."""
    file = tmp_path / "secret"
    file.write_text("correct horse\n")

    assert read_secret(file, KEY, CONFIG) == "correct horse"
    assert read_secret(None, KEY, CONFIG) == ""


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two\nlines", b"\xff\xfe", b"x" * 201])
def test_a_secret_that_cannot_be_used_is_a_fault(tmp_path: Path, content: bytes | None) -> None:
    """File, key and rule are named, the content is not."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secret(file, KEY, CONFIG)

    assert str(caught.value).startswith(f"/etc/filter-ban.toml: dovecot.secret_file = '{file}': ")
    assert "lines" not in str(caught.value)


def cluster(tmp_path: Path, **files: str) -> Cluster:
    """Return the configuration of a cluster whose files have these contents."""
    paths: dict[str, Any] = {}
    for name, content in files.items():
        paths[name] = tmp_path / name
        paths[name].write_text(content)
    return attrs.evolve(Cluster(stores=("redis://192.0.2.1",)), **paths)


def test_a_lone_node_needs_no_secrets() -> None:
    """Where there are no stores, nothing is read."""
    assert read_cluster_secrets(Cluster(), CONFIG) is None


def test_the_secrets_of_a_cluster(tmp_path: Path) -> None:
    """Key, passwords and certificates come from their files; only the key must be there."""
    none = dict.fromkeys(("password", "ca", "certificate", "certificate_key", "sentinel_password"), "")
    assert read_cluster_secrets(cluster(tmp_path, key_file="0123456789abcdef\n"), CONFIG) == {
        **none,
        "key": "0123456789abcdef",
    }
    certificate, key = Authority(tmp_path).issue("node").texts
    config = cluster(
        tmp_path,
        key_file="0" * 64,
        password_file="hunter2\n",
        ca_file=CERTIFICATE,
        certificate_file=certificate,
        certificate_key_file=key,
        sentinel_password_file="hunter3\n",
    )
    assert read_cluster_secrets(config, CONFIG) == {
        "key": "0" * 64,
        "password": "hunter2",
        "ca": CERTIFICATE,
        "certificate": certificate,
        "certificate_key": key,
        "sentinel_password": "hunter3",
    }


def test_certificates_that_cannot_be_shown(tmp_path: Path) -> None:
    """A key that does not fit, or has a passphrase, is a fault with file, key and rule."""
    authority = Authority(tmp_path)
    node, other = authority.issue("node"), authority.issue("other")
    rules = {
        (node.file, other.key_file): "certificate_key_file = '{1}': must be the key of the first certificate",
        (
            node.file,
            authority.locked(node).key_file,
        ): "certificate_key_file = '{1}': must be a key without a pass",
        (node.file, tmp_path / "none"): "certificate_key_file = '{1}': cannot be read",
        (node.key_file, node.key_file): "certificate_file = '{0}': must hold certificates in PEM form",
    }
    for files, rule in rules.items():
        config = attrs.evolve(
            cluster(tmp_path, key_file="0" * 64), certificate_file=files[0], certificate_key_file=files[1]
        )
        with pytest.raises(ConfigError) as caught:
            read_cluster_secrets(config, CONFIG)
        assert str(caught.value).startswith(f"{CONFIG}: cluster.{rule.format(*files)}")


@pytest.mark.parametrize(
    ("files", "key", "rule"),
    [
        ({"key_file": "short"}, "cluster.key_file", "must hold one line of 16 to 200 printable characters"),
        ({"key_file": "0" * 64, "password_file": ""}, "cluster.password_file", "must hold one line of 1 to"),
        (
            {"key_file": "0" * 64, "ca_file": "no such thing"},
            "cluster.ca_file",
            "must hold certificates in PEM form",
        ),
        ({"key_file": "0" * 64, "ca_file": "\u00e9"}, "cluster.ca_file", "cannot be read"),
        ({"key_file": "0" * 64, "ca_file": "x" * (MAX_PEM_BYTES + 1)}, "cluster.ca_file", "at most 1 MB"),
        (
            {"key_file": "0" * 64, "sentinel_password_file": ""},
            "cluster.sentinel_password_file",
            "must hold one line of 1 to",
        ),
    ],
)
def test_a_cluster_without_its_secrets_is_a_fault(
    tmp_path: Path, files: dict[str, str], key: str, rule: str
) -> None:
    """What is missing or wrong is named with its key and its rule, never with its content."""
    with pytest.raises(ConfigError) as caught:
        read_cluster_secrets(cluster(tmp_path, **files), CONFIG)

    assert f"{key} = " in str(caught.value)
    assert rule in str(caught.value)
    assert "short" not in str(caught.value)
