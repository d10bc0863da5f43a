# SPDX-License-Identifier: ISC
"""Secrets in files: read as root, and named exactly when they cannot be."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from filter_ban.config import ConfigError
from filter_ban.config.cluster import Cluster
from filter_ban.enforcer.secret_files import read_cluster_secrets, read_secret

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
    """Key, password and certificates come from their files; only the key must be there."""
    assert read_cluster_secrets(cluster(tmp_path, key_file="0123456789abcdef\n"), CONFIG) == {
        "key": "0123456789abcdef",
        "password": "",
        "ca": "",
    }
    config = cluster(tmp_path, key_file="0" * 64, password_file="hunter2\n", ca_file=CERTIFICATE)
    assert read_cluster_secrets(config, CONFIG) == {"key": "0" * 64, "password": "hunter2", "ca": CERTIFICATE}


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
